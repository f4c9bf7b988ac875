"""The line in the first comment of each example, by which a reader builds it: it stands for that file, needs nothing that a fresh clone has
not, and what it compiles is found. The tests build the examples in their own way, with the library's object under sanitizers."""
import glob
import os
import re
import subprocess
import unittest

from exampletools import needs
from tools import ROOT, Skip, has_implementation

LINE = re.compile(r"^(?: \*|/\*)?[^\n]*?\b((?:cc|musl-gcc) [^\n&]*)", re.M)


def line_of(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as f:
        comment = f.read().partition("*/")[0]
    found = [line.strip() for line in LINE.findall(comment) if path in line]
    return found[0] if found else ""


class Heads(unittest.TestCase):
    def test_they_build(self):
        paths = sorted(os.path.relpath(path, ROOT) for path in glob.glob(os.path.join(ROOT, "examples/**/*.c"), recursive=True))
        self.assertGreater(len(paths), 30)
        for path in paths:
            if path == "examples/vendoring/cluster.c":  # two lines, and nothing else
                continue
            with self.subTest(path):
                line = line_of(path)
                self.assertIn(path, line, "its first comment has no line that builds it")
                out = re.search(r"-o (\S+)", line).group(1)
                self.assertIn(os.path.dirname(out), ("", "build"))
                if path != "examples/vendoring/server.c":  # as it was before
                    self.assertTrue(has_implementation(path) or "-DCLUSTER_IMPLEMENTATION" in line or "build/libcluster.a" in line,
                                    "what it builds has no implementation")
                try:
                    needs(path)
                except Skip as skip:
                    self.skipTest(str(skip))
                preprocess = line.replace("-o " + out, "-E -o /dev/null").replace("musl-gcc", "cc", 1).replace("build/libcluster.a", "")
                done = subprocess.run(["sh", "-c", preprocess], cwd=ROOT, capture_output=True, text=True, timeout=60)
                self.assertEqual((done.returncode, done.stderr), (0, ""), line)


if __name__ == "__main__":
    unittest.main()
