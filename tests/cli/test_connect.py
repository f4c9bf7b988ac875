"""clusterctl watch --connect: probes, links, and what is refused."""
import socket
import unittest

from clitools import FakeEpmd, Running, ctl, free_port


class Connect(unittest.TestCase):
    def test_tcp(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            done = ctl("watch", "static:a@127.0.0.1?port=%d" % port, "--connect", "tcp", "--until", "1", "--for", "30s")
            self.assertEqual(done.code, 0, done.out)
            self.assertIn("up a@127.0.0.1", done.lines)
            stream, _ = server.accept()
            self.assertEqual(stream.recv(1), b"")  # it was held by nobody
            stream.close()
        port = free_port()
        with Running("watch", "static:a@localhost?port=%d" % port, "--connect", "tcp", "--backoff", "10ms..20ms") as watch:
            watch.line("down a@localhost nothing listens on its port: it has ended, or is starting")
            with socket.create_server(("127.0.0.1", port)):
                watch.line("up a@localhost")

    def test_epmd(self):
        with FakeEpmd({"a": 9100}) as epmd, Running("watch", "static:a@127.0.0.1,b@127.0.0.1", "--connect", "epmd",
                                                    ERL_EPMD_PORT=epmd.port) as watch:
            self.assertEqual({watch.line(lambda line: line[:2] in ("up", "do")) for _ in range(2)}, {
                "up a@127.0.0.1", "down b@127.0.0.1 the epmd of its host does not know it: it does not run, or has another name"})

    def test_once(self):
        with Running("watch", "static:a@localhost?port=%d" % free_port(), "--connect", "tcp", "--reconnect", "off", "--on-leave",
                     "disconnect", "--for", "2s") as watch:
            watch.line(lambda line: line.startswith("down"))
            self.assertEqual(watch.end(), 0)
            self.assertEqual(len([line for line in watch.lines if line[:2] in ("up", "do")]), 1)

    def test_what_is_refused(self):
        for options, sentence in ((["--connect", "host"], "programs that connect by themselves"), (["--connect", "udp"], "options.connect takes"),
                                  (["--connect", "tcp", "--node", "a@h", "--cookie", "x"], "options.cookie"),
                                  (["--connect", "erlang"], "--node"), (["--connect", "tcp", "--reconnect", "never"], "options.reconnect"),
                                  (["--connect", "tcp", "--on-leave", "stay"], "options.on_leave"),
                                  (["--connect", "tcp", "--backoff", "1s"], "options.backoff")):
            done = ctl("watch", "static:", *options)
            self.assertEqual((done.code, done.err.count("\n")), (2, 1), done.err)
            self.assertIn(sentence, done.err)

    def test_links_over_ipv6(self):
        try:
            with socket.create_server(("::1", 0), family=socket.AF_INET6):
                pass
        except OSError:
            self.skipTest("this machine has no ::1")
        port = free_port()
        url = "static:c@::1?port=%d" % port
        with Running("node", "--node", "c@::1", "--cookie", "x", "--listen", "[::1]:%d" % port) as node:
            with Running("watch", url, "--node", "w@::1", "--cookie", "x", "--connect", "erlang", "--backoff", "10ms..50ms") as watch:
                watch.line("up c@::1")
                node.process.kill()
                watch.line(lambda line: line.startswith("down c@::1"))


if __name__ == "__main__":
    unittest.main()
