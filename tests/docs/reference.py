#!/usr/bin/env python3
"""The reference, out of the comments of src/api.h and the help of clusterctl: `make reference` writes build/reference/ with the manual
pages cluster.h(3) and clusterctl(1), and cluster.html, one page that reads well on a phone. With --check nothing is written."""
import html
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
OUT = os.path.join(ROOT, "build", "reference")
NAME = r"\b(?:cluster|CLUSTER)_\w+"


class Entry:
    """A comment and the declarations that stand under it; either may be empty."""

    def __init__(self, text, code):
        self.text, self.code = text, code

    def shown(self):
        return re.sub(r"^CLUSTER_API ", "", self.code, flags=re.M)

    def names(self):
        """What it declares: functions, structs, constants."""
        found = re.findall(r"^CLUSTER_API [^;]*?\b(cluster_\w+)\(", self.code, re.M) + re.findall(r"^struct (\w+) \{", self.code, re.M)
        return found + re.findall(r"^#define (CLUSTER_\w+)", self.code, re.M) + re.findall(r"\b(CLUSTER_\w+) = ", self.code)


def comment_text(lines):
    """Without the stars."""
    text = "\n".join(re.sub(r"^ ?\*? ?", "", line) for line in "\n".join(lines).strip()[2:-2].split("\n"))
    return text.strip("\n").rstrip()


def parse():
    """The introduction, and [(section, [Entry])]."""
    with open(os.path.join(ROOT, "src", "api.h"), encoding="ascii") as f:
        lines = f.read().split("\n")
    intro, sections, text, code, i = "", [], "", [], 0

    def close():
        nonlocal text, code
        kept = [line for line in code if not re.match(r'#(if|ifdef|ifndef|else|elif|endif|include)|extern "C"|\}$', line)]
        if sections and ("".join(kept).strip() or text):
            sections[-1][1].append(Entry(text, "\n".join(kept).strip("\n")))
        text, code = "", []
    while i < len(lines):
        line = lines[i]
        if line.startswith("/*"):
            end = next(j for j in range(i, len(lines)) if "*/" in lines[j])
            heading = re.match(r"/\* ---- (.*?) -+ \*/$", line)
            if heading:
                close()
                sections.append((heading.group(1), []))
            elif not intro and not sections:
                intro = comment_text(lines[i:end + 1])
            else:
                close()
                text = comment_text(lines[i:end + 1])
            i = end
        elif not line and not re.match(r"[ }]", lines[i + 1] if i + 1 < len(lines) else "x"):
            if "".join(code).strip():
                close()
        else:
            code.append(line)
        i += 1
    close()
    return intro, [(name, entries) for name, entries in sections if entries]


def as_list(lines):
    """Words, and in a column of its own what each means, as ("list", [(word, meaning)]); None for anything else."""
    rows = []
    for line in lines:
        row, more = re.fullmatch(r"  (\S+)  +(\S.*)", line), re.fullmatch(r" {8,}(\S.*)", line)
        if row and "   " in row.group(2):
            return None  # more columns than two
        if row:
            rows.append((row.group(1), row.group(2)))
        elif more and rows:
            rows[-1] = rows[-1][0], rows[-1][1] + " " + more.group(1)
        else:
            return None
    return ("list", rows)


def paragraphs(text):
    """[(kind, text)]: head, code (indented lines), list, or text."""
    found = []
    for part in re.split(r"\n\n", text):
        lines = part.split("\n")
        while len(lines) > 1 and re.fullmatch(r"-+", lines[1]):
            found.append(("head", lines[0]))
            lines = lines[2:]
        block = []
        for line in lines + [""]:
            kind = "code" if re.match(r" {2,}\S", line) else "text"
            if block and (kind != block[0] or not line):
                found.append(as_list(block[1:]) or (block[0], "\n".join(block[1:])))
                block = []
            if line:
                block = (block or [kind]) + [line]
    return found


def version():
    with open(os.path.join(ROOT, "src", "api.h"), encoding="ascii") as f:
        return re.search(r'CLUSTER_VERSION_STRING "(.*)"', f.read()).group(1)


# ---- manual pages -------------------------------------------------------------------------------------------------------


def roff(text):
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"^([.'])", r"\\&\1", text, flags=re.M)


def roff_block(code):
    return ".PP\n.nf\n%s\n.fi\n" % re.sub(r"\n+", "\n", roff(code))


def roff_text(text):
    """The paragraphs of a comment."""
    out = []
    for kind, part in paragraphs(text):
        if kind == "list":
            out += [".TP\n.B %s\n%s\n" % (roff(word), roff(meaning)) for word, meaning in part]
        else:
            out.append(".SS %s\n" % roff(part) if kind == "head" else roff_block(part) if kind == "code" else ".PP\n%s\n" % roff(part))
    return "".join(out)


def tidy(lines):
    """A heading begins a paragraph by itself."""
    return re.sub(r"(^\.S[HS] [^\n]*\n)\.PP\n", r"\1", "".join(lines), flags=re.M)


def page(name, section, what):
    return '.\\" Generated by tests/docs/reference.py.\n.TH %s %s "" "cluster.h %s"\n.SH NAME\n%s \\- %s\n' % (
        name.upper(), section, version(), roff(name), roff(what))


