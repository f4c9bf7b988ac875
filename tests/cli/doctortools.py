"""What the tests of doctor share: a visit, and what it found."""
from clitools import CtlTest, ctl

HERE = "127.0.0.1"


class Visit:
    """What one run of the doctor said."""

    def __init__(self, outcome):
        self.outcome = outcome
        objects = outcome.objects
        self.checks = [o for o in objects if o["type"] == "check"]
        self.verdict = objects[-1] if objects else None
        self.code = outcome.code

    def of(self, state):
        return {check["check"] for check in self.checks if check["state"] == state}

    @property
    def fails(self):
        return self.of("FAIL")

    @property
    def warns(self):
        return self.of("warn")

    def one(self, name, about=None):
        """The one finding of a check, on this."""
        found = [c for c in self.checks if c["check"] == name and about in (None, c["about"])]
        if len(found) != 1:
            raise AssertionError("%d findings of %s on %s:\n%s" % (len(found), name, about, self.story()))
        return found[0]

    def story(self):
        return "\n".join("%(state)s %(check)s %(about)s: %(cause)s" % check for check in self.checks) + "\n" + self.outcome.err


class DoctorTest(CtlTest):
    port = None  # of epmd

    def visit(self, *arguments, **env):
        visit = Visit(ctl("doctor", *arguments, "--json", **dict({"ERL_EPMD_PORT": self.port}, **env)))
        self.assertEqual(visit.code, 1 if visit.fails else 0, visit.story())
        self.assertEqual(visit.verdict["FAIL"], len([c for c in visit.checks if c["state"] == "FAIL"]))
        for check in visit.checks:
            self.assertEqual(check["mend"] is None, check["state"] == "ok")
        return visit

    def fails(self, visit, *names):
        self.assertEqual(visit.fails, set(names), visit.story())

    @classmethod
    def keep(cls, thing, end="close"):
        cls.addClassCleanup(getattr(thing, end))
        return thing
