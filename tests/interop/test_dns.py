"""dns: against real servers, on zones as the platforms make them, and with real Erlang nodes whose addresses are in the zone."""
import json
import random
import signal
import socket
import subprocess
import unittest

import dnstools
from dnstools import AAAA, SRV, A, Bind, DistributionNode, Dnsmasq, Knot, Machine, Nsd, Pretended, Zone, kubernetes_zone, pool, record
from interoptools import LOOPBACK, ctl, environment, free_port, joins, lacks, leaves, until, watcher

SIZES = (1, 10, 100, 1000)


def states(running):
    """What its source said of itself, in order: answer, empty, failed."""
    return [line.split()[2] for line in running.lines if line.startswith("source ")]


def nobody_there(tcp):
    """How often this machine has answered so far that a port has no socket: to datagrams, to TCP."""
    with open("/proc/net/snmp", encoding="ascii") as file:
        names, counts = [line.split() for line in file if line.startswith("Tcp:" if tcp else "Udp:")]
    return int(counts[names.index("OutRsts" if tcp else "NoPorts")])


class Case(unittest.TestCase):
    maxDiff = None

    def kept(self, thing, end="close"):
        self.addCleanup(getattr(thing, end))
        return thing

    def watch(self, url, *more):
        return self.kept(watcher(url, None, *more), "__exit__")

    def lists(self, url, names, *more, **env):
        listed = ctl("list", url, *more, **env)
        self.assertEqual((listed.code, listed.lines, listed.err), (0, sorted(names), ""), url)


