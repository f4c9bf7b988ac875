"""Every piece of code in README.md and docs/ compiles without a warning; programs whose output is shown print it; command lines
can be run."""
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "interop")]
from doctools import ROOT, blocks, compiler, pages, read  # noqa: E402
from interoptools import Epmd, Node, Running, lacks, until  # noqa: E402
from tools import STRICT  # noqa: E402

# What snippets may use without declaring it.
PRELUDE = r"""
#include "cluster.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
extern struct cluster *c;
extern const struct cluster_event *e;
extern struct cluster_options options;
extern struct pollfd *fds;
extern size_t capacity, n, i;
void handle(const struct cluster_event *event);
void grow(struct pollfd **array, size_t *room, size_t need);
int print(int error, const char *text);
void forget_all_nodes(void);
void put_node(const struct cluster_member *member);
void drop_node(const char *name);
int dial(const char *host, uint32_t port);
void hang_up(const char *name);
int directory_open(void *ctx, struct cluster_source *s, const char *target, void **state);
int directory_round(void *state, uint64_t now);
int directory_ready(void *state, int fd, int revents, uint64_t now);
void directory_close(void *state);
int snippet(void);
"""


def is_program(block):
    return re.search(r"^int main\(", block.text, re.M) is not None


class Code(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp()
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        os.mkdir(os.path.join(cls.folder, "sub"))
        for name in ("cluster.h", "examples", "build"):
            os.symlink(os.path.join(ROOT, name), os.path.join(cls.folder, name))
        cls.programs = {}

    def compile(self, block, text, *flags):
        """In a folder below one with cluster.h, where the includes of an example hold as well."""
        source = os.path.join(self.folder, "sub", re.sub(r"\W", "_", str(block)) + ".c")
        with open(source, "w", encoding="utf-8") as file:
            file.write(text)
        done = subprocess.run([compiler(), "-std=c99", *STRICT, "-I" + ROOT, source, *flags], capture_output=True,
                              text=True, timeout=300)
        self.assertEqual((done.returncode, done.stderr), (0, ""), str(block))

    def program(self, block):
        """Its path, built once."""
        key = str(block)
        if key not in self.programs:
            out = os.path.join(self.folder, re.sub(r"\W", "_", key))
            own = re.search(r"^#define CLUSTER_IMPLEMENTATION", block.text, re.M)
            self.compile(block, block.text, *([] if own else [os.path.join(ROOT, "tests/build/implementation.c")]), "-o", out)
            self.programs[key] = out
        return self.programs[key]

    def test_all_of_it_compiles(self):
        count = 0
        for page in pages():
            for block in blocks(page):
                if block.language != "c":
                    continue
                count += 1
                with self.subTest(block=str(block)):
                    if is_program(block):
                        self.program(block)
                        continue
                    text = block.text
                    if not re.search(r"^#|^static [^;]*$", text, re.M):
                        text = "int snippet(void)\n{\n%s    return 0;\n}\n" % re.sub(r"^(?=.)", "    ", text, flags=re.M)
                    self.compile(block, PRELUDE.lstrip() + text if "CLUSTER_IMPLEMENTATION" not in text else text, "-Wno-shadow",
                                 "-Wno-unused-function", "-O1", "-c", "-o", os.devnull)
        self.assertGreater(count, 15)

    def test_programs_print_what_is_shown(self):
        """A block `<!-- output: NAME, ARGUMENTS -->` is what the block `<!-- program: NAME -->` prints; a plain block directly
        after a program is what that prints."""
        count = 0
        for page in pages():
            found = blocks(page)
            named = {block.mark("program"): block for block in found if block.mark("program")}
            for before, block in zip(found, found[1:]):
                said = block.mark("output")
                if said:
                    name, _, arguments = said.partition(", ")
                    program = named[name]
                elif block.language == "" and before.language == "c" and is_program(before):
                    program, arguments = before, ""
                else:
                    continue
                count += 1
                with self.subTest(block=str(block)):
                    self.prints(self.program(program), shlex.split(arguments), block.text.splitlines())
        self.assertGreaterEqual(count, 4)

    @unittest.skipIf(lacks("elixir"), lacks("elixir"))
    def test_pairs_print_the_same(self):
        """A block `<!-- same: NAME -->` of Elixir prints what the program NAME prints. All in one machine, which is slow to start."""
        for page in pages():
            found = blocks(page)
            named = {block.mark("program"): block for block in found if block.mark("program")}
            pairs = [block for block in found if block.mark("same")]
            if not pairs:
                continue
            source = os.path.join(self.folder, "pairs.exs")
            with open(source, "w", encoding="utf-8") as file:
                file.writelines("IO.puts(\"-- %s\")\n%s" % (block, block.text) for block in pairs)
            theirs = subprocess.run(["elixir", source], capture_output=True, text=True, timeout=120, check=True).stdout
            for block, said in zip(pairs, re.split(r"^-- .*\n", theirs, flags=re.M)[1:]):
                with self.subTest(block=str(block)):
                    ours = subprocess.run([self.program(named[block.mark("same")])], capture_output=True, text=True, timeout=60)
                    self.assertEqual(said, ours.stdout)
                    self.assertGreater(len(said.splitlines()), 3)

    def prints(self, program, arguments, lines):
        """It prints these lines, and then ends by itself, or with its standard input, or is ended."""
        process = subprocess.Popen([program, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                   text=True)
        try:
            said = [process.stdout.readline().rstrip("\n") for _ in lines]
            process.stdin.close()
            try:
                process.wait(2)
            except subprocess.TimeoutExpired:
                process.terminate()
            rest = process.stdout.read()
            self.assertIn(process.wait(30), (0, -signal.SIGTERM))
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
        self.assertEqual(said + rest.splitlines(), lines)

    def test_a_file_that_is_shown_is_shown_whole(self):
        shown = [block for page in pages() for block in blocks(page) if block.mark("file")]
        self.assertTrue(shown)
        for block in shown:
            self.assertEqual(block.text, read(block.mark("file")), str(block))

    def test_sessions(self):
        """`$ COMMAND` and all that it says, in the root."""
        for page in pages():
            for block in blocks(page):
                if block.language != "console" or block.mark("session"):
                    continue
                for part in re.split(r"^\$ ", block.text, flags=re.M)[1:]:
                    command, _, output = part.partition("\n")
                    with self.subTest(block=str(block), command=command):
                        done = subprocess.run(["sh", "-c", command], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                              stderr=subprocess.STDOUT, text=True, timeout=60)
                        self.assertEqual(done.stdout, output)

    def test_command_lines(self):
        """Those in sh blocks: make knows its targets, what is compiled compiles, what that gives starts."""
        for page in pages():
            for block in blocks(page):
                if block.language != "sh":
                    continue
                for line in block.text.splitlines():
                    words = shlex.split(line, comments=True)
                    if words:
                        with self.subTest(block=str(block), line=line):
                            self.try_line(words)

    def try_line(self, words):
        if words[0] == "make":
            command, where = ["make", "-n", *words[1:]], ROOT
        elif words[0] in ("cc", "musl-gcc") or words[0].startswith("./"):
            if words[0] == "musl-gcc" and lacks(words[0]):
                return
            command, where = words, self.folder
        else:
            self.fail("tests/docs/test_code.py does not know how to try this line")
        done = subprocess.run(command, cwd=where, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    @unittest.skipIf(lacks("erl", "epmd"), lacks("erl", "epmd"))
    def test_a_look_from_inside(self):
        """operations.md's: an Erlang node asks a C node."""
        block = next(block for block in blocks("docs/operations.md") if block.mark("session") == "shell")
        command, _, output = block.text.removeprefix("$ ").partition("\n")
        epmd = Epmd()
        self.addCleanup(epmd.kill)
        with Running("node", "--node", "c@127.0.0.1", "--cookie", "secret", ERL_EPMD_PORT=epmd.port) as node:
            node.line(lambda line: line.startswith("listen "))
            until(lambda: epmd.names() == ["c"], "it is registered")
            done = subprocess.run(["sh", "-c", command], env=dict(os.environ, ERL_EPMD_PORT=str(epmd.port)), capture_output=True, text=True,
                                  timeout=120)
            self.assertEqual((done.stdout, done.returncode), (output, 0), done.stderr)

    @unittest.skipIf(lacks("erl", "epmd"), lacks("erl", "epmd"))
    def test_the_first_session(self):
        """README's: two real nodes, one is stopped."""
        block = next(block for block in blocks("README.md") if block.mark("session") == "two nodes")
        build, watch = (line[2:] for line in block.text.splitlines() if line.startswith("$ "))
        wanted = [line for line in block.text.splitlines() if not line.startswith("$ ")]
        self.try_line(shlex.split(build))
        epmd = Epmd()
        self.addCleanup(epmd.kill)
        nodes = []
        for name in ("b@localhost", "a@localhost"):
            self.assertIn("`erl -sname %s`" % name, read("README.md"))
            nodes.append(Node(epmd, name, "-sname"))
            self.addCleanup(nodes[-1].close)
        program, *arguments = shlex.split(watch)
        with Running(*arguments, program=os.path.join(self.folder, program), ERL_EPMD_PORT=epmd.port) as running:
            until(lambda: len(running.lines) == 2, "both are there")
            nodes[1].kill()
            until(lambda: len(running.lines) == 3, "one left")
            self.assertEqual(running.lines, wanted)


if __name__ == "__main__":
    unittest.main()
