"""owner, plan and hash."""
import unittest

from clitools import CtlTest, ctl

KEYS = ["key-%d" % i for i in range(200)]


class Owner(CtlTest):
    def test_each_key_has_one_of_the_nodes(self):
        for kind in ("map", "rendezvous"):
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

    def test_wrong(self):
        cases = [
            (["k"], "`owner` needs --nodes"),
            (["--nodes", "a"], "`owner` needs more"),
            (["--nodes", "", "k"], "--nodes is empty"),
            (["--nodes", "a,,b", "k"], "--nodes has an empty name"),
            (["--nodes", "a,b,", "k"], "--nodes has an empty name"),
            (["--nodes", "a,b,a", "k"], "--nodes names a twice"),
            (["--nodes", "a", "--kind", "rendezvuos", "k"], "did you mean rendezvous?"),
            (["--nodes", "a", "--kind", "libring", "k"], "this version has no kind libring"),
            (["--nodes", "a", "--kind", "zzzzzz", "k"], "there is no kind zzzzzz"),
            (["--nodes", "a", "--kind", "rendezvous", "--shards", "8", "k"], "rendezvous has no shards"),
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

    def test_nobody(self):
        self.expect(ctl("plan", "--from", "", "--to", "a", "--shards", "2"), 0, "0 - -> a\n1 - -> a\n")
        self.expect(ctl("plan", "--from", "a", "--to", "", "--shards", "2"), 0, "0 a -> -\n1 a -> -\n")
        self.assertEqual(ctl("plan", "--from", "", "--to", "a", "--shards", "1", "--json").objects,
                         [{"type": "move", "shard": 0, "from": None, "to": "a"}])

    def test_nothing_moves(self):
        self.expect(ctl("plan", "--from", "a,b", "--to", "b,a"), 0, "")

    def test_wrong(self):
        self.expect(ctl("plan", "--from", "a"), 2, "", "`plan` needs --from A,B,C and --to A,B")
        self.expect(ctl("plan", "--from", "a", "--to", "b", "--kind", "rendezvous"), 2, "", "only --kind map")
        self.expect(ctl("plan", "--from", "a,a", "--to", "b"), 2, "", "--from names a twice")


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

    def test_wrong(self):
        self.expect(ctl("hash", "hash46", "k"), 2, "", "did you mean hash64?")
        self.expect(ctl("hash", "phash2", "k"), 2, "", "this version has no hash phash2")
        self.expect(ctl("hash", "siphash", "k", "--key", "00"), 2, "", "--key takes 32 hexadecimal digits")
        self.expect(ctl("hash", "siphash", "k", "--seed", "1"), 2, "", "siphash takes --key, not --seed")
        self.expect(ctl("hash", "hash64", "k", "--key", "00"), 2, "", "hash64 takes --seed, not --key")


if __name__ == "__main__":
    unittest.main()
