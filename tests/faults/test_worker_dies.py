"""Tasks and workers that crash, hang, are killed, stopped or drained: another goes on."""
import json
import os
import signal
import time

from leat import AT_ONCE, FACTOR, check, limit, ms, same, stays, until

# The first attempt waits in the middle, each later one runs through.
FIRST_WAITS = "count(1, 4)\nif attempt == 1:\n    until('go')\ncount(5, 8)\n"
LEASE = 900


def _attempts(stream):
    """The messages' numbers, a list for each attempt that the client saw, told apart by `reset`."""
    parts, told = [[]], []
    for event in stream.events[:-1]:
        if event.name == "reset":
            parts.append([])
            told.append(event.json())
        else:
            same(event.name, None, f"an event in the middle of {stream.describe()}")
            parts[-1].append((event.id, event.json()["n"]))
    for part in parts:
        same([n for _, n in part], list(range(1, len(part) + 1)), f"an attempt of {stream.describe()}")
        ids = [i for i, _ in part]
        if ids:
            attempt = ids[0].split("-")[0]
            same(ids, [f"{attempt}-{n}" for n in range(1, len(ids) + 1)], "ids of an attempt")
    return [[n for _, n in part] for part in parts], told


def _second_attempt_is_whole(stream, last=8, reason="retry"):
    parts, told = _attempts(stream)
    same(parts[-1], list(range(1, last + 1)), f"the last attempt of {stream.describe()}")
    same([(t["attempt"], t["reason"], t["job"]) for t in told], [(2, reason, stream.job())], "resets")


def _dead(leat, stream, reason, attempts):
    """`failed`, then [DONE]; the job among the dead with its reason."""
    stream.wait_done(20)
    failed = stream.events[-2]
    same((failed.name, failed.id), ("failed", None), f"the last but one event of {stream.describe()}")
    told = failed.json()
    same((told["job"], told["reason"], told["attempts"]), (stream.job(), reason, attempts), "what it says")
    check("detail" in told, f"a detail: {told}")
    job = leat.job(stream.job())
    same((job["state"], job["error"]), ("dead", reason), "the job's state")
    check(leat.redis("ZSCORE", "queue:default:dead", stream.job()), "it is among the dead")
    check(leat.redis("PTTL", "job:" + stream.job()) > 60_000, "and kept")
    return told


def a_task_that_crashes_is_run_again_and_the_client_sees_reset(leat):
    leat.settings(RETRY_BACKOFF_MS="1")
    gateway = leat.gateway()
    leat.worker(leat.task("count(1, 3)\nif attempt == 1:\n    os.kill(os.getpid(), signal.SIGSEGV)\ncount(4, 6)\n"))
    stream = gateway.post("c").wait_done()
    _second_attempt_is_whole(stream, 6)
    same(leat.job(stream.job())["deaths"], "1", "a signal is a death")
    joined = gateway.get("c").wait_done()
    same((joined.numbers(), joined.names()), (list(range(1, 7)), []), "who joins sees one attempt")


def a_crash_is_noticed_at_once(leat):
    leat.settings(RETRY_BACKOFF_MS="86400000", RETRY_BACKOFF_MAX_MS="86400000")  # it is no failed attempt
    gateway = leat.gateway()
    leat.worker(leat.task("count(1, 3)\nif attempt == 1:\n    until('go')\n    os.kill(os.getpid(), 9)\n"))
    stream = gateway.post("c").wait_events(3)
    leat.leave("go")
    crashed = time.monotonic()
    reset = stream.wait_named("reset", 5)
    check(reset.when - crashed < AT_ONCE, f"reset came after {reset.when - crashed:.2f} s")
    stream.wait_done()
    job = leat.job(stream.job())
    late = float(job["started"]) - float(job["ready"])  # a BLPOP that ended would be a second
    check(late < 700 * FACTOR, f"it is claimed at once, not after {late} ms")


