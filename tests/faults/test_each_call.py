"""Worker and gateway are killed, or cut off, at each of their calls to Redis in turn.

A proxy between the program and Redis counts its calls from the moment it is idle; the k-th kills
it or cuts its connections, before Redis gets the call or after it has answered, for k = 1, 2, …
until the whole of what the story does passes undisturbed. So every pair of calls is torn apart
once, and every answer is lost once.
"""
import itertools

from leat import FACTOR, GIVEN, check, exact, limit, ms, problem, same, until
from redis_proxy import RedisProxy
from redis_server import check_redis
from view import View, terminal_entries

LEASE = 600
SLOWLY = "for n in range(1, 5):\n    count(n, n)\n    time.sleep(0.005)\n"
MESSAGES = [f'{{"n": {n}, "attempt": %d}}' for n in range(1, 5)]
MOST_CALLS = 60
TURNS = itertools.count()
# Who follows by tracking looks only where a change brought no entry.
GATEWAYS_CALLS = ["enqueue"] + (["XRANGE"] if GIVEN.get("API_TAIL_LANES") == "0" else ["XREAD", "look"])
BY_THE_CLOCK = ("reap", "heartbeat", "due", "PING", "ROLE")  # they come in between, at any moment


def _named(*names):
    return lambda name: name in names


def _at_call(leat, scenario, number, when, counts):
    """One run; gives the name of the call that was hit, None if there was none so late."""
    try:
        proxy = scenario(f"c{next(TURNS)}", number, when, counts)
        check_redis(leat.redis)
    except AssertionError as failed:
        raise type(failed)(f"hit {when} call {number}: {failed}") from failed
    proxy.close()
    leat.helpers.remove(proxy)
    leat.redis("FLUSHALL")
    return proxy.calls[number - 1] if proxy.struck.is_set() else None


def _at_each_call(leat, when, scenario, names):
    """Hit at the first call, the second, … until two runs in a row had none so late.

    names: calls that must be among them. How many batches there are differs from run to run, so
    what came behind them may have been missed: it is done for itself.
    """
    told = []
    while len(told) < 2 or any(told[-2:]):
        check(len(told) < MOST_CALLS, f"no end: {told}")
        told.append(_at_call(leat, scenario, len(told) + 1, when,
                             lambda name: name not in BY_THE_CLOCK))
    for name in set(names) - set(told):
        same(_at_call(leat, scenario, 1, when, _named(name)), name, "hit at")
    print(f"hit {when} each of {len(told) - 2} calls: {told[:-2]}")


def _one_job(leat, chat, state="done"):
    """The chat had one job, and it has one end."""
    jobs = [leat.redis.hash(k) for k in leat.redis.keys() if k.startswith("job:")]
    jobs = [j for j in jobs if j.get("chat_id") == chat]
    same([j["state"] for j in jobs], [state], f"jobs of {chat}")
    same(terminal_entries(leat.redis, f"stream:f:{chat}"), [state], f"ends of {chat}")
    return jobs[0]


# ---- workers ----


def _idle_worker(leat, tasks, **env):
    proxy = RedisProxy(leat, leat.redis.socket)
    worker = leat.worker(tasks, ready=False, **proxy.settings(), **env)
    until(lambda: {"BLPOP", "SUBSCRIBE"} <= set(proxy.seen) or not worker.is_up(), 10, "the worker waits for a job")
    return proxy, worker


def _worker_scenario(leat, gateway, tasks, end, act=None, after=0):
    """One question, asked of a worker that dies; another worker is started then."""

    def scenario(chat, number, when, counts):
        proxy, worker = _idle_worker(leat, tasks)
        if not act:
            proxy.arm(worker, number, when, counts)
        stream = gateway.post(chat)
        if act:
            stream.wait_events(after)
            proxy.arm(worker, number, when, counts)
            act(worker, stream)
        until(lambda: proxy.struck.is_set() or stream.ended or not worker.is_up(), 15,
              lambda: f"the worker dies or the stream ends: {stream.describe()}")
        second = leat.worker(tasks, ready=False)
        stream.wait_done(20)
        worker.kill()
        second.kill()
        end(stream, _one_job(leat, chat))
        return proxy

    return scenario


