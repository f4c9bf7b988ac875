"""The one table of what the tests need: Debian package, what it is for, the parts that use it, how to see that it is there."""
import glob
import os
import shutil

from tools import PACKAGE_OF, Failure, must

C_PARTS = "compile symbols unit cross memory sim faults fuzz examples docs footprint cli interop lint coverage soak bench"

# package, its programs or files (any one of several, separated by |), what for, parts
TABLE = [
    ("gcc", "gcc", "the compiler", C_PARTS),
    ("libc6-dev", "/usr/include/stdio.h", "the C library's headers", C_PARTS),
    ("make", "make", "the build", "examples docs"),
    ("pkg-config", "pkg-config", "flags of libraries", "examples"),
    ("libuv1-dev", "/usr/include/uv.h", "the example on libuv", "examples"),
    ("libevent-dev", "/usr/include/event2/event.h", "the example on libevent", "examples"),
    ("libev-dev", "/usr/include/ev.h", "the example on libev", "examples"),
    ("libglib2.0-dev", "/usr/include/glib-2.0/glib.h", "the example on GLib", "examples"),
    ("liburing-dev", "/usr/include/liburing.h", "the example on io_uring", "examples"),
    ("patch", "patch", "the diff of docs/vendoring.md", "examples"),
    ("cmake", "cmake", "its snippets", "examples"),
    ("meson", "meson", "its snippets", "examples"),
    ("ninja-build", "ninja", "its snippets", "examples"),
    ("mandoc", "mandoc", "the manual pages", "docs"),
    ("luajit", "luajit", "a binding", "examples"),
    ("rustc", "rustc", "a binding", "examples"),
    ("nodejs", "node", "a binding", "examples"),
    ("libnode-dev", "/usr/include/node*/node_api.h|/usr/include/nodejs/src/node_api.h", "a binding", "examples"),
    ("golang-go", "go", "a binding", "examples"),
    ("gcc-arm-linux-gnueabihf", "arm-linux-gnueabihf-gcc", "32-bit ARM", "examples"),
    ("libc6-dev-armhf-cross", "/usr/arm-linux-gnueabihf/include/stdio.h", "32-bit ARM", "examples"),
    ("g++", "g++", "the header as C++", "compile examples"),
    ("clang", "clang", "the second compiler", "compile memory soak examples"),
    ("clang-tidy", "clang-tidy", "static analysis", "lint"),
    ("clang-format", "clang-format", "the layout", "lint"),
    ("cppcheck", "cppcheck", "static analysis", "lint"),
    ("libcmocka-dev", "/usr/include/cmocka.h", "unit tests", "unit sim faults fuzz coverage soak"),
    ("tcc", "tcc", "a small compiler", "compile"),
    ("musl-tools", "musl-gcc", "another C library", "compile examples"),
    ("libclang-rt-dev", "/usr/lib/llvm-*/lib/clang/*/lib/linux/libclang_rt.fuzzer-*.a", "clang's sanitizers and fuzzer",
     "memory soak"),
    ("binutils", "nm", "the symbol table", "symbols footprint examples"),
    ("libc-ares-dev", "/usr/include/ares.h", "the other resolver behind dns:, and one to compare with", "unit bench interop"),
    ("erlang-base", "erl", "real nodes and epmd", "interop cli docs examples"),
    ("erlang-dev", "/usr/include/ei.h", "OTP's own C library, to compare with", "bench interop"),
    ("erlang-ssl", "/usr/lib/erlang/lib/ssl-*", "nodes on TLS", "interop"),
    ("erlang-crypto", "/usr/lib/erlang/lib/crypto-*", "gossip that is enciphered", "interop"),
    ("elixir", "elixir", "libcluster's own language", "interop docs"),
    ("gcovr", "gcovr", "coverage", "coverage"),
    ("gcc-i686-linux-gnu", "i686-linux-gnu-gcc", "32 bits", "compile cross"),
    ("libc6-dev-i386-cross", "/usr/i686-linux-gnu/include/stdio.h", "32 bits", "compile cross"),
    ("gcc-s390x-linux-gnu", "s390x-linux-gnu-gcc", "big-endian", "compile cross examples"),
    ("libc6-dev-s390x-cross", "/usr/s390x-linux-gnu/include/stdio.h", "big-endian", "compile cross examples"),
    ("qemu-user", "qemu-s390x", "running what is built for other machines", "cross examples"),
    ("knot", "knotd", "a DNS server", "interop"),
    ("nsd", "nsd", "another DNS server", "interop"),
    ("bind9", "named", "a third one", "interop"),
    ("dnsmasq-base", "dnsmasq", "the DNS server of small networks", "interop"),
    ("nginx-light", "nginx", "its consistent hashing", "interop"),
    ("libmemcached-dev", "/usr/include/libmemcached/memcached.h", "its consistent hashing", "interop"),
    ("python3-yaml", "/usr/lib/python3/dist-packages/yaml", "the deployment files", "examples"),
    ("docker.io", "dockerd", "running them", "examples"),
    ("docker-compose", "docker-compose|/usr/lib*/docker/cli-plugins/docker-compose", "running them", "examples"),
    ("iproute2", "ip", "network namespaces", "interop cli examples"),
    ("strace", "strace", "watching the system calls", "interop cli examples"),
    ("etcd-server", "etcd", "a real etcd", "interop"),
    ("libssl-dev", "/usr/include/openssl/ssl.h", "https in clusterctl", "cli interop docs examples"),
    ("openssl", "openssl", "certificates for tests", "cli interop"),
    ("valgrind", "valgrind", "memory checks", "memory"),
    ("procps", "ps", "looking at processes", "interop cli examples"),
    ("redis-tools", "redis-benchmark", "clients of examples/kv.c", "examples soak"),
    ("chromium", "chromium", "the page of examples/kv.c", "examples"),
    ("util-linux", "unshare", "network namespaces", "interop cli examples"),
]

for _package, _probes, _, _ in TABLE:
    for _probe in _probes.split("|"):
        if not _probe.startswith("/"):
            PACKAGE_OF[_probe] = _package


def present(probes):
    return any(glob.glob(probe) if probe.startswith("/") else shutil.which(probe) for probe in probes.split("|"))


def needed(parts):
    """The rows of the table that these parts use."""
    return [row for row in TABLE if set(row[3].split()) & set(parts)]


def missing(parts):
    return [row for row in needed(parts) if not present(row[1])]


def can_install():
    """As root on Debian, unless DEPS=none."""
    return (os.environ.get("DEPS") != "none" and os.geteuid() == 0
            and os.path.exists("/etc/debian_version") and shutil.which("apt-get") is not None)


def install(parts, say):
    """Get what the parts lack. Returns a sentence on what is still missing, or an empty one."""
    rows = missing(parts)
    if not rows:
        return ""
    for package, _, why, users in rows:
        say("missing: %s (%s; for %s)" % (package, why, ", ".join(p for p in users.split() if p in parts)))
    if can_install():
        environment = {"DEBIAN_FRONTEND": "noninteractive"}
        say("installing with apt-get; DEPS=none goes without")
        try:
            must(["apt-get", "update", "-q"], timeout=300, env=environment)
            must(["apt-get", "install", "-q", "-y", "--no-install-recommends", *(row[0] for row in rows)],
                 timeout=900, env=environment)
        except Failure as failure:
            say(str(failure))
    rows = missing(parts)
    return "still missing: " + " ".join(row[0] for row in rows) if rows else ""