def a_task_that_exits_with_an_error_is_run_again_after_a_pause(leat):
    leat.settings(RETRY_BACKOFF_MS="50")
    gateway = leat.gateway()
    leat.worker(leat.task("count(1, 3)\nif attempt == 1:\n    sys.exit(7)\ncount(4, 6)\n"))
    stream = gateway.post("c").wait_done()
    _second_attempt_is_whole(stream, 6)
    same((leat.job(stream.job())["deaths"], leat.job(stream.job())["attempts"]), ("0", "1"),
         "an exit code is a failed attempt")


def a_job_whose_attempts_are_used_up_is_failed_and_kept_with_its_reason(leat):
    leat.settings(RETRY_BACKOFF_MS="1")
    gateway = leat.gateway()
    leat.worker(leat.task("count(1, 2)\nuntil('seen-%d' % attempt)\n"
                          "sys.stderr.write('x' * 9000 + 'last words é\\n')\nsys.exit(5)\n"))
    stream = gateway.post("c")
    for attempt in (1, 2, 3):  # what nobody has read yet goes with the next claim
        stream.wait(lambda a=attempt: len(stream.numbers()) == 2 * a, 10, f"attempt {attempt}")
        leat.leave(f"seen-{attempt}")
    told = _dead(leat, stream, "exit", 3)
    check("5" in told["detail"] or "last words" in told["detail"], f"detail: {told['detail'][-200:]}")
    kept = json.dumps(leat.job(stream.job()), ensure_ascii=False)
    check("last words é" in kept, "the end of standard error is kept on the job")
    check(len(kept) < 30_000, "and not all of it")
    parts, resets = _attempts_before_failed(stream)
    same((parts, [r["attempt"] for r in resets]), ([[1, 2]] * 3, [2, 3]), "three attempts")


def _attempts_before_failed(stream):
    stream.events.pop(-2)
    return _attempts(stream)


def a_job_that_kills_its_process_is_dead_after_three(leat):
    gateway = leat.gateway()
    leat.worker(leat.task("count(1, 1)\nos.kill(os.getpid(), signal.SIGKILL)\n"))
    told = _dead(leat, gateway.post("c"), "signal", 3)
    check(told["detail"], f"detail: {told}")


def a_poison_job_among_good_ones_hurts_only_itself(leat):
    gateway = leat.gateway()
    leat.worker(leat.task("count(1, 2)\nif chat == 'bad':\n    os.abort()\ncount(3, 4)\n"))
    good = [gateway.post(f"c{n}") for n in range(20)]
    bad = gateway.post("bad")
    good += [gateway.post(f"d{n}") for n in range(20)]
    for stream in good:
        stream.wait_done(30)
        same((stream.numbers(), stream.names()), ([1, 2, 3, 4], []), "a good one's messages")
    _dead(leat, bad, "signal", 3)
    same(leat.redis("ZCARD", "queue:default:dead"), 1, "dead jobs")


def a_task_that_says_failed_without_retry_is_not_run_again(leat):
    gateway = leat.gateway()
    leat.worker(leat.task("count(1, 2)\nsay({'leat': 'failed', 'reason': 'no \\u00e9 model', 'retry': False})\n"))
    stream = gateway.post("c").wait_done()
    failed = stream.wait_named("failed") if not stream.ended else stream.events[-2]
    told = failed.json()
    check("no é model" in told["reason"] + told["detail"], f"the task's own reason: {told}")
    same((told["attempts"], stream.numbers()), (1, [1, 2]), "one attempt")
    same(leat.job(stream.job())["state"], "dead", "state")


def a_task_that_says_failed_is_run_again(leat):
    leat.settings(RETRY_BACKOFF_MS="1")
    gateway = leat.gateway()
    leat.worker(leat.task("count(1, 2)\nif attempt == 1:\n    say({'leat': 'failed', 'reason': 'busy', 'retry': True})\n"
                          "    sys.exit(0)\ncount(3, 4)\n"))
    _second_attempt_is_whole(gateway.post("c").wait_done(), 4)