def _whole(stream, job):
    view = View(stream)
    attempt = int(job["number"])
    same((view.end, view.texts()), ("done", [m % attempt for m in MESSAGES]),
         f"the client's final view: {stream.describe()}")
    same([r["attempt"] for r in view.resets], list(range(2, attempt + 1)), "resets")


def _whole_after_a_drain(stream, job):
    """Handed back unspent, or taken from a dead worker: announced either way."""
    view, attempt = View(stream), int(job["number"])
    same((view.end, view.texts()), ("done", [m % attempt for m in MESSAGES]),
         f"the client's final view: {stream.describe()}")
    resets = [r["attempt"] for r in view.resets]
    check(resets in (list(range(1, attempt + 1)), list(range(2, attempt + 1))), f"resets {resets}")
    same((job["deaths"], job["attempts"]), (str(attempt - 1), "0"), "deaths and failed attempts")


def _chat_with_a_dying_worker(leat, when):
    leat.settings(LEASE_MS=ms(LEASE), JOB_MAX_DEATHS="100")
    gateway = leat.gateway()
    _at_each_call(leat, when, _worker_scenario(leat, gateway, leat.task(SLOWLY), _whole),
                  ["claim", "append", "finish"])


@limit(120)
def a_worker_killed_before_each_of_its_calls_loses_nothing(leat):
    _chat_with_a_dying_worker(leat, "before")


@limit(120)
def a_worker_killed_before_it_knows_the_answer_to_each_of_its_calls_loses_nothing(leat):
    _chat_with_a_dying_worker(leat, "after")


def _failing_with_a_dying_worker(leat, when):
    leat.settings(LEASE_MS=ms(LEASE), JOB_MAX_DEATHS="100", RETRY_BACKOFF_MS="1")
    gateway = leat.gateway()
    tasks = leat.task("count(1, 1)\nif attempt == 1:\n    sys.exit(3)\ntime.sleep(0.005)\ncount(2, 4)\n")
    _at_each_call(leat, when, _worker_scenario(leat, gateway, tasks, _whole),
                  ["claim", "append", "finish"])


def _long_chat_with_a_dying_worker(leat, when):
    leat.settings(LEASE_MS=ms(LEASE), JOB_MAX_DEATHS="100")
    gateway = leat.gateway()
    tasks = leat.task(SLOWLY.replace("0.005", str(0.15 * FACTOR)))  # longer than two heartbeats
    scenario = _worker_scenario(leat, gateway, tasks, _whole)
    for name in ("reap", "heartbeat"):
        for number in (1, 2):
            same(_at_call(leat, scenario, number, when, _named(name)), name, f"hit at number {number}")


@limit(60)
def a_worker_killed_before_a_heartbeat_or_a_reap_loses_nothing(leat):
    _long_chat_with_a_dying_worker(leat, "before")


@limit(60)
def a_worker_killed_before_it_knows_the_answer_to_a_heartbeat_or_a_reap_loses_nothing(leat):
    _long_chat_with_a_dying_worker(leat, "after")


@limit(120)
def a_worker_of_a_failing_task_killed_before_each_of_its_calls_loses_nothing(leat):
    _failing_with_a_dying_worker(leat, "before")


@limit(120)
def a_worker_of_a_failing_task_killed_before_it_knows_each_answer_loses_nothing(leat):
    _failing_with_a_dying_worker(leat, "after")


def _draining_and_dying(leat, when):
    leat.settings(LEASE_MS=ms(LEASE), JOB_MAX_DEATHS="100")
    gateway = leat.gateway()
    tasks = leat.task("first = not there(chat)\nleave(chat)\ncount(1, 2)\nif first:\n    until('never')\ncount(3, 4)\n")
    _at_each_call(leat, when, _worker_scenario(
        leat, gateway, tasks, _whole_after_a_drain, act=lambda worker, _: worker.terminate(), after=2),
        ["hand_back", "leave"])


