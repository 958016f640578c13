"""Chromium without a window, in a namespace, driven over its DevTools pipe (JSON, each ended by a NUL)."""
import base64
import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time

from .wait import until

KEYS = {"Tab": 9, "Enter": 13, "Escape": 27}


class Browser:
    """One tab.  What the page writes to its console, and what it may not load, is kept in .complaints."""

    def __init__(self, lab, netns, width=1000, height=1400):
        self.complaints, self._id, self._buf, self._answers = [], 0, b"", {}
        down_r, self._down = os.pipe()
        self._up, up_w = os.pipe()
        log, self._profile = lab.path("browser"), tempfile.mkdtemp(prefix="herald-browser-")

        def pipes():  # what Chromium expects at 3 and 4
            a, b = os.dup(down_r), os.dup(up_w)
            os.dup2(a, 3)
            os.dup2(b, 4)

        with netns.inside(), open(f"{log}/log", "wb") as out:
            self._popen = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", "chromium", "--headless=new", "--no-sandbox",
                 "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--hide-scrollbars",
                 "--disable-background-networking", "--disable-component-update", "--disable-sync",
                 "--remote-debugging-pipe", f"--user-data-dir={self._profile}",
                 f"--window-size={width},{height}", "about:blank"],
                stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
                preexec_fn=pipes, close_fds=False, env=dict(os.environ, HOME=self._profile, LANG="C.UTF-8"))
        os.close(down_r)
        os.close(up_w)
        lab.own(self)
        target = until(self._tab, 60, "a tab of Chromium")
        self._session = self._call("Target.attachToTarget", {"targetId": target, "flatten": True},
                                   session=None)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self._call(f"{domain}.enable")

    def _tab(self):
        pages = [t for t in self._call("Target.getTargets", session=None)["targetInfos"]
                 if t["type"] == "page"]
        return pages[0]["targetId"] if pages else None

    def _take(self, message):
        method, params = message.get("method"), message.get("params", {})
        if "id" in message:
            self._answers[message["id"]] = message
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(params["exceptionDetails"].get("exception", {}).get("description"))
        elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.complaints.append(params["entry"]["text"] + " " + params["entry"].get("url", ""))

    def _read(self, seconds):
        if select.select([self._up], [], [], seconds)[0]:
            got = os.read(self._up, 1 << 20)
            if not got:
                raise OSError("Chromium has ended")
            *whole, self._buf = (self._buf + got).split(b"\0")
            for one in whole:
                self._take(json.loads(one))

    def _call(self, method, params=None, session=""):
        self._id += 1
        message = {"id": self._id, "method": method, "params": params or {}}
        if session is not None:
            message["sessionId"] = session or self._session
        os.write(self._down, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + 60
        while self._id not in self._answers:
            if time.monotonic() > end:
                raise OSError(f"Chromium does not answer to {method}")
            self._read(0.5)
        answer = self._answers.pop(self._id)
        if "error" in answer:
            raise OSError(f"{method}: {answer['error']}")
        return answer["result"]

    # ---- what tests do ----

    def go(self, url):
        self._call("Page.navigate", {"url": url})

    def js(self, expression):
        """The value of an expression (a promise is waited for)."""
        got = self._call("Runtime.evaluate", {"expression": expression, "returnByValue": True,
                                              "awaitPromise": True})
        if "exceptionDetails" in got:
            raise AssertionError(f"{expression}: {got['exceptionDetails']}")
        return got["result"].get("value")

    def text(self, selector="body"):
        return self.js(f"(document.querySelector({json.dumps(selector)}) || {{}}).innerText || ''")

    def press(self, key):
        for kind in ("rawKeyDown" if key not in ("Enter",) else "keyDown", "keyUp"):
            more = {"text": "\r"} if key == "Enter" and kind == "keyDown" else {}
            self._call("Input.dispatchKeyEvent", {"type": kind, "key": key, "code": key,
                                                  "windowsVirtualKeyCode": KEYS[key], **more})

    def write(self, text):
        self._call("Input.insertText", {"text": text})

    def scheme(self, name):
        """dark or light, as a user's system would say."""
        self._call("Emulation.setEmulatedMedia", {"features": [
            {"name": "prefers-color-scheme", "value": name}]})

    def size(self, width, height):
        """As if the window were so large."""
        self._call("Emulation.setDeviceMetricsOverride", {
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": False})

    def scripts(self, on):
        """Whether pages that are opened from now on may run scripts."""
        self._call("Emulation.setScriptExecutionDisabled", {"value": not on})

    def picture(self, path, height=4000):
        """The page as a PNG, from its top."""
        size = self._call("Page.getLayoutMetrics")["cssContentSize"]
        got = self._call("Page.captureScreenshot", {"captureBeyondViewport": True, "clip": {
            "x": 0, "y": 0, "width": size["width"], "height": min(size["height"], height), "scale": 1}})
        with open(path, "wb") as f:
            f.write(base64.b64decode(got["data"]))

    def close(self):
        with contextlib.suppress(OSError):
            os.killpg(self._popen.pid, signal.SIGKILL)
        self._popen.wait(10)
        shutil.rmtree(self._profile, ignore_errors=True)
        for fd in (self._down, self._up):
            with contextlib.suppress(OSError):
                os.close(fd)
