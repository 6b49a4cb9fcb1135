"""Workers as an operator knows them: types, queues, quiet, drained, and a Redis that is slow."""
import signal
import time

from leat import AT_ONCE, FACTOR, check, ms, same, stays, until

WAITS = "count(1, 2)\nuntil('go')\ncount(3, 4)\n"


def _known(leat):
    """What Redis knows of the one worker that lives."""
    workers = leat.redis("ZRANGE", "workers", 0, -1)
    same(len(workers), 1, "workers that live")
    return leat.redis.hash("worker:" + workers[0])


def _state(leat, stream):
    return leat.redis("HGET", "job:" + stream.job(), "state")


def _failed(stream, reason, attempts):
    stream.wait_done(30)
    told = stream.events[-2].json()
    same((stream.events[-2].name, told["reason"], told["attempts"]), ("failed", reason, attempts),
         f"how {stream.describe()} ended")
    return told


# ---- what a type may cost ----


def a_types_marks_say_how_often_and_how_long_it_is_tried(leat):
    leat.settings(RETRY_BACKOFF_MS="60000")
    gateway = leat.gateway()
    most = ms(2000)
    leat.worker(leat.task("count(1, 2)\nif chat == 'slow':\n    until('never')\nsys.exit(5)\n",
                          mark=f"[max_attempts=2,timeout_ms={most},backoff_ms=1]"), JOB_MAX_ATTEMPTS="5")
    crashing, slow = gateway.post("c"), gateway.post("slow")
    _failed(crashing, "exit", 2)
    check(most in _failed(slow, "timeout", 2)["detail"], "the detail names the time")


def a_type_without_marks_is_tried_as_the_settings_say(leat):
    gateway = leat.gateway()
    leat.worker(leat.task("count(1, 2)\nif chat == 'slow':\n    until('never')\nsys.exit(5)\n"),
                JOB_MAX_ATTEMPTS="2", JOB_TIMEOUT_MS=ms(2000), RETRY_BACKOFF_MS="1")
    crashing, slow = gateway.post("c"), gateway.post("slow")
    _failed(crashing, "exit", 2)
    _failed(slow, "timeout", 2)


def a_delayed_attempt_starts_on_time(leat):
    gateway = leat.gateway()
    leat.worker(leat.task("count(1, 1)\nif attempt == 1:\n    sys.exit(5)\n", mark=f"[backoff_ms={ms(1500)}]"))
    late = []
    for stream in [gateway.post(f"c{n}") for n in range(15)]:
        stream.wait_done()
        job = leat.job(stream.job())
        late.append(float(job["started"]) - float(job["due"]))
    check(min(late) >= 0, f"none starts before it is due: {late}")
    # By a BLPOP that ended it would be anything up to a second.
    check(sorted(late)[7] < min(300 * FACTOR, 450), f"most start soon after they are due: {sorted(late)}")


# ---- queues ----


def each_queue_of_a_worker_has_its_turn(leat):
    leat.redis("HSET", "routes", "many", "a", "few", "b")
    gateway = leat.gateway()
    many = [gateway.post(f"c{n}", feature="many").wait_head() for n in range(30)]
    few = [gateway.post(f"c{n}", feature="few").wait_head() for n in range(3)]
    worker = leat.worker(WORKER_QUEUES="a,b", WORKER_MAX_JOBS="1", TASK_MESSAGE_COUNT="1")
    for stream in many + few:
        stream.wait_done(30)
    claimed = [line["feature_id"] for line in worker.said("claimed")]
    same(len(claimed), len(many + few), "claims")
    places = [place for place, feature in enumerate(claimed) if feature == "few"]
    check(places[-1] <= 6, f"the few jobs are started at the places {places}")


def a_paused_queue_gives_no_jobs_until_it_goes_on(leat):
    leat.redis("HSET", "routes", "f", "q")
    gateway = leat.gateway()
    now = leat.redis("TIME")[0] + "000"
    leat.redis("HSET", "queue:q", "paused", "1", "paused_at", now)
    stream = gateway.post("c").wait_head()
    worker = leat.worker(WORKER_QUEUES="q,default", TASK_MESSAGE_COUNT="1")
    gateway.post("c", feature="other").wait_done()
    stays(lambda: _state(leat, stream) == "waiting", 1.2, "nobody takes it")
    leat.redis("HDEL", "queue:q", "paused", "paused_at")
    stream.wait_done()
    check(worker.is_up(), "the worker lives")


