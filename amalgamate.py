#!/usr/bin/env python3
"""Join the fragments of src/ to the single header cluster.h.

The manifest below is the order of the fragments in the header. The `#include "..."` lines of the fragments are the arrows
between them: each must point to an earlier fragment of the same layer or of a layer below. The same sources give the same
bytes: nothing of the date, the machine or the history goes in.
"""
import argparse
import difflib
import hashlib
import os
import re
import sys

LAYERS = ["api", "base", "wire", "loop", "member", "place", "net", "link", "discover", "core"]

# What CLUSTER_NO_<PART> leaves out.
PARTS = {
    "CONSUL": "consul: sources",
    "CONNECT": "options.connect, cluster_report, and links to Erlang nodes with it",
    "DNS": "dns: sources, cluster_resolve",
    "EC2": "ec2: sources, with XML and the signature of their requests",
    "ERLANG": "links to Erlang nodes: options.connect erlang, options.listen, cluster_ping",
    "EPMD": "epmd: sources, cluster_epmd_names, cluster_epmd_port",
    "EPMD_SERVER": "an epmd of its own: options.epmd",
    "ETCD": "etcd: sources",
    "FILE": "file: sources",
    "GOSSIP": "gossip: sources, with their digest and cipher",
    "HOSTS": "hosts: sources",
    "HTTP": "requests by HTTP, and all sources on it",
    "KUBERNETES": "kubernetes: sources",
    "MAP": "placement: cluster_map_..., options.map",
    "RANCHER": "rancher: sources",
    "REFERENCE": "the reference of URLs: cluster_url_reference",
    "RING": "rings and routers of other systems: cluster_ring_..., cluster_phash2, cluster_jump",
    "TERM": "terms of Erlang as text: cluster_term_...",
    "POSIX": "the default I/O hooks and cluster_now: the host has its own",
}

# The parts that each preset leaves out.
PRESETS = {
    "core": ["CONNECT", "CONSUL", "DNS", "EC2", "EPMD", "EPMD_SERVER", "ERLANG", "ETCD", "GOSSIP", "HOSTS", "HTTP", "KUBERNETES", "MAP", "RANCHER", "REFERENCE", "RING", "TERM"],
    "dns": ["CONSUL", "EC2", "EPMD", "EPMD_SERVER", "ERLANG", "ETCD", "GOSSIP", "HOSTS", "HTTP", "KUBERNETES", "MAP", "RANCHER", "REFERENCE", "RING", "TERM"],
    "beam": ["CONSUL", "EC2", "ETCD", "HTTP", "KUBERNETES", "MAP", "RANCHER", "REFERENCE"],
    "all": [],
}

