#!/usr/bin/env python3
"""Write the tables of docs/urls.md from the library's own: the option and scheme rows of src/wire/url.h and the strategies of
src/discover/schemes.h. With --check, say whether they are current."""
import re
import sys

sys.path[:0] = [__file__.rpartition("/")[0] or "."]
from doctools import duration, main, read, values  # noqa: E402

PAGE = "docs/urls.md"
COMMAND = "python3 tests/docs/urls.py"
NEVER = 2**64 - 1


def arguments(text, at):
    """The arguments of the call whose '(' is at text[at - 1]."""
    found, depth, begin, quoted = [], 0, at, False
    while True:
        c = text[at]
        if quoted:
            at += c == "\\"
            quoted = c != '"'
        elif c == '"':
            quoted = True
        elif c == "(":
            depth += 1
        elif c in ",)" and depth == 0:
            found.append(" ".join(text[begin:at].replace("\\\n", " ").split()))
            begin = at + 1
            if c == ")":
                return found
        elif c == ")":
            depth -= 1
        at += 1


def calls(text, name):
    return [arguments(text, found.end()) for found in re.finditer(r"\b%s\(" % name, text)]


def unquoted(text):
    return text[1:-1]


class Option:
    def __init__(self, row):
        self.key, self.scheme, self.kind = unquoted(row[0]), unquoted(row[1]), row[2]
        self.least, self.most = int(row[3]), int(row[4])
        self.choices, self.fallback, self.help = (unquoted(cell) for cell in row[6:])

    def takes(self):
        if self.choices and self.kind == "CHOICE":
            return " or ".join("`%s`" % word for word in self.choices.split())
        if self.kind == "COUNT":
            return "%d to %d" % (self.least, self.most)
        return {"TEXT": "text", "FILLED": "text, not empty", "BASE": "a base name, without `@`",
                "GLOBS": "patterns, `,` between them", "RANGES": "address ranges, `,` between them",
                "DURATION": "0 or a duration" + (", at least %dms" % self.least if self.least > 1 else ""),
                "PERIOD": "a duration", "PERCENT": "0% to 100%"}[self.kind]


def schemes():
    """Rows (scheme, target, least, most, help)."""
    rows = [row for row in calls(read("src/wire/url.h"), "X") if len(row) == 5 and row[0].startswith('"')]
    return [[unquoted(row[0]), unquoted(row[1]), row[2], row[3], unquoted(row[4])] for row in rows]


def options():
    return [Option(row) for row in calls(read("src/wire/url.h"), "X") if len(row) == 9 and row[0].startswith('"')]


def strategies():
    """By scheme: interval, max_age and misses, as C expressions."""
    text = read("src/discover/schemes.h")
    found = re.finditer(r'\{"(\w+)",\s*CLU_STRATEGY\(', text)
    return {one.group(1): arguments(text, one.end())[5:8] for one in found}


def table(head, rows):
    return "\n".join(["| %s |" % " | ".join(head), "|%s" % ("---|" * len(head))]
                     + ["| %s |" % " | ".join(cell.replace("|", "\\|") for cell in row) for row in rows])


def fallback(text):
    """A default that can be written as a value is shown as one."""
    return "`%s`" % text if re.fullmatch(r"\*|\d+%?|on|off|auto|optional|libcluster|limit_members", text) else text


def regions():
    known = strategies()
    rows = schemes()
    if {row[0] for row in rows} != set(known):
        raise AssertionError("src/wire/url.h knows %s, src/discover/schemes.h %s" % (sorted(row[0] for row in rows), sorted(known)))
    every = options()
    asked = values(sorted({"CLU_INTERVAL", "CLU_TIMEOUT", "CLU_MISSES", *(e for row in known.values() for e in row)}))
    defaults = []
    for scheme, target, _, _, _ in rows:
        interval, age, misses = (asked[expression] for expression in known[scheme])
        hears = age > 0
        interval = interval or asked["CLU_INTERVAL"]
        defaults.append(["`%s:`" % scheme, "one round" if interval == NEVER and scheme != "push" else
                         "none: the program publishes" if interval == NEVER else duration(interval),
                         "does not count" if hears else str(misses or asked["CLU_MISSES"]),
                         duration(age) if hears else "never",
                         duration(asked["CLU_TIMEOUT"]) if not hears and scheme != "push" else "does not apply"])
    found = {
        "schemes": table(["URL", "what it does"],
                         [["[`%s:%s`](#%s)" % (row[0], row[1], row[0]), row[4]] for row in rows]),
        "defaults": table(["scheme", "`interval=`", "`misses=`", "`max-age=`", "`timeout=`"], defaults),
        "common": table(["option", "takes", "default", "what it is for"],
                        [["`%s=`" % o.key, o.takes(), fallback(o.fallback), o.help] for o in every if not o.scheme]),
    }
    for row in rows:
        own = [["`%s=`" % o.key, o.takes(), fallback(o.fallback), o.help] for o in every if row[0] in o.scheme.split()]
        found["of-" + row[0]] = (table(["option", "takes", "default", "what it is for"], own) if own
                                 else "No options beside the common ones.")
    return found


if __name__ == "__main__":
    sys.exit(main(COMMAND, PAGE, regions, sys.argv[1:]))
