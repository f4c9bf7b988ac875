"""The object's symbol table: what it exports, what it asks of the C library, what in it may be written."""
import re
import sys

from tools import ROOT, Failure, built, compile_c, must, once

sys.path.insert(0, ROOT)
import amalgamate  # noqa: E402

# What never blocks, starts no thread, installs no signal handler, ends no process and knows no locale has no use for these.
FORBIDDEN = re.compile(r"_*(s?n?printf|v\w*printf|f?puts|fwrite|putchar|perror|std(in|out|err)|f?open64|fopen|exit|_Exit|abort|"
                       r"assert_fail|signal|sigaction|sigprocmask|raise|kill|pthread_\w+|thrd_\w+|fork|vfork|exec\w*|system|"
                       r"popen|sleep|usleep|nanosleep|select|pause|wait|waitpid|getaddrinfo|gethostby\w+|getnameinfo|time|"
                       r"gettimeofday|localtime\w*|gmtime\w*|strftime|setlocale|strto\w+|ato\w+|rand|srand|random|strtok|"
                       r"strcpy|strcat|gets|setjmp|longjmp|strerror|setenv|putenv)(@.*)?")


def built_object(name, *flags, level="-Os"):
    return compile_c("gcc", built("symbols", name + ".o"), "tests/build/implementation.c",
                     ["-c", level, "-std=c99", "-I.", *flags])


def symbols(path):
    """(type, name) of every symbol."""
    return [tuple(line.split()[-2:]) for line in must(["nm", path]).split("\n") if line.strip()]


def exported(path):
    return {name for kind, name in symbols(path) if kind.isupper() and kind != "U"}


def declared():
    return set(amalgamate.functions(amalgamate.Fragment("api.h", [])))


def expect(found, wanted, what):
    if found != wanted:
        raise Failure("%s\n  too many: %s\n  missing: %s" % (what, " ".join(sorted(found - wanted)) or "none",
                                                             " ".join(sorted(wanted - found)) or "none"))


@once
def whole():
    return built_object("whole")


def exports():
    expect(exported(whole()), declared(), "the exported symbols are not the declared functions")


def exports_in_namespace():
    expect(exported(built_object("namespace", "-DCLUSTER_NAMESPACE=foo_", level="-O0")), {"foo_" + name for name in declared()},
           "CLUSTER_NAMESPACE=foo_ does not rename all")


def exports_static():
    expect(exported(built_object("static", "-DCLUSTER_STATIC", level="-O0")), set(), "CLUSTER_STATIC leaves global symbols")


def imports():
    bad = sorted(name for kind, name in symbols(whole()) if kind == "U" and FORBIDDEN.fullmatch(name))
    if bad:
        raise Failure("the library must not call: " + " ".join(bad))


def writable():
    bad = []
    for line in must(["size", "-A", whole()]).split("\n"):
        section = line.split()
        if len(section) == 3 and re.match(r"\.(data|bss|tdata|tbss|common)", section[0]) and section[1] != "0":
            if not section[0].startswith(".data.rel.ro"):
                bad.append("%s: %s bytes" % (section[0], section[1]))
    names = [name for kind, name in symbols(whole()) if kind in "bBcC"]
    if bad or names:
        raise Failure("nothing in the object may be writable; but %s %s" % (", ".join(bad), " ".join(names)))


def without(parts):
    """What is left out leaves no hole: no function of the library that is called and not there."""
    path = built_object("without-" + "-".join(parts), *("-DCLUSTER_NO_" + part for part in parts), level="-O0")
    holes = {name for kind, name in symbols(path) if kind == "U" and name.startswith(("cluster_", "clu_"))}
    expect(holes, set(), "functions that are called and not defined")
    expect(exported(path) - declared(), set(), "exported and not declared")


def jobs():
    every = sorted(amalgamate.PARTS)
    return ([(f.__name__.replace("_", " "), f) for f in (exports, exports_in_namespace, exports_static, imports, writable)]
            + [("without " + part, lambda part=part: without([part])) for part in every]
            + [("without all parts", lambda: without(every))])
