"""Worker or gateway and Redis do not hear each other; and a Redis cut off with half of them."""
import json
import time

from leat import FACTOR, check, limit, ms, problem, same, until
from netns import needs_network
from redis_server import Redis, RedisError, caught_up, check_redis
from view import View, terminal_entries

# Seconds until what was cut off goes on: two connections may each wait 2 s, one behind the other.
BACK = 8
# How a connection is cut: the words for Network.cut, and whose messages are lost.
WAYS = {
    "drop": {}, "reject": {"how": "reject"},
    "asked in vain": {"back": False}, "not told": {"back": False, "turned": True},
}
TASK = """
count(1, 3)
if attempt == 1:
    until('go-' + chat)
count(4, 6)
leave('ended-' + chat, b'x', 'ab')
"""
# The same, and its fourth message comes alone: who reads it has not got the rest with it.
ONE_BY_ONE = """
count(1, 3)
until('go-' + chat)
count(4, 4)
until('on-' + chat)
count(5, 6)
leave('ended-' + chat, b'x', 'ab')
"""


def _redis_on(leat, host, name="redis-a", options=()):
    return Redis(leat, tcp=True, name=name, before=host.before, options=[
        "--bind", host.address, "--protected-mode", "no", *options])


def _cut(network, program, redis, how="drop", back=True, turned=False):
    network.cut([redis if turned else program], [program if turned else redis], how, back)


def _installation(leat, network, **settings):
    host = network.host("redis")
    leat.redis = _redis_on(leat, host)
    leat.settings(REDIS_HOST=host.address, REDIS_PORT=str(leat.redis.port), REDIS_SOCKET="",
                  REDIS_TIMEOUT_MS=ms(400), **settings)
    return host


def _numbers(stream):
    return [json.loads(m)["n"] for m in View(stream).texts()]


def _ended_once(leat, chat):
    same(leat.wait_file(f"ended-{chat}"), b"x", f"runs of {chat} that came to their end")
    same(terminal_entries(leat.redis, f"stream:f:{chat}"), ["done"], f"ends of {chat}")


def _sockets(programs):
    return sum(program.sockets() for program in programs)


def _come_back(programs, before, lanes=0):
    """Descriptors are given back; lanes: connections that a gateway keeps for the next stream."""
    until(lambda: _sockets(programs) <= before + lanes, 10,
          lambda: f"sockets come back: {before} before, {_sockets(programs)} now")


def _owner(leat, workers, stream):
    owner = leat.redis("HGET", f"job:{stream.job()}", "owner").rsplit(":", 1)[0]
    return next(host for host, worker in workers.items() if owner in worker.log())


@limit(90)
@needs_network
def a_worker_cut_off_for_longer_than_its_lease_is_replaced_and_fenced(leat, network):
    redis = _installation(leat, network, LEASE_MS=ms(900))
    gateway = leat.gateway()
    # Who ended would do so in one step with what it said last: nothing would be void.
    tasks = leat.task(TASK.replace("count(4, 6)\n", "count(4, 6)\nif attempt == 1:\n    until('never')\n"))
    workers = {host: host.worker(tasks) for host in (network.host("w1"), network.host("w2"))}
    before_all = _sockets(workers.values())
    for number, way in enumerate(WAYS):
        chat = f"c{number}"
        stream = gateway.post(chat).wait_events(3)
        cut = _owner(leat, workers, stream)
        _cut(network, cut, redis, **WAYS[way])
        leat.leave(f"go-{chat}")  # its task writes on
        began = time.monotonic()
        stream.wait_named("reset", 10)
        stream.wait_done()
        check(time.monotonic() - began < 5 * FACTOR, f"{way}: taken over within lease and a second")
        same((_numbers(stream), [r["reason"] for r in View(stream).resets]), ([1, 2, 3, 4, 5, 6], ["retry"]), way)
        before = leat.redis.entries(f"stream:f:{chat}")
        log = len(workers[cut].log())
        network.heal()
        until(lambda: '"fenced"' in workers[cut].log()[log:] or "gone" in workers[cut].log()[log:], 8,
              lambda w=way: f"{w}: it hears that it lost the job")
        same(leat.redis.entries(f"stream:f:{chat}"), before, f"{way}: not one entry of the late one")
    _come_back(workers.values(), before_all)


