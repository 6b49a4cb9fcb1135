"""/openapi.json: a valid document, and what it says is what a running gateway answers."""
import json
import os
import subprocess
import uuid

from calls import call, good, started
from leat import FACTOR, HERE, check, limit, same, until
from words import check_installed

HEAVY = True  # see run
FOLDER = os.path.join(HERE, "openapi")
NOBODY = str(uuid.uuid4())
BIG = {"raw": '"' + "x" * 3000 + '"'}
MESSAGES = [{"role": "user", "content": "hi"}]
OPENAI = {"model": "f", "messages": MESSAGES}
# What each dialect asks of a chat.
DIALECTS = {
    "POST /v1/chat/completions": lambda chat: {"body": {**OPENAI, "seed": 1}, "headers": {"Leat-Chat": chat}},
    "POST /ai-sdk/{feature}": lambda chat: {"body": {"id": chat, "messages": MESSAGES}},
    "POST /ag-ui/{feature}": lambda chat: {"body": {"threadId": chat, "runId": "r", "messages": MESSAGES}},
}
PLAIN = {"raw": "{}", "headers": {"Content-Type": "text/plain"}}


class _Judge:
    """Makes calls through check.mjs; collects what was seen and what was wrong."""

    def __init__(self):
        check_installed(FOLDER, "ajv")
        self.seen, self.documented = set(), set()

    def __call__(self, gateway, *calls):
        """Each call is (method, path) or (method, path, {body, breaks, headers, raw}); gives the answers."""
        wanted = [{"method": c[0], "path": c[1], **(c[2] if len(c) > 2 else {})} for c in calls]
        done = subprocess.run(["node", os.path.join(FOLDER, "check.mjs"), f"http://127.0.0.1:{gateway.port}"],
                              input=json.dumps(wanted).encode(), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=90 * FACTOR, check=False)
        same(done.returncode, 0, f"exit code of check.mjs: {done.stderr.decode()[-1500:]}")
        found = json.loads(done.stdout)
        same(found["wrong"], [], "what is not as documented")
        self.documented |= set(found["documented"])
        self.seen |= {f"{one['name']} {one['status']}" for one in found["seen"]}
        return found["seen"]


def _json(answer):
    return json.loads(answer["body"])


def _job(**members):
    return {"body": {"type": "generate_messages", **members}}


def _asks(chat, **headers):
    """A question to a chat in each dialect."""
    calls = []
    for name, ask in DIALECTS.items():
        options = ask(chat)
        options["headers"] = {**options.get("headers", {}), **headers}
        calls.append((*name.replace("{feature}", "f").split(" "), options))
    return calls


def _calls_that_work(leat, judge, gateway, dead):
    """Every operation with what it is for."""
    key = {"headers": {"Idempotency-Key": "k1"}}
    first = judge(
        gateway,
        ("POST", "/jobs", _job(feature_id="f", chat_id="c", payload={"a": 1}, priority=9, deadline_ms=60_000,
                               timeout_ms=60_000, max_attempts=2, retention_ms=60_000)),
        ("POST", "/jobs", {**_job(delay_ms=60_000, payload=[1]), **key}),
        ("POST", "/jobs", _job(run_at="2999-01-01T00:00:00.5+01:00")),
        ("POST", "/stream?feature_id=f&chat_id=c", {"body": {"a": 1}}))
    ids = [_json(a)["id"] for a in first[:3]]
    leat.wait_state(ids[0], "done")
    judge(gateway, *[("GET", f"/jobs/{job}") for job in [*ids, *dead]],
          ("HEAD", f"/jobs/{ids[0]}"),
          *[("GET", f"/jobs?state={state}&limit=1") for state in ("waiting", "delayed", "running", "dead")],
          ("GET", _json(first[0])["stream"]),
          ("GET", "/stream?feature_id=f&chat_id=nobody"),
          ("POST", "/stream?feature_id=f&chat_id=c&last_event_id=end"),
          ("DELETE", "/stream?feature_id=f&chat_id=c"),
          ("DELETE", f"/jobs/{ids[1]}"), ("POST", f"/jobs/{dead[0]}/retry"), ("DELETE", f"/jobs/{dead[1]}"),
          ("POST", "/jobs/retry?limit=1"), ("DELETE", "/jobs?state=dead&limit=1"),
          ("GET", "/queues"), ("GET", "/queues/default"), ("POST", "/queues/q/pause"), ("GET", "/queues/q"),
          ("POST", "/queues/q/resume"),
          ("PUT", "/routes/g", {"body": {"queue": "q"}}), ("GET", "/routes"), ("GET", "/routes/g"),
          ("DELETE", "/routes/g"), ("GET", "/workers"),
          ("PUT", "/schedules/s", {"body": {"type": "t", "every_ms": 3_600_000, "missed": "skip", "payload": 1}}),
          ("PUT", "/schedules/s", {"body": {"type": "t", "cron": "0 3 * * MON", "feature_id": "f",
                                            "chat_id": "c", "priority": 1, "timeout_ms": 5000}}),
          ("GET", "/schedules"), ("GET", "/schedules/s"), ("DELETE", "/schedules/s"),
          *_asks("dialect-1")[:1], *_asks("dialect-2")[1:2], *_asks("dialect-3")[2:],
          ("POST", "/v1/chat/completions", {"body": {**OPENAI, "stream": True, "n": 1}}),
          ("HEAD", "/ai-sdk/f/busy/stream"), ("GET", "/ai-sdk/f/dialect-2/stream"),
          ("DELETE", "/ai-sdk/f/dialect-2"),
          ("GET", "/features"), ("GET", "/v1/models"),
          ("GET", "/livez"), ("GET", "/readyz"), ("GET", "/openapi.json"),
          ("GET", "/"), ("GET", "/page/page.js"), ("GET", "/page/page.css"), ("GET", "/page/icon.svg"),
          *[("GET", path, {"headers": {"If-None-Match": "*"}}) for path in ("/", "/page/page.js")])


