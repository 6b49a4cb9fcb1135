"""Redis pauses, restarts, forgets, is full: what clients are told, and that all comes back."""
import time

from leat import FACTOR, check, exact, limit, ms, problem, same, soonest, stays, target, until

STEPS = "count(1, 3)\nuntil('more')\ncount(4, 6)\nuntil('go')\ncount(7, 9)\n"


def _refused_at_once(gateway):
    """POST and DELETE 503 with Retry-After, GET 200 with retry and close; each at once."""
    def refused(make):
        started = time.monotonic()
        answer = make()
        problem(answer, 503)
        check(int(answer.header("Retry-After")) >= 1, f"Retry-After: {answer.headers}")
        return time.monotonic() - started

    def sent_back():
        started = time.monotonic()
        answer = gateway.get("other", cursor="1759312800000-1").wait_end()
        same((answer.status, answer.events, answer.ended), (200, [], "complete"), f"{answer.describe()}")
        check(1000 <= (answer.retry or 0) <= 5000, f"retry: {answer.retry}")
        same(answer.header("Content-Type").split(";")[0], "text/event-stream", "content type")
        return time.monotonic() - started

    soonest(1, lambda: refused(lambda: gateway.post("new").wait_end()), "POST")
    soonest(1, lambda: refused(lambda: gateway.delete("c")), "DELETE")
    soonest(1, sent_back, "GET")
    same(gateway.request("GET", "/readyz").status, 503, "/readyz")
    same(gateway.request("GET", "/livez").status, 200, "/livez")


def _back(gateway):
    until(lambda: gateway.request("GET", "/readyz").status == 200, 10, "the gateway is ready again")


def without_redis_posts_are_503_gets_retry_and_all_comes_back_without_a_restart(leat):
    redis = leat.with_redis(tcp=True)
    gateway = leat.gateway()
    worker = leat.worker()
    gateway.post("c").wait_done()
    redis.kill()
    until(lambda: gateway.is_away(), 5, "the gateway has noticed")
    _refused_at_once(gateway)
    redis.start()
    _back(gateway)
    same(len(gateway.post("d").wait_done(20).messages()), 20, "messages")
    check(worker.is_up() and gateway.is_up(), "nobody was restarted")


def _pause_is_survived(leat, reaped):
    leat.settings(REDIS_TIMEOUT_MS=ms(1000), LEASE_MS=ms(1200))
    gateways = [leat.gateway(), leat.gateway()]
    leat.worker(leat.task(STEPS))
    leat.worker(leat.task(STEPS))
    if reaped:
        until(lambda: leat.redis("HGET", "queue:default", "reaped"), 5, "somebody has reaped")
    stream = gateways[0].post("c").wait_events(3)
    leat.redis.pause()
    until(lambda: gateways[0].is_away(), 5, "the gateway has noticed")
    _refused_at_once(gateways[0])
    leat.leave("more")
    paused = time.monotonic()
    until(lambda: time.monotonic() - paused > 2 * FACTOR, 5, "longer than a lease")
    leat.redis.go_on()
    stream.wait_events(6)
    leat.leave("go")
    stream.wait_done()
    same((stream.numbers(), stream.names()), (list(range(1, 10)), []), "no false take-over")
    exact(stream, last=10)
    same(leat.job(stream.job())["deaths"], "0", "deaths")


def a_paused_redis_is_noticed_and_streams_go_on_exactly_after(leat):
    _pause_is_survived(leat, reaped=True)


def a_redis_paused_before_anybody_reaped_is_survived_too(leat):
    _pause_is_survived(leat, reaped=False)


def a_stream_goes_on_exactly_over_a_restart_with_an_append_only_file(leat):
    redis = leat.with_redis(tcp=True, append_only=True)
    gateways = [leat.gateway(), leat.gateway()]
    leat.worker(leat.task(STEPS))
    streams = [gateways[0].post("c")]
    streams[0].wait_events(3)
    streams.append(gateways[1].get("c").wait_events(3))
    redis.kill()
    leat.leave("more")
    redis.start()
    for stream in streams:
        stream.wait_events(6, 20)
    leat.leave("go")
    for stream in streams:
        stream.wait_done()
        same((stream.numbers(), stream.names()), (list(range(1, 10)), []), "the whole answer")
        exact(stream, last=10)


def waiting_jobs_are_there_after_a_restart_with_an_append_only_file(leat):
    redis = leat.with_redis(tcp=True, append_only=True)
    gateway = leat.gateway()
    streams = [gateway.post(f"c{n}").wait_head() for n in range(5)]
    redis.kill()
    redis.start()
    _back(gateway)
    leat.worker()
    for stream in streams:
        leat.wait_state(stream.job(), "done")
    for stream in streams:
        if stream.ended != "complete" or not stream.events or stream.events[-1].data != "[DONE]":
            stream.wait_done(15)
        same(len(stream.messages()), 20, "messages")


