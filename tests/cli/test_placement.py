"""owner, plan and hash."""
import os
import re
import shutil
import tempfile
import unittest
import xml.etree.ElementTree

from clitools import CtlTest, ctl

KEYS = ["key-%d" % i for i in range(200)]


class Owner(CtlTest):
    def test_each_key_has_one_of_the_nodes(self):
        for kind in ("map", "rendezvous", "jump", "libring", "ex_hash_ring", "ketama", "libmemcached", "nginx", "riak", "modulo",
                     "nebulex", "cachex", "cachex-jump", "phoenix-tracker"):
            with self.subTest(kind):
                outcome = ctl("owner", "--kind", kind, "--nodes", "a,b,c", *KEYS)
                self.expect(outcome, 0)
                pairs = [line.split(" ") for line in outcome.lines]
                self.assertEqual([pair[0] for pair in pairs], KEYS)
                self.assertEqual({pair[1] for pair in pairs}, {"a", "b", "c"})

    def test_the_order_of_the_nodes_does_not_matter(self):
        for kind in ("map", "rendezvous"):
            self.assertEqual(ctl("owner", "--kind", kind, "--nodes", "a,b,c", *KEYS).out,
                             ctl("owner", "--nodes=c,a,b", "--kind=" + kind, *KEYS).out)

    def test_map_is_the_default(self):
        self.assertEqual(ctl("owner", "--nodes", "a,b,c", *KEYS).out, ctl("owner", "--kind", "map", "--nodes", "a,b,c", *KEYS).out)

    def test_a_lone_node_owns_all(self):
        self.expect(ctl("owner", "--nodes", "a@h", "x", "y"), 0, "x a@h\ny a@h\n")

    def test_keys_from_standard_input(self):
        by_argument = ctl("owner", "--nodes", "a,b,c", *KEYS)
        self.assertEqual(ctl("owner", "--nodes", "a,b,c", "-", stdin="\n".join(KEYS) + "\n").out, by_argument.out)
        self.assertEqual(ctl("owner", "--nodes", "a,b,c", "-", stdin="\n".join(KEYS)).out, by_argument.out)
        self.expect(ctl("owner", "--nodes", "a", "-", stdin=""), 0, "")
        self.expect(ctl("owner", "--nodes", "a", "-", stdin="\nx\n"), 0, " a\nx a\n")

    def test_keys_are_bytes(self):
        outcome = ctl("owner", "--nodes", "a,b,c", "--json", "-", stdin=b"a\0b\n\xff\n\xe2\x82\xac \"\\\n")
        self.assertEqual([o["key"] for o in outcome.objects], ["a\0b", "\ufffd", "\u20ac \"\\"])

    def test_json(self):
        self.assertEqual(ctl("owner", "--nodes", "a", "k", "--json").objects, [{"type": "owner", "key": "k", "owners": ["a"]}])

    def test_as_other_systems_place_keys(self):
        # the owners are those of the vectors in tests/vectors
        cases = [
            ("user:31 myapp@10.0.0.3\n", "libring", "myapp@10.0.0.1,myapp@10.0.0.2,myapp@10.0.0.3", "user:31"),
            ("user:1 b,c\n", "ex_hash_ring", "a,b,c", "user:1", "--replicas", "2"),
            ("k1 p62,p63,p0\n", "riak", ",".join("p%d" % i for i in range(64)), "k1", "--bucket", "bucket", "--replicas", "3"),
            ("user:3 c\n", "cachex-jump", "a,b,c", "user:3"),
            ("user:3 c\n", "nebulex", "c,b,a", "user:3"),
            ("users:1 p0\n", "phoenix-tracker", "p0,p1", "users:1"),
        ]
        for expected, kind, nodes, *more in cases:
            with self.subTest(kind):
                self.expect(ctl("owner", "--kind", kind, "--nodes", nodes, *more), 0, expected)

    def test_terms(self):
        nodes = "myapp@10.0.0.1,myapp@10.0.0.2,myapp@10.0.0.3"
        outcome = ctl("owner", "--kind", "libring", "--nodes", nodes, "--terms", "--", "-1", "{user, 42}", "[1,2,3]", '<<"user:31">>')
        self.assertEqual([line.split(" myapp@10.0.0.")[1] for line in outcome.lines], ["2", "1", "1", "3"])
        old, new = (ctl("owner", "--kind", "libring", "--nodes", "a,b,c", "--node-type", "binary", "--terms", *more, "key1", "key4")
                    for more in (["--otp25"], []))
        self.assertEqual([old.out, new.out], ["key1 a\nkey4 b\n", "key1 c\nkey4 c\n"])

    def test_weights(self):
        vectors = [line.split() for line in open("tests/vectors/libring.txt", encoding="utf-8") if line.startswith("K weights ")]
        keys = [vector[2] for vector in vectors]
        outcome = ctl("owner", "--kind", "libring", "--nodes", "a,b,c", "--weights", "128,64,256", "--node-type", "binary", *keys)
        self.assertEqual(outcome.lines, ["%s %s" % (vector[2], vector[3]) for vector in vectors])

    def test_weights_and_zones_of_a_map(self):
        lines = ctl("owner", "--nodes", "a,b,c,d", "--weights", "1,1,1,6", *KEYS).lines
        self.assertGreater(sum(line.endswith(" d") for line in lines), len(KEYS) / 2)
        zone = {"a": "x", "b": "x", "c": "y", "d": "y"}
        for line in ctl("owner", "--nodes", "a,b,c,d", "--zones", "x,x,y,y", "--replicas", "2", *KEYS).lines:
            one, other = line.split(" ")[1].split(",")
            self.assertNotEqual(zone[one], zone[other])

    def test_replicas_in_json(self):
        objects = ctl("owner", "--kind", "rendezvous", "--nodes", "a,b,c", "--replicas", "3", "--json", "k").objects
        self.assertEqual(sorted(objects[0]["owners"]), ["a", "b", "c"])
        self.assertEqual(objects[0]["owners"][0], ctl("owner", "--kind", "rendezvous", "--nodes", "a,b,c", "k").lines[0].split()[1])

    def test_wrong(self):
        cases = [
            (["k"], "`owner` needs --nodes"),
            (["--nodes", "a"], "`owner` needs more"),
            (["--nodes", "", "k"], "--nodes is empty"),
            (["--nodes", "a,,b", "k"], "--nodes has an empty name"),
            (["--nodes", "a,b,", "k"], "--nodes has an empty name"),
            (["--nodes", "a,b,a", "k"], "--nodes names a twice"),
            (["--nodes", "a", "--kind", "rendezvuos", "k"], "did you mean rendezvous?"),
            (["--nodes", "a", "--kind", "libringg", "k"], "did you mean libring?"),
            (["--nodes", "a", "--kind", "zzzzzz", "k"], "there is no kind zzzzzz"),
            (["--nodes", "a", "--kind", "rendezvous", "--shards", "8", "k"], "--shards does not go with rendezvous"),
            (["--nodes", "a", "--kind", "nginx", "--terms", "k"], "--terms does not go with nginx"),
            (["--nodes", "a", "--kind", "modulo", "--replicas", "1", "k"], "--replicas does not go with modulo"),
            (["--nodes", "a", "--kind", "riak", "--points", "63", "k"], "--points 63 is no power of two"),
            (["--nodes", "a", "--kind", "horde", "k"], "horde needs --name"),
            (["--nodes", "a,b", "--kind", "nginx", "--replicas", "3", "k"], "--replicas takes a number from 1 to 2"),
            (["--nodes", "a,b", "--kind", "nginx", "--replicas", "0", "k"], "--replicas takes a number from 1 to 2"),
            (["--nodes", "a,b", "--kind", "nginx", "--weights", "1", "k"], "--weights takes a number from 1 to 4294967295 for each"),
            (["--nodes", "a,b", "--kind", "nginx", "--weights", "1,2,3", "k"], "--weights has more than 2 entries"),
            (["--nodes", "a,b", "--kind", "nginx", "--weights", "1,0", "k"], "--weights takes"),
            (["--nodes", "a,b", "--kind", "nginx", "--weights", "1,x", "k"], "--weights takes"),
            (["--nodes", "a,b", "--kind", "nginx", "--weights", "1,4294967295", "k"], "too much for nginx"),
            (["--nodes", "a,b", "--weights", "1,65536", "k"], "weights are at most 65535"),
            (["--nodes", "a,b", "--zones", "x", "k"], "--zones takes a zone for each node"),
            (["--nodes", "a,b", "--zones", "x,y,z", "k"], "--zones has more than 2 entries"),
            (["--nodes", "a,b", "--kind", "nginx", "--zones", "x,y", "k"], "--zones does not go with nginx"),
            (["--nodes", "a,b", "--kind", "libring", "--node-type", "string", "k"], "--node-type is atom or binary"),
            (["--nodes", "x" * 256, "--kind", "libring", "k"], "is no atom"),
            (["--nodes", "a", "--kind", "modulo", "--terms", "{a,"], '"{a," is no term'),
            (["--nodes", "a", "--shards", "1000", "k"], "--shards 1000 is no power of two"),
            (["--nodes", "a", "--shards", "0", "k"], "--shards 0 is no power of two"),
            (["--nodes", "a", "--shards", "33554432", "k"], "no power of two from 1 to 16777216"),
        ]
        for arguments, sentence in cases:
            with self.subTest(" ".join(arguments)):
                self.expect(ctl("owner", *arguments), 2, "", sentence)


