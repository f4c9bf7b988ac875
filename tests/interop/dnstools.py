"""What the tests against DNS servers share: zones, the servers on ports of their own, a machine with its own resolv.conf, and a server in
Python for what no real one does on purpose."""
import ipaddress
import os
import pwd
import shutil
import signal
import socket
import socketserver
import struct
import subprocess
import tempfile
import threading

from interoptools import HERE, LOOPBACK, Running, environment, until

A, CNAME, SOA, AAAA, SRV, OPT = 1, 5, 6, 28, 33, 41
NOERROR, SERVFAIL, NXDOMAIN, REFUSED = 0, 2, 3, 5
TYPES = {"A": A, "CNAME": CNAME, "AAAA": AAAA, "SRV": SRV}


# ---- messages -----------------------------------------------------------------------------------------------------------


def name_bytes(name):
    labels = [label.encode() for label in name.rstrip(".").split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def query(name, kind, number=0x4242, edns=1232):
    message = struct.pack(">HHHHHH", number, 0, 1, 0, 0, 1 if edns else 0) + name_bytes(name) + struct.pack(">HH", kind, 1)
    return message + (b"\0" + struct.pack(">HHIH", OPT, edns, 0, 0) if edns else b"")


class Reply:
    """What the header of a reply says."""

    def __init__(self, message):
        _, flags, _, self.answers, _, self.additional = struct.unpack(">HHHHHH", message[:12])
        self.size, self.rcode, self.cut = len(message), flags & 15, bool(flags & 0x200)


def exactly(stream, size):
    data = b""
    while len(data) < size:
        more = stream.recv(size - len(data))
        if not more:
            raise OSError("the connection ended")
        data += more
    return data


def ask(address, port, name, kind, tcp=False):
    """One question, by UDP or TCP; None without a reply in a second."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM) as s:
            s.settimeout(1)
            s.connect((address, port))
            message = query(name, kind)
            if not tcp:
                s.send(message)
                return Reply(s.recv(65535))
            s.sendall(struct.pack(">H", len(message)) + message)
            return Reply(exactly(s, struct.unpack(">H", exactly(s, 2))[0]))
    except OSError:
        return None


# ---- zones --------------------------------------------------------------------------------------------------------------


class Zone:
    """The records of one zone. A name without a final dot is below the origin; "@" is the origin itself."""

    def __init__(self, origin, ttl=5):
        self.origin, self.ttl = origin.rstrip(".") + ".", ttl
        self.records = []
        self.serial = 1

    def full(self, name):
        return self.origin if name == "@" else name if name.endswith(".") else "%s.%s" % (name, self.origin)

    def add(self, name, kind, *values):
        self.records += [(self.full(name), kind, value) for value in values]
        return self

    def addresses(self, name, *values):
        for value in values:
            self.add(name, "AAAA" if ":" in value else "A", value)
        return self

    def drop(self, name, value=None):
        self.records = [record for record in self.records
                        if not (record[0] == self.full(name) and value in (None, record[2]))]
        return self

    def text(self):
        lines = ["$TTL %d" % self.ttl, "%s SOA ns.%s admin.%s %d 60 60 600 5" % (self.origin, self.origin, self.origin, self.serial),
                 "%s NS ns.%s" % (self.origin, self.origin), "ns.%s A %s" % (self.origin, LOOPBACK)]
        return "\n".join(lines + ["%s %s %s" % record for record in self.records]) + "\n"


def pool(count, first="10.1.0.1"):
    """So many addresses in a row."""
    base = ipaddress.ip_address(first)
    return [str(base + i) for i in range(count)]


def kubernetes_zone(pods, service="web", namespace="prod", port="epmd", number=4369, domain="cluster.local"):
    """A headless service, as a cluster's DNS has it: addresses of the ready pods, SRV of the named port, a name for every pod."""
    zone = Zone(domain)
    name = "%s.%s.svc" % (service, namespace)
    for pod in pods:
        host = "%s.%s" % (pod.replace(".", "-"), name)
        zone.addresses(name, pod).addresses(host, pod)
        zone.add("_%s._tcp.%s" % (port, name), "SRV", "0 %d %d %s" % (100 // len(pods), number, zone.full(host)))
    return zone


# ---- a machine of its own -----------------------------------------------------------------------------------------------


class Machine:
    """A network namespace whose loopback has these addresses too, with an /etc/resolv.conf of its own. Its `prefix` starts programs
    in it."""

    @staticmethod
    def lack():
        """Why there can be none here; an empty text when there can."""
        if os.geteuid() != 0 or not all(map(shutil.which, ("unshare", "nsenter", "ip"))):
            return "a namespace needs root, unshare, nsenter and ip"
        done = subprocess.run(["unshare", "--net", "--mount", "true"], capture_output=True, text=True)
        return done.stderr.strip()

    def __init__(self, *addresses, resolv_conf=None):
        self.folder = tempfile.mkdtemp()
        script = "ip link set lo up\n" + "".join("ip address add %s dev lo nodad\n" % address if ":" in address else
                                                 "ip address add %s dev lo\n" % address for address in addresses)
        if resolv_conf is not None:
            self.resolve(resolv_conf)
            script += "mount --bind %s /etc/resolv.conf\n" % self.resolv_conf()
        self.process = subprocess.Popen(["unshare", "--net", "--mount", "sh", "-ec", script + "echo up\nexec cat"],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        said = self.process.stdout.readline()
        if said != b"up\n":
            said += self.process.communicate()[0]
            shutil.rmtree(self.folder)
            raise AssertionError("no namespace: " + said.decode())
        self.prefix = ("nsenter", "--target", str(self.process.pid), "--net", "--mount")

    def resolv_conf(self):
        return os.path.join(self.folder, "resolv.conf")

    def resolve(self, text):
        """What its resolv.conf says from now on."""
        with open(self.resolv_conf(), "w", encoding="ascii") as file:
            file.write(text)

    def close(self):
        self.process.kill()
        self.process.communicate()
        shutil.rmtree(self.folder)


# ---- real servers -------------------------------------------------------------------------------------------------------


def free_port_twice():
    """A loopback port that is free for UDP and for TCP."""
    for _ in range(200):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp:
            udp.bind((LOOPBACK, 0))
            try:
                tcp.bind(udp.getsockname())
            except OSError:
                continue
            return udp.getsockname()[1]
    raise AssertionError("no port is free for UDP and TCP")


class Server:
    """A real server with these zones. It is up, and answers for every zone, once it is made."""
    program = None

    def __init__(self, *zones, address=LOOPBACK, port=None, prefix=()):
        self.zones, self.address, self.prefix = zones, address, list(prefix)
        self.port = port or free_port_twice()
        self.at = ("[%s]:%d" if ":" in address else "%s:%d") % (address, self.port)
        self.folder = tempfile.mkdtemp()
        os.chmod(self.folder, 0o755)
        self.process = None
        self.log = open(os.path.join(self.folder, "log"), "wb")
        try:
            self.start()
        except BaseException:
            self.close()
            raise

    # what a kind of server says of itself

    def configure(self):
        raise NotImplementedError

    def command(self):
        raise NotImplementedError

    def reload(self):
        raise NotImplementedError

    # the life of it

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        with open(self.path(name) + ".new", "w", encoding="ascii") as file:
            file.write(text)
        os.replace(self.path(name) + ".new", self.path(name))

    def write_zones(self):
        for zone in self.zones:
            self.write(zone.origin + "zone", zone.text())

    def start(self):
        self.write_zones()
        self.configure()
        self.process = subprocess.Popen([*self.prefix, *self.command()], cwd=self.folder, stdin=subprocess.DEVNULL, stdout=self.log,
                                        stderr=subprocess.STDOUT, env=environment(), start_new_session=True)
        for zone in self.zones:
            try:
                until(lambda: self.answers(zone), "%s answers for %s" % (self.program, zone.origin))
            except AssertionError as error:
                raise AssertionError("%s\n%s" % (error, self.log_text())) from None

    def answers(self, zone):
        if self.process.poll() is not None:
            raise AssertionError("%s ended" % self.program)
        reply = self.ask(zone.records[0][0], TYPES[zone.records[0][1]]) if zone.records else self.ask(zone.origin, SOA)
        return reply and reply.rcode == NOERROR and (reply.answers > 0 or reply.cut)

    def ask(self, name, kind, tcp=False):
        if not self.prefix:
            return ask(self.address, self.port, name, kind, tcp)
        return self.ask_inside(name, kind)

    def ask_inside(self, name, kind):
        """In a namespace another process has to ask."""
        program = ("import sys; sys.path[:0] = [%r]\nimport dnstools\nreply = dnstools.ask(%r, %d, %r, %d)\n"
                   "print(reply.rcode, reply.answers, reply.additional, reply.size, int(reply.cut)) if reply else None"
                   % (HERE, self.address, self.port, name, kind))
        done = subprocess.run([*self.prefix, "python3", "-c", program], capture_output=True, text=True, timeout=60, check=True)
        if not done.stdout.strip():
            return None
        reply = Reply(bytes(12))
        reply.rcode, reply.answers, reply.additional, reply.size, reply.cut = map(int, done.stdout.split())
        return reply

    def log_text(self):
        with open(self.path("log"), encoding="utf-8", errors="replace") as file:
            return file.read()[-4000:]

    def update(self):
        """The zones were changed: make the running server serve them."""
        for zone in self.zones:
            zone.serial += 1
        self.write_zones()
        self.reload()

    def control(self, *command):
        done = subprocess.run([*self.prefix, *command], capture_output=True, text=True, timeout=60)
        if done.returncode:
            raise AssertionError("%s: %s%s" % (" ".join(command), done.stdout, done.stderr))

    def signal(self, number):
        """To it and to the processes it started."""
        os.killpg(self.process.pid, number)

    def kill(self):
        """At once, with no word to anyone."""
        if self.process and self.process.poll() is None:
            self.signal(signal.SIGKILL)
        if self.process:
            self.process.wait()

    def close(self):
        self.kill()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def url(self, names, *options):
        return "dns:%s?%s" % (names, "&".join(["server=" + self.at, *options]))


class Knot(Server):
    program = "knotd"

    def configure(self):
        zones = "".join("  - domain: %s\n    file: %szone\n" % (zone.origin, zone.origin) for zone in self.zones)
        self.write("knot.conf", "server:\n    rundir: %s\n    listen: %s@%d\n    udp-workers: 1\n    tcp-workers: 1\n"
                   "    background-workers: 1\ndatabase:\n    storage: %s\n"
                   "template:\n  - id: default\n    storage: %s\n    zonefile-load: whole\n    journal-content: none\n"
                   "zone:\n%s" % (self.folder, self.address, self.port, self.folder, self.folder, zones))

    def command(self):
        return ["knotd", "-c", self.path("knot.conf")]

    def reload(self):
        self.control("knotc", "-s", self.path("knot.sock"), "-b", "zone-reload")


class Nsd(Server):
    program = "nsd"

    def configure(self):
        zones = "".join("zone:\n  name: %s\n  zonefile: %szone\n" % (zone.origin, zone.origin) for zone in self.zones)
        self.write("nsd.conf", "server:\n  ip-address: %s@%d\n  server-count: 1\n  username: \"\"\n  zonesdir: %s\n  database: \"\"\n"
                   "  pidfile: \"\"\n  xfrdfile: %s\n  zonelistfile: %s\n  logfile: \"\"\n"
                   "remote-control:\n  control-enable: yes\n  control-interface: %s\n%s"
                   % (self.address, self.port, self.folder, self.path("xfrd.state"), self.path("zone.list"),
                      self.path("control"), zones))

    def command(self):
        return ["nsd", "-d", "-c", self.path("nsd.conf")]

    def reload(self):
        self.control("nsd-control", "-c", self.path("nsd.conf"), "reload")


class Bind(Server):
    program = "named"

    def configure(self):
        zones = "".join("zone \"%s\" { type primary; file \"%szone\"; };\n" % (zone.origin, zone.origin) for zone in self.zones)
        family, other = ("listen-on-v6", "listen-on") if ":" in self.address else ("listen-on", "listen-on-v6")
        self.write("named.conf", "options { directory \"%s\"; %s port %d { %s; }; %s { none; }; pid-file none; session-keyfile none;\n"
                   "recursion no; notify no; dnssec-validation no; max-records-per-type 0; };\ncontrols { };\n%s"
                   % (self.folder, family, self.port, self.address, other, zones))

    def command(self):
        return ["named", "-g", "-n", "1", "-c", self.path("named.conf")]

    def reload(self):
        self.process.send_signal(signal.SIGHUP)


class Dnsmasq(Server):
    """Addresses are in a file like /etc/hosts, which SIGHUP makes it read again; other records are options, fixed at the start."""
    program = "dnsmasq"

    def write_zones(self):
        self.write("hosts", "".join("%s %s\n" % (value, name.rstrip(".")) for zone in self.zones
                                    for name, kind, value in zone.records if kind in ("A", "AAAA")))

    def configure(self):
        lines = ["keep-in-foreground", "log-facility=-", "no-resolv", "no-hosts", "user=" + pwd.getpwuid(os.geteuid()).pw_name, "pid-file=",
                 "port=%d" % self.port, "listen-address=" + self.address, "bind-interfaces", "addn-hosts=" + self.path("hosts"),
                 "local-ttl=5"]
        for zone in self.zones:
            lines.append("local=/%s/" % zone.origin.rstrip("."))
            for name, kind, value in zone.records:
                if kind == "SRV":
                    priority, weight, port, target = value.split()
                    lines.append("srv-host=%s,%s,%s,%s,%s" % (name.rstrip("."), target.rstrip("."), port, priority, weight))
                elif kind == "CNAME":
                    lines.append("cname=%s,%s" % (name.rstrip("."), value.rstrip(".")))
        self.write("dnsmasq.conf", "\n".join(lines) + "\n")

    def command(self):
        return ["dnsmasq", "-C", self.path("dnsmasq.conf")]

    def reload(self):
        self.process.send_signal(signal.SIGHUP)


# ---- a server in Python -------------------------------------------------------------------------------------------------


def record(kind, value, ttl=5):
    """Of the name that was asked for."""
    data = (socket.inet_pton(socket.AF_INET6 if ":" in value else socket.AF_INET, value) if kind in (A, AAAA) else value)
    return b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, ttl, len(data)) + data


class Pretended:
    """Answers a question by `answer(name, kind)`, which gives (rcode, records), or None to keep silent. With `cut` its UDP answers
    have no records and say so; with `hasty` it ends a TCP connection after one answer."""

    def __init__(self, answer, cut=False, hasty=False):
        self.answer, self.cut = answer, cut
        self.asked, self.connections = [], 0
        self.port = free_port_twice()
        self.at = "%s:%d" % (LOOPBACK, self.port)
        pretended = self

        class Udp(socketserver.BaseRequestHandler):
            def handle(self):
                data, s = self.request
                reply = pretended.reply(data, pretended.cut)
                if reply:
                    s.sendto(reply, self.client_address)

        class Tcp(socketserver.BaseRequestHandler):
            def handle(self):
                pretended.connections += 1
                try:
                    while True:
                        reply = pretended.reply(exactly(self.request, struct.unpack(">H", exactly(self.request, 2))[0]), False)
                        if reply is None:
                            return
                        self.request.sendall(struct.pack(">H", len(reply)) + reply)
                        if hasty:
                            return
                except OSError:
                    return

        class TcpServer(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True

        self.servers = [socketserver.UDPServer((LOOPBACK, self.port), Udp), TcpServer((LOOPBACK, self.port), Tcp)]
        for server in self.servers:
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def reply(self, data, cut):
        labels, at = [], 12
        while data[at]:
            labels.append(data[at + 1:at + 1 + data[at]].decode())
            at += 1 + data[at]
        question = data[12:at + 5]
        name, kind = ".".join(labels), struct.unpack(">H", data[at + 1:at + 3])[0]
        self.asked.append((name, kind))
        said = self.answer(name, kind)
        if said is None:
            return None
        rcode, records = said
        flags = 0x8400 | rcode | (0x200 if cut else 0)
        records = [] if cut else records
        return data[:2] + struct.pack(">HHHHH", flags, 1, len(records), 0, 0) + question + b"".join(records)

    def close(self):
        for server in self.servers:
            server.shutdown()
            server.server_close()

    def url(self, names, *options):
        return "dns:%s?%s" % (names, "&".join(["server=" + self.at, *options]))


# ---- nodes --------------------------------------------------------------------------------------------------------------


class DistributionNode:
    """A real Erlang node with a long name at an address, that listens there at a fixed port, without epmd: so many of them have the
    same base name. Without a port it registers with the epmd that runs. Its lines of input are nodes to ping; it answers each with `pong NAME` or `pang NAME`."""
    PROGRAM = ('Loop = fun(Loop) -> case io:get_line("") of eof -> halt(); Line -> '
               'Name = string:trim(Line), io:format("~p ~s~n", [net_adm:ping(list_to_atom(Name)), Name]), Loop(Loop) end end, '
               'io:format("up ~s~n", [node()]), Loop(Loop).')

    def __init__(self, base, address, port, prefix=()):
        self.home = tempfile.mkdtemp()
        ip = ipaddress.ip_address(address)
        words = ([int(part) for part in address.split(".")] if ip.version == 4 else
                 [int(part, 16) for part in ip.exploded.split(":")])
        self.process = subprocess.Popen(
            [*prefix, "erl", "-noshell", *(["-proto_dist", "inet6_tcp"] if ip.version == 6 else []),
             "-name", "%s@%s" % (base, address), "-setcookie", "interop", "-start_epmd", "false",
             *(["-erl_epmd_port", str(port)] if port else []),
             "-kernel", "inet_dist_use_interface", "{%s}" % ",".join(map(str, words)), "-eval", self.PROGRAM],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
            env=environment(HOME=self.home, ERL_CRASH_DUMP=os.devnull, ERL_AFLAGS=None, ERL_FLAGS=None, ERL_ZFLAGS=None))
        said = self.process.stdout.readline()
        if not said.startswith("up "):
            said += self.close()
            raise AssertionError("no Erlang node: " + said)
        self.name = said[3:].rstrip("\n")

    def pings(self, name):
        self.process.stdin.write(name + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().rstrip("\n") == "pong " + name

    def close(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        said = self.process.communicate()[0]
        shutil.rmtree(self.home, ignore_errors=True)
        return said
