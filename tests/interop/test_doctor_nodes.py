"""doctor: with real nodes and a real epmd, and on machines of their own, with a firewall, with two addresses, without a network."""
import shutil
import signal
import subprocess
import unittest

from dnstools import Machine
from interoptools import LOOPBACK, Epmd, Node, ctl, free_port, lacks, until
from doctortools import DoctorTest, Visit

WHY = lacks("epmd", "erl")
COOKIE = ("--cookie", "interop")


@unittest.skipIf(WHY, WHY)
class RealNodes(DoctorTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.epmd = Epmd()
        cls.addClassCleanup(cls.epmd.kill)
        cls.port = cls.epmd.port
        cls.one = cls.node("one@" + LOOPBACK)
        cls.url = "static:" + cls.one.name

    @classmethod
    def node(cls, name, *flags, epmd=None):
        node = Node(epmd or cls.epmd, name, None, *flags)
        cls.addClassCleanup(node.close)
        return node

    def test_all_is_well(self):
        visit = self.visit(self.url, *COOKIE)
        self.assertEqual((visit.fails, visit.warns), (set(), set()), visit.story())
        self.assertEqual(visit.one("tick")["cause"], "it answers; its net_ticktime is 60 s")

    def test_another_cookie(self):
        self.fails(self.visit(self.url, "--cookie", "wrong"), "cookie")

    def test_two_nodes_of_one_name(self):
        """The other one is registered with an epmd that this host does not ask, as on another host."""
        other = Epmd()
        self.addCleanup(other.kill)
        port = int(ctl("port", self.one.name, ERL_EPMD_PORT=self.port).out)
        self.addCleanup(other.register("one", port).close)
        twin = self.node("two@" + LOOPBACK, "-eval", "pong = net_adm:ping('%s'), io:format(\"linked~n\")." % self.one.name, epmd=other)
        if "linked" not in twin.running.lines:
            twin.running.line("linked")
        self.fails(self.visit(self.url, *COOKIE, "--node", twin.name), "name-taken")

    def test_short_names(self):
        """The doctor says it, and so does the node, in the words that the page of symptoms has."""
        asks = "io:format(\"~p~n\", [net_adm:ping('%s')])." % self.one.name
        short = Node(self.epmd, "short@localhost", "-sname", "-eval", asks)
        self.addCleanup(short.close)
        until(lambda: "pang" in short.running.lines, "the node cannot link")
        self.assertIn("Hostname %s is illegal" % LOOPBACK, short.running.story())
        visit = self.visit(self.url, *COOKIE, "--node", "own@localhost")
        self.fails(visit, "name-legal")
        self.assertIn("is illegal", next(row for row in ctl("doctor", "--checks", "--json").objects
                                         if row["check"] == "name-legal")["symptom"])
        visit = self.visit("static:" + short.name, *COOKIE, "--node", "own@" + LOOPBACK)
        self.assertIn("name-kind", visit.fails)

    def test_a_port_that_is_shut(self):
        """epmd holds the name, and nothing listens there."""
        self.addCleanup(self.epmd.register("gone", free_port()).close)
        self.fails(self.visit("static:gone@" + LOOPBACK, *COOKIE), "port")

    def test_other_epmd_ports(self):
        other = Epmd()
        self.addCleanup(other.kill)
        far = self.node("far@" + LOOPBACK, epmd=other)
        self.fails(self.visit("epmd:" + other.at, *COOKIE), "epmd-port")
        self.assertEqual(ctl("ping", far.name, *COOKIE, ERL_EPMD_PORT=self.port).code, 1)  # that is what it means

    def test_tick_times_that_differ(self):
        fast = self.node("fast@" + LOOPBACK, "-kernel", "net_ticktime", "8")
        visit = self.visit("static:%s,%s" % (self.one.name, fast.name), *COOKIE)
        self.assertEqual((visit.fails, visit.warns), (set(), {"tick"}), visit.story())

    def test_a_node_that_hangs(self):
        """It is stopped: its system takes the connection, and nobody speaks."""
        slow = self.node("slow@" + LOOPBACK)
        slow.running.signal(signal.SIGSTOP)
        self.addCleanup(slow.running.signal, signal.SIGCONT)
        self.fails(self.visit("static:" + slow.name, *COOKIE), "silent")


WHY_NO_MACHINE = Machine.lack()


@unittest.skipIf(WHY_NO_MACHINE, WHY_NO_MACHINE)
class OnAMachine(DoctorTest):
    def machine(self, *addresses):
        machine = Machine(*addresses)
        self.addCleanup(machine.close)
        return machine

    def visit_on(self, machine, *arguments):
        return Visit(ctl("doctor", *arguments, "--cookie", "c", "--json", prefix=machine.prefix))

    def run_on(self, machine, *command):
        subprocess.run([*machine.prefix, *command], check=True, capture_output=True)

    def test_two_own_addresses(self):
        machine = self.machine("10.7.0.1/24", "10.8.0.1/24")
        visit = self.visit_on(machine, "static:web@10.9.0.1", "--node", "web@auto")
        self.assertIn("name-choice", visit.fails, visit.story())
        self.assertIn("10.7.0.1, 10.8.0.1", visit.one("name-choice")["cause"])
        visit = self.visit_on(machine, "static:db@10.8.0.9", "--node", "web@auto")
        self.assertEqual(visit.one("name-choice")["cause"], "10.8.0.1", visit.story())

    def test_the_address_of_another_network(self):
        """All others are reached by the second address."""
        machine = self.machine()
        for command in (("ip", "link", "add", "v0", "type", "veth", "peer", "name", "v1"), ("ip", "link", "set", "v0", "up"),
                        ("ip", "link", "set", "v1", "up"), ("ip", "address", "add", "10.7.0.1/24", "dev", "lo"),
                        ("ip", "address", "add", "10.8.0.1/24", "dev", "v0")):
            try:
                self.run_on(machine, *command)
            except subprocess.CalledProcessError as error:
                self.skipTest("no veth here: %r" % error.stderr)
        visit = self.visit_on(machine, "static:web@10.8.0.2,web@10.8.0.3", "--node", "web@10.7.0.1")
        self.assertIn("name-choice", visit.fails, visit.story())
        self.assertIn("leaves from 10.8.0.1", visit.one("name-choice")["cause"])
        visit = self.visit_on(machine, "static:web@10.8.0.2", "--node", "web@10.8.0.1")
        self.assertEqual(visit.one("name-choice")["state"], "ok", visit.story())

    def test_no_network(self):
        visit = self.visit_on(self.machine(), "gossip:239.76.5.5:45999", "static:web@10.8.0.2", "--for", "100ms")
        self.assertLessEqual({"gossip-interface", "gossip-route", "route"}, visit.fails, visit.story())

    def test_a_firewall(self):
        """One that says nothing is told from a port that is closed."""
        if not shutil.which("iptables"):
            self.skipTest("no iptables here")
        machine = self.machine("10.7.0.1/24")
        try:
            self.run_on(machine, "iptables", "-A", "INPUT", "-d", "10.7.0.1", "-p", "tcp", "--dport", "4369", "-j", "DROP")
            self.run_on(machine, "iptables", "-A", "INPUT", "-p", "udp", "--dport", "45999", "-j", "DROP")
        except subprocess.CalledProcessError as error:
            self.skipTest("no iptables in a namespace here: %r" % error.stderr)
        visit = self.visit_on(machine, "static:web@10.7.0.1,web@127.0.0.1", "gossip:239.76.5.5:45999?if=lo&ttl=0", "--for", "100ms")
        self.assertLessEqual({"firewall", "epmd", "gossip-echo"}, visit.fails, visit.story())
        self.assertEqual(visit.one("firewall")["about"], "web@10.7.0.1")
        self.assertEqual(visit.one("epmd")["about"], "web@127.0.0.1")


if __name__ == "__main__":
    unittest.main()
