"""DELETE, and questions that meet a running answer."""
import json
import os
import time

from leat import AT_ONCE, check, exact, many, problem, same, stays, target, until

ENDLESS = "n = 0\nwhile True:\n    n += 1\n    count(n, n)\n    time.sleep(0.01)\n"
SILENT = "count(1, 1)\nuntil('never')\n"


def _stopped(answer, job):
    same(answer.status, 200, f"status of {answer.describe()}")
    body = answer.json()
    same((body["id"], body["state"]), (job, "cancelled"), f"state in {body}")


def _cancelled(stream, reason="requested"):
    """The stream ends with `cancelled` and [DONE]."""
    stream.wait_done()
    event = next(e for e in stream.events if e.name)
    same((event.name, event.id), ("cancelled", None), f"the named event of {stream.describe()}")
    same((event.json()["job"], event.json()["reason"]), (stream.job(), reason), "what it says")
    same(event, stream.events[-2], "it stands before [DONE]")


def _task_ends(leat, chat, attempt=1):
    pid = int(leat.wait_file(f"run-{chat}-{attempt}"))
    until(lambda: not os.path.exists(f"/proc/{pid}"), 4, "the task's process is gone")


def a_stop_before_the_claim_ends_the_job(leat):
    gateways = [leat.gateway(), leat.gateway()]
    stream = gateways[0].post("c", {"q": 1}).wait_head()
    _stopped(gateways[1].delete("c"), stream.job())
    _cancelled(stream)
    leat.worker()
    stays(lambda: leat.redis("HGET", "job:" + stream.job(), "state") == "cancelled", 0.5,
          "no worker takes it")
    same(leat.redis.hash("queue:default")["waiting"], "0", "waiting jobs")


def a_stop_during_the_stream_ends_it_for_every_follower_at_once(leat):
    gateways = [leat.gateway(), leat.gateway()]
    leat.worker(leat.task(ENDLESS))
    streams = [gateways[0].post("c").wait_events(5)]
    streams += [gateways[i % 2].get("c").wait_events(5) for i in range(5)]
    started = time.monotonic()
    _stopped(gateways[1].delete("c"), streams[0].job())
    for stream in streams:
        _cancelled(stream)
        check(stream.ended_at - started < AT_ONCE, "a follower's stream ended late")
        exact(stream)
    _task_ends(leat, "c")
    last = leat.redis.entries("stream:f:c")[-1]
    same((last[1]["type"], last[1]["data"]), ("cancelled", "[DONE]"), "the terminal entry")


def a_stop_in_silence_ends_stream_and_task(leat):
    gateway = leat.gateway()
    leat.worker(leat.task(SILENT))
    stream = gateway.post("c").wait_events(1)
    _stopped(gateway.delete("c"), stream.job())
    _cancelled(stream)
    _task_ends(leat, "c")


