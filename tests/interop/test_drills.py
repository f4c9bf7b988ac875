"""Programs of C among real Erlang nodes: a PubSub's topic, and the drills, which print what docs/drills.md shows."""
import os
import shutil
import signal
import subprocess
import tempfile
import unittest

from exampletools import example
from interoptools import HERE, LOOPBACK, ROOT, Epmd, Node, Running, ctl, lacks, until
from tools import SANITIZERS

WHY = lacks("epmd", "erl", "erlc")


class Program(Running):
    """An example at work; what is said to it goes to its standard input."""

    def __init__(self, path, *arguments, **env):
        super().__init__(*arguments, program=path, COOKIE="interop", **SANITIZERS, **env)

    def stop(self):
        """Its exit status after it was asked to end: with it goes what the sanitizers have to say."""
        self.signal(signal.SIGTERM)
        return self.end()


@unittest.skipIf(WHY, WHY)
class Mixed(unittest.TestCase):
    """An epmd and a folder of its own, with Erlang modules that were compiled there."""
    maxDiff = None
    modules = ()

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp()
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.epmd = Epmd()
        cls.addClassCleanup(cls.epmd.kill)
        for path in cls.modules:
            subprocess.run(["erlc", "-Werror", "-o", cls.folder, os.path.join(ROOT, path)], check=True, timeout=120)

    def node(self, name, script):
        """An Erlang node once its script is over; it lives on."""
        node = Node(self.epmd, name + "@" + LOOPBACK, None, "-pa", self.folder, "-eval",
                    "%s, io:format(\"ready~n\")." % script)
        self.addCleanup(node.close)
        until(lambda: "ready" in node.running.lines, "the script is over:\n" + node.running.story())
        return node

    def evaluate(self, node, module, function, arguments):
        done = self.ctl("call", node.name, module, function, arguments)
        self.assertEqual(done.code, 0, done.err)
        return done.out.rstrip("\n")

    def ctl(self, *arguments):
        return ctl(*arguments, "--cookie", "interop", ERL_EPMD_PORT=self.epmd.port)

    def start(self, path, *arguments):
        program = Program(path, *arguments, ERL_EPMD_PORT=self.epmd.port)
        self.addCleanup(program.__exit__)
        return program


class PubSub(Mixed):
    modules = ["tests/interop/pg_pubsub.erl"]

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.program = example("examples/pubsub.c", "pubsub")

    def setUp(self):
        self.read, self.write = os.pipe()
        self.addCleanup(os.close, self.read)

    def pubsub(self, name="c"):
        program = Program(self.program, "%s@%s" % (name, LOOPBACK), "epmd:%s?interval=100ms" % self.epmd.at, "MyApp.PubSub", "room:1",
                          stdin=self.read, ERL_EPMD_PORT=self.epmd.port)
        self.addCleanup(program.__exit__)
        return program

    def say(self, text):
        os.write(self.write, text.encode())

    def broadcast(self, node, group, topic, message):
        self.evaluate(node, "pg_pubsub", "broadcast", "[%d, <<\"%s\">>, %s]" % (group, topic, message))

    def member(self, program, node, pool):
        """Once it is a member of all groups there, once each."""
        for number in range(1, pool + 1):
            group = "'Elixir.MyApp.PubSub.Adapter%s'" % ("_%d" % number if number > 1 else "")
            until(lambda: self.evaluate(node, "pg", "get_members", "['Elixir.Phoenix.PubSub', %s]" % group).count("#Pid") == 2,
                  "it is a member of " + group + program.story())

    def test_both_ways_and_through_restarts(self):
        a, b = self.node("a", "pg_pubsub:start(1)"), self.node("b", "pg_pubsub:start(3)")
        c = self.pubsub()
        self.member(c, a, 1)
        self.member(c, b, 3)
        self.broadcast(a, 1, "room:1", "{hello, 1}")
        c.line("a@127.0.0.1: {hello,1}")
        self.broadcast(b, 1, "room:2", "other")
        for group in (1, 2, 3):
            self.broadcast(b, group, "room:1", "[{group, %d}, \"a, b\", #{k => <<\"]\">>}]" % group)
        self.say("{said, [<<\"x\">>]}\nno term\n")
        for node in (a, b):
            node.running.line("= <<\"room:1\">> {said,[<<\"x\">>]}")
        until(lambda: any("no term" in line for line in c.errors), "it says what is wrong")
        b.kill()
        until(lambda: any(line.startswith("down b@") for line in c.errors), "it is down")
        b = self.node("b", "pg_pubsub:start(2)")
        self.member(c, b, 2)
        self.broadcast(b, 2, "room:1", "back")
        self.say("{said, 2}\n")
        os.close(self.write)
        for node in (a, b):
            node.running.line("= <<\"room:1\">> {said,2}")
        self.assertEqual(c.end(), 0, c.story())
        self.assertEqual(c.lines, ["a@127.0.0.1: {hello,1}"] + [
            "b@127.0.0.1: [{group,%d},\"a, b\",#{k => <<\"]\">>}]" % group for group in (1, 2, 3)] + ["b@127.0.0.1: back"])
        self.assertFalse([line for node in (a, b) for line in node.running.lines if "wrong" in line])

    def test_pg_comes_later_and_is_started_again(self):
        a = self.node("a", "ok")
        c = self.pubsub()
        self.addCleanup(os.close, self.write)
        until(lambda: any(line.startswith("up a@") for line in c.errors), "it is linked")
        self.evaluate(a, "pg_pubsub", "start", "[1]")
        self.member(c, a, 1)
        self.evaluate(a, "pg_pubsub", "stop", "[]")
        self.evaluate(a, "pg_pubsub", "start", "[1]")
        self.member(c, a, 1)
        self.broadcast(a, 1, "room:1", "1")
        c.line("a@127.0.0.1: 1")
        self.assertEqual(c.stop(), 0, c.story())


if __name__ == "__main__":
    unittest.main()
