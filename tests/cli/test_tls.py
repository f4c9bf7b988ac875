"""The TLS hooks of examples/tls_openssl.h beside what clusterctl shows of them."""
import os
import socket
import subprocess
import tempfile
import threading
import unittest

from clitools import ROOT, CtlTest, needs_tool
from web import Authority

HERE = os.path.dirname(os.path.abspath(__file__))


@needs_tool("openssl", "no authority of our own without it")
class Hooks(CtlTest):
    def test_what_is_forked_off_says_nothing(self):
        """A good-bye from there would end the session of the process that goes on."""
        with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as listener:
            authority, program, heard = Authority(folder), os.path.join(folder, "forked"), []
            built = subprocess.run(["cc", "-std=c99", "-D_DEFAULT_SOURCE", "-I" + ROOT, os.path.join(HERE, "forked_tls.c"), "-o", program,
                                    "-lssl", "-lcrypto"], capture_output=True, text=True, timeout=120)
            if "openssl/" in built.stderr:
                self.skipTest("OpenSSL has no headers here")
            self.assertEqual(built.stderr, "")

            def serve():
                connection = listener.accept()[0]
                connection.settimeout(60)
                with authority.context("IP:127.0.0.1").wrap_socket(connection, server_side=True) as stream:
                    heard.append(stream.recv(16))
                    if heard[0]:
                        stream.sendall(heard[0])
            server = threading.Thread(target=serve, daemon=True)
            server.start()
            done = subprocess.run([program, str(listener.getsockname()[1]), authority.file], capture_output=True, text=True, timeout=120)
            server.join(60)
        self.assertEqual((done.returncode, done.stdout, heard), (0, "hello", [b"hello"]))


if __name__ == "__main__":
    unittest.main()
