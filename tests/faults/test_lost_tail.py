"""Redis is killed, and comes back without the newest bytes of its append-only file."""
import json
import math
import os
import random
import time

from leat import check, limit, ms, same, until
from redis_server import check_redis
from view import View, terminal_entries

TIMES = int(os.environ.get("LEAT_TRUNCATIONS", "10"))
MESSAGES = 12
CHATS = 7
TASK = f"""
if chat.endswith('-fails') and attempt == 1:
    count(1, 2)
    sys.exit(1)
for n in range(1, {MESSAGES + 1}):
    say({{"n": n, "attempt": attempt, "text": "x" * 300}})
    time.sleep(0.02)
"""


def _rewrite(redis):
    """What an operator must do after a start from a truncated file.

    Redis 7.0 cuts off the half command and leaves the MULTI before it open (valkey-io/valkey#4342):
    with the next restart half a script would run after all, whoever wrote it.
    """
    redis("BGREWRITEAOF")
    until(lambda: all(f"{name}:0\r\n" in redis("INFO", "persistence") for name in (
        "aof_rewrite_in_progress", "aof_rewrite_scheduled")), 10, "the file is written anew")


def _jobs_alive(leat):
    keys = [k for k in leat.redis.keys() if k.startswith("job:")]
    states = {k: leat.redis("HGET", k, "state") for k in keys}
    return {k: s for k, s in states.items() if s in ("waiting", "delayed", "running")}


def _end_is_told(chat, stream):
    """The client holds a whole answer, or knows that it does not; gives how it ended."""
    stream.wait_end(25)
    view = View(stream)
    ends = ["done", "gone", "superseded"] + (["cancelled"] if chat.endswith(("stopped", "replaced")) else [])
    check(view.end in ends, lambda: f"the end of {stream.describe()}")
    if view.end == "done":
        messages = [json.loads(m) for m in view.texts()]
        same([m["n"] for m in messages], list(range(1, MESSAGES + 1)), f"the last attempt of {stream.describe()}")
        same(len({m["attempt"] for m in messages}), 1, "runs whose messages it holds")
    for reset in view.resets:
        check(reset["reason"] in ("history_lost", "retry"), f"a reason: {reset}")
    return view.end


def _ask(gateways, turn):
    """Seven chats, one of which fails at first, one is stopped and one replaced later."""
    names = [f"c{turn}-{n}" for n in range(CHATS - 3)] + [f"c{turn}-{n}" for n in ("fails", "stopped", "replaced")]
    return {name: gateways[n % 2].post(name) for n, name in enumerate(names)}


def _interfere(gateways, chance, turn, streams):
    """The stop and the other question, in any order, or not before the crash."""
    acts = [lambda: gateways[0].delete(f"c{turn}-stopped"), lambda: streams.update({
        f"c{turn}-other": gateways[1].post(f"c{turn}-replaced", {"q": 2}, query="if_busy=replace").wait_head()})]
    for act in chance.sample(acts, chance.randrange(3)):
        act()


@limit(40 + 8 * TIMES)
def a_redis_that_lost_any_tail_of_its_file_announces_it(leat):
    seed = int(os.environ.get("LEAT_SEED", random.randrange(2 ** 32)))
    chance = random.Random(seed)
    print(f"LEAT_SEED={seed}")
    leat.settings(LEASE_MS=ms(1500), RETRY_BACKOFF_MS="100")
    redis = leat.with_redis(tcp=True, append_only=True)
    gateways = [leat.gateway(), leat.gateway()]
    for _ in range(2):
        leat.worker(leat.task(TASK), WORKER_MAX_JOBS="2")
    for turn in range(TIMES):
        streams = _ask(gateways, turn)
        goal = chance.randrange(1, 5 * MESSAGES)
        until(lambda: sum(len(s.events) for s in streams.values()) >= goal, 20, "streams go on")
        _interfere(gateways, chance, turn, streams)
        redis.kill()
        size = os.path.getsize(redis.growing_file())
        cut = min(size, int(math.exp(chance.uniform(0, math.log(65536)))))
        redis.restart_without(size - cut)
        back = time.monotonic()  # until now a gateway could tell what it had read before
        ends = {name: _end_is_told(name, stream) for name, stream in streams.items()}
        until(lambda: not _jobs_alive(leat), 15, lambda: f"all jobs end: {_jobs_alive(leat)}")
        check_redis(redis)
        print(f"turn {turn}: {goal} events, {cut} of {size} bytes lost, {list(ends.values())},"
              f" {sum('reset' in s.names() for s in streams.values())} reset")
        for name in [n for n in streams if not n.endswith("other") and not redis("EXISTS", f"stream:f:{n}")]:
            check(ends[name] == "gone" or streams[name].ended_at < back, f"the client of {name} was told {ends}")
            same(View(gateways[turn % 2].post(name).wait_done(20)).end, "done", f"{name} asked again")
        for name in [n for n in streams if not n.endswith("other")]:
            same(len(terminal_entries(redis, f"stream:f:{name}")), 1, f"ends of {name}")
        _rewrite(redis)


