"""consul: and rancher: URLs in clusterctl, against a server of our own that answers in their recorded shape and misbehaves."""
import json
import queue
import unittest

from clitools import CtlTest, Running, ctl, until
from web import FAULTS, Web


def consul(*addresses):
    """In the shape of Consul 1.17, GET /v1/health/service."""
    return json.dumps([{"Node": {"ID": "40e4a748-2192-161a-0510-9bf59fe950b5", "Node": "n%d" % i, "Address": "192.168.0.%d" % i,
                                 "Datacenter": "dc1", "TaggedAddresses": {"lan": "192.168.0.%d" % i}, "Meta": {"consul-network-segment": ""}},
                        "Service": {"ID": "web%d" % i, "Service": "web", "Tags": ["v1"], "Address": address, "Meta": None, "Port": 8000,
                                    "Weights": {"Passing": 1, "Warning": 1}, "EnableTagOverride": False},
                        "Checks": [{"Node": "n%d" % i, "CheckID": "serfHealth", "Name": "Serf Health Status", "Status": "passing"}]}
                       for i, address in enumerate(addresses, 1)])


def rancher(*addresses):
    """In the shape of Rancher 1.6, GET /latest/self/service."""
    return json.dumps({"containers": [{"name": "stack-web-%d" % i, "ips": [address], "primary_ip": address, "state": "running", "labels": {}}
                                      for i, address in enumerate(addresses, 1)],
                       "kind": "service", "name": "web", "scale": len(addresses), "stack_name": "stack"})


class WebSources(CtlTest):
    def test_lists(self):
        with Web(lambda _: consul("10.0.0.1", "")) as server:
            self.expect(ctl("list", "consul:web?node=web&tag=v1&server=127.0.0.1:%d" % server.port), 0, "web@10.0.0.1\nweb@192.168.0.2\n")
            self.assertEqual((server.requests[0].path, server.requests[0].query), ("/v1/health/service/web", {"passing": "1", "tag": "v1"}))
        with Web(lambda _: rancher("10.42.0.1", "10.42.0.2")) as server:
            self.expect(ctl("list", "rancher:?node=web&server=127.0.0.1:%d" % server.port), 0, "web@10.42.0.1\nweb@10.42.0.2\n")
            self.assertEqual(server.requests[0].path, "/latest/self/service")

    def test_no_fault_loses_a_member(self):
        for url, answer in (("consul:web", consul("10.0.0.1", "10.0.0.2")), ("rancher:", rancher("10.0.0.1", "10.0.0.2"))):
            with Web(lambda _, answer=answer: answer) as server:
                with Running("watch", "%s?node=web&interval=20ms&misses=1&timeout=500ms&server=127.0.0.1:%d" % (url, server.port)) as watch:
                    watch.line("+ web@10.0.0.2")
                    for fault in [*FAULTS, "silence", "dribble"]:
                        server.fault = fault
                        watch.line(lambda line: line.startswith("source ") and " failed " in line)
                        server.fault = None
                        watch.line(lambda line: line.startswith("source ") and " answer" in line)
                    self.assertEqual([line for line in watch.lines if line.startswith("-")], [], watch.story())

    def test_consul_tells_of_changes(self):
        changes = queue.Queue()

        def answer(request):
            if "index" in request.query:
                index, addresses = changes.get()
                return 200, {"X-Consul-Index": index}, consul(*addresses)
            return 200, {"X-Consul-Index": "10"}, consul("10.0.0.1")
        with Web(answer) as server:
            with Running("watch", "consul:web?node=web&watch=on&interval=1h&server=127.0.0.1:%d" % server.port) as watch:
                watch.line("+ web@10.0.0.1")
                changes.put((11, ["10.0.0.1", "10.0.0.2"]))
                watch.line("+ web@10.0.0.2")
                changes.put((12, ["10.0.0.2"]))
                watch.line("- web@10.0.0.1")
                until(lambda: len(server.requests) >= 4, "the next question")
                self.assertEqual([r.query.get("index") for r in server.requests[:4]], [None, "10", "11", "12"])
                changes.put((13, []))
                watch.line("- web@10.0.0.2")


if __name__ == "__main__":
    unittest.main()
