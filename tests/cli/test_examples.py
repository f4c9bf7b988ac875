"""The small examples, built as their first lines say."""
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import unittest

from clitools import ROOT, Running, free_port, until


class Example(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp()
        cls.addClassCleanup(shutil.rmtree, cls.folder)

    @classmethod
    def build(cls, name):
        out = os.path.join(cls.folder, name)
        done = subprocess.run(["cc", "-std=c99", "-Wall", "-Wextra", "-o", out, "examples/%s.c" % name], cwd=ROOT,
                              capture_output=True, text=True, timeout=300)
        if done.returncode or done.stderr:
            raise AssertionError(done.stderr)
        return out

    def full_disk(self, *command):
        with open("/dev/full", "wb") as full:
            done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
        self.assertEqual((done.returncode, done.stderr.count("\n")), (3, 1), done.stderr)


class Watch(Example):
    def test_it_is_as_short_as_promised(self):
        with open(os.path.join(ROOT, "examples", "watch.c"), encoding="ascii") as lines:
            self.assertLessEqual(len(lines.readlines()), 25)

    def test_it_prints_who_joins_and_leaves(self):
        path = os.path.join(self.folder, "nodes")
        with open(path, "w", encoding="ascii") as out:
            out.write("a@h\n")
        program = self.build("watch")
        with Running("file:%s?interval=50ms" % path, program=program) as watch:
            watch.line("+ a@h")
            with open(path, "w", encoding="ascii") as out:
                out.write("b@h\n")
            self.assertEqual({watch.line(lambda line: True) for _ in range(2)}, {"+ b@h", "- a@h"})
            os.unlink(path)
            until(lambda: watch.errors == ["cannot read '%s': not found" % path], "it says what is wrong, once")
            watch.signal(signal.SIGTERM)
            self.assertEqual(watch.end(), -signal.SIGTERM)
        done = subprocess.run([program, "statik:"], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 2)
        self.assertIn("static", done.stderr)
        self.full_disk(program, "static:a@h")


class OwnTransport(Example):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.program = cls.build("own_transport")

    def start(self, me, ports):
        others = ["static:%s@127.0.0.1?port=%d" % (name, port) for name, port in ports.items() if name != me]
        return Running("%s@127.0.0.1" % me, str(ports[me]), *others, program=self.program, stdin=subprocess.PIPE)

    def test_a_node_dies_and_comes_back(self):
        ports = {name: free_port() for name in "abc"}
        with self.start("a", ports) as a, self.start("b", ports) as b:
            a.line("up b@127.0.0.1")
            b.line("up a@127.0.0.1")
            with self.start("c", ports) as c:
                for node in (a, b):
                    node.line("up c@127.0.0.1")
                self.assertEqual({c.line(lambda line: line.startswith("up")) for _ in range(2)}, {"up a@127.0.0.1", "up b@127.0.0.1"})
                a.process.stdin.write(b"hello\n")
                a.process.stdin.flush()
                for node in (b, c):
                    node.line("a@127.0.0.1: hello")
                c.process.kill()
                for node in (a, b):
                    node.line("down c@127.0.0.1 connection closed")
            a.line("down c@127.0.0.1 connection refused")  # it is asked for again
            with self.start("c", ports) as c:
                for node in (a, b):
                    node.line("up c@127.0.0.1")
                c.line(lambda line: line.startswith("up"))
                self.assertEqual(sum(line.startswith("down b@127.0.0.1 connection closed") for line in a.lines), 0)
                a.process.stdin.close()
                self.assertEqual(a.end(), 0)
                self.assertEqual(a.errors, [])

    def test_a_stranger(self):
        """Who is no node is hung up on, and what it says is not shown."""
        ports = {name: free_port() for name in "ab"}
        with self.start("a", ports) as a, self.start("b", ports) as b:
            a.line("up b@127.0.0.1")
            for name in (b"\x1b[31m@h", b"nobody", b"x" * 600):
                with socket.create_connection(("127.0.0.1", ports["a"]), 60) as s:
                    s.sendall(name + b"\nhello\n")
                    s.settimeout(60)
                    try:
                        while s.recv(512):
                            pass
                    except ConnectionResetError:
                        pass
            a.process.stdin.write(b"all\n")
            a.process.stdin.flush()
            b.line("a@127.0.0.1: all")
            self.assertNotIn("hello", a.story())
            self.assertNotIn("\x1b", a.story())

    def test_what_it_refuses(self):
        for arguments, code, sentence in ((["a"], 2, "usage"), (["a@127.0.0.1", "9000", "statik:"], 2, "static"),
                                          (["a@nowhere", "9000", ""], 3, "cannot listen")):
            done = subprocess.run([self.program, *arguments], capture_output=True, text=True, timeout=60)
            self.assertEqual((done.returncode, done.stderr.count("\n")), (code, 1), done.stderr)
            self.assertIn(sentence, done.stderr)


class Directory(threading.Thread):
    """A server for the strategy example. It is mute until it has an answer."""

    def __init__(self):
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.answer, self.asked = None, 0
        self.start()

    def run(self):
        while True:
            question, peer = self.socket.recvfrom(64)
            self.asked += 1
            if question == b"list\n" and self.answer is not None:
                self.socket.sendto(self.answer, peer)


class Strategy(Example):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.program = cls.build("strategy")

    def test_its_own_story(self):
        done = subprocess.run([self.program], capture_output=True, text=True, timeout=60)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(done.stdout.splitlines(), [
            "join   a@127.0.0.1 port 9100",
            "join   b@127.0.0.1 port 0",
            "change a@127.0.0.1 port 9200",
            "join   c@127.0.0.1 port 0",
            "failed the directory's answer has no end: it was cut, or is no directory",
            "leave  a@127.0.0.1 port 9200",
            "leave  b@127.0.0.1 port 0",
        ])

    def test_a_full_disk(self):
        self.full_disk(self.program)

    def test_against_a_server(self):
        directory = Directory()
        url = "directory:127.0.0.1:%d?interval=50ms&misses=2&tries=2&except=x@*" % directory.port
        with Running(url, program=self.program) as strategy:
            strategy.line("failed the directory does not answer: is it running there?")
            self.assertGreaterEqual(directory.asked, 2)
            directory.answer = b"a@h 9100\nx@h\nend\n"
            strategy.line("join   a@h port 9100")
            directory.answer = b"no list"
            strategy.line("failed the directory's answer has no end: it was cut, or is no directory")
            directory.answer = b"end\n"
            strategy.line("leave  a@h port 9100")
            self.assertNotIn("join   x@h port 0", strategy.lines)

    def test_wrong_urls(self):
        for url, sentence in (("directory:nowhere", "takes ADDRESS:PORT"), ("directory:127.0.0.1:1x", "takes ADDRESS:PORT"),
                              ("directory:127.0.0.1:1?tries=99", "tries= is 1 to 10"),
                              ("directory:127.0.0.1:1?tires=2", "tries"), ("directroy:127.0.0.1:1", "directory")):
            done = subprocess.run([self.program, url], capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, 2, url)
            self.assertIn(sentence, done.stderr, url)


if __name__ == "__main__":
    unittest.main()
