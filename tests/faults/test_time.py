"""Deadlines, expiry, and clocks that jump."""
import glob
import json
import os
import struct
import subprocess
import threading
import time

from leat import FACTOR, check, exact, limit, many, ms, same, stays, until
from view import View, terminal_entries

COUNTS = "count(1, 3)\nuntil('go-1')\ncount(4, 6)\nuntil('go-2')\n"
SHIM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "wall_clock.c")


class Clock:
    """The wall clock of what is started with `env`: ours, and some hours."""

    def __init__(self, leat, name):
        library, self.path = leat.file("wall_clock.so"), leat.file(f"clock-{name}")
        built = subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-Wall", "-D_GNU_SOURCE", "-o", library, SHIM],
                               capture_output=True, text=True, check=False)
        same((built.returncode, built.stderr), (0, ""), "the compiler's word on wall_clock.c")
        self.jump(0)
        # The address sanitizer wants to come first, and can do without.
        sanitizer = leat.base_env()["ASAN_OPTIONS"] + ":verify_asan_link_order=0"
        self.env = {"LD_PRELOAD": library, "WALL_CLOCK": self.path, "ASAN_OPTIONS": sanitizer}

    def jump(self, hours):
        """In place: the programs have it mapped."""
        with open(self.path, "r+b" if os.path.exists(self.path) else "wb", buffering=0) as file:
            file.write(struct.pack("q", hours * 3600))


def _shown_time(program):
    """The hour in the newest line of a program's log."""
    return json.loads(program.log().splitlines()[-1])["time"][:13]


def _jumps(leat, clock, see):
    """A chat over a jump ahead and one back; another behind each. Gives their A, in order."""
    seen = []
    for turn, hours in enumerate((1, -1)):
        for name in glob.glob(leat.file("go-*")):
            os.remove(name)
        gateway = leat.gateways[turn % 2]
        running = gateway.post("c", {"turn": turn}).wait_events(3)
        clock.jump(hours)
        leat.leave("go-1")
        running.wait_events(6)
        see(gateway)
        leat.leave("go-2")
        running.wait_done(20)
        exact(running, last=7)
        same((running.numbers(), running.names()), ([1, 2, 3, 4, 5, 6], []), f"over a jump of {hours} h")
        same(leat.job(running.job())["deaths"], "0", "deaths")
        behind = leat.gateways[1].post("c", {"behind": turn}).wait_done(20)
        same(behind.numbers(), [1, 2, 3, 4, 5, 6], "the next question")
        seen += [int(running.ids()[0].split("-")[0]), int(behind.ids()[0].split("-")[0])]
    return seen


@limit(60)
def clocks_of_workers_and_gateways_that_jump_an_hour_change_nothing(leat):
    clock = Clock(leat, "programs")
    leat.settings(LEASE_MS=ms(900))
    leat.gateways = [leat.gateway(**clock.env), leat.gateway(**clock.env)]
    leat.worker(leat.task(COUNTS), **clock.env)
    hours = []
    seen = _jumps(leat, clock, lambda gateway: hours.append(_shown_time(_says_something(gateway))))
    check(len(set(hours)) == 2, f"the programs saw the jump: {hours}")
    same(seen, sorted(set(seen)), "A rises")
    check(seen[-1] - seen[0] < 60_000 * FACTOR, f"by Redis's clock: {seen}")


def _says_something(gateway):
    gateway.post(f"said-{len(gateway.log())}", feature="nobody").wait_head()
    return gateway


@limit(60)
def the_clock_of_redis_that_jumps_an_hour_runs_nothing_twice(leat):
    clock = Clock(leat, "redis")
    leat.with_redis(env=clock.env)
    leat.settings(LEASE_MS=ms(900))
    leat.gateways = [leat.gateway(), leat.gateway()]
    leat.worker(leat.task(COUNTS))
    leat.worker(leat.task(COUNTS))
    until(lambda: leat.redis("HGET", "queue:default", "reaped"), 5, "somebody has reaped")
    hours = []
    seen = _jumps(leat, clock, lambda _: hours.append(int(leat.redis("TIME")[0]) - time.time()))
    check(hours[0] > 3000 and hours[1] < -3000, f"Redis saw the jumps: {hours}")
    same(seen, sorted(set(seen)), "A rises, whatever the clock says")


