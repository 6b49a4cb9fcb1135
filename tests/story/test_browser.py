"""A real browser: the EventSource of headless Chromium, through cuts, and until it stops by itself."""
import functools
import http.server
import threading
import urllib.parse

from leat import Wire, check, limit, same, target, until
from tabs import FOLDER, Browser

HEAVY = BROWSER = True  # see run


class _Quiet(http.server.SimpleHTTPRequestHandler):
    """Pages from a folder; the page tells how many events it has seen by asking for /seen?n."""

    def do_GET(self):
        if not self.path.startswith("/seen?"):
            return super().do_GET()
        self.server.seen = max(self.server.seen, int(self.path.split("?")[1]))
        self.send_response(204)
        return self.end_headers()

    def log_message(self, *_arguments):
        pass


class _Pages:
    """Serves browser/page.html at an origin of its own, so that CORS is needed."""

    def __init__(self, leat):
        handler = functools.partial(_Quiet, directory=FOLDER)
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.seen = 0
        self.origin = f"http://127.0.0.1:{self.server.server_port}"
        leat.helpers.append(self)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def seen(self):
        return self.server.seen

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class _Reader:
    """A tab that reads a stream; `seen` waits until it has stopped, and gives what the page saw."""

    def __init__(self, leat, pages, stream):
        self.tab = Browser(leat).open(f"{pages.origin}/page.html?" + urllib.parse.urlencode({"stream": stream}))

    def seen(self, seconds=35):
        self.tab.wait("window.seen.closed", seconds)
        return self.tab.look("window.seen")


def _streams(wire):
    return [r for r in wire.requests if r.startswith("GET /stream")]


def _read_to_its_end(leat, seen, wire, job, last):
    texts = [e["data"] for e in seen["events"]]
    entries = leat.redis.entries("stream:f:c")[1:]
    same([(e["id"], e["data"]) for e in seen["events"]], [(i, f["data"]) for i, f in entries],
         "what the page saw is what stands in Redis")
    same((len(texts), texts[-1]), (last, "[DONE]"), "all of it")
    check(seen["closed"], f"the browser has stopped: {seen}")
    check("Last-Event-ID: " + seen["events"][-1]["id"] in _streams(wire)[-1], "its last request: at the end")
    same(leat.redis("GET", "chat:f:c"), job, "no second run")
    same([k for k in leat.redis.keys() if k.startswith("job:")], ["job:" + job], "jobs")


@limit(90)
def a_browser_reads_a_stream_through_a_cut_and_stops_at_the_end_without_a_second_run(leat):
    pages = _Pages(leat)
    gateway = leat.gateway(API_CORS_ORIGINS=pages.origin)
    leat.worker(leat.task("until('go')\ncount(1, 5)\nuntil('again')\ncount(6, 10)\n"), JOB_TIMEOUT_MS="600000")
    job = gateway.post("c").wait_head().job()
    wire = Wire(leat, gateway.port)
    browser = _Reader(leat, pages, f"http://127.0.0.1:{wire.port}{target('c')}")
    until(lambda: _streams(wire), 45, "the browser comes")
    leat.leave("go")
    until(lambda: pages.seen() == 5, 10, "the page has seen five messages")
    wire.cut()
    until(lambda: len(_streams(wire)) > 1, 15, "the browser comes again after the cut")
    leat.leave("again")
    seen = browser.seen()
    _read_to_its_end(leat, seen, wire, job, 11)
    check("Last-Event-ID" not in _streams(wire)[0], "the first request has no cursor")
    check("Last-Event-ID" in _streams(wire)[1], "the second has one")
    check(len(_streams(wire)) == 3, f"three requests: {_streams(wire)}")


@limit(90)
def a_browser_reads_on_after_redis_was_away_and_the_gateway_was_replaced(leat):
    redis = leat.with_redis(tcp=True, append_only=True)
    pages = _Pages(leat)
    gateway = leat.gateway(API_CORS_ORIGINS=pages.origin)
    leat.worker(leat.task("until('go')\ncount(1, 5)\nuntil('again')\ncount(6, 10)\n"), JOB_TIMEOUT_MS="600000")
    job = gateway.post("c").wait_head().job()
    wire = Wire(leat, gateway.port)
    browser = _Reader(leat, pages, f"http://127.0.0.1:{wire.port}{target('c')}")
    until(lambda: _streams(wire), 45, "the browser comes")
    leat.leave("go")
    until(lambda: redis("HGET", "job:" + job, "last") == "5", 10, "five messages")
    redis.kill()
    gateway.stop()
    gateway = leat.gateway(API_CORS_ORIGINS=pages.origin, API_PORT=str(gateway.port))
    before = len(_streams(wire))
    until(lambda: len(_streams(wire)) > before, 15, "the browser asks while Redis is away")
    redis.start()
    leat.leave("again")
    seen = browser.seen()
    _read_to_its_end(leat, seen, wire, job, 11)


@limit(90)
def a_browser_that_asks_for_what_is_not_there_stops_at_once(leat):
    pages = _Pages(leat)
    gateway = leat.gateway(API_CORS_ORIGINS=pages.origin)
    wire = Wire(leat, gateway.port)
    seen = _Reader(leat, pages, f"http://127.0.0.1:{wire.port}{target('c')}").seen()
    same((seen["closed"], seen["events"], len(_streams(wire))), (True, [], 1), "what the page saw")
    same(leat.redis("EXISTS", "chat:f:c"), 0, "nothing was started")
