"""The compiler matrix: cluster.h without a warning under every compiler, standard and switch that is promised."""
import os
import re
import sys

from tools import ROOT, STRICT, Failure, Skip, built, compile_c, must, run, tool

sys.path.insert(0, ROOT)
import amalgamate  # noqa: E402

HERE = "tests/build/"
CXX = {"gcc": "g++", "clang": "clang++"}


def compiles(name, compiler, source, flags):
    def job():
        compile_c(compiler, built("compile", re.sub(r"\W+", "_", name) + ".o"), HERE + source, ["-c", "-I.", *flags])
    return name, job


def standards():
    for compiler in "gcc", "clang":
        for standard in "c99", "c11", "c17", "gnu99":
            yield compiles("%s %s" % (compiler, standard), compiler, "implementation.c",
                           ["-O0", "-std=" + standard, "-Wcast-qual", *STRICT])
        for level in "-Os", "-O2", "-O3":
            yield compiles("%s c99 %s" % (compiler, level), compiler, "implementation.c", [level, "-std=c99", *STRICT])
        for standard in "c++11", "c++17":
            yield compiles("%s %s" % (CXX[compiler], standard), CXX[compiler], "implementation.c",
                           ["-x", "c++", "-O1", "-std=" + standard, *STRICT])
        yield compiles("%s declarations, strict, no feature macros" % compiler, compiler, "declarations.c",
                       ["-std=c99", *STRICT])
        yield compiles("%s declarations" % CXX[compiler], CXX[compiler], "declarations.c",
                       ["-x", "c++", "-std=c++11", *STRICT])
    yield compiles("tcc", "tcc", "implementation.c", ["-std=c99", "-Wall", "-Werror"])
    for compiler in "musl-gcc", "i686-linux-gnu-gcc", "s390x-linux-gnu-gcc":
        yield compiles(compiler, compiler, "implementation.c", ["-Os", "-std=c99", *STRICT])


def cares():
    """With c-ares behind the resolver."""
    for compiler, flags in ("gcc", ["-std=c99"]), ("clang", ["-std=c99"]), ("g++", ["-x", "c++", "-std=c++11"]):
        name, job = compiles("CLUSTER_USE_CARES, " + compiler, compiler, "implementation.c",
                             ["-O0", *flags, *STRICT, "-DCLUSTER_USE_CARES"])
        yield name, job if os.path.exists("/usr/include/ares.h") else no_cares


def no_cares():
    raise Skip("no libc-ares-dev")


def linked(name, compiler, units, flags=()):
    """Compile each unit (a source, its flags), link all, run the program: it has to end with 0."""
    def job():
        base = built("compile", re.sub(r"\W+", "_", name))
        objects = [compile_c(compiler, "%s.%d.o" % (base, i), source, ["-c", "-I.", *STRICT, *flags, *more])
                   for i, (source, more) in enumerate(units)]
        compile_c(compiler, base, objects)
        must([base], timeout=60)
    return name, job


def programs():
    in_files = [(HERE + source, []) for source in ("implementation.c", "declarations.c", "program.c")]
    spaces = [(HERE + "namespace.c", ["-DSPACE=one"]), (HERE + "namespace.c", ["-DSPACE=two"]), (HERE + "namespace_main.c", [])]
    for compiler in "gcc", "clang", "tcc", "musl-gcc":
        yield linked("several files, " + compiler, compiler, in_files, ["-std=c99"])
    yield linked("several files, g++", "g++", in_files, ["-x", "c++", "-std=c++11"])
    yield linked("two namespaces, gcc", "gcc", spaces, ["-std=c99"])
    yield linked("two namespaces, g++", "g++", spaces, ["-x", "c++", "-std=c++11"])
    for compiler in "gcc", "clang":
        yield linked("CLUSTER_STATIC, " + compiler, compiler, [(HERE + "static.c", [])], ["-std=c99"])


def includes():
    for flags in ["-std=gnu99"], ["-std=c99", "-D_DEFAULT_SOURCE"]:
        for source in "included_twice.c", "after_stdio.c":
            yield compiles("%s %s" % (source, " ".join(flags)), "gcc", source, [*flags, *STRICT])

    def says_which_flag(compiler):
        done = run([tool(compiler), "-std=c99", "-I.", "-fsyntax-only", HERE + "after_stdio.c"])
        if done.code == 0:
            return
        errors = [line for line in done.output.split("\n") if "error" in line]
        if not errors or "-D_DEFAULT_SOURCE" not in errors[0]:
            raise Failure(done.describe() + "\nthe first error has to name the flag")
    for compiler in "gcc", "musl-gcc":
        yield ("a system header first, strict, " + compiler, lambda compiler=compiler: says_which_flag(compiler))


def parts():
    every = sorted(amalgamate.PARTS)
    for out in [[part] for part in every] + [every]:
        flags = ["-DCLUSTER_NO_" + part for part in out]
        label = "all parts" if out == every and len(every) > 1 else out[0]
        for compiler in ("gcc", "clang") if out == every else ("gcc",):
            yield compiles("without %s, %s" % (label, compiler), compiler, "implementation.c",
                           ["-O0", "-std=c99", *STRICT, *flags])

    for compiler in "gcc", "clang":
        yield compiles("CLUSTER_STATIC without all parts, " + compiler, compiler, "static.c",
                       ["-std=c99", *STRICT, *("-DCLUSTER_NO_" + part for part in every)])

    def physical(arguments):
        folder = built("compile", "physical" + re.sub(r"\W+", "_", arguments), "cluster.h")
        must([sys.executable, "amalgamate.py", *arguments.split(), "-o", folder])
        compile_c("gcc", folder[:-2] + ".o", HERE + "implementation.c",
                  ["-c", "-O0", "-std=c99", "-I" + os.path.dirname(folder), *STRICT])
    for preset in amalgamate.PRESETS:
        yield "preset " + preset, lambda preset=preset: physical("--preset " + preset)
    for part in every:
        yield "--without " + part, lambda part=part: physical("--without " + part)
    yield "--without all parts", lambda: physical("--without " + ",".join(every))
    yield "--line", lambda: physical("--line")


def split():
    def job():
        folder = os.path.dirname(built("compile", "split", "cluster.c"))
        must([sys.executable, "amalgamate.py", "--split", "-o", folder])
        objects = [compile_c("gcc", "%s/%d.o" % (folder, i), source, ["-c", "-std=c99", "-I" + folder, *STRICT])
                   for i, source in enumerate([folder + "/cluster.c", HERE + "program.c", HERE + "declarations.c"])]
        compile_c("gcc", folder + "/program", objects)
        must([folder + "/program"])
    yield "--split", job


def fragments():
    """Each fragment has all that it needs in its own includes."""
    def job(path):
        for language, compiler, standard in ("c", "gcc", "c99"), ("c++", "g++", "c++11"):
            compile_c(compiler, None, path, ["-x", language, "-std=" + standard, "-fsyntax-only", *STRICT])
    for path, _ in amalgamate.MANIFEST:
        yield "src/%s alone" % path, lambda path=path: job("src/" + path)


def jobs():
    return [job for group in (standards, cares, programs, includes, parts, split, fragments) for job in group()]