# A fragment, and the parts that need it; none: every build does.
MANIFEST = [
    ("api.h", []),
    ("base/platform.h", []),
    ("base/errors.h", []),
    ("base/memory.h", []),
    ("base/messages.h", []),
    ("base/bytes.h", []),
    ("base/text.h", []),
    ("base/shared.h", []),
    ("base/arena.h", []),
    ("base/sort.h", []),
    ("base/hash.h", []),
    ("base/decimal.h", ["TERM"]),
    ("base/digest.h", ["EC2", "ERLANG", "GOSSIP", "RING"]),
    ("base/md5.h", ["ERLANG", "RING"]),
    ("base/sha1.h", ["RING"]),
    ("base/crc32.h", ["RING"]),
    ("base/sha256.h", ["EC2", "GOSSIP"]),
    ("base/aes.h", ["GOSSIP"]),
    ("wire/name.h", []),
    ("wire/number.h", []),
    ("wire/address.h", []),
    ("wire/epmd.h", ["CONNECT", "EPMD", "EPMD_SERVER", "ERLANG", "HOSTS"]),
    ("wire/glob.h", []),
    ("wire/term.h", ["ERLANG", "GOSSIP", "RING", "TERM"]),
    ("wire/term_text.h", ["TERM"]),
    ("wire/term_parse.h", ["TERM"]),
    ("wire/term_print.h", ["TERM"]),
    ("wire/control.h", ["ERLANG"]),
    ("wire/handshake.h", ["ERLANG"]),
    ("wire/gossip.h", ["GOSSIP"]),
    ("wire/hosts.h", ["CONNECT", "CONSUL", "DNS", "EC2", "EPMD", "EPMD_SERVER", "ERLANG", "ETCD", "FILE", "GOSSIP", "HOSTS", "HTTP", "KUBERNETES", "RANCHER"]),
    ("wire/nodefinder.h", ["GOSSIP"]),
    ("wire/dns.h", ["DNS"]),
    ("wire/resolv.h", ["DNS"]),
    ("wire/http.h", ["CONSUL", "EC2", "ETCD", "HTTP", "KUBERNETES", "RANCHER"]),
    ("wire/json.h", ["CONSUL", "EC2", "ETCD", "KUBERNETES", "RANCHER"]),
    ("wire/compose.h", ["CONSUL", "EC2", "ETCD", "HTTP", "KUBERNETES", "RANCHER"]),
    ("wire/sigv4.h", ["EC2"]),
    ("wire/xml.h", ["EC2"]),
    ("wire/url.h", []),
    ("loop/queue.h", []),
    ("loop/timer.h", []),
    ("loop/loop.h", []),
    ("loop/posix.h", ["POSIX"]),
    ("member/diff.h", []),
    ("member/record.h", []),
    ("member/status.h", []),
    ("member/table.h", []),
    ("member/claims.h", []),
    ("place/rendezvous.h", ["MAP", "RING"]),
    ("place/map.h", ["MAP"]),
    ("place/deal.h", ["MAP"]),
    ("place/save.h", ["MAP"]),
    ("place/next.h", ["MAP"]),
    ("place/plan.h", ["MAP"]),
    ("place/pick.h", ["MAP"]),
    ("place/jump.h", ["RING"]),
    ("place/phash2.h", ["RING"]),
    ("place/points.h", ["RING"]),
    ("place/logarithm.h", ["RING"]),
    ("place/ring.h", ["RING"]),
    ("net/lookup.h", ["CONNECT", "CONSUL", "DNS", "EC2", "EPMD", "EPMD_SERVER", "ERLANG", "ETCD", "FILE", "GOSSIP", "HOSTS", "HTTP", "KUBERNETES", "RANCHER"]),
    ("net/question.h", ["DNS"]),
    ("net/exchange.h", ["DNS"]),
    ("net/cares.h", ["DNS"]),
    ("net/resolver.h", ["DNS"]),
    ("net/epmd_server.h", ["EPMD_SERVER"]),
    ("net/http.h", ["HTTP"]),
    ("link/why.h", ["CONNECT", "ERLANG"]),
    ("link/channel.h", ["CONNECT", "ERLANG"]),
    ("link/dial.h", ["CONNECT", "ERLANG"]),
    ("link/reach.h", ["CONNECT", "ERLANG"]),
    ("link/peer.h", ["CONNECT", "ERLANG"]),
    ("link/host.h", ["CONNECT"]),
    ("link/probe.h", ["CONNECT"]),
    ("link/link.h", ["ERLANG"]),
    ("link/lease.h", ["ERLANG"]),
    ("link/listen.h", ["ERLANG"]),
    ("link/node.h", ["ERLANG"]),
    ("link/process.h", ["ERLANG"]),
    ("link/rpc.h", ["ERLANG"]),
    ("discover/list.h", []),
    ("discover/dns.h", ["DNS"]),
    ("discover/epmd.h", ["EPMD", "HOSTS"]),
    ("discover/file.h", ["FILE"]),
    ("discover/hosts.h", ["HOSTS"]),
    ("discover/gossip.h", ["GOSSIP"]),
    ("discover/found.h", ["CONSUL", "EC2", "ETCD", "KUBERNETES", "RANCHER"]),
    ("discover/web.h", ["CONSUL", "EC2", "ETCD", "KUBERNETES", "RANCHER"]),
    ("discover/kubernetes.h", ["KUBERNETES"]),
    ("discover/consul.h", ["CONSUL"]),
    ("discover/etcd.h", ["ETCD"]),
    ("discover/ec2.h", ["EC2"]),
    ("discover/rancher.h", ["RANCHER"]),
    ("discover/schemes.h", []),
    ("discover/source.h", []),
    ("discover/publish.h", []),
    ("discover/doors.h", []),
    ("discover/ask.h", ["DNS"]),
    ("discover/fetch.h", ["HTTP"]),
    ("discover/open.h", []),
    ("discover/reference.h", ["REFERENCE"]),
    ("core/handle.h", []),
    ("core/quorum.h", []),
    ("core/own.h", []),
    ("core/placement.h", ["MAP"]),
    ("core/step.h", []),
    ("core/names.h", []),
    ("core/links.h", []),
    ("core/create.h", []),
    ("core/sources.h", []),
]

