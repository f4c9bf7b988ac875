"""doctor: each failure is made on loopback, and named; all is well where nothing is wrong; it ends in time."""
import hashlib
import json
import os
import pty
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
import unittest

from clitools import ROOT, TOOL, FakeEpmd, Running, ctl, environment, free_port, until
from doctortools import HERE, DoctorTest, Visit
from test_dns import TYPES, FakeDns


class Begun:
    """A visit that goes on while others do."""

    def __init__(self, *arguments, **env):
        began = time.monotonic()
        self.running = Running("doctor", *arguments, "--json", **env)
        self.waiter = threading.Thread(target=self.wait, args=(began,), daemon=True)
        self.waiter.start()

    def wait(self, began):
        """Its time is over when it has ended, not when somebody asks."""
        self.running.process.wait()
        self.seconds = time.monotonic() - began

    def visit(self):
        code = self.running.end()
        self.waiter.join()
        self.running.__exit__()
        outcome = type("Outcome", (), {})()
        outcome.code, outcome.err, outcome.seconds = code, "\n".join(self.running.errors), self.seconds
        outcome.objects = [json.loads(line) for line in self.running.lines]
        return Visit(outcome)


class FakeNode:
    """What listens in place of a node: says these packets one after another to whoever links, and then nothing. A function makes
    one of the last packet that came."""

    def __init__(self, *packets, hangs_up=False):
        self.packets, self.hangs_up = packets, hangs_up
        self.server = socket.create_server((HERE, 0))
        self.port = self.server.getsockname()[1]
        self.kept = []
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                s = self.server.accept()[0]
            except OSError:
                return
            self.kept.append(s)
            threading.Thread(target=self.speak, args=(s,), daemon=True).start()

    def speak(self, s):
        try:
            for packet in self.packets:
                came = self.read(s)
                for said in packet(came) if callable(packet) else packet:
                    s.sendall(struct.pack(">H", len(said)) + said)
            if self.hangs_up:
                s.close()
        except (OSError, struct.error):  # who linked has gone
            pass

    @staticmethod
    def read(s):
        size = struct.unpack(">H", s.recv(2, socket.MSG_WAITALL))[0]
        return s.recv(size, socket.MSG_WAITALL)

    def close(self):
        for s in [self.server, *self.kept]:
            s.close()


def challenge(name):
    """As a node of OTP 25 says it."""
    return b"N" + struct.pack(">QIIH", 0x407074FBC, 0x1234, 1, len(name)) + name.encode()


def ack(cookie):
    """The proof that this side knows the cookie."""
    return lambda reply: [b"a" + hashlib.md5(cookie + str(struct.unpack(">I", reply[1:5])[0]).encode()).digest()]


class Blackhole:
    """A port that takes no connection and refuses none, on all addresses of this host."""

    def __init__(self):
        self.server = socket.socket()
        self.server.bind(("", 0))
        self.server.listen(0)
        self.port = self.server.getsockname()[1]
        self.kept = []
        for _ in range(64):
            s = socket.socket()
            s.settimeout(0.3)
            self.kept.append(s)
            try:
                s.connect((HERE, self.port))
            except OSError:
                return
        raise AssertionError("the queue is never full")

    def close(self):
        for s in [self.server, *self.kept]:
            s.close()