def man3(intro, sections):
    lines = [page("cluster.h", 3, "join an Erlang/Elixir cluster, or form one of your own, from C")]
    lines.append(".SH SYNOPSIS\n.nf\n#define CLUSTER_IMPLEMENTATION    /* in one .c file of its own */\n#include \"cluster.h\"\n.fi\n")
    lines.append(".SH DESCRIPTION\n")
    lines.append(roff_text(intro))
    for name, entries in sections:
        lines.append(".SH %s\n" % roff(name.upper()))
        for entry in entries:
            if entry.code:
                lines.append(roff_block(entry.shown()))
            lines.append(roff_text(entry.text))
    lines.append(".SH SEE ALSO\n.BR clusterctl (1)\n")
    return tidy(lines)


def ask_tool(*arguments):
    tool = os.path.join(ROOT, "build", "clusterctl")
    done = subprocess.run([tool, *arguments], capture_output=True, text=True, timeout=60, check=True)
    return done.stdout


def man1():
    overview = ask_tool("help")
    commands = re.findall(r"^  (\w+)  ", overview, re.M)
    lines = [page("clusterctl", 1, "look at a cluster, wait for one, place keys on one")]
    lines.append(".SH SYNOPSIS\n.B clusterctl\n.I command\n[argument ...]\n.SH DESCRIPTION\n")
    lines.append(roff_block(overview.partition("\n\n")[2].rstrip("\n")))
    lines.append(".SH COMMANDS\n")
    for command in commands:
        lines.append(".SS %s\n" % command + roff_block(ask_tool("help", command).strip("\n")))
    lines.append(".SH SEE ALSO\n.BR cluster.h (3)\n")
    return tidy(lines)


# ---- HTML ---------------------------------------------------------------------------------------------------------------

STYLE = """
:root { color-scheme: light dark; --soft: #8883; --link: #0a58ca; }
@media (prefers-color-scheme: dark) { :root { --link: #8ab4ff; } }
body { font: 1rem/1.55 system-ui, sans-serif; max-width: 54rem; margin: 0 auto; padding: 0 1rem 4rem; overflow-wrap: break-word; }
pre { background: var(--soft); padding: .7rem; overflow-x: auto; font-size: .82rem; line-height: 1.4; border-radius: .3rem; }
code { font-family: ui-monospace, monospace; }
a { color: var(--link); text-decoration: none; } a:hover { text-decoration: underline; }
h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--soft); } nav ul { columns: 16rem; padding-left: 1.1rem; }
dt { font-weight: 600; } dd { margin: 0 0 .4rem 1.2rem; }
summary { cursor: pointer; padding: .4rem 0; } :target { outline: 2px solid var(--link); }
"""


def slug(text):
    return re.sub(r"\W+", "-", text.lower()).strip("-")


def linked(text, known, own=()):
    """Escaped, with names that are declared somewhere as links there, and those that are declared here as anchors."""
    waiting = set(own)

    def name(found):
        word = found.group(0)
        if word in waiting:
            waiting.discard(word)
            return '<b id="%s">%s</b>' % (word, word)
        return '<a href="#%s">%s</a>' % (word, word) if word in known else word
    return re.sub(r"\b(?:cluster|CLUSTER)_\w+\b", name, html.escape(text, quote=False))


def html_page(intro, sections):
    known = {name for _, entries in sections for entry in entries for name in entry.names()}
    out = ["<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
           "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>cluster.h %s</title>\n<style>%s</style>\n"
           "</head>\n<body>\n<h1>cluster.h %s</h1>\n" % (version(), STYLE, version())]

    def text_of(text):
        for kind, part in paragraphs(text):
            if kind == "list":
                rows = "".join("<dt>%s</dt><dd>%s</dd>\n" % (linked(word, known), linked(meaning, known)) for word, meaning in part)
                out.append("<dl>\n%s</dl>\n" % rows)
                continue
            body = linked(part, known)
            out.append("<h3>%s</h3>\n" % body if kind == "head" else "<pre><code>%s</code></pre>\n" % body if kind == "code"
                       else "<p>%s</p>\n" % body)
    out.append("<nav><details><summary>%d names</summary>\n<ul>\n" % len(known))
    out += ['<li><a href="#%s">%s</a></li>\n' % (name, name) for name in sorted(known)]
    out.append("</ul></details>\n<ul>\n")
    out += ['<li><a href="#%s">%s</a></li>\n' % (slug(name), html.escape(name)) for name, _ in sections]
    out.append("</ul></nav>\n<main>\n")
    text_of(intro)
    given = set()
    for name, entries in sections:
        out.append('<section>\n<h2 id="%s">%s</h2>\n' % (slug(name), html.escape(name)))
        for entry in entries:
            own = [n for n in entry.names() if n not in given]
            given.update(own)
            if entry.code:
                out.append("<pre><code>%s</code></pre>\n" % linked(entry.shown(), known, own))
            text_of(entry.text)
        out.append("</section>\n")
    return "".join(out + ["</main>\n</body>\n</html>\n"])


def pages():
    parsed = parse()
    return {"cluster.h.3": man3(*parsed), "clusterctl.1": man1(), "cluster.html": html_page(*parsed)}


def main():
    if sys.argv[1:] not in ([], ["--check"]):
        print(__doc__.strip(), file=sys.stderr)
        return 2
    made = pages()
    if not sys.argv[1:]:
        os.makedirs(OUT, exist_ok=True)
        for name, text in made.items():
            with open(os.path.join(OUT, name), "w", encoding="utf-8") as f:
                f.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
