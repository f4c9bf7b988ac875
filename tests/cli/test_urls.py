"""urls: the reference of schemes and options, and that the parser takes and refuses what it says."""
import unittest

from clitools import CtlTest, ctl


class Urls(CtlTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        rows = ctl("urls", "--json").objects
        cls.schemes = {row["scheme"]: row for row in rows if row["type"] == "scheme"}
        cls.options = [row for row in rows if row["type"] == "option"]

    def test_lines(self):
        outcome = ctl("urls")
        self.expect(outcome, 0)
        for scheme, row in self.schemes.items():
            self.assertIn("%s:%s" % (scheme, row["target"]), outcome.lines)
        self.assertEqual(len([line for line in outcome.lines if "; default: " in line]),
                         sum(len(row["schemes"]) or 1 for row in self.options))

    def test_one_scheme(self):
        outcome = ctl("urls", "gossip")
        self.expect(outcome, 0)
        self.assertEqual(outcome.lines[0], "gossip:ADDRESS:PORT")
        self.assertIn("options of every scheme", outcome.lines)
        self.assertNotIn("dns:", outcome.out)
        rows = ctl("urls", "gossip", "--json").objects
        self.assertEqual([row["scheme"] for row in rows if row["type"] == "scheme"], ["gossip"])
        self.assertLessEqual({"interval", "ttl"}, {row.get("option") for row in rows})
        self.assertNotIn("search", {row.get("option") for row in rows})

    def test_no_such_scheme(self):
        self.expect(ctl("urls", "gosip"), 2, "", "there is no scheme gosip: did you mean gossip?")
        self.expect(ctl("urls", "kafka"), 2, "", "`clusterctl urls` prints those there are")

    def test_the_parser_takes_what_it_says(self):
        """Numbers and words, of all that static: takes."""
        for row in self.options:
            if row["schemes"]:
                continue
            good = row["choices"] if row["takes"] == " or ".join(row["choices"]) else []
            if " to " in row["takes"] and "%" not in row["takes"]:
                good = row["takes"].split(" to ")
                bad = str(int(good[1]) + 1)
                self.expect(ctl("list", "static:a@h?%s=%s" % (row["option"], bad)), 2, "", row["takes"])
            for value in good:
                with self.subTest(row["option"] + "=" + value):
                    self.assertIn(ctl("list", "static:a@h?%s=%s" % (row["option"], value)).code, (0, 1))

    def test_an_option_of_others_is_refused(self):
        mine = {row["option"] for row in self.options if "dns" in row["schemes"]}
        foreign = next(row["option"] for row in self.options if row["schemes"] and row["option"] not in mine)
        self.expect(ctl("list", "dns:a@b?%s=on" % foreign), 2, "", foreign)


if __name__ == "__main__":
    unittest.main()
