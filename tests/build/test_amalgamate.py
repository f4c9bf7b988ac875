"""amalgamate.py on a copy of the tree that is spoilt in one way at a time."""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Amalgamate(unittest.TestCase):
    def setUp(self):
        self.at = tempfile.mkdtemp(prefix="amalgamate-")
        self.addCleanup(shutil.rmtree, self.at)
        shutil.copytree(os.path.join(ROOT, "src"), os.path.join(self.at, "src"))
        for name in "amalgamate.py", "LICENSE":
            shutil.copy(os.path.join(ROOT, name), self.at)

    def path(self, *name):
        return os.path.join(self.at, *name)

    def read(self, name):
        with open(self.path(name), encoding="ascii") as f:
            return f.read()

    def write(self, name, text):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "w", encoding="utf-8") as f:
            f.write(text)

    def change(self, name, old, new):
        text = self.read(name)
        self.has(text, old)
        self.write(name, text.replace(old, new, 1))

    def amalgamate(self, *arguments):
        done = subprocess.run([sys.executable, self.path("amalgamate.py"), *arguments], capture_output=True, text=True,
                              timeout=60, check=False)
        return done.returncode, done.stdout, done.stderr

    def whole(self, *arguments):
        code, out, err = self.amalgamate("-o", "-", *arguments)
        self.assertEqual((code, err), (0, ""))
        return out

    def refused(self, *words, arguments=(), code=1):
        """It fails in one line that has all the words."""
        got, out, err = self.amalgamate(*arguments)
        self.assertEqual(got, code, err)
        for word in words:
            self.assertIn(word, err)
        if code == 1:
            self.assertEqual(err.count("\n"), 1, err)
        self.assertEqual(out, "")

    def has(self, text, part, wanted=True):
        """Like assertIn, without printing the whole header."""
        self.assertTrue((part in text) == wanted, "%s%r in the output" % ("no " if wanted else "", part))

    def add_fragment(self, path, include, before=None):
        guard = "CLU_" + re.sub(r"[/.]", "_", path).upper()
        self.write("src/" + path, '/*\n * A fragment.\n */\n#ifndef %s\n#define %s\n\n#include "%s"\n\n#endif\n'
                   % (guard, guard, include))
        entry = '    ("%s", []),\n' % path
        text = self.read("amalgamate.py")
        place = text.index('    ("%s"' % before) if before else text.index("]\n\nROOT")
        self.write("amalgamate.py", text[:place] + entry + text[place:])

    # ---- what is refused ----

    def test_a_file_that_is_not_listed(self):
        self.write("src/base/stray.h", "")
        self.refused("src/base/stray.h", "not listed", "MANIFEST")

    def test_a_listed_file_that_is_missing(self):
        os.remove(self.path("src/base/text.h"))
        self.refused("src/base/text.h", "no such file")

    def test_a_file_listed_twice(self):
        self.change("amalgamate.py", '    ("base/text.h", []),\n', '    ("base/text.h", []),\n    ("base/text.h", []),\n')
        self.refused("src/base/text.h", "twice")

    def test_an_include_that_points_up(self):
        self.add_fragment("core/top.h", "../base/platform.h")
        self.change("src/base/text.h", '#include "platform.h"', '#include "platform.h"\n#include "../core/top.h"')
        self.refused("src/base/text.h:", "`base`", "`core`", "above")

    def test_an_include_that_points_up_and_is_listed_earlier(self):
        self.add_fragment("core/top.h", "../base/platform.h", before="base/text.h")
        self.change("src/base/text.h", '#include "platform.h"', '#include "platform.h"\n#include "../core/top.h"')
        self.refused("src/base/text.h:", "above")

    def test_a_cycle(self):
        self.change("src/base/memory.h", '#include "platform.h"', '#include "text.h"')
        self.change("src/base/text.h", '#include "platform.h"', '#include "memory.h"')
        self.refused("cycle", "src/base/memory.h -> src/base/text.h -> src/base/memory.h")

    def test_an_include_of_a_later_fragment(self):
        self.add_fragment("base/early.h", "text.h", before="base/memory.h")
        self.refused("src/base/early.h:7", "src/base/text.h", "earlier")

    def test_an_include_of_no_fragment(self):
        self.change("src/base/text.h", '#include "platform.h"', '#include "nothing.h"')
        self.refused("src/base/text.h:", "src/base/nothing.h", "no fragment")

    def test_a_byte_that_is_not_ascii(self):
        self.change("src/base/text.h", "/*\n", "/*\n * caf\u00e9\n")
        self.refused("src/base/text.h:2", "ASCII")

    def test_a_tab(self):
        self.change("src/base/text.h", "    ", "\t")
        self.refused("src/base/text.h:", "ASCII")

    def test_a_guard_of_another_name(self):
        self.change("src/base/text.h", "CLU_BASE_TEXT_H", "CLU_TEXT_H")
        self.refused("src/base/text.h", "#ifndef CLU_BASE_TEXT_H")

    def test_code_after_the_guard(self):
        self.write("src/base/text.h", self.read("src/base/text.h") + "int x;\n")
        self.refused("src/base/text.h", "#endif")

    def test_a_part_that_is_unknown(self):
        self.change("amalgamate.py", '("base/text.h", [])', '("base/text.h", ["MAPS"])')
        self.refused("`MAPS`", "`MAP`")

    def test_a_part_that_includes_what_goes_without_it(self):
        self.add_fragment("base/of_map.h", "platform.h", before="base/memory.h")
        self.change("amalgamate.py", '("base/of_map.h", [])', '("base/of_map.h", ["MAP"])')
        self.add_fragment("base/of_both.h", "of_map.h", before="base/memory.h")
        self.change("amalgamate.py", '("base/of_both.h", [])', '("base/of_both.h", ["MAP", "FILE"])')
        self.refused("src/base/of_both.h:7", "src/base/of_map.h", "MAP, FILE", "parts")

    # ---- usage ----

    def test_an_unknown_preset(self):
        self.refused("`cor`", "`core`", "all", arguments=["--preset", "cor", "-o", "-"], code=2)

    def test_an_unknown_part(self):
        self.refused("`GOSIP`", "`GOSSIP`", arguments=["--without", "gosip", "-o", "-"], code=2)

    def test_a_partial_file_needs_a_place(self):
        self.refused("-o", arguments=["--without", "map"], code=2)
        self.refused("-o", arguments=["--split"], code=2)
        self.assertFalse(os.path.exists(self.path("cluster.h")))

    def test_check_goes_alone(self):
        self.refused("--check", arguments=["--check", "--preset", "core"], code=2)

    # ---- --check ----

    def test_check_of_a_current_file(self):
        self.assertEqual(self.amalgamate(), (0, "", ""))
        self.assertEqual(self.amalgamate("--check"), (0, "", ""))

    def test_check_of_a_missing_file(self):
        self.refused("make cluster.h", arguments=["--check"])

    def test_check_of_a_stale_file(self):
        self.amalgamate()
        self.change("src/base/text.h", "/*\n", "/*\n * Changed.\n")
        self.refused("cluster.h:", "make cluster.h", arguments=["--check"])

    def test_check_of_an_edited_file(self):
        self.amalgamate()
        self.write("cluster.h", self.read("cluster.h") + "int x;\n")
        self.refused("make cluster.h", arguments=["--check"])

    def test_check_of_a_file_that_is_not_ascii(self):
        self.amalgamate()
        self.write("cluster.h", self.read("cluster.h").replace("MIT", "M\u00efT", 1))
        self.refused("make cluster.h", arguments=["--check"])

    # ---- what comes out ----

    def test_make_without_python(self):
        """It takes the file that is there, and says so."""
        shutil.copy(os.path.join(ROOT, "Makefile"), self.at)

        def make():
            done = subprocess.run(["make", "-s", "PYTHON=no-python", "cluster.h"], cwd=self.at, capture_output=True, text=True, timeout=60)
            return done.returncode, done.stdout
        self.assertEqual(make()[0], 2)
        self.write("cluster.h", "as it is\n")
        os.utime(self.path("cluster.h"), (1, 1))
        self.assertEqual(make(), (0, "cluster.h is taken as it is: there is no no-python to make it of src/\n"))
        self.assertEqual(self.read("cluster.h"), "as it is\n")

    def test_the_same_sources_give_the_same_bytes(self):
        once = self.whole()
        self.assertEqual(once, self.whole())
        elsewhere = self.path("moved")
        os.mkdir(elsewhere)
        for name in "src", "amalgamate.py", "LICENSE":
            os.rename(self.path(name), os.path.join(elsewhere, name))
        self.at = elsewhere
        self.addCleanup(setattr, self, "at", os.path.dirname(elsewhere))
        self.assertEqual(once, self.whole())

    def test_the_hash_follows_the_sources(self):
        def digest(text):
            return re.search(r"sha256 ([0-9a-f]{16})", text).group(1)
        before = digest(self.whole())
        self.assertNotEqual(before, digest(self.whole("--without", "map")))
        self.change("src/base/text.h", "/*\n", "/*\n * Changed.\n")
        self.assertNotEqual(before, digest(self.whole()))

    def test_the_banner(self):
        text = self.whole()
        version = re.search(r'CLUSTER_VERSION_STRING "([^"]+)"', self.read("src/api.h")).group(1)
        head = text.split("*/")[0]
        self.assertEqual(text.split("\n")[1:4], [" * Do this:", " *     #define CLUSTER_IMPLEMENTATION",
                                                 ' *     #include "cluster.h"'])
        self.has(head, "cluster.h %s:" % version)
        self.has(head, " %d lines" % text.count("\n"))
        self.has(head, "MIT")
        self.has(text, self.at, False)

    def test_every_fragment_is_there_once_and_in_order(self):
        text = self.whole()
        begun = re.findall(r"/\* ---- begin src/(\S+) ---- \*/", text)
        ended = re.findall(r"/\* ---- end src/(\S+) ---- \*/", text)
        listed = [line.split()[1][4:] for line in self.amalgamate("--list")[1].strip().split("\n")]
        self.assertEqual(begun, listed)
        self.assertEqual(ended, listed)

    def test_no_local_include_and_no_guard_is_left(self):
        text = self.whole()
        self.has(text.split("*/", 1)[1], '#include "', False)
        self.has(text, "CLU_BASE_TEXT_H", False)

    def test_system_headers_come_once_and_sorted(self):
        self.change("src/base/text.h", '#include "platform.h"',
                    '#include "platform.h"\n#include <ctype.h>\n#include <string.h>')
        text = self.whole()
        implementation = text[text.index("#define CLU_IMPLEMENTED"):]
        block = re.search(r"(#include <.*>\n)+", implementation).group(0).split()[1::2]
        self.assertEqual(block, sorted(block))
        self.assertEqual(text.count("#include <string.h>"), 1)
        self.assertIn("<ctype.h>", block)

    def test_conditional_system_headers_stay_where_they_are(self):
        self.change("src/base/text.h", '#include "platform.h"',
                    '#include "platform.h"\n\n#ifdef __linux__\n#include <sys/epoll.h>\n#endif')
        self.has(self.whole(), "#ifdef __linux__\n#include <sys/epoll.h>\n#endif\n")

    def test_feature_macros_come_before_every_system_header(self):
        text = self.whole()
        self.assertLess(text.index("#define _DEFAULT_SOURCE"), text.index("#include <"))

    def test_every_declared_function_can_be_renamed(self):
        text = self.whole()
        declared = re.findall(r"^CLUSTER_API [^(]*?(cluster_\w+)\(", self.read("src/api.h"), re.M)
        self.assertGreater(len(declared), 50)
        for name in declared:
            self.has(text, "\n#define %s CLU_NAMED(CLUSTER_NAMESPACE, %s)\n" % (name, name))

    def test_a_fragment_of_two_parts_goes_with_the_last_of_them(self):
        self.add_fragment("base/both.h", "platform.h", before="base/memory.h")
        self.change("amalgamate.py", '("base/both.h", [])', '("base/both.h", ["EPMD", "FILE"])')
        begin = "/* ---- begin src/base/both.h ---- */"
        self.has(self.whole(), "#if !defined(CLUSTER_NO_EPMD) || !defined(CLUSTER_NO_FILE)\n" + begin)
        self.has(self.whole("--without", "epmd"), "#ifndef CLUSTER_NO_FILE\n" + begin)
        self.has(self.whole("--without", "epmd,file"), begin, False)

    def test_a_part_left_out_says_so_to_the_code(self):
        text = self.whole("--preset", "core")
        self.has(text, "#define CLUSTER_NO_MAP ")
        self.has(text, "CLUSTER_NO_MAP  ", False)
        self.has(text.split("*/")[0], "without CONNECT, CONSUL, DNS, EC2, EPMD, EPMD_SERVER, ERLANG, ETCD, GOSSIP, HOSTS, HTTP, KUBERNETES, MAP")

    def test_a_header_that_only_one_part_needs_goes_with_it(self):
        self.add_fragment("base/alone.h", "platform.h", before="base/memory.h")
        self.change("src/base/alone.h", '#include "platform.h"', '#include "platform.h"\n#include <wchar.h>')
        self.change("amalgamate.py", '("base/alone.h", [])', '("base/alone.h", ["MAP"])')
        self.has(self.whole(), "#ifndef CLUSTER_NO_MAP\n#include <wchar.h>\n#endif\n")
        self.has(self.whole("--without", "map"), "wchar", False)

    def test_line_directives_name_the_right_lines(self):
        text = self.whole("--line").split("\n")
        name, number, compared = None, 0, 0
        sources = {}
        for at, line in enumerate(text):
            directive = re.match(r'#line (\d+) "(.*)"$', line)
            if directive:
                name, number = directive.group(2), int(directive.group(1))
                continue
            if name and name.startswith("src/"):
                sources.setdefault(name, self.read(name).split("\n"))
                self.assertEqual(line, sources[name][number - 1], "%s:%d" % (name, number))
                compared += 1
            elif name:
                self.assertEqual(number, at + 1)
            number += 1
        self.assertGreater(compared, 500)

    def test_split(self):
        self.assertEqual(self.amalgamate("--split", "-o", self.path("out")), (0, "", ""))
        self.assertEqual(sorted(os.listdir(self.path("out"))), ["cluster.c", "cluster.h"])
        c, h = self.read("out/cluster.c"), self.read("out/cluster.h")
        self.has(c, '#include "cluster.h"')
        self.has(c, "begin src/base/platform.h")
        self.has(h, "begin src/base/platform.h", False)
        self.has(h, "CLUSTER_API void cluster_destroy")

    def test_the_licence_is_whole(self):
        def words(text):
            return " ".join(text.replace("\n *", "\n").split())
        self.has(words(self.whole()), words(self.read("LICENSE")))

    def test_an_unchanged_file_is_not_written_again(self):
        self.amalgamate()
        before = os.stat(self.path("cluster.h")).st_ino
        self.amalgamate()
        self.assertEqual(os.stat(self.path("cluster.h")).st_ino, before)


if __name__ == "__main__":
    unittest.main()
