"""The shared object, its installation, and the bindings: generated declarations are current, every struct lies as the C compiler lays
it, and the watch and placement programs of each language do the same."""
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

from clitools import TOOL, FakeEpmd, Running, free_port, until
from tools import ROOT, STRICT, built

BINDINGS = os.path.join(ROOT, "examples", "bindings")
PYTHON = sys.executable or "python3"


def sh(*argv, timeout=300, cwd=ROOT, **env):
    done = subprocess.run(argv, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout,
                          env=dict(os.environ, **env))
    if done.returncode:
        raise AssertionError("%s\n%s%s" % (" ".join(argv), done.stdout, done.stderr))
    return done.stdout


def needs(*programs):
    lacking = [name for name in programs if not shutil.which(name)]
    if lacking:
        raise unittest.SkipTest("no " + ", ".join(lacking))


MAKE = ["make", "-s", "-o", "amalgamate.py", "-o", "LICENSE", "FRAGMENTS="]  # cluster.h as it is, whatever src/ says


PEERS = []  # an epmd, and two nodes that are registered there
epmd_port = 0
COOKIE = "a-cookie"


def setUpModule():
    sh(*MAKE, "lib")
    global epmd_port
    epmd_port = free_port()
    for arguments in ["epmd", "--port", str(epmd_port)], *(["node", "--node", name + "@127.0.0.1", "--cookie", COOKIE] for name in ("n1", "n2")):
        PEERS.append(Running(*arguments, ERL_EPMD_PORT=epmd_port))
        unittest.addModuleCleanup(PEERS[-1].__exit__, None, None, None)
        PEERS[-1].line(lambda line: line.startswith(("epmd is served", "listen ")))
    until(lambda: sh(TOOL, "names", "127.0.0.1:%d" % epmd_port).count("\n") == 2, "both nodes are registered")


def generate(*arguments):
    needs("clang")
    return sh(PYTHON, os.path.join(BINDINGS, "generate.py"), *arguments)


def layout():
    """What the C compiler says of every struct."""
    source, out = built("bindings", "layout.c"), built("bindings", "layout")
    with open(source, "w", encoding="ascii") as f:
        f.write(generate("--layout", "c"))
    sh("cc", "-std=c99", "-I.", "-o", out, source)
    return sh(out).splitlines()


def layout_source(language, ending):
    path = built("bindings", "layout." + ending)
    with open(path, "w", encoding="utf-8") as f:
        f.write(generate("--layout", language))
    return path


class Library(unittest.TestCase):
    def test_exports(self):
        with open(os.path.join(ROOT, "cluster.h"), encoding="ascii") as f:
            declared = set(re.findall(r"^CLUSTER_API [^;]*?\b(cluster_\w+)\(", f.read(), re.M))
        names = {line.split()[-1] for line in sh("nm", "-D", "--defined-only", "build/libcluster.so").splitlines()}
        self.assertEqual(names, declared)

    def test_installed(self):
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        sh(*MAKE, "install", "PREFIX=/opt/c", "DESTDIR=" + folder)
        prefix = folder + "/opt/c"
        with open(prefix + "/lib/pkgconfig/cluster.pc", encoding="ascii") as f:
            self.assertNotIn(folder, f.read())
        found = dict(PKG_CONFIG_PATH=prefix + "/lib/pkgconfig", PKG_CONFIG_SYSROOT_DIR=folder)
        flags = sh("pkg-config", "--cflags", "--libs", "cluster", **found).split()
        version = sh("pkg-config", "--modversion", "cluster", **found).strip()
        sh("cc", "-std=c99", *STRICT, "-o", folder + "/shared", "tests/build/program.c", "tests/build/declarations.c", *flags)
        sh(folder + "/shared", LD_LIBRARY_PATH=prefix + "/lib")
        soname = "libcluster.so." + version.rpartition(".")[0]
        self.assertIn("NEEDED               %s\n" % soname, sh("objdump", "-p", folder + "/shared"))
        self.assertTrue(os.path.exists(prefix + "/lib/" + soname))
        sh("cc", "-std=c99", *STRICT, "-I" + prefix + "/include", "-o", folder + "/static", "tests/build/program.c",
           "tests/build/declarations.c", prefix + "/lib/libcluster.a")
        sh(folder + "/static")
        self.assertIn("watch", sh(prefix + "/bin/clusterctl", "help"))
        sh(*MAKE, "uninstall", "PREFIX=/opt/c", "DESTDIR=" + folder)
        self.assertEqual([files for _, _, files in os.walk(prefix) if files], [])


