"""A page in headless Chromium, driven by its DevTools protocol over two pipes."""
import base64
import json
import os
import shutil
import subprocess
import tempfile
import time

PATIENCE = 60


class Browser:
    def __init__(self, program):
        self.folder = tempfile.mkdtemp()
        ours, theirs = os.pipe(), os.pipe()  # what we say, what it says
        self.process = subprocess.Popen(
            ["bash", "-c", 'exec "$@" 3<&%d 4>&%d' % (ours[0], theirs[1]), "chromium", program, "--headless=new", "--no-sandbox", "--disable-gpu",
             "--disable-dev-shm-usage", "--no-first-run", "--window-size=1000,1000", "--remote-debugging-pipe", "--user-data-dir=" + self.folder, "about:blank"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, pass_fds=(ours[0], theirs[1]),
            start_new_session=True)
        os.close(ours[0])
        os.close(theirs[1])
        self.out, self.source, self.session, self.number = os.fdopen(ours[1], "wb"), os.fdopen(theirs[0], "rb"), None, 0
        self.rest, self.problems = b"", []
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in "Page", "Runtime", "Log":
            self.ask(domain + ".enable")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            os.killpg(self.process.pid, 9)
        except ProcessLookupError:
            pass
        self.process.wait()
        self.out.close()
        self.source.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def ask(self, method, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        self.out.write(json.dumps(message).encode() + b"\0")
        self.out.flush()
        while True:
            while b"\0" not in self.rest:
                more = os.read(self.source.fileno(), 1 << 16)
                if not more:
                    raise AssertionError("chromium has ended")
                self.rest += more
            one, _, self.rest = self.rest.partition(b"\0")
            said = json.loads(one)
            if said.get("method") == "Runtime.exceptionThrown" or (said.get("method") == "Log.entryAdded"
                                                                   and said["params"]["entry"]["level"] == "error"):
                self.problems.append(said["params"])
            if said.get("id") == self.number:
                if "error" in said:
                    raise AssertionError("%s: %s" % (method, said["error"]))
                return said["result"]

    def open(self, url):
        self.ask("Page.navigate", url=url)

    def value(self, script):
        """What an expression is worth in the page; a promise is waited for."""
        result = self.ask("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def until(self, script):
        end = time.monotonic() + PATIENCE
        while not self.value(script):
            if time.monotonic() > end:
                raise AssertionError("never came true in the page: %s\n%s" % (script, self.value("document.body.innerText")))
            time.sleep(0.05)

    def screenshot(self, path):
        with open(path, "wb") as out:
            out.write(base64.b64decode(self.ask("Page.captureScreenshot", format="png")["data"]))
