"""What the tests of clusterctl share: running it, reading its lines as they come, free ports, a pretended epmd."""
import json
import os
import queue
import shutil
import signal
import socket
import socketserver
import struct
import subprocess
import threading
import time
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TOOL = os.path.join(ROOT, "build", "clusterctl")
PATIENCE = 60  # seconds that anything may take on a busy machine

# A signal that was ignored where the tests were started (in the background, under nohup) would be ignored by what they start too.
for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    if signal.getsignal(ignored) == signal.SIG_IGN:
        signal.signal(ignored, signal.default_int_handler if ignored == signal.SIGINT else signal.SIG_DFL)


def environment(**more):
    """The caller's environment without what changes the output; None removes."""
    env = dict(os.environ, LC_ALL="C.UTF-8")
    for name in ("ERL_EPMD_PORT", "NO_COLOR", "TERM"):
        env.pop(name, None)
    for name, value in more.items():
        if value is None:
            env.pop(name, None)
        else:
            env[name] = str(value)
    return env


class Outcome:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    @property
    def lines(self):
        return self.out.splitlines()

    @property
    def objects(self):
        return [json.loads(line) for line in self.lines]


def ctl(*arguments, stdin=b"", prefix=(), **env):
    """Run clusterctl to its end."""
    if isinstance(stdin, str):
        stdin = stdin.encode()
    done = subprocess.run([*prefix, TOOL, *arguments], input=stdin, capture_output=True, timeout=PATIENCE, cwd=ROOT,
                          env=environment(**env))
    return Outcome(done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"))


class Running:
    """clusterctl (or another program) at work: its lines are read as they come."""

    def __init__(self, *arguments, program=None, prefix=(), stdin=subprocess.DEVNULL, **env):
        self.process = subprocess.Popen([*prefix, program or TOOL, *arguments], stdin=stdin, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, cwd=ROOT, env=environment(**env), start_new_session=True)
        self.lines, self.errors = [], []
        self.fresh = queue.Queue()
        self.readers = [threading.Thread(target=self._read_out, daemon=True), threading.Thread(target=self._read_err, daemon=True)]
        for reader in self.readers:
            reader.start()

    def _read_out(self):
        for line in self.process.stdout:
            text = line.decode("utf-8", "replace").rstrip("\n")
            self.lines.append(text)
            self.fresh.put(text)
        self.fresh.put(None)

    def _read_err(self):
        for line in self.process.stderr:
            self.errors.append(line.decode("utf-8", "replace").rstrip("\n"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            os.killpg(self.process.pid, 9)
        except ProcessLookupError:
            pass
        self.process.wait()
        for reader in self.readers:
            reader.join(5)
        self.process.stdout.close()
        self.process.stderr.close()

    def story(self):
        return "\n".join(self.lines + ["stderr:"] + self.errors)

    def line(self, wanted):
        """The next line that is `wanted`, or for which wanted(line) is true; those before it are passed over."""
        match = wanted if callable(wanted) else lambda line: line == wanted
        end = time.monotonic() + PATIENCE
        while True:
            try:
                line = self.fresh.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                raise AssertionError("no such line came:\n" + self.story())
            if line is None:
                raise AssertionError("it ended before such a line came:\n" + self.story())
            if match(line):
                return line

    def object(self, **wanted):
        """The next JSON line that has these values."""
        return json.loads(self.line(lambda line: wanted.items() <= json.loads(line).items()))

    def signal(self, number):
        self.process.send_signal(number)

    def end(self):
        """Its exit status, once it ends by itself."""
        code = self.process.wait(PATIENCE)
        for reader in self.readers:
            reader.join(PATIENCE)
        return code

    def until_it_catches(self, number):
        """Wait until its handler of this signal stands."""
        def catches():
            with open("/proc/%d/status" % self.process.pid, encoding="ascii") as lines:
                caught = [line.split()[1] for line in lines if line.startswith("SigCgt")]
            return caught and int(caught[0], 16) & (1 << (number - 1))
        until(catches, "it handles signal %d" % number)

    def group_is_gone(self):
        """Does no process of its session run any more?"""
        try:
            os.killpg(self.process.pid, 0)
            return False
        except ProcessLookupError:
            return True


def until(condition, what):
    """Wait for a condition; fail with `what`, a text or a function that gives one then, when it does not come true."""
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise AssertionError("never came true: " + (what() if callable(what) else what))
        time.sleep(0.02)


def free_port(kind=socket.SOCK_STREAM, neighbours=1):
    """A loopback port that is free together with the next ones."""
    for _ in range(200):
        sockets = []
        try:
            sockets.append(socket.socket(socket.AF_INET, kind))
            sockets[0].bind(("127.0.0.1", 0))
            port = sockets[0].getsockname()[1]
            for i in range(1, neighbours):
                sockets.append(socket.socket(socket.AF_INET, kind))
                sockets[-1].bind(("127.0.0.1", port + i))
            return port
        except (OSError, OverflowError):
            continue
        finally:
            for s in sockets:
                s.close()
    raise AssertionError("no free port")


class FakeEpmd(socketserver.ThreadingTCPServer):
    """An epmd with the names that a test gives it. mode: "cut" sends half a reply, "mute" none."""
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, names, mode="good", port=0):
        self.names, self.mode = dict(names), mode
        super().__init__(("127.0.0.1", port), FakeEpmdRequest)
        self.port = self.server_address[1]
        self.thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.thread.start()

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


class FakeEpmdRequest(socketserver.BaseRequestHandler):
    def read(self, size):
        data = b""
        while len(data) < size:
            more = self.request.recv(size - len(data))
            if not more:
                break
            data += more
        return data

    def handle(self):
        size = self.read(2)
        if len(size) < 2:
            return
        request = self.read(struct.unpack(">H", size)[0])
        reply = b""
        if request[:1] == b"n":
            reply = struct.pack(">I", self.server.port)
            for name, port in self.server.names.items():
                reply += ("name %s at port %d\n" % (name, port)).encode()
        elif request[:1] == b"z":
            name = request[1:].rstrip(b"\0").decode()
            port = self.server.names.get(name)
            reply = b"\x77\x01"
            if port is not None:
                reply = (struct.pack(">BBHBBHHH", 0x77, 0, port, 77, 0, 6, 5, len(name)) + name.encode() + b"\0\0")
        if self.server.mode == "mute":
            self.request.recv(1)
            return
        self.request.sendall(reply[:len(reply) // 2] if self.server.mode == "cut" else reply)


def needs_tool(name, why):
    """A decorator: skip without this program."""
    return unittest.skipUnless(shutil.which(name), "no %s here: %s" % (name, why))


class CtlTest(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        if not os.path.exists(TOOL):
            raise AssertionError("build/clusterctl is missing: run make")

    def expect(self, outcome, code, out=None, err=""):
        """The whole of an outcome; err is a text that stderr must contain, "" for none at all."""
        said = "status %d\nstdout:\n%s\nstderr:\n%s" % (outcome.code, outcome.out, outcome.err)
        self.assertEqual(outcome.code, code, said)
        if out is not None:
            self.assertEqual(outcome.out, out, said)
        if err == "":
            self.assertEqual(outcome.err, "", said)
        else:
            self.assertIn(err, outcome.err, said)
            for line in outcome.err.splitlines():
                self.assertTrue(line.startswith("clusterctl: "), said)
