"""resolve, and list and watch with dns: URLs, against a small DNS server of our own."""
import socket
import struct
import threading
import unittest

from clitools import CtlTest, Running, ctl, free_port

TYPES = {"a": 1, "cname": 5, "ptr": 12, "txt": 16, "aaaa": 28, "srv": 33}


def wire_name(text):
    return b"".join(bytes([len(label)]) + label.encode() for label in text.split(".") if label) + b"\0"


class FakeDns:
    """zone: (name, type) -> list of data. mode: "servfail", "truncate" (UDP), "mute"."""

    def __init__(self, zone, mode="good", port=0, address="127.0.0.1"):
        self.zone, self.mode, self.ttl = dict(zone), mode, 30
        for _ in range(100):
            self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            self.tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                self.udp.bind((address, port))
                self.port = self.udp.getsockname()[1]
                self.tcp.bind((address, self.port))
                break
            except OSError:
                self.udp.close()
                self.tcp.close()
        self.tcp.listen(16)
        self.server = "%s:%d" % (address, self.port)
        self.threads = [threading.Thread(target=work, daemon=True) for work in (self.serve_udp, self.serve_tcp)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.udp.close()
        self.tcp.close()

    def answer(self, query, tcp):
        mode, at, labels = self.mode, 12, []
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode())
            at += 1 + query[at]
        kind = struct.unpack(">H", query[at + 1:at + 3])[0]
        name, question = ".".join(labels), query[12:at + 5]
        found = self.zone.get((name, kind), [])
        code = 2 if mode == "servfail" else 0 if any(key[0] == name for key in self.zone) else 3
        records = b"" if code else b"".join(b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, self.ttl, len(data)) + data for data in found)
        cut = mode == "truncate" and not tcp
        head = query[:2] + struct.pack(">HHHHH", 0x8180 | code | (0x200 if cut else 0), 1, 0 if cut or code else len(found), 0, 0)
        return head + question + (b"" if cut else records)

    def serve_udp(self):
        while True:
            try:
                query, peer = self.udp.recvfrom(4096)
                if self.mode != "mute":
                    self.udp.sendto(self.answer(query, False), peer)
            except OSError:
                return

    def serve_tcp(self):
        while True:
            try:
                connection, _ = self.tcp.accept()
                with connection:
                    connection.settimeout(30)
                    size = struct.unpack(">H", connection.recv(2, socket.MSG_WAITALL))[0]
                    reply = self.answer(connection.recv(size, socket.MSG_WAITALL), True)
                    connection.sendall(struct.pack(">H", len(reply)) + reply)
            except (OSError, struct.error):
                if self.tcp.fileno() < 0:
                    return


def a(*addresses):
    return [socket.inet_aton(address) for address in addresses]


ZONE = {
    ("tasks.web", TYPES["a"]): a("10.0.0.2", "10.0.0.1"),
    ("tasks.web", TYPES["aaaa"]): [socket.inet_pton(socket.AF_INET6, "fd00::1")],
    ("_p._tcp.web", TYPES["srv"]): [struct.pack(">HHH", 1, 2, 9100) + wire_name("n1.web")],
    ("note.web", TYPES["txt"]): [b"\x05a\"b\xffc"],
    ("1.0.0.10.in-addr.arpa", TYPES["ptr"]): [wire_name("n1.web")],
    ("alias.web", TYPES["cname"]): [wire_name("tasks.web")],
}