def _calls_that_are_refused(judge, gateway, running):
    """400, 404, 405, 409, 413, 415, 422, wherever they are documented."""
    bad = [{"type": ""}, {"type": "t", "priority": 10}, {"type": "t", "delay_ms": -1}, {"type": "t", "x": 1},
           {"type": "t", "max_attempts": 101}, {"type": "t", "timeout_ms": 99}, {"payload": 1},
           {"type": "t", "run_at": "soon"}, {"type": "t", "retention_ms": 1}]
    rhythms = [{"type": "t"}, {"type": "t", "every_ms": 999}, {"type": "t", "every_ms": 1000, "cron": "* * * * *"},
               {"type": "t", "every_ms": 1000, "missed": "all"}, {"type": "t", "every_ms": 1000, "delay_ms": 1}]
    judge(gateway,
          *[("POST", "/jobs", {"body": body, "breaks": True}) for body in bad],
          *[("PUT", "/schedules/s", {"body": body, "breaks": True}) for body in rhythms],
          ("PUT", "/routes/g", {"body": {"queue": "a:b"}, "breaks": True}),
          *[(method, path, PLAIN) for method, path in (("POST", "/jobs"), ("PUT", "/schedules/s"),
                                                       ("PUT", "/routes/g"), ("POST", "/stream?feature_id=f&chat_id=x"))],
          *[(method, path, BIG) for method, path in (("POST", "/jobs"), ("PUT", "/schedules/s"), ("PUT", "/routes/g"),
                                                     ("POST", "/stream?feature_id=f&chat_id=x"))],
          *[(method, "/stream?feature_id=f") for method in ("GET", "POST", "DELETE")],
          ("DELETE", "/stream?feature_id=f&chat_id=nobody"),
          ("POST", "/stream?feature_id=f&chat_id=busy", {"body": 2}),
          ("POST", "/jobs", _job(feature_id="f", chat_id="busy", payload=2)),
          ("POST", "/jobs", {**_job(payload=[2]), "headers": {"Idempotency-Key": "k1"}}),
          ("POST", "/stream?feature_id=f&chat_id=keyed", {"body": 1, "headers": {"Idempotency-Key": "k2"}}),
          ("POST", "/stream?feature_id=f&chat_id=keyed", {"body": 2, "headers": {"Idempotency-Key": "k2"}}),
          ("POST", f"/jobs/{running}/retry"),
          *[(method, f"/jobs/{NOBODY}{more}") for method, more in (("GET", ""), ("DELETE", ""), ("POST", "/retry"))],
          *[(method, path + "?x=1") for method, path in (
              ("GET", f"/jobs/{NOBODY}"), ("DELETE", f"/jobs/{NOBODY}"), ("POST", f"/jobs/{NOBODY}/retry"),
              ("GET", "/jobs"), ("DELETE", "/jobs"), ("POST", "/jobs/retry"), ("GET", "/queues"), ("GET", "/queues/q"),
              ("POST", "/queues/q/pause"), ("POST", "/queues/q/resume"), ("GET", "/routes"), ("GET", "/routes/g"),
              ("DELETE", "/routes/g"), ("GET", "/schedules"), ("GET", "/schedules/s"), ("DELETE", "/schedules/s"),
              ("GET", "/workers"))],
          ("GET", "/routes/g"), ("DELETE", "/routes/g"), ("GET", "/schedules/s"), ("DELETE", "/schedules/s"),
          ("GET", "/nothing"), ("PUT", "/jobs"), ("GET", "/jobs/retry"),
          *[(*call[:2], {"body": {}, "breaks": True}) for call in _asks("")], *_asks("busy"),
          ("POST", "/v1/chat/completions", {"body": {**OPENAI, "model": "nobody"}}),
          *_asks("keyed", **{"Idempotency-Key": "k2"}),
          *[(*call[:2], what) for call in _asks("") for what in (PLAIN, BIG)],
          ("DELETE", "/ai-sdk/f/nobody"), ("DELETE", "/ai-sdk/f/a%20b"), ("GET", "/ai-sdk/f/a%20b/stream"),
          ("GET", "/page/nothing.js"), ("GET", "/page/a%20b"))


