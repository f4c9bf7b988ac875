"""docs/vendoring.md: its diff applies to the server that is there, and the result does what the page says; with CMake and with Meson,
from the snippets as they stand."""
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import unittest

from clitools import Running, free_port, until
from tools import ROOT, STRICT

sys.path[:0] = [os.path.join(ROOT, "tests", "docs")]
from doctools import blocks  # noqa: E402

PAGE = "docs/vendoring.md"


def sh(*argv, cwd, **more):
    done = subprocess.run(argv, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300, **more)
    if done.returncode:
        raise AssertionError("%s\n%s" % (" ".join(argv), done.stdout))
    return done.stdout


class Vendoring(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = temporary.name
        shutil.copy(os.path.join(ROOT, "examples/vendoring/cluster.c"), self.folder)
        shutil.copy(os.path.join(ROOT, "examples/vendoring/server.c"), self.folder)
        diff = next(block for block in blocks(PAGE) if block.language == "diff")
        sh("patch", "-p1", "--fuzz=0", cwd=self.folder, input=diff.text)
        for block in blocks(PAGE):
            name = block.mark("in-project")
            if name:
                path = os.path.join(self.folder, name)
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, "w", encoding="utf-8") as f:
                    f.write(block.text)

    def works(self, program):
        """It serves as before, and names the peers that its sources list."""
        nodes, port = os.path.join(self.folder, "nodes"), free_port()
        with open(nodes, "w", encoding="ascii") as f:
            f.write("a@h\n")

        def ask(question):
            with socket.create_connection(("127.0.0.1", port), timeout=60) as s:
                s.sendall(question)
                s.shutdown(socket.SHUT_WR)
                return b"".join(iter(lambda: s.recv(4096), b""))

        with Running(str(port), "file:%s?interval=10ms" % nodes, program=program) as server:
            def up():
                try:
                    return ask(b"ping\n") == b"pong\n"
                except OSError:
                    self.assertIsNone(server.process.poll(), server.story())
                    return False
            until(up, "the server is up")
            until(lambda: ask(b"peers\n") == b"a@h\n", "it sees a@h")
            with open(nodes, "a", encoding="ascii") as f:
                f.write("b@h\n")
            until(lambda: ask(b"peers\n") == b"a@h\nb@h\n", "it sees both")
            self.assertEqual(ask(b"pong\n"), b"what?\n")
        done = subprocess.run([program, str(port), "flie:x"], capture_output=True, text=True, timeout=60)
        self.assertEqual((done.returncode, done.stderr.count("\n")), (2, 1))
        self.assertIn("server: unknown scheme 'flie'", done.stderr)

    def test_by_hand(self):
        program = os.path.join(self.folder, "server")
        sh("cc", "-std=c99", "-D_GNU_SOURCE", *STRICT, "-I" + ROOT, "-o", program, "server.c", "cluster.c", cwd=self.folder)
        self.works(program)

    def test_cmake(self):
        if not shutil.which("cmake"):
            self.skipTest("no cmake")
        sh("cmake", "-S", ".", "-B", "out", "-DFETCHCONTENT_SOURCE_DIR_CLUSTER=" + ROOT, cwd=self.folder)
        sh("cmake", "--build", "out", cwd=self.folder)
        self.works(os.path.join(self.folder, "out", "server"))

    def test_meson(self):
        if not shutil.which("meson") or not shutil.which("ninja"):
            self.skipTest("no meson, or no ninja")
        fetched = os.path.join(self.folder, "subprojects", "cluster")  # as the wrap fetches it
        os.makedirs(os.path.join(fetched, "tests", "build"))
        for name in "cluster.h", "tests/build/implementation.c":
            shutil.copy(os.path.join(ROOT, name), os.path.join(fetched, name))
        shutil.copy(os.path.join(self.folder, "subprojects/packagefiles/cluster/meson.build"), fetched)
        sh("meson", "setup", "--wrap-mode=nodownload", "out", cwd=self.folder)
        sh("meson", "compile", "-C", "out", cwd=self.folder)
        self.works(os.path.join(self.folder, "out", "server"))


if __name__ == "__main__":
    unittest.main()