ROOT = os.path.dirname(os.path.abspath(__file__))

BANNER = """\
/*
 * Do this:
 *     #define CLUSTER_IMPLEMENTATION
 *     #include "cluster.h"
 * in ONE .c file of its own, and #include "cluster.h" alone everywhere else.
 *
 * cluster.h {version}: join an Erlang/Elixir cluster, or form one of your own, from C: one header, your event loop.
 * MIT licence, the text is at the end. {lines} lines, generated by amalgamate.py from src/ (sha256 {hash}){parts}.
 *
 * Switches, the same in every file that includes this one:
 *     CLUSTER_NAMESPACE=foo_   every function is foo_cluster_...: two copies link into one program
 * and in the one with the implementation:
 *     CLUSTER_STATIC           every function is static
 *     CLUSTER_USE_CARES        dns: asks through c-ares (-lcares); docs/urls.md says what differs
{switches}
 */"""

TOO_STRICT = """\
/* A system header was included before this file, and what is needed here stayed hidden. */
#if !defined(CLOCK_MONOTONIC) || !defined(IP_MULTICAST_TTL)
#error "cluster.h: include it before any system header, or compile with -D_DEFAULT_SOURCE"
#endif"""


class Refused(Exception):
    """A fragment or the manifest is wrong. The text says where, and what to change."""


class Fragment:
    """One file of src/: its arrows, its system headers, and the lines that go into the header."""

    def __init__(self, path, parts):
        self.path, self.parts = path, parts
        self.layer = path.split("/")[0] if "/" in path else path[:-2]
        self.local, self.system, self.body, self.prologue = [], [], [], []
        try:
            with open(os.path.join(ROOT, "src", path), "rb") as f:
                self.bytes = f.read()
        except FileNotFoundError:
            raise Refused("src/%s: the manifest lists it, but there is no such file: "
                          "take it out of MANIFEST in amalgamate.py, or add it" % path)
        for number, line in enumerate(self.bytes.split(b"\n"), 1):
            if any(c > 126 or c < 32 for c in line):
                raise Refused("src/%s:%d: a byte that is no printable ASCII: write it in ASCII" % (path, number))
        self._read(self.bytes.decode("ascii").split("\n"))

    def _read(self, lines):
        while lines and not lines[-1]:
            lines.pop()
        guard = "CLU_" + re.sub(r"[/.]", "_", self.path).upper()
        wanted = ["#ifndef " + guard, "#define " + guard]
        at = next((i for i, line in enumerate(lines) if line.startswith("#")), len(lines))
        if lines[at:at + 2] != wanted or lines[-1] != "#endif":
            raise Refused("src/%s: the guard must be `%s`, `%s` before all code and `#endif` as the last line"
                          % (self.path, *wanted))
        depth, begun = 0, False
        for number, line in enumerate(lines[:-1], 1):
            if at < number <= at + 2:
                continue
            directive = re.match(r"\s*#\s*(\w+)\s*(.*)", line)
            word, rest = directive.groups() if directive else ("", "")
            if word.startswith("if"):
                depth += 1
            elif word == "endif":
                depth -= 1
            elif word == "include":
                begun = True
                if rest.startswith('"'):
                    name = os.path.join(os.path.dirname(self.path), rest.split('"')[1])
                    self.local.append((number, os.path.normpath(name)))
                    continue
                if depth == 0 and self.layer != "api":
                    self.system.append(rest)
                    continue
            early = self.path == "base/platform.h" and number > at + 2 and not begun
            (self.prologue if early else self.body).append((number, line))

    def condition(self, left_out):
        """The preprocessor condition under which this fragment is there; None: always."""
        tests = ["!defined(CLUSTER_NO_%s)" % p for p in self.parts if p not in left_out]
        if len(tests) < 2:
            return tests[0].replace("!defined(", "#ifndef ").rstrip(")") if tests else None
        return "#if " + " || ".join(tests)


def near(word, known):
    """A sentence on the right word for a wrong one."""
    close = difflib.get_close_matches(word, known, 1)
    return ("did you mean `%s`? " % close[0] if close else "") + "Known are: %s." % ", ".join(known)


