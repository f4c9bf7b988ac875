"""The reference that is made of the header's comments: everything public is in it, its pages are well-formed, its links lead somewhere,
and it is the same from run to run."""
import html.parser
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path[:0] = [os.path.dirname(os.path.abspath(__file__))]
import reference  # noqa: E402
from doctools import read  # noqa: E402

VOID = {"meta", "br", "link"}


class Checker(html.parser.HTMLParser):
    """Tags are closed in order; ids are there once."""

    def __init__(self):
        super().__init__()
        self.open, self.ids, self.targets, self.wrong, self.text = [], [], [], [], []

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag not in VOID:
            self.open.append(tag)
        if "id" in attrs:
            self.ids.append(attrs["id"])
        if tag == "a" and attrs.get("href", "").startswith("#"):
            self.targets.append(attrs["href"][1:])

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append("</%s> at %s" % (tag, self.getpos()))

    def handle_data(self, data):
        self.text.append(data)


class Reference(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.pages = reference.pages()

    def public(self):
        header = read("src/api.h")
        return (set(re.findall(r"^CLUSTER_API [^;]*?\b(cluster_\w+)\(", header, re.M)) | set(re.findall(r"^struct (\w+) \{", header, re.M))
                | set(re.findall(r"\b(CLUSTER_[A-Z_]+) = ", header)))

    def test_everything_is_in_it(self):
        declared = {name for _, entries in reference.parse()[1] for entry in entries for name in entry.names()}
        self.assertLessEqual(self.public(), declared)
        man = self.pages["cluster.h.3"].replace("\\-", "-")
        for name in self.public():
            self.assertIn(name, man)

    def test_no_comment_is_lost(self):
        """Every word of the header's comments is on the page, from its first section on."""
        page = Checker()
        page.feed(self.pages["cluster.html"])
        words = set(re.findall(r"\w+", " ".join(page.text)))
        comments = " ".join(re.findall(r"/\*.*?\*/", read("src/api.h").partition("/* ---- ")[2], re.S))
        self.assertEqual(set(re.findall(r"\w+", comments)) - words, set())

    def test_html(self):
        page = Checker()
        page.feed(self.pages["cluster.html"])
        self.assertEqual((page.wrong, page.open), ([], []))
        self.assertEqual(len(page.ids), len(set(page.ids)))
        self.assertEqual(set(page.targets) - set(page.ids), set())
        self.assertIn('name="viewport"', self.pages["cluster.html"])

    def test_manual_pages(self):
        if not shutil.which("mandoc"):
            self.skipTest("no mandoc")
        with tempfile.TemporaryDirectory() as folder:
            for name in ("cluster.h.3", "clusterctl.1"):
                path = os.path.join(folder, name)
                with open(path, "w", encoding="utf-8") as f:
                    f.write(self.pages[name])
                done = subprocess.run(["mandoc", "-Tlint", "-Wwarning", path], capture_output=True, text=True, timeout=60)
                wrong = [line for line in done.stdout.splitlines() if "missing date" not in line]  # the same sources, the same bytes
                self.assertEqual(wrong, [])

    def test_commands(self):
        for command in re.findall(r"^  (\w+)  ", reference.ask_tool("help"), re.M):
            self.assertIn("\n.SS %s\n" % command, self.pages["clusterctl.1"])

    def test_the_same_again(self):
        self.assertEqual(reference.pages(), self.pages)


if __name__ == "__main__":
    unittest.main()
