"""consul:, rancher: and ec2: URLs in clusterctl, against a server of our own that answers in their recorded shape and misbehaves."""
import base64
import contextlib
import json
import queue
import signal
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


def ec2(*addresses):
    """In the shape of EC2's API of 2016-11-15, DescribeInstances."""
    return ('<?xml version="1.0" encoding="UTF-8"?>\n<DescribeInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">\n'
            '    <requestId>8f7724cf-496f-496e-8fe3-example</requestId>\n    <reservationSet>\n%s    </reservationSet>\n'
            '</DescribeInstancesResponse>') % "".join(
                '<item><reservationId>r-1</reservationId><ownerId>1</ownerId><groupSet/><instancesSet><item><instanceId>i-%d</instanceId>'
                '<instanceState><code>16</code><name>running</name></instanceState><privateDnsName>ip-%s.ec2.internal</privateDnsName>'
                '<placement><availabilityZone>eu-west-1a</availabilityZone></placement><privateIpAddress>%s</privateIpAddress>'
                '</item></instancesSet></item>\n' % (i, address.replace(".", "-"), address) for i, address in enumerate(addresses, 1))


class WebSources(CtlTest):
    def test_lists(self):
        with Web(lambda _: consul("10.0.0.1", "")) as server:
            self.expect(ctl("list", "consul:web?node=web&tag=v1&server=127.0.0.1:%d" % server.port), 0, "web@10.0.0.1\nweb@192.168.0.2\n")
            self.assertEqual((server.requests[0].path, server.requests[0].query), ("/v1/health/service/web", {"passing": "1", "tag": "v1"}))
        with Web(lambda _: rancher("10.42.0.1", "10.42.0.2")) as server:
            self.expect(ctl("list", "rancher:?node=web&server=127.0.0.1:%d" % server.port), 0, "web@10.42.0.1\nweb@10.42.0.2\n")
            self.assertEqual(server.requests[0].path, "/latest/self/service")

    def test_ec2_asks_the_instance_for_its_keys(self):
        def answer(request):
            paths = {"/latest/api/token": "TOKEN", "/latest/meta-data/placement/region": "eu-west-1",
                     "/latest/meta-data/iam/security-credentials/": "role",
                     "/latest/meta-data/iam/security-credentials/role": json.dumps(
                         {"Code": "Success", "AccessKeyId": "ASIA1", "SecretAccessKey": "s", "Token": "t" * 1500})}
            if request.path in paths:
                return paths[request.path] if "x-aws-ec2-metadata-token" in request.headers or request.method == "PUT" else (401, {}, "")
            return ec2("10.0.0.1", "10.0.0.2")
        with Web(answer) as server:
            self.expect(ctl("list", "ec2:a=b?node=web&insecure=on&server=http://127.0.0.1:%d" % server.port, AWS_ACCESS_KEY_ID=None,
                            AWS_REGION=None, AWS_DEFAULT_REGION=None,
                            AWS_EC2_METADATA_SERVICE_ENDPOINT="http://127.0.0.1:%d/" % server.port), 0, "web@10.0.0.1\nweb@10.0.0.2\n")
            self.assertEqual([r.method for r in server.requests], ["PUT", "GET", "GET", "GET", "POST"])
            said = server.requests[-1]
            self.assertEqual(said.headers["x-amz-security-token"], "t" * 1500)
            self.assertIn("Credential=ASIA1/", said.headers["authorization"])
            self.assertIn(b"Filter.2.Name=tag%3Aa&Filter.2.Value.1=b", said.body)

    def test_no_fault_of_any_strategy_loses_a_member(self):
        """All strategies at once, each with a server of its own; all servers have the same fault at a time."""
        two = "10.0.0.1", "10.0.0.2"
        pages = {False: ec2(two[0]).replace("</Desc", "<nextToken>more</nextToken></Desc"), True: ec2(two[1])}
        metadata = {"/latest/api/token": "TOKEN", "/latest/meta-data/placement/region": "eu-west-1",
                    "/latest/meta-data/iam/security-credentials/": "role",
                    "/latest/meta-data/iam/security-credentials/role": '{"AccessKeyId":"A","SecretAccessKey":"S","Token":"T"}'}
        keys = base64.b64encode(b"/n/10.0.0.1").decode(), base64.b64encode(b"/n/10.0.0.2").decode()
        aws = "ec2:a=b?insecure=on&%sserver=http://127.0.0.1:%%d&" % "key=K&secret=S&region=r&"
        rows = [("consul:web?server=127.0.0.1:%d&", consul(*two)), ("rancher:?server=127.0.0.1:%d&", rancher(*two)),
                ("etcd:/n/?server=127.0.0.1:%d&", json.dumps({"header": {"revision": "1"}, "kvs": [{"key": key} for key in keys]})),
                (aws, ec2(*two)),
                (aws, lambda request: pages[b"NextToken" in request.body], lambda request: b"NextToken" in request.body),
                ("ec2:a=b?insecure=on&server=http://127.0.0.1:%d&", lambda request: metadata.get(request.path) or ec2(*two),
                 lambda request: request.path in metadata)]
        kube = "kubernetes:a=b?namespace=x&master=http://127.0.0.1:%%d&lookup=%s&"
        address = [{"ip": ip} for ip in two]
        for lookup, items in (("endpoints", [{"subsets": [{"addresses": address}]}]),
                              ("pods", [{"metadata": {"name": ip}, "status": {"podIP": ip}} for ip in two]),
                              ("endpointslices", [{"endpoints": [{"addresses": [ip]} for ip in two]}])):
            rows.append((kube % lookup, json.dumps({"metadata": {"resourceVersion": "1"}, "items": items})))
        with contextlib.ExitStack() as stack:
            servers, urls = [], []
            for number, (url, answer, *concerns) in enumerate(rows):
                server = stack.enter_context(Web(answer if callable(answer) else lambda _, answer=answer: answer))
                server.concerns = concerns[0] if concerns else server.concerns
                servers.append(server)
                urls.append((url + "node=n%d&interval=20ms&misses=1&timeout=1s") % (server.port, number))
            watch = stack.enter_context(Running("watch", *urls, AWS_REGION=None, AWS_ACCESS_KEY_ID=None, AWS_DEFAULT_REGION=None,
                                                AWS_EC2_METADATA_SERVICE_ENDPOINT="http://127.0.0.1:%d" % servers[5].port))

            def each(state):
                left = {":%d&" % server.port for server in servers}

                def line(text):
                    if text.startswith("source ") and " " + state in text:
                        left.difference_update([port for port in left if port in text])
                    return not left
                watch.line(line)
            each("answer")
            for fault in [*FAULTS, "silence", "dribble"]:
                with self.subTest(fault):
                    for server in servers:
                        server.fault = fault
                    each("failed")
                    for server in servers:
                        server.fault = None
                    each("answer")
                    self.assertEqual([text for text in watch.lines if text.startswith("-")], [], watch.story())
            self.assertEqual(len([text for text in watch.lines if text.startswith("+")]), 2 * len(rows))

    def test_a_node_is_an_instance_of_consul_until_it_leaves(self):
        with Web(lambda request: "" if request.method == "PUT" else consul()) as server:
            with Running("watch", "consul:web?announce=on&interval=50ms&server=127.0.0.1:%d" % server.port, "--node", "me@10.0.0.9") as watch:
                def paths(end):
                    return [r for r in server.requests if r.method == "PUT" and r.path.endswith(end)]
                until(lambda: len(paths("/v1/agent/check/pass/service%3Ame%4010.0.0.9")) >= 2, "its check is passed")
                self.assertEqual(len(paths("/v1/agent/service/register")), 1)
                said = json.loads(paths("/v1/agent/service/register")[0].body)
                self.assertEqual((said["ID"], said["Name"], said["Address"]), ("me@10.0.0.9", "web", "10.0.0.9"))
                watch.signal(signal.SIGINT)
                watch.end()
                self.assertEqual(len(paths("/v1/agent/service/deregister/me%4010.0.0.9")), 1)

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