def _calls_while_it_is_full(judge, gateway, dead):
    judge(gateway, ("POST", "/jobs", _job()), ("POST", "/stream?feature_id=f&chat_id=full"),
          *_asks("full"),
          ("POST", f"/jobs/{dead}/retry"), ("POST", "/jobs/retry"))


def _calls_while_redis_is_away(leat, judge, gateway):
    leat.redis.kill()
    until(lambda: gateway.is_away(), 10, "the gateway notices")
    body = {**{name: ask("c") for name, ask in DIALECTS.items()}, "POST /jobs": _job(), "PUT /routes/{feature}": {"body": {"queue": "q"}},
            "PUT /schedules/{name}": {"body": {"type": "t", "every_ms": 1000}}}
    calls = []
    for one in sorted(judge.documented):
        name, _, status = one.rpartition(" ")
        method, path = name.split(" ")
        path = path.replace("{id}", NOBODY).replace("{queue}", "q").replace("{feature}", "g").replace("{name}", "s")
        path = path.replace("{chat}", "c")
        path += {"/stream": "?feature_id=f&chat_id=c"}.get(path, "")
        path += {"GET /jobs": "?state=dead", "DELETE /jobs": "?state=dead"}.get(name, "")
        if status == "503":
            calls.append((method, path, body.get(name, {})))
    judge(gateway, *calls, ("GET", "/stream?feature_id=f&chat_id=c"))


@limit(150)
def what_the_document_says_is_what_a_gateway_answers(leat):
    features = leat.file("features.json")
    with open(features, "w") as file:
        json.dump({"features": {"support": {"models": [{"base_url": "http://127.0.0.1:1", "model": "m"}]}, "f": {}, "g": {}}},
                  file)
    judge, gateway = _Judge(), leat.gateway(API_MAX_BODY="2048", FEATURES_FILE=features)
    worker = leat.worker(leat.task(
        "if job['payload'] == 'fails':\n    sys.stderr.write('words')\n    sys.exit(3)\n"
        "if job['payload'] == 'waits':\n    until('go')\nsay({'n': 1})\n"), RETRY_BACKOFF_MS="1")
    dead = [started(gateway, payload="fails", max_attempts=2) for _ in range(4)]
    for job in dead:
        leat.wait_state(job, "dead", 20)
    running = started(gateway, feature_id="f", chat_id="busy", payload="waits")
    leat.wait_state(running, "running")
    _calls_that_work(leat, judge, gateway, dead)
    _calls_that_are_refused(judge, gateway, running)
    leat.leave("go")
    leat.wait_state(running, "done")
    worker.stop()
    left = good(call(gateway, "GET", "/jobs?state=dead"))["jobs"]
    check(left, "a dead job is left")
    _calls_while_it_is_full(judge, leat.gateway(QUEUE_MAX_WAITING="1"), left[0]["id"])
    _calls_while_redis_is_away(leat, judge, gateway)
    same(sorted(judge.documented - judge.seen), [], "documented answers that were not seen")
