"""gossip: with what libcluster does on the wire, written in Erlang and in Elixir with their own libraries."""
import os
import unittest

from interoptools import HERE, LOOPBACK, Group, Running, announcer, joins, lacks, watcher

WHY = Group().lack()


def lacks_crypto(*programs):
    """escript is part of Erlang; crypto may be a package of its own."""
    why = lacks(*programs)
    if not why:
        with Running("-noinput", "-eval", "io:format(\"~p~n\", [element(1, code:ensure_loaded(crypto))]), halt().",
                     program="erl", ERL_CRASH_DUMP=os.devnull) as erl:
            erl.end()
            why = "" if erl.lines == ["module"] else "Erlang's crypto is not here: package erlang-crypto has it"
    return why


class Peer(Running):
    """The script at work."""

    def __init__(self, program, script, group, secret, name):
        super().__init__(os.path.join(HERE, script), group.address, str(group.port), LOOPBACK, secret or "-", name or "-",
                         program=program, ERL_CRASH_DUMP=os.devnull, ERL_EPMD_PORT=None)
        self.line("up")


class Libcluster:
    """The cases; what speaks libcluster is below."""
    program = script = None
    maxDiff = None

    def setUp(self):
        self.group = Group()

    def peer(self, secret=None, name=None):
        peer = Peer(self.program, self.script, self.group, secret, name)
        self.addCleanup(peer.__exit__)
        return peer

    def watch(self, name, *options, **more):
        watch = watcher(self.group.url(*options, **more), name)
        self.addCleanup(watch.__exit__)
        return watch

    def announce(self, name, *options):
        """A node of ours that says all that it can."""
        running = Running(self.group.url(*options), name, program=announcer())
        self.addCleanup(running.__exit__)
        running.line("up")
        return running

    def accepted(self, peer, name):
        """The extra keys with which it took a packet of this name."""
        return sorted(peer.line(lambda line: line.split()[:2] == ["accept", name]).split()[2:])

    def key(self, *names):
        return sorted(self.binary % name for name in names)

    def test_the_script_crashes_where_libcluster_does(self):
        """Else its silence would prove nothing."""
        peer = self.peer()
        with self.group.socket() as wire:
            for packet, said in ((b"", "ignore"), (b"hello", "ignore"), (b"heartbeat::\x83d\0\1a", "ignore"),
                                 (b"heartbeat::junk", "crash"),
                                 (b"heartbeat::\x83t\0\0\0\1d\0\4noded\0\3a@h", "accept a@h")):
                self.group.say(wire, packet)
                self.assertEqual(peer.line(lambda line: True), said)

    def test_plain(self):
        peer = self.peer(name="beam@h1")
        us = self.watch("us@h1")
        us.line("+ beam@h1")
        self.assertEqual(self.accepted(peer, "us@h1"), self.key("time", "id"))
        self.announce("full@h1")
        self.assertEqual(self.accepted(peer, "full@h1"), self.key("port", "weight", "time", "id", "zone", "role"))
        self.assertEqual(self.accepted(peer, "beam@h1"), [])
        self.assertNotIn("crash", peer.lines)
        self.assertNotIn("ignore", peer.lines)

    def test_with_a_secret(self):
        peer = self.peer("s3cret", "beam@h1")
        us = self.watch("us@h1", "secret=s3cret")
        us.line("+ beam@h1")
        self.assertEqual(self.accepted(peer, "us@h1"), self.key("time", "id", "hmac"))
        self.announce("full@h1", "secret=s3cret")
        self.assertEqual(self.accepted(peer, "full@h1"), self.key("port", "weight", "time", "id", "zone", "role", "hmac"))
        self.assertNotIn("crash", peer.lines)
        self.assertNotIn("ignore", peer.lines)

    def test_auth_required_takes_only_what_is_authenticated(self):
        """A libcluster node cannot be: it is passed over, and still hears us."""
        peer = self.peer("s3cret", "beam@h1")
        strict = self.watch("strict@h1", "secret=s3cret", "auth=required")
        self.accepted(peer, "strict@h1")
        self.accepted(peer, "beam@h1")
        self.watch("other@h1", "secret=s3cret")
        strict.line("+ other@h1")
        self.assertEqual(joins(strict), ["other@h1"])

    def test_another_secret_and_none(self):
        """What a peer passes over cannot crash it; and the other way about."""
        peer = self.peer("first", "beam@h1")
        plain, second, first = self.watch("plain@h1"), self.watch("second@h1", "secret=second"), self.watch("us@h1", "secret=first")
        first.line("+ beam@h1")
        self.accepted(peer, "us@h1")
        for _ in range(3):
            peer.line("ignore")
        self.assertNotIn("crash", peer.lines)
        self.assertEqual([joins(running) for running in (plain, second, first)], [[], [], ["beam@h1"]])


@unittest.skipIf(WHY or lacks_crypto("escript", "erl"), WHY or lacks_crypto("escript", "erl"))
class Erlang(Libcluster, unittest.TestCase):
    program, script, binary = "escript", "libcluster_gossip.erl", '<<"%s">>'


@unittest.skipIf(WHY or lacks_crypto("elixir", "erl"), WHY or lacks_crypto("elixir", "erl"))
class Elixir(Libcluster, unittest.TestCase):
    program, script, binary = "elixir", "libcluster_gossip.exs", '"%s"'


if __name__ == "__main__":
    unittest.main()