def a_finished_answer_survives_a_restart_with_an_append_only_file(leat):
    redis = leat.with_redis(tcp=True, append_only=True)
    gateway = leat.gateway()
    leat.worker()
    stream = gateway.post("c").wait_done()
    redis.kill()
    redis.start()
    _back(gateway)
    same(gateway.get("c", cursor=stream.ids()[4]).wait_done().ids(), stream.ids()[5:], "resumed")


def a_stream_whose_redis_forgot_all_is_told_gone_or_reset(leat):
    redis = leat.with_redis(tcp=True)
    gateway = leat.gateway()
    leat.worker(leat.task(STEPS))
    stream = gateway.post("c").wait_events(3)
    redis.kill()
    redis.start()
    back = time.monotonic()
    stream.wait(lambda: len(stream.events) > 3, 15, "an event after the loss")
    check(stream.events[3].name in ("gone", "reset"), f"loss is announced: {stream.describe()}")
    check(stream.events[3].when - back < 5 * FACTOR, f"after {stream.events[3].when - back:.2f} s")
    leat.leave("more")
    leat.leave("go")
    stream.wait_done()


def flushall_in_the_middle_is_told_gone_or_reset(leat):
    gateways = [leat.gateway(), leat.gateway()]
    leat.worker(leat.task(STEPS))
    streams = [gateways[0].post("c")]
    streams[0].wait_events(3)
    streams.append(gateways[1].get("c").wait_events(3))
    leat.redis("FLUSHALL")
    lost = time.monotonic()
    for stream in streams:
        stream.wait(lambda s=stream: len(s.events) > 3, 10, "an event after the loss")
        check(stream.events[3].name in ("gone", "reset"), f"loss is announced: {stream.describe()}")
        check(stream.events[3].when - lost < 6 * FACTOR, f"after {stream.events[3].when - lost:.2f} s")
    leat.leave("more")
    leat.leave("go")
    for stream in streams:
        stream.wait_done()
    again = gateways[0].post("d").wait_done()
    same(again.numbers(), list(range(1, 10)), "the next chat is served")


def a_deleted_stream_is_made_again_and_the_client_sees_it_exactly(leat):
    gateways = [leat.gateway(), leat.gateway()]
    leat.worker(leat.task(STEPS))
    stream = gateways[0].post("c").wait_events(3)
    leat.redis("DEL", "stream:f:c")
    leat.leave("more")
    stream.wait_events(6)
    late = gateways[1].get("c").wait_events(6)
    resumed = gateways[1].get("c", cursor=stream.ids()[1]).wait_events(4)
    leat.leave("go")
    for client, first in ((stream, 1), (late, 1), (resumed, 3)):
        client.wait_done()
        same((client.numbers(), client.names()), (list(range(first, 10)), []), "messages")
        exact(client, first=first, last=10)


def a_deleted_stream_of_a_silent_task_is_made_again_too(leat):
    leat.settings(LEASE_MS=ms(900))
    gateway = leat.gateway()
    leat.worker(leat.task(STEPS))
    stream = gateway.post("c").wait_events(3)
    leat.redis("DEL", "stream:f:c")
    leat.leave("more")
    leat.leave("go")
    stream.wait_done()
    same((stream.numbers(), stream.names()), (list(range(1, 10)), []), "messages")


def a_stream_deleted_again_and_again_is_still_exact(leat):
    gateway = leat.gateway()
    leat.worker(TASK_MESSAGE_COUNT="100", TASK_MESSAGE_INTERVAL_MS="10")
    stream = gateway.post("c")
    for seen in range(5, 95, 10):
        stream.wait_events(seen, 20)
        leat.redis("DEL", "stream:f:c")
    stream.wait_done(20)
    exact(stream, last=101)
    same(stream.names(), [], "named events")


def a_stream_that_another_wrote_into_fails_the_attempt_and_is_told(leat):
    leat.settings(RETRY_BACKOFF_MS="1")
    gateway = leat.gateway()
    leat.worker(leat.task("count(1, 3)\nif attempt == 1:\n    until('more')\ncount(4, 6)\n"))
    stream = gateway.post("c").wait_events(3)
    leat.redis("XADD", "stream:f:c", "*", "data", '{"n": 99}')
    leat.leave("more")
    stream.wait_done(20)
    check("reset" in stream.names(), f"a new attempt: {stream.describe()}")
    behind = stream.numbers()[-6:]
    same(behind, [1, 2, 3, 4, 5, 6], "the second attempt")


