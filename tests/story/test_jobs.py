"""Jobs that are put in by POST /jobs: what they may ask for, what is known of them, what ends them."""
import calendar
import json
import time
import uuid

from calls import call, good, page, pages, refused, show, start, started
from leat import FACTOR, check, exact, many, ms, same, stays, target, until

NOBODY = str(uuid.uuid4())
FAILS = "say({'leat': 'failed', 'reason': 'no luck', 'retry': False})\n"
ORDER = "leave('order', (json.dumps(job['payload']) + '\\n').encode(), 'ab')\n"


def _stamp(text):
    """A time of ours as milliseconds since 1970."""
    check(len(text) == 24 and text[-1] == "Z", f"a time: {text!r}")
    return calendar.timegm(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S")) * 1000 + int(text[20:23])


def _now(leat):
    seconds, micros = leat.redis("TIME")
    return int(seconds) * 1000 + int(micros) // 1000


def _text(milliseconds):
    seconds, rest = divmod(int(milliseconds), 1000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{rest:03d}Z"


def _order(leat):
    try:
        with open(leat.file("order")) as file:
            return [json.loads(line) for line in file]
    except FileNotFoundError:
        return []


def _nothing_was_put_in(leat):
    same([k for k in leat.redis.keys() if k.startswith(("job:", "stream:", "chat:", "idem:"))], [],
         "keys after refused requests")


# ---- putting in ----


def a_job_without_a_chat_runs_and_its_location_streams(leat):
    gateway = leat.gateway()
    leat.worker(leat.task("say({'n': 1, 'got': job})\ncount(2, 3)\n"))
    answer = start(gateway, payload={"a": [1, 2]})
    body = good(answer, 202)
    job = body["id"]
    same(body, {"id": job, "state": "waiting",
                "stream": f"/stream?feature_id=default&chat_id={job}&job={job}"}, "the answer")
    same((answer.header("Location"), answer.job(), answer.header("Leat-Attached")),
         (body["stream"], job, "false"), "headers")
    stream = gateway.client("GET", answer.header("Location")).wait_done()
    exact(stream, last=4)
    same(stream.numbers(), [1, 2, 3], "messages")
    got = stream.events[0].json()["got"]
    same((got["job"], got["type"], got["feature_id"], got["chat_id"], got["payload"]),
         (job, "generate_messages", "default", job, {"a": [1, 2]}), "what the task read")


def a_job_with_a_feature_alone_has_its_id_as_chat(leat):
    gateway = leat.gateway()
    one, two = started(gateway, feature_id="f"), started(gateway, feature_id="f")
    check(one != two, "two jobs")
    known = show(gateway, one)
    same((known["feature_id"], known["chat_id"], known["state"]), ("f", one, "waiting"), "the job")


def a_payload_reaches_the_task_byte_for_byte(leat):
    gateway = leat.gateway()
    leat.worker(leat.task("leave('line', LINE)\n"))
    payload = b'{"z": 18446744073709551617, "a":1e400,"a" :  "\\u0041\xc3\xa9\\/",\r\n\t"e":[ ] }'
    body = b'{ "type":"generate_messages",\n"payload" : ' + payload + b'\n}'
    job = good(call(gateway, "POST", "/jobs", body), 202)["id"]
    line = leat.wait_file("line")
    flat = payload.replace(b"\r", b" ").replace(b"\n", b" ")
    check(b'"payload": ' + flat in line or b'"payload":' + flat in line, f"{flat!r} in {line!r}")
    answer = call(gateway, "GET", f"/jobs/{job}")
    check(b'"payload": ' + flat in bytes(answer.body), f"{flat!r} in {bytes(answer.body)!r}")


def a_job_of_a_chat_and_post_stream_join_each_other(leat):
    gateway = leat.gateway()
    job = started(gateway, feature_id="f", chat_id="c", payload={"q": 1})
    stream = gateway.post("c", {"q": 1}).wait_head()
    same((stream.job(), stream.header("Leat-Attached")), (job, "true"), "POST /stream joins")
    other = gateway.post("d", {"q": 2}).wait_head().job()
    answer = start(gateway, feature_id="f", chat_id="d", payload={"q": 2})
    same((good(answer, 202)["id"], answer.header("Leat-Attached")), (other, "true"), "POST /jobs joins")
    plain = start(gateway, feature_id="f", chat_id="d")
    same((good(plain, 202)["id"], plain.header("Leat-Attached")), (other, "true"), "and without a question")


def equal_requests_at_the_same_moment_put_in_one_job(leat):
    gateways = [leat.gateway(), leat.gateway()]
    answers = many(16, lambda n: start(gateways[n % 2], feature_id="f", chat_id="c", payload=[1]))
    same({good(a, 202)["id"] for a in answers}, {leat.redis("GET", "chat:f:c")}, "jobs")
    same(sorted(a.header("Leat-Attached") for a in answers), ["false"] + ["true"] * 15, "Leat-Attached")


def another_type_is_another_question(leat):
    gateway = leat.gateway()
    job = started(gateway, feature_id="f", chat_id="c", type="a", payload=1)
    same(started(gateway, feature_id="f", chat_id="c", type="a", payload=1), job, "the same question")
    body = refused(start(gateway, feature_id="f", chat_id="c", type="b", payload=1), 409, "chat-busy")
    same(body["job"], job, "the job in the way")
    other = started(gateway, "?if_busy=replace", feature_id="f", chat_id="c", type="b", payload=1)
    check(other != job, "if_busy=replace starts the other")
    same(show(gateway, job)["state"], "cancelled", "the first")


def an_idempotency_key_makes_asking_again_safe(leat):
    gateway = leat.gateway()
    key = [("Idempotency-Key", "k-1")]
    one = started(gateway, headers=key, payload=1)
    answer = start(gateway, headers=key, payload=1)
    body = good(answer, 202)
    same((body["id"], answer.header("Leat-Attached")), (one, "true"), "without a chat")
    same(body["stream"], f"/stream?feature_id=default&chat_id={one}&job={one}", "its stream")
    refused(start(gateway, headers=key, payload=2), 422, "key-reused")
    check(started(gateway, headers=key, feature_id="g", payload=1) != one, "another feature, another job")
    two = started(gateway, headers=key, feature_id="f", chat_id="c", payload=1)
    same(started(gateway, headers=key, feature_id="f", chat_id="c", payload=1), two, "within a chat")
    refused(start(gateway, headers=[("Idempotency-Key", "a b")], payload=1), 400, "bad-request",
            "Idempotency-Key")


def a_foreign_stream_is_no_job(leat):
    gateway = leat.gateway()
    leat.redis("XADD", "stream:f:c", "*", "data", '{"n": 1}')
    refused(start(gateway, feature_id="f", chat_id="c"), 409, "chat-foreign")
    refused(start(gateway, feature_id="f", chat_id="c", payload=1), 409, "chat-foreign")


BAD = [
    ({"type": "a b"}, "type"), ({"type": ""}, "type"), ({"type": "a" * 129}, "128"), ({"type": 1}, "type"),
    ({"feature_id": "a:b"}, "feature_id"), ({"chat_id": "c"}, "feature_id"),
    ({"feature_id": "f", "chat_id": None}, "chat_id"),
    ({"priority": 10}, "0 to 9"), ({"priority": -1}, "0 to 9"), ({"priority": 4.5}, "whole number"),
    ({"delay_ms": -1}, "31622400000"), ({"delay_ms": 31622400001}, "31622400000"),
    ({"run_at": "tomorrow"}, "RFC 3339"), ({"run_at": "2026-11-25"}, "run_at"),
    ({"delay_ms": 1, "run_at": "2026-11-25T18:00:00Z"}, "together"),
    ({"deadline_ms": 99}, "100 to 604800000"), ({"timeout_ms": 604800001}, "100 to 604800000"),
    ({"max_attempts": 0}, "1 to 100"), ({"retention_ms": 999}, "1000 to 604800000"),
    ({"retention_ms": "60000"}, "retention_ms"), ({"deadline": 5000}, '"deadline"'), ({"queue": "q"}, "queue"),
]


def what_a_job_may_not_ask_for_is_400_and_named(leat):
    gateway = leat.gateway()
    for members, word in BAD:
        refused(start(gateway, **members), 400, "bad-request", word)
    for body, word in ((b"{}", "type is missing"), (b"[]", "object"), (b"{", "JSON"), (b"", "missing"),
                       (b'{"type": "t", "type": "t"}', "only once")):
        refused(call(gateway, "POST", "/jobs", body), 400, "bad-request", word)
    refused(call(gateway, "POST", "/jobs?queue=q", {"type": "t"}), 400, "bad-request", "parameter")
    refused(call(gateway, "POST", "/jobs?if_busy=maybe", {"type": "t"}), 400, "bad-request", "if_busy")
    for kind in ("text/plain", "application/jsonx"):
        refused(call(gateway, "POST", "/jobs", b"{}", [("Content-Type", kind)]), 415, "media-type")
    refused(gateway.request("POST", "/jobs", (), b'{"type": "t"}'), 415, "media-type")
    _nothing_was_put_in(leat)


# ---- what it asks for ----


def a_delayed_job_is_run_when_it_is_due_and_not_before(leat):
    gateway = leat.gateway()
    leat.worker(leat.task(ORDER))
    before, delay = _now(leat), int(2000 * FACTOR)
    job = started(gateway, delay_ms=delay, payload="late")
    known = show(gateway, job)
    same(known["state"], "delayed", "state")
    check(delay <= _stamp(known["run_at"]) - before <= 2 * delay, f"run_at: {known['run_at']}")
    started(gateway, payload="now")
    until(lambda: _order(leat), 10, "the other one runs at once")
    leat.wait_state(job, "done", 10)
    same(_order(leat), ["now", "late"], "the order")
    known = show(gateway, job)
    check(_stamp(known["started_at"]) >= before + delay, f"it ran when it was due: {known}")


def run_at_is_a_time_and_a_past_one_is_now(leat):
    gateway = leat.gateway()
    leat.worker(leat.task(ORDER))
    due = _now(leat) + int(2000 * FACTOR)
    job = started(gateway, run_at=_text(due), payload=2)
    same(_stamp(show(gateway, job)["run_at"]), due, "run_at")
    past = started(gateway, run_at="1999-12-31T23:59:59+01:00", payload=1)
    leat.wait_state(past, "done")
    leat.wait_state(job, "done")
    same(_order(leat), [1, 2], "the order")
    check(_stamp(show(gateway, job)["started_at"]) >= due, "not before its time")


def higher_priorities_go_first_and_equal_ones_in_turn(leat):
    gateway = leat.gateway()
    for number, priority in enumerate((0, 5, 9, None, 5, 9)):
        members = {} if priority is None else {"priority": priority}
        started(gateway, payload=[priority, number], **members)
    leat.worker(leat.task(ORDER), WORKER_MAX_JOBS="1")
    until(lambda: len(_order(leat)) == 6, 10, lambda: f"all have run: {_order(leat)}")
    same([n for _, n in _order(leat)], [2, 5, 1, 3, 4, 0], "the order")


def a_job_that_nobody_takes_expires_by_its_own_deadline(leat):
    gateway = leat.gateway(JOB_DEADLINE_MS="60000")
    job = started(gateway, deadline_ms=300)
    stream = gateway.client("GET", show(gateway, job)["stream"]).wait_head()
    stream.wait_named("expired")
    stream.wait_done()
    known = show(gateway, job)
    same((known["state"], "deadline_at" in known), ("expired", False), "the job")
    check(_stamp(known["ended_at"]) - _stamp(known["created_at"]) >= 300, f"not before: {known}")


def a_result_is_kept_as_long_as_it_asked_for(leat):
    leat.settings(STREAM_TTL_MS=ms(1000))
    gateway = leat.gateway()
    leat.worker(TASK_MESSAGE_COUNT="1")
    long, usual = started(gateway, retention_ms=600_000), started(gateway)
    for job in (usual, long):
        leat.wait_state(job, "done")
    left = leat.redis("PTTL", f"job:{long}")
    check(590_000 < left <= 600_000, f"the job's expiry: {left}")
    left = leat.redis("PTTL", f"stream:default:{long}")
    check(590_000 < left <= 600_000, f"the stream's expiry: {left}")
    until(lambda: call(gateway, "GET", f"/jobs/{usual}").status == 404, 10, "the usual one is forgotten")
    same(len(gateway.client("GET", show(gateway, long)["stream"]).wait_done().messages()), 1, "its messages")


def a_job_has_its_own_time_limit_and_number_of_attempts(leat):
    leat.settings(RETRY_BACKOFF_MS="1")
    gateway = leat.gateway()
    leat.worker(leat.task("time.sleep(30)\n"))
    job = started(gateway, timeout_ms=200, max_attempts=2)
    leat.wait_state(job, "dead", 20)
    known = show(gateway, job)
    same((known["attempts"], known["timeout_ms"], known["max_attempts"]), (2, 200, 2), "the job")
    same([e["reason"] for e in known["history"]], ["timeout"] * 2, "its history")


# ---- backpressure ----


def a_full_queue_is_429_with_retry_after_by_count(leat):
    gateway = leat.gateway(QUEUE_MAX_WAITING="3")
    started(gateway)
    started(gateway, delay_ms=60_000)
    started(gateway, feature_id="f", chat_id="c")
    answer = start(gateway)
    refused(answer, 429, "queue-full")
    check(1 <= int(answer.header("Retry-After")) <= 5, f"Retry-After: {answer.headers}")
    same(start(gateway, feature_id="f", chat_id="c").status, 202, "joining goes on")
    leat.worker(TASK_MESSAGE_COUNT="0")
    until(lambda: start(gateway).status == 202, 10, "there is room again")


def a_full_queue_is_429_with_retry_after_by_bytes(leat):
    gateway = leat.gateway(QUEUE_MAX_BYTES="1KiB")
    started(gateway, payload="x" * 600)
    answer = start(gateway, payload="x" * 600)
    refused(answer, 429, "queue-full")
    check(1 <= int(answer.header("Retry-After")) <= 5, f"Retry-After: {answer.headers}")
    started(gateway, delay_ms=60_000, payload="x" * 300)
    refused(start(gateway, payload="x" * 300), 429, "queue-full")
    started(gateway, payload="x")
    leat.worker(TASK_MESSAGE_COUNT="0")
    until(lambda: start(gateway, payload="x" * 600).status == 202, 10, "there is room again")


def a_waiting_job_says_where_it_stands(leat):
    gateway = leat.gateway()
    jobs = [started(gateway) for _ in range(5)]
    same([show(gateway, j)["position"] for j in jobs], [1, 2, 3, 4, 5], "positions")
    leat.worker(leat.task("until('go')\n"), WORKER_MAX_JOBS="2")
    leat.wait_state(jobs[1], "running")
    same([show(gateway, j).get("position") for j in jobs], [None, None, 1, 2, 3], "positions")
    stream = gateway.client("GET", show(gateway, jobs[4])["stream"] + "&events=all").wait_head()
    same(stream.wait_named("queued").json(), {"job": jobs[4], "position": 3}, "what its follower is told")
    leat.leave("go")
    stream.wait_done()


def a_flood_of_one_feature_does_not_starve_the_others(leat):
    gateway = leat.gateway()
    for number in range(300):
        started(gateway, feature_id="flood", payload=["flood", number])
    for number in range(10):
        started(gateway, feature_id="small", payload=["small", number])
    leat.worker(leat.task(ORDER), WORKER_MAX_JOBS="1")
    until(lambda: len(_order(leat)) >= 22, 30, lambda: f"twenty have run: {len(_order(leat))}")
    first = [feature for feature, _ in _order(leat)[:22]]
    share = first.count("small")
    check(share == 10, f"the others got {share} of the first 22: {first}")
    same([n for f, n in _order(leat)[:22] if f == "small"], list(range(10)), "in turn")


# ---- looking ----


def all_that_is_known_of_a_job_can_be_read(leat):
    leat.settings(RETRY_BACKOFF_MS="1")
    gateway = leat.gateway()
    leat.worker(leat.task("count(1, 2)\nsys.stderr.write('last \\xe9 words')\nsys.exit(7)\n"))
    before = _now(leat)
    job = started(gateway, feature_id="f", chat_id="c", priority=7, max_attempts=2, deadline_ms=50_000,
                  retention_ms=90_000, payload={"q": "why"})
    leat.wait_state(job, "dead", 20)
    known = show(gateway, job)
    wanted = {"id": job, "state": "dead", "type": "generate_messages", "feature_id": "f", "chat_id": "c",
              "queue": "default", "stream": f"/stream?feature_id=f&chat_id=c&job={job}", "priority": 7,
              "number": 2, "attempts": 2, "deaths": 0, "messages": 2, "size": 12, "max_attempts": 2,
              "deadline_ms": 50_000, "retention_ms": 90_000, "payload": {"q": "why"}}
    same({k: known.get(k) for k in wanted}, wanted, f"of {known}")
    check("last" in known["last_words"] and "words" in known["last_words"], f"last words: {known}")
    check(known["error"]["reason"] and "7" in known["error"]["detail"], f"error: {known['error']}")
    same([(e["what"], e["attempt"] > 0) for e in known["history"]], [("failure", True)] * 2, "history")
    times = [_stamp(known[n]) for n in ("created_at", "started_at", "ended_at")]
    check(before <= times[0] <= times[1] <= times[2] <= _now(leat), f"times: {known}")
    check(all(times[0] <= _stamp(e["at"]) <= times[2] for e in known["history"]), f"history: {known}")


def a_job_that_nobody_knows_is_404(leat):
    gateway = leat.gateway()
    for path in (f"/jobs/{NOBODY}", "/jobs/x", "/jobs/..", f"/jobs/{NOBODY}x", f"/jobs/%2f{NOBODY}"):
        for method in ("GET", "DELETE"):
            refused(call(gateway, method, path), 404, "no-job")
    refused(call(gateway, "POST", f"/jobs/{NOBODY}/retry"), 404, "no-job")
    refused(call(gateway, "POST", "/jobs/x/retry"), 404, "no-job")
    job = started(gateway)
    same(show(gateway, job.upper())["id"], job, "an id in capitals")
    answer = gateway.request("HEAD", f"/jobs/{job}")
    same((answer.status, bytes(answer.body)), (200, b""), "HEAD")


def paths_that_are_none_are_404(leat):
    gateway = leat.gateway()
    for path in ("/jobs/", "/jobs/../", "/jobs//", "/jobs%2f" + NOBODY, f"/jobs/{NOBODY}/", "/queues/",
                 f"/jobs/{NOBODY}/retry/", "/Jobs", "/schedules/", "/routes/", "/schedules/" + "a" * 300):
        refused(call(gateway, "GET", path), 404, "not-found")
    refused(call(gateway, "GET", "/schedules/" + "a" * 129), 400, "bad-request", "128")
    for path, allowed in (("/jobs/retry", "POST"), (f"/jobs/{NOBODY}/retry", "POST"), ("/workers", "GET")):
        answer = call(gateway, "PUT", path)
        refused(answer, 405, "method-not-allowed")
        check(allowed in answer.header("Allow") and "PUT" not in answer.header("Allow"), f"{answer.headers}")


def a_pages_parameters_have_bounds(leat):
    gateway = leat.gateway()
    for query, word in (("", "state is missing"), ("?state=done", "state"), ("?state=dead&limit=0", "limit"),
                        ("?state=dead&limit=101", "limit"), ("?state=dead&limit=x", "limit"),
                        ("?state=dead&cursor=x", "cursor"), ("?state=dead&queue=a:b", "queue"),
                        ("?state=dead&state=dead", "state"), ("?state=dead&quue=a", "parameter")):
        refused(call(gateway, "GET", "/jobs" + query), 400, "bad-request", word)
    refused(call(gateway, "DELETE", "/jobs?queue=a"), 400, "bad-request", "state=dead")
    refused(call(gateway, "DELETE", "/jobs?state=waiting"), 400, "bad-request", "state=dead")
    same(page(gateway, "dead"), {"jobs": [], "total": 0, "cursor": None}, "an empty page")


def a_job_that_stays_is_on_exactly_one_page_while_others_move(leat):
    gateway = leat.gateway()
    moving = [started(gateway, delay_ms=400 + 50 * n) for n in range(10)]
    staying = [started(gateway, delay_ms=60_000 + n) for n in range(25)]
    seen, cursor, removed = [], {}, 0
    while cursor is not None:
        one = page(gateway, "delayed", limit=4, **cursor)
        seen += [j["id"] for j in one["jobs"]]
        if removed < 10:
            same(call(gateway, "DELETE", f"/jobs/{moving[removed]}").status, 200, "one moves away")
            started(gateway, delay_ms=30_000 + removed)
            removed += 1
        cursor = {"cursor": one["cursor"]} if one["cursor"] else None
    same([seen.count(j) for j in staying], [1] * 25, "how often each is there")
    same(len(seen), len(set(seen)), "none is there twice")


def waiting_and_running_jobs_come_page_by_page(leat):
    gateway = leat.gateway()
    jobs = [started(gateway) for _ in range(7)]
    got, count = pages(gateway, "waiting", limit=3)
    same((sorted(j["id"] for j in got), count), (sorted(jobs), 3), "waiting jobs")
    check(all("payload" not in j and j["state"] == "waiting" for j in got), f"of a page: {got[0]}")
    same(page(gateway, "waiting", limit=3)["total"], 7, "total")
    leat.worker(leat.task("until('go')\n"))
    until(lambda: page(gateway, "running")["total"] == 7, 10, "all run")
    got, count = pages(gateway, "running", limit=2)
    same(([j["id"] for j in got], count), (sorted(jobs), 4), "running jobs, by id")
    leat.leave("go")
    until(lambda: page(gateway, "running")["total"] == 0, 10, "all have ended")


def a_waiting_job_is_on_one_page_while_those_before_it_are_taken(leat):
    gateway = leat.gateway()
    jobs = [started(gateway, deadline_ms=60_000 + 1000 * n) for n in range(20)]
    one = page(gateway, "waiting", limit=5)
    same([j["id"] for j in one["jobs"]], jobs[:5], "the first page, by deadline")
    leat.worker(leat.task("until('go')\n"), WORKER_MAX_JOBS="8")
    until(lambda: page(gateway, "running")["total"] == 8, 10, "eight are taken")
    rest, _ = pages(gateway, "waiting", limit=5, cursor=one["cursor"])
    same([j["id"] for j in rest], jobs[8:], "the pages behind it")
    leat.leave("go")
    until(lambda: page(gateway, "waiting")["total"] == 0, 20, "all are taken")


# ---- ending ----


def a_job_is_stopped_by_its_id_wherever_it_is(leat):
    gateway = leat.gateway()
    waiting, delayed = started(gateway), started(gateway, delay_ms=60_000)
    stream = gateway.client("GET", show(gateway, waiting)["stream"]).wait_head()
    for job in (waiting, delayed):
        same(good(call(gateway, "DELETE", f"/jobs/{job}")), {"id": job, "state": "cancelled", "dropped": False},
             "the answer")
        same(good(call(gateway, "DELETE", f"/jobs/{job}"))["state"], "cancelled", "again")
    stream.wait_named("cancelled")
    stream.wait_done()
    leat.worker(leat.task("count(1, 1)\nuntil('never')\n"))
    running = started(gateway)
    stream = gateway.client("GET", show(gateway, running)["stream"]).wait_events(1)
    same(good(call(gateway, "DELETE", f"/jobs/{running}"))["state"], "cancelled", "a running one")
    stream.wait_done()
    same(stream.names(), ["cancelled"], "what its follower is told")


def a_job_that_is_over_stays_as_it_ended(leat):
    gateway = leat.gateway()
    leat.worker(TASK_MESSAGE_COUNT="0")
    job = started(gateway)
    leat.wait_state(job, "done")
    same(good(call(gateway, "DELETE", f"/jobs/{job}")), {"id": job, "state": "done", "dropped": False}, "DELETE")
    refused(call(gateway, "POST", f"/jobs/{job}/retry"), 409, "job-not-dead")


def a_dead_job_is_dropped_by_delete(leat):
    gateway = leat.gateway()
    leat.worker(leat.task(FAILS))
    job = started(gateway)
    leat.wait_state(job, "dead")
    same(page(gateway, "dead")["total"], 1, "dead jobs")
    same(good(call(gateway, "DELETE", f"/jobs/{job}")), {"id": job, "state": "dead", "dropped": True}, "DELETE")
    refused(call(gateway, "GET", f"/jobs/{job}"), 404, "no-job")
    refused(call(gateway, "DELETE", f"/jobs/{job}"), 404, "no-job")
    same(page(gateway, "dead")["total"], 0, "dead jobs")


# ---- trying again ----


def a_dead_job_is_tried_again_as_a_new_one(leat):
    gateway = leat.gateway()
    task = leat.task("if not there('mended'):\n    " + FAILS + "    sys.exit(0)\nsay({'n': job['payload']})\n")
    leat.worker(task)
    job = started(gateway, feature_id="f", chat_id="c", payload=5)
    leat.wait_state(job, "dead")
    leat.leave("mended")
    answer = call(gateway, "POST", f"/jobs/{job}/retry")
    body = good(answer, 202)
    same((body["retried_from"], body["stream"]),
         (job, f"/stream?feature_id=f&chat_id=c&job={body['id']}"), "the answer")
    same((answer.header("Location"), answer.job()), (body["stream"], body["id"]), "headers")
    stream = gateway.client("GET", body["stream"]).wait_done()
    same(stream.numbers(), [5], "messages")
    same(show(gateway, body["id"])["retried_from"], job, "the new one knows the old")
    old = show(gateway, job)
    same((old["retried_as"], old["state"]), (body["id"], "dead"), "the old one knows the new")
    same(page(gateway, "dead")["total"], 0, "dead jobs")
    same(good(call(gateway, "POST", f"/jobs/{job}/retry"), 202)["id"], body["id"], "again: the same")


def a_dead_job_whose_chat_is_busy_is_not_tried_again(leat):
    gateway = leat.gateway()
    leat.worker(leat.task("if job['payload'] == 1:\n    " + FAILS + "    sys.exit(0)\nuntil('go')\n"))
    job = started(gateway, feature_id="f", chat_id="c", payload=1)
    leat.wait_state(job, "dead")
    other = started(gateway, feature_id="f", chat_id="c", payload=2)
    body = refused(call(gateway, "POST", f"/jobs/{job}/retry"), 409, "chat-busy")
    same(body["job"], other, "the job in the way")
    same(good(call(gateway, "POST", "/jobs/retry"))["busy"], 1, "of many")
    leat.leave("go")
    leat.wait_state(other, "done")
    same(call(gateway, "POST", f"/jobs/{job}/retry").status, 202, "later")


def a_full_queue_takes_no_retry(leat):
    gateway = leat.gateway(QUEUE_MAX_WAITING="1")
    worker = leat.worker(leat.task(FAILS))
    job = started(gateway)
    leat.wait_state(job, "dead")
    worker.stop()
    started(gateway, payload="in the way")
    answer = call(gateway, "POST", f"/jobs/{job}/retry")
    refused(answer, 429, "queue-full")
    check(answer.header("Retry-After"), f"Retry-After: {answer.headers}")


def many_dead_jobs_are_tried_again_page_by_page(leat):
    gateway = leat.gateway()
    worker = leat.worker(leat.task(FAILS))
    jobs = [started(gateway, feature_id="f", chat_id=f"c{n}", payload=n) for n in range(12)]
    until(lambda: page(gateway, "dead")["total"] == 12, 20, "all are dead")
    worker.stop()
    busy = started(gateway, feature_id="f", chat_id="c3", payload="other")
    got, cursor = [], ""
    while cursor is not None:
        one = good(call(gateway, "POST", "/jobs/retry?limit=5" + (f"&cursor={cursor}" if cursor else "")))
        got.append((one["retried"], one["busy"]))
        cursor = one["cursor"]
    same((sum(r for r, _ in got), sum(b for _, b in got), one["left"]), (11, 1, 1), f"of {got}")
    waiting, _ = pages(gateway, "waiting")
    same(sorted(j.get("retried_from", "") for j in waiting), sorted([""] + jobs[:3] + jobs[4:]), "waiting")
    check(busy in [j["id"] for j in waiting], "the other question still waits")


def dead_jobs_are_purged_the_oldest_first(leat):
    gateway = leat.gateway()
    leat.worker(leat.task(FAILS), WORKER_MAX_JOBS="1")
    jobs = [started(gateway, payload=n) for n in range(5)]
    until(lambda: page(gateway, "dead")["total"] == 5, 20, "all are dead")
    same([j["id"] for j in page(gateway, "dead")["jobs"]], jobs, "by time of death")
    same(good(call(gateway, "DELETE", "/jobs?state=dead&limit=2")), {"dropped": 2, "left": 3}, "a purge")
    same([j["id"] for j in page(gateway, "dead")["jobs"]], jobs[2:], "the newer ones")
    same(good(call(gateway, "DELETE", "/jobs?state=dead&queue=other")), {"dropped": 0, "left": 0}, "another queue")
    same(good(call(gateway, "DELETE", "/jobs?state=dead")), {"dropped": 3, "left": 0}, "the rest")


# ---- trouble ----

CALLS = [("POST", "/jobs", {"type": "t"}), ("GET", f"/jobs/{NOBODY}", None), ("DELETE", f"/jobs/{NOBODY}", None),
         ("GET", "/jobs?state=dead", None), ("DELETE", "/jobs?state=dead", None), ("POST", "/jobs/retry", None),
         ("POST", f"/jobs/{NOBODY}/retry", None), ("GET", "/queues", None), ("GET", "/queues/q", None),
         ("POST", "/queues/q/pause", None), ("POST", "/queues/q/resume", None), ("GET", "/routes", None),
         ("GET", "/routes/f", None), ("PUT", "/routes/f", {"queue": "q"}), ("DELETE", "/routes/f", None),
         ("GET", "/workers", None), ("GET", "/schedules", None), ("GET", "/schedules/s", None),
         ("PUT", "/schedules/s", {"type": "t", "every_ms": 1000}), ("DELETE", "/schedules/s", None)]


def every_call_is_503_at_once_while_redis_is_away(leat):
    gateway = leat.gateway()
    leat.redis.kill()
    until(lambda: gateway.is_away(), 10, "the gateway notices")
    for method, path, body in CALLS:
        answer = call(gateway, method, path, body, seconds=1)
        refused(answer, 503, "unavailable")
        check(1 <= int(answer.header("Retry-After")) <= 5, f"{method} {path}: Retry-After: {answer.headers}")
    same(call(gateway, "GET", "/openapi.json").status, 200, "the document needs no Redis")
    leat.redis.start()
    until(lambda: start(gateway).status == 202, 15, "it is taken when Redis is back")


def a_redis_out_of_memory_takes_no_job_and_stops_what_it_has(leat):
    gateway = leat.gateway()
    job = started(gateway)
    leat.redis("CONFIG", "SET", "maxmemory", "1")
    answer = start(gateway)
    check(answer.status in (429, 503), f"new work: {answer.describe()}")
    same(good(call(gateway, "DELETE", f"/jobs/{job}"))["state"], "cancelled", "a stop")
    leat.redis("CONFIG", "SET", "maxmemory", "0")
    started(gateway)


def a_browser_of_an_allowed_origin_may_put_and_read_what_came_of_it(leat):
    origin = "https://one.example"
    gateway = leat.gateway(API_CORS_ORIGINS=origin)
    headers = [("Origin", origin), ("Access-Control-Request-Method", "PUT"),
               ("Access-Control-Request-Headers", "content-type")]
    answer = gateway.request("OPTIONS", "/schedules/s", headers)
    same((answer.status, answer.header("Access-Control-Allow-Origin")), (204, origin), "a preflight")
    check("PUT" in answer.header("Access-Control-Allow-Methods"), f"{answer.headers}")
    answer = start(gateway, headers=[("Origin", origin)])
    same((answer.status, answer.header("Access-Control-Allow-Origin")), (202, origin), "POST /jobs")
    refused(call(gateway, "PUT", "/stream"), 405, "method-not-allowed")


def a_stop_through_the_chat_and_through_the_id_are_one(leat):
    gateway = leat.gateway()
    job = started(gateway, feature_id="f", chat_id="c")
    same(gateway.delete("c").json()["id"], job, "DELETE /stream")
    same(good(call(gateway, "DELETE", f"/jobs/{job}"))["state"], "cancelled", "DELETE /jobs/{id}")
    same(gateway.client("GET", target("c")).wait_done().names(), ["cancelled"], "the stream")
    stays(lambda: show(gateway, job)["state"] == "cancelled", 0.1, "it stays so")