@limit(120)
def a_draining_worker_killed_before_each_of_its_calls_loses_nothing(leat):
    _draining_and_dying(leat, "before")


@limit(120)
def a_draining_worker_killed_before_it_knows_each_answer_loses_nothing(leat):
    _draining_and_dying(leat, "after")


def _cut_worker_scenario(leat, gateway, tasks, end):
    """One question, asked of a worker that is cut off for a moment and goes on."""

    def scenario(chat, number, when, counts):
        proxy, worker = _idle_worker(leat, tasks)
        proxy.arm(None, number, when, counts)
        stream = gateway.post(chat).wait_done(20)
        same(worker.is_up(), True, "the worker lives")
        worker.kill()
        end(stream, _one_job(leat, chat))
        return proxy

    return scenario


def _not_run_twice(stream, job):
    """A claim whose answer was lost is given back unspent; whatever else was lost is repeated."""
    same((job["number"], job["deaths"], job["attempts"]), ("1", "0", "0"), "tries that it cost")
    _whole_but_for_resets(stream, 1)


def _failed_once(stream, job):
    same((job["number"], job["deaths"], job["attempts"]), ("2", "0", "1"), "tries that it cost")
    _whole_but_for_resets(stream, 2)


def _whole_but_for_resets(stream, attempt):
    view = View(stream)
    same((view.end, view.texts()), ("done", [m % attempt for m in MESSAGES]),
         f"the client's final view: {stream.describe()}")
    check(len(view.resets) <= attempt, f"resets: {view.resets}")


def _cut_worker(leat, when):
    leat.settings(LEASE_MS=ms(3000), RETRY_BACKOFF_MS="1")
    gateway = leat.gateway()
    _at_each_call(leat, when, _cut_worker_scenario(leat, gateway, leat.task(SLOWLY), _not_run_twice),
                  ["claim", "append", "finish"])
    # What is said just before the end goes with `finish`; there are to be two calls of `append`.
    failing = leat.task("count(1, 1)\ntime.sleep(0.1)\nif attempt == 1:\n    sys.exit(3)\n"
                        "count(2, 3)\ntime.sleep(0.1)\ncount(4, 4)\n")
    for name in ("claim", "append", "finish"):
        for number in (1, 2):
            same(_at_call(leat, _cut_worker_scenario(leat, gateway, failing, _failed_once), number, when,
                          _named(name)), name, f"hit at number {number}")


@limit(120)
def a_worker_cut_off_before_each_of_its_calls_runs_nothing_twice(leat):
    _cut_worker(leat, "before")


@limit(120)
def a_worker_that_loses_the_answer_to_each_of_its_calls_runs_nothing_twice(leat):
    _cut_worker(leat, "after")


# ---- gateways ----


def _ready_gateway(leat):
    proxy = RedisProxy(leat, leat.redis.socket)
    return proxy, leat.gateway(**proxy.settings())


def _gateway_scenario(leat, other):
    """A client asks a gateway that dies, and comes back through another as clients do."""

    def scenario(chat, number, when, counts):
        proxy, gateway = _ready_gateway(leat)
        proxy.arm(gateway, number, when, counts)
        parts = []
        try:
            parts.append(gateway.post(chat, {"q": chat}))
            until(lambda: proxy.struck.is_set() or parts[0].ended, 15,
                  lambda: f"the gateway dies or the stream ends: {parts[0].describe()}")
            parts[0].wait_end()
        except ConnectionError:  # a call of its own, before there was a client
            until(proxy.struck.is_set, 10, "the gateway lets a client in")
        if not parts or View(*parts).end is None:
            cursor = parts[0].last_id if parts else None
            parts.append(other.get(chat, cursor=cursor) if cursor else other.post(chat, {"q": chat}))
            parts[-1].wait_end()
        view = View(*parts)
        same((view.end, view.texts(), view.resets), ("done", [m % 1 for m in MESSAGES], []),
             f"the client's final view: {[p.describe() for p in parts]}")
        gateway.kill()
        job = _one_job(leat, chat)
        same((job["number"], job["deaths"], job["attempts"]), ("1", "0", "0"), "one run")
        exact(other.get(chat).wait_done(), last=5)
        return proxy

    return scenario