BAD_LINES = {
    "text": "b'hello\\n'", "array": "b'[1]\\n'", "string": "b'\"x\"\\n'", "utf8": "b'{\"a\": \"\\xff\"}\\n'",
    "nul": "b'{\"a\": \"\\0\"}\\n'", "half": "b'{\"a\": 1\\n'", "long": "b'{\"a\": \"' + b'x' * 262144 + b'\"}\\n'",
    "endless": "b'x' * 1000000", "control": "b'{\"leat\": \"what\"}\\n'",
}


def lines_that_break_the_rules_fail_the_attempt_with_the_reason(leat):
    leat.settings(JOB_MAX_ATTEMPTS="1")
    gateway = leat.gateway()
    leat.worker(leat.task("count(1, 2)\nlines = {%s}\nsys.stdout.buffer.write(lines[chat])\n"
                          "sys.stdout.flush()\ncount(3, 3)\nuntil('never')\n"
                          % ", ".join(f"'{k}': {v}" for k, v in BAD_LINES.items())))
    streams = {name: gateway.post(name) for name in BAD_LINES}
    for name, stream in streams.items():
        stream.wait_done(20)
        same((stream.numbers(), stream.names()), ([1, 2], ["failed"]), f"the task that writes {name}")
        check(stream.events[-2].json()["reason"] == "line", f"{name}: {stream.events[-2]}")


def an_attempt_that_takes_too_long_is_ended(leat):
    leat.settings(JOB_TIMEOUT_MS=ms(3000), JOB_MAX_ATTEMPTS="1")  # its process must have begun by then
    gateway = leat.gateway()
    leat.worker(leat.task("signal.signal(signal.SIGTERM, signal.SIG_IGN)\ncount(1, 2)\nuntil('never')\n"))
    stream = gateway.post("c")
    told = _dead(leat, stream, "timeout", 1)
    check(told["detail"], f"detail: {told}")
    pid = int(leat.wait_file("run-c-1"))
    until(lambda: not os.path.exists(f"/proc/{pid}"), 4, "the task is killed although it ignores SIGTERM")


def a_type_that_no_worker_knows_is_failed_without_retry(leat):
    gateway = leat.gateway()
    leat.worker(leat.task("count(1, 1)\n").replace("generate_messages=", "summarise="))
    stream = gateway.post("c").wait_done()
    same(stream.names(), ["failed"], "named events")
    same(stream.events[-2].json()["attempts"], 1, "attempts")


def a_job_that_no_worker_takes_ends_by_its_deadline(leat):
    gateways = [leat.gateway(JOB_DEADLINE_MS=ms(600)), leat.gateway(JOB_DEADLINE_MS=ms(600))]
    streams = [gateways[0].post("c")]
    streams.append(gateways[1].get("c") if streams[0].wait_head() else None)
    for stream in streams:
        stream.wait_done(5)
        same(stream.names(), ["expired"], "named events")
        same((stream.events[0].id, stream.events[0].json()["job"]), (None, streams[0].job()), "the event")
        check(stream.ended_at - stream.started < 3.5 * FACTOR, "soon after the deadline")
    same(leat.job(streams[0].job())["state"], "expired", "state")
    worker = leat.worker()
    again = gateways[0].post("c", {"q": 1}).wait_done()
    same(len(again.messages()), 20, "the chat can ask again")
    check(worker.is_up(), "the worker lives")


@limit(60)
def kill_9_of_the_worker_mid_stream_another_goes_on_within_16_s(leat):
    gateways = [leat.gateway(), leat.gateway()]
    first = leat.worker(leat.task(FIRST_WAITS))
    streams = [gateways[0].post("c").wait_events(4)]
    streams.append(gateways[1].get("c").wait_events(4))
    leat.worker(leat.task(FIRST_WAITS))
    first.kill()
    killed_ms = time.time() * 1000
    for stream in streams:
        reset = stream.wait_named("reset", 20)
        took_ms = int(reset.id.split("-")[0]) - killed_ms  # until the claim, by Redis's clock
        check(took_ms < 16000 * FACTOR, f"it was claimed after {took_ms:.0f} ms")
        stream.wait_done()
        _second_attempt_is_whole(stream)
        times = [stream.started] + [when for _, when in stream.comments] + [e.when for e in stream.events]
        times.sort()
        check(max(b - a for a, b in zip(times, times[1:])) < 15.5 * FACTOR, "never 15 s without bytes")
    history = json.loads(leat.job(streams[0].job())["history"])
    same([h["reason"] for h in history], ["worker_lost"], "the job's history")


