"""A replica that lags becomes the master, and what it had not got is lost."""
import json

from leat import check, limit, ms, same, until
from redis_proxy import Relay
from redis_server import Redis, caught_up
from view import View, terminal_entries

TASK = """
count(1, 3)
until('go-' + chat)
count(4, 6)
leave('runs-' + chat, b'x', 'ab')
until('end-' + chat)
"""


class _Installation:
    """A master, a replica behind a relay, and programs that know one address."""

    def __init__(self, leat):
        self.leat = leat
        self.master = leat.with_redis(tcp=True)
        self.link = Relay(leat, ("127.0.0.1", self.master.port))
        self.replica = Redis(leat, tcp=True, name="replica", options=[
            "--replicaof", "127.0.0.1", str(self.link.port)])
        until(lambda: "master_link_status:up" in self.replica("INFO", "replication"), 15,
              "the replica follows")
        leat.helpers += [self.replica, self.master]
        self.address = Relay(leat, ("127.0.0.1", self.master.port))
        leat.settings(**self.address.settings(), LEASE_MS=ms(3000))
        self.gateways = [leat.gateway(), leat.gateway()]
        self.worker = leat.worker(leat.task(TASK), WORKER_MAX_JOBS="2")

    def fail_over(self, cut):
        """The replica becomes master; the address leads there."""
        check(self.link.kept > 0, "a tail is lost")
        self.replica("REPLICAOF", "NO", "ONE")
        self.link.close()
        self.address.switch(("127.0.0.1", self.replica.port), cut)
        if not cut:
            self.master("REPLICAOF", "127.0.0.1", self.replica.port)
        self.leat.redis = self.replica


def _numbers(stream):
    return [json.loads(m)["n"] for m in View(stream).texts()]


def _tail_is_lost(leat, cut):
    two = _Installation(leat)
    left, right = two.gateways
    written = left.post("written").wait_events(3)
    ended = right.post("ended").wait_events(3)
    claimed = left.post("claimed")
    claimed.wait_comment("queued")
    caught_up(two.master, two.replica)
    two.link.hold()
    leat.leave("go-written")
    written.wait_events(6)
    leat.leave("go-ended")
    leat.leave("end-ended")
    ended.wait_done()
    claimed.wait_events(3)
    lost = right.post("lost")
    lost.wait_comment("queued")
    two.fail_over(cut)
    same(claimed.wait_named("reset", 15).json()["reason"], "history_lost", "the lost claim")
    lost.wait_named("gone", 15)
    lost.wait_end()
    until(lambda: two.worker.says("fenced", claimed.job()), 15, "the worker has lost what the new master never gave it")
    for chat in ("written", "claimed", "lost"):
        leat.leave(f"go-{chat}")
        leat.leave(f"end-{chat}")
    for stream, resets in ((written, 0), (claimed, 1)):
        stream.wait_done()
        same((_numbers(stream), len(View(stream).resets)), ([1, 2, 3, 4, 5, 6], resets), "the answer")
    leat.wait_state(ended.job(), "done")
    again = left.get("ended").wait_done()
    same(again.messages(), ended.messages(), "the answer whose end was lost")
    retried = right.post("lost").wait_done()
    same(_numbers(retried), [1, 2, 3, 4, 5, 6], "asked again")
    for chat in ("written", "ended", "claimed", "lost"):
        same(leat.wait_file("runs-" + chat), b"x", f"runs of {chat}")
        same(terminal_entries(leat.redis, f"stream:f:{chat}"), ["done"], f"ends of {chat}")


@limit(60)
def a_failover_that_loses_a_tail_announces_it(leat):
    _tail_is_lost(leat, cut=True)


@limit(60)
def a_failover_where_the_old_master_becomes_a_replica_is_noticed(leat):
    _tail_is_lost(leat, cut=False)
