"""examples/deploy: its files parse, and say the same of names, ports, images and URLs; its image runs, and where there is a container engine,
the containers find each other."""
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

from clitools import ROOT, ctl, environment, until

sys.path[:0] = [os.path.dirname(os.path.dirname(os.path.abspath(__file__)))]
from tools import PACKAGE_OF  # noqa: E402
import deps  # noqa: E402,F401 (fills PACKAGE_OF)

sys.path.append("/usr/lib/python3/dist-packages")  # this interpreter may not be the one of Debian's packages
try:
    import yaml
except ImportError:
    yaml = None

DEPLOY = os.path.join(ROOT, "examples", "deploy")
URL = re.compile(r"\b(?:dns|static|push|file|epmd|gossip):[^\s`\"']*")


def text_of(name):
    with open(os.path.join(DEPLOY, name), encoding="utf-8") as file:
        return file.read()


def documents(name):
    """A key that stands twice is a mistake, which YAML's own loader passes over."""
    class Strict(yaml.SafeLoader):
        def construct_mapping(self, node, deep=False):
            keys = [self.construct_object(key, deep=True) for key, _ in node.value]
            if len(keys) != len(set(keys)):
                raise yaml.constructor.ConstructorError(None, None, "a key stands twice", node.start_mark)
            return super().construct_mapping(node, deep)
    return list(yaml.load_all(text_of(name), Strict))


def files():
    return sorted(os.path.relpath(os.path.join(at, name), DEPLOY) for at, _, names in os.walk(DEPLOY) for name in names)


def dockerfile():
    """Its instructions, with continued lines joined: (stage, instruction, argument)."""
    stage, found = 0, []
    for line in re.sub(r"\\\n", " ", text_of("Dockerfile")).splitlines():
        if line.strip() and not line.startswith("#"):
            word, _, rest = line.partition(" ")
            stage += word == "FROM"
            found.append((stage, word, rest.strip()))
    return found


def option(arguments, name):
    return arguments[arguments.index(name) + 1] if name in arguments else None


