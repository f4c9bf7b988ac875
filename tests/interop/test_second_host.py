"""Links to a node on another host: a network namespace with a cable to this one, which can be pulled."""
import os
import shutil
import subprocess
import unittest

from interoptools import Epmd, Node, compiled, ctl, lacks, until
from clitools import Running

WHY = lacks("epmd", "erl", "ip")
COOKIE = ("--cookie", "interop")


def ip(*arguments):
    return subprocess.run([shutil.which("ip"), *arguments], capture_output=True, text=True, timeout=60)


class FarEpmd:
    """A real epmd on the other host, on the port of the one here: all hosts of a cluster have one port for it."""

    def __init__(self, prefix, port, address):
        self.port, self.at = port, "%s:%d" % (address, port)
        self.running = Running("-address", address, "-port", str(port), program="epmd", prefix=prefix, ERL_EPMD_PORT=None)
        until(lambda: ctl("names", self.at).code == 0, "the epmd over there answers")

    def names(self):
        return sorted(line.split()[0] for line in ctl("names", self.at).lines)


@unittest.skipIf(WHY, WHY)
class SecondHost(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.space, cls.cable = "cluster-%d" % os.getpid(), "clu%d" % os.getpid()
        network = "10.203.%d." % (os.getpid() % 250)
        cls.here, cls.there = network + "1", network + "2"
        made = ip("netns", "add", cls.space)
        if made.returncode:
            raise unittest.SkipTest("no network namespace may be made here: " + made.stderr.strip())
        cls.addClassCleanup(ip, "netns", "del", cls.space)
        inside = ("-n", cls.space)
        for step in (("link", "add", cls.cable, "type", "veth", "peer", "name", "far", "netns", cls.space),
                     ("addr", "add", cls.here + "/24", "dev", cls.cable), ("link", "set", cls.cable, "up"),
                     (*inside, "addr", "add", cls.there + "/24", "dev", "far"), (*inside, "link", "set", "far", "up"),
                     (*inside, "link", "set", "lo", "up")):
            done = ip(*step)
            if done.returncode:
                raise unittest.SkipTest("no cable between namespaces here: " + done.stderr.strip())
        cls.prefix = (shutil.which("ip"), "netns", "exec", cls.space)
        cls.epmd = Epmd(cls.here)
        cls.addClassCleanup(cls.epmd.kill)
        cls.far = FarEpmd(cls.prefix, cls.epmd.port, cls.there)
        cls.addClassCleanup(cls.far.running.__exit__)

    def node(self, base, *flags):
        node = Node(self.far, "%s@%s" % (base, self.there), None, "-kernel", "inet_dist_use_interface",
                    "{%s}" % self.there.replace(".", ","), *flags, prefix=self.prefix)
        self.addCleanup(node.close)
        return node

    def test_a_cable_that_is_pulled(self):
        node = self.node("far")
        watch = Running("c@" + self.here, "interop", "static:" + node.name, program=compiled("far"),
                        ERL_EPMD_PORT=self.epmd.port)
        self.addCleanup(watch.__exit__)
        watch.line("up %s " % node.name)
        ip("link", "set", self.cable, "down")
        self.addCleanup(ip, "link", "set", self.cable, "up")
        self.assertRegex(watch.line(lambda line: line.startswith("down ")), "nothing came from it")
        ip("link", "set", self.cable, "up")
        watch.line("up %s " % node.name)

    def test_it_links_to_us(self):
        c = Running("node", "--node", "c2@" + self.here, *COOKIE, "--listen", self.here + ":0", ERL_EPMD_PORT=self.epmd.port)
        self.addCleanup(c.__exit__)
        until(lambda: "c2" in self.epmd.names(), "it is registered")
        node = self.node("caller", "-eval", "spawn(fun() -> io:format(\"= ~p ~p~n\", [net_adm:ping('c2@%s'), nodes(hidden)]) end)."
                         % self.here)
        self.assertEqual(node.running.line(lambda line: line.startswith("= ")), "= pong ['c2@%s']" % self.here)
        c.line("up " + node.name)


if __name__ == "__main__":
    unittest.main()
