"""names, port, and epmd: sources, against a pretended epmd and a real one."""
import os
import shutil
import signal
import socket
import struct
import subprocess
import unittest

from clitools import CtlTest, FakeEpmd, Running, ctl, free_port, needs_tool, until

NAMES = {"b25": 46695, "web": 9100}


class Names(CtlTest):
    def test_lines(self):
        with FakeEpmd(NAMES) as epmd:
            outcome = ctl("names", "127.0.0.1:%d" % epmd.port)
            self.expect(outcome, 0)
            self.assertEqual(sorted(outcome.lines), ["b25 46695", "web 9100"])

    def test_the_port_from_the_environment(self):
        with FakeEpmd(NAMES) as epmd:
            for arguments in (["127.0.0.1"], []):
                outcome = ctl("names", *arguments, ERL_EPMD_PORT=epmd.port)
                self.expect(outcome, 0)
                self.assertEqual(sorted(outcome.lines), ["b25 46695", "web 9100"])

    def test_json(self):
        with FakeEpmd({"web": 9100}) as epmd:
            self.assertEqual(ctl("names", "127.0.0.1:%d" % epmd.port, "--json").objects,
                             [{"type": "name", "name": "web", "port": 9100}])

    def test_no_names_is_an_answer(self):
        with FakeEpmd({}) as epmd:
            self.expect(ctl("names", "127.0.0.1:%d" % epmd.port), 0, "")

    def test_no_epmd_there(self):
        port = free_port()
        self.expect(ctl("names", "127.0.0.1:%d" % port), 3, "", "no names: epmd at 127.0.0.1:%d: " % port)

    def test_a_reply_that_is_cut(self):
        with FakeEpmd(NAMES, mode="cut") as epmd:
            outcome = ctl("port", "web@127.0.0.1", ERL_EPMD_PORT=epmd.port)
            self.expect(outcome, 3, "", "no port of web@127.0.0.1: ")

    def test_an_epmd_that_says_nothing(self):
        with FakeEpmd(NAMES, mode="mute") as epmd:
            self.expect(ctl("names", "127.0.0.1:%d" % epmd.port), 3, "", "no names: ")

    def test_interrupted(self):
        with FakeEpmd(NAMES, mode="mute") as epmd, Running("names", "127.0.0.1:%d" % epmd.port) as names:
            names.until_it_catches(signal.SIGINT)
            names.signal(signal.SIGINT)
            self.assertEqual((names.end(), names.lines), (3, []))

    def test_a_host_that_is_none(self):
        self.expect(ctl("names", "127.0.0.1:99999"), 2, "", "99999")


class Port(CtlTest):
    def test_the_port(self):
        with FakeEpmd(NAMES) as epmd:
            self.expect(ctl("port", "web@127.0.0.1", ERL_EPMD_PORT=epmd.port), 0, "9100\n")
            self.assertEqual(ctl("port", "web@127.0.0.1", "--json", ERL_EPMD_PORT=epmd.port).objects,
                             [{"type": "port", "node": "web@127.0.0.1", "port": 9100}])

    def test_not_registered_is_status_1(self):
        with FakeEpmd(NAMES) as epmd:
            self.expect(ctl("port", "other@127.0.0.1", ERL_EPMD_PORT=epmd.port), 1, "", "no port of other@127.0.0.1: ")

    def test_no_epmd_there(self):
        self.expect(ctl("port", "web@127.0.0.1", ERL_EPMD_PORT=free_port()), 3, "", "no port of web@127.0.0.1: ")

    def test_no_node_name(self):
        self.expect(ctl("port", "web"), 2, "", "NAME@HOST")