def a_job_in_a_queue_that_nobody_serves_ends_by_its_deadline(leat):
    leat.redis("HSET", "routes", "f", "nobody")
    gateway = leat.gateway(JOB_DEADLINE_MS=ms(600))
    leat.worker()
    stream = gateway.post("c")
    stream.wait_done(6)
    same(stream.names(), ["expired"], "named events")


def a_job_of_a_type_that_another_worker_runs_is_left_to_it(leat):
    gateway = leat.gateway()
    leat.worker(leat.task("count(1, 1)\n").replace("generate_messages=", "other="))
    busy = leat.worker(leat.task(WAITS), WORKER_MAX_JOBS="1")
    first = gateway.post("c").wait_events(2)
    second = gateway.post("d").wait_head()
    before = _steps(leat)
    stays(lambda: _state(leat, second) == "waiting", 1.5, "the other worker leaves it alone")
    check(_steps(leat) - before < 100 * FACTOR, f"and does not ask all the time: {_steps(leat) - before} steps")
    leat.leave("go")
    for stream in (first, second):
        stream.wait_done()
        same((stream.numbers(), stream.names()), ([1, 2, 3, 4], []), "messages")
    busy.stop()
    replaced = gateway.post("e").wait_head()
    stays(lambda: _state(leat, replaced) == "waiting", 1, "it waits for such a worker to come back")
    leat.worker(leat.task(WAITS))
    replaced.wait_done()


def a_type_that_no_worker_of_the_queue_ever_knew_fails_at_once(leat):
    gateway = leat.gateway()
    leat.worker(leat.task("count(1, 1)\n").replace("generate_messages=", "other="))
    _failed(gateway.post("c"), "unknown_type", 1)


def _steps(leat):
    """Steps that Redis has run so far."""
    line = next(x for x in leat.redis("INFO", "commandstats").splitlines() if x.startswith("cmdstat_evalsha:"))
    return int(line.split("calls=")[1].split(",")[0])


# ---- quiet and drained ----


def what_a_worker_says_of_itself_is_known(leat):
    leat.gateway()
    leat.worker("a=sleep 1;b[reuse]=leat-task generate_messages", WORKER_QUEUES="q,default", WORKER_MAX_JOBS="7")
    known = _known(leat)
    same({k: known[k] for k in ("queues", "types", "capacity", "state")},
         {"queues": "q,default", "types": " a b ", "capacity": "7", "state": "serving"}, "the worker's own words")
    check(known["version"] and abs(float(known["since"]) / 1000 - time.time()) < 60 * FACTOR, f"and {known}")


def a_quiet_worker_goes_on_with_what_it_has_and_takes_no_more(leat):
    gateway = leat.gateway()
    worker = leat.worker(leat.task(WAITS))
    stream = gateway.post("c").wait_events(2)
    worker.signal(signal.SIGUSR1)
    until(lambda: _known(leat)["state"] == "quiet", 1, "it says at once that it is quiet")
    check('"event":"quiet"' in worker.log(), "and in its log")
    waiting = gateway.post("d").wait_head()
    stays(lambda: _state(leat, waiting) == "waiting", 1.2, "it takes no more")
    leat.leave("go")
    stream.wait_done()
    same((stream.numbers(), stream.names()), ([1, 2, 3, 4], []), "what it had is finished")
    stays(lambda: _state(leat, waiting) == "waiting", 0.3, "nor now that it has nothing")
    worker.signal(signal.SIGUSR2)
    waiting.wait_done()
    same(_known(leat)["state"], "serving", "state")
    check('"event":"serving"' in worker.log(), "the log says that it serves again")


def a_token_that_a_worker_got_just_before_it_was_quiet_wakes_another(leat):
    gateway = leat.gateway()
    quiet = leat.worker(TASK_MESSAGE_COUNT="1")
    quiet.signal(signal.SIGUSR1)
    until(lambda: _known(leat)["state"] == "quiet", 1, "it is quiet; its BLPOP still waits")
    leat.worker(TASK_MESSAGE_COUNT="1")
    for number in range(4):
        job = leat.job(gateway.post(f"c{number}").wait_done().job())
        late = float(job["started"]) - float(job["ready"])  # a BLPOP that ended would be a second
        check(late < (700 if FACTOR == 1 else 900), f"question {number} is claimed at once, not after {late} ms")


