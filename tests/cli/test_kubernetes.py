"""kubernetes: URLs in clusterctl, against an API server of our own: TLS, the service account, faults, watches, large lists."""
import json
import os
import queue
import tempfile
import unittest

from clitools import CtlTest, Running, ctl, needs_tool, until
from web import FAULTS, Authority, Web

HERE = os.path.dirname(os.path.abspath(__file__))


def fixture(name):
    with open(os.path.join(HERE, "..", "vectors", "kubernetes", name + ".json"), encoding="utf-8") as file:
        return file.read()


def endpoints(*ips, version="1"):
    """A list in the shape of v1 EndpointsList."""
    return json.dumps({"kind": "EndpointsList", "apiVersion": "v1", "metadata": {"resourceVersion": version},
                       "items": [{"metadata": {"name": "web", "namespace": "default", "resourceVersion": version},
                                  "subsets": [{"addresses": [{"ip": ip} for ip in ips]}]}]})


def has_tls():
    return "needs TLS" not in ctl("list", "kubernetes:a?node=a&namespace=x&master=https://127.0.0.1:1").err


def url(server, more="", scheme="http"):
    return "kubernetes:app=web?node=web&namespace=default&master=%s://127.0.0.1:%d%s" % (scheme, server.port, more)


class Lists(CtlTest):
    def test_recorded_answers_in_every_mode(self):
        table = {
            "lookup=endpoints": "web@10.244.1.5\nweb@10.244.2.7\n",
            "lookup=endpoints&ready=off": "web@10.244.1.5\nweb@10.244.2.7\nweb@10.244.2.8\n",
            "lookup=endpoints&mode=dns": "web@10-244-1-5.default.pod.cluster.local\nweb@10-244-2-7.default.pod.cluster.local\n",
            "lookup=endpoints&mode=hostname&service=web": "web@web-0.web.default.svc.cluster.local\nweb@web-1.web.default.svc.cluster.local\n",
            "lookup=pods": "web@10.244.1.5\nweb@10.244.2.7\n",
            "lookup=pods&mode=dns": "web@10-244-1-5.default.pod.cluster.local\nweb@10-244-2-7.default.pod.cluster.local\n",
            "lookup=pods&mode=hostname&service=web": "web@web-0.web.default.svc.cluster.local\nweb@web-1.web.default.svc.cluster.local\n",
            "lookup=endpointslices": "web@10.244.1.5\nweb@10.244.2.7\n",
            "lookup=endpointslices&mode=dns": "web@10-244-1-5.default.pod.cluster.local\nweb@10-244-2-7.default.pod.cluster.local\n",
            "lookup=endpointslices&mode=hostname&service=web":
                "web@web-0.web.default.svc.cluster.local\nweb@web-1.web.default.svc.cluster.local\n",
        }
        with Web(lambda request: fixture(request.path.split("/")[-1])) as server:
            for options, expected in table.items():
                with self.subTest(options):
                    self.expect(ctl("list", url(server, "&" + options)), 0, expected)
            self.assertEqual({r.path for r in server.requests},
                             {"/api/v1/namespaces/default/endpoints", "/api/v1/namespaces/default/pods",
                              "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"})
            self.assertEqual({r.query["labelSelector"] for r in server.requests}, {"app=web"})

    def test_status_1_and_3(self):
        with Web(lambda _: endpoints()) as server:
            self.expect(ctl("list", url(server)), 1, "", "no member: ")
            server.fault = "403"
            self.expect(ctl("list", url(server)), 3, "", "it is forbidden")

    def test_no_fault_loses_a_member(self):
        """Each fault in turn, then the answer again: nobody leaves, and the source says that it failed."""
        for more in ("", "&lookup=pods", "&lookup=endpointslices"):
            with Web(lambda request: fixture(request.path.split("/")[-1])) as server:
                with Running("watch", url(server, "&interval=20ms&misses=1&timeout=500ms" + more)) as watch:
                    watch.line("+ web@10.244.2.7")
                    for fault in [*FAULTS, "silence", "dribble"]:
                        server.fault = fault
                        watch.line(lambda line: line.startswith("source ") and " failed " in line)
                        server.fault = None
                        watch.line(lambda line: line.startswith("source ") and " answer" in line)
                    self.assertEqual([line for line in watch.lines if line.startswith("-")], [], watch.story())

    def test_the_connection_is_kept(self):
        with Web(lambda _: endpoints("10.0.0.1")) as server:
            with Running("watch", url(server, "&interval=20ms")) as watch:
                watch.line("+ web@10.0.0.1")
                until(lambda: len(server.requests) >= 10, "ten rounds")
                self.assertEqual(server.connections, 1)

    def test_pages(self):
        def answer(request):
            page = int(request.query.get("continue", "0"))
            said = json.loads(endpoints("10.0.0.%d" % (page + 1)))
            if page < 4:
                said["metadata"]["continue"] = str(page + 1)
            return json.dumps(said)
        with Web(answer) as server:
            self.expect(ctl("list", url(server, "&page=1")), 0, "".join("web@10.0.0.%d\n" % i for i in range(1, 6)))
            self.assertEqual([r.query.get("limit") for r in server.requests], ["1"] * 5)


