"""tabs.py: a headless Chromium for all stories; the tabs of each are driven call by call (browser/drive.mjs)."""
import json
import os
import shutil
import socket
import subprocess
import sys

from words import FACTOR, HERE, Failed, check, check_installed, end_by_input, same

FOLDER = os.path.join(HERE, "browser")
CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"


class SharedBrowser:
    """The one program that all browsers are in, of all stories: with SharedBrowser(folder): …"""

    def __init__(self, folder):
        path = os.path.join(folder, "browser.sock")
        try:
            self.popen = subprocess.Popen(["node", os.path.join(FOLDER, "drive.mjs"), CHROMIUM, path], cwd=FOLDER,
                                          env={**os.environ, "TMPDIR": folder}, stdin=subprocess.PIPE,
                                          stdout=subprocess.PIPE)
        except OSError as error:
            print(f"no browser: {error}", file=sys.stderr)
            self.popen = None
            return
        if self.popen.stdout.readline() == b"ready\n":
            os.environ["LEAT_BROWSER"] = path

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        if self.popen:
            end_by_input(self.popen, 20)


class Browser:
    """A browser as of one person; its tabs share what it keeps."""

    def __init__(self, leat, width=1280, height=800, **options):
        check_installed(FOLDER, "playwright-core")
        check(os.environ.get("LEAT_BROWSER"), "there is a SharedBrowser, and it has started")
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60 * FACTOR)
        self.socket.connect(os.environ["LEAT_BROWSER"])
        self.answers = self.socket.makefile()
        self.send({"viewport": {"width": width, "height": height}, **options})
        self.tabs = 0
        leat.helpers.append(self)

    def send(self, line):
        self.socket.sendall(json.dumps(line).encode() + b"\n")

    def call(self, tab, call, *args):
        self.send({"tab": tab, "call": call, "args": args})
        line = self.answers.readline()
        check(line, "the browser is there")
        answer = json.loads(line)
        if "error" in answer:
            raise Failed(f"{call} {args}: {answer['error'][:1500]}")
        return answer["value"]

    def open(self, address):
        self.tabs += 1
        tab = Tab(self, self.tabs)
        tab.call("open", address)
        return tab

    def close(self):
        """Comes back when it asks for nothing any more: the next story's gateway may have the same port."""
        if self.socket.fileno() < 0:
            return
        self.socket.shutdown(socket.SHUT_WR)
        while self.socket.recv(65536):
            pass
        self.answers.close()
        self.socket.close()


class Tab:
    def __init__(self, browser, number):
        self.browser, self.number = browser, number

    def call(self, call, *args):
        return self.browser.call(self.number, call, *args)

    def look(self, expression):
        """What an expression of JavaScript gives."""
        return self.call("evaluate", expression)

    def wait(self, expression, seconds=10):
        """Until an expression of JavaScript is true."""
        try:
            self.call("wait", expression, seconds * FACTOR)
        except Failed as failed:
            raise Failed(f"{failed}; wrong: {self.call('wrong')}; the page: {self.text('body')[-1500:]}") from None

    def text(self, selector):
        return self.look(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''")

    def type(self, text):
        self.call("type", "#box", text)

    def press(self, *keys):
        for key in keys:
            self.call("press", key)

    def ask(self, text):
        self.wait("document.querySelector('#feature')")  # a page that knows its features follows its chat
        self.type(text)
        self.press("Enter")

    def nothing_is_wrong(self, origin):
        # Where a gateway has no features the page shows a text field in place of the list.
        wrong = [w for w in self.call("wrong") if not (w.endswith("/features") and "404" in w)]
        same(wrong, [], "what went wrong on the page")
        others = [r for r in self.call("requests") if not r.split(" ", 1)[1].startswith((origin + "/", "data:"))]
        same(others, [], "what was asked of other addresses")
