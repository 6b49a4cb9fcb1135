"""What a task says about itself: what it used, why it failed, what it was told of its feature."""
import json
import signal

from calls import call, good
from leat import PYTHON, Program, check, ms, same, until

PRELUDE = r'''
import json, os, signal, sys
HERE = os.path.dirname(os.path.abspath(__file__))
order = json.loads(sys.stdin.readline())
def say(value):  # also out of a signal's handler, in the middle of another one
    os.write(1, json.dumps(value).encode() + b"\n")
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
"""), TASK_STOP_MS=ms(5000))
    stream = gateway.post("c").wait_events(1)
    good(gateway.delete("c"))
    until(lambda: "usage" in _job(gateway, stream), 5, "the usage is kept")
    same(_job(gateway, stream)["usage"], [_usage(1, 7)], "usage")
    same(_job(gateway, stream)["state"], "cancelled", "state")


def a_worker_that_leaves_still_keeps_what_a_stopped_task_used(leat):
    gateway = leat.gateway()
    worker = leat.worker(_task(leat, """
def stopped(number, frame):
    use(7)
    sys.exit(1)
signal.signal(signal.SIGTERM, stopped)
say({"n": 1})
signal.pause()
"""), TASK_STOP_MS=ms(5000))
    stream = gateway.post("c").wait_events(1)
    worker.signal(signal.SIGTERM)
    until(lambda: "draining" in worker.log(), 5, "it drains")
    good(gateway.delete("c"))
    same(worker.wait(10), 0, "exit code")
    same(_job(gateway, stream).get("usage"), [_usage(1, 7)], "usage")


def what_is_said_while_another_append_is_under_way_is_one_delta(leat):
    gateway = leat.gateway()
    leat.worker(_task(leat, """
for i in range(500):
    say({"type": "text-delta", "id": "0", "delta": "%d." % i})
"""))
    stream = gateway.post("c").wait_done()
    told = [json.loads(m) for m in stream.messages()]
    same("".join(d["delta"] for d in told), "".join(f"{i}." for i in range(500)), "the text")
    check(len(told) < 400, f"{len(told)} messages")


def a_task_is_told_of_its_jobs_feature(leat):
    path = leat.file("features.json")
    with open(path, "w") as file:
        file.write('{"features": {"f": {"system": "Be brief.", "task": "generate_messages"}}}')
    gateway = leat.gateway()
    worker = leat.worker(_task(leat, 'say({"feature": order.get("feature", 0)})\n'), FEATURES_FILE=path)
    def told(chat):
        return json.loads(gateway.post(chat).wait_done().messages()[0])["feature"]
    first = told("a")
    with open(path, "w") as file:
        file.write('{"features": {"f": {"sistem": 1}}}')
    worker.signal(signal.SIGHUP)
    until(lambda: "features_refused" in worker.log(), 5, "the file is refused")
    same(told("b"), first, "what was right stays")
    with open(path, "w") as file:
        file.write('{"features": {}}')
    seen = worker.log().count('"features"')
    worker.signal(signal.SIGHUP)
    until(lambda: worker.log().count('"features"') > seen, 5, "the file is read")
    same(told("c"), 0, "without the feature")


def a_worker_with_a_wrong_file_does_not_start(leat):
    path = leat.file("wrong.json")
    with open(path, "w") as file:
        file.write('{"features": {"f": {"temprature": 1}}}')
    program = Program(leat, "leat-worker", {**leat.redis_settings(), "FEATURES_FILE": path})
    same(program.wait(8), 2, "exit code")
    told = [line for line in program.log().splitlines() if not line.startswith("{")]
    same(len(told), 1, f"lines: {told}")
    check("FEATURES_FILE" in told[0] and "features.f.temprature" in told[0], told[0])
