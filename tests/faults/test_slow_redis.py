"""Redis is slow, or forgets its scripts: nobody is taken for dead, nobody sees an error."""
import json
import threading
import time

from leat import FACTOR, check, exact, limit, ms, problem, same, until
from redis_server import RedisError
from spinning import does_not_spin

STEPS = "count(1, 3)\nuntil('more')\ncount(4, 6)\nuntil('go')\ncount(7, 9)\n"
PAUSE_S = 3


def _debug_sleep(redis):
    sleeper = redis.connect()
    sleeper.sock.settimeout(60 * FACTOR)
    threading.Thread(target=lambda: (sleeper("DEBUG", "SLEEP", PAUSE_S * FACTOR), sleeper.close()),
                     daemon=True).start()


def _client_pause(redis):
    redis("CLIENT", "PAUSE", int(PAUSE_S * 1000 * FACTOR), "WRITE")


def _no_false_reap(leat, pause, timeout_ms):
    """A pause of more than two leases, over which two idle-handed workers could take the job."""
    leat.with_redis(options=["--enable-debug-command", "local"])
    leat.settings(LEASE_MS=ms(1200), REDIS_TIMEOUT_MS=ms(timeout_ms))
    gateways = [leat.gateway(API_HEARTBEAT_MS=ms(500)), leat.gateway()]
    for _ in range(2):
        leat.worker(leat.task(STEPS))
    until(lambda: leat.redis("HGET", "queue:default", "reaped"), 5, "somebody has reaped")
    streams = [gateways[0].post("c").wait_events(3)]
    streams.append(gateways[1].get("c").wait_events(3))
    waiting = gateways[1].post("waits", feature="g").wait_events(3)
    paused = time.monotonic()
    pause(leat.redis)
    leat.leave("more")
    until(lambda: time.monotonic() - paused > PAUSE_S * FACTOR, PAUSE_S + 2, "the pause is over")
    for stream in streams + [waiting]:
        stream.wait_events(6)
    leat.leave("go")
    for stream in streams + [waiting]:
        stream.wait_done()
        exact(stream, last=10)
        same((stream.numbers(), stream.names()), (list(range(1, 10)), []), "no false take-over")
        same(leat.job(stream.job() or streams[0].job())["deaths"], "0", "deaths")
    times = sorted([w for _, w in streams[0].comments] + [e.when for e in streams[0].events])
    check(max(b - a for a, b in zip(times, times[1:])) < 2.5 * FACTOR, "comments while Redis is silent")


@limit(60)
def a_redis_that_sleeps_longer_than_two_leases_makes_nobody_dead(leat):
    _no_false_reap(leat, _debug_sleep, 5000)


@limit(60)
def a_redis_that_sleeps_longer_than_connections_are_kept_makes_nobody_dead(leat):
    _no_false_reap(leat, _debug_sleep, 500)


@limit(60)
def a_redis_whose_writes_are_paused_makes_nobody_dead(leat):
    _no_false_reap(leat, _client_pause, 5000)


@limit(60)
def a_redis_whose_writes_are_paused_longer_than_connections_are_kept_makes_nobody_dead(leat):
    _no_false_reap(leat, _client_pause, 500)


def scripts_flushed_all_the_time_are_seen_by_nobody(leat):
    leat.settings(RETRY_BACKOFF_MS="1")
    gateways = [leat.gateway(), leat.gateway()]
    worker = leat.worker(leat.task("count(1, 3)\nif chat[0] == 'f' and attempt == 1:\n    sys.exit(1)\n"
                                   "if chat[0] == 's':\n    until('never')\ncount(4, 6)\n"))
    flusher, over = leat.redis.connect(), threading.Event()

    def flush():
        while not over.is_set():
            flusher("SCRIPT", "FLUSH")

    thread = threading.Thread(target=flush, daemon=True)
    thread.start()
    try:
        for turn in range(4):
            good = [gateways[n % 2].post(f"c{turn}-{n}", {"turn": turn}) for n in range(4)]
            failing = gateways[0].post(f"f{turn}")
            stopped = gateways[1].post(f"s{turn}").wait_events(3)
            same(gateways[0].delete(f"s{turn}").status, 200, "status of a stop")
            for stream in good + [failing, stopped]:
                stream.wait_head().wait_done(20)
            for stream in good:
                same((stream.numbers(), stream.names()), ([1, 2, 3, 4, 5, 6], []), "a good one")
            same((failing.names(), failing.numbers()[-6:]), (["reset"], [1, 2, 3, 4, 5, 6]), "one run again")
            same(stopped.names(), ["cancelled"], "a stopped one")
            exact(gateways[1].get(f"c{turn}-0", cursor=good[0].ids()[1]).wait_done(), first=3, last=7)
    finally:
        over.set()
        thread.join(10)
        flusher.close()
    for program in (*gateways, worker):
        wrong = [x for x in map(json.loads, program.log().splitlines()) if x["level"] in ("warn", "error")]
        wrong = [x for x in wrong if x["event"] != "attempt_failed"]
        same(wrong, [], f"what {program.name} complained of")


@limit(60)
def a_redis_busy_with_somebody_elses_script_is_503_and_all_goes_on(leat):
    leat.settings(LEASE_MS=ms(1200))
    gateway = leat.gateway()
    worker = leat.worker(leat.task(STEPS))
    stream = gateway.post("c").wait_events(3)
    leat.redis("CONFIG", "SET", "busy-reply-threshold", "100")
    busy = leat.redis.connect()
    busy.sock.settimeout(60 * FACTOR)
    threading.Thread(target=_run_for_ever, args=(busy,), daemon=True).start()
    until(lambda: _is_busy(leat.redis), 10, "Redis says that it is busy")
    problem(gateway.post("d").wait_end(), 503)
    leat.leave("more")
    for program in (gateway, worker):
        does_not_spin(program)
    leat.redis("SCRIPT", "KILL")
    stream.wait_events(6)
    leat.leave("go")
    stream.wait_done()
    exact(stream, last=10)
    same((stream.names(), leat.job(stream.job())["deaths"]), ([], "0"), "no false take-over")
    gateway.post("d").wait_done(20)


def _run_for_ever(resp):
    try:
        resp("EVAL", "while true do end", 0)
    except RedisError:
        pass  # killed
    resp.close()


def _is_busy(redis):
    try:
        redis("PING")
        return False
    except RedisError as error:
        return str(error).startswith("BUSY")
