"""Schedules: jobs that come again, by an interval or by five fields of cron."""
import calendar
import time

from calls import call, good, pages, refused, show
from leat import check, same, until

EVERY = {"type": "generate_messages", "every_ms": 3_600_000}


def _put(gateway, name, **members):
    return call(gateway, "PUT", f"/schedules/{name}", members)


def _get(gateway, name):
    return good(call(gateway, "GET", f"/schedules/{name}"))


def _stamp(text):
    return calendar.timegm(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S")) * 1000 + int(text[20:23])


def _now(leat):
    seconds, micros = leat.redis("TIME")
    return int(seconds) * 1000 + int(micros) // 1000


def a_schedule_is_made_changed_shown_and_dropped(leat):
    gateway = leat.gateway()
    before = _now(leat)
    made = good(_put(gateway, "nightly", **EVERY, feature_id="f", chat_id="c", payload={"a": 1}, priority=3,
                     deadline_ms=60_000, timeout_ms=1000, max_attempts=2, retention_ms=90_000, missed="skip"), 201)
    wanted = {"name": "nightly", "every_ms": 3_600_000, "missed": "skip", "type": "generate_messages",
              "feature_id": "f", "chat_id": "c", "payload": {"a": 1}, "priority": 3, "deadline_ms": 60_000,
              "timeout_ms": 1000, "max_attempts": 2, "retention_ms": 90_000, "fired": 0, "skipped": 0}
    same({k: made.get(k) for k in wanted}, wanted, f"of {made}")
    check(before <= _stamp(made["next_at"]) - 3_600_000 <= _now(leat), f"the next occasion: {made}")
    same(_get(gateway, "nightly"), made, "GET")
    changed = good(_put(gateway, "nightly", **EVERY, missed="skip", payload=2))
    same((changed["next_at"], changed["payload"], "chat_id" in changed), (made["next_at"], 2, False),
         "the same rhythm keeps its next occasion")
    other = good(_put(gateway, "nightly", type="t", every_ms=7_200_000))
    check(other["next_at"] > made["next_at"] and other["missed"] == "one", f"another rhythm: {other}")
    same([s["name"] for s in good(call(gateway, "GET", "/schedules"))["schedules"]], ["nightly"], "all")
    same(good(call(gateway, "DELETE", "/schedules/nightly")), {"name": "nightly", "dropped": True}, "DELETE")
    for method in ("GET", "DELETE"):
        refused(call(gateway, method, "/schedules/nightly"), 404, "no-schedule")
    same(good(call(gateway, "GET", "/schedules")), {"schedules": []}, "all")


def a_cron_expression_says_the_next_occasion_in_utc(leat):
    gateway = leat.gateway()
    now = _now(leat)
    made = good(_put(gateway, "hourly", type="t", cron="0 * * * *"), 201)
    same(made["cron"], "0 * * * *", "cron")
    expected = (now // 3_600_000 + 1) * 3_600_000
    check(_stamp(made["next_at"]) in (expected, expected + 3_600_000), f"the next full hour: {made}")
    made = good(_put(gateway, "leap", type="t", cron="0 0 29 2 *"), 201)
    check(made["next_at"][4:] == "-02-29T00:00:00.000Z", f"29 February: {made}")


def schedules_come_by_name(leat):
    gateway = leat.gateway()
    for name in ("b", "a", "c.1"):
        good(_put(gateway, name, **EVERY), 201)
    same([s["name"] for s in good(call(gateway, "GET", "/schedules"))["schedules"]], ["a", "b", "c.1"], "names")


def what_a_schedule_may_not_ask_for_is_400_and_named(leat):
    gateway = leat.gateway()
    for members, word in (({"type": "t"}, "every_ms or cron"), ({"every_ms": 1000}, "type is missing"),
                          ({"type": "t", "every_ms": 999}, "1000 to 31622400000"),
                          ({"type": "t", "every_ms": 31622400001}, "1000 to 31622400000"),
                          ({"type": "t", "every_ms": 1000, "cron": "* * * * *"}, "every_ms or cron"),
                          ({"type": "t", "cron": "60 * * * *"}, "cron"), ({"type": "t", "cron": "0 0 30 2 *"}, "cron"),
                          ({"type": "t", "cron": 5}, "cron"), ({**EVERY, "missed": "all"}, "missed"),
                          ({**EVERY, "delay_ms": 5}, "delay_ms"), ({**EVERY, "chat_id": "c"}, "feature_id"),
                          ({**EVERY, "priority": 10}, "0 to 9")):
        refused(_put(gateway, "s", **members), 400, "bad-request", word)
    refused(call(gateway, "PUT", "/schedules/a:b", EVERY), 400, "bad-request", "name")
    refused(call(gateway, "PUT", "/schedules/s"), 400, "bad-request", "missing")
    refused(call(gateway, "POST", "/schedules/s", EVERY), 405, "method-not-allowed")
    same(good(call(gateway, "GET", "/schedules")), {"schedules": []}, "none was made")


def a_schedule_puts_in_a_job_for_each_of_its_occasions(leat):
    gateway = leat.gateway()
    leat.worker(TASK_MESSAGE_COUNT="1")
    good(_put(gateway, "s", type="generate_messages", every_ms=1000, feature_id="f", payload={"n": 1},
              retention_ms=600_000), 201)
    until(lambda: _get(gateway, "s")["fired"] >= 3, 15, lambda: f"three occasions: {_get(gateway, 's')}")
    known = _get(gateway, "s")
    same(known["last_outcome"], "started", "the last one")
    job = show(gateway, known["last_job"])
    same((job["schedule"], job["feature_id"], job["payload"], job["retention_ms"]), ("s", "f", {"n": 1}, 600_000),
         f"its job: {job}")
    leat.wait_state(known["last_job"], "done")
    call(gateway, "DELETE", "/schedules/s")
    jobs = [leat.redis.hash(k) for k in leat.redis.keys() if k.startswith("job:")]
    times = sorted(int(j["occasion"]) for j in jobs if j.get("schedule") == "s")
    # One that all schedulers were too late for is left out.
    apart = [b - a for a, b in zip(times, times[1:])]
    check(min(apart) == 1000 and not any(a % 1000 for a in apart), f"between two occasions: {apart}")


def each_occasion_counts_once_with_many_processes(leat):
    gateways = [leat.gateway() for _ in range(3)]
    leat.worker(TASK_MESSAGE_COUNT="0")
    leat.worker(TASK_MESSAGE_COUNT="0")
    good(_put(gateways[0], "s", type="generate_messages", every_ms=1000, retention_ms=600_000), 201)
    until(lambda: _get(gateways[1], "s")["fired"] >= 4, 15, "four occasions")
    call(gateways[2], "DELETE", "/schedules/s")
    jobs = [leat.redis.hash(k) for k in leat.redis.keys() if k.startswith("job:")]
    times = [j["occasion"] for j in jobs if j.get("schedule") == "s"]
    same(len(times), len(set(times)), f"occasions: {sorted(times)}")


def an_occasion_whose_chat_is_busy_is_left_out(leat):
    gateway = leat.gateway()
    gateway.post("c", {"q": "another question"}).wait_head()
    good(_put(gateway, "s", type="generate_messages", every_ms=1000, feature_id="f", chat_id="c", payload=1), 201)
    until(lambda: _get(gateway, "s").get("last_outcome") == "busy", 15, lambda: f"it says so: {_get(gateway, 's')}")
    jobs, _ = pages(gateway, "waiting")
    same(len(jobs), 1, "jobs")
    call(gateway, "DELETE", "/schedules/s")
