"""etcd: URLs against a real etcd: nodes that others put there, changes, leases, and its end and return."""
import base64
import json
import unittest
import urllib.request

from interoptools import EtcdServer, Running, ctl, until
from clitools import CtlTest, needs_tool


@needs_tool("etcd", "no real server without it")
class Etcd(CtlTest):
    def setUp(self):
        self.server = EtcdServer()
        self.addCleanup(self.server.close)
        self.port = self.server.port

    def ask(self, path, said):
        request = urllib.request.Request("http://127.0.0.1:%d%s" % (self.port, path), json.dumps(said).encode())
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read())

    @staticmethod
    def encoded(text):
        return base64.b64encode(text.encode()).decode()

    def put(self, *keys):
        for key in keys:
            self.ask("/v3/kv/put", {"key": self.encoded(key), "value": ""})

    def delete(self, key):
        self.ask("/v3/kv/deleterange", {"key": self.encoded(key)})

    def keys(self):
        said = self.ask("/v3/kv/range", {"key": self.encoded("/nodes/"), "range_end": self.encoded("/nodes0")})
        return {base64.b64decode(kv["key"]).decode() for kv in said.get("kvs", [])}

    def url(self, more=""):
        return "etcd:/nodes/?server=127.0.0.1:%d%s" % (self.port, more)

    def test_list(self):
        self.expect(ctl("list", self.url()), 1, "", "no member: ")
        self.put("/nodes/b@10.0.0.2", "/nodes/a@10.0.0.1", "/other/c@10.0.0.3", "/nodes0")
        self.expect(ctl("list", self.url()), 0, "a@10.0.0.1\nb@10.0.0.2\n")

    def test_changes_are_told(self):
        self.put("/nodes/a@10.0.0.1")
        with Running("watch", self.url("&watch=on&interval=1h")) as watch:
            watch.line("+ a@10.0.0.1")
            self.put("/nodes/b@10.0.0.2")
            watch.line("+ b@10.0.0.2")
            self.delete("/nodes/a@10.0.0.1")
            watch.line("- a@10.0.0.1")

    def test_an_etcd_that_goes_and_comes_back_loses_nobody(self):
        self.put("/nodes/a@10.0.0.1")
        with Running("watch", self.url("&interval=50ms&misses=1")) as watch:
            watch.line("+ a@10.0.0.1")
            self.server.stop()
            watch.line(lambda line: line.startswith("source ") and " failed " in line)
            self.server.start()
            watch.line(lambda line: line.startswith("source ") and " answer" in line)
            self.assertNotIn("- a@10.0.0.1", watch.lines)

    def test_a_node_announces_itself_under_a_lease(self):
        with Running("watch", self.url("&announce=on&interval=100ms"), "--node", "me@10.0.0.9"):
            until(lambda: self.keys() == {"/nodes/me@10.0.0.9"}, "the key is there")
            said = self.ask("/v3/kv/range", {"key": self.encoded("/nodes/me@10.0.0.9")})
            lease = said["kvs"][0]["lease"]
            self.assertNotEqual(lease, "0")
            self.expect(ctl("list", self.url()), 0, "me@10.0.0.9\n")
            self.ask("/v3/lease/revoke", {"ID": lease})  # as if it had run out
            until(lambda: self.keys() == {"/nodes/me@10.0.0.9"}, "it is there again")


if __name__ == "__main__":
    unittest.main()
