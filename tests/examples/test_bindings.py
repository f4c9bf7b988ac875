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

from clitools import FakeEpmd, Running, until
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


def setUpModule():
    sh(*MAKE, "lib")


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
        for name in "watch", "place":
            sh("g++", "-std=c++11", *STRICT, "-g", "-fsanitize=address,undefined", "-I.", "-o", built("bindings", "cxx-" + name),
               "examples/bindings/cxx/%s.cpp" % name, "build/libcluster.a")

    def watch(self):
        return [built("bindings", "cxx-watch")]

    def place(self):
        return [built("bindings", "cxx-place")]

    def layout(self):
        return None


class Rust(Binding, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        needs("rustc")
        for name in "watch", "place":
            cls.compile("examples/bindings/rust/%s.rs" % name, "-D", "warnings", "-L", "build", "-l", "static=cluster")

    @staticmethod
    def compile(source, *flags):
        out = built("bindings", "rust-" + os.path.basename(source)[:-3])
        sh("rustc", "--edition", "2021", *flags, "-o", out, source)
        return out

    def watch(self):
        return [built("bindings", "rust-watch")]

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
        cls.go("build", "-o", built("bindings", "go-watch"), "./watch")
        cls.go("build", "-o", built("bindings", "go-place"), "./place")

    @classmethod
    def go(cls, *arguments):
        return sh("go", *arguments, cwd=os.path.join(BINDINGS, "go"), **cls.environment)

    def watch(self):
        return [built("bindings", "go-watch")]

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
