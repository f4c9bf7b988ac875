"""The pages: links lead somewhere, names exist, URLs parse, generated parts are current."""
import os
import re
import subprocess
import sys
import tempfile
import unittest

sys.path[:0] = [os.path.dirname(os.path.abspath(__file__))]
import doctor  # noqa: E402
import facts  # noqa: E402
import limits  # noqa: E402
import urls  # noqa: E402
from doctools import ROOT, blocks, compiler, pages, read, write_regions  # noqa: E402

# Adds each argument as a source, without a step.
PARSER = r"""
#define CLUSTER_IMPLEMENTATION
#include "cluster.h"
#include <stdio.h>

int main(int argc, char **argv)
{
    struct cluster_options options;
    struct cluster *c;
    int i, wrong = 0;
    cluster_options_init(&options);
    options.node = "own@10.0.0.9";
    if (cluster_create(&c, &options) < 0)
        return 2;
    for (i = 1; i < argc; i++)
        if (cluster_discover(c, argv[i], NULL) < 0 && ++wrong)
            printf("%s: %s\n", argv[i], cluster_last_error(c));
    cluster_destroy(c);
    return wrong != 0;
}
"""


def prose(page):
    """The page without its blocks."""
    return re.sub(r"^```.*?^```$", "", read(page), flags=re.S | re.M)


def slug(heading):
    """The anchor that GitHub makes of a heading."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower().replace("`", "")
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


def anchors(page):
    return {slug(found.group(1)) for found in re.finditer(r"^#+ (.*)$", prose(page), re.M)}


def code(page):
    """What stands between single backticks."""
    return re.findall(r"(?<!`)`([^`\n]+)`(?!`)", prose(page))


class Pages(unittest.TestCase):
    maxDiff = None

    def test_links_lead_somewhere(self):
        wrong = []
        for page in pages() + ["examples/deploy/README.md"]:
            for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
                path, _, anchor = target.partition("#")
                if re.match(r"[a-z]+:", target):
                    continue
                full = os.path.normpath(os.path.join(os.path.dirname(page), path)) if path else page
                if not os.path.exists(os.path.join(ROOT, full)):
                    wrong.append("%s: there is no %s" % (page, full))
                elif anchor and full.endswith(".md") and anchor not in anchors(full):
                    wrong.append("%s: %s has no heading #%s" % (page, full, anchor))
            for label in re.findall(r"\]\[([^\]]+)\]", prose(page)):
                if not re.search(r"^\[%s\]: \S" % re.escape(label), read(page), re.M):
                    wrong.append("%s: [%s] has no address" % (page, label))
        self.assertEqual(wrong, [])

    def test_a_page_begins_with_what_it_is_for(self):
        for page in pages():
            title, between, first = prose(page).split("\n")[:3]
            self.assertRegex(title, r"^# \S", page)
            self.assertEqual(between, "", page)
            self.assertRegex(first, r"^[\w\[`]", page + " begins with no sentence")

    def test_every_page_can_be_found(self):
        self.assertIn("](docs/README.md)", read("README.md"))
        linked = set(re.findall(r"\]\(([\w.]+\.md)", read("docs/README.md")))
        for page in pages():
            if page.startswith("docs/") and page != "docs/README.md":
                self.assertIn(os.path.basename(page), linked)

    def test_names_of_the_api_exist(self):
        header = read("cluster.h")
        known = set(re.findall(r"\b(?:cluster|CLUSTER)_\w+", header)) | set(re.findall(r"\b(?:limit_\w+|quorum\w*)\b", header))
        for page in pages():
            for text in code(page):
                for name in re.findall(r"(?<![\w/])(?:cluster_\w+|CLUSTER_\w+|limit_\w+)", text):
                    if not name.endswith("_"):
                        self.assertIn(name, known, page)

    def test_urls_parse(self):
        wanted = []
        for page in pages():
            texts = code(page) + [word.strip("'") for block in blocks(page) if block.language == "sh"
                                  for word in re.findall(r"'[^']+'|\S+", block.text)]
            wanted += [text for text in texts
                       if re.match(r"(%s):\S*$" % "|".join(row["scheme"] for row in urls.schemes()), text)
                       and not re.search(r"[A-Z]{2,}|\.\.\.|\u2026", text)
                       and text not in ["%s:" % row["scheme"] for row in urls.schemes() if row["least"] or row["scheme"] in ("dns", "ec2", "kubernetes")]]
        self.assertGreater(len(wanted), 15)
        with tempfile.TemporaryDirectory() as folder:
            source, out = os.path.join(folder, "parser.c"), os.path.join(folder, "parser")
            with open(source, "w", encoding="ascii") as file:
                file.write(PARSER)
            subprocess.run([compiler(), "-std=c99", "-I" + ROOT, "-o", out, source], check=True, timeout=300)
            done = subprocess.run([out, *sorted(set(wanted))], capture_output=True, text=True, timeout=60)
        self.assertEqual((done.returncode, done.stdout), (0, ""))

    def test_the_packet_is_the_vector(self):
        """docs/protocols.md shows the bytes of a packet that another implementation computed."""
        table = read("docs/protocols.md").partition("<!-- vector: plain -->")[2].partition("\n\n")[0]
        cells = [row.split("|")[1] for row in table.strip().split("\n")[2:]]
        shown = "".join(re.sub(r"[^0-9a-f]", "", cell) for cell in cells)
        vector = re.search(r"^plain\t-\t([0-9a-f]+)$", read("tests/vectors/gossip_own.txt"), re.M).group(1)
        self.assertEqual(shown, vector)

    def test_no_stray_blanks(self):
        for page in pages():
            for number, line in enumerate(prose(page).split("\n"), 1):
                self.assertEqual(line, line.rstrip(), "%s:%d" % (page, number))
                self.assertNotIn("\t", line, "%s:%d" % (page, number))


class Generated(unittest.TestCase):
    maxDiff = None

    def test_urls(self):
        self.assertEqual(write_regions(urls.PAGE, urls.regions(), True, urls.COMMAND), "")

    def test_limits(self):
        self.assertEqual(write_regions(limits.PAGE, limits.regions(), True, limits.COMMAND), "")

    def test_doctor(self):
        self.assertEqual(write_regions(doctor.PAGE, doctor.regions(), True, doctor.COMMAND), "")

    def test_facts(self):
        self.assertEqual(facts.near(facts.PAGE, facts.regions(), True, facts.COMMAND), "")

    def test_every_scheme_has_its_heading(self):
        self.assertLessEqual({row["scheme"] for row in urls.schemes()}, anchors("docs/urls.md"))


if __name__ == "__main__":
    unittest.main()