def a_quiet_worker_drains_at_sigterm(leat):
    gateway = leat.gateway()
    worker = leat.worker(leat.task(WAITS), WORKER_DRAIN_MS=ms(10000))
    stream = gateway.post("c").wait_events(2)
    worker.signal(signal.SIGUSR1)
    until(lambda: _known(leat)["state"] == "quiet", 1, "it is quiet")
    worker.terminate()
    until(lambda: _known(leat)["state"] == "draining", 1, "it says at once that it drains")
    worker.signal(signal.SIGUSR2)
    stays(lambda: _known(leat)["state"] == "draining", 0.3, "and nothing else any more")
    leat.leave("go")
    stream.wait_done()
    same((stream.numbers(), stream.names()), ([1, 2, 3, 4], []), "the job is finished")
    same(worker.wait(5), 0, "exit code")
    same(leat.redis("ZCARD", "workers"), 0, "workers that live")


def what_a_drained_worker_hands_back_is_taken_elsewhere_at_once(leat):
    gateway = leat.gateway()
    leaving = leat.worker(leat.task("count(1, 2)\nif attempt == 1:\n    until('never')\ncount(3, 4)\n"))
    streams = [gateway.post(f"c{n}") for n in range(5)]
    for stream in streams:
        stream.wait_events(2)
    leat.worker(leat.task("count(1, 4)\n"))
    began = time.monotonic()
    leaving.terminate()
    for stream in streams:
        reset = stream.wait_named("reset", 5)
        check(reset.when - began < AT_ONCE, f"it is begun anew after {reset.when - began:.2f} s")
        stream.wait_done()
        job = leat.job(stream.job())
        late = float(job["started"]) - float(job["ready"])  # a BLPOP that ended would be a second
        check(late < (700 if FACTOR == 1 else 900), f"it is claimed at once, not after {late} ms")
        same((job["attempts"], job["deaths"], job["state"]), ("0", "0", "done"), "unspent, and done")
    same(leaving.wait(5), 0, "exit code")


# ---- schedules ----


def an_occasion_of_a_schedule_counts_once_whoever_is_there(leat):
    every = int(ms(250))
    leat.redis("HSET", "schedule:s", "every_ms", every, "cron", "", "missed", "one", "type", "generate_messages",
               "feature_id", "f", "body_hash", "", "priority", 5, "deadline_ms", 60000, "created", 1, "fired", 0,
               "skipped", 0)
    leat.redis("ZADD", "schedules", leat.redis("TIME")[0] + "000", "s")

    def fired():
        return int(leat.redis("HGET", "schedule:s", "fired"))

    for goal in (6, 12):
        programs = [leat.gateway(), leat.gateway(API_LOOPS="2")]
        programs += [leat.worker(ready=False, TASK_MESSAGE_COUNT="1") for _ in range(3)]
        until(lambda g=goal: fired() >= g, 20, lambda: f"it fires; so far {fired()}")
        for program in programs:
            program.kill()
    jobs = [leat.redis.hash(key) for key in leat.redis.keys() if key.startswith("job:")]
    occasions = [job["occasion"] for job in jobs if job.get("schedule") == "s"]
    same((len(occasions), len(set(occasions))), (fired(), fired()), "jobs, and occasions that have one")
    check(all(int(b) - int(a) >= every for a, b in zip(sorted(occasions), sorted(occasions)[1:])), "on its grid")


# ---- a slow Redis ----


def a_redis_that_was_slow_for_a_moment_goes_on_hearing_of_the_worker(leat):
    leat.settings(LEASE_MS=ms(900), REDIS_TIMEOUT_MS="60000")
    leat.worker()
    leat.redis.pause()
    time.sleep(0.8 * FACTOR)  # two heartbeats come due and neither is answered
    leat.redis.go_on()
    for _ in range(3):
        seen = _seen(leat)
        until(lambda s=seen: _seen(leat) > s, 3, "the next heartbeat")


def _seen(leat):
    return float(leat.redis("ZRANGE", "workers", 0, 0, "WITHSCORES")[1])