@limit(60)
def a_worker_lost_while_the_clock_of_redis_went_back_is_replaced(leat):
    clock = Clock(leat, "redis")
    leat.with_redis(env=clock.env)
    leat.settings(LEASE_MS=ms(900))
    gateway = leat.gateway()
    tasks = leat.task("count(1, 3)\nif attempt == 1:\n    until('never')\ncount(4, 6)\n")
    worker = leat.worker(tasks)
    stream = gateway.post("c").wait_events(3)
    clock.jump(-1)
    worker.kill()
    leat.worker(tasks, ready=False)
    reset = stream.wait_named("reset", 10)
    stream.wait_done()
    same(View(stream).texts(), [f'{{"n": {n}, "attempt": 2}}' for n in range(1, 7)], "the last attempt")
    check(int(reset.id.split("-")[0]) > int(stream.ids()[0].split("-")[0]), "A rises")
    same(terminal_entries(leat.redis), ["done"], "ends")


@limit(60)
def a_job_that_waits_over_a_jump_of_the_clock_of_redis_ends_or_is_run(leat):
    clock = Clock(leat, "redis")
    leat.with_redis(env=clock.env)
    gateway = leat.gateway()
    early = gateway.post("early").wait_head()
    clock.jump(1)
    early.wait_done(10)
    same(early.names(), ["expired"], "its deadline is over")
    clock.jump(0)
    late = gateway.post("late").wait_head()
    leat.worker()
    late.wait_done()
    same(len(late.messages()), 20, "messages")
    again = gateway.post("early", {"q": "again"}).wait_done()
    same(len(again.messages()), 20, "the chat can ask again")
    check(int(again.ids()[0].split("-")[0]) > int(early.last_id.split("-")[0]), "A rises")


@limit(60)
def a_claim_lost_while_the_clock_of_redis_is_behind_is_told_apart_from_the_next(leat):
    clock = Clock(leat, "redis")
    redis = leat.with_redis(tcp=True, append_only=True, env=clock.env)
    gateway = leat.gateway()
    clock.jump(1)
    stream = gateway.post("c")
    stream.wait_comment("queued")
    clock.jump(0)
    size = os.path.getsize(redis.growing_file())
    leat.worker(leat.task("leave('runs', b'x', 'ab')\nrun = os.path.getsize(os.path.join(HERE, 'runs'))\n"
                          "for n in range(1, 7):\n    say({'n': n, 'run': run})\n    until('go') if n == 3 else None\n"))
    stream.wait_events(3)
    gateway.pause()  # it looks when the next run is under way
    redis.restart_without(size)
    until(lambda: redis("XLEN", "stream:f:c") == 4 and leat.wait_file("runs") == b"xx", 15, "it is run again")
    gateway.go_on()
    leat.leave("go")
    stream.wait_done()
    runs = [json.loads(text)["run"] for text in View(stream).texts()]
    # The next A may well be the lower one; once the job has ended that is `gone`, by the table.
    told = [1] * 3 if "gone" in stream.names() else [2] * 6
    same(runs, told, f"the run that each message of the client's view is of: {stream.describe()}")


@limit(60)
def a_clock_of_redis_that_goes_back_makes_no_retry_an_hour_late(leat):
    clock = Clock(leat, "redis")
    leat.with_redis(env=clock.env)
    leat.settings(RETRY_BACKOFF_MS=ms(5000))
    gateway = leat.gateway()
    leat.worker(leat.task("count(1, 3)\nif attempt == 1:\n    sys.exit(1)\ncount(4, 6)\n"))
    streams = [gateway.post(f"c{n}") for n in range(6)]
    until(lambda: leat.redis("ZCARD", "queue:default:delayed") > 2, 10, "some wait for their retry")
    clock.jump(-1)
    for stream in streams:
        stream.wait_done(10)
        same(View(stream).end, "done", "the retry")


@limit(60)
def a_clock_of_redis_that_goes_back_makes_no_deadline_an_hour_late(leat):
    clock = Clock(leat, "redis")
    leat.with_redis(env=clock.env)
    gateway = leat.gateway(JOB_DEADLINE_MS=ms(1500))
    stream = gateway.post("c").wait_head()
    clock.jump(-1)
    stream.wait_done(10)
    same(stream.names(), ["expired"], "its deadline")


# ---- deadlines and expiry ----


