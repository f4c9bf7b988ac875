"""Links on TLS: real Erlang nodes with -proto_dist inet_tls."""
import os
import shutil
import tempfile
import unittest

from interoptools import LOOPBACK, Epmd, Node, Running, ctl, lacks, until
from web import Authority

WHY = lacks("epmd", "erl", "openssl")
A = "a@" + LOOPBACK


def without_tls():
    """clusterctl, or Erlang, may have been built without it."""
    if "tls_ hooks" in ctl("ping", A, "--cookie", "x", "--tls", "on").err:
        return "clusterctl was built without OpenSSL"
    return ""


@unittest.skipIf(WHY, WHY)
class Encrypted(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        if without_tls():
            raise unittest.SkipTest(without_tls())
        cls.folder = tempfile.mkdtemp()
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.ca = Authority(cls.folder)
        cls.epmd = Epmd()
        cls.addClassCleanup(cls.epmd.kill)
        cls.a = cls.node(A, cls.ca.certificate("IP:" + LOOPBACK))

    @classmethod
    def node(cls, name, files):
        certificate, key = files
        node = Node(cls.epmd, name, None, "-proto_dist", "inet_tls", "-ssl_dist_opt", "server_certfile", certificate,
                    "-ssl_dist_opt", "server_keyfile", key)
        cls.addClassCleanup(node.close)
        return node

    def ctl(self, *arguments, cookie="interop"):
        return ctl(*arguments, "--cookie", cookie, ERL_EPMD_PORT=self.epmd.port)

    def test_ping(self):
        """The certificate counts, and the cookie as well."""
        trusted = ("--tls", "on", "--ca", self.ca.file)
        other = Authority(self.folder, "other")
        b = self.node("b@" + LOOPBACK, self.ca.certificate("DNS:elsewhere.example", leaf="elsewhere"))
        for arguments, cookie, said in (
                ((A, *trusted), "interop", "pong"),
                ((A, "--tls", "insecure"), "interop", "pong"),
                ((A, *trusted), "another", "pang: its cookie is another one"),
                ((A, "--tls", "on", "--ca", other.file), "interop",
                 "pang: its certificate is not to be trusted: options.ca names the file with its authority"),
                ((b.name, *trusted), "interop", "pang: its certificate is not to be trusted: options.ca names the file with its authority"),
                ((b.name, "--tls", "insecure"), "interop", "pong"),
                ((A, "--tls", "on", "--ca", os.path.join(self.folder, "none")), "interop",
                 "pang: options.ca has no certificates that can be read"),
                ((A,), "interop", "pang: it sent malformed bytes")):
            with self.subTest(arguments=arguments, cookie=cookie):
                self.assertEqual(self.ctl("ping", *arguments, cookie=cookie).lines, [said])

    def test_doctor(self):
        for more, check, state in ((("--tls", "on", "--ca", self.ca.file), "handshake", "ok"), (("--tls", "insecure"), "handshake", "ok"),
                                   (("--tls", "on"), "certificate", "FAIL"), ((), "handshake", "FAIL"),
                                   (("--tls", "on", "--ca", os.path.join(self.folder, "none")), "certificate", "FAIL")):
            with self.subTest(more=more):
                said = self.ctl("doctor", "static:" + A, "--json", *more)
                self.assertEqual({o["check"]: o["state"] for o in said.objects[:-1]}[check], state, said.out)
                self.assertEqual(said.code, 0 if state == "ok" else 1)
        said = self.ctl("doctor", "static:" + A, "--tls", "maybe")
        self.assertEqual((said.code, said.out), (2, ""), said.err)

    def test_calls(self):
        """Both ways of the stream, more than a record and more than a read."""
        said = self.ctl("call", A, "binary", "copy", '[<<"0123456789">>, 300000]', "--tls", "on", "--ca", self.ca.file)
        self.assertEqual((said.code, said.out), (0, '<<"%s">>\n' % ("0123456789" * 300000)))
        text = "x" * 100000  # as much as a command line takes
        said = self.ctl("call", A, "erlang", "byte_size", '[<<"%s">>]' % text, "--tls", "on", "--ca", self.ca.file)
        self.assertEqual((said.code, said.out), (0, "100000\n"))

    def test_a_watch_that_stays_linked(self):
        watch = Running("watch", "epmd:%s?interval=100ms" % self.epmd.at, "--node", "w@" + LOOPBACK, "--cookie", "interop", "--connect",
                        "erlang", "--tls", "on", "--ca", self.ca.file, ERL_EPMD_PORT=self.epmd.port)
        self.addCleanup(watch.__exit__)
        watch.line("up " + A)
        hidden = self.ctl("call", A, "erlang", "nodes", "[hidden]", "--tls", "on", "--ca", self.ca.file).out
        self.assertIn("'w@127.0.0.1'", hidden)
        c = self.node("c@" + LOOPBACK, self.ca.certificate("IP:" + LOOPBACK))
        watch.line("up " + c.name)
        c.kill()
        watch.line(lambda line: line.startswith("down " + c.name))
        self.assertNotIn("down " + A, "\n".join(watch.lines))
        until(lambda: watch.process.poll() is None, "it goes on")


if __name__ == "__main__":
    unittest.main()