def load():
    """Every fragment of the manifest, in order, with all arrows checked."""
    paths = [path for path, _ in MANIFEST]
    listed = set(paths)
    for path in paths:
        if paths.count(path) > 1:
            raise Refused("src/%s: listed twice in MANIFEST in amalgamate.py" % path)
    for folder, folders, names in os.walk(os.path.join(ROOT, "src")):
        folders.sort()
        for name in sorted(n for n in names if not n.startswith(".")):
            path = os.path.relpath(os.path.join(folder, name), os.path.join(ROOT, "src"))
            if path not in listed:
                raise Refused("src/%s: not listed: put it into MANIFEST in amalgamate.py, after all it includes" % path)
    fragments = [Fragment(path, parts) for path, parts in MANIFEST]
    for f in fragments:
        if f.layer not in LAYERS:
            raise Refused("src/%s: there is no layer `%s`: %s" % (f.path, f.layer, near(f.layer, LAYERS)))
        for part in f.parts:
            if part not in PARTS:
                raise Refused("src/%s: there is no part `%s`: %s" % (f.path, part, near(part, sorted(PARTS))))
    check_arrows(fragments)
    return fragments


def check_arrows(fragments):
    by_path = {f.path: f for f in fragments}
    order = [f.path for f in fragments]
    for f in fragments:
        for number, target in f.local:
            where = "src/%s:%d: " % (f.path, number)
            if target not in by_path:
                raise Refused(where + "includes src/%s, which is no fragment" % target)
            if LAYERS.index(by_path[target].layer) > LAYERS.index(f.layer):
                raise Refused(where + "layer `%s` may not include from `%s`, which is above it: move what is shared down"
                              % (f.layer, by_path[target].layer))
            lacks = set(f.parts) - set(by_path[target].parts)
            if lacks and by_path[target].parts:
                raise Refused(where + "a fragment of %s includes src/%s, which is left out with %s: add it to the parts of that"
                              % (", ".join(f.parts), target, ", ".join(by_path[target].parts)))
    for f in fragments:
        cycle = find_cycle(f.path, by_path)
        if cycle:
            raise Refused("a cycle of includes: " + " -> ".join("src/" + path for path in cycle)
                          + ": put what both need into a third fragment")
    for f in fragments:
        for number, target in f.local:
            if order.index(target) > order.index(f.path):
                raise Refused("src/%s:%d: includes src/%s, which MANIFEST in amalgamate.py lists later: list it earlier"
                              % (f.path, number, target))


def find_cycle(start, by_path):
    """The fragments on a way from `start` back to itself, or None."""
    ways, seen = [[start]], set()
    while ways:
        way = ways.pop()
        for _, target in by_path[way[-1]].local:
            if target == start:
                return way + [start]
            if target not in seen:
                seen.add(target)
                ways.append(way + [target])
    return None


def functions(api):
    """The names of all public functions, in the order of their declarations."""
    text = re.sub(r"/\*.*?\*/", "", api.bytes.decode("ascii"), flags=re.S)
    return re.findall(r"^CLUSTER_API\s[^;(]*?\b(cluster_\w+)\(", text, re.M)


class Output:
    """The lines of a file under way, below `above` others. With `name`, #line directives say where each comes from."""

    def __init__(self, name, above):
        self.lines, self.name, self.above, self.here = [], name, above, None

    def add(self, text=""):
        if self.here:
            self.here = None
            self.lines.append('#line %d "%s"' % (self.above + len(self.lines) + 2, self.name))
        self.lines += text.split("\n")

    def fragment(self, path, body):
        """A fragment's lines, without blank runs and without conditions that have become empty."""
        body = list(body)
        for i in range(len(body) - 1, 0, -1):
            if re.match(r"#\s*endif", body[i][1]) and re.match(r"#\s*if", body[i - 1][1]):
                del body[i - 1:i + 1]
        kept = []
        for number, line in body:
            if line or (kept and kept[-1][1]):
                kept.append((number, line))
        while kept and not kept[-1][1]:
            kept.pop()
        for number, line in kept:
            if self.name and self.here != number:
                self.lines.append('#line %d "src/%s"' % (number, path))
            if self.name:
                self.here = number + 1
            self.lines.append(line)


