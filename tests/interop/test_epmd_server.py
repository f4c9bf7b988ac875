"""clusterctl epmd: real nodes register with it and find each other, its answers are those of a real epmd, and what else it must."""
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import unittest

from interoptools import LOOPBACK, ROOT, Epmd, Node, OwnEpmd, Running, ctl, free_port, lacks, until

WHY = lacks("epmd", "erl")


def alive(name, port=9100, highest=6):
    body = struct.pack(">BHBBHHH", 120, port, 77, 0, highest, 5, len(name)) + name + b"\0\0"
    return struct.pack(">H", len(body)) + body


def exchange(epmd, request, host=LOOPBACK):
    """What comes back until the end, or for a registration in one reply."""
    with socket.create_connection((host, epmd.port), timeout=30) as s:
        s.sendall(request)
        reply = b""
        while more := s.recv(4096):
            reply += more
            if request[2:3] == b"x":
                break
        return reply


def other_address():
    """An address of this host that is not loopback; None: it has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        try:
            s.connect(("192.0.2.1", 9))
            return s.getsockname()[0]
        except OSError:
            return None


def pinger(epmd, name, *targets):
    """A node that pings others, prints what comes, and ends."""
    code = "[io:format(\"~p~n\", [net_adm:ping(list_to_atom(N))]) || N <- init:get_plain_arguments()], halt()."
    return Running("-noinput", "-name", name, "-setcookie", "interop", "-start_epmd", "false",
                   "-kernel", "inet_dist_use_interface", "{127,0,0,1}", "-eval", code, "-extra", *targets, program="erl",
                   ERL_EPMD_PORT=epmd.port, ERL_CRASH_DUMP=os.devnull, ERL_AFLAGS=None, ERL_FLAGS=None, ERL_ZFLAGS=None)


# A node that serves epmd itself: NODE LISTEN.
EMBEDDED = r"""
#define CLUSTER_IMPLEMENTATION
#include "cluster.h"
#include <stdio.h>

static void say(void *ctx, int level, const char *message, const char *setting)
{
    (void)ctx;
    (void)level;
    printf("%s: %s\n", setting, message);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    struct cluster_options options;
    struct cluster *c;
    cluster_options_init(&options);
    options.node = argv[1];
    options.listen = argv[2];
    options.cookie = "interop";
    options.epmd = "embedded";
    options.log = say;
    options.log_level = CLUSTER_LOG_INFO;
    if (argc < 3 || cluster_create(&c, &options) < 0)
        return 3;
    while (cluster_poll(c, -1) == 0)
        while (cluster_next_event(c))
            continue;
    return 3;
}
"""


class Lease(unittest.TestCase):
    """The name of a node of ours, at a real epmd and at one of our own."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp()
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        source, cls.program = os.path.join(cls.folder, "embedded.c"), os.path.join(cls.folder, "embedded")
        with open(source, "w", encoding="utf-8") as file:
            file.write(EMBEDDED)
        subprocess.run(["cc", "-std=c99", "-O1", "-I" + ROOT, "-o", cls.program, source], check=True, timeout=300)

    def node(self, epmd, *more, name="c@" + LOOPBACK):
        running = Running("node", "--node", name, "--cookie", "interop", "--listen", LOOPBACK + ":0", *more, ERL_EPMD_PORT=epmd.port)
        self.addCleanup(running.__exit__)
        return running

    def embedded(self, port, name, listen=LOOPBACK + ":0"):
        running = Running(name, listen, program=self.program, ERL_EPMD_PORT=port)
        self.addCleanup(running.__exit__)
        return running

    @unittest.skipIf(WHY, WHY)
    def test_it_comes_back(self):
        for kind in (Epmd, OwnEpmd):
            with self.subTest(kind.__name__):
                epmd = kind()
                self.addCleanup(epmd.kill)
                node = self.node(epmd)
                until(lambda e=epmd: e.names() == ["c"], "it is registered")
                for _ in range(2):
                    epmd.kill()
                    epmd.start()
                    until(lambda e=epmd: e.names() == ["c"], "it is registered again")
                second = self.node(epmd)
                until(lambda s=second: any("registered with epmd already" in line for line in s.errors), "the second one says it")
                node.__exit__()
                until(lambda e=epmd: e.names() == ["c"], "the second one takes the name")
                second.__exit__()
                until(lambda e=epmd: e.names() == [], "nobody has it")
                epmd.kill()

    @unittest.skipIf(WHY, WHY)
    def test_a_node_that_serves_epmd(self):
        epmd = Epmd.__new__(Epmd)  # nothing runs there
        epmd.port = free_port()
        epmd.at = "%s:%d" % (LOOPBACK, epmd.port)
        one = self.embedded(epmd.port, "one@" + LOOPBACK)
        one.line("epmd: epmd is served at " + epmd.at)
        until(lambda: epmd.names() == ["one"], "it is registered with itself")
        with pinger(epmd, "b@" + LOOPBACK, "one@" + LOOPBACK) as real:
            real.line("pong")
            self.assertEqual(real.end(), 0)
        two = self.embedded(epmd.port, "two@" + LOOPBACK)
        two.line(lambda line: line.startswith("epmd: no epmd is served here"))
        until(lambda: epmd.names() == ["one", "two"], "the second one is with the first")
        one.__exit__()
        two.line("epmd: epmd is served at " + epmd.at)
        until(lambda: epmd.names() == ["two"], "the second one goes on alone")
        with pinger(epmd, "b@" + LOOPBACK, "two@" + LOOPBACK, "one@" + LOOPBACK) as real:
            real.line("pong")
            real.line("pang")

    def test_it_serves_where_it_listens(self):
        address = other_address()
        if not address:
            self.skipTest("this host has no address but loopback")
        port = free_port()
        one = self.embedded(port, "one@" + address, address + ":0")
        one.line("epmd: epmd is served at %s:%d" % (address, port))
        until(lambda: ctl("names", "%s:%d" % (address, port)).out.startswith("one "), "it is found there")
        self.assertTrue(ctl("names", "%s:%d" % (LOOPBACK, port)).out.startswith("one "))


