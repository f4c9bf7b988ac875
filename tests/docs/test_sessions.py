"""The pages of the sources: each session that they show is had again, with a server of our own in place of the one that the URL means."""
import base64
import json
import os
import shlex
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "cli")]
import test_web_sources as shapes  # noqa: E402
from clitools import FakeEpmd, Running, ctl, free_port, until  # noqa: E402
from doctools import blocks  # noqa: E402
from web import Web  # noqa: E402

sys.path.append("/usr/lib/python3/dist-packages")  # this interpreter may not be the one of Debian's packages
try:
    import yaml
except ImportError:
    yaml = None

TWO = "10.0.0.1", "10.0.0.2"


def pods(*ips):
    """In the shape of a PodList; the last one is ending."""
    return json.dumps({"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": [
        {"metadata": dict({"name": "web-" + ip}, **({"deletionTimestamp": "2024-01-01T00:00:00Z"} if ip == ips[-1] else {})),
         "status": {"phase": "Running", "podIP": ip, "conditions": [{"type": "Ready", "status": "True"}]}} for ip in ips]})


class Sessions(unittest.TestCase):
    maxDiff = None

    def had(self, page, replaced, **env):
        """Every session of the page, with these texts of its commands replaced, and put back in what they print."""
        count = 0
        for block in blocks("docs/%s.md" % page):
            if block.mark("session") != page:
                continue
            for part in block.text.split("$ clusterctl ")[1:]:
                count += 1
                command, *wanted = part.splitlines()
                arguments = shlex.split(command)
                for old, new in replaced.items():
                    arguments = [argument.replace(old, new) for argument in arguments]
                with self.subTest(command=command), Running(*arguments, **env) as running:
                    if arguments[0] == "list":
                        self.assertEqual(running.end(), 0, running.story())
                    until(lambda: len(running.lines) >= len(wanted), running.story)
                    said = running.lines
                    for old, new in replaced.items():
                        said = [line.replace(new, old) for line in said]
                    self.assertEqual(sorted(said), sorted(wanted))  # those who join in one round come in any order
        self.assertGreater(count, 0, "docs/%s.md shows no session" % page)

    def test_consul(self):
        with Web(lambda _: shapes.consul(*TWO)) as server:
            self.had("consul", {"node=web": "node=web&server=127.0.0.1:%d" % server.port})

    def test_etcd(self):
        keys = [base64.b64encode(("/nodes/" + name).encode()).decode() for name in ("a@10.0.0.1", "b@10.0.0.2")]
        with Web(lambda _: json.dumps({"header": {"revision": "1"}, "kvs": [{"key": key} for key in keys]})) as server:
            self.had("etcd", {"etcd:/nodes/": "etcd:/nodes/?server=127.0.0.1:%d" % server.port})

    def test_ec2(self):
        with Web(lambda _: shapes.ec2(*TWO)) as server:
            self.had("ec2", {"node=web": "node=web&insecure=on&server=http://127.0.0.1:%d" % server.port},
                     AWS_ACCESS_KEY_ID="A", AWS_SECRET_ACCESS_KEY="S", AWS_REGION="r")

    def test_rancher(self):
        with Web(lambda _: shapes.rancher("10.42.0.1", "10.42.0.2")) as server:
            self.had("rancher", {"node=web": "node=web&server=127.0.0.1:%d" % server.port})

    def test_kubernetes(self):
        with Web(lambda _: pods(*TWO)) as server:
            self.had("kubernetes", {"lookup=pods": "lookup=pods&namespace=default&master=http://127.0.0.1:%d" % server.port})

    def test_hosts(self):
        with tempfile.TemporaryDirectory() as home, FakeEpmd({"web": 9001, "db": 9002}) as epmd:
            with open(os.path.join(home, ".hosts.erlang"), "w", encoding="ascii") as f:
                f.write("'127.0.0.1'.\n")
            self.had("hosts", {}, HOME=home, ERL_EPMD_PORT=epmd.port)

    def test_what_is_to_be_copied(self):
        """The sample of a file is one; the policy and the role parse."""
        sample = next(block for block in blocks("docs/urls.md") if block.text.startswith("# name, then")).text
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "nodes"), "w", encoding="ascii") as f:
                f.write(sample)
            self.assertEqual(ctl("list", "file:%s/nodes?node=web" % folder).lines, ["a@10.0.0.1", "b@h2", "web@10.0.0.3"])
        found = [json.loads(block.text)["Statement"][0]["Action"] for block in blocks("docs/ec2.md") if block.language == "json"]
        self.assertEqual(found, ["ec2:DescribeInstances"])
        if yaml:
            found = [yaml.safe_load(block.text)["kind"] for block in blocks("docs/kubernetes.md") if block.language == "yaml"]
            self.assertEqual(found, ["Role"])

    def test_gossip(self):
        with tempfile.TemporaryDirectory() as home:
            cookie, url = os.path.join(home, "cookie"), "gossip:239.255.7.2:45998?if=127.0.0.1&wire=nodefinder&secret-file=cookie"
            with open(cookie, "w", encoding="ascii") as f:
                f.write("a secret\n")
            ours = url.replace("45998", str(free_port())).replace("secret-file=cookie", "secret-file=" + cookie)
            with Running("watch", ours + "&announce=on&interval=50ms", "--node", "web@127.0.0.1"):
                self.had("gossip", {url: ours})


if __name__ == "__main__":
    unittest.main()