@unittest.skipUnless(yaml, "no parser of YAML: package python3-yaml")
class Files(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.compose, = documents("compose.yaml")
        self.swarm, = documents("swarm.yaml")
        self.kustomization, = documents("kubernetes/kustomization.yaml")
        self.service, = documents("kubernetes/service.yaml")
        self.deployment, = documents("kubernetes/deployment.yaml")
        self.container, = self.deployment["spec"]["template"]["spec"]["containers"]

    def command_lines(self):
        """What each container runs, with the variables of its environment put in; by file."""
        values = {entry["name"]: entry.get("value", "10.244.0.7") for entry in self.container["env"]}
        arguments = [re.sub(r"\$\((\w+)\)", lambda found: values[found.group(1)], text) for text in self.container["args"]]
        return {"compose.yaml": self.compose["services"]["app"]["command"], "swarm.yaml": self.swarm["services"]["app"]["command"],
                "kubernetes/deployment.yaml": arguments}

    def test_all_of_it_is_looked_at(self):
        self.assertEqual(files(), ["Dockerfile", "README.md", "compose.yaml", "kubernetes/deployment.yaml", "kubernetes/kustomization.yaml",
                                   "kubernetes/service.yaml", "swarm.yaml"])

    def test_every_url_is_taken_and_a_wrong_one_is_not(self):
        urls = {url.rstrip(".,:") for name in files() for url in URL.findall(text_of(name))}
        urls = {url.replace("APP", "app") for url in urls}
        self.assertGreaterEqual(len(urls), 8)
        for url in urls:
            with self.subTest(url=url):
                done = ctl("watch", url, "--node", "own@10.0.0.9", "--for", "10ms")
                self.assertEqual(done.code, 0, done.err)
                wrong = ctl("watch", url + ("&" if "?" in url else "?") + "nod=x", "--for", "10ms")
                self.assertEqual(wrong.code, 2, wrong.out)
                self.assertIn("'nod'", wrong.err)

    def test_every_command_line_is_taken(self):
        for name, arguments in self.command_lines().items():
            with self.subTest(name):
                self.assertEqual(arguments[0], "watch")
                done = ctl(*[text.replace("@auto", "@10.0.0.9") for text in arguments], "--for", "10ms")
                self.assertEqual((done.code, done.err), (0, ""))

    def test_names_agree(self):
        """The name that is asked for is the service's, and the base name of the nodes is that of the own one."""
        service = self.service["metadata"]["name"]
        for name, arguments in self.command_lines().items():
            with self.subTest(name):
                host = {"compose.yaml": "app", "swarm.yaml": "tasks.app"}.get(name, service)
                url, own = arguments[1], option(arguments, "--node")
                self.assertEqual(url.partition(":")[2].partition("?")[0], host)
                base = re.findall(r"[?&]node=([^&]*)", url)
                self.assertEqual(bool(base), own is None)
                self.assertEqual(own.partition("@")[0] if own else base[0], service)
                self.assertEqual("search=on" in url, name.startswith("kubernetes"))
        self.assertEqual(set(self.compose["services"]), {service})
        self.assertEqual(set(self.swarm["services"]), {service})
        self.assertEqual(self.deployment["metadata"]["name"], service)

    def test_what_kubernetes_matches_by(self):
        self.assertEqual([self.service["kind"], self.deployment["kind"]], ["Service", "Deployment"])
        spec = self.deployment["spec"]
        labels = spec["template"]["metadata"]["labels"]
        self.assertEqual(self.service["spec"]["clusterIP"], "None")
        self.assertEqual(self.service["spec"]["selector"], labels)
        self.assertEqual(spec["selector"]["matchLabels"], labels)
        for key, value in labels.items():
            self.assertIn("-l %s=%s " % (key, value), text_of("README.md"))
        self.assertEqual(sorted(self.kustomization["resources"]), ["deployment.yaml", "service.yaml"])
        variables = {name for text in self.container["args"] for name in re.findall(r"\$\((\w+)\)", text)}
        self.assertEqual(variables, {entry["name"] for entry in self.container["env"]})
        ip, = [entry for entry in self.container["env"] if entry["name"] == "POD_IP"]
        self.assertEqual(ip["valueFrom"]["fieldRef"]["fieldPath"], "status.podIP")
        built = shutil.which("kubectl") and subprocess.run(["kubectl", "kustomize", os.path.join(DEPLOY, "kubernetes")],
                                                           capture_output=True, text=True, timeout=120, env=environment())
        if built:
            self.assertEqual(built.returncode, 0, built.stderr)
            self.assertEqual(sorted(yaml.safe_load_all(built.stdout), key=lambda one: one["kind"]), [self.deployment, self.service])

    def test_ports_agree(self):
        port, = self.service["spec"]["ports"]
        inside, = self.container["ports"]
        self.assertEqual((port["targetPort"], port["port"]), (inside["name"], inside["containerPort"]))
        shown = re.findall(r"_(\w+)\._tcp\.(\w+)", text_of("README.md") + text_of("kubernetes/service.yaml"))
        self.assertGreaterEqual(len(shown), 2)
        self.assertEqual(set(shown), {(port["name"], self.service["metadata"]["name"])})
        self.assertEqual(set(re.findall(r"\b\d{4,5}\b", text_of("README.md"))), {str(port["port"])})

    def test_there_is_a_quorum_of_the_replicas(self):
        """An unnamed program counts for the quorum beside the nodes that it sees."""
        replicas = {"compose.yaml": int(re.search(r"--scale app=(\d+)", text_of("compose.yaml")).group(1)),
                    "swarm.yaml": self.swarm["services"]["app"]["deploy"]["replicas"],
                    "kubernetes/deployment.yaml": self.deployment["spec"]["replicas"]}
        for name, arguments in self.command_lines().items():
            self.assertEqual(int(option(arguments, "--quorum")), replicas[name] + (option(arguments, "--node") is None), name)

    def test_image_and_paths_agree(self):
        images = {self.compose["services"]["app"]["image"], self.swarm["services"]["app"]["image"], self.container["image"]}
        self.assertEqual(images, {"clusterctl"})
        build = self.compose["services"]["app"]["build"]
        context = os.path.normpath(os.path.join(DEPLOY, build["context"]))
        self.assertEqual((context, os.path.join(context, build["dockerfile"])), (ROOT, os.path.join(DEPLOY, "Dockerfile")))
        for name in files():
            for line in re.findall(r"^(?:#\s+)?((?:docker|kubectl) .*)$", text_of(name), re.M):
                words = shlex.split(line)
                if "build" in words:
                    self.assertEqual((option(words, "-t"), words[-1]), ("clusterctl", "."), line)
                for path in filter(None, map(lambda key: option(words, key), ("-f", "-c", "-k"))):
                    self.assertTrue(os.path.exists(os.path.join(ROOT, path)), line)
        for _, word, rest in dockerfile():
            if word == "COPY" and not rest.startswith("--from"):
                for source in rest.split()[:-1]:
                    self.assertTrue(os.path.exists(os.path.join(ROOT, source)), rest)
        for path in re.findall(r"\]\(([^):#]+)\)", text_of("README.md")):
            self.assertTrue(os.path.exists(os.path.join(DEPLOY, path)), path)


def image_folder():
    """The Dockerfile's stages by hand: what the first one compiles, here, as the last one copies it. A folder with the file tree and a
    Dockerfile of the last stage alone."""
    folder = tempfile.mkdtemp()
    source, tree = os.path.join(folder, "source"), os.path.join(folder, "tree")
    os.mkdir(tree)
    last = max(stage for stage, _, _ in dockerfile())
    rest_of_it = []
    for stage, word, rest in dockerfile():
        if stage < last and word == "COPY":
            *names, to = rest.split()
            to = os.path.normpath(os.path.join(source, to))
            os.makedirs(to, exist_ok=True)
            for name in names:
                copy = shutil.copytree if os.path.isdir(os.path.join(ROOT, name)) else shutil.copy
                copy(os.path.join(ROOT, name), to, **({"dirs_exist_ok": True} if copy is shutil.copytree else {}))
        elif stage < last and word == "RUN" and "apt-get" not in rest:
            subprocess.run(["sh", "-ec", rest], cwd=source, check=True, timeout=300)
        elif stage == last and word == "COPY":
            _, name, to = rest.split()
            shutil.copy(os.path.join(source, os.path.relpath(name, "/source")), os.path.join(tree, to.lstrip("/")))
            rest_of_it.append("COPY tree%s %s" % (to, to))
        elif stage == last:
            rest_of_it.append("%s %s" % (word, rest))
    with open(os.path.join(folder, "Dockerfile"), "w", encoding="ascii") as file:
        file.write("\n".join(rest_of_it) + "\n")
    return folder


class Engine:
    """A container engine: the one that runs here, or one of our own in a network of its own, that ends with it."""

    def __init__(self):
        self.folder = self.process = None
        self.docker = shutil.which("docker")
        self.env = environment()
        if not self.docker:
            raise unittest.SkipTest("no container engine: no docker here")
        self.foreign = self.call("info", check=False).returncode == 0
        if not self.foreign:
            self.start()
        self.compose = ([self.docker, "compose"] if self.call("compose", "version", check=False).returncode == 0 else
                        [shutil.which("docker-compose")] if shutil.which("docker-compose") else None)

    def start(self):
        lacking = [name for name in ("dockerd", "unshare", "ip") if not shutil.which(name)]
        if lacking or os.geteuid() != 0:
            raise unittest.SkipTest("no container engine: no daemon answers docker, and one of our own needs root and %s"
                                    % ", ".join("%s (package %s)" % (name, PACKAGE_OF.get(name, name)) for name in lacking or ["dockerd"]))
        self.folder = tempfile.mkdtemp()
        self.env = environment(DOCKER_HOST="unix://%s/docker.sock" % self.folder, DOCKER_CONTEXT=None, DOCKER_CONFIG=self.folder)
        script = """
            ip link set lo up
            ip link add up0 type bridge
            ip address add 192.0.2.1/24 dev up0
            ip link set up0 up
            ip route add default dev up0
            mount -t tmpfs none /run
            echo nameserver 127.0.0.1 > "$0/resolv.conf"
            mount --bind "$0/resolv.conf" /etc/resolv.conf
            exec dockerd --data-root "$0/data" --exec-root "$0/exec" -H "unix://$0/docker.sock" --pidfile "$0/pid"
        """
        self.log = open(os.path.join(self.folder, "log"), "wb")
        self.process = subprocess.Popen(["unshare", "--net", "--mount", "sh", "-ec", script, self.folder], stdin=subprocess.DEVNULL,
                                        stdout=self.log, stderr=subprocess.STDOUT, env=self.env, start_new_session=True)
        try:
            until(lambda: self.process.poll() is not None or self.call("info", check=False).returncode == 0, "dockerd answers")
        except AssertionError:
            self.close()
            raise
        if self.process.poll() is not None:
            with open(os.path.join(self.folder, "log"), encoding="utf-8", errors="replace") as file:
                said = file.read().strip().split("\n")[-1]
            self.close()
            raise unittest.SkipTest("no container engine: dockerd does not run here: " + said)

    def call(self, *arguments, check=True, program=None, **more):
        done = subprocess.run([*(program or [self.docker]), *arguments], capture_output=True, text=True, timeout=300, env=self.env,
                              cwd=ROOT, stdin=subprocess.DEVNULL, **more)
        if check and done.returncode:
            raise AssertionError("%s\n%s%s" % (" ".join(done.args), done.stdout, done.stderr))
        return done

    def lines(self, *arguments):
        return self.call(*arguments).stdout.splitlines()

    def close(self):
        if self.process:
            self.process.send_signal(signal.SIGTERM)  # it ends its containers
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                pass
            try:
                os.killpg(self.process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            self.process.wait()
            self.log.close()
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)


class Image(unittest.TestCase):
    @unittest.skipUnless(shutil.which("musl-gcc"), "no musl-gcc: package musl-tools")
    def test_its_program_needs_nothing_else(self):
        """It is compiled as the Dockerfile says, and runs where there is no other file, as nobody."""
        folder = image_folder()
        self.addCleanup(shutil.rmtree, folder)
        tree = os.path.join(folder, "tree")
        self.assertEqual(os.listdir(tree), ["clusterctl"])
        self.assertLess(os.path.getsize(os.path.join(tree, "clusterctl")), 1000000)
        elf = subprocess.run(["readelf", "-l", os.path.join(tree, "clusterctl")], capture_output=True, text=True, check=True).stdout
        self.assertNotIn("INTERP", elf)
        if os.geteuid() == 0:
            os.chmod(folder, 0o755)
            done = subprocess.run([shutil.which("chroot"), "--userspec=65534:65534", tree, "/clusterctl", "list", "static:a@h"], capture_output=True,
                                  text=True, env={})
            self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "a@h\n", ""))