class Sources(CtlTest):
    def test_list(self):
        with FakeEpmd(NAMES) as epmd:
            self.expect(ctl("list", "epmd:127.0.0.1:%d" % epmd.port), 0, "b25@127.0.0.1\nweb@127.0.0.1\n")
            self.expect(ctl("list", "epmd:127.0.0.1", ERL_EPMD_PORT=epmd.port), 0, "b25@127.0.0.1\nweb@127.0.0.1\n")

    def test_list_without_epmd(self):
        port = free_port()
        self.expect(ctl("list", "epmd:127.0.0.1:%d" % port), 3, "", "epmd:127.0.0.1:%d failed: " % port)

    def test_watch_sees_them_come_and_go(self):
        with FakeEpmd({"web": 9100}) as epmd:
            with Running("watch", "epmd:127.0.0.1:%d?interval=50ms&misses=1" % epmd.port) as watch:
                watch.line("+ web@127.0.0.1")
                epmd.names["late"] = 9101
                watch.line("+ late@127.0.0.1")
                epmd.names["web"] = 9200
                watch.line("~ web@127.0.0.1 port 9100 -> 9200")
                del epmd.names["late"]
                watch.line("- late@127.0.0.1")

    def test_watch_keeps_them_while_epmd_is_away(self):
        port = free_port()
        with FakeEpmd({"web": 9100}, port=port):
            watch = Running("watch", "epmd:127.0.0.1:%d?interval=50ms&misses=1" % port)
            watch.__enter__()
            watch.line("+ web@127.0.0.1")
        with watch:
            watch.line(lambda line: line.startswith("source ") and " failed " in line)
            with FakeEpmd({"other": 9102}, port=port):
                lines = [watch.line(lambda line: line[0] in "+-") for _ in range(2)]
            self.assertEqual(sorted(lines), ["+ other@127.0.0.1", "- web@127.0.0.1"])


@needs_tool("epmd", "package erlang-base has it")
class RealEpmd(CtlTest):
    """On a port of its own; nodes are registered by hand."""

    def setUp(self):
        self.port = free_port()
        env = {key: value for key, value in os.environ.items() if not key.startswith("ERL_")}
        self.epmd = subprocess.Popen([shutil.which("epmd"), "-port", str(self.port), "-address", "127.0.0.1"], env=env,
                                     stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(self.stop)
        until(lambda: ctl("names", "127.0.0.1:%d" % self.port).code == 0, "epmd answers")

    def stop(self):
        self.epmd.kill()
        self.epmd.wait()

    def register(self, name, port):
        """The socket is the lease."""
        lease = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        self.addCleanup(lease.close)
        body = struct.pack(">BHBBHHH", 120, port, 77, 0, 6, 5, len(name)) + name.encode() + b"\0\0"
        lease.sendall(struct.pack(">H", len(body)) + body)
        reply = lease.recv(6, socket.MSG_WAITALL)
        self.assertEqual(reply[:2], b"\x76\0")
        return lease

    def test_all_of_it(self):
        host = "127.0.0.1:%d" % self.port
        self.expect(ctl("names", host), 0, "")
        self.expect(ctl("list", "epmd:" + host), 1, "", "no member: ")
        lease = self.register("web", 9100)
        self.expect(ctl("names", host), 0, "web 9100\n")
        self.expect(ctl("port", "web@127.0.0.1", ERL_EPMD_PORT=self.port), 0, "9100\n")
        self.expect(ctl("port", "other@127.0.0.1", ERL_EPMD_PORT=self.port), 1, "", "no port of other@127.0.0.1: ")
        self.expect(ctl("list", "epmd:" + host), 0, "web@127.0.0.1\n")
        with Running("watch", "epmd:%s?interval=50ms&misses=1" % host) as watch:
            watch.line("+ web@127.0.0.1")
            lease.close()
            watch.line("- web@127.0.0.1")

    def test_a_forged_name_is_not_listed(self):
        self.register("a at port 1\nname victim", 9100)
        self.register("good", 9101)
        self.expect(ctl("list", "epmd:127.0.0.1:%d" % self.port), 0, "good@127.0.0.1\n")


if __name__ == "__main__":
    unittest.main()
