"""gossip: between separate processes of this library, on a loopback group of their own."""
import json
import signal
import socket
import tempfile
import unittest

from interoptools import LOOPBACK, Group, Running, announcer, ctl, joins, leaves, watcher

WHY = Group().lack()

@unittest.skipIf(WHY, WHY)
class Gossip(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.group = Group()

    def watch(self, name, *options, **more):
        watch = watcher(self.group.url(*options, **more), name)
        self.addCleanup(watch.__exit__)
        return watch

    def test_join_and_leave(self):
        a, b = self.watch("a@h1", age="2s"), self.watch("b@h1")
        a.line("+ b@h1")
        b.line("+ a@h1")
        c = self.watch(None, announce=False, age="2s")  # hears, says nothing
        c.line(lambda line: line in ("+ a@h1", "+ b@h1"))
        c.line(lambda line: line in ("+ a@h1", "+ b@h1"))
        b.signal(signal.SIGKILL)
        b.end()
        a.line("- b@h1")
        c.line("- b@h1")
        b = self.watch("b@h1")
        a.line("+ b@h1")
        self.assertEqual((joins(a), leaves(a)), (["b@h1", "b@h1"], ["b@h1"]))

    def test_all_that_a_node_says_arrives(self):
        program = announcer()
        for options in ((), ("secret=s3cret",), ("secret=s3cret", "auth=required")):
            with self.subTest(options=options):
                url = self.group.url(*options).replace("announce=on", "announce=auto")  # with a port it is dialled
                with Running(url, "full@h1", program=program) as full:
                    full.line("up")
                    with Running("watch", self.group.url(*options), "--node", "a@h1", "--json", "--until", "1") as watch:
                        self.assertEqual(watch.end(), 0)
                        found = [json.loads(line) for line in watch.lines]
                        found = [line for line in found if line["type"] == "join"]
                        self.assertEqual([(f["node"], f["port"], f["weight"], f["zone"], f["role"]) for f in found],
                                         [("full@h1", 9100, 3, "z\u00fcrich-1", "db")])

    def test_announce_auto_keeps_quiet_without_a_port(self):
        quiet = watcher(self.group.url(announce=False), "quiet@h1")
        self.addCleanup(quiet.__exit__)
        a = self.watch("a@h1")
        quiet.line("+ a@h1")
        b = self.watch("b@h1")
        quiet.line("+ b@h1")  # it was there all the time
        a.line("+ b@h1")
        self.assertEqual(joins(a), ["b@h1"])
        self.assertNotIn("quiet@h1", joins(b))

    def test_another_secret_is_another_cluster(self):
        """Both kinds of others are on the wire, as their own peers see, before the one that is let in."""
        with tempfile.NamedTemporaryFile("w") as file:
            file.write("first\n")
            file.flush()
            a = self.watch("a@h1", "secret=first")
            self.watch("c@h1", "secret=second")
            d = self.watch("d@h1", "secret=second")
            self.watch("e@h1")
            f = self.watch("f@h1")
            d.line("+ c@h1")
            f.line("+ e@h1")
            b = self.watch("b@h1", "secret-file=" + file.name)
            a.line("+ b@h1")
            b.line("+ a@h1")
        self.assertEqual([joins(running) for running in (a, b, d, f)], [["b@h1"], ["a@h1"], ["c@h1"], ["e@h1"]])
        self.assertNotIn("first", "\n".join(a.lines + a.errors))

    def test_authenticated_packets_cannot_be_replayed(self):
        with self.group.socket() as wire:
            a = self.watch("a@h1", "secret=first", "auth=required", announce=False, age="2s")
            b = self.watch("b@h1", "secret=first", "auth=required")
            a.line("+ b@h1")
            old = [wire.recv(65535) for _ in range(3)]
            b.signal(signal.SIGKILL)
            b.end()
            a.line("- b@h1")
            for packet in old:
                self.group.say(wire, packet)
            self.group.say(wire, old[0][:-1] + bytes([old[0][-1] ^ 1]))  # changed
            c = self.watch("c@h1", "secret=first", "auth=required")
            a.line("+ c@h1")
            self.assertEqual((joins(a), leaves(a)), (["b@h1", "c@h1"], ["b@h1"]), a.story())
            self.assertEqual(joins(c), [])

    def test_garbage_changes_nothing(self):
        with self.group.socket() as wire:
            a = self.watch("a@h1")
            b = self.watch("b@h1")
            a.line("+ b@h1")
            whole = next(packet for packet in iter(lambda: wire.recv(65535), None) if b"b@h1" in packet)
            for cut in range(0, len(whole)):
                self.group.say(wire, whole[:cut])
            self.group.say(wire, whole.replace(b"b@h1", b"b h1"))
            self.group.say(wire, whole.replace(b"b@h1", b"\x1b@h1"))
            self.group.say(wire, b"x" * 60000)
            self.group.say(wire, whole.replace(b"b@h1", b"z@h1"))
            a.line("+ z@h1")
            self.assertEqual((joins(a), leaves(a)), (["b@h1", "z@h1"], []))
            self.assertIsNone(a.process.poll())

    def test_the_same_name_twice_is_said(self):
        a = self.watch("a@h1")
        b = self.watch("a@h1")
        other = self.watch("b@h1")
        a.line("+ b@h1")
        b.line("+ b@h1")
        other.line("+ a@h1")
        a.signal(signal.SIGTERM)
        b.signal(signal.SIGTERM)
        for running in (a, b):
            running.end()
        for running in (a, b):
            self.assertEqual(joins(running), ["b@h1"])
        self.assertIn("another node announces the own name", "\n".join(a.errors + b.errors))

    def test_broadcast(self):
        url = "gossip:127.255.255.255:%d?broadcast=on&interval=100ms&announce=on" % self.group.port
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            try:
                probe.sendto(b"", ("127.255.255.255", self.group.port))
            except OSError as error:
                self.skipTest("no broadcast on loopback here: %s" % error)
        a, b = watcher(url, "a@" + LOOPBACK), watcher(url, "b@" + LOOPBACK)
        self.addCleanup(a.__exit__)
        self.addCleanup(b.__exit__)
        a.line("+ b@" + LOOPBACK)
        b.line("+ a@" + LOOPBACK)

    def test_wait_is_a_gate(self):
        url = self.group.url()
        late = ctl("wait", url, "--node", "x@h1", "--quorum", "3", "--for", "300ms", "--", "echo", "started")
        self.assertEqual((late.code, late.out), (1, ""))
        with Running("wait", url, "--node", "a@h1", "--quorum", "3", "--", "echo", "started") as gate:
            self.watch("b@h1")
            self.watch("c@h1")
            self.assertEqual(gate.end(), 0)
            self.assertEqual(gate.lines, ["started"])


if __name__ == "__main__":
    unittest.main()