class Resolve(CtlTest):
    def ask(self, dns, *arguments):
        return ctl("resolve", *arguments, "--server", dns.server)

    def test_each_type(self):
        with FakeDns(ZONE) as dns:
            self.expect(self.ask(dns, "tasks.web"), 0, "10.0.0.1\n10.0.0.2\nfd00::1\n")
            self.expect(self.ask(dns, "tasks.web", "--type", "aaaa"), 0, "fd00::1\n")
            self.expect(self.ask(dns, "_p._tcp.web", "--type", "srv"), 0, "1 2 9100 n1.web\n")
            self.expect(self.ask(dns, "note.web", "--type", "txt"), 0, "\"a\\x22b\\xffc\"\n")
            self.expect(self.ask(dns, "1.0.0.10.in-addr.arpa", "--type", "ptr"), 0, "n1.web\n")
            self.expect(self.ask(dns, "alias.web", "--type", "cname"), 0, "tasks.web\n")

    def test_json(self):
        with FakeDns(ZONE) as dns:
            self.assertEqual(self.ask(dns, "tasks.web", "--type", "a", "--json").objects,
                             [{"type": "a", "name": "tasks.web", "ttl": 30, "address": "10.0.0.%d" % i} for i in (1, 2)])
            self.assertEqual(self.ask(dns, "_p._tcp.web", "--type", "srv", "--json").objects,
                             [{"type": "srv", "name": "_p._tcp.web", "ttl": 30, "priority": 1, "weight": 2, "port": 9100,
                               "target": "n1.web"}])
            self.assertEqual(self.ask(dns, "alias.web", "--type", "cname", "--json").objects,
                             [{"type": "cname", "name": "alias.web", "ttl": 30, "target": "tasks.web"}])

    def test_none_is_status_1(self):
        with FakeDns(ZONE) as dns:
            self.expect(self.ask(dns, "nobody.web"), 1, "", "NXDOMAIN")
            self.expect(self.ask(dns, "tasks.web", "--type", "txt"), 1, "", "no record of type txt")

    def test_failures_are_status_3(self):
        with FakeDns(ZONE, "servfail") as dns:
            self.expect(self.ask(dns, "tasks.web"), 3, "", "SERVFAIL")
        port = free_port(socket.SOCK_DGRAM)
        self.expect(ctl("resolve", "tasks.web", "--server", "127.0.0.1:%d" % port), 3, "", "127.0.0.1:%d" % port)

    def test_truncated_goes_over_tcp(self):
        with FakeDns(ZONE, "truncate") as dns:
            self.expect(self.ask(dns, "tasks.web", "--type", "a"), 0, "10.0.0.1\n10.0.0.2\n")


class Sources(CtlTest):
    def test_list(self):
        with FakeDns(ZONE) as dns:
            self.expect(ctl("list", "dns:web@tasks.web?type=a&server=" + dns.server), 0, "web@10.0.0.1\nweb@10.0.0.2\n")
            self.expect(ctl("list", "dns:web@_p._tcp.web?type=srv&host=name&server=" + dns.server), 0, "web@n1.web\n")
            self.expect(ctl("list", "dns:web@nobody?server=" + dns.server), 1, "", "no member: ")

    def test_list_of_a_failed_source(self):
        with FakeDns(ZONE, "servfail") as dns:
            self.expect(ctl("list", "dns:web@tasks.web?server=" + dns.server), 3, "", "SERVFAIL")

    def test_short_own_name_among_addresses_is_told(self):
        with FakeDns(ZONE) as dns:
            self.expect(ctl("list", "dns:tasks.web?type=a&server=" + dns.server, "--node", "web@host"), 0, None, "name@auto")

    def test_watch_says_once_that_it_fails_and_once_that_it_is_back(self):
        with FakeDns(ZONE) as dns:
            url = "dns:web@tasks.web?type=a&misses=1&interval=50ms&server=" + dns.server
            with Running("watch", url) as watch:
                watch.line("+ web@10.0.0.2")
                dns.mode = "servfail"
                watch.line(lambda line: line.startswith("source ") and " failed " in line and "SERVFAIL" in line)
                dns.zone[("tasks.web", TYPES["a"])] = a("10.0.0.2", "10.0.0.3")
                dns.mode = "good"
                watch.line("+ web@10.0.0.3")
                dns.zone[("tasks.web", TYPES["a"])] = a("10.0.0.3")
                watch.line("- web@10.0.0.2")
                states = [line.split()[2] for line in watch.lines if line.startswith("source ")]
                self.assertEqual(states, ["answer", "failed", "answer"])
                self.assertEqual(watch.lines.count("- web@10.0.0.1"), 1)


if __name__ == "__main__":
    unittest.main()