class Plan(CtlTest):
    def test_only_what_the_lost_node_had_moves(self):
        outcome = ctl("plan", "--from", "a,b,c", "--to", "a,b", "--shards", "64")
        self.expect(outcome, 0)
        moves = [line.split() for line in outcome.lines]
        self.assertTrue(all(move[2] == "->" and move[3] in "ab" for move in moves))
        lost = [move for move in moves if move[1] == "c"]
        self.assertIn(len(lost), range(16, 28))
        self.assertLessEqual(len(moves), 32)
        shards = [int(move[0]) for move in moves]
        self.assertEqual(shards, sorted(set(shards)))

    def test_it_agrees_with_owner(self):
        before = dict(line.split() for line in ctl("owner", "--nodes", "a,b,c", *KEYS).lines)
        after = dict(line.split() for line in ctl("owner", "--nodes", "a,b", *KEYS).lines)
        moved = {key for key in KEYS if before[key] != after[key]}
        self.assertTrue({key for key in KEYS if before[key] == "c"} <= moved)
        self.assertLess(len(moved), len(KEYS) / 2)

    def test_kinds_without_shards(self):
        for kind in ("rendezvous", "ketama", "modulo"):
            moves = [line.split() for line in ctl("plan", "--kind", kind, "--from", "a,b,c", "--to", "a,b", "--shards", "64").lines]
            before, after = (dict(line.split() for line in ctl("owner", "--kind", kind, "--nodes", nodes, *map(str, range(64))).lines)
                             for nodes in ("a,b,c", "a,b"))
            self.assertEqual([[key, before[key], "->", after[key]] for key in before if before[key] != after[key]], moves)
            self.assertTrue(kind == "modulo" or all(move[1] == "c" for move in moves))

    def test_nobody(self):
        self.expect(ctl("plan", "--from", "", "--to", "a", "--shards", "2"), 0, "0 - -> a\n1 - -> a\n")
        self.expect(ctl("plan", "--from", "a", "--to", "", "--shards", "2"), 0, "0 a -> -\n1 a -> -\n")
        self.assertEqual(ctl("plan", "--from", "", "--to", "a", "--shards", "1", "--json").objects,
                         [{"type": "move", "shard": 0, "from": None, "to": "a"}])

    def test_weights_zones_and_replicas(self):
        table = {}
        for nodes, more in (["", "a,b,c"], ["x,y,y", "1,1,1"]), (["a,b,c", "b,d,a"], ["x,y,y,x", "1,1,1,3"]):
            for line in ctl("plan", "--from", nodes[0], "--to", nodes[1], "--shards", "64", "--replicas", "2", "--zones", more[0],
                            "--weights", more[1]).lines:
                shard, before, _, after, place = line.split(" ", 4)
                self.assertEqual(table.get((shard, place), "-"), before)
                table[shard, place] = after
        self.assertEqual(len(table), 128)
        zones = dict(a="x", b="y", c="y", d="x")
        for shard in range(64):
            self.assertEqual({zones[table[str(shard), "(owner %d)" % i]] for i in (1, 2)}, {"x", "y"})
        self.assertGreater(sum(node == "d" for node in table.values()), 40)
        self.assertEqual({o["owner"] for o in ctl("plan", "--from", "", "--to", "a,b", "--replicas", "2", "--json").objects}, {1, 2})

    def test_nothing_moves(self):
        self.expect(ctl("plan", "--from", "a,b", "--to", "b,a"), 0, "")

    def test_wrong(self):
        self.expect(ctl("plan", "--from", "a"), 2, "", "`plan` needs --from A,B,C and --to A,B")
        self.expect(ctl("plan", "--from", "a", "--to", "b", "--kind", "ring"), 2, "", "there is no kind ring")
        self.expect(ctl("plan", "--from", "a", "--to", "b", "--shards", "3"), 2, "", "--shards 3 is no power of two")
        self.expect(ctl("plan", "--from", "a,a", "--to", "b"), 2, "", "--from names a twice")
        self.expect(ctl("plan", "--from", "a,b", "--to", "b,c", "--weights", "1,1"), 2, "", "--weights takes")
        self.expect(ctl("plan", "--from", "a,b", "--to", "b,c", "--zones", "x,y,z,z"), 2, "", "--zones has more than 3 entries")
        self.expect(ctl("plan", "--from", "a,b", "--to", "b", "--replicas", "17"), 2, "", "--replicas takes a number from 1 to 16")