NODES = r"""
#define CLUSTER_IMPLEMENTATION
#include "cluster.h"
#include <stdio.h>
#include <stdlib.h>

/* So many nodes of this program: n0@HOST, n1@HOST ... */
int main(int argc, char **argv)
{
    static struct cluster *nodes[200];
    static struct pollfd fds[4096];
    const struct cluster_event *e;
    int count = atoi(argv[1]), i, ready = 0;
    for (i = 0; i < count; i++) {
        struct cluster_options options;
        char name[64], listen[64];
        cluster_options_init(&options);
        snprintf(name, sizeof name, "n%d@%s", i, argv[2]);
        snprintf(listen, sizeof listen, "%s:0", argv[2]);
        options.node = name;
        options.cookie = argv[3];
        options.listen = listen;
        if (argc < 4 || cluster_create(&nodes[i], &options) < 0)
            return 3;
    }
    for (;;) {
        size_t at[201], used = 0;
        int timeout = 50;
        for (i = 0; i < count; i++) {
            at[i] = used;
            used += cluster_watches(nodes[i], fds + used, sizeof fds / sizeof *fds - used);
        }
        at[count] = used;
        poll(fds, used, ready ? timeout : 5);
        for (i = 0; i < count; i++) {
            cluster_step(nodes[i], cluster_now(), fds + at[i], at[i + 1] - at[i]);
            while ((e = cluster_next_event(nodes[i])) != NULL)
                if (e->type == CLUSTER_CALL)
                    (void)cluster_answer(nodes[i], e->request, NULL, 0);
        }
        if (!ready++) {
            puts("up");
            fflush(stdout);
        }
    }
}
"""