@limit(90)
@needs_network
def a_worker_cut_off_for_less_than_its_lease_goes_on_exactly(leat, network):
    redis = _installation(leat, network, LEASE_MS=ms(6000))
    gateway = leat.gateway()
    tasks = leat.task(TASK)
    workers = {host: host.worker(tasks) for host in (network.host("w1"), network.host("w2"))}
    for number, way in enumerate(WAYS):
        chat = f"c{number}"
        stream = gateway.post(chat).wait_events(3)
        cut = _owner(leat, workers, stream)
        log = len(workers[cut].log())
        _cut(network, cut, redis, **WAYS[way])
        leat.leave(f"go-{chat}")
        leat.wait_file(f"ended-{chat}")
        until(lambda: '"redis_down"' in workers[cut].log()[log:], 5, f"{way}: it notices")
        network.heal()
        healed = time.monotonic()
        stream.wait_done()
        check(stream.ended_at - healed < BACK * FACTOR, f"{way}: {stream.ended_at - healed:.1f} s after it healed")
        same((_numbers(stream), stream.names()), ([1, 2, 3, 4, 5, 6], []), way)
        _ended_once(leat, chat)


@limit(90)
@needs_network
def a_gateway_cut_off_tells_its_clients_that_it_lives_and_goes_on_exactly(leat, network):
    redis = _installation(leat, network, LEASE_MS=ms(6000))
    host = network.host("gateway")
    gateway, other = host.gateway(API_HEARTBEAT_MS=ms(300)), leat.gateway()
    leat.worker(leat.task(ONE_BY_ONE))
    before_all = _sockets([gateway])
    for number, way in enumerate(WAYS):
        chat = f"c{number}"
        stream = gateway.post(chat).wait_events(3)
        _cut(network, host, redis, **WAYS[way])
        leat.leave(f"go-{chat}")
        moved = other.get(chat, cursor=stream.ids()[1]).wait_events(2)
        leat.leave(f"on-{chat}")
        moved.wait_done()
        same((moved.numbers(), moved.names()), ([3, 4, 5, 6], []), f"{way}: who resumes elsewhere")
        until(lambda: gateway.is_away(), 5, f"{way}: it notices")
        problem(gateway.post("new").wait_end(), 503)
        same((gateway.get("new").wait_end().status, gateway.request("GET", "/livez").status), (200, 200), way)
        heard = len(stream.comments)
        stream.wait(lambda: len(stream.comments) > heard + 1, 3, f"{way}: comments while it is cut off")
        most = 4 if way == "asked in vain" else 3  # a read that was under way is answered
        check(len(stream.events) <= most, f"{way}: events while it is cut off: {stream.describe()}")
        network.heal()
        healed = time.monotonic()
        stream.wait_done()
        check(stream.ended_at - healed < BACK * FACTOR, f"{way}: {stream.ended_at - healed:.1f} s after it healed")
        same((_numbers(stream), stream.names()), ([1, 2, 3, 4, 5, 6], []), way)
        _ended_once(leat, chat)
        until(lambda: gateway.request("GET", "/readyz").status == 200, 5, f"{way}: it is ready again")
    _come_back([gateway], before_all, lanes=8)


# ---- split brain ----