def a_killed_workers_jobs_are_all_run_by_another(leat):
    leat.settings(LEASE_MS=ms(LEASE))
    gateway = leat.gateway()
    first = leat.worker(leat.task(FIRST_WAITS))
    streams = [gateway.post(f"c{n}").wait_events(4) for n in range(6)]
    first.kill()
    leat.worker(leat.task(FIRST_WAITS))
    for stream in streams:
        stream.wait_done(20)
        _second_attempt_is_whole(stream)


def a_killed_workers_task_does_not_live_on(leat):
    gateway = leat.gateway()
    worker = leat.worker(leat.task("count(1, 1)\nuntil('never')\n"))
    gateway.post("c").wait_events(1)
    pid = int(leat.wait_file("run-c-1"))
    worker.kill()
    until(lambda: not os.path.exists(f"/proc/{pid}"), 5, "the orphan is gone")


def a_job_whose_workers_die_three_times_is_dead(leat):
    leat.settings(LEASE_MS=ms(400))
    gateway = leat.gateway()
    tasks = leat.task("count(1, 1)\nuntil('never')\n")
    stream = gateway.post("c")
    for attempt in (1, 2, 3):
        worker = leat.worker(tasks, ready=False)
        stream.wait(lambda a=attempt: len(stream.numbers()) >= a, 10, f"attempt {attempt} runs")
        worker.kill()
    _dead(leat, stream, "worker_lost", 3)


def a_stopped_worker_that_goes_on_is_fenced(leat):
    leat.settings(LEASE_MS=ms(LEASE))
    gateway = leat.gateway()
    zombie = leat.worker(leat.task("count(1, 4)\nif attempt == 1:\n    until('go')\n    n = 4\n    while True:\n"
                                   "        n += 1\n        count(n, n)\n        time.sleep(0.002)\n"
                                   "count(5, 8)\nuntil('end')\ncount(9, 9)\n"))
    stream = gateway.post("c").wait_events(4)
    zombie.pause()
    leat.leave("go")  # its task writes on, into the pipe of a worker that does not read
    leat.worker(leat.task("count(1, 8)\nuntil('end')\ncount(9, 9)\n"))
    stream.wait_named("reset", 15)
    stream.wait(lambda: stream.numbers()[-1] == 8, 10, "the second attempt's messages")
    before = leat.redis.entries("stream:f:c")
    zombie.go_on()
    pid = int(leat.wait_file("run-c-1"))
    until(lambda: not os.path.exists(f"/proc/{pid}"), 5, "the zombie's task is killed")
    same(leat.redis.entries("stream:f:c"), before, "not one entry of the zombie")
    leat.leave("end")
    stream.wait_done()
    _second_attempt_is_whole(stream, 9)
    after = gateway.post("d", {"q": 1})
    after.wait_events(4)
    check(zombie.is_up(), "the zombie works on")


def a_worker_paused_for_less_than_its_lease_keeps_its_job(leat):
    leat.settings(LEASE_MS=ms(2500))
    gateway = leat.gateway()
    worker = leat.worker(leat.task(FIRST_WAITS))
    leat.worker(leat.task(FIRST_WAITS))
    stream = gateway.post("c").wait_events(4)
    others = [p for p in leat.programs if p.name == "leat-worker"]
    check(worker in others, "two workers")
    for program in others:
        program.pause()
    stays(lambda: not stream.names(), 0.8, "no take-over within the lease")
    for program in others:
        program.go_on()
    leat.leave("go")
    stream.wait_done()
    same((stream.numbers(), stream.names()), (list(range(1, 9)), []), "one attempt")


