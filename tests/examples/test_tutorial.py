"""The teaching path: every program says what it teaches and ends with an exercise, is short, prints what docs/tutorial.md shows, and
ends with a sentence and the right status when its input is wrong."""
import glob
import os
import re
import subprocess
import sys
import tempfile
import unittest

from exampletools import example
from tools import ROOT, SANITIZERS

sys.path[:0] = [os.path.join(ROOT, "tests", "docs"), os.path.join(ROOT, "tests", "interop")]
from doctools import blocks  # noqa: E402
from interoptools import Epmd, Node, lacks  # noqa: E402

PROGRAMS = sorted(os.path.basename(path)[:-2] for path in glob.glob(os.path.join(ROOT, "examples/[0-9][0-9]_*.c")))
PAGE = "docs/tutorial.md"


class Tutorial(unittest.TestCase):
    maxDiff = None
    folder = None

    @classmethod
    def setUpClass(cls):
        temporary = tempfile.TemporaryDirectory()
        cls.addClassCleanup(temporary.cleanup)
        cls.folder = temporary.name
        for name in PROGRAMS:
            os.symlink(example("examples/%s.c" % name, name), os.path.join(cls.folder, name))

    def run_here(self, command, **env):
        return subprocess.run(["sh", "-c", command], cwd=self.folder, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=120, env=dict(os.environ, **SANITIZERS, **env))

    def shown(self, session):
        return [block.text[2:].partition("\n")[::2] for block in blocks(PAGE) if block.mark("session") == session]

    def test_shape(self):
        self.assertEqual([name[:2] for name in PROGRAMS], ["%02d" % i for i in range(1, 13)])
        for name in PROGRAMS:
            with open(os.path.join(ROOT, "examples", name + ".c"), encoding="ascii") as f:
                text = f.read()
            self.assertLessEqual(text.count("\n"), 80, name)
            self.assertTrue(text.startswith("/* Teaches: "), name)
            self.assertRegex(text, r"\n/\* Exercise: (?:(?!\*/)[^\0])*\*/\n$", name)
            self.assertIn("-o %s examples/%s.c && " % (name, name), text)

    def test_they_print_what_is_shown(self):
        shown = self.shown("tutorial")
        self.assertEqual([re.search(r"\./(\w+)", command).group(1) for command, _ in shown], PROGRAMS[:-1])
        for command, output in shown:
            with self.subTest(command=command):
                done = self.run_here(command)
                self.assertEqual((done.stdout, done.stderr, done.returncode), (output, "", 0))
                with open(os.path.join(ROOT, "examples", re.search(r"\./(\w+)", command).group(1) + ".c"), encoding="ascii") as f:
                    self.assertIn("&& " + command + "\n", f.read(), "its first comment and the page run the same")

    @unittest.skipIf(lacks("erl", "epmd"), lacks("erl", "epmd"))
    def test_with_a_node(self):
        (command, output), = self.shown("tutorial with a node")
        epmd = Epmd()
        self.addCleanup(epmd.kill)
        node = Node(epmd, "a@127.0.0.1")
        self.addCleanup(node.close)
        done = self.run_here(command.replace("secret", "interop"), ERL_EPMD_PORT=str(epmd.port))
        self.assertEqual((done.stdout, done.stderr, done.returncode), (output, "", 0))
        done = self.run_here(command.replace("secret", "wrong"), ERL_EPMD_PORT=str(epmd.port))
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn("cookie", done.stdout)

    def test_bad_input(self):
        for command, code, sentence in (("./02_static static:a", 2, "02_static: 'a' is no node"),
                                        ("./05_loop statik:", 2, "05_loop: unknown scheme 'statik'"),
                                        ("./09_wire_load gossip:?if=none0", 3, "09_wire_load: if= names no interface"),
                                        ("./09_wire_load gossip:?ttl=x", 2, "09_wire_load: 'ttl=x' is not right"),
                                        ("./12_node", 2, "12_node: it takes a source and a node"),
                                        ("COOKIE=s ./12_node static:x@127.0.0.1 nobody", 2, "12_node: ")):
            with self.subTest(command=command):
                done = self.run_here(command)
                self.assertEqual((done.returncode, done.stderr.count("\n")), (code, 1), done.stderr)
                self.assertIn(sentence, done.stderr)

    def test_no_room_and_no_permission(self):
        """The one that writes a file says so where it cannot."""
        os.mkdir(os.path.join(self.folder, "03_file.txt.new"))  # what nobody can open to write, root neither
        self.addCleanup(os.rmdir, os.path.join(self.folder, "03_file.txt.new"))
        done = self.run_here("./03_file")
        self.assertEqual((done.returncode, done.stdout), (3, ""))
        self.assertIn("03_file: 03_file.txt cannot be written here", done.stderr)


if __name__ == "__main__":
    unittest.main()