class Watches(CtlTest):
    def test_changes_come_at_once(self):
        events = queue.Queue()

        def answer(request):
            if "watch" not in request.query:
                return endpoints("10.0.0.1", version="10")
            return iter(events.get, None)
        with Web(answer) as server:
            with Running("watch", url(server, "&watch=on&interval=1h")) as watch:
                watch.line("+ web@10.0.0.1")
                item = json.loads(endpoints("10.0.0.1", "10.0.0.2", version="11"))["items"][0]
                events.put(json.dumps({"type": "MODIFIED", "object": item}) + "\n")
                watch.line("+ web@10.0.0.2")
                item = json.loads(endpoints("10.0.0.2", version="12"))["items"][0]
                text = json.dumps({"type": "MODIFIED", "object": item}) + "\n"
                for at in range(0, len(text), 40):
                    events.put(text[at:at + 40])
                watch.line("- web@10.0.0.1")
                self.assertEqual(server.requests[1].query["resourceVersion"], "10")
                events.put(None)  # the watch ends, the next one goes on from the version that was seen last
                until(lambda: len(server.requests) >= 3, "another watch")
                self.assertEqual(server.requests[2].query["resourceVersion"], "12")
                events.put(json.dumps({"type": "ERROR", "object": {"kind": "Status", "code": 410}}) + "\n")
                until(lambda: len(server.requests) >= 4, "another list")
                self.assertNotIn("watch", server.requests[3].query)
                watch.line("+ web@10.0.0.1")


class Large(CtlTest):
    def test_5000_pods_are_read_as_a_stream(self):
        """The memory that it takes depends on the members, not on the 20 MB of the list."""
        def pod(i):
            return {"metadata": {"name": "web-%05d" % i, "namespace": "default", "labels": {"app": "web"}, "annotations": {"note": "x" * 3000}},
                    "spec": {"containers": [{"name": "web", "image": "web:1", "env": [{"name": "A%d" % k, "value": "v"} for k in range(20)]}]},
                    "status": {"phase": "Running", "podIP": "10.%d.%d.%d" % (1 + (i >> 16), i >> 8 & 255, i & 255),
                               "conditions": [{"type": "Ready", "status": "True"}]}}

        def answer(request):
            text = json.dumps({"metadata": {"resourceVersion": "1"}, "items": [pod(i) for i in range(count)]})
            return (text[at:at + 50000] for at in range(0, len(text), 50000)) if count > 1 else text

        def peak(server):
            with Running("watch", url(server, "&lookup=pods&timeout=60s&interval=1h")) as watch:
                watch.line(lambda line: line.startswith("source ") and " answer" in line)
                with open("/proc/%d/status" % watch.process.pid, encoding="ascii") as file:
                    status = dict(line.split(":", 1) for line in file)
                return int(status["VmHWM"].split()[0])
        count = 1
        with Web(answer) as server:
            small = peak(server)
        count = 5000
        with Web(answer) as server:
            large = peak(server)
        self.assertGreater(sum(len(json.dumps(pod(i))) for i in range(5000)), 19e6)
        self.assertLess(large - small, 8 * 1024, "KiB more than for one pod")