class Amalgamation:
    """The header, or its two halves, for a set of parts that are left out."""

    def __init__(self, fragments, left_out, line_directives):
        self.left_out, self.line_directives = sorted(left_out), line_directives
        self.fragments = [f for f in fragments if not f.parts or set(f.parts) - set(left_out)]
        self.api, self.private = self.fragments[0], self.fragments[1:]
        self.prologue = next(f for f in self.private if f.prologue)
        with open(os.path.join(ROOT, "LICENSE"), encoding="ascii") as f:
            self.licence = f.read()

    def banner(self, lines):
        digest = hashlib.sha256("\0".join(self.left_out).encode())
        for f in self.fragments:
            digest.update(b"%s\0%d\0%s" % (f.path.encode(), len(f.bytes), f.bytes))
        version = re.search(r'CLUSTER_VERSION_STRING "([^"]+)"', self.api.bytes.decode("ascii")).group(1)
        switches = "\n".join(" *     CLUSTER_NO_%-13s leave out %s" % (p, PARTS[p]) for p in PARTS if p not in self.left_out)
        parts = " without " + ", ".join(self.left_out) if self.left_out else ""
        return BANNER.format(version=version, lines=lines, hash=digest.hexdigest()[:16], parts=parts, switches=switches)

    def declarations(self, out):
        out.add("#ifndef CLUSTER_H\n#define CLUSTER_H\n")
        for part in self.left_out:
            out.add("#ifndef CLUSTER_NO_{0}\n#define CLUSTER_NO_{0} /* not in this file */\n#endif".format(part))
        out.add("#ifdef CLUSTER_NAMESPACE")
        out.add("#define CLU_PASTE(space, name) space##name")
        out.add("#define CLU_NAMED(space, name) CLU_PASTE(space, name)")
        for name in functions(self.api):
            out.add("#define {0} CLU_NAMED(CLUSTER_NAMESPACE, {0})".format(name))
        out.add("#endif\n")
        self.banded(out, self.api)
        out.add("\n#endif /* CLUSTER_H */")

    def banded(self, out, f):
        out.add("/* ---- begin src/%s ---- */" % f.path)
        out.fragment(f.path, f.body)
        out.add("/* ---- end src/%s ---- */" % f.path)

    def feature_macros(self, out):
        out.fragment(self.prologue.path, self.prologue.prologue)

    def implementation(self, out):
        of_api = {line.split(None, 1)[1] for _, line in self.api.body if line.startswith("#include <")}
        needed = {}
        for f in self.private:
            for header in f.system:
                needed.setdefault(header, set()).add(f.condition(self.left_out))
        groups = {}
        for header, conditions in needed.items():
            condition = None if None in conditions or len(conditions) > 1 else next(iter(conditions))
            if header not in of_api:
                groups.setdefault(condition, []).append(header)
        hidden = {"<time.h>", "<netinet/in.h>"} - set(groups.get(None, []))
        for condition in sorted(groups, key=lambda c: c or ""):
            text = "\n".join("#include " + header for header in sorted(groups[condition]))
            if hidden <= set(groups[condition]) and (hidden or not condition):
                text += "\n\n" + TOO_STRICT
            out.add(text if not condition else "\n%s\n%s\n#endif" % (condition, text))
        for f in self.private:
            condition = f.condition(self.left_out)
            out.add("\n" + condition if condition else "")
            self.banded(out, f)
            if condition:
                out.add("#endif")

    def licence_comment(self, out):
        out.add("\n/*\n" + "\n".join((" * " + line).rstrip() for line in self.licence.strip().split("\n")) + "\n */")

    def start(self, name):
        return Output(name if self.line_directives else None, self.banner(0).count("\n") + 1)

    def finish(self, out):
        """The text, its first lines the banner with the count of all lines."""
        return self.banner(out.above + len(out.lines)) + "\n" + "\n".join(out.lines) + "\n"

    def header(self, name):
        out = self.start(name)
        out.add("\n#ifdef CLUSTER_IMPLEMENTATION")
        self.feature_macros(out)
        out.add("#endif\n")
        self.declarations(out)
        out.add("\n#if defined(CLUSTER_IMPLEMENTATION) && !defined(CLU_IMPLEMENTED)\n#define CLU_IMPLEMENTED\n")
        self.implementation(out)
        out.add("\n#endif /* CLUSTER_IMPLEMENTATION */")
        self.licence_comment(out)
        return self.finish(out)

    def split(self):
        """The texts of a cluster.h with the declarations and a cluster.c with the implementation."""
        h = self.start("cluster.h")
        h.add()
        self.declarations(h)
        self.licence_comment(h)
        c = self.start("cluster.c")
        c.add()
        self.feature_macros(c)
        c.add('\n#include "cluster.h"\n')
        self.implementation(c)
        self.licence_comment(c)
        return self.finish(h), self.finish(c)


