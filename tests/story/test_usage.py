"""What a task says about itself: what it used, and why it failed."""
from calls import call, good
from leat import PYTHON, same, until

PRELUDE = r'''
import json, os, signal, sys
HERE = os.path.dirname(os.path.abspath(__file__))
order = json.loads(sys.stdin.readline())
def say(value):
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()
def use(tokens):
    say({"leat": "usage", "usage": {"model": "m", "output_tokens": tokens, "measured": True}})
'''


def _task(leat, work, mark=""):
    path = leat.file("usage.py")
    with open(path, "w") as file:
        file.write(PRELUDE + work)
    return f"generate_messages{mark}={PYTHON} -I -S {path}"


def _job(gateway, stream):
    return good(call(gateway, "GET", "/jobs/" + stream.job()))


def _usage(attempt, tokens):
    return {"attempt": attempt, "model": "m", "output_tokens": tokens, "measured": True}


def what_each_attempt_used_is_known(leat):
    gateway = leat.gateway()
    leat.worker(_task(leat, """
use(1)
say({"n": 1})
use(10 * order["attempt"])
if order["attempt"] == 1:
    say({"leat": "failed", "reason": "busy", "detail": "Too many questions.", "retry_after_ms": 1000})
"""), RETRY_BACKOFF_MS="1")
    stream = gateway.post("c").wait_done()
    job = _job(gateway, stream)
    same(job["usage"], [_usage(1, 10), _usage(2, 20)], "usage")
    same(job["history"][0]["detail"], "Too many questions.", "why it failed")
    same(stream.names(), ["reset"], "a second attempt")


def a_stopped_task_still_says_what_it_used(leat):
    gateway = leat.gateway()
    leat.worker(_task(leat, """
def stopped(number, frame):
    use(7)
    sys.exit(1)
signal.signal(signal.SIGTERM, stopped)
use(1)
say({"n": 1})
signal.pause()
"""))
    stream = gateway.post("c").wait_events(1)
    good(gateway.delete("c"))
    until(lambda: "usage" in _job(gateway, stream), 5, "the usage is kept")
    same(_job(gateway, stream)["usage"], [_usage(1, 7)], "usage")
    same(_job(gateway, stream)["state"], "cancelled", "state")
