"""What the tests against other programs share: an epmd and Erlang nodes on a port of their own, a gossip group on loopback."""
import atexit
import functools
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "cli"))
from clitools import ROOT, Running, ctl, environment, free_port, until  # noqa: E402,F401

HERE = os.path.dirname(os.path.abspath(__file__))
LOOPBACK = "127.0.0.1"


def lacks(*programs):
    """Why a test cannot run here; an empty text when it can."""
    return ", ".join("no %s here" % name for name in programs if not shutil.which(name))


class Epmd:
    """A real epmd on a free port, which can be killed and started again there."""

    def __init__(self, address=LOOPBACK):
        self.port, self.address = free_port(), address
        self.at = "%s:%d" % (address, self.port)
        self.process = None
        self.start()

    def start(self):
        env = {key: value for key, value in os.environ.items() if not key.startswith("ERL_")}
        self.process = subprocess.Popen([shutil.which("epmd"), "-address", self.address, "-port", str(self.port)], env=env,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(lambda: ctl("names", self.at).code == 0, "epmd answers")

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def names(self):
        return sorted(line.split()[0] for line in ctl("names", self.at).lines)

    def register(self, name, port):
        """Register by hand. The socket that is returned is the lease."""
        lease = socket.create_connection((LOOPBACK, self.port), timeout=30)
        body = struct.pack(">BHBBHHH", 120, port, 77, 0, 6, 5, len(name)) + name.encode() + b"\0\0"
        lease.sendall(struct.pack(">H", len(body)) + body)
        reply = lease.recv(6, socket.MSG_WAITALL)
        if reply[:2] != b"\x76\0":
            lease.close()
            raise AssertionError("epmd refused %r: %r" % (name, reply))
        return lease


class OwnEpmd(Epmd):
    """The same, served by clusterctl."""

    def __init__(self, *options):
        self.options = options
        super().__init__()

    def start(self):
        self.running = Running("epmd", "--port", str(self.port), *self.options)
        try:
            self.running.line(lambda line: line.startswith("epmd is served at "))
        except BaseException:
            self.running.__exit__()
            raise

    def kill(self):
        self.running.__exit__()


class Node:
    """A real Erlang node, up once it is made. `name` with an '@' is a long one, unless the kind says otherwise."""

    def __init__(self, epmd, name, kind=None, *flags, prefix=()):
        self.home = tempfile.mkdtemp()  # its cookie file goes there
        kind = kind or ("-name" if "@" in name else "-sname")
        self.base = name.partition("@")[0]
        self.running = Running("-noinput", kind, name, "-setcookie", "interop", "-start_epmd", "false",
                               *([] if "inet_dist_use_interface" in flags else
                                 ["-kernel", "inet_dist_use_interface", "{127,0,0,1}"]), *flags,
                               "-eval", 'io:format("up ~s~n", [node()]).',
                               program="erl", prefix=prefix, HOME=self.home, ERL_EPMD_PORT=epmd.port, ERL_CRASH_DUMP=os.devnull,
                               ERL_AFLAGS=None, ERL_FLAGS=None, ERL_ZFLAGS=None)
        try:
            self.name = self.running.line(lambda line: line.startswith("up "))[3:]
            until(lambda: self.base in epmd.names(), "%s is registered" % name)
        except BaseException:
            self.close()
            raise

    def kill(self):
        self.running.signal(signal.SIGKILL)
        self.running.end()

    def close(self):
        self.running.__exit__()
        shutil.rmtree(self.home, ignore_errors=True)


class EtcdServer:
    """A real etcd of one on free ports, which can be stopped and started again."""

    def __init__(self, address=LOOPBACK, prefix=()):
        self.folder = tempfile.mkdtemp()
        self.address, self.prefix = address, prefix
        self.port, self.peer = free_port(), free_port()
        self.at = "%s:%d" % (address, self.port)
        self.process = None
        self.start()

    def start(self):
        client, peer = ("http://%s:%d" % (self.address, port) for port in (self.port, self.peer))
        self.process = subprocess.Popen(
            [*self.prefix, "etcd", "--name", "one", "--data-dir", os.path.join(self.folder, "data"), "--listen-client-urls", client,
             "--advertise-client-urls", client, "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
             "--initial-cluster", "one=" + peer, "--logger", "zap", "--log-level", "error"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(lambda: ctl("list", "etcd:/none/?server=" + self.at, prefix=self.prefix).code == 1, "etcd answers")

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def close(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class Group:
    """A multicast group on loopback that nobody else uses."""

    def __init__(self):
        self.port = free_port(socket.SOCK_DGRAM)
        self.address = "239.76.%d.%d" % (os.getpid() % 256, self.port % 256)

    def url(self, *options, announce=True, age="20s"):
        return "gossip:%s:%d?%s" % (self.address, self.port, "&".join(
            ["if=" + LOOPBACK, "ttl=0", "interval=100ms", "max-age=" + age, *(["announce=on"] if announce else []), *options]))

    def socket(self):
        """Hears the group, and sends to it by say()."""
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("", self.port))
        here = socket.inet_aton(LOOPBACK)
        s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(self.address) + here)
        s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, here)
        s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 0)
        s.settimeout(10)
        return s

    def say(self, s, packet):
        s.sendto(packet, (self.address, self.port))

    def lack(self):
        """Why gossip cannot be tried here; an empty text when it can."""
        try:
            with self.socket() as s:
                s.settimeout(2)
                self.say(s, b"probe")
                return "" if s.recv(64) == b"probe" else "the group is not alone"
        except OSError as error:
            return "multicast does not come back on loopback here: %s" % error


def watcher(url, name=None, *more):
    """`clusterctl watch`, with an own name or without."""
    return Running("watch", url, *(["--node", name] if name else []), *more)


def joins(running):
    return [line[2:] for line in running.lines if line.startswith("+ ")]


def leaves(running):
    return [line[2:] for line in running.lines if line.startswith("- ")]


# Announces all that a node can say of itself, until it is ended.
ANNOUNCER = r"""
#define CLUSTER_IMPLEMENTATION
#include "cluster.h"
#include <stdio.h>

int main(int argc, char **argv)
{
    struct cluster_options options;
    struct cluster *c;
    cluster_options_init(&options);
    options.node = argv[2];
    options.port = 9100;
    options.weight = 3;
    options.zone = "z\xc3\xbcrich-1";
    options.role = "db";
    if (argc < 3 || cluster_create(&c, &options) < 0 || cluster_discover(c, argv[1], NULL) < 0)
        return 3;
    puts("up");
    fflush(stdout);
    while (cluster_poll(c, -1) == 0)
        while (cluster_next_event(c))
            continue;
    return 3;
}
"""


@functools.lru_cache(maxsize=None)
def compiled(name):
    """A program beside the tests, built once."""
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    out = os.path.join(folder, name)
    done = subprocess.run(["cc", "-std=c99", "-I" + ROOT, "-o", out, os.path.join(HERE, name + ".c")], capture_output=True,
                          text=True, timeout=300)
    if done.returncode:
        raise AssertionError(done.stderr)
    return out


@functools.lru_cache(maxsize=None)
def announcer():
    """The program above, built once."""
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    source, out = os.path.join(folder, "announcer.c"), os.path.join(folder, "announcer")
    with open(source, "w", encoding="utf-8") as file:
        file.write(ANNOUNCER)
    done = subprocess.run(["cc", "-std=c99", "-I" + ROOT, "-o", out, source], capture_output=True, text=True, timeout=300)
    if done.returncode:
        raise AssertionError(done.stderr)
    return out
