"""Queues, routes and workers, as an operator sees and changes them."""
import signal

from calls import call, good, page, refused, show, started
from leat import FACTOR, check, same, stays, target, until


def _queue(gateway, name="default"):
    return good(call(gateway, "GET", f"/queues/{name}"))


def _lead(gateway, feature, queue):
    return good(call(gateway, "PUT", f"/routes/{feature}", {"queue": queue}))


def _workers(gateway):
    return good(call(gateway, "GET", "/workers"))["workers"]


# ---- queues ----


def a_queue_says_what_is_in_it(leat):
    gateway = leat.gateway()
    same(good(call(gateway, "GET", "/queues"))["queues"][0]["name"], "default", "there is always one")
    empty = _queue(gateway)
    same([empty[n] for n in ("waiting", "delayed", "running", "dead", "bytes", "workers", "paused")],
         [0, 0, 0, 0, 0, 0, False], f"an empty queue: {empty}")
    started(gateway, payload="x" * 10)
    started(gateway, payload="x" * 20, delay_ms=60_000)
    full = _queue(gateway)
    same([full[n] for n in ("waiting", "delayed", "bytes")], [1, 1, 12 + 22], f"what waits: {full}")
    leat.worker(leat.task("until('go')\n"))
    until(lambda: _queue(gateway)["running"] == 1, 10, "one runs")
    same([_queue(gateway)[n] for n in ("waiting", "workers")], [0, 1], "what waits")
    leat.leave("go")
    until(lambda: _queue(gateway)["running"] == 0, 10, "it ends")


def a_paused_queue_gives_no_job_until_it_goes_on(leat):
    gateway = leat.gateway()
    leat.worker(TASK_MESSAGE_COUNT="0")
    same(good(call(gateway, "POST", "/queues/default/pause"))["paused"], True, "the answer")
    paused = _queue(gateway)
    check(paused["paused"] and paused["paused_at"], f"paused: {paused}")
    job = started(gateway)
    stays(lambda: show(gateway, job)["state"] == "waiting", 1.5, "nobody takes it")
    same(good(call(gateway, "POST", "/queues/default/pause"))["paused_at"], paused["paused_at"], "again: the same")
    same(good(call(gateway, "POST", "/queues/default/resume"))["paused"], False, "the answer")
    leat.wait_state(job, "done")
    same("paused_at" in _queue(gateway), False, "paused_at")


def the_deadlines_of_a_paused_queue_stand_still(leat):
    gateway = leat.gateway()
    job = started(gateway, deadline_ms=int(1500 * FACTOR))
    call(gateway, "POST", "/queues/default/pause")
    first = show(gateway, job)["deadline_at"]
    stays(lambda: show(gateway, job)["state"] == "waiting", 2.5, "it does not expire while paused")
    check(show(gateway, job)["deadline_at"] > first, "its deadline moves on")
    late = started(gateway, deadline_ms=int(1000 * FACTOR))
    stays(lambda: show(gateway, late)["state"] == "waiting", 1.5, "one put in meanwhile does not either")
    call(gateway, "POST", "/queues/default/resume")
    for one in (job, late):
        leat.wait_state(one, "expired", 10)


def names_that_break_the_rule_are_400(leat):
    gateway = leat.gateway()
    for method, path, word in (("GET", "/queues/a:b", "queue"), ("POST", "/queues/%00/pause", "queue"),
                               ("GET", "/routes/*", "feature"), ("DELETE", "/routes/a%2fb", "feature")):
        refused(call(gateway, method, path), 400, "bad-request", word)
    for body in ({}, {"queue": 1}, {"queue": ""}, {"queue": "a" * 129}, {"queue": "q", "feature": "f"}, []):
        refused(call(gateway, "PUT", "/routes/f", body), 400, "bad-request")
    refused(call(gateway, "PUT", "/routes/f"), 400, "bad-request", "missing")
    same(good(call(gateway, "GET", "/routes")), {"routes": []}, "nothing was routed")


# ---- routes ----