def write(path, text):
    """Write what differs; else only say that it is fresh, so that make need not ask again."""
    if path == "-":
        sys.stdout.write(text)
        return
    try:
        with open(path, encoding="ascii") as f:
            if f.read() == text:
                os.utime(path)
                return
    except (FileNotFoundError, UnicodeDecodeError):
        pass
    with open(path + ".new", "w", encoding="ascii", newline="\n") as f:
        f.write(text)
    os.replace(path + ".new", path)


def check(text):
    path = os.path.join(ROOT, "cluster.h")
    try:
        with open(path, encoding="utf-8", errors="replace") as f:
            committed = f.read().split("\n")
    except FileNotFoundError:
        raise Refused("cluster.h: there is none: run `make cluster.h` and commit it")
    fresh = text.split("\n")
    if committed == fresh:
        return
    at = next((i for i, (a, b) in enumerate(zip(committed, fresh)) if a != b and "sha256" not in a),
              min(len(committed), len(fresh)))
    raise Refused("cluster.h:%d: not what src/ gives: edit src/, not cluster.h; run `make cluster.h` and commit it" % (at + 1))


def list_manifest(fragments):
    for f in fragments:
        print("%5d  %-28s %s" % (f.bytes.count(b"\n"), "src/" + f.path, " ".join(f.parts)))


def arguments():
    parser = argparse.ArgumentParser(
        description="Join the fragments of src/ to the single header cluster.h.",
        epilog="Parts: " + "; ".join("%s (%s)" % item for item in PARTS.items()) + ".")
    parser.add_argument("--check", action="store_true", help="write nothing; fail when cluster.h is not what src/ gives")
    parser.add_argument("--list", action="store_true", help="print the manifest: lines, fragment, its parts")
    parser.add_argument("--split", action="store_true", help="write cluster.c and cluster.h into the folder of -o")
    parser.add_argument("--preset", metavar="P", default="all",
                        help="; ".join("%s: without %s" % (p, ", ".join(out) or "nothing") for p, out in PRESETS.items()))
    parser.add_argument("--without", metavar="PART,...", default="", help="leave these parts out of the file")
    parser.add_argument("--line", action="store_true", help="point debuggers and warnings to the fragments")
    parser.add_argument("-o", metavar="FILE", help="where to write; - is standard output (default: cluster.h, whole)")
    args = parser.parse_args()
    if args.preset not in PRESETS:
        parser.error("there is no preset `%s`: %s" % (args.preset, near(args.preset, list(PRESETS))))
    args.left_out = set(PRESETS[args.preset])
    for part in filter(None, args.without.upper().split(",")):
        part = part.replace("CLUSTER_NO_", "")
        if part not in PARTS:
            parser.error("there is no part `%s`: %s" % (part, near(part, sorted(PARTS))))
        args.left_out.add(part)
    if (args.left_out or args.split or args.line) and not args.o and not args.list:
        parser.error("say where to write it with -o: cluster.h in this folder is always the whole")
    if args.check and (args.left_out or args.split or args.line or args.o):
        parser.error("--check is about the whole cluster.h and goes with no other option")
    return args


def main():
    args = arguments()
    try:
        fragments = load()
        if args.list:
            list_manifest(fragments)
            return 0
        whole = Amalgamation(fragments, args.left_out, args.line)
        if args.check:
            check(whole.header("cluster.h"))
        elif args.split:
            os.makedirs(args.o, exist_ok=True)
            for name, text in zip(("cluster.h", "cluster.c"), whole.split()):
                write(os.path.join(args.o, name), text)
        else:
            path = args.o or os.path.join(ROOT, "cluster.h")
            write(path, whole.header(os.path.basename(path)))
    except (Refused, OSError) as error:
        print("amalgamate.py: %s" % error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
