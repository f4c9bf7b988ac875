"""docs/elixir.md: what its table of terms says is what Elixir says, and its session is had with a node of Elixir."""
import os
import re
import shlex
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "interop")]
from doctools import blocks, read  # noqa: E402
from interoptools import Epmd, Running, ctl, lacks  # noqa: E402

PAGE = "docs/elixir.md"


@unittest.skipIf(lacks("elixir", "epmd"), lacks("elixir", "epmd"))
class Page(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        table = read(PAGE).partition("<!-- terms -->\n")[2].partition("\n\n")[0]
        cls.rows = [re.fullmatch(r"\| `(.+)` \| `(.+)` \|", line).groups() for line in table.split("\n")[2:]]
        cls.home = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.home.cleanup)
        cls.epmd = Epmd()
        cls.addClassCleanup(cls.epmd.kill)
        os.mkdir(os.path.join(cls.home.name, "releases"))
        cls.cookie = os.path.join(cls.home.name, "releases", "COOKIE")
        with open(cls.cookie, "w", encoding="ascii") as f:
            f.write("interop")
        script = os.path.join(cls.home.name, "node.exs")
        with open(script, "w", encoding="utf-8") as f:
            f.write("defmodule MyApp.User do\n  defstruct [:id]\nend\ndefmodule Say do\n  def it do\n")
            f.writelines("    IO.puts(:erlang.phash2(%s))\n" % theirs for theirs, _ in cls.rows)
            f.write("    IO.puts(\"up\")\n    Process.sleep(:infinity)\n  end\nend\nSay.it()\n")
        cls.node = Running("--name", "app@127.0.0.1", "--cookie", "interop", "--erl",
                           "-start_epmd false -kernel inet_dist_use_interface {127,0,0,1}", script, program="elixir",
                           HOME=cls.home.name, ERL_EPMD_PORT=cls.epmd.port, ERL_AFLAGS=None, ERL_FLAGS=None, ERL_ZFLAGS=None)
        cls.addClassCleanup(cls.node.__exit__)
        cls.node.line("up")

    def test_terms(self):
        self.assertGreater(len(self.rows), 5)
        for (theirs, ours), said in zip(self.rows, self.node.lines):
            with self.subTest(elixir=theirs):
                self.assertEqual(ctl("hash", "phash2", ours).lines, [said])

    def test_session(self):
        block = next(block for block in blocks(PAGE) if block.mark("session") == "elixir")
        command, _, output = block.text.removeprefix("$ clusterctl ").partition("\n")
        done = ctl(*[word.replace("releases/COOKIE", self.cookie) for word in shlex.split(command)], ERL_EPMD_PORT=self.epmd.port)
        self.assertEqual((done.out, done.err, done.code), (output, "", 0))


if __name__ == "__main__":
    unittest.main()
