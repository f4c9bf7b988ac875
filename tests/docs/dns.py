#!/usr/bin/env python3
"""Write the table of docs/dns.md from the code. With --check, say whether it is current."""
import os
import sys

sys.path[:0] = [os.path.dirname(os.path.abspath(__file__))]
from doctools import duration, grouped, main, values  # noqa: E402
from limits import size  # noqa: E402
from urls import table  # noqa: E402

PAGE = "docs/dns.md"
COMMAND = "python3 tests/docs/dns.py"
MOST = "options timeout:99 attempts:99 ndots:99"


def conf(text, field):
    """What is made of the text of a resolv.conf."""
    return "({ struct clu_resolv r; clu_resolv_parse(&r, clu_slice_str(\"%s\")); r.%s; })" % (text, field)


def repeated(line, field):
    return conf("\\n".join(line % i for i in range(9)), field)



# what, the value without a setting, the most there can be (in C; None: neither), how to write them, the setting
ROWS = [
    ("servers", conf("", "server_count"), repeated("nameserver 10.0.0.%d", "server_count"), str, "`nameserver`, or `server=`, which has no such limit; without any it is 127.0.0.1"),
    ("port of a server", "CLU_DNS_PORT", None, str, "`server=ADDRESS:PORT`"),
    ("domains of the search list", conf("", "search_count"), conf("search " + " ".join("d%d" % i for i in range(9)), "search_count"), str, "`search`, or `domain`, which has one; used with `search=on` alone"),
    ("dots that make a name be tried as it is first", conf("", "options[CLU_RESOLV_NDOTS]"), conf(MOST, "options[CLU_RESOLV_NDOTS]"), str, "`options ndots:`"),
    ("time of one try", conf("", "options[CLU_RESOLV_TIMEOUT] * CLU_SECOND"), conf(MOST, "options[CLU_RESOLV_TIMEOUT] * CLU_SECOND"), duration, "`options timeout:`, in seconds; a try gets at most its share of the question's time"),
    ("rounds over all servers", conf("", "options[CLU_RESOLV_ATTEMPTS]"), conf(MOST, "options[CLU_RESOLV_ATTEMPTS]"), str, "`options attempts:`"),
    ("time of a round", "CLU_TIMEOUT", None, duration, "`timeout=` of the URL; a question has fifteen sixteenths of it"),
    ("time from round to round", "CLU_INTERVAL", None, duration, "`interval=`, or `interval=ttl`"),
    ("the same with `interval=ttl`, at least", "CLU_DNS_TTL_LEAST * CLU_SECOND", None, duration, "fixed"),
    ("the same, at most", "CLU_DNS_TTL_MOST * CLU_SECOND", None, duration, "fixed"),
    ("complete answers without a node until it leaves", "CLU_MISSES", None, str, "`misses=`"),
    ("a datagram that is asked for (EDNS)", "CLU_DNS_UDP_MAX", None, size, "fixed; what is longer comes over TCP"),
    ("a message over TCP", "65535", None, size, "fixed by the format"),
    ("a name, on the wire", "CLU_DNS_NAME_MAX", None, size, "fixed by the format"),
    ("a name, as text", "CLU_DNS_TEXT_MAX - 1", None, size, "fixed by the format"),
    ("links of a CNAME chain", "CLU_DNS_LINKS_MAX", None, str, "fixed; a longer one is malformed"),
    ("compression pointers in a name", "CLU_DNS_HOPS_MAX", None, str, "fixed; more are malformed"),
    ("datagrams that are dropped before another socket and id are taken", "CLU_DNS_FLOOD", None, grouped, "fixed; one that was much work to read counts as several"),
    ("names of a source", "CLU_DNS_NAMES_MAX", None, grouped, "fixed"),
    ("nodes and addresses of a round", "CLU_DNS_NODES_MAX", None, grouped, "fixed; with more it has failed"),
    ("questions of a source under way", "CLU_DNS_ASKED_MAX", None, str, "fixed; the others follow"),
    ("questions of a handle with a socket", "CLU_DNS_FLIGHT", None, str, "fixed; the others wait"),
    ("slots of a strategy's questions", "CLUSTER_DNS_SLOTS", None, grouped, "fixed"),
    ("time from look to look at the two files", "CLU_DNS_LOOK", None, duration, "fixed"),
    ("size of the two files", "CLU_FILE_MAX", None, size, "fixed; a larger one fails the round"),
]


def regions():
    asked = values(sorted({expression for row in ROWS for expression in row[1:3] if expression}))
    return {"numbers": table(["what", "without a setting", "at most", "setting"],
                             [[what, write(asked[usual]), write(asked[most]) if most else "", setting]
                              for what, usual, most, write, setting in ROWS])}


if __name__ == "__main__":
    sys.exit(main(COMMAND, PAGE, regions, sys.argv[1:]))
