"""epmd: sources, names and port against a real epmd and real Erlang nodes."""
import json
import socket
import unittest

from interoptools import LOOPBACK, Epmd, Node, ctl, free_port, joins, lacks, leaves, until, watcher

WHY = lacks("epmd", "erl")


@unittest.skipIf(WHY, WHY)
class Nodes(unittest.TestCase):
    maxDiff = None

    def epmd(self):
        epmd = Epmd()
        self.addCleanup(epmd.kill)
        return epmd

    def node(self, epmd, name):
        node = Node(epmd, name)
        self.addCleanup(node.close)
        return node

    def watch(self, url):
        watch = watcher(url)
        self.addCleanup(watch.__exit__)
        return watch

    def test_what_real_nodes_register(self):
        epmd = self.epmd()
        short, long = self.node(epmd, "short"), self.node(epmd, "long@" + LOOPBACK)
        self.assertEqual(long.name, "long@" + LOOPBACK)
        self.assertNotIn(".", short.name)

        names = dict(line.split() for line in ctl("names", epmd.at).lines)
        self.assertEqual(sorted(names), ["long", "short"])
        for base, port in names.items():
            asked = ctl("port", "%s@%s" % (base, LOOPBACK), ERL_EPMD_PORT=epmd.port)
            self.assertEqual((asked.code, asked.out, asked.err), (0, port + "\n", ""))
            socket.create_connection((LOOPBACK, int(port)), timeout=30).close()
        self.assertEqual(ctl("port", "other@" + LOOPBACK, ERL_EPMD_PORT=epmd.port).code, 1)

        listed = ctl("list", "epmd:" + epmd.at)
        self.assertEqual((listed.code, listed.lines), (0, ["long@" + LOOPBACK, "short@" + LOOPBACK]))
        self.assertEqual(ctl("list", "epmd:localhost:%d" % epmd.port).lines, ["long@localhost", "short@localhost"])
        # Without a host it is this one, and the names are the nodes' own: of short names the host's first label.
        self.assertIn(short.name, ctl("list", "epmd:", ERL_EPMD_PORT=epmd.port, HOSTNAME=None).lines)
        self.assertEqual(ctl("list", "epmd:%s?name=short" % epmd.at).lines, ["short@" + LOOPBACK])
        found = json.loads(ctl("list", "epmd:%s?only=long@*" % epmd.at, "--json").lines[0])
        self.assertEqual((found["node"], found["address"], found["port"]), (long.name, LOOPBACK, int(names["long"])))

    def test_a_killed_node_leaves(self):
        epmd = self.epmd()
        one, two = self.node(epmd, "one"), self.node(epmd, "two@" + LOOPBACK)
        watch = self.watch("epmd:%s?interval=200ms&misses=3" % epmd.at)
        keeps = self.watch("epmd:%s?interval=200ms&prune=off" % epmd.at)
        for running in (watch, keeps):
            until(lambda: sorted(joins(running)) == ["one@" + LOOPBACK, "two@" + LOOPBACK], "both are there")
        one.kill()
        watch.line("- one@" + LOOPBACK)
        two.kill()
        watch.line("- two@" + LOOPBACK)
        keeps.line(lambda line: line.startswith("source ") and line.endswith(" empty"))
        self.assertEqual(leaves(keeps), [])

    def test_nobody_leaves_because_epmd_is_away(self):
        """Real nodes register again within 2 s of epmd's return; the answers without them until then are misses."""
        epmd = self.epmd()
        one, two = self.node(epmd, "one"), self.node(epmd, "two@" + LOOPBACK)
        watch = self.watch("epmd:%s?interval=250ms&misses=16" % epmd.at)
        hasty = self.watch("epmd:%s?interval=100ms&misses=1" % epmd.at)
        for running in (watch, hasty):
            until(lambda: len(joins(running)) == 2, "both are there")
        epmd.kill()
        for running in (watch, hasty):
            running.line(lambda line: line.startswith("source ") and " failed epmd at %s: " % epmd.at in line)
            self.assertEqual(leaves(running), [])
        epmd.start()
        watch.line(lambda line: line.startswith("source ") and line.endswith((" answer", " empty")))
        until(lambda: epmd.names() == ["one", "two"], "both registered again")
        self.assertEqual((leaves(watch), len(joins(watch))), ([], 2), watch.story())
        two.kill()
        watch.line("- two@" + LOOPBACK)
        self.assertEqual(joins(watch)[2:], [])
        self.assertIsNone(one.running.process.poll())

    def test_a_forged_line_is_no_node(self):
        """epmd prints a registered name as it is, with the line that it forges."""
        epmd = self.epmd()
        node = self.node(epmd, "real")
        lease = epmd.register("a at port 1\nname victim", 6666)
        self.addCleanup(lease.close)
        with socket.create_connection((LOOPBACK, epmd.port), timeout=30) as raw:
            raw.sendall(b"\0\1n")
            text = b"".join(iter(lambda: raw.recv(4096), b""))
        self.assertIn(b"\nname victim at port 6666\n", text)
        self.assertEqual(ctl("list", "epmd:" + epmd.at).lines, ["real@" + LOOPBACK])
        asked = ctl("port", "victim@" + LOOPBACK, ERL_EPMD_PORT=epmd.port)
        self.assertEqual((asked.code, asked.out), (1, ""))
        self.assertEqual(ctl("names", epmd.at).lines, ["real " + ctl("port", node.name, ERL_EPMD_PORT=epmd.port).out.strip()])

    def test_several_epmds_are_one_list(self):
        first, second = self.epmd(), self.epmd()
        self.node(first, "one@" + LOOPBACK)
        self.node(second, "two@" + LOOPBACK)
        url = "epmd:%s,%s" % (first.at, second.at)
        self.assertEqual(ctl("list", url).lines, ["one@" + LOOPBACK, "two@" + LOOPBACK])
        apart = ctl("list", "epmd:" + first.at, "epmd:%s:%d" % (LOOPBACK, free_port()))
        self.assertEqual((apart.code, apart.lines), (0, ["one@" + LOOPBACK]))
        self.assertIn(" failed: epmd at ", apart.err)
        second.kill()
        self.assertEqual(ctl("list", url).code, 3)


if __name__ == "__main__":
    unittest.main()