def a_task_that_ignores_the_stop_is_killed(leat):
    gateway = leat.gateway()
    leat.worker(leat.task("signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + SILENT))
    stream = gateway.post("c").wait_events(1)
    gateway.delete("c")
    _cancelled(stream)
    _task_ends(leat, "c")


def a_stopped_task_takes_its_children_along(leat):
    gateway = leat.gateway()
    leat.worker(leat.task("import subprocess\nchild = subprocess.Popen(['sleep', '100'])\n"
                          "leave('child', str(child.pid).encode())\n" + SILENT))
    gateway.post("c").wait_events(1)
    child = int(leat.wait_file("child"))
    gateway.delete("c")
    until(lambda: not _runs(child), 4, "the task's child is gone")


def _runs(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def a_second_stop_says_the_same(leat):
    gateways = [leat.gateway(), leat.gateway()]
    leat.worker(leat.task(SILENT))
    stream = gateways[0].post("c").wait_events(1)
    for number in range(4):
        _stopped(gateways[number % 2].delete("c"), stream.job())
    _cancelled(stream)
    same(len(leat.redis.entries("stream:f:c")), 3, "entries: one marker, one message, one end")


def a_stop_of_a_finished_job_says_how_it_ended(leat):
    gateway = leat.gateway()
    leat.worker(leat.task("count(1, 2)\n"))
    stream = gateway.post("c").wait_done()
    answer = gateway.delete("c")
    same((answer.status, answer.json()["state"]), (200, "done"), "the answer")
    same(gateway.get("c").wait_done().numbers(), [1, 2], "the finished answer is still there")
    same(stream.names(), [], "named events")


def a_stop_where_the_chat_has_none_is_404(leat):
    gateway = leat.gateway()
    problem(gateway.delete("c"), 404)
    gateway.post("c").wait_head()
    problem(gateway.delete("c", query="job=00000000-0000-4000-8000-000000000000"), 404)
    problem(gateway.delete("d"), 404)


def a_stop_with_a_job_never_hits_a_later_answer(leat):
    gateway = leat.gateway()
    leat.worker(leat.task("if job['payload'] == {'q': 2}:\n    count(1, 1)\n    until('go')\ncount(2, 2)\n"))
    one = gateway.post("c", {"q": 1}).wait_done()
    two = gateway.post("c", {"q": 2}).wait_events(1)
    answer = gateway.delete("c", query="job=" + one.job())
    check(answer.status == 404 or answer.json()["state"] == "done", f"the answer: {answer.describe()}")
    leat.leave("go")
    same(two.wait_done().numbers(), [1, 2], "the later answer")
    same(two.names(), [], "named events")


def a_stop_works_while_the_job_is_delayed(leat):
    leat.settings(RETRY_BACKOFF_MS="86400000", RETRY_BACKOFF_MAX_MS="86400000")
    gateway = leat.gateway()
    leat.worker(leat.task("count(1, 1)\nsys.exit(1)\n"))
    stream = gateway.post("c").wait_events(1)
    leat.wait_state(stream.job(), "delayed")
    _stopped(gateway.delete("c"), stream.job())
    _cancelled(stream)


def a_stop_works_while_the_worker_is_dead(leat):
    gateway = leat.gateway()
    worker = leat.worker(leat.task(SILENT))
    stream = gateway.post("c").wait_events(1)
    worker.kill()
    _stopped(gateway.delete("c"), stream.job())
    _cancelled(stream)
    leat.worker()
    stays(lambda: leat.redis("HGET", "job:" + stream.job(), "state") == "cancelled", 0.3, "it stays so")


def simultaneous_stops_agree(leat):
    gateways = [leat.gateway(), leat.gateway()]
    leat.worker(leat.task(ENDLESS))
    stream = gateways[0].post("c").wait_events(3)
    for answer in many(12, lambda i: gateways[i % 2].delete("c")):
        _stopped(answer, stream.job())
    _cancelled(stream)
    exact(stream)


def a_chat_can_ask_again_after_a_stop(leat):
    gateway = leat.gateway()
    leat.worker(leat.task("count(1, 1)\nif job['payload'] is None:\n    until('never')\ncount(2, 2)\n"))
    first = gateway.post("c").wait_events(1)
    gateway.delete("c")
    _cancelled(first)
    second = gateway.post("c", {"q": 1}).wait_done()
    check(second.job() != first.job(), "a new job")
    same(second.numbers(), [1, 2], "messages")


def a_second_question_is_rejected_with_the_running_job(leat):
    gateways = [leat.gateway(), leat.gateway()]
    leat.worker(leat.task("count(1, 1)\nuntil('go')\ncount(2, 2)\n"))
    first = gateways[0].post("c", {"q": 1}).wait_events(1)
    for query in ("", "if_busy=reject"):
        answer = gateways[1].post("c", {"q": 2}, query=query).wait_end()
        body = problem(answer, 409)
        check(first.job() in json.dumps(body) or answer.job() == first.job(),
              f"the 409 names the running job: {body}, {answer.headers}")
    problem(gateways[1].post("c", headers=[("Idempotency-Key", "k")]).wait_end(), 409)
    same(gateways[1].post("c").wait_head().job(), first.job(), "a plain POST joins")
    same(gateways[1].post("c", {"q": 1}, query="if_busy=reject").wait_head().job(), first.job(),
         "an equal question joins")
    leat.leave("go")
    same(first.wait_done().numbers(), [1, 2], "the running answer")


def a_second_question_replaces_the_running_one(leat):
    gateways = [leat.gateway(), leat.gateway()]
    leat.worker(leat.task("count(1, 1)\nif job['payload'] == {'q': 1}:\n    until('never')\ncount(2, 3)\n"))
    first = gateways[0].post("c", {"q": 1}).wait_events(1)
    follower = gateways[1].get("c").wait_events(1)
    second = gateways[1].post("c", {"q": 2}, query="if_busy=replace").wait_done()
    same((second.header("Leat-Attached"), second.numbers()), ("false", [1, 2, 3]), "the new answer")
    check(second.job() != first.job(), "it is another job")
    for stream in (first, follower):
        _cancelled(stream, "replaced")
        same(stream.numbers(), [1], "no message of the new answer")
    _task_ends(leat, "c")
    same(leat.job(first.job())["state"], "cancelled", "state of the first")
    rest = gateways[0].get("c", cursor=first.ids()[0]).wait_done()
    check(rest.names() in (["superseded"], ["cancelled"]), f"the old cursor: {rest.describe()}")


def a_replace_of_an_equal_question_joins(leat):
    gateway = leat.gateway()
    leat.worker(leat.task("count(1, 1)\nuntil('go')\n"))
    first = gateway.post("c", {"q": 1}).wait_events(1)
    second = gateway.post("c", {"q": 1}, query="if_busy=replace").wait_events(1)
    same(second.job(), first.job(), "job")
    leat.leave("go")
    first.wait_done()
    second.wait_done()


def replaces_in_a_row_leave_one_running_job(leat):
    gateway = leat.gateway()
    leat.worker(leat.task("count(1, 1)\nif job['payload']['q'] < 5:\n    until('never')\ncount(2, 2)\n"))
    streams = [gateway.post("c", {"q": q}, query="if_busy=replace").wait_head() for q in range(6)]
    same(streams[-1].wait_done().numbers(), [1, 2], "the last answer")
    for stream in streams[:-1]:
        stream.wait_done()
        told = [e.json().get("reason") or e.name for e in stream.events if e.name]
        check(told in (["replaced"], ["superseded"]), f"what the replaced are told: {stream.describe()}")
    states = [leat.job(s.job())["state"] for s in streams]
    same(states, ["cancelled"] * 5 + ["done"], "states")


def a_delete_without_names_is_refused(leat):
    gateway = leat.gateway()
    problem(gateway.request("DELETE", "/stream"), 400)
    problem(gateway.request("DELETE", target("c", query="job=x")), 400)