class Served(unittest.TestCase):
    def epmd(self, *options, kind=OwnEpmd):
        epmd = kind(*options)
        self.addCleanup(epmd.kill)
        return epmd

    def node(self, epmd, name):
        node = Node(epmd, name)
        self.addCleanup(node.close)
        return node

    @unittest.skipIf(WHY, WHY)
    def test_real_nodes_find_each_other(self):
        epmd = self.epmd()
        one, two = self.node(epmd, "one@" + LOOPBACK), self.node(epmd, "two@" + LOOPBACK)
        with pinger(epmd, "three@" + LOOPBACK, one.name, two.name, "four@" + LOOPBACK) as three:
            for answer in ("pong", "pong", "pang"):
                three.line(answer)
            self.assertEqual(three.end(), 0)
        listed = subprocess.run(["epmd", "-names"], capture_output=True, text=True, timeout=60,
                                env=dict(os.environ, ERL_EPMD_PORT=str(epmd.port)))
        names = dict(line.split() for line in ctl("names", epmd.at).lines)
        until(lambda: epmd.names() == ["one", "two"], "three has gone")
        self.assertIn("up and running on port %d with data:\n" % epmd.port, listed.stdout)
        for name in ("one", "two"):
            self.assertIn("name %s at port %s\n" % (name, names[name]), listed.stdout)
            asked = ctl("port", "%s@%s" % (name, LOOPBACK), ERL_EPMD_PORT=epmd.port)
            self.assertEqual((asked.code, asked.out), (0, names[name] + "\n"))
        self.assertEqual(ctl("list", "epmd:" + epmd.at).lines, [one.name, two.name])
        two.kill()
        until(lambda: epmd.names() == ["one"], "the killed one has gone")

    @unittest.skipIf(WHY, WHY)
    def test_nodes_come_back_to_one_that_was_restarted(self):
        epmd = self.epmd()
        one, _ = self.node(epmd, "one@" + LOOPBACK), self.node(epmd, "two")
        epmd.kill()
        self.assertNotEqual(ctl("names", epmd.at).code, 0)
        epmd.start()
        until(lambda: epmd.names() == ["one", "two"], "both are back")
        # And from one of the real kind to ours, and back.
        epmd.kill()
        real = Epmd.__new__(Epmd)
        real.port, real.at, real.address = epmd.port, epmd.at, LOOPBACK
        Epmd.start(real)
        until(lambda: real.names() == ["one", "two"], "both are with the real one")
        real.kill()
        epmd.start()
        until(lambda: epmd.names() == ["one", "two"], "both are back again")
        with pinger(epmd, "three@" + LOOPBACK, one.name) as three:
            three.line("pong")

    @unittest.skipIf(WHY, WHY)
    def test_its_answers_are_those_of_a_real_one(self):
        ours, real = self.epmd(), self.epmd(kind=Epmd)
        with open(os.path.join(ROOT, "tests", "vectors", "epmd.txt"), encoding="utf-8") as file:
            rows = [line.rstrip("\n").split("\t") for line in file if not line.startswith("#")]
        requests = [bytes.fromhex(row[2]) for row in rows]
        requests += [alive(b""), alive(b"n" * 300), alive(b"old", highest=5), b"\0\1n\0\1n", b"\0\0", b"\0\1\xff", b"\0\2za", b"\0\3za\0",
                     b"\0\1z", b"\0\6za@b.c", b"\0\4sabc", b"\0\1x"]
        different = 0
        for request in requests:
            replies = []
            for epmd in (ours, real):
                with epmd.register("a", 9100):  # what is asked for, and in the way of who wants that name
                    until(lambda e=epmd: e.names() == ["a"], "it is alone")
                    replies.append(exchange(epmd, request))
                until(lambda e=epmd: e.names() == [], "it has gone")
            name = request[13:-2]
            if request[2:3] == b"x" and (re.search(rb"[\x00-\x20]", name) or request[3:5] == b"\0\0"):
                self.assertEqual(replies, [b"v\1\0\0\0\x63", replies[1]])
                self.assertEqual(replies[1][:2], b"v\0")  # a real one lets itself be told anything
                different += 1
                continue
            replies = [re.sub(rb"^(v\0|y\0).*", rb"\1", reply, flags=re.S) for reply in replies]  # creations differ
            replies = [reply[4:] if request[2:3] == b"n" and reply else reply for reply in replies]  # the port
            self.assertEqual(replies[0], replies[1], request)
        self.assertEqual(different, 3)

    def test_what_is_for_this_host_alone(self):
        address = other_address()
        if not address:
            self.skipTest("this host has no address but loopback")
        for where in (address, "0.0.0.0"):
            epmd = self.epmd("--address", where)
            with epmd.register("a", 9100):
                self.assertEqual(exchange(epmd, b"\0\2za", address)[:4], b"w\0\x23\x8c")
                self.assertIn(b"name a at port 9100\n", exchange(epmd, b"\0\1n", address))
                for request in (alive(b"b"), b"\0\1d", b"\0\1k", b"\0\2sa"):
                    self.assertEqual(exchange(epmd, request, address), b"")
                self.assertEqual(epmd.names(), ["a"])
                self.assertEqual(exchange(epmd, b"\0\1k"), b"NO")
                self.assertRegex(exchange(epmd, b"\0\1d")[4:], rb"^active name     <a> at port 9100, fd = \d+\n\0$")

    @unittest.skipUnless(socket.has_ipv6, "no IPv6 here")
    def test_it_is_on_both_loopbacks(self):
        epmd = self.epmd()
        try:
            self.assertEqual(exchange(epmd, b"\0\1n", "::1"), struct.pack(">I", epmd.port))
        except OSError as error:
            self.skipTest("no ::1 here: %s" % error)
        self.assertEqual(exchange(epmd, alive(b"six"), "::1")[:2], b"v\0")

    def test_a_taken_port_is_said(self):
        epmd = self.epmd()
        second = ctl("epmd", "--port", str(epmd.port))
        self.assertEqual((second.code, second.out), (3, ""))
        self.assertIn("no epmd can be served at 127.0.0.1:%d" % epmd.port, second.err)
        self.assertEqual(ctl("epmd", "--address", "192.0.2.1").code, 3)

    def test_json_and_the_end(self):
        port = free_port()
        with Running("epmd", "--json", ERL_EPMD_PORT=port) as epmd:
            self.assertEqual(epmd.object(type="epmd")["address"], "127.0.0.1:%d" % port)
            epmd.signal(signal.SIGTERM)
            self.assertEqual(epmd.end(), 0)

    def test_many_at_once(self):
        epmd = self.epmd()
        leases = [epmd.register("n%d" % i, 9000 + i) for i in range(300)]
        silent = [socket.create_connection((LOOPBACK, epmd.port), timeout=30) for _ in range(100)]
        self.assertEqual(len(epmd.names()), 300)
        for i in range(0, 300, 2):
            leases[i].close()
        until(lambda: len(epmd.names()) == 150, "every other one has gone")
        for s in leases + silent:
            s.close()
        until(lambda: epmd.names() == [], "all have gone")


if __name__ == "__main__":
    unittest.main()
