"""One stored answer in several dialects, and jobs that end with their clients."""

from leat import check, ms, problem, same, stays, target, until

ANSWER = "count(1, 3)\nuntil('go')\ncount(4, 5)\n"

LASTS = {"openai": "[DONE]", "ai-sdk": "[DONE]", "ag-ui": "RUN_FINISHED"}


def _state(leat, job):
    return leat.redis("HGET", "job:" + job, "state")


def every_format_follows_one_answer(leat):
    gateway = leat.gateway()
    leat.worker(leat.task(ANSWER))
    raw = gateway.post("c").wait_events(3)
    late = gateway.get("c", query="snapshot=1").wait_events(1)
    snapshot = late.events[0]
    same((snapshot.name, snapshot.json()["messages"], snapshot.id),
         ("snapshot", 3, raw.events[2].id), "the snapshot")
    leat.leave("go")
    raw.wait_done()
    late.wait_done()
    same([e.id for e in late.events[1:]], [e.id for e in raw.events[3:]], "what comes behind it")
    for name, last in LASTS.items():
        body = gateway.request("GET", target("c", query="format=" + name)).body.decode()
        frames = [f for f in body.split("\n\n") if f.startswith("data: ")]
        check(last in frames[-1], f"{name} ends with {last}: {frames[-1]}")
        same(body.count('\\"n\\":'), 5, f"messages in {body}")


def a_cursor_goes_with_the_raw_format_only(leat):
    gateway = leat.gateway()
    answer = gateway.request("GET", target("c", query="format=openai&last_event_id=1-1"))
    problem(answer, 400)
    problem(gateway.request("GET", target("c", query="format=html")), 400)


def a_job_may_end_with_its_client(leat):
    gateway = leat.gateway()
    stream = gateway.post("c", query="cancel_on_disconnect=1").wait_head()
    job = stream.job()
    stream.close()
    until(lambda: _state(leat, job) == "cancelled", 10, "the job is cancelled")


def a_client_that_leaves_before_redis_has_answered_ends_its_job_too(leat):
    gateway = leat.gateway(REDIS_TIMEOUT_MS="30000")
    there = gateway.post("joined").wait_head()
    there.close()
    without = gateway.settled_sockets()
    leat.redis.pause()
    asked = [gateway.post(chat, query="cancel_on_disconnect=1") for chat in ("started", "joined")]
    until(lambda: gateway.sockets() == without + 2, 10, "they are there")
    for stream in asked:
        stream.close()
    until(lambda: gateway.sockets() == without, 10, "the gateway has noticed that they left")
    leat.redis.go_on()
    until(lambda: leat.redis("GET", "chat:f:started"), 10, "the question came to Redis")
    for job in (leat.redis("GET", "chat:f:started"), there.job()):
        leat.wait_state(job, "cancelled")


def a_job_ends_with_its_client_though_redis_was_away_then(leat):
    gateway = leat.gateway(REDIS_TIMEOUT_MS=ms(500))
    early, late = (gateway.post(chat, query="cancel_on_disconnect=1").wait_head() for chat in "ab")
    early.close()
    leat.redis.pause()
    until(gateway.is_away, 10, "the gateway notices that Redis is away")
    late.close()
    stays(gateway.is_away, 3, "Redis is away when the jobs are to end")
    leat.redis.go_on()
    for stream in (early, late):
        leat.wait_state(stream.job(), "cancelled")


def who_comes_back_keeps_the_job(leat):
    gateway, other = leat.gateway(), leat.gateway(API_LOOPS="2")
    stream = gateway.post("c", query="cancel_on_disconnect=1").wait_head()
    job = stream.job()
    stream.close()
    again = other.get("c").wait_head()
    same(again.job(), job, "the job that it comes back to")
    stays(lambda: _state(leat, job) == "waiting", 6, "the job goes on")
