"""dns: once more, with c-ares behind it, against one real server and a pretended one."""
import os
import unittest

import clitools
import test_dns
from dnstools import Knot
from tools import built, compile_c


def setUpModule():
    if not os.path.exists("/usr/include/ares.h"):
        raise unittest.SkipTest("no libc-ares-dev")
    clitools.TOOL = compile_c("gcc", built("interop", "clusterctl-cares"), "examples/clusterctl.c",
                              ["-std=c99", "-O0", "-I.", "-DCLUSTER_USE_CARES"], ["-lcares"])


ThroughCares = test_dns.for_server(Knot, "knotd", "knotc")


class PretencesThroughCares(test_dns.Pretences):
    pass