def _chat_with_a_dying_gateway(leat, when):
    leat.settings(LEASE_MS=ms(5000))
    other = leat.gateway()
    leat.worker(leat.task(SLOWLY))
    _at_each_call(leat, when, _gateway_scenario(leat, other), GATEWAYS_CALLS)


@limit(120)
def a_gateway_killed_before_each_of_its_calls_loses_nothing(leat):
    _chat_with_a_dying_gateway(leat, "before")


@limit(120)
def a_gateway_killed_before_it_knows_the_answer_to_each_of_its_calls_loses_nothing(leat):
    _chat_with_a_dying_gateway(leat, "after")


def _cut_gateway(leat, when):
    """The client's stream stays open, but for the answer to its POST: then it asks again."""
    leat.settings(LEASE_MS=ms(5000))
    leat.worker(leat.task(SLOWLY))

    def scenario(chat, number, when, counts):
        proxy, gateway = _ready_gateway(leat)
        proxy.arm(None, number, when, counts)
        stream = gateway.post(chat, {"q": chat}).wait_end()
        if stream.status != 200:
            problem(stream, 503)
            until(lambda: gateway.request("GET", "/readyz").status == 200, 10, "it is ready again")
            stream = gateway.post(chat, {"q": chat})
        stream.wait_done()
        exact(stream, last=5)
        same(stream.names(), [], "named events")
        gateway.kill()
        job = _one_job(leat, chat)
        same((job["number"], job["deaths"], job["attempts"]), ("1", "0", "0"), "one run")
        return proxy

    _at_each_call(leat, when, scenario, GATEWAYS_CALLS)


@limit(120)
def a_gateway_cut_off_before_each_of_its_calls_tells_all_of_it(leat):
    _cut_gateway(leat, "before")


@limit(120)
def a_gateway_that_loses_the_answer_to_each_of_its_calls_tells_all_of_it(leat):
    _cut_gateway(leat, "after")


def _stop_with_a_dying_gateway(leat, when):
    leat.settings(LEASE_MS=ms(5000))
    other = leat.gateway()
    leat.worker(leat.task("count(1, 2)\nuntil('never')\n"))

    def scenario(chat, number, when, counts):
        proxy, gateway = _ready_gateway(leat)
        follower = other.post(chat).wait_events(2)
        proxy.arm(gateway, number, when, counts)
        try:
            stop = gateway.client("DELETE", f"/stream?feature_id=f&chat_id={chat}")
        except ConnectionError:  # it died of another call, before it was asked
            until(proxy.struck.is_set, 10, "that is why")
            stop = other.delete(chat)
        until(lambda: proxy.struck.is_set() or stop.ended, 10, "the gateway dies or answers")
        stop.wait_end()
        if stop.status is None:
            stop = other.delete(chat)
        same((stop.status, stop.json()["state"]), (200, "cancelled"), "the stop")
        follower.wait_done(5)
        same((follower.numbers(), follower.names()), ([1, 2], ["cancelled"]), "what its follower saw")
        gateway.kill()
        _one_job(leat, chat, "cancelled")
        return proxy

    _at_each_call(leat, when, scenario, ["cancel"])


@limit(60)
def a_gateway_killed_before_each_call_of_a_stop_can_be_asked_again(leat):
    _stop_with_a_dying_gateway(leat, "before")


@limit(60)
def a_gateway_killed_before_it_knows_each_answer_of_a_stop_can_be_asked_again(leat):
    _stop_with_a_dying_gateway(leat, "after")