class _Side:
    """A Redis, a gateway and a worker that hear each other always."""

    def __init__(self, leat, network, name, options=()):
        self.hosts = [network.host(f"{what}-{name}") for what in ("redis", "gateway", "worker")]
        self.redis = _redis_on(leat, self.hosts[0], f"redis-{name}", [
            "--min-replicas-to-write", "1", "--min-replicas-max-lag", "2", *options])
        leat.helpers.append(self.redis)

    def redis_is(self, address):
        for host in self.hosts:
            host.names(localhost="127.0.0.1", redis=address)

    def start(self, tasks):
        self.gateway = self.hosts[1].gateway(API_HEARTBEAT_MS=ms(300))
        self.worker = self.hosts[2].worker(tasks, WORKER_MAX_JOBS="1")


def _two_sides(leat, network):
    a = _Side(leat, network, "a", ["--repl-ping-replica-period", "1"])
    port = str(a.redis.port)
    b = _Side(leat, network, "b", ["--replicaof", a.hosts[0].address, port, "--port", port,
                                   "--repl-timeout", "5"])
    until(lambda: "min_slaves_good_slaves:1" in a.redis("INFO", "replication"), 15, "the replica follows")
    leat.redis = a.redis
    leat.settings(REDIS_HOST="redis", REDIS_PORT=port, REDIS_SOCKET="", REDIS_TIMEOUT_MS=ms(400),
                  LEASE_MS=ms(1500))
    for side in (a, b):
        side.redis_is(a.hosts[0].address)
    return a, b


def _refuses_writes(redis):
    try:
        redis("SET", "written", "1", "PX", "100")
        return False
    except RedisError as error:
        return "NOREPLICAS" in str(error)


@limit(90)
@needs_network
def a_split_brain_ends_with_one_answer_and_all_loss_told(leat, network):
    a, b = _two_sides(leat, network)
    tasks = leat.task(TASK + "if chat == 'lost' and attempt == 1:\n    until('never')\n")
    a.start(tasks)
    lost = [a.gateway.post("lost").wait_events(3)]
    b.start(tasks)
    kept = [a.gateway.post("kept").wait_events(3)]
    for streams, chat in ((lost, "lost"), (kept, "kept")):
        streams.append(b.gateway.get(chat).wait_events(3))
    caught_up(a.redis, b.redis)
    network.cut(a.hosts, b.hosts)
    leat.leave("go-lost")  # on the side that loses, while its Redis still takes it
    lost[0].wait_events(6)
    never = a.gateway.post("never").wait_head()
    until(lambda: _refuses_writes(a.redis), 10, "the master without a replica takes no more")
    problem(a.gateway.post("late").wait_end(), 503)
    b.redis("CONFIG", "SET", "min-replicas-to-write", "0")
    b.redis("REPLICAOF", "NO", "ONE")
    leat.redis = b.redis
    b.redis_is(b.hosts[0].address)
    leat.leave("go-kept")
    for streams, resets in ((kept, []), (lost, ["retry"])):
        streams[1].wait_done(20)
        same((_numbers(streams[1]), [r["reason"] for r in View(streams[1]).resets]), ([1, 2, 3, 4, 5, 6], resets),
             "the answer on the side that lives")
    heard = len(kept[0].comments)
    kept[0].wait(lambda: len(kept[0].comments) > heard, 3, "comments on the other side")
    network.heal()
    a.redis("REPLICAOF", b.hosts[0].address, b.redis.port)
    a.redis_is(b.hosts[0].address)
    for streams, resets in ((kept, 0), (lost, 1)):
        streams[0].wait_done(20)
        same((_numbers(streams[0]), len(View(streams[0]).resets)), ([1, 2, 3, 4, 5, 6], resets),
             "the answer on the side that lost")
    never.wait_named("gone", 15)
    for stream in (lost[1], kept[1]):
        same(leat.job(stream.job())["state"], "done", "state")
    same(terminal_entries(b.redis, "stream:f:lost"), ["done"], "ends of lost")
    _ended_once(leat, "kept")
    leat.leave("go-never")
    again = a.gateway.post("never").wait_done(20)
    same(again.numbers(), [1, 2, 3, 4, 5, 6], "asked again")
    check_redis(b.redis)