class Map(CtlTest):
    LIST = "a@h zone=eu/1 weight=2\nb@h zone=eu/2\nc@h zone=us\nd<&>@h zone=us\n"

    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        self.list = os.path.join(self.folder, "nodes")
        with open(self.list, "w", encoding="utf-8") as f:
            f.write(self.LIST)

    def test_loads(self):
        outcome = ctl("map", "file:" + self.list, "--shards", "1024")
        self.expect(outcome, 0)
        loads = {name: int(load) for name, load in (line.split(" ") for line in outcome.lines)}
        self.assertEqual(sorted(loads), ["a@h", "b@h", "c@h", "d<&>@h"])
        self.assertEqual(sum(loads.values()), 1024)
        self.assertTrue(all(load <= (430 if name == "a@h" else 215) for name, load in loads.items()))
        objects = ctl("map", "file:" + self.list, "--shards", "1024", "--json").objects
        self.assertEqual(objects[0], {"type": "node", "name": "a@h", "zone": "eu/1", "weight": 2, "shards": loads["a@h"]})
        self.assertEqual(len(ctl("map", "file:" + self.list, "--node", "me@h").lines), 5)

    def test_the_picture(self):
        picture = os.path.join(self.folder, "map.svg")
        for shards, replicas in ((1, 1), (64, 2), (1024, 3), (65536, 1)):
            outcome = ctl("map", "file:" + self.list, "--svg", picture, "--shards", str(shards), "--replicas", str(replicas))
            self.expect(outcome, 0)
            root = xml.etree.ElementTree.parse(picture).getroot()
            space = "{http://www.w3.org/2000/svg}"
            self.assertEqual(root.tag, space + "svg")
            height = float(root.get("viewBox").split()[3])
            texts = ["".join(text.itertext()) for text in root.iter(space + "text")]
            for words in ("d<&>@h", "eu/2", "us", "%d shards on 4 nodes in 3 zones" % shards):
                self.assertIn(words, texts)
            cells = 0
            for path in root.iter(space + "path"):
                for x, y in re.findall(r"M([\d.]+) ([\d.]+)h", path.get("d")):
                    cells += 1
                    self.assertTrue(0 < float(x) < 960 and 0 < float(y) < height)
            self.assertEqual(cells, shards * replicas)
            self.assertEqual(len({path.get("fill") for path in root.iter(space + "path")}), 4)

    def test_wrong(self):
        self.expect(ctl("map", "static:"), 1, "", "no member: ")
        self.assertIsNone(ctl("map", "static:a@h", "--json").objects[0]["zone"])
        self.expect(ctl("map", "file:" + self.folder + "/none", "--for", "5s"), 3, "", "none")
        self.expect(ctl("map", "static:a@h", "--svg", self.folder), 3, "", "cannot write")
        self.expect(ctl("map", "static:a@h", "--shards", "3"), 2, "", "--shards 3 is no power of two")
        self.expect(ctl("map", "static:a@h", "--shards", "131072", "--svg", "/dev/null"), 2, "", "at most 65536")
        self.expect(ctl("map", "static:a@h", "--replicas", "0"), 2, "", "--replicas takes a number")


