"""A quiet link that is held for long: a node with a net_ticktime of 8 s, for 30 s, linked to and linking. Of make soak alone."""
import unittest

from interoptools import LOOPBACK, Epmd, Node, lacks, until
from clitools import Running

WHY = lacks("epmd", "erl")
COOKIE = ("--cookie", "interop")


@unittest.skipIf(WHY, WHY)
class Ticks(unittest.TestCase):
    def test_held_for_half_a_minute(self):
        epmd = Epmd()
        self.addCleanup(epmd.kill)
        quiet = Node(epmd, "quiet@" + LOOPBACK, None, "-kernel", "net_ticktime", "8")
        self.addCleanup(quiet.close)
        c = Running("node", "--node", "c@" + LOOPBACK, *COOKIE, "--listen", LOOPBACK + ":0", ERL_EPMD_PORT=epmd.port)
        self.addCleanup(c.__exit__)
        until(lambda: "c" in epmd.names(), "it is registered")
        pings = Node(epmd, "pings@" + LOOPBACK, None, "-kernel", "net_ticktime", "8", "-eval",
                     "spawn(fun() -> io:format(\"~p~n\", [net_adm:ping('c@%s')]), receive after 30000 -> io:format(\"held ~p~n\", "
                     "[nodes(hidden)]) end end)." % LOOPBACK)
        self.addCleanup(pings.close)
        watch = Running("watch", "static:" + quiet.name, "--node", "w@" + LOOPBACK, "--connect", "erlang", *COOKIE, "--for", "30s",
                        ERL_EPMD_PORT=epmd.port)
        self.addCleanup(watch.__exit__)
        self.assertEqual(watch.end(), 0)
        self.assertIn("up " + quiet.name, watch.lines)
        self.assertEqual(pings.running.line(lambda line: line.startswith("held ")), "held ['c@%s']" % LOOPBACK)
        self.assertFalse([line for line in watch.lines + c.lines if line.startswith("down ")])


if __name__ == "__main__":
    unittest.main()