def a_feature_is_led_to_a_queue_of_its_own_and_back(leat):
    gateway = leat.gateway()
    refused(call(gateway, "GET", "/routes/f"), 404, "no-route")
    refused(call(gateway, "DELETE", "/routes/f"), 404, "no-route")
    same(_lead(gateway, "f", "slow"), {"feature_id": "f", "queue": "slow", "was": "default"}, "PUT")
    same(_lead(gateway, "f", "slower"), {"feature_id": "f", "queue": "slower", "was": "slow"}, "PUT again")
    same(good(call(gateway, "GET", "/routes/f")), {"feature_id": "f", "queue": "slower"}, "GET")
    same(good(call(gateway, "GET", "/routes")), {"routes": [{"feature_id": "f", "queue": "slower"}]}, "all")
    one, two = started(gateway, feature_id="f"), started(gateway, feature_id="g")
    same([show(gateway, j)["queue"] for j in (one, two)], ["slower", "default"], "where they wait")
    same({q["name"] for q in good(call(gateway, "GET", "/queues"))["queues"]} - {"slow"}, {"default", "slower"},
         "queues, but for the one that nobody needs any more: it goes when the reaper comes")
    same([j["id"] for j in page(gateway, "waiting", queue="slower")["jobs"]], [one], "its page")
    same(good(call(gateway, "DELETE", "/routes/f")), {"feature_id": "f", "queue": "default", "was": "slower"}, "DELETE")
    same(show(gateway, started(gateway, feature_id="f"))["queue"], "default", "new ones")
    same(show(gateway, one)["queue"], "slower", "the old one stays")


def jobs_of_a_routed_feature_are_run_by_the_workers_of_its_queue(leat):
    gateway = leat.gateway()
    leat.worker(TASK_MESSAGE_COUNT="1")
    _lead(gateway, "f", "slow")
    job = gateway.post("c").wait_head().job()
    other = gateway.post("c", feature="g").wait_done()
    same(show(gateway, job)["state"], "waiting", "nobody serves its queue yet")
    leat.worker(TASK_MESSAGE_COUNT="1", WORKER_QUEUES="slow")
    gateway.client("GET", target("c")).wait_done()
    same((show(gateway, job)["state"], len(other.messages())), ("done", 1), "both have run")


def a_worker_of_several_queues_takes_from_each_in_its_turn(leat):
    gateway = leat.gateway()
    _lead(gateway, "b", "second")
    _lead(gateway, "a", "first")
    for number in range(3):
        started(gateway, feature_id="b", payload=number)
    for number in range(3):
        started(gateway, feature_id="a", payload=number)
    leat.worker(leat.task("leave('order', job['feature_id'].encode(), 'ab')\n"), WORKER_QUEUES="first,second",
                WORKER_MAX_JOBS="1")
    until(lambda: all(_queue(gateway, q)[n] == 0 for q in ("first", "second") for n in ("waiting", "running")), 10,
          "all have run")
    with open(leat.file("order")) as file:
        check(file.read() in ("ababab", "bababa"), "they take turns")


# ---- workers ----


def workers_are_listed_with_what_they_do(leat):
    gateway = leat.gateway()
    same(_workers(gateway), [], "nobody")
    worker = leat.worker(leat.task("until('go')\n"), WORKER_QUEUES="default,slow", WORKER_MAX_JOBS="3")
    jobs = [started(gateway) for _ in range(2)]
    for job in jobs:
        leat.wait_state(job, "running")
    one = until(lambda: next((w for w in _workers(gateway) if w["jobs"] == 2), None), 10, "it has two jobs in hand")
    same((one["state"], one["queues"], one["types"], one["capacity"], one["job_ids"]),
         ("serving", ["default", "slow"], ["generate_messages"], 3, sorted(jobs)), f"the worker: {one}")
    check(one["version"] and one["started_at"] <= one["seen_at"], f"the worker: {one}")
    same(show(gateway, jobs[0])["worker"], one["id"], "who runs it")
    leat.leave("go")
    for job in jobs:
        leat.wait_state(job, "done")
    worker.stop()
    until(lambda: _workers(gateway) == [], 10, "it says that it goes")


def a_quiet_worker_finishes_what_it_has_and_claims_no_more(leat):
    gateway = leat.gateway()
    worker = leat.worker(leat.task("until('go')\n"))
    running = started(gateway)
    leat.wait_state(running, "running")
    worker.signal(signal.SIGUSR1)
    until(lambda: [w["state"] for w in _workers(gateway)] == ["quiet"], 10, lambda: f"it says so: {_workers(gateway)}")
    waiting = started(gateway)
    leat.leave("go")
    leat.wait_state(running, "done")
    stays(lambda: show(gateway, waiting)["state"] == "waiting", 1.5, "it takes no other")
    leat.worker(TASK_MESSAGE_COUNT="0")
    leat.wait_state(waiting, "done")