class Slow:
    """What takes seconds: begun before all tests, so that it goes on while the others run."""

    def __init__(self):
        self.folder = tempfile.mkdtemp()
        unittest.addModuleCleanup(shutil.rmtree, self.folder)
        source, self.program = os.path.join(self.folder, "nodes.c"), os.path.join(self.folder, "nodes")
        with open(source, "w", encoding="ascii") as file:
            file.write(NODES)
        self.compiler = subprocess.Popen(["cc", "-std=c99", "-I" + ROOT, "-o", self.program, source, *[
            "-DCLUSTER_NO_" + part for part in ("DNS", "EPMD_SERVER", "FILE", "GOSSIP", "HTTP", "MAP", "REFERENCE", "RING", "TERM")]])
        unittest.addModuleCleanup(self.compiler.wait)
        fakes = {"silent": FakeNode(), "refuses": FakeNode([b"snot_allowed"]), "hangs-up": FakeNode([b"sok"], hangs_up=True),
                 "old": FakeNode([b"sok", b"n\0\5\0\0\0\1\0\0\0\1old@127.0.0.1"]),
                 "quiet": FakeNode([b"sok", challenge("quiet@" + HERE)], ack(b"c"))}
        hole = Blackhole()
        for thing in [hole, *fakes.values()]:
            unittest.addModuleCleanup(thing.close)
        names = dict({name: fake.port for name, fake in fakes.items()}, closed=free_port())
        epmd, mute = FakeEpmd(names), FakeEpmd({}, mode="mute")
        for thing in (epmd, mute):
            unittest.addModuleCleanup(thing.__exit__)
        nodes = ",".join(name + "@" + HERE for name in names)
        self.strange = self.begin("static:" + nodes, "--node", "two@" + HERE, ERL_EPMD_PORT=epmd.port)
        self.mute = self.begin("static:a@" + HERE, ERL_EPMD_PORT=mute.port)
        self.hundred = self.begin("static:" + ",".join("a@127.1.0.%d" % i for i in range(1, 101)), ERL_EPMD_PORT=hole.port)
        self.many = self.begin("static:" + ",".join("a@127.1.%d.%d" % (i // 250, i % 250 + 1) for i in range(1500)),
                               ERL_EPMD_PORT=hole.port)

    @staticmethod
    def begin(*arguments, **env):
        begun = Begun(*arguments, "--cookie", "c", **env)
        unittest.addModuleCleanup(begun.running.__exit__)
        return begun


slow = None


def setUpModule():
    global slow
    slow = Slow()


def namespace_lack():
    if os.geteuid() != 0 or not all(map(shutil.which, ("unshare", "ip"))):
        return "a namespace needs root, unshare and ip"
    return subprocess.run(["unshare", "--net", "--mount", "true"], capture_output=True, text=True).stderr.strip()


NO_SPACE = namespace_lack()


class OwnNodes(DoctorTest):
    """With an epmd and nodes of this library."""

    @classmethod
    def run_node(cls, name, *more, port=None, cookie="c"):
        node = cls.keep(Running("node", "--node", name, "--cookie", cookie, "--listen", HERE + ":0", *more,
                                ERL_EPMD_PORT=port or cls.port), "__exit__")
        node.line(lambda line: line.startswith("listen "))
        base = name.partition("@")[0] + " "
        until(lambda: any(line.startswith(base) for line in ctl("names", "%s:%d" % (HERE, port or cls.port)).lines), name)
        return node

    @classmethod
    def run_epmd(cls):
        port = free_port()
        epmd = cls.keep(Running("epmd", "--port", str(port)), "__exit__")
        epmd.line(lambda line: line.startswith("epmd is served at "))
        return port

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.port = cls.run_epmd()
        cls.run_node("one@" + HERE)
        cls.run_node("pod@127.0.0.9")


class Names(OwnNodes):
    ONE = "static:one@" + HERE
    BOTH = "static:one@%s,two@%s" % (HERE, HERE)

    def test_all_is_well(self):
        visit = self.visit(self.BOTH, "--node", "two@" + HERE, "--cookie", "c", "--quorum", "2")
        self.assertEqual((visit.fails, visit.warns, visit.code), (set(), set(), 0), visit.story())
        self.assertLessEqual({"url", "name-form", "name-address", "name-kind", "name-choice", "name-listed", "name-taken", "source",
                              "answer", "epmd", "registered", "port", "handshake", "tick", "quorum"}, visit.of("ok"))

    def test_a_url_that_is_none(self):
        self.fails(self.visit("statik:a@h"), "url")
        visit = self.visit("static:one@%s?intervall=5s" % HERE, self.ONE, "--cookie", "c")
        self.fails(visit, "url")
        self.assertIn("handshake", visit.of("ok"))  # of the other one

    def test_a_url_that_is_empty(self):
        """As where the variable is not set that it comes from."""
        visit = self.visit("", "--cookie", "c")
        self.fails(visit, "url")
        self.assertIn("empty", visit.one("url")["cause"])

    def test_a_secret_is_not_repeated(self):
        visit = self.visit("gossip:239.76.1.1:%d?if=lo&ttl=0&secret=sesame" % free_port(socket.SOCK_DGRAM), "--for", "100ms")
        self.assertNotIn("sesame", visit.story())

    def test_a_name_without_host(self):
        visit = self.visit(self.ONE, "--node", "minotaur", "--cookie", "c")
        self.fails(visit, "name-form")
        self.assertIn("no host", visit.one("name-form")["cause"])
        self.assertIn("tick", visit.of("ok"))  # the rest was looked at

    def test_names_that_are_none(self):
        for name in ("@h", "a@", "a@b@c", "a b@h", "a" * 250 + "@host1"):
            self.fails(self.visit(self.ONE, "--node", name, "--cookie", "c"), "name-form")
        self.assertEqual(self.visit(self.ONE, "--node", "a.b@" + HERE, "--cookie", "c").warns, {"name-form", "name-listed"})

    def test_short_where_long_is_needed(self):
        visit = self.visit("static:x@nodes.invalid", "--node", "two@localhost", "--cookie", "c")
        self.fails(visit, "name-kind", "host")
        self.assertIn("short", visit.one("name-kind")["cause"])

    def test_long_where_short_is_needed(self):
        visit = self.visit("static:one@localhost", "--node", "two@" + HERE, "--cookie", "c")
        self.assertIn("name-kind", visit.fails)
        self.assertIn("long", visit.one("name-kind")["cause"])

    def test_kinds_among_others(self):
        visit = self.visit("static:one@localhost,two@" + HERE)
        self.assertIn("name-kind", visit.warns)

    def test_an_address_that_is_illegal_as_a_host(self):
        visit = self.visit(self.ONE, "--node", "two@localhost", "--cookie", "c")
        self.fails(visit, "name-legal")
        self.assertIn("one@" + HERE, visit.one("name-legal")["cause"])

    def test_of_two_own_addresses_the_wrong_one(self):
        with FakeDns({("web.test", TYPES["a"]): [socket.inet_aton("127.0.0.2")]}) as dns:
            visit = self.visit("dns:one@web.test?server=" + dns.server, "--node", "one@" + HERE, "--cookie", "c")
        self.assertIn("name-choice", visit.fails, visit.story())
        self.assertIn("127.0.0.2", visit.one("name-choice")["cause"])

    def test_an_own_host_without_address(self):
        self.fails(self.visit(self.ONE, "--node", "two@nowhere.invalid", "--cookie", "c"), "name-resolves")

    def test_an_own_address_of_another_host(self):
        self.fails(self.visit(self.ONE, "--node", "two@203.0.113.7", "--cookie", "c"), "name-address")

    def test_two_nodes_of_one_name(self):
        """The other one is linked, and not registered here."""
        with Running("watch", self.ONE, "--node", "two@" + HERE, "--cookie", "c", "--connect", "erlang",
                     ERL_EPMD_PORT=self.port) as watch:
            watch.line("up one@" + HERE)
            visit = self.visit(self.BOTH, "--node", "two@" + HERE, "--cookie", "c")
        self.fails(visit, "name-taken")
        self.assertEqual(visit.one("name-taken", "one@" + HERE)["state"], "FAIL")

    def test_the_own_node_runs_here(self):
        visit = self.visit("static:one@%s,pod@127.0.0.9" % HERE, "--node", "pod@127.0.0.9", "--cookie", "c")
        self.fails(visit)
        self.assertEqual(visit.warns, {"name-taken"})
        self.assertIn("doctor-", visit.one("handshake")["cause"])

    @unittest.skipIf(NO_SPACE, NO_SPACE)
    def test_the_own_node_runs_here_and_dns_is_slow(self):
        """What epmd says of the own name is known before its address is."""
        said = threading.Event()

        class Late(FakeDns):
            def answer(self, query, tcp):
                said.wait(60)
                return super().answer(query, tcp)
        resolv, address = os.path.join(slow.folder, "resolv.conf"), "127.%d.%d.77" % (64 + os.getpid() // 256 % 128, os.getpid() % 256)
        with open(resolv, "w", encoding="ascii") as file:
            file.write("nameserver %s\n" % address)
        with Late({("own.test", TYPES["a"]): [socket.inet_aton(HERE)]}, port=53, address=address):
            begun = Begun("static:one@" + HERE, "--node", "pod@own.test", "--cookie", "c", ERL_EPMD_PORT=self.port, prefix=(
                "unshare", "--mount", "sh", "-ec", "mount --bind %s /etc/resolv.conf; exec \"$0\" \"$@\"" % resolv))
            begun.running.line(lambda line: "name-taken" in line)
            said.set()
            visit = begun.visit()
        self.assertIn("name-address", visit.of("ok"), visit.story())
        self.assertIn("doctor-", visit.one("handshake")["cause"])

    def test_a_name_that_is_not_listed(self):
        visit = self.visit(self.ONE, "--node", "two@" + HERE, "--cookie", "c")
        self.assertEqual((visit.fails, visit.warns), (set(), {"name-listed"}), visit.story())

    def test_a_name_that_others_give(self):
        """It is taken by nobody, and nobody lists it."""
        for name in ("undefined@" + HERE, "undefined@auto"):
            visit = self.visit(self.ONE, "--node", name, "--cookie", "c")
            self.assertEqual(visit.warns, set(), visit.story())
            self.assertIn("asks for a name", visit.one("name-form")["cause"])
            self.assertNotIn("name-taken", visit.of("ok"))
            self.assertIn("doctor-", visit.one("handshake")["cause"])

    def test_an_own_address_is_found(self):
        visit = self.visit(self.ONE, "--node", "one@auto", "--cookie", "c")
        self.assertIn("name-form", visit.of("ok"))

    def test_the_empty_answer(self):
        visit = self.visit("static:")
        self.fails(visit, "answer")

    def test_a_source_that_fails(self):
        self.fails(self.visit("file:/nowhere/nodes"), "source")

    def test_too_few(self):
        visit = self.visit(self.ONE, "--cookie", "c", "--quorum", "3")
        self.fails(visit, "quorum")
        self.assertIn("2 of 3", visit.one("quorum")["cause"])


class Dns(OwnNodes):
    def zone(self, *addresses, name="web.test", kind="a"):
        return {(name, TYPES[kind]): [socket.inet_aton(address) for address in addresses]}

    def test_records_and_how_they_came(self):
        with FakeDns(self.zone(HERE, "127.0.0.2")) as dns:
            visit = self.visit("dns:web.test?node=one&type=a&server=" + dns.server, "--cookie", "c")
            self.assertEqual(visit.one("dns-query")["cause"], "A: NOERROR, 2 records, good for 30 s, over UDP")
            self.assertEqual(visit.one("dns-server", dns.server)["state"], "ok")
            dns.mode = "truncate"
            visit = self.visit("dns:web.test?node=one&type=a&server=" + dns.server, "--cookie", "c")
            self.assertIn("truncated, so over TCP", visit.one("dns-query")["cause"])

    def test_each_name_is_asked_for(self):
        with FakeDns(self.zone(HERE)) as dns:
            visit = self.visit("dns:web.test,web.test,other.test?node=one&type=a&server=" + dns.server, "--cookie", "c")
        self.assertEqual(visit.one("dns-name", "other.test")["state"], "FAIL", visit.story())

    def test_a_wrong_service_name(self):
        with FakeDns(self.zone(HERE)) as dns:
            visit = self.visit("dns:wbe.test?node=one&server=" + dns.server, "--cookie", "c")
        self.fails(visit, "dns-name")
        self.assertEqual(visit.one("dns-name")["about"], "wbe.test")

    def test_a_name_without_records(self):
        with FakeDns(self.zone(HERE, kind="txt")) as dns:
            self.fails(self.visit("dns:web.test?node=one&server=" + dns.server, "--cookie", "c"), "dns-records")

    def test_a_virtual_address(self):
        """It leads to a node, which has another name."""
        name = "web.prod.svc.cluster.local"
        with FakeDns(self.zone(HERE, name=name)) as dns:
            visit = self.visit("dns:pod@%s?type=a&server=%s" % (name, dns.server), "--cookie", "c")
            self.fails(visit, "name-other", "headless")
            visit = self.visit("dns:one@%s?type=a&server=%s" % (name, dns.server), "--cookie", "c")
            self.assertEqual(visit.one("headless")["state"], "ok")  # the only pod so far
            visit = self.visit("dns:gone@%s?type=a&server=%s" % (name, dns.server), "--cookie", "c")
            self.assertEqual((visit.fails, visit.warns), ({"registered"}, {"headless"}))

    def test_no_server(self):
        visit = self.visit("dns:web.test?node=one&type=a&server=%s:%d" % (HERE, free_port(socket.SOCK_DGRAM)), "--cookie", "c")
        self.fails(visit, "dns-server", "dns-query")

    def test_a_server_that_cannot(self):
        with FakeDns(self.zone(HERE), mode="servfail") as dns:
            visit = self.visit("dns:web.test?node=one&type=a&server=" + dns.server, "--cookie", "c")
        self.fails(visit, "dns-query")
        self.assertEqual(visit.one("dns-server")["state"], "ok")
        self.assertIn("SERVFAIL", visit.one("dns-query")["cause"])


class Nodes(OwnNodes):
    def test_no_epmd(self):
        visit = self.visit("static:one@" + HERE, "--cookie", "c", ERL_EPMD_PORT=free_port())
        self.assertIn(visit.fails, ({"epmd"}, {"registered"}), visit.story())  # a real one may run on 4369
        self.assertIn("epmd", self.visit("static:one@127.0.0.3", "--cookie", "c").fails)

    def test_no_such_name(self):
        visit = self.visit("static:two@" + HERE, "--cookie", "c")
        self.fails(visit, "registered")
        self.assertRegex(visit.one("epmd")["cause"], "has (one, pod|pod, one)$")
        self.assertIn("one", visit.one("registered")["cause"])

    def test_another_cookie(self):
        visit = self.visit("static:one@" + HERE, "--cookie", "wrong")
        self.fails(visit, "cookie")

    def test_another_host_in_its_name(self):
        """As of a node with a short name, which epmd lists by what stands before its '@' alone."""
        for url in "epmd:%s?only=pod*" % HERE, "static:pod@" + HERE:
            visit = self.visit(url, "--cookie", "c")
            self.fails(visit, "name-other")
            self.assertIn("-sname", visit.one("name-other")["cause"])

    def test_a_host_without_address(self):
        self.fails(self.visit("static:one@nowhere.invalid", "--cookie", "c"), "host")

    def test_other_epmd_ports(self):
        other = self.run_epmd()
        self.run_node("far@" + HERE, port=other)
        visit = self.visit("epmd:%s:%d" % (HERE, other), "--cookie", "c")
        self.fails(visit, "epmd-port")
        self.assertIn("handshake", visit.of("ok"))
        visit = self.visit("static:far@" + HERE, "epmd:%s:%d?only=nobody" % (HERE, other), "--cookie", "c")
        self.fails(visit, "epmd-port", "answer")
        self.assertIn(str(other), visit.one("epmd-port", "far@" + HERE)["cause"])

    def test_what_answers_in_place_of_a_node(self):
        visit = slow.strange.visit()
        for name, check in (("closed", "port"), ("silent", "silent"), ("refuses", "handshake"), ("hangs-up", "handshake"),
                            ("old", "flags"), ("quiet", "tick")):
            self.assertEqual(visit.one(check, "%s@%s" % (name, HERE))["state"], "FAIL", visit.story())
        self.fails(visit, "port", "silent", "handshake", "flags", "tick")

    def test_what_answers_in_place_of_epmd(self):
        visit = slow.mute.visit()
        self.fails(visit, "epmd")
        self.assertIn("no epmd", visit.one("epmd")["cause"])

    def test_a_hundred_that_are_silent(self):
        visit = slow.hundred.visit()
        self.fails(visit, "firewall")
        self.assertEqual((visit.verdict["FAIL"], visit.warns), (100, set()), visit.story())
        self.assertLess(visit.outcome.seconds, 20)

    def test_more_than_there_is_time_for(self):
        visit = slow.many.visit()
        self.fails(visit, "firewall")
        self.assertIn("time", visit.warns)
        self.assertLess(visit.outcome.seconds, 25)  # 14, and what a busy machine adds

    def test_without_a_cookie(self):
        with tempfile.TemporaryDirectory() as home:
            visit = self.visit("static:one@" + HERE, HOME=home)
            self.assertEqual((visit.fails, visit.warns), (set(), {"cookie-here"}))
            self.assertIn("port", visit.of("ok"))
            self.assertNotIn("handshake", visit.of("ok"))
            path = os.path.join(home, ".erlang.cookie")
            with open(path, "w", encoding="ascii") as file:
                file.write("c\n")
            self.assertEqual(self.visit("static:one@" + HERE, HOME=home).warns, {"cookie-here"})  # others can read it
            os.chmod(path, 0o400)
            visit = self.visit("static:one@" + HERE, HOME=home)
            self.assertIn("handshake", visit.of("ok"))
            self.assertEqual(visit.one("cookie-here")["cause"], "that of " + path)
            self.expect(ctl("doctor", "static:a@h", "--cookie-file", path + "x"), 3, None, "no cookie")

    def test_a_mesh_that_outgrows_itself(self):
        self.assertEqual(slow.compiler.wait(300), 0)
        port = self.run_epmd()
        with Running("72", HERE, "c", program=slow.program, ERL_EPMD_PORT=port) as nodes:
            nodes.line("up")
            until(lambda: len(ctl("names", "%s:%d" % (HERE, port)).lines) == 72, "all are registered")
            visit = self.visit("epmd:" + HERE, "--cookie", "c", ERL_EPMD_PORT=port,
                               prefix=("sh", "-c", "ulimit -n 64; exec \"$0\" \"$@\""))  # it makes do with what it may open
            self.assertEqual((visit.fails, visit.warns), (set(), {"mesh"}), visit.story())
            self.assertIn("2628", visit.one("mesh")["cause"])
            few = self.visit("epmd:%s?only=n1*" % HERE, "--cookie", "c", ERL_EPMD_PORT=port)
            self.assertEqual((few.fails, few.warns), (set(), set()))


def multicast_lack():
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.bind(("", 0))
            s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton("239.76.9.9") + socket.inet_aton(HERE))
            s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(HERE))
            s.settimeout(2)
            s.sendto(b"probe", ("239.76.9.9", s.getsockname()[1]))
            return "" if s.recv(16) == b"probe" else "the group is not alone"
    except OSError as error:
        return "no multicast on loopback here: %s" % error


WHY = multicast_lack()


@unittest.skipIf(WHY, WHY)
class Gossip(OwnNodes):
    def setUp(self):
        port = free_port(socket.SOCK_DGRAM)
        self.group = "gossip:239.76.%d.%d:%d" % (os.getpid() % 256, port % 256, port)
        self.number = port
        self.url = self.group + "?if=%s&ttl=0&interval=100ms" % HERE

    def speaker(self, *options):
        speaker = Running("watch", "&".join([self.url, "announce=on", *options]), "--node", "one@" + HERE)
        self.addCleanup(speaker.__exit__)
        return speaker

    def test_heard_and_linked(self):
        self.speaker()
        visit = self.visit(self.url, "--cookie", "c", "--for", "1s")
        self.assertEqual((visit.fails, visit.warns), (set(), set()), visit.story())
        self.assertLessEqual({"gossip-interface", "gossip-route", "gossip-port", "gossip-echo", "gossip-ttl", "gossip-heard", "tick"},
                             visit.of("ok"))

    def test_a_secret_on_one_side_only(self):
        self.speaker("secret=s3cret")
        visit = self.visit(self.url, "--cookie", "c", "--for", "1s")
        self.fails(visit, "gossip-secret")
        self.assertEqual(visit.warns, {"gossip-heard"})

    def test_a_secret_on_the_other_side_only(self):
        self.speaker()
        visit = self.visit(self.url + "&secret=s3cret", "--cookie", "c", "--for", "1s")
        self.fails(visit, "gossip-secret")

    def test_nobody_else(self):
        self.fails(self.visit(self.url, "--cookie", "c", "--for", "200ms"), "gossip-heard")

    def test_a_node_of_the_own_name(self):
        self.speaker()
        visit = self.visit(self.url, "--node", "one@" + HERE, "--cookie", "c", "--for", "1s", ERL_EPMD_PORT=free_port())
        self.assertIn("name-taken", visit.fails, visit.story())

    def test_packets_that_stay_here(self):
        visit = self.visit(self.group + "?ttl=0&interval=100ms", "--cookie", "c", "--for", "100ms")
        self.assertIn("gossip-ttl", visit.fails, visit.story())
        self.assertEqual(visit.one("gossip-ttl")["state"], "FAIL")

    @unittest.skipIf(NO_SPACE, NO_SPACE)
    def test_the_interface_is_that_of_the_route(self):
        script = "".join("ip link add d%d type veth peer name e%d; ip address add 10.%d.0.1/24 dev d%d; ip link set d%d up; " % ((i,) * 5) for i in (0, 1))
        visit = self.visit("gossip:239.76.1.1:%d?ttl=1" % self.number, "--for", "100ms", prefix=(
            "unshare", "--net", "sh", "-ec", "ip link set lo up; %sip route add default dev d1; exec \"$0\" \"$@\"" % script))
        self.assertEqual(visit.one("gossip-interface")["cause"], "d1, 10.1.0.1", visit.story())

    def test_a_port_that_is_taken(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
            taken.bind(("", self.number))
            visit = self.visit(self.url, "--cookie", "c", "--for", "100ms")
        self.assertEqual(visit.fails, {"gossip-port", "source"}, visit.story())
        if os.path.exists("/proc/self/fd"):
            self.assertIn("(process %d)" % os.getpid(), visit.one("gossip-port")["cause"])

    def test_an_interface_that_is_none(self):
        visit = self.visit(self.url.replace(HERE, "nosuch0"), "--cookie", "c", "--for", "100ms")
        self.assertEqual(visit.fails, {"gossip-interface", "source"}, visit.story())

    def test_nothing_is_announced(self):
        """Who watches hears nothing of the doctor, not even where the URL says so."""
        secret = "&secret=announce=on"
        with Running("watch", self.url + secret, "--node", "two@" + HERE, "--for", "2s") as watch:
            self.visit(self.url + secret + "&announce=on", "--node", "three@" + HERE, "--for", "1s")
            watch.end()
        self.assertEqual([line for line in watch.lines if line[0] == "+"], [])


class Printed(OwnNodes):
    def test_lines(self):
        outcome = ctl("doctor", "static:one@" + HERE, "--cookie", "wrong", ERL_EPMD_PORT=self.port)
        self.expect(outcome, 1)
        self.assertIn("ok    url               static:one@" + HERE, outcome.lines)
        at = outcome.lines.index("FAIL  cookie            one@%s: its cookie is another one" % HERE)
        self.assertIn("-> ", outcome.lines[at + 1])
        self.assertRegex(outcome.lines[-1], r"^\d+ ok, 0 warn, 1 FAIL$")

    def test_alike_ones_are_counted(self):
        outcome = ctl("doctor", "static:" + ",".join("x%d@%s" % (i, HERE) for i in range(25)), "--cookie", "c", ERL_EPMD_PORT=self.port)
        self.expect(outcome, 1)
        self.assertEqual(len([line for line in outcome.lines if line.startswith("FAIL")]), 11)
        self.assertIn("FAIL  registered        and 15 more of the kind", outcome.lines)

    def test_on_a_terminal(self):
        """Colour, and progress that is wiped out."""
        main, side = pty.openpty()
        env = environment(ERL_EPMD_PORT=self.port, TERM="xterm")
        process = subprocess.Popen([TOOL, "doctor", "static:one@" + HERE, "--cookie", "wrong"], stdout=side, stderr=side,
                                   stdin=subprocess.DEVNULL, cwd=ROOT, env=env)
        os.close(side)
        said = b""
        while True:
            try:
                more = os.read(main, 65536)
            except OSError:
                break
            if not more:
                break
            said += more
        os.close(main)
        self.assertEqual(process.wait(60), 1)
        self.assertIn(b"\x1b[1;31mFAIL\x1b[0m", said)
        self.assertIn(b"\x1b[32mok  \x1b[0m", said)
        self.assertIn(b"asking the nodes 0 of 1", said)
        self.assertIn(b"\r\x1b[K", said)

    def test_the_list_of_checks(self):
        rows = ctl("doctor", "--checks", "--json").objects
        names = [row["check"] for row in rows]
        self.assertEqual(len(names), len(set(names)))
        self.assertGreater(len(names), 35)
        self.assertEqual([line.split()[0] for line in ctl("doctor", "--checks").lines], names)
        for row in rows:
            self.assertTrue(row["asks"].endswith("?"), row)
            self.assertTrue(row["mend"], row)

    def test_wrong_command_lines(self):
        self.expect(ctl("doctor"), 2, "", "`doctor` needs more: clusterctl doctor URL")
        self.expect(ctl("doctor", "static:a@h", "--until", "2"), 2, "", "`doctor` takes no --until")
        self.expect(ctl("doctor", "static:a@h", "--cookie", "a", "--cookie-file", "b"), 2, None, "keep one")

    def test_interrupted(self):
        hole = Blackhole()
        self.addCleanup(hole.close)
        with Running("doctor", "static:a@" + HERE, "--cookie", "c", ERL_EPMD_PORT=hole.port) as doctor:
            doctor.line(lambda line: " answer " in line)
            doctor.signal(signal.SIGINT)
            self.assertEqual(doctor.end(), 3)


if __name__ == "__main__":
    unittest.main()
