"""Redis may lose what it has answered a moment ago: the end of a job among it."""
import os

from leat import exact, same, until


def a_finish_that_redis_lost_is_made_again_and_nothing_runs_twice(leat):
    redis = leat.with_redis(tcp=True, append_only=True)
    gateway = leat.gateway()
    leat.worker(leat.task("count(1, 3)\nuntil('go')\ncount(4, 6)\nleave('runs', b'x', 'ab')\n"))
    stream = gateway.post("c").wait_events(3)
    job = stream.job()
    until(lambda: b"-3\r\n" in _tail(redis), 5, "three messages are on disk")
    size = os.path.getsize(redis.growing_file())
    leat.leave("go")
    stream.wait_done()
    redis.restart_without(size)
    leat.wait_state(job, "done", 10)
    until(lambda: gateway.request("GET", "/readyz").status == 200, 10, "the gateway is back")
    again = gateway.get("c").wait_done()
    exact(again, last=7)
    same(again.numbers(), [1, 2, 3, 4, 5, 6], "messages")
    same(leat.wait_file("runs"), b"x", "runs")


def _tail(redis):
    with open(redis.growing_file(), "rb") as file:
        return file.read()[-3000:]
