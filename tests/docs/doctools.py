"""What the tests of the documents share: the pages and their code blocks, generated regions, and values asked of the C code."""
import glob
import os
import re
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(ROOT, "tests")]
sys.dont_write_bytecode = True


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def pages():
    """README.md and docs/*.md, relative to the root."""
    return ["README.md"] + sorted(os.path.relpath(path, ROOT) for path in glob.glob(os.path.join(ROOT, "docs", "*.md")))


class Block:
    """A fenced block: its page, line, language, text, and the HTML comments that stand directly above it."""

    def __init__(self, page, line, language, text, marks):
        self.page, self.line, self.language, self.text, self.marks = page, line, language, text, marks

    def __str__(self):
        return "%s:%d" % (self.page, self.line)

    def mark(self, key):
        """What the comment `<!-- key: value -->` above the block says; None without it."""
        return next((mark[len(key):].lstrip(": ") for mark in self.marks if re.match(re.escape(key) + r"\b", mark)), None)


def blocks(page, text=None):
    found, marks = [], []
    lines = (read(page) if text is None else text).split("\n")
    i = 0
    while i < len(lines):
        fence = re.match(r"^(```+)(\S*)\s*$", lines[i])
        comment = re.match(r"^<!--\s*(.*?)\s*-->$", lines[i])
        if fence:
            end = next((j for j in range(i + 1, len(lines)) if lines[j].strip() == fence.group(1)), None)
            if end is None:
                raise AssertionError("%s:%d: this block has no end" % (page, i + 1))
            found.append(Block(page, i + 1, fence.group(2), "\n".join(lines[i + 1:end]) + "\n", marks))
            i, marks = end, []
        elif comment:
            marks = marks + [comment.group(1)]
        elif lines[i].strip():
            marks = []
        i += 1
    return found


# ---- regions that a script writes ---------------------------------------------------------------------------------------


def write_regions(page, regions, check, command):
    """Put each text between `<!-- begin NAME -->` and `<!-- end NAME -->`. With `check` only say whether all are current."""
    text = before = read(page)
    for name, content in regions.items():
        pattern = r"(<!-- begin %s[^>]*-->\n)(.*?)(<!-- end %s -->)" % (re.escape(name), re.escape(name))
        text, count = re.subn(pattern, lambda found: found.group(1) + content.rstrip("\n") + "\n" + found.group(3), text, flags=re.S)
        if count != 1:
            raise AssertionError("%s has %d regions %s, and needs one" % (page, count, name))
    if text == before:
        return ""
    if check:
        return "%s is not current: run `%s` and commit it" % (page, command)
    with open(os.path.join(ROOT, page), "w", encoding="utf-8") as file:
        file.write(text)
    return ""


def main(command, page, regions, argv, where=write_regions):
    """The command line of a generator: nothing writes, --check says whether it is written."""
    if argv not in ([], ["--check"]):
        print("usage: %s [--check]" % command, file=sys.stderr)
        return 2
    wrong = where(page, regions(), bool(argv), command)
    if wrong:
        print(wrong, file=sys.stderr)
    return 1 if wrong else 0


# ---- asked of the code --------------------------------------------------------------------------------------------------


def compiler():
    return os.environ.get("CC", "cc")


def values(expressions):
    """What C expressions are worth where all of the library's constants are known."""
    with tempfile.TemporaryDirectory() as folder:
        source, out = os.path.join(folder, "values.c"), os.path.join(folder, "values")
        with open(source, "w", encoding="ascii") as file:
            file.write("#define CLUSTER_IMPLEMENTATION\n#include \"cluster.h\"\n#include <stdio.h>\n"
                       "#define DEFAULT(field) ((void)cluster_create(&c, NULL), c->field) /* of a handle without options */\n"
                       "int main(void)\n{\n    struct cluster *c;\n")
            for expression in expressions:
                file.write("    printf(\"%%llu\\n\", (unsigned long long)(%s));\n" % expression)
            file.write("    return 0;\n}\n")
        done = subprocess.run([compiler(), "-std=c99", "-w", "-I" + ROOT, "-o", out, source], capture_output=True, text=True,
                              timeout=300)
        if done.returncode:
            raise AssertionError("a constant that the documents name is gone, or cluster.h does not compile:\n" + done.stderr)
        said = subprocess.run([out], capture_output=True, text=True, timeout=60, check=True).stdout.split()
    return dict(zip(expressions, map(int, said)))


def duration(ns):
    """As a URL writes it."""
    for unit, size in (("h", 3600 * 10**9), ("m", 60 * 10**9), ("s", 10**9), ("ms", 10**6)):
        if ns >= size and ns % size == 0:
            return "%d%s" % (ns // size, unit)
    return "%d ns" % ns


def grouped(number):
    return "{:,}".format(number)
