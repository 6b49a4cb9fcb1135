"""tabs.py: a headless Chromium for stories, whose tabs are driven call by call (browser/drive.mjs)."""
import json
import os
import shutil
import subprocess
import threading

from words import FACTOR, HERE, Failed, check, same

FOLDER = os.path.join(HERE, "browser")
CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"


class Browser:
    """One browser, as of one person; its tabs share what it keeps."""

    def __init__(self, leat, width=1280, height=800, **options):
        check(os.path.isdir(os.path.join(FOLDER, "node_modules", "playwright-core")),
              f"playwright-core is installed: npm ci --prefix {os.path.relpath(FOLDER)}")
        given = {"viewport": {"width": width, "height": height}, **options}
        self.popen = subprocess.Popen(["node", os.path.join(FOLDER, "drive.mjs"), CHROMIUM, json.dumps(given)],
                                      env={**leat.base_env(), "TMPDIR": leat.dir}, stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=FOLDER)
        self.tabs = 0
        leat.helpers.append(self)

    def call(self, tab, call, *args):
        self.popen.stdin.write(json.dumps({"tab": tab, "call": call, "args": args}).encode() + b"\n")
        self.popen.stdin.flush()
        alarm = threading.Timer(60 * FACTOR, self.popen.kill)
        alarm.start()
        line = self.popen.stdout.readline()
        alarm.cancel()
        check(line, lambda: f"the browser answers {call}: {self.popen.stderr.read()[-1500:]}")
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
        if self.popen.stdin.closed:
            return
        self.popen.stdin.close()
        try:
            self.popen.wait(20 * FACTOR)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()


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
