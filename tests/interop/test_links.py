"""Links to real Erlang nodes: ping, who is linked and who is not, cookies, killed nodes, names, silent peers."""
import os
import signal
import socket
import unittest

from interoptools import LOOPBACK, Epmd, Node, ctl, free_port, lacks, until, watcher
from clitools import Running

WHY = lacks("epmd", "erl")
COOKIE = ("--cookie", "interop")


class Asked(Node):
    """A node that says, once a name is connected, what it is to this one and what a ping of it gives."""

    def __init__(self, epmd, name, other, *flags):
        self.script = ("spawn(fun() -> Other = list_to_atom(\"%s\"), "
                       "W = fun W(N) -> timer:sleep(50), case lists:member(Other, nodes(connected)) of true -> N; "
                       "false when N > 0 -> W(N - 1) end end, W(1200), "
                       "io:format(\"nodes ~p hidden ~p~n\", [nodes(), nodes(hidden)]), "
                       "io:format(\"ping ~p~n\", [net_adm:ping(Other)]) end)." % other)
        super().__init__(epmd, name, None, "-eval", self.script, *flags)


@unittest.skipIf(WHY, WHY)
class Links(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.epmd = Epmd()
        self.addCleanup(self.epmd.kill)

    def node(self, name, *flags):
        node = Node(self.epmd, name, None, *flags)
        self.addCleanup(node.close)
        return node

    def watch(self, url, *more, name="c@" + LOOPBACK, **env):
        running = Running("watch", url, "--node", name, "--connect", "erlang", *more, ERL_EPMD_PORT=self.epmd.port, **env)
        self.addCleanup(running.__exit__)
        return running

    def ping(self, name, *more):
        return ctl("ping", name, *more, ERL_EPMD_PORT=self.epmd.port)

    def test_pong_and_pang(self):
        long, short = self.node("long@" + LOOPBACK), self.node("short")
        for name in (long.name, short.name):
            asked = self.ping(name, *COOKIE)
            self.assertEqual((asked.code, asked.out, asked.err), (0, "pong\n", ""))
        wrong = self.ping(long.name, "--cookie", "wrong")
        self.assertEqual((wrong.code, wrong.out), (1, "pang: its cookie is another one\n"))
        nobody = self.ping("nobody@" + LOOPBACK, *COOKIE, "--json").objects[0]
        self.assertEqual((nobody["answer"], nobody["error"]), ("pang", "not found"))
        self.assertIn("epmd", nobody["why"])
        self.epmd.kill()
        self.assertIn("no epmd", self.ping(long.name, *COOKIE).out)

    def test_cookie_files(self):
        node = self.node("n@" + LOOPBACK)
        path = os.path.join(node.home, "cookie")
        with open(path, "w", encoding="ascii") as f:
            f.write("interop\n")
        self.assertEqual(self.ping(node.name, "--cookie-file", path).out, "pong\n")
        self.assertEqual(self.ping(node.name, "--cookie-file", path + "x").code, 3)
        own = os.path.join(node.home, ".erlang.cookie")
        with open(own, "w", encoding="ascii") as f:
            f.write("interop")
        os.chmod(own, 0o644)
        asked = ctl("ping", node.name, ERL_EPMD_PORT=self.epmd.port, HOME=node.home)
        self.assertEqual(asked.code, 3)
        self.assertIn("chmod 600", asked.err)
        os.chmod(own, 0o400)
        self.assertEqual(ctl("ping", node.name, ERL_EPMD_PORT=self.epmd.port, HOME=node.home).out, "pong\n")

    def test_hidden_and_asked(self):
        one = Asked(self.epmd, "one@" + LOOPBACK, "c@" + LOOPBACK)
        self.addCleanup(one.close)
        two = self.node("two@" + LOOPBACK)
        watch = self.watch("epmd:%s?interval=200ms" % self.epmd.at, *COOKIE)
        until(lambda: {"up one@" + LOOPBACK, "up two@" + LOOPBACK} <= set(watch.lines), "both are up")
        # It is hidden, it answers, and nodes that it links to are not brought together by it.
        self.assertEqual(one.running.line(lambda line: line.startswith("nodes ")), "nodes [] hidden ['c@127.0.0.1']")
        self.assertEqual(one.running.line(lambda line: line.startswith("ping ")), "ping pong")
        while watch.fresh.qsize():
            watch.fresh.get()
        two.kill()
        self.assertRegex(watch.line(lambda line: line.startswith("down ")), "^down two@127.0.0.1 it closed the link$")
        watch.line("up " + self.node("two@" + LOOPBACK).name)

    def test_until_counts_links(self):
        self.node("one@" + LOOPBACK)
        url = "epmd:" + self.epmd.at
        self.assertEqual(self.watch(url, *COOKIE, "--until", "1").end(), 0)
        listed = self.watch(url, "--cookie", "wrong", "--until", "1", "--for", "1s")
        self.assertEqual(listed.end(), 1)
        self.assertIn("down one@127.0.0.1 its cookie is another one", listed.lines)
        listed = self.watch("static:one@%s,ghost@%s" % (LOOPBACK, LOOPBACK), *COOKIE, "--until", "2", "--for", "1s")
        self.assertEqual(listed.end(), 1)
        self.assertIn("up one@127.0.0.1", listed.lines)

    def test_a_name_that_is_taken(self):
        one = self.node("one@" + LOOPBACK)
        url = "static:" + one.name
        first = self.watch(url, *COOKIE)
        first.line("up " + one.name)
        second = self.watch(url, *COOKIE)
        self.assertIn("of the own name", second.line(lambda line: line.startswith("down ")))
        first.signal(signal.SIGKILL)
        first.end()
        second.line("up " + one.name)

    def test_ticks_hold(self):
        one = self.node("one@" + LOOPBACK, "-kernel", "net_ticktime", "4")
        watch = self.watch("static:" + one.name, *COOKIE, "--for", "8s")
        self.assertEqual(watch.end(), 0)
        self.assertIn("up " + one.name, watch.lines)
        self.assertFalse([line for line in watch.lines if line.startswith("down ")])

    def test_a_silent_peer_delays_nobody(self):
        one = self.node("one@" + LOOPBACK)
        silent = [socket.create_server((LOOPBACK, 0)) for _ in range(3)]
        for server in silent:
            self.addCleanup(server.close)
        watch = Running("watch", "static:" + one.name,
                        *["static:s%d@%s?port=%d" % (i, LOOPBACK, s.getsockname()[1]) for i, s in enumerate(silent)],
                        "--node", "c@" + LOOPBACK, "--connect", "erlang", *COOKIE, "--json", ERL_EPMD_PORT=self.epmd.port)
        self.addCleanup(watch.__exit__)
        links = lambda line: '"type":"up"' in line or '"type":"down"' in line  # noqa: E731
        self.assertIn(one.name, watch.line(links))
        for _ in silent:
            self.assertIn("says nothing", watch.line(links))

    def test_names_with_ipv6(self):
        port = free_port()
        try:
            socket.create_connection(("::1", self.epmd.port), timeout=5).close()
        except OSError:
            self.skipTest("no IPv6 on loopback here")
        node = Node(self.epmd, "six@::1", "-name", "-proto_dist", "inet6_tcp", "-kernel", "inet_dist_use_interface",
                    "{0,0,0,0,0,0,0,1}", "inet_dist_listen_min", str(port), "inet_dist_listen_max", str(port))
        self.addCleanup(node.close)
        self.assertEqual(self.ping("six@::1", *COOKIE).out, "pong\n")

    def test_without_epmd(self):
        one = self.node("one@" + LOOPBACK)
        port = ctl("port", one.name, ERL_EPMD_PORT=self.epmd.port).out.strip()
        self.epmd.kill()
        watch = self.watch("static:%s?port=%s" % (one.name, port), *COOKIE, "--until", "1")
        self.assertEqual(watch.end(), 0)


if __name__ == "__main__":
    unittest.main()