class Generated(unittest.TestCase):
    def test_current(self):
        generate("--check")


class Binding:
    """The cases; a class for each language has watch and place, and layout where the language has structs of its own."""
    maxDiff = None
    ends_by_itself = True  # on a signal, with 0
    prints_status = True

    def start(self, *urls):
        command = [*self.watch(), *urls]
        return Running(*command[1:], program=command[0])

    def fails(self, code, sentence, *urls, **more):
        done = subprocess.run([*self.watch(), *urls], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=60, cwd=ROOT,
                              **{"stdout": subprocess.PIPE, **more})
        self.assertEqual((done.returncode, done.stderr.count("\n")), (code, 1), done.stderr)
        self.assertIn(sentence, done.stderr)

    def test_watch(self):
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        path = os.path.join(folder, "nodes")

        def write(text):
            with open(path + ".new", "w", encoding="ascii") as out:
                out.write(text)
            os.replace(path + ".new", path)
        write("a@h\n")
        epmd = FakeEpmd({"x": 9000})
        self.addCleanup(epmd.__exit__)
        with self.start("file:%s?interval=10ms" % path, "epmd:127.0.0.1:%d?interval=10ms&misses=1" % epmd.port) as watch:
            until(lambda: {"+ a@h", "+ x@127.0.0.1"} <= set(watch.lines) or watch.process.poll() is not None, "both joined")
            write("b@h\n")
            for i in range(20):  # sockets come and go
                epmd.names = {"x": 9000, "y": 9001} if i % 2 else {"x": 9000, "z": 9002}
                until(lambda: watch.lines.count("+ %s@127.0.0.1" % "zy"[i % 2]) == i // 2 + 1 or watch.process.poll() is not None,
                      "round %d\n%s" % (i, watch.story()))
            until(lambda: {"+ b@h", "- a@h"} <= set(watch.lines), "b for a")
            epmd.mode = "cut"
            watch.line(lambda line: line.startswith("source epmd:") and not line.endswith(" answers"))
            self.assertNotIn("- x@127.0.0.1", watch.lines)
            watch.signal(signal.SIGTERM)
            self.assertEqual((watch.end(), watch.errors), (0 if self.ends_by_itself else -signal.SIGTERM, []), watch.story())

    def test_place(self):
        with open(os.path.join(ROOT, "docs", "placement.md"), encoding="utf-8") as f:
            shown = re.search(r"^```\n(user:42 .*?)```$", f.read(), re.S | re.M).group(1)
        self.assertEqual(sh(*self.place()), shown)

    def test_ring(self):
        self.assertEqual(sh(*self.ring()), "a@h a@h,b@h\n")

    def called(self, *arguments):
        done = subprocess.run([*self.call(), *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, cwd=ROOT)
        return done.returncode, sorted(done.stdout.splitlines()), done.stderr

    def test_call(self):
        """A function of every node that epmd lists; wrong cookies, terms, names and sources."""
        url = "epmd:127.0.0.1:%d" % epmd_port
        self.assertEqual(self.called("me@127.0.0.1", COOKIE, url, "cluster", "status"),
                         (0, ["n1@127.0.0.1 {ready,1,1}", "n2@127.0.0.1 {ready,1,1}"], ""))
        self.assertEqual(self.called("me@127.0.0.1", "another", url, "cluster", "status"),
                         (1, ["n%d@127.0.0.1 its cookie is another one" % i for i in (1, 2)], ""))
        self.assertEqual(self.called("me@127.0.0.1", COOKIE, "static:", "cluster", "status"), (0, [], ""))
        for code, sentence, *arguments in (
                (2, "is missing here", "me@127.0.0.1", COOKIE, url, "cluster", "status", "[a"),
                (2, "NAME@HOST", "me", COOKIE, url, "cluster", "status"),
                (2, "unknown scheme 'edmp'", "me@127.0.0.1", COOKIE, "edmp:x", "cluster", "status"),
                (2, "say who you are", "me@127.0.0.1"),
                (3, "none runs there", "me@127.0.0.1", COOKIE, "epmd:127.0.0.1:%d" % free_port(), "cluster", "status")):
            with self.subTest(arguments):
                said = self.called(*arguments)
                self.assertEqual((said[0], said[1], said[2].count("\n")), (code, [], 1), said)
                self.assertIn(sentence, said[2])

    def test_bad_input(self):
        self.fails(2, "name a source")
        self.fails(2, "unknown scheme 'edmp'", "edmp:localhost")
        with open("/dev/full", "wb") as full:
            self.fails(3, "the output cannot be written", "static:a@h", stdout=full)

    def test_layout(self):
        if self.layout():  # else the language reads the header itself
            self.assertEqual(sh(*self.layout()).splitlines(), layout())


class Python(Binding, unittest.TestCase):
    def watch(self):
        return [PYTHON, "examples/bindings/python/watch.py"]

    def call(self):
        return [PYTHON, "examples/bindings/python/call.py"]

    def ring(self):
        return [PYTHON, "-c", """
import sys
sys.path.insert(0, "examples/bindings/python")
import cluster
ring = cluster.Ring("libring", ["a@h", {"name": "b@h", "weight": 128}])
print(ring.owner(b"k"), ",".join(ring.owners(b"k", 3)))
try:
    cluster.Ring("no", [])
except cluster.Error as error:
    assert "no kind of ring" in str(error), error
else:
    raise AssertionError("no error")
"""]

    def test_the_first_program(self):
        """docs/bindings.md's, and what it prints."""
        with open(os.path.join(ROOT, "docs", "bindings.md"), encoding="utf-8") as f:
            program, shown = re.search(r"^```python\n(.*?)^```\n```text\n(.*?)^```$", f.read(), re.S | re.M).groups()
        self.assertEqual(sh(PYTHON, "-c", program, PYTHONPATH="examples/bindings/python"), shown)

    def test_messages(self):
        """A process of one's own, sends, monitors, answers: with a node in the same program."""
        sh(PYTHON, "-c", """
import sys
sys.path.insert(0, "examples/bindings/python")
import cluster, cluster_h as h
a = cluster.Cluster(node="a@127.0.0.1", cookie="c", listen="127.0.0.1:0")
b = cluster.Cluster(node="b@127.0.0.1", cookie="c")
a.register("box")

def run(until):
    seen = {a: [], b: []}
    while not until(seen):
        for c in a, b:
            c.poll(0.001)
            seen[c] += c.events()
    return seen

run(lambda seen: [e for e in seen[a] if e.type == h.CLUSTER_CHANGE])
port = [m.port for m in a.members() if m.name == a.name][0]
b.discover("static:a@127.0.0.1?port=%d" % port)
asked = b.ping("a@127.0.0.1")
run(lambda seen: [e for e in seen[b] if e.type == h.CLUSTER_REPLY and e.request == asked and e.text == "pong"])
b.send("a@127.0.0.1", "box", "{hello, [1, 2.5], <<\\"x\\">>}")
seen = run(lambda seen: [e for e in seen[a] if e.type == h.CLUSTER_MESSAGE])
said = [e for e in seen[a] if e.type == h.CLUSTER_MESSAGE][0]
assert (said.text, said.member.name, cluster.term_text(said.term)) == ("box", "b@127.0.0.1", '{hello,[1,2.5],<<"x">>}'), said
asked = b.call("a@127.0.0.1", "mod", "double", "[21]")
seen = run(lambda seen: [e for e in seen[a] if e.type == h.CLUSTER_CALL])
call = [e for e in seen[a] if e.type == h.CLUSTER_CALL][0]
assert (call.text, cluster.term_text(call.term)) == ("mod:double/1", "[21]"), call
a.answer(call.request, "42")
seen = run(lambda seen: [e for e in seen[b] if e.type == h.CLUSTER_REPLY])
assert [(e.request, cluster.term_text(e.term)) for e in seen[b] if e.type == h.CLUSTER_REPLY] == [(asked, "42")]
asked = b.monitor("a@127.0.0.1", "box")
b.drain()
left = b.leave()
run(lambda seen: [e for e in seen[b] if e.type == h.CLUSTER_LEFT and e.request == left])
a.close()
while not [e for e in b.events() if e.type == h.CLUSTER_REPLY and e.request == asked]:
    b.poll(1)
b.close()
assert cluster.term_text(b"no term") is None
""")

    def place(self):
        return [PYTHON, "examples/bindings/python/place.py"]

    def layout(self):
        return [PYTHON, "-c", """
import ctypes, sys
sys.path.insert(0, "examples/bindings/python")
import cluster_h
for s in cluster_h.STRUCTS:
    print(s.__name__, ctypes.sizeof(s))
    for name, *_ in s._fields_:
        print("%s.%s %d %d" % (s.__name__, name, getattr(s, name).offset, getattr(s, name).size))
"""]

    def test_handles(self):
        """What the programs do not use: own names, maps, push sources, errors with codes, handles that are closed twice."""
        sh(PYTHON, "-c", """
import sys
sys.path.insert(0, "examples/bindings/python")
import cluster, cluster_h as h
with cluster.Cluster(node="me@10.0.0.1", quorum=2, map={"shards": 64}) as c:
    source = c.discover("push:them")
    source.publish(["a@10.0.0.2", {"name": "b@10.0.0.3", "port": 9100}])
    c.wait(5)
    events = list(c.events())
    assert [e.member.name for e in events if e.type == h.CLUSTER_JOIN] == ["me@10.0.0.1", "a@10.0.0.2", "b@10.0.0.3"], events
    assert c.status == h.CLUSTER_READY and c.name == "me@10.0.0.1"
    assert [(m.name, m.port) for m in c.members()][1] == ("b@10.0.0.3", 9100)
    assert sum(c.map().loads().values()) == 64 and c.map().owner(b"k") == cluster.Map([m.name for m in c.members()], shards=64).owner(b"k")
    source.fail(h.CLUSTER_E_IO, "the registry is down")
    c.step()
    assert [e.text for e in c.events() if e.type == h.CLUSTER_SOURCE] == ["the registry is down"]
    for wrong in lambda: c.discover("static:a@h?x=1"), lambda: source.publish(["no node"]), lambda: cluster.Cluster(node="x"), \\
            lambda: cluster.Map(["a", "a"]):
        try:
            wrong()
        except cluster.Error as error:
            assert error.code == h.CLUSTER_E_INVALID and len(str(error)) > 10, error
        else:
            raise AssertionError("no error")
    source.remove()
    c.step()
    assert [m.name for m in c.members()] == ["me@10.0.0.1"]
    assert c.discover("") is None
    c.close()
""")


class Asyncio(Binding, unittest.TestCase):
    def watch(self):
        return [PYTHON, "examples/bindings/python/watch_asyncio.py"]

    test_call = test_ring = None  # as without asyncio

    def place(self):
        return Python.place(self)

    def layout(self):
        return None

    def test_other_tasks_run_beside_it(self):
        sh(PYTHON, "-c", """
import asyncio, sys
sys.path.insert(0, "examples/bindings/python")
import cluster, cluster_h as h

async def main():
    seen = []
    with cluster.Cluster() as c:
        later = c.discover("push:later")
        async def follow():
            async for e in c.watch():
                if e.type == h.CLUSTER_JOIN:
                    seen.append(e.member.name)
                    if len(seen) == 2:
                        return
        async def publish():
            later.publish(["a@h"])
            while not seen:
                await asyncio.sleep(0)
            c.discover("static:b@h")
            later.refresh()
        c.discover("static:c@h?interval=10ms&only=no*")
        await asyncio.wait_for(asyncio.gather(follow(), publish()), 60)
    assert seen == ["a@h", "b@h"], seen

asyncio.run(main())
""")


class LuaJIT(Binding, unittest.TestCase):
    ends_by_itself = False  # Lua has no signals

    def setUp(self):
        needs("luajit")

    def watch(self):
        return [shutil.which("luajit"), "examples/bindings/luajit/watch.lua"]

    def call(self):
        return ["luajit", "examples/bindings/luajit/call.lua"]

    def ring(self):
        return ["luajit", "-e", """
package.path = "examples/bindings/luajit/?.lua;" .. package.path
local cluster = require("cluster")
local ring = assert(cluster.ring("libring", {"a@h", {name = "b@h", weight = 128}}))
print(ring:owner("k") .. " " .. table.concat(ring:owners("k", 3), ","))
assert(select(2, cluster.ring("no", {})) == "there is no such kind of ring")
"""]

    def place(self):
        return ["luajit", "examples/bindings/luajit/place.lua"]

    def layout(self):
        return ["luajit", "-e", """
package.path = "examples/bindings/luajit/?.lua;" .. package.path
local ffi, h = require("ffi"), require("cluster_h")

local function field_size(kind, field)
    local one = ffi.new(kind)
    if type(one[field]) == "cdata" then
        return ffi.sizeof(one[field])
    end
    one[field] = -1 -- a number: as many bytes as this changes
    local bytes, count = ffi.cast("unsigned char *", one), 0
    for i = 0, ffi.sizeof(kind) - 1 do
        count = count + (bytes[i] ~= 0 and 1 or 0)
    end
    return count
end

for _, s in ipairs(h.structs) do
    local kind = "struct " .. s[1]
    print(s[1] .. " " .. ffi.sizeof(kind))
    for i = 2, #s do
        print(("%s.%s %d %d"):format(s[1], s[i], ffi.offsetof(kind, s[i]), field_size(kind, s[i])))
    end
end
"""]


class Cxx(Binding, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        needs("g++")
        for name in "watch", "place", "call":
            cls.compile("examples/bindings/cxx/%s.cpp" % name)

    @staticmethod
    def compile(source):
        out = built("bindings", "cxx-" + os.path.basename(source)[:-4])
        sh("g++", "-std=c++11", *STRICT, "-g", "-fsanitize=address,undefined", "-I.", "-o", out, source, "build/libcluster.a")
        return out

    def watch(self):
        return [built("bindings", "cxx-watch")]

    def call(self):
        return [built("bindings", "cxx-call")]

    def ring(self):
        source = built("bindings", "ring.cpp")
        with open(source, "w", encoding="ascii") as f:
            f.write("""#include "examples/bindings/cxx/cluster.hpp"
#include <iostream>
int main()
{
    clusterxx::ring ring("libring", {"a@h", "b@h"});
    std::vector<std::string> owners = ring.owners("k", 3);
    std::cout << ring.owner("k") << ' ' << owners.at(0) << ',' << owners.at(1) << std::endl;
    try {
        clusterxx::ring("no", {});
    } catch (const clusterxx::error &e) {
        return e.code == CLUSTER_E_UNSUPPORTED && owners.size() == 2 ? 0 : 1;
    }
    return 1;
}
""")
        return [self.compile(source)]

    def place(self):
        return [built("bindings", "cxx-place")]

    def layout(self):
        return None


class Rust(Binding, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        needs("rustc")
        for name in "watch", "place", "call":
            cls.compile("examples/bindings/rust/%s.rs" % name, "-D", "warnings", "-L", "build", "-l", "static=cluster")

    @staticmethod
    def compile(source, *flags):
        out = built("bindings", "rust-" + os.path.basename(source)[:-3])
        sh("rustc", "--edition", "2021", *flags, "-o", out, source)
        return out

    def watch(self):
        return [built("bindings", "rust-watch")]

    def call(self):
        return [built("bindings", "rust-call")]

    def ring(self):
        source = built("bindings", "ring.rs")
        with open(source, "w", encoding="ascii") as f:
            f.write("""#![allow(dead_code)]
#[path = "%s/rust/cluster.rs"]
mod cluster;
fn main() {
    let ring = cluster::Ring::new("libring", &["a@h", "b@h"]).unwrap();
    println!("{} {}", ring.owner(b"k").unwrap(), ring.owners(b"k", 3).join(","));
    assert!(cluster::Ring::new("no", &[]).is_err() && cluster::term("[a").is_err() && cluster::term_text(b"x").is_none());
}
""" % BINDINGS)
        return [self.compile(source, "-L", "build", "-l", "static=cluster")]

    def place(self):
        return [built("bindings", "rust-place")]

    def layout(self):
        return [self.compile(layout_source("rust", "rs"))]

    def test_handles(self):
        """Sources of another handle are refused, names with a NUL too; events cannot outlive their step."""
        source = built("bindings", "handles.rs")
        text = """#![allow(dead_code)]
#[path = "%s/rust/cluster.rs"]
mod cluster;
use cluster::Cluster;

fn main() {
    let mut c = Cluster::named("me@10.0.0.1", 2).unwrap();
    let s = c.discover("push:x").unwrap();
    c.publish(&s, &["a@h", "b@h"]).unwrap();
    c.step(cluster::now(), &[]).unwrap();
    assert_eq!(c.members(), ["a@h", "b@h", "me@10.0.0.1"]);
    assert!(c.watches().is_empty() && c.deadline().is_none());
    assert!(c.publish(&s, &["a\\0b@h"]).is_err() && c.publish(&s, &["no node"]).is_err());
    assert!(Cluster::new().unwrap().publish(&s, &[]).is_err());
    assert!(Cluster::named("nobody", 1).is_err());
    EVENT
}
""" % BINDINGS
        for last in "c.next_event().unwrap();", "let e = c.next_event(); c.poll(0).unwrap(); drop(e);":
            with open(source, "w", encoding="ascii") as f:
                f.write(text.replace("EVENT", last))
            if "drop" not in last:
                sh(self.compile(source, "-L", "build", "-l", "static=cluster"))
                continue
            with self.assertRaisesRegex(AssertionError, "cannot borrow `c` as mutable"):
                self.compile(source, "-L", "build", "-l", "static=cluster")


class Go(Binding, unittest.TestCase):
    environment = {"GOCACHE": os.path.join(ROOT, "build", "tests", "go-cache"), "GOFLAGS": "-mod=mod", "GOPROXY": "off"}

    @classmethod
    def setUpClass(cls):
        needs("go")
        for name in "watch", "place", "call":
            cls.go("build", "-o", built("bindings", "go-" + name), "./" + name)

    @classmethod
    def go(cls, *arguments):
        return sh("go", *arguments, cwd=os.path.join(BINDINGS, "go"), **cls.environment)

    def watch(self):
        return [built("bindings", "go-watch")]

    def call(self):
        return [built("bindings", "go-call")]

    def ring(self):
        source, out = built("bindings", "ring.go"), built("bindings", "go-ring")
        with open(source, "w", encoding="ascii") as f:
            f.write("""package main

import (
    "cluster"
    "fmt"
    "strings"
)

func main() {
    ring, err := cluster.NewRing("libring", "a@h", "b@h")
    if _, none := cluster.NewRing("no"); err != nil || none == nil {
        panic("rings")
    }
    fmt.Println(ring.Owner("k"), strings.Join(ring.Owners("k", 3), ","))
}
""")
        self.go("build", "-o", out, source)
        return [out]

    def place(self):
        return [built("bindings", "go-place")]

    def layout(self):
        out = built("bindings", "go-layout")
        self.go("build", "-o", out, layout_source("go", "go"))
        return [out]

    def test_vet(self):
        self.go("vet", "./...")
        self.assertEqual(sh("gofmt", "-l", os.path.join(BINDINGS, "go")), "")


class Node(Binding, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        needs("node")
        headers = next((path for path in ("/usr/include/node", "/usr/include/nodejs/src") if os.path.exists(path + "/node_api.h")), None)
        if not headers:
            raise unittest.SkipTest("no node_api.h")
        sh("gcc", "-std=c99", *STRICT, "-shared", "-fPIC", "-I.", "-isystem", headers, "-o", "build/cluster.node",
           "examples/bindings/node/addon.c", "build/libcluster.a")

    def watch(self):
        return [shutil.which("node"), "examples/bindings/node/watch.js"]

    def call(self):
        return ["node", "examples/bindings/node/call.js"]

    def ring(self):
        return ["node", "-e", """
const { Ring } = require("./examples/bindings/node/cluster.js");
const ring = new Ring("libring", ["a@h", "b@h"]);
console.log(ring.owner("k"), ring.owners("k", 3).join(","));
require("node:assert").throws(() => new Ring("no", []), /no such kind/);
"""]

    def place(self):
        return ["node", "examples/bindings/node/place.js"]

    def layout(self):
        return None

    def test_handles(self):
        """Published lists, a close from inside an event, timers of Node's own beside it, and what is refused."""
        sh("node", "--expose-gc", "-e", """
const assert = require("node:assert");
const { Cluster, Placement, h } = require("./examples/bindings/node/cluster.js");
const c = new Cluster({ node: "me@10.0.0.1", quorum: 3 });
const source = c.discover("push:them");
const seen = [];
let ticks = 0;
const timer = setInterval(() => ticks++, 1);
c.on("join", (e) => seen.push(e.member));
c.on("status", (e) => {
  if (e.state !== h.READY) return;
  assert.deepStrictEqual(seen, ["me@10.0.0.1", "a@h", "b@h"]);
  assert.deepStrictEqual(c.members, ["a@h", "b@h", "me@10.0.0.1"]);
  c.close(); // from inside
  c.close();
  assert.throws(() => c.members, /closed/);
  assert.throws(() => c.discover("static:"), /closed/);
});
assert.throws(() => c.publish(source, ["no node"]), /node/);
assert.throws(() => c.publish({}, []), /not one of/);
assert.throws(() => c.publish(source, [7]), /array of names/);
assert.throws(() => new Cluster({ node: "x" }), /NAME@HOST/);
assert.throws(() => new Placement(["a", "a"]), /no map/);
assert.strictEqual(new Placement([]).owner("k"), null);
const wait = setInterval(() => {
  if (ticks < 3) return;
  c.publish(source, ["a@h", "b@h"]);
  clearInterval(wait);
  clearInterval(timer);
}, 1);
for (let i = 0; i < 50; i++) new Cluster().close();
global.gc();
process.on("exit", () => assert.strictEqual(seen.length, 3));
""")

    def test_what_a_listener_throws(self):
        done = subprocess.run(["node", "-e", """
const { Cluster } = require("./examples/bindings/node/cluster.js");
const c = new Cluster();
process.on("uncaughtException", (e) => { console.log(e.message); c.close(); });
c.once("join", () => { throw new Error("thrown in a listener"); });
c.discover("static:a@h");
"""], cwd=ROOT, capture_output=True, text=True, timeout=60)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "thrown in a listener\n", ""))


if __name__ == "__main__":
    unittest.main()
