"""watch --record: what sources answered, in files that can be read again, without secrets."""
import json
import os
import socket
import tempfile
import unittest

from clitools import CtlTest, FakeEpmd, Running, ctl
from test_dns import TYPES, FakeDns
from web import Authority, Web


class Record(CtlTest):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = os.path.join(folder.name, "kept")

    def kept(self):
        """note.txt, and of each other file the first line and what comes after it."""
        files = {}
        for name in sorted(os.listdir(self.folder)):
            with open(os.path.join(self.folder, name), "rb") as file:
                files[name] = file.read()
        note = files.pop("note.txt").decode().splitlines()
        return note, {name: tuple(data.split(b"\n", 1)) for name, data in files.items()}

    def record(self, url, count, **env):
        self.expect(ctl("watch", url, "--record", self.folder, "--until", str(count), "--for", "30s", **env), 0, None)
        return self.kept()

    def test_http(self):
        token = "seven-secrets-in-one"

        def answer(request):
            self.assertEqual(request.headers["x-consul-token"], token)
            said = [{"Node": {"Address": "10.0.0.%d" % i, "Said": token}, "Service": {"Address": ""}} for i in (1, 2)]
            return json.dumps(said)
        with Web(answer) as server:
            at = "127.0.0.1:%d" % server.port
            note, files = self.record("consul:web?node=web&token=%s&insecure=on&interval=1h&server=%s" % (token, at), 2)
        self.assertTrue(note[0].startswith("clusterctl with cluster.h "), note)
        url = "consul:web?node=web&token=***&insecure=on&interval=1h&server=" + at
        self.assertEqual(note[1:], ["source " + url, at + ": GET /v1/health/service/web?passing=1 HTTP/1.1", "source %s answer" % url])
        self.assertEqual(list(files), ["0001-tcp"])
        head, body = files["0001-tcp"]
        self.assertEqual(head, b"# tcp %s, %d bytes" % (at.encode(), len(body)))
        self.assertNotIn(token.encode(), body)
        # what is kept is the answer all the same, byte for byte but for the stars
        self.assertTrue(body.startswith(b"HTTP/1.1 200 Said\r\nContent-Length: "), body)
        self.assertEqual(json.loads(body.split(b"\r\n\r\n")[1])[1]["Node"], {"Address": "10.0.0.2", "Said": "*" * len(token)})
        for name in ("note.txt", "0001-tcp"):
            self.assertEqual(os.stat(os.path.join(self.folder, name)).st_mode & 0o777, 0o600)

    def test_what_cannot_be_written_is_said(self):
        with FakeDns({("web.test", TYPES["a"]): [socket.inet_aton("10.0.0.1")]}) as dns:
            outcome = ctl("watch", "dns:web.test?node=web&type=a&server=" + dns.server, "--record", self.folder, "--until", "1", "--for", "30s",
                          prefix=("sh", "-c", "trap '' XFSZ; ulimit -f 0; exec \"$0\" \"$@\""))
        self.assertEqual(outcome.code, 0, outcome.err)
        for name in ("0001-udp", "note.txt"):
            self.assertIn("cannot write %s: File too large" % os.path.join(self.folder, name), outcome.err)

    def test_keys_of_an_instance_are_not_kept(self):
        def answer(request):
            paths = {"/latest/api/token": "FIRSTTOKEN", "/latest/meta-data/placement/region": "eu-west-1",
                     "/latest/meta-data/iam/security-credentials/": "role",
                     "/latest/meta-data/iam/security-credentials/role": json.dumps(
                         {"AccessKeyId": "ASIASECRET", "SecretAccessKey": "SECRETSECRET", "Token": "TOKENSECRET"})}
            return paths.get(request.path, "<r><reservationSet/>%s</r>" % "<a>TOKENSECRET</a>")
        with Web(answer) as server:
            at = "http://127.0.0.1:%d" % server.port
            self.expect(ctl("watch", "ec2:a=b?node=web&insecure=on&server=" + at, "--record", self.folder, "--for", "1s",
                            AWS_ACCESS_KEY_ID=None, AWS_REGION=None, AWS_DEFAULT_REGION=None,
                            AWS_EC2_METADATA_SERVICE_ENDPOINT=at), 0, None)
        note, files = self.kept()
        self.assertEqual(len([line for line in note if "are keys, and not kept" in line]), 4, note)
        everything = b"\n".join(body for _, body in files.values()) + "\n".join(note).encode()
        self.assertIn(b"<a>***********</a>", everything)
        self.assertNotIn(b"SECRET", everything)
        self.assertNotIn(b"FIRSTTOKEN", everything)

    def test_tls(self):
        if ctl("list", "kubernetes:a=b?namespace=x&node=y&master=https://127.0.0.1:1").err.count("needs TLS"):
            self.skipTest("clusterctl was built without OpenSSL")
        with tempfile.TemporaryDirectory() as folder:
            authority = Authority(folder)
            with Web(lambda _: json.dumps([{"Service": {"Address": "10.0.0.1"}}]), authority.context("IP:127.0.0.1")) as server:
                note, files = self.record("consul:web?node=web&interval=1h&ca=%s&server=https://127.0.0.1:%d"
                                          % (authority.file, server.port), 1)
        self.assertEqual(list(files), ["0001-tls"])
        self.assertIn(b'[{"Service": {"Address": "10.0.0.1"}}]', files["0001-tls"][1])
        self.assertIn("127.0.0.1:%d: GET /v1/health/service/web?passing=1 HTTP/1.1" % server.port, note)

    def test_datagrams(self):
        with FakeDns({("web", TYPES["a"]): [socket.inet_aton("10.0.0.1")]}) as dns:
            _, files = self.record("dns:web?type=a&node=web&interval=1h&server=" + dns.server, 1)
            self.assertEqual(list(files), ["0001-udp"])
            head, body = files["0001-udp"]
            self.assertEqual(head, b"# udp %s, %d bytes" % (dns.server.encode(), len(body)))
            self.assertTrue(body.endswith(b"\0\4\x0a\0\0\1"), body)

    def test_epmd(self):
        with FakeEpmd({"a": 1234}) as epmd:
            _, files = self.record("epmd:127.0.0.1:%d?interval=1h" % epmd.port, 1)
            self.assertTrue(any(body.endswith(b"name a at port 1234\n") for _, body in files.values()), files)

    def test_what_is_refused(self):
        os.mkdir(self.folder)
        self.expect(ctl("watch", "static:a@h", "--record", self.folder, "--until", "1"), 0, None)
        self.expect(ctl("watch", "static:a@h", "--record", self.folder), 3, "", "takes a folder that is new or empty")
        self.expect(ctl("watch", "static:a@h", "--record", "/no/such/folder"), 3, "", "cannot make the folder")
        self.expect(ctl("watch", "static:a@h", "--record", self.folder, "--connect", "erlang"), 2, "", "leave out --connect")


if __name__ == "__main__":
    unittest.main()