def a_worker_at_sigterm_finishes_what_it_can(leat):
    gateway = leat.gateway()
    worker = leat.worker(leat.task("count(1, 4)\nuntil('go')\ncount(5, 6)\n"), WORKER_DRAIN_MS=ms(10000))
    stream = gateway.post("c").wait_events(4)
    worker.terminate()
    until(lambda: '"event":"draining"' in worker.log(), 5, "it drains")
    waiting = gateway.post("d").wait_head()
    stays(lambda: leat.redis("HGET", "job:" + waiting.job(), "state") == "waiting", 0.3, "it claims no more")
    leat.leave("go")
    stream.wait_done()
    same((stream.numbers(), stream.names()), ([1, 2, 3, 4, 5, 6], []), "the job is finished")
    same(worker.wait(5), 0, "exit code")
    same(leat.redis("ZCARD", "workers"), 0, "workers that live")


def a_worker_at_sigterm_hands_the_rest_back_and_another_goes_on(leat):
    gateways = [leat.gateway(), leat.gateway()]
    worker = leat.worker(leat.task(FIRST_WAITS), WORKER_DRAIN_MS=ms(200))
    stream = gateways[0].post("c").wait_events(4)
    worker.terminate()
    same(worker.wait(5), 0, "exit code")
    left = time.monotonic()
    leat.wait_state(stream.job(), "waiting", 1)
    job = leat.job(stream.job())
    same((job["attempts"], job["deaths"]), ("0", "0"), "handed back unspent")
    leat.worker(leat.task("count(1, 8)\n"))
    stream.wait_done()
    check(stream.ended_at - left < 3 * FACTOR, "at once, not after the lease")
    parts, told = _attempts(stream)
    same((parts, [t["reason"] for t in told]), ([[1, 2, 3, 4], list(range(1, 9))], ["retry"]),
         "the second run is announced and whole")
    resumed = gateways[1].get("c", cursor=stream.ids()[2]).wait_done()
    same((resumed.names(), resumed.numbers()), (["reset"], list(range(1, 9))), "resumed from the first run")


def waiting_jobs_survive_when_every_worker_is_replaced(leat):
    gateway = leat.gateway()
    streams = [gateway.post(f"c{n}").wait_head() for n in range(12)]
    for _ in range(3):
        worker = leat.worker(TASK_MESSAGE_COUNT="10", WORKER_MAX_JOBS="2", WORKER_DRAIN_MS="0")
        until(lambda: leat.redis("ZCARD", "queue:default:running"), 10, "it runs something")
        worker.stop()
    leat.worker(TASK_MESSAGE_COUNT="10")
    for stream in streams:
        stream.wait_done(30)
        same([int(json.loads(m)["id"]) for m in stream.messages()[-10:]], list(range(10)), "the last attempt")
        same(leat.job(stream.job())["deaths"], "0", "deaths")


@limit(90)
def workers_killed_at_random_lose_nothing(leat):
    import random
    seed = random.randrange(2 ** 32)
    chance = random.Random(seed)
    print(f"seed {seed}")
    leat.settings(LEASE_MS=ms(600), JOB_MAX_DEATHS="100", RETRY_BACKOFF_MS="1")
    gateways = [leat.gateway(), leat.gateway()]
    options = {"TASK_MESSAGE_COUNT": "12", "TASK_MESSAGE_INTERVAL_MS": "15"}
    workers = [leat.worker(**options) for _ in range(2)]
    streams = [gateways[n % 2].post(f"c{n}") for n in range(40)]
    for number in range(6):
        done = sum(s.ended is not None for s in streams)
        seen = sum(len(s.events) for s in streams)
        goal = seen + chance.randrange(5, 60)
        until(lambda g=goal: sum(len(s.events) for s in streams) >= g or all(s.ended for s in streams), 20,
              lambda d=done: f"streams go on; {d} had ended (seed {seed})")
        workers[number % 2].kill()
        workers[number % 2] = leat.worker(**options)
    for stream in streams:
        stream.wait_done(40)
        parts, attempt = [[]], None
        for event in stream.events[:-1]:
            if event.name == "reset":
                parts.append([])
            else:
                attempt = event.id.split("-")[0]
                parts[-1].append((attempt, int(event.id.split("-")[1]), int(event.json()["id"])))
        for part in parts:
            same([(n, i) for _, n, i in part], [(n, n - 1) for n in range(1, len(part) + 1)], f"seed {seed}")
            check(len({a for a, _, _ in part}) <= 1, f"attempts are not mixed (seed {seed})")
        same(len(parts[-1]), 12, f"the last attempt is whole (seed {seed})")


