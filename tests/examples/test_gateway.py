"""examples/gateway.c under sanitizers: real Erlang nodes of two clusters, whose calls it passes on."""
import os
import signal
import subprocess
import sys
import unittest

from clitools import Running, environment, until
from exampletools import example
from tools import ROOT, SANITIZERS, Failure, Skip

sys.path.append(os.path.join(ROOT, "tests", "interop"))
from interoptools import LOOPBACK, Epmd, Node, lacks  # noqa: E402

GATES = ["gate1@" + LOOPBACK, "gate2@" + LOOPBACK]


class Gateway(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        try:
            cls.program = example("examples/gateway.c", "gateway")
        except Skip as skip:
            raise unittest.SkipTest(str(skip))
        except Failure as failure:
            raise AssertionError(str(failure))

    def erlang(self, name, cookie, text=""):
        node = Node(self.epmd, name, None, "-eval", "erlang:set_cookie(node(), %s)." % cookie, *(["-eval", text] if text else []))
        self.addCleanup(node.close)
        return node

    @unittest.skipIf(lacks("erl"), lacks("erl"))
    def test_calls(self):
        self.epmd = Epmd()
        self.addCleanup(self.epmd.kill)
        here, there = "a@" + LOOPBACK, ["b1@" + LOOPBACK, "b2@" + LOOPBACK]
        urls = ["epmd:%s?interval=100ms&only=%s*" % (self.epmd.at, letter) for letter in "ab"]
        gate = Running(GATES[0], urls[0], GATES[1], urls[1], program=self.program, ERL_EPMD_PORT=self.epmd.port, COOKIES="one,two",
                       **SANITIZERS)
        self.addCleanup(gate.__exit__)
        for name in there:
            self.erlang(name, "two")
        until(lambda: {"%s is linked to %s" % (GATES[1], name) for name in there} <= set(gate.lines), "it is linked to the others")
        asks = self.erlang(here, "one", """C = fun(M, F, A) -> rpc:call('%s', M, F, A) end, P = fun(T) -> io:format("= ~0p~n", [T]) end,
            U = fun U() -> case net_adm:ping('%s') of pong -> ok; pang -> timer:sleep(100), U() end end, U(),
            P(lists:usort([C(erlang, node, []) || _ <- lists:seq(1, 6)])), P(C(lists, sum, [[1, 2, 3]])),
            P(size(C(binary, copy, [<<0:8000>>, 2000]))), P(element(1, C(no, such, [x]))), P(nodes(connected)), P(net_adm:ping('%s')),
            P(length([ok || K <- [rpc:async_call('%s', timer, sleep, [300]) || _ <- lists:seq(1, 50)], ok == rpc:yield(K)])),
            rpc:cast('%s', erlang, halt, []), P(done).""" % (GATES[0], GATES[0], there[0], GATES[0], GATES[0]))
        until(lambda: "= done" in asks.running.lines, "all is asked")
        said = [line[2:] for line in asks.running.lines if line.startswith("= ")]
        self.assertEqual(said, ["['%s','%s']" % tuple(there), "6", "2000000", "badrpc", "['%s']" % GATES[0], "pang", "50", "done"],
                         gate.story())
        until(lambda: any(line.startswith("%s is not linked to b" % GATES[1]) for line in gate.lines), "the cast ended one of them")
        back = self.erlang("b3@" + LOOPBACK, "two", """U = fun U() -> case rpc:call('%s', erlang, node, []) of {badrpc, _} -> timer:sleep(100),
            U(); N -> io:format("= ~~0p~~n", [N]) end end, U().""".replace("~~", "~") % GATES[1])
        until(lambda: "= '%s'" % here in back.running.lines, "the other way")
        gate.signal(signal.SIGTERM)
        self.assertEqual((gate.end(), [line for line in gate.errors if "cookie" not in line]), (0, []), gate.story())

    @unittest.skipIf(lacks("erl"), lacks("erl"))
    def test_nobody_there(self):
        self.epmd = Epmd()
        self.addCleanup(self.epmd.kill)
        gate = Running(GATES[0], "epmd:%s?only=a*" % self.epmd.at, GATES[1], "static:", program=self.program, ERL_EPMD_PORT=self.epmd.port,
                       COOKIES="one,two", **SANITIZERS)
        self.addCleanup(gate.__exit__)
        until(lambda: "gate1" in self.epmd.names(), "it is registered")
        asks = self.erlang("a@" + LOOPBACK, "one", "io:format(\"= ~0p~n\", [rpc:call('" + GATES[0] + "', erlang, node, [])]).")
        until(lambda: "= {badrpc,{gateway,'no node is linked'}}" in asks.running.lines, "it is refused")
        gate.signal(signal.SIGINT)
        self.assertEqual(gate.end(), 0)

    def test_bad_input(self):
        for arguments, cookies, sentence in (([], "one,two", "it takes a name"), ([GATES[0], "epmd:", GATES[1], "epmd:"], "one", "it takes a name"),
                                             ([GATES[0], "epdm:", GATES[1], "epmd:"], "one,two", "did you mean 'epmd'"),
                                             (["gate", "epmd:", GATES[1], "epmd:"], "one,two", "takes NAME@HOST")):
            done = subprocess.run([self.program, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
                                  env=environment(COOKIES=cookies, **SANITIZERS))
            self.assertEqual((done.returncode, done.stderr.count("\n")), (2, 1), done.stderr)
            self.assertIn(sentence, done.stderr)

    def test_short(self):
        with open(os.path.join(ROOT, "examples/gateway.c"), encoding="ascii") as f:
            self.assertLessEqual(f.read().count("\n"), 200)


if __name__ == "__main__":
    unittest.main()