class Servers:
    """The cases that every real server has to pass; which it is, is below."""
    kind = None

    def server(self, *zones, **more):
        return self.kept(self.kind(*zones, **more))

    def test_sets_of_every_size(self):
        zone = Zone("example.test")
        wanted = {}
        for count in SIZES:
            wanted["a%d" % count] = pool(count)
            wanted["aaaa%d" % count] = pool(count, "fd00:1::a000")
            wanted["_p._tcp.srv%d" % count] = ["t%d.x" % i for i in range(count)]
            zone.addresses("a%d" % count, *wanted["a%d" % count]).addresses("aaaa%d" % count, *wanted["aaaa%d" % count])
            zone.add("_p._tcp.srv%d" % count, "SRV", *("0 0 %d t%d.x." % (9100 + i, i) for i in range(count)))
        server = self.server(zone)
        for name, hosts in wanted.items():
            with self.subTest(name=name):
                full = "%s.example.test" % name
                kind = A if name[:2] == "a1" else AAAA if name[0] == "a" else SRV
                said = server.ask(full, kind)
                self.assertEqual((said.cut, server.ask(full, kind, tcp=True).answers), (len(hosts) >= 100, len(hosts)))
                more = ["type=srv", "host=name"] if kind == SRV else ["type=a"] if kind == A else ["type=aaaa"]
                self.lists(server.url(full, "node=web", *more), ["web@" + host for host in hosts])
                if kind != SRV:
                    self.lists(server.url(full, "node=web"), ["web@" + host for host in hosts])
        found = ctl("list", server.url("_p._tcp.srv1000.example.test", "node=web", "type=srv", "host=name"), "--json").objects
        self.assertEqual({node["node"]: node["port"] for node in found}, {"web@t%d.x" % i: 9100 + i for i in range(1000)})

    def test_a_kubernetes_headless_service(self):
        for pods in (pool(3, "10.244.0.11"), pool(100, "10.244.1.1")):
            with self.subTest(pods=len(pods)):
                server = self.server(kubernetes_zone(pods))
                service = "web.prod.svc.cluster.local"
                self.lists(server.url(service, "node=app"), ["app@" + pod for pod in pods])
                port = "_epmd._tcp." + service
                self.lists(server.url(port, "node=app", "type=srv", "host=ip"), ["app@" + pod for pod in pods])
                names = ["app@%s.%s" % (pod.replace(".", "-"), service) for pod in pods]
                self.lists(server.url(port, "node=app", "type=srv", "host=name"), names)
                found = ctl("list", server.url(port, "node=app", "type=srv", "host=ip"), "--json").objects
                self.assertEqual({(node["port"], node["weight"]) for node in found}, {(4369, 100 // len(pods))})

    def test_swarm_tasks(self):
        server = self.server(Zone("web").addresses("tasks", *pool(3, "10.0.1.5")), Zone("api").addresses("tasks", *pool(2, "10.0.2.5")))
        web, api = ["web@" + ip for ip in pool(3, "10.0.1.5")], ["api@" + ip for ip in pool(2, "10.0.2.5")]
        self.lists(server.url("tasks.web", "node=web"), web)
        self.lists(server.url("web@tasks.web,api@tasks.api"), web + api)

    def test_a_zone_of_ipv6_addresses(self):
        ips = ["fdaa:0:18:a7b:7d:1:%x:2" % i for i in range(5)] + ["fdaa::1"]
        server = self.server(Zone("internal").addresses("app", *ips))
        for kind in ([], ["type=aaaa"], ["type=a+aaaa"]):
            self.lists(server.url("app.internal", "node=app", *kind), ["app@" + ip for ip in ips])
        self.assertEqual(ctl("list", server.url("app.internal", "node=app", "type=a")).code, 1)

    def test_both_families_of_a_chain_of_aliases(self):
        zone = Zone("example.test").addresses("end", "10.1.0.1", "10.1.0.2", "fd00:1::1")
        for i in range(4):
            zone.add("c%d" % i, "CNAME", "c%d.example.test." % (i + 1) if i < 3 else "end.example.test.")
        server = self.server(zone)
        self.lists(server.url("C0.Example.TEST", "node=web"), ["web@10.1.0.1", "web@10.1.0.2", "web@fd00:1::1"])

    def test_records_come_and_go(self):
        for tcp in ("off", "keep"):
            with self.subTest(tcp=tcp):
                self.records_come_and_go(tcp)

    def records_come_and_go(self, tcp):
        zone = Zone("example.test").addresses("web", *pool(3))
        server = self.server(zone)
        # dnsmasq answers a connection's first 100 questions with what it knew when that began
        interval = "interval=10ms" if tcp == "keep" else "interval=50ms"
        watch = self.watch(server.url("web.example.test", "node=web", interval, "misses=2", "tcp=" + tcp))
        until(lambda: sorted(joins(watch)) == ["web@" + ip for ip in pool(3)], "the first three are there")
        zone.addresses("web", "10.1.0.4")
        server.update()
        watch.line("+ web@10.1.0.4")
        zone.drop("web", "10.1.0.2")
        server.update()
        watch.line("- web@10.1.0.2")
        zone.drop("web", "10.1.0.1").addresses("web", "10.1.0.9", "10.1.0.2")
        server.update()
        watch.line("- web@10.1.0.1")
        self.assertEqual(leaves(watch), ["web@10.1.0.2", "web@10.1.0.1"])
        self.assertEqual(sorted(joins(watch)[4:]), ["web@10.1.0.2", "web@10.1.0.9"])
        self.assertEqual(states(watch), ["answer"])

    def test_no_record_left_is_an_answer(self):
        """The name without the type, then no name: both are empty, and empty is no failure."""
        zone = Zone("example.test").addresses("web", *pool(2)).addresses("other", "10.1.0.9")
        server = self.server(zone)
        watch = self.watch(server.url("web.example.test", "node=web", "interval=50ms"))
        until(lambda: len(joins(watch)) == 2, "both are there")
        zone.drop("web", "10.1.0.1").drop("web", "10.1.0.2").addresses("web", "fd00:1::1")
        only = self.watch(server.url("web.example.test", "node=web", "interval=50ms", "type=a"))
        until(lambda: len(joins(only)) == 2, "both are there")
        server.update()
        until(lambda: len(leaves(only)) == 2, "both left, for there is another type only")
        watch.line("+ web@fd00:1::1")
        zone.drop("web")
        server.update()
        until(lambda: len(leaves(watch)) == 3, "all left")
        self.assertEqual((states(watch), states(only)), (["answer", "empty"], ["answer", "empty"]))

    def test_nobody_leaves_because_the_server_is_away(self):
        for tcp in ("off", "keep"):
            with self.subTest(tcp=tcp):
                self.server_is_away(tcp)

    def server_is_away(self, tcp):
        server = self.server(Zone("example.test").addresses("web", *pool(100)))
        watch = self.watch(server.url("web.example.test", "node=web", "interval=50ms", "misses=1", "timeout=5s", "tcp=" + tcp))
        until(lambda: len(joins(watch)) == 100, "all are there")
        before = nobody_there(tcp != "off")
        server.kill()
        watch.line(lambda line: line.startswith("source ") and " failed " in line and server.at in line)
        until(lambda: nobody_there(tcp != "off") > before + 20, "it asks on")
        server.start()
        watch.line(lambda line: line.startswith("source ") and line.endswith(" answer"))
        self.assertEqual((leaves(watch), len(joins(watch))), ([], 100), watch.story())
        self.assertEqual(states(watch), ["answer", "failed", "answer"])

    def test_nobody_leaves_because_the_server_says_nothing(self):
        """It is stopped for a while; what it says to old questions then is nobody's."""
        server = self.server(Zone("example.test").addresses("web", *pool(10)))
        watch = self.watch(server.url("web.example.test", "node=web", "interval=50ms", "misses=1", "timeout=300ms"))
        until(lambda: len(joins(watch)) == 10, "all are there")
        server.signal(signal.SIGSTOP)
        watch.line(lambda line: line.startswith("source ") and " failed " in line)
        server.signal(signal.SIGCONT)
        watch.line(lambda line: line.startswith("source ") and line.endswith(" answer"))
        self.assertEqual((leaves(watch), len(joins(watch))), ([], 10), watch.story())
        self.assertEqual(states(watch), ["answer", "failed", "answer"])


def for_server(kind, *programs):
    why = lacks(*programs)
    return unittest.skipIf(why, why)(type(kind.__name__, (Servers, Case), {"kind": kind, "__module__": __name__}))


KnotServer = for_server(Knot, "knotd", "knotc")
NsdServer = for_server(Nsd, "nsd", "nsd-control")
BindServer = for_server(Bind, "named")
DnsmasqServer = for_server(Dnsmasq, "dnsmasq")


class Pretences(Case):
    """What no real server does when it is told to."""

    def pretended(self, answer, **more):
        return self.kept(Pretended(answer, **more))

    def test_a_failure_says_so_once_and_removes_nobody(self):
        good = (dnstools.NOERROR, [record(A, ip) for ip in pool(3)])
        cases = [("SERVFAIL", (dnstools.SERVFAIL, [])), ("REFUSED", (dnstools.REFUSED, [])), ("silence", None),
                 ("broken records", (dnstools.NOERROR, [record(A, ip)[:-1] + b"" for ip in pool(3)])),
                 ("SERVFAIL with records", (dnstools.SERVFAIL, good[1][:1]))]
        for what, bad in cases:
            with self.subTest(what):
                said = [good]
                server = self.pretended(lambda name, kind: said[0])
                watch = self.watch(server.url("web.test", "node=web", "type=a", "interval=20ms", "misses=1", "timeout=200ms"))
                until(lambda: len(joins(watch)) == 3, "all are there")
                said[0] = bad
                asked = len(server.asked)
                watch.line(lambda line: line.startswith("source ") and " failed " in line)
                until(lambda: len(server.asked) > asked + 5, "it asks on")
                said[0] = good
                watch.line(lambda line: line.startswith("source ") and line.endswith(" answer"))
                self.assertEqual((leaves(watch), len(joins(watch)), states(watch)), ([], 3, ["answer", "failed", "answer"]),
                                 watch.story())

    def test_a_cut_answer_is_asked_for_by_tcp_and_never_used(self):
        """First TCP gives the whole; then it ends the connection."""
        whole = [(dnstools.NOERROR, [record(A, ip) for ip in pool(200)])]
        server = self.pretended(lambda name, kind: whole[0], cut=True)
        watch = self.watch(server.url("web.test", "node=web", "type=a", "interval=20ms", "misses=1", "timeout=1s"))
        until(lambda: len(joins(watch)) == 200, "all are there")
        whole[0] = (dnstools.NOERROR, whole[0][1][:100])
        until(lambda: len(leaves(watch)) == 100, "half of them left")

        def broken(data, cut):
            return good(data, cut) if cut else None
        good, server.reply = server.reply, broken
        watch.line(lambda line: line.startswith("source ") and " failed " in line)
        server.reply = good
        watch.line(lambda line: line.startswith("source ") and line.endswith(" answer"))
        self.assertEqual((len(leaves(watch)), states(watch)), (100, ["answer", "failed", "answer"]), watch.story())

    def test_a_kept_connection(self):
        """One serves all rounds; where the server ends it after each answer, that is no failure."""
        for hasty in (False, True):
            with self.subTest(hasty=hasty):
                server = self.pretended(lambda name, kind: (dnstools.NOERROR, [record(A, ip) for ip in pool(3)]), hasty=hasty)
                watch = self.watch(server.url("web.test", "node=web", "type=a", "interval=20ms", "tcp=keep", "misses=1"))
                until(lambda: len(server.asked) >= 20, "it was asked")
                self.assertEqual((len(joins(watch)), leaves(watch), states(watch)), (3, [], ["answer"]), watch.story())
                self.assertEqual(server.connections > 15, hasty)
                self.assertTrue(hasty or server.connections == 1)

    def test_the_records_say_when_to_ask_again(self):
        said = (dnstools.NOERROR, [record(A, "10.1.0.1", 1)]), (dnstools.NOERROR, [record(A, "10.1.0.2", 300)])
        soon, late = [self.pretended(lambda name, kind, answer=answer: answer) for answer in said]
        watch = self.kept(dnstools.Running("watch", *(server.url("web.test", "node=web", "type=a", "interval=ttl")
                                                      for server in (soon, late))), "__exit__")
        until(lambda: len(soon.asked) >= 3, "it was asked again")
        self.assertEqual((sorted(joins(watch)), len(late.asked)), (["web@10.1.0.1", "web@10.1.0.2"], 1))

    def test_random_subsets_with_prune_off(self):
        """Eight of twenty, and one of five, as the routing policies of AWS Cloud Map answer."""
        for count, given in ((20, 8), (5, 1)):
            with self.subTest(given=given):
                chance = random.Random(given)
                ips = pool(count, "172.31.0.10")
                server = self.pretended(lambda name, kind: (dnstools.NOERROR, [record(A, ip) for ip in chance.sample(ips, given)]
                                                            if kind == A else []))
                keeps = self.watch(server.url("web.local", "node=web", "interval=20ms", "prune=off"))
                prunes = self.watch(server.url("web.local", "node=web", "interval=20ms", "misses=1"))
                until(lambda: len(joins(keeps)) == count, "all were seen")
                prunes.line(lambda line: line.startswith("- "))  # so the answers were partial
                self.assertEqual((sorted(joins(keeps)), leaves(keeps)), (sorted("web@" + ip for ip in ips), []))


NO_MACHINE = Machine.lack()


@unittest.skipIf(NO_MACHINE or lacks("dnsmasq"), NO_MACHINE or lacks("dnsmasq"))
class Machines(Case):
    """With a resolv.conf as containers have it, and the server at port 53."""

    def machine(self, *addresses, resolv_conf):
        return self.kept(Machine(*addresses, resolv_conf=resolv_conf))

    def served(self, machine, address, *zones):
        return self.kept(Dnsmasq(*zones, address=address, port=53, prefix=machine.prefix))

    def test_in_a_pod(self):
        pods = pool(3, "10.244.0.11")
        machine = self.machine("10.96.0.10", resolv_conf="search prod.svc.cluster.local svc.cluster.local cluster.local\n"
                                                         "nameserver 10.96.0.10\noptions ndots:5\n")
        self.served(machine, "10.96.0.10", kubernetes_zone(pods))
        names = ["app@" + pod for pod in pods]
        for service in ("web", "web.prod", "web.prod.svc", "web.prod.svc.cluster.local"):
            self.lists("dns:%s?node=app&search=on" % service, names, prefix=machine.prefix)
        self.lists("dns:web.prod.svc.cluster.local?node=app", names, prefix=machine.prefix)
        self.lists("dns:_epmd._tcp.web?node=app&type=srv&search=on", names, prefix=machine.prefix)
        absolute = ctl("list", "dns:web.prod?node=app", prefix=machine.prefix)
        self.assertNotEqual((absolute.code, absolute.out), (0, ""))
        self.assertEqual(absolute.out, "")
        found = ctl("resolve", "web.prod.svc.cluster.local", "--type", "a", prefix=machine.prefix)
        self.assertEqual((found.code, found.lines), (0, pods))

    def test_in_a_swarm_task(self):
        machine = self.machine(resolv_conf="nameserver 127.0.0.11\noptions ndots:0\n")
        self.served(machine, "127.0.0.11", Zone("web").addresses("tasks", *pool(3, "10.0.1.5")))
        self.lists("dns:tasks.web?node=web", ["web@" + ip for ip in pool(3, "10.0.1.5")], prefix=machine.prefix)

    def test_resolv_conf_is_read_again(self):
        machine = self.machine(resolv_conf="nameserver 127.0.0.21\n")
        self.served(machine, "127.0.0.22", Zone("example.test").addresses("web", "10.1.0.1"))
        watch = self.kept(dnstools.Running("watch", "dns:web.example.test?node=web&interval=50ms", prefix=machine.prefix), "__exit__")
        watch.line(lambda line: line.startswith("source ") and " failed " in line and "127.0.0.21" in line)
        machine.resolve("nameserver 127.0.0.22\n")
        watch.line("+ web@10.1.0.1")

    def test_the_second_server_is_asked_when_the_first_is_away(self):
        machine = self.machine(resolv_conf="nameserver 127.0.0.21\nnameserver 127.0.0.22\n")
        self.served(machine, "127.0.0.22", Zone("example.test").addresses("web", "10.1.0.1"))
        self.lists("dns:web.example.test?node=web", ["web@10.1.0.1"], prefix=machine.prefix)

    @unittest.skipIf(lacks("erl"), lacks("erl"))
    def test_ipv6_nodes_are_named_as_they_name_themselves(self):
        """As on Fly.io: AAAA records of `.internal`, asked of a server at an IPv6 address."""
        ips = ["fdaa:0:1:a7b:1::2", "fdaa:0:1:a7b:2::2"]
        machine = self.machine("fdaa::3", *ips, resolv_conf="nameserver fdaa::3\n")
        nodes = [self.kept(DistributionNode("web", ip, 9100, machine.prefix)) for ip in ips]
        self.served(machine, "fdaa::3", Zone("internal").addresses("web", *ips))
        listed = ctl("list", "dns:web.internal?node=web&port=9100", prefix=machine.prefix)
        self.assertEqual(listed.lines, sorted(node.name for node in nodes), listed.err)
        for node in nodes:
            for name in listed.lines:
                self.assertTrue(node.pings(name), "%s pings %s" % (node.name, name))


    @unittest.skipIf(lacks("erl", "epmd"), lacks("erl", "epmd"))
    def test_an_epmd_whose_host_is_in_dns(self):
        machine = self.machine("10.7.0.1", "10.7.0.2", resolv_conf="search example.test\nnameserver 127.0.0.22\n")
        server = self.served(machine, "127.0.0.22", Zone("example.test").addresses("db", "10.7.0.1"))
        epmd = subprocess.Popen([*machine.prefix, "epmd"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL, env=environment())
        self.addCleanup(epmd.wait)
        self.addCleanup(epmd.kill)
        until(lambda: ctl("names", "10.7.0.1", prefix=machine.prefix).code == 0, "epmd answers")
        self.kept(DistributionNode("web", "10.7.0.1", 0, machine.prefix))
        self.lists("epmd:db.example.test", ["web@db.example.test"], prefix=machine.prefix)
        found, = ctl("list", "epmd:db.example.test", "--json", prefix=machine.prefix).objects
        self.assertEqual(found["address"], "10.7.0.1")
        asked = ctl("port", "web@db.example.test", prefix=machine.prefix)
        self.assertEqual((asked.code, asked.lines), (0, [str(found["port"])]))
        away = ctl("list", "epmd:gone.example.test", prefix=machine.prefix)
        self.assertEqual((away.code, away.lines), (3, []))
        self.assertIn("neither DNS nor /etc/hosts has an address of it", away.err)
        watch = self.kept(dnstools.Running("watch", "epmd:db.example.test?interval=50ms&misses=1", prefix=machine.prefix), "__exit__")
        watch.line("+ web@db.example.test")
        server.kill()
        watch.line(lambda line: line.startswith("source ") and " failed epmd at db.example.test: " in line and "127.0.0.22" in line)
        server.start()
        watch.line(lambda line: line.startswith("source ") and line.endswith(" answer"))
        self.assertEqual((joins(watch), leaves(watch)), (["web@db.example.test"], []))


@unittest.skipIf(lacks("erl", "knotd"), lacks("erl", "knotd"))
class Nodes(Case):
    def test_nodes_are_named_as_they_name_themselves(self):
        """Two nodes that dns_cluster would find: each is called by exactly the name that the other one can connect to."""
        port = free_port()
        ips = ["127.0.0.52", "127.0.0.53"]
        nodes = [self.kept(DistributionNode("web", ip, port)) for ip in ips]
        zone = Zone("example.test").addresses("web", *ips)
        server = self.kept(Knot(zone))
        url = server.url("web.example.test", "node=web", "interval=50ms", "port=%d" % port)
        listed = ctl("list", url, "--json").objects
        self.assertEqual([node["node"] for node in listed], [node.name for node in nodes])
        self.assertEqual({(node["address"], node["port"]) for node in listed}, {(ip, port) for ip in ips})
        for node in nodes:
            for found in listed:
                self.assertTrue(node.pings(found["node"]), "%s pings %s" % (node.name, found["node"]))
            self.assertFalse(node.pings("web@127.0.0.54"))
        # The base name is the own node's where the URL has none, and the own node is not one of the others.
        watch = self.kept(watcher(server.url("web.example.test", "interval=50ms"), nodes[0].name), "__exit__")
        watch.line("+ " + nodes[1].name)
        zone.drop("web", ips[1])
        server.update()
        watch.line("- " + nodes[1].name)
        self.assertEqual((joins(watch), leaves(watch)), ([nodes[1].name], [nodes[1].name]))


if __name__ == "__main__":
    unittest.main()