@needs_tool("openssl", "no authority of our own without it")
class Secure(CtlTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if not has_tls():
            raise unittest.SkipTest("clusterctl was built without OpenSSL")
        cls.folder = tempfile.TemporaryDirectory()
        cls.authority = Authority(cls.folder.name)
        cls.stranger = Authority(cls.folder.name, "stranger")
        cls.context = cls.authority.context("IP:127.0.0.1,DNS:localhost")
        cls.account = os.path.join(cls.folder.name, "account")
        os.mkdir(cls.account)
        for name, text in (("token", "one\n"), ("namespace", "prod")):
            cls.write(name, text)
        with open(cls.authority.file, encoding="ascii") as file:
            cls.certificate = file.read()
        cls.write("ca.crt", cls.certificate)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    @classmethod
    def write(cls, name, text):
        path = os.path.join(cls.account, name)
        with open(path + ".new", "w", encoding="ascii") as file:
            file.write(text)
        os.replace(path + ".new", path)

    def at(self, server, more="", host="127.0.0.1"):
        return "kubernetes:app=web?node=web&master=https://%s:%d&account=%s%s" % (host, server.port, self.account, more)

    def test_the_service_account_is_used(self):
        with Web(lambda _: endpoints("10.0.0.1"), self.context) as server:
            self.expect(ctl("list", self.at(server)), 0, "web@10.0.0.1\n")
            self.expect(ctl("list", self.at(server, host="localhost")), 0, "web@10.0.0.1\n")
            self.assertEqual(server.requests[0].headers["authorization"], "Bearer one")
            self.assertEqual(server.requests[0].path, "/api/v1/namespaces/prod/endpoints")

    def test_in_a_pod_nothing_needs_to_be_said(self):
        with Web(lambda _: endpoints("10.0.0.1"), self.context) as server:
            self.expect(ctl("list", "kubernetes:app=web?node=web&account=" + self.account, KUBERNETES_SERVICE_HOST="127.0.0.1",
                            KUBERNETES_SERVICE_PORT=str(server.port)), 0, "web@10.0.0.1\n")

    def test_token_namespace_and_authority_are_read_again(self):
        other = self.stranger.context("IP:127.0.0.1")
        with Web(lambda _: endpoints("10.0.0.1"), self.context) as server:
            with Running("watch", self.at(server, "&interval=20ms&timeout=2s")) as watch:
                watch.line("+ web@10.0.0.1")
                self.write("token", "two")
                self.write("namespace", "other\n")
                until(lambda: server.requests[-1].headers["authorization"] == "Bearer two", "the new token is sent")
                until(lambda: server.requests[-1].path == "/api/v1/namespaces/other/endpoints", "the new namespace is asked for")
                server.context = other
                with open(self.stranger.file, encoding="ascii") as file:
                    self.write("ca.crt", file.read())
                before = server.connections
                until(lambda: server.connections > before, "a new connection for the new authority")
                count = len(server.requests)
                until(lambda: len(server.requests) > count + 2, "requests under the new authority")
                self.assertNotIn("- web@10.0.0.1", watch.lines)
            self.write("ca.crt", self.certificate)
            self.write("token", "one")
            self.write("namespace", "prod")

    def test_an_unknown_authority_gets_no_request(self):
        with Web(lambda _: endpoints("10.0.0.1"), self.stranger.context("IP:127.0.0.1")) as server:
            self.expect(ctl("list", self.at(server)), 3, "", "not to be trusted")
            self.assertEqual(server.requests, [])
            self.expect(ctl("list", self.at(server, "&insecure=on")), 0, "web@10.0.0.1\n")
            self.expect(ctl("list", self.at(server, "&ca=" + self.stranger.file)), 0, "web@10.0.0.1\n")

    def test_a_certificate_for_another_name_gets_no_request(self):
        with Web(lambda _: endpoints("10.0.0.1"), self.authority.context("DNS:other.example,IP:127.0.0.2")) as server:
            self.expect(ctl("list", self.at(server)), 3, "", "not to be trusted")
            self.expect(ctl("list", self.at(server, host="localhost")), 3, "", "not to be trusted")
            self.assertEqual(server.requests, [])

    def test_a_server_without_tls(self):
        with Web(lambda _: endpoints("10.0.0.1")) as server:
            self.expect(ctl("list", self.at(server)), 3, "", "127.0.0.1:%d" % server.port)

    def test_no_fault_loses_a_member_over_tls(self):
        with Web(lambda _: endpoints("10.0.0.1"), self.context) as server:
            with Running("watch", self.at(server, "&interval=20ms&misses=1&timeout=2s")) as watch:
                watch.line("+ web@10.0.0.1")
                for fault in ("500", "closed in the body", "closed before the head", "half a document", "silence"):
                    server.fault = fault
                    watch.line(lambda line: line.startswith("source ") and " failed " in line)
                    server.fault = None
                    watch.line(lambda line: line.startswith("source ") and " answer" in line)
                self.assertNotIn("- web@10.0.0.1", watch.lines)

    def test_a_large_list_over_tls(self):
        many = endpoints(*("10.0.%d.%d" % (i >> 8, i & 255) for i in range(2000)))
        with Web(lambda _: many, self.context) as server:
            self.assertEqual(len(ctl("list", self.at(server)).lines), 2000)


if __name__ == "__main__":
    unittest.main()