def a_reused_process_runs_one_job_after_the_other(leat):
    gateway = leat.gateway()
    path = leat.task("""
while True:
    count(1, 2)
    say({"leat": "done"})
    line = sys.stdin.buffer.readline()
    if not line:
        break
    job = json.loads(line)
    say({"n": 0, "pid": os.getpid()})
""", mark="[reuse]")
    leat.worker(path, WORKER_MAX_JOBS="1")
    gateway.post("c0").wait_done()
    pids = set()
    for number in range(1, 5):
        first = gateway.post(f"c{number}").wait_done().events[0].json()
        same(first["n"], 0, "the first message of a job that meets a used process")
        pids.add(first["pid"])
    same(len(pids), 1, "processes")


def a_signal_to_a_task_of_ours_is_a_death_and_the_job_goes_on(leat):
    gateway = leat.gateway()
    leat.worker(TASK_MESSAGE_COUNT="40", TASK_MESSAGE_INTERVAL_MS=ms(100))
    stream = gateway.post("c").wait_events(3)
    tasks = [pid for pid in leat.processes() if _name(pid) == "leat-task"]
    check(tasks, "there is a task process")
    for pid in tasks:
        os.kill(pid, signal.SIGKILL)
    stream.wait_done()
    check("reset" in stream.names(), f"a reset: {stream.describe()}")
    same([json.loads(m)["id"] for m in stream.messages()[-40:]], [str(n) for n in range(40)], "the last attempt")


def _name(pid):
    try:
        with open(f"/proc/{pid}/comm") as file:
            return file.read().strip()
    except OSError:
        return ""


def a_worker_whose_heartbeat_was_answered_late_goes_on_beating(leat):
    leat.settings(LEASE_MS=ms(900))
    gateway = leat.gateway()
    leat.worker(leat.task("count(1, 1)\nuntil('go')\ncount(2, 2)\n"))
    stream = gateway.post("c").wait_events(1)
    leat.redis.pause()
    paused = time.monotonic()
    until(lambda: time.monotonic() - paused > 0.6 * FACTOR, 5, "longer than between two heartbeats")
    leat.redis.go_on()
    stays(lambda: not stream.names(), 4, lambda: f"it keeps its job: {stream.describe()}")
    leat.leave("go")
    stream.wait_done()
    same((stream.numbers(), stream.names()), ([1, 2], []), "one attempt")


def a_lost_workers_job_keeps_its_stream_when_redis_was_away_too(leat):
    leat.settings(LEASE_MS=ms(900), STREAM_TTL_MS=ms(4000))
    gateway = leat.gateway()
    worker = leat.worker(leat.task("count(1, 3)\nuntil('never')\n"))
    stream = gateway.post("c").wait_events(3)
    until(lambda: leat.redis("PTTL", "stream:f:c") < 2400 * FACTOR, 5, "the next heartbeat would renew it")
    worker.kill()
    leat.redis.pause()
    paused = time.monotonic()
    until(lambda: time.monotonic() - paused > 1.7 * FACTOR, 5, "nearly as long as the stream is sure to live")
    leat.redis.go_on()
    leat.wait_state(stream.job(), "waiting", 10)
    same(leat.redis("PTTL", "stream:f:c"), -1, "the expiry of a waiting job's stream")
    leat.worker(leat.task("count(1, 5)\n"))
    stream.wait_done()
    _second_attempt_is_whole(stream, 5)