def a_claim_that_redis_lost_is_announced_and_made_again(leat):
    redis = leat.with_redis(tcp=True, append_only=True)
    gateways = [leat.gateway(), leat.gateway()]
    stream = gateways[0].post("c")
    stream.wait_comment("queued")
    size = os.path.getsize(redis.growing_file())
    worker = leat.worker(leat.task("count(1, 3)\nuntil('go')\ncount(4, 6)\nleave('runs', b'x', 'ab')\n"))
    stream.wait_events(3)
    other = gateways[1].get("c").wait_events(3)
    redis.restart_without(size)
    for client in (stream, other):
        told = client.wait_named("reset", 10).json()
        same((told["job"], told["reason"]), (stream.job(), "history_lost"), "what it is told")
    until(lambda: worker.says("fenced", stream.job()), 10, "the worker has lost the claim too")
    leat.leave("go")
    for client in (stream, other):
        client.wait_done()
        view = View(client)
        same([json.loads(m)["n"] for m in view.texts()], [1, 2, 3, 4, 5, 6], "the last attempt")
        same(len(view.resets), 1, "resets")
    same(leat.wait_file("runs"), b"x", "runs that came to their end")


def a_job_that_redis_lost_while_it_waited_is_told_gone_and_can_be_asked_again(leat):
    redis = leat.with_redis(tcp=True, append_only=True)
    gateway = leat.gateway()
    kept = gateway.post("kept").wait_head()
    until(lambda: leat.redis("LLEN", "queue:default:5:f") == 1, 5, "one waits")
    size = os.path.getsize(redis.growing_file())
    lost = gateway.post("lost").wait_head()
    redis.restart_without(size)
    lost.wait_named("gone", 10)
    lost.wait_end()
    leat.worker(leat.task("count(1, 3)\nleave('runs-' + chat, b'x', 'ab')\n"))
    kept.wait_done()
    same((kept.numbers(), kept.names()), ([1, 2, 3], []), "the one that was kept")
    again = gateway.post("lost").wait_done()
    same(again.numbers(), [1, 2, 3], "asked again")
    check(again.job() != lost.job(), "as a new job")
    same((leat.wait_file("runs-kept"), leat.wait_file("runs-lost")), (b"x", b"x"), "runs")


def a_stop_that_redis_lost_is_made_again_and_nothing_runs_on(leat):
    redis = leat.with_redis(tcp=True, append_only=True)
    gateway = leat.gateway()
    leat.worker(leat.task("count(1, 3)\nleave('runs', b'x', 'ab')\nuntil('go')\ncount(4, 6)\n"))
    stream = gateway.post("c").wait_events(3)
    leat.wait_file("runs")
    size = os.path.getsize(redis.growing_file())
    same(gateway.delete("c").status, 200, "the stop")
    stream.wait_done()
    same(stream.names(), ["cancelled"], "what its follower was told")
    redis.restart_without(size)
    until(lambda: leat.job(stream.job()).get("state") in ("cancelled", "waiting", "done"), 15,
          lambda: f"something comes of it: {leat.job(stream.job())}")
    leat.leave("go")
    leat.wait_state(stream.job(), "cancelled", 5)
    same(leat.wait_file("runs"), b"x", "runs")