def flushed_scripts_do_no_harm(leat):
    gateway = leat.gateway()
    leat.worker(TASK_MESSAGE_COUNT="60")
    streams = [gateway.post(f"c{n}") for n in range(3)]
    while not all(s.ended for s in streams):
        leat.redis("SCRIPT", "FLUSH")
        time.sleep(0.02)
    for stream in streams:
        stream.wait_done()
        exact(stream, last=61)


def cut_connections_do_no_harm(leat):
    gateway = leat.gateway()
    leat.worker(TASK_MESSAGE_COUNT="60")
    streams = [gateway.post(f"c{n}").wait_events(1) for n in range(3)]
    for _ in range(3):
        seen = min(len(s.events) for s in streams)
        leat.redis("CLIENT", "KILL", "SKIPME", "yes", "TYPE", "normal")
        leat.redis("CLIENT", "KILL", "TYPE", "pubsub")
        until(lambda before=seen: all(len(s.events) > before + 5 or s.ended for s in streams), 15,
              "streams go on")
    for stream in streams:
        stream.wait_done(20)
        exact(stream, last=61)
        same(stream.names(), [], "named events")


def a_redis_out_of_memory_sheds_new_work_and_finishes_what_it_has(leat):
    gateway = leat.gateway()
    leat.worker(leat.task(STEPS))
    stream = gateway.post("c").wait_events(3)
    leat.redis("CONFIG", "SET", "maxmemory", "1")
    answer = gateway.post("d").wait_end()
    check(answer.status in (429, 503), f"new work: {answer.describe()}")
    problem(answer, answer.status)
    leat.leave("more")
    leat.leave("go")
    stays(lambda: not stream.ended, 0.5, lambda: f"the stream waits: {stream.describe()}")
    leat.redis("CONFIG", "SET", "maxmemory", "0")
    stream.wait_done(20)
    same((stream.numbers(), stream.names()), (list(range(1, 10)), []), "nothing is lost")
    gateway.post("d").wait_done(20)


def a_stop_works_while_redis_is_out_of_memory(leat):
    gateway = leat.gateway()
    leat.worker(leat.task(STEPS))
    stream = gateway.post("c").wait_events(3)
    leat.redis("CONFIG", "SET", "maxmemory", "1")
    same(gateway.delete("c").status, 200, "status of the stop")
    stream.wait_done()
    same(stream.names(), ["cancelled"], "named events")
    leat.redis("CONFIG", "SET", "maxmemory", "0")


def a_redis_that_is_no_master_takes_no_new_work(leat):
    gateway = leat.gateway()
    leat.worker()
    gateway.post("c").wait_done()
    leat.redis("REPLICAOF", "127.0.0.1", "1")
    until(lambda: gateway.is_away(), 10, "the gateway is not ready")
    problem(gateway.post("d").wait_end(), 503)
    leat.redis("REPLICAOF", "NO", "ONE")
    _back(gateway)
    gateway.post("d").wait_done(20)


def a_gateway_is_ready_when_all_its_loops_are(leat):
    gateway = leat.gateway(API_LOOPS="3")
    of_loops = [line.split()[0][len("id="):] for line in leat.redis("CLIENT", "LIST").splitlines()
                if " name=leat-api " in line]
    same(len(of_loops), 3, "a connection to Redis each")
    leat.redis("CONFIG", "SET", "maxclients", len(leat.redis("CLIENT", "LIST").splitlines()) - 1)
    leat.redis("CLIENT", "KILL", "ID", of_loops[1])
    until(lambda: gateway.request("GET", "/readyz").status == 503, 5, "it has noticed")
    for _ in range(20):
        answer = gateway.request("GET", "/readyz")
        problem(answer, 503)
        check(b"Not all loops" in answer.body, f"{answer.body}")
    leat.redis("CONFIG", "SET", "maxclients", 10000)
    _back(gateway)


@limit(90)
def a_redis_that_comes_and_goes_loses_no_message(leat):
    redis = leat.with_redis(tcp=True, append_only=True)
    gateways = [leat.gateway(), leat.gateway()]
    leat.worker(TASK_MESSAGE_COUNT="150", TASK_MESSAGE_INTERVAL_MS="20")
    streams = [gateways[n % 2].post(f"c{n}").wait_events(1) for n in range(4)]
    for _ in range(3):
        seen = [len(s.events) for s in streams]
        redis.kill()
        redis.start()
        until(lambda before=seen: all(len(s.events) > b + 8 or s.ended for s, b in zip(streams, before)),
              20, lambda: f"streams go on: {[s.describe() for s in streams]}")
    for stream in streams:
        stream.wait_done(30)
        exact(stream, last=151)
        same(stream.names(), [], "named events")
    same(gateways[0].request("HEAD", target("c0")).status, 200, "the finished answer is there")