class Hash(CtlTest):
    def test_siphash_of_the_published_vector(self):
        # SipHash-2-4, key 00..0f; the value of the empty message in the paper's reference vectors
        outcome = ctl("hash", "siphash", "", "--key", "000102030405060708090a0b0c0d0e0f")
        self.expect(outcome, 0, "%d\n" % int.from_bytes(bytes.fromhex("310e0edd47db6f72"), "little"))

    def test_hash64(self):
        one, other = ctl("hash", "hash64", "key"), ctl("hash", "hash64", "key", "--seed", "1")
        self.expect(one, 0)
        self.assertRegex(one.out, r"^\d+\n$")
        self.assertNotEqual(one.out, other.out)
        o = ctl("hash", "hash64", "key", "--json").objects[0]
        self.assertEqual((o["type"], o["kind"], int(o["hex"], 16)), ("hash", "hash64", int(one.out)))

    def test_phash2(self):
        for term in ("a", "0", "16#ff", "{}", "[]", '<<"user:1">>', "#{a => [1|2]}", "1.5"):
            one = ctl("hash", "phash2", term, "--range", "4294967296")
            self.expect(one, 0)
            self.assertEqual(ctl("hash", "phash2", term).out, "%d\n" % (int(one.out) % (1 << 27)))
            self.assertEqual(ctl("hash", "phash2", term, "--range", "10").out, "%d\n" % (int(one.out) % 10))
        self.expect(ctl("hash", "phash2", "[]", "--range", "4294967296"), 0, "3468870702\n")
        self.expect(ctl("hash", "phash2", "--etf", "836A", "--range", "4294967296"), 0, "3468870702\n")

    def test_what_others_hash_a_key_to(self):
        self.expect(ctl("hash", "ex_hash_ring", "key1"), 0, "14799612162282436475\n")
        self.expect(ctl("hash", "nginx", "123456789"), 0, "%d\n" % 0xcbf43926)
        self.expect(ctl("hash", "ketama", ""), 0, "%d\n" % int.from_bytes(bytes.fromhex("d41d8cd9"), "little"))
        self.expect(ctl("hash", "riak", "k1", "--bucket", "bucket"), 0, "%d\n" % 0xf693ddef421e7751)
        self.expect(ctl("hash", "horde", "k1", "--terms"), 0)
        self.expect(ctl("hash", "rendezvous", "k", "--seed", "3"), 0, ctl("hash", "hash64", "k", "--seed", "3").out)

    def test_wrong(self):
        self.expect(ctl("hash", "nginy", "k"), 2, "", "did you mean nginx?")
        self.expect(ctl("hash", "phash2", "{"), 2, "", '"{" is no term')
        self.expect(ctl("hash", "phash2", "--etf", "8"), 2, "", "--etf takes pairs of hexadecimal digits")
        self.expect(ctl("hash", "phash2", "--etf", "8x"), 2, "", "--etf takes pairs of hexadecimal digits")
        self.expect(ctl("hash", "phash2", "--etf", "83"), 2, "", "it is no term in the external format")
        self.expect(ctl("hash", "phash2", "--etf", "8358770161" + "00" * 12), 2, "", "pids, ports, references and funs")
        self.expect(ctl("hash", "phash2", "a", "--range", "4294967297"), 2, "", "--range takes a number from 1 to 4294967296")
        self.expect(ctl("hash", "phash2", "a", "--range", "0"), 2, "", "--range takes a number")
        self.expect(ctl("hash", "phash2", "a", "--etf", "836a"), 2, "", "a kind and one key")
        self.expect(ctl("hash", "phash2"), 2, "", "a kind and one key")
        self.expect(ctl("hash", "nginx", "k", "--range", "7"), 2, "", "--range is of phash2")
        self.expect(ctl("hash", "nginx", "k", "--terms"), 2, "", "--terms does not go with nginx")
        self.expect(ctl("hash", "map", "k"), 2, "", "a map hashes with hash64")
        self.expect(ctl("hash", "phash2", "k", "--seed", "1"), 2, "", "phash2 takes --range, not --seed")
        self.expect(ctl("hash", "siphash", "k", "--key", "00"), 2, "", "--key takes 32 hexadecimal digits")
        self.expect(ctl("hash", "siphash", "k", "--seed", "1"), 2, "", "siphash takes --key, not --seed")
        self.expect(ctl("hash", "hash64", "k", "--key", "00"), 2, "", "hash64 takes --seed, not --key")


if __name__ == "__main__":
    unittest.main()
