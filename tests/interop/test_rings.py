"""Rings against the systems that they are of: a real nginx and the real libmemcached."""
import http.client
import os
import random
import shutil
import subprocess
import tempfile
import unittest

from interoptools import LOOPBACK, ROOT, ctl, free_port, lacks, until

KEYS = ["user:%d" % i for i in range(400)] + ["a", "~", "%s" % ("k" * 300)]

NGINX = """\
daemon off;
master_process off;
worker_processes 1;
error_log {folder}/error.log;
pid {folder}/pid;
events {{ worker_connections 200; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    keepalive_requests 100000;
{servers}
{pools}
    server {{
        listen {front};
{locations}
    }}
}}
"""

# SERVER WEIGHT pairs as arguments, a key a line on standard input: the index of each one's server.
LIBMEMCACHED = r"""
#include <libmemcached/memcached.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
    memcached_st *m = memcached_create(NULL);
    memcached_server_st *list = NULL;
    memcached_return_t result = MEMCACHED_SUCCESS;
    char line[1024];
    int i;
    memcached_behavior_set(m, MEMCACHED_BEHAVIOR_KETAMA_WEIGHTED, 1);
    for (i = 1; i + 1 < argc; i += 2) {
        char *colon = strrchr(argv[i], ':');
        *colon = '\0';
        list = memcached_server_list_append_with_weight(list, argv[i], (in_port_t)atoi(colon + 1),
                                                        (uint32_t)strtoul(argv[i + 1], NULL, 10), &result);
    }
    if (result != MEMCACHED_SUCCESS || memcached_server_push(m, list) != MEMCACHED_SUCCESS)
        return 1;
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = '\0';
        printf("%u\n", (unsigned)memcached_generate_hash(m, line, strlen(line)));
    }
    return 0;
}
"""


def ours(kind, nodes, weights, keys):
    """The owner of each key."""
    more = ["--weights", ",".join(map(str, weights))] if weights else []
    done = ctl("owner", "--kind", kind, "--nodes", ",".join(nodes), *more, "-", stdin="\n".join(keys) + "\n")
    if done.code != 0:
        raise AssertionError(done.err)
    return [line.rpartition(" ")[2] for line in done.lines]


class Folder(unittest.TestCase):
    maxDiff = 2000

    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)


@unittest.skipIf(lacks("nginx"), lacks("nginx"))
class Nginx(Folder):
    def test_hash_consistent(self):
        ports = random.sample(sorted({free_port() for _ in range(20)}), 12)
        front, *ports = ports
        tcp = ["%s:%d" % (LOOPBACK, port) for port in ports]
        unix = ["unix:%s/%d" % (self.folder, i) for i in range(3)]
        pools = [
            (tcp[:1], []), (tcp[:3], []), (tcp, []), (tcp[:4], [1, 5, 2, 3]), (tcp[::-1], [1 + i % 3 for i in range(len(tcp))]),
            (unix, []), (unix + tcp[:2], [3, 1, 1, 2, 1]), (["UNIX" + unix[0][4:], tcp[0]], []),
        ]
        with open(os.path.join(self.folder, "nginx.conf"), "w", encoding="utf-8") as file:
            file.write(NGINX.format(
                folder=self.folder, front="%s:%d" % (LOOPBACK, front),
                servers="\n".join('    server { listen %s; return 200 "%s"; }' % (name, name) for name in tcp + unix),
                pools="\n".join("    upstream p%d {\n        hash $arg_k consistent;\n%s\n    }" % (number, "\n".join(
                    "        server %s weight=%d;" % (name, weights[i] if weights else 1) for i, name in enumerate(names)))
                    for number, (names, weights) in enumerate(pools)),
                locations="\n".join("        location = /p%d { proxy_pass http://p%d; }" % (i, i) for i in range(len(pools)))))
        process = subprocess.Popen([shutil.which("nginx"), "-p", self.folder, "-c", "nginx.conf"], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self.folder)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        until(lambda: self.ask(front, 0, ["x"]) or process.poll() is not None, "nginx answers")
        self.assertIsNone(process.poll())
        for number, (names, weights) in enumerate(pools):
            with self.subTest(names=names, weights=weights):
                theirs = self.ask(front, number, KEYS)
                self.assertEqual([name.lower() for name in ours("nginx", names, weights, KEYS)], theirs)
                self.assertEqual(len(set(theirs)), len(names))

    def ask(self, port, pool, keys):
        connection = http.client.HTTPConnection(LOOPBACK, port, timeout=30)
        answers = []
        try:
            for key in keys:
                connection.request("GET", "/p%d?k=%s" % (pool, key))
                answers.append(connection.getresponse().read().decode())
        except OSError:
            return []
        finally:
            connection.close()
        return answers


@unittest.skipIf(lacks("cc"), lacks("cc"))
class Libmemcached(Folder):
    def setUp(self):
        super().setUp()
        source, self.program = os.path.join(self.folder, "keys.c"), os.path.join(self.folder, "keys")
        with open(source, "w", encoding="utf-8") as file:
            file.write(LIBMEMCACHED)
        done = subprocess.run(["cc", "-o", self.program, source, "-lmemcached"], capture_output=True, text=True, timeout=120)
        if "libmemcached/memcached.h: No such file" in done.stderr:
            self.skipTest("no libmemcached here")
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_ketama_weighted(self):
        seed = random.randrange(1 << 30)
        chance = random.Random(seed)
        keys = ["key-%d" % i for i in range(3000)]
        for count in (1, 2, 3, 7, 24, 25, 50, 99, 100):  # Debian's aborts beyond 100
            nodes = ["10.0.%d.%d:%d" % (i // 256, i % 256, chance.choice([11211, 11212])) for i in range(count)]
            if count == 7:
                nodes[:2] = ["cache-1.example.com:11211", "cache-2.example.com:80"]
            for most in (1, 10, 1000, (1 << 32) - 1):
                weights = [chance.randint(1, most) for _ in nodes]
                with self.subTest(seed=seed, count=count, most=most):
                    arguments = [word for pair in zip(nodes, weights) for word in pair]
                    done = subprocess.run([self.program, *map(str, arguments)], input="\n".join(keys) + "\n", capture_output=True,
                                          text=True, timeout=120)
                    self.assertEqual(done.returncode, 0)
                    theirs = [nodes[int(index)] for index in done.stdout.split()]
                    self.assertEqual(ours("libmemcached", nodes, weights, keys), theirs)


if __name__ == "__main__":
    unittest.main()
