"""A web server that answers as the test says, and misbehaves on demand, with or without TLS by an authority of our own."""
import os
import re
import socket
import ssl
import subprocess
import threading
import urllib.parse

# Each fault: what is sent in place of the answer; {all} is the answer's body, {half} a half of it. None: nothing, until the client goes.
FAULTS = {
    "401": b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n",
    "403": b"HTTP/1.1 403 Forbidden\r\nContent-Length: 54\r\n\r\n" + b'{"kind":"Status","message":"it is forbidden","code":403}'[:54],
    "404": b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
    "500": b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 4\r\n\r\noops",
    "503": b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\n\r\nlater",
    "redirect": b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
    "no content": b"HTTP/1.1 204 No Content\r\n\r\n",
    "empty": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "html": b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 28\r\n\r\n<html>please log in</html>\n\n",
    "error in a 200": b'HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n{"kind":"Status","error":"it went wrong"}',
    "no HTTP": b"-ERR unknown command\r\n\r\n",
    "conflicting lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n[]\n",
    "length and chunks": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n\r\n",
    "chunk size overflow": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000002\r\n[]\r\n0\r\n\r\n",
    "endless header": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 10000 + b"\r\n",
    "endless 1xx": b"HTTP/1.1 100 Continue\r\n\r\n" * 1000,
    "closed before the head": b"",
    "closed in the head": b"HTTP/1.1 200 OK\r\nContent-Le",
    "closed in the body": b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n{half}",
    "closed in a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n{half}",
    "compressed": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 20\r\n\r\n\x1f\x8b\x08" + bytes(17),
    "a list of something else": b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n[1,2,[]]\n",
    "a list of errors": b"HTTP/1.1 200 OK\r\nContent-Length: 21\r\n\r\n[{\"error\":\"no more\"}]",
    "items of something else": b"HTTP/1.1 200 OK\r\nContent-Length: 61\r\n\r\n{\"items\":[1],\"containers\":[2],\"header\":{},\"kvs\":[{\"key\":\"!\"}]}",
    "another document": b"HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\n<?xml version=\"1.0\"?><r></r>\n\n",
    "two documents": b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{all}{all}",
    "the document, and more": b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{all}x",
    "an endless number": b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b"1" * 100000,
    "too deep": b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b"[" * 1000 + b"<a>" * 1000,
    "half a document": b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{half}",
}


class Request:
    def __init__(self, head, body):
        lines = head.decode("latin-1").split("\r\n")
        self.method, self.target, _ = lines[0].split(" ", 2)
        self.headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:] if line)}
        self.body = body
        self.path, _, query = self.target.partition("?")
        self.query = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))


class Web:
    """answer(request) gives bytes or text for a body, (status, headers, body), or an iterator of pieces, which are sent in chunks."""

    def __init__(self, answer, context=None, address="127.0.0.1"):
        self.answer, self.context, self.fault, self.requests = answer, context, None, []
        self.concerns = lambda request: True  # whom the fault is for
        self.socket = socket.create_server((address, 0))
        self.port = self.socket.getsockname()[1]
        self.connections = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            connection.settimeout(120)
            if self.context:
                connection = self.context.wrap_socket(connection, server_side=True)
            with connection:
                data = b""
                while True:
                    while b"\r\n\r\n" not in data:
                        more = connection.recv(65536)
                        if not more:
                            return
                        data += more
                    head, _, data = data.partition(b"\r\n\r\n")
                    length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
                    while length and len(data) < int(length.group(1)):
                        data += connection.recv(65536)
                    size = int(length.group(1)) if length else 0
                    request, data = Request(head, data[:size]), data[size:]
                    self.requests.append(request)
                    if not self._reply(connection, request):
                        return
        except (OSError, ValueError):
            pass

    def _reply(self, connection, request):
        """False: the connection has to end."""
        answer = self.answer(request)
        status, fields, body = answer if isinstance(answer, tuple) else (200, {}, answer)
        fault = self.fault if self.concerns(request) else None
        if fault == "silence":
            connection.recv(1)
            return False
        if fault == "dribble":
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
            connection.settimeout(0.05)
            while True:
                connection.sendall(b" ")
                try:
                    if not connection.recv(1):
                        return False
                except TimeoutError:
                    pass
        if isinstance(body, str):
            body = body.encode()
        if fault:
            whole = body if isinstance(body, bytes) else b""
            connection.sendall(FAULTS[fault].replace(b"{half}", whole[:len(whole) // 2]).replace(b"{all}", whole))
            return False
        head = "HTTP/1.1 %d Said\r\n" % status + "".join("%s: %s\r\n" % field for field in fields.items())
        if isinstance(body, bytes):
            connection.sendall((head + "Content-Length: %d\r\n\r\n" % len(body)).encode() + body)
            return True
        connection.sendall((head + "Transfer-Encoding: chunked\r\n\r\n").encode())
        for piece in body:
            piece = piece if isinstance(piece, bytes) else piece.encode()
            connection.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
        connection.sendall(b"0\r\n\r\n")
        return True


class Authority:
    """Certificates in a folder: ca.crt, and what `context` makes of it."""

    def __init__(self, folder, name="ca"):
        self.folder, self.name = folder, name
        self.file = os.path.join(folder, name + ".crt")
        self._run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30", "-subj",
                  "/CN=test authority " + name, "-addext", "basicConstraints=critical,CA:TRUE", "-keyout", self._path("key"), "-out", self.file)

    def _path(self, end):
        return os.path.join(self.folder, "%s.%s" % (self.name, end))

    def _run(self, *arguments):
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, timeout=60)

    def certificate(self, names, days="30", leaf="leaf"):
        """Files with a certificate for these names, e.g. IP:127.0.0.1,DNS:localhost, and its key."""
        key, request, certificate, extension = (self._path(leaf + end) for end in (".key", ".csr", ".crt", ".ext"))
        with open(extension, "w", encoding="ascii") as file:
            file.write("subjectAltName=%s\n" % names)
        self._run("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=server", "-keyout", key,
                  "-out", request)
        self._run("x509", "-req", "-in", request, "-CA", self.file, "-CAkey", self._path("key"), "-CAcreateserial", "-days", days,
                  "-extfile", extension, "-out", certificate)
        return certificate, key

    def context(self, names, days="30"):
        """A server's TLS, with a certificate for these names."""
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.load_cert_chain(*self.certificate(names, days))
        return made