@limit(60)
def jobs_that_waited_for_too_long_are_not_run_by_ten_workers_that_start_late(leat):
    leat.settings(JOB_DEADLINE_MS=ms(700))
    gateways = [leat.gateway(), leat.gateway()]
    streams = [gateways[n % 2].post(f"c{n}") for n in range(20)]
    for stream in streams:
        stream.wait_done(8)
        same((stream.names(), stream.messages()), (["expired"], []), "its deadline")
    tasks = leat.task("count(1, 2)\n")
    known = leat.redis("ZCARD", "workers")
    many(10, lambda _: leat.worker(tasks, ready=False))
    until(lambda: leat.redis("ZCARD", "workers") == known + 10, 20, "ten workers")
    fresh = gateways[0].post("fresh").wait_done()
    same(fresh.numbers(), [1, 2], "a new one is run")
    stays(lambda: not glob.glob(leat.file("run-c*")), 0.5, "no stale run")
    for number in range(len(streams)):
        same(terminal_entries(leat.redis, f"stream:f:c{number}"), ["expired"], "ends")


@limit(60)
def a_job_whose_worker_starts_at_its_deadline_is_run_once_or_expired(leat):
    leat.settings(JOB_DEADLINE_MS=ms(1500))
    gateway = leat.gateway()
    streams = [gateway.post(f"c{n}").wait_head() for n in range(20)]
    began = time.monotonic()
    tasks = leat.task("count(1, 2)\nleave('ran-' + chat, b'x', 'ab')\n")
    until(lambda: time.monotonic() - began > 1.3 * FACTOR, 3, "just before the deadline")
    leat.worker(tasks, ready=False, WORKER_MAX_JOBS="2")
    for number, stream in enumerate(streams):
        stream.wait_done(15)
        ran = os.path.exists(leat.file(f"ran-c{number}"))
        wanted = ([1, 2], []) if ran else ([], ["expired"])
        same((stream.numbers(), stream.names()), wanted, f"c{number}")
        if ran:
            same(leat.wait_file(f"ran-c{number}"), b"x", f"runs of c{number}")
        same(terminal_entries(leat.redis, f"stream:f:c{number}"), ["done" if ran else "expired"], "ends")


@limit(60)
def a_resume_at_the_edge_of_expiry_is_exact_or_gone_and_never_a_new_job(leat):
    leat.settings(STREAM_TTL_MS=ms(2000))
    gateways = [leat.gateway(), leat.gateway()]
    leat.worker(leat.task("count(1, 6)\nleave('ran', b'x', 'ab')\n"))
    whole = gateways[0].post("c", {"q": 1}).wait_done()
    cursor, rest = whole.ids()[1], whole.ids()[2:]
    until(lambda: 0 <= leat.redis("PTTL", "stream:f:c") < 500 * FACTOR, 5, "nearly over")
    answers, enough = [], threading.Event()

    def ask(index):
        gateway = gateways[index % 2]
        while not enough.is_set():
            post = index < 2
            headers = [("Last-Event-ID", cursor)]
            make = gateway.post if post else gateway.get
            answers.append((time.monotonic(), make("c", headers=headers).wait_end()))

    threads = [threading.Thread(target=ask, args=(n,), daemon=True) for n in range(4)]
    for thread in threads:
        thread.start()
    until(lambda: leat.redis("PTTL", "stream:f:c") == -2, 5, "it is over")
    over = time.monotonic()
    until(lambda: sum(at > over for at, _ in answers) > 8, 10, "answers behind it")
    enough.set()
    for thread in threads:
        thread.join(10)
    kinds = []
    for at, answer in sorted(answers, key=lambda a: a[0]):
        answer.wait_done()
        exactly = (answer.ids(), answer.names()) == (rest, [])
        gone = (answer.ids(), answer.names()) == ([None, "end"], ["gone"])
        check(exactly or gone, f"exact or gone: {answer.describe()}")
        check(gone or at <= over + 0.5 * FACTOR, "exact when it was over")
        kinds.append(exactly)
    check(any(kinds) and not all(kinds), f"both sides of the edge were met: {len(kinds)}, {sum(kinds)} exact")
    same([k for k in leat.redis.keys() if k.startswith(("chat:", "job:", "stream:"))], [], "keys of jobs")
    same(leat.wait_file("ran"), b"x", "runs")