@unittest.skipUnless(shutil.which("musl-gcc"), "no musl-gcc: package musl-tools")
class Containers(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.engine = Engine()
        cls.addClassCleanup(cls.engine.close)
        folder = image_folder()
        cls.addClassCleanup(shutil.rmtree, folder)
        cls.engine.call("build", "-q", "-t", "clusterctl", folder)
        cls.project = "clusterdeploy%d" % os.getpid()

    def compose(self, *arguments):
        if not self.engine.compose:
            self.skipTest("no compose: package docker-compose")
        return self.engine.call("-p", self.project, "-f", "examples/deploy/compose.yaml", *arguments, program=self.engine.compose)

    def said(self, label):
        """The lines of every running container with this label."""
        return {name: self.engine.lines("logs", name) for name in self.engine.lines("ps", "-q", "--filter", "label=" + label)}

    def addresses(self, containers):
        found = {}
        for name in containers:
            inspected, = json.loads(self.engine.call("inspect", name).stdout)
            found[name] = [network["IPAddress"] for key, network in inspected["NetworkSettings"]["Networks"].items()
                           if key != "ingress" and network["IPAddress"]]
        return found

    def test_the_whole_dockerfile_where_its_base_is_at_hand(self):
        base = next(rest.split()[0] for _, word, rest in dockerfile() if word == "FROM")
        self.assertRegex(base, r"^debian:\w+-slim$")
        if self.engine.foreign and self.engine.call("image", "inspect", base, check=False).returncode == 0:
            self.engine.call("build", "-t", self.project, "-f", "examples/deploy/Dockerfile", ".")
            self.addCleanup(self.engine.call, "rmi", self.project)
            self.assertEqual(self.engine.lines("run", "--rm", self.project, "list", "static:a@h"), ["a@h"])
        self.assertEqual(self.engine.lines("run", "--rm", "clusterctl", "list", "static:a@h"), ["a@h"])

    def test_compose(self):
        label = "com.docker.compose.project=" + self.project
        self.compose("up", "-d", "--no-build", "--scale", "app=3")
        self.addCleanup(self.compose, "down", "-t", "2")
        until(lambda: sum("status ready 3/3" in lines for lines in self.said(label).values()) == 3, "all three are ready")
        before = self.said(label)
        ips = {name: ips[0] for name, ips in self.addresses(before).items()}
        for name, lines in before.items():
            self.assertEqual(sorted(line for line in lines if line[0] in "+-"),
                             sorted("+ app@" + ip for other, ip in ips.items() if other != name))
        self.compose("up", "-d", "--no-build", "--scale", "app=2")
        until(lambda: sum("status degraded 2/3" in lines for lines in self.said(label).values()) == 2, "both know that one left")
        after = self.said(label)
        gone, = set(before) - set(after)
        for lines in after.values():
            self.assertEqual([line for line in lines if line[0] == "-"], ["- app@" + ips[gone]])

    def test_swarm(self):
        if self.engine.foreign:
            self.skipTest("the container engine that runs here is not ours: its swarm is left alone")
        self.engine.call("swarm", "init", "--advertise-addr", "192.0.2.1")
        self.addCleanup(self.engine.call, "swarm", "leave", "--force")
        self.engine.call("stack", "deploy", "--resolve-image", "never", "-c", "examples/deploy/swarm.yaml", self.project)
        label = "com.docker.stack.namespace=" + self.project
        until(lambda: sum("status ready 4/4" in lines for lines in self.said(label).values()) == 3, "all three see three")
        for lines in self.said(label).values():
            self.assertEqual(len({line for line in lines if line.startswith("+ app@10.")}), 3)
            self.assertEqual([line for line in lines if line[0] == "-"], [])


if __name__ == "__main__":
    unittest.main()
