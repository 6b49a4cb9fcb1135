"""Many jobs in one task process: `[slots=n]`."""
import json
import os
import signal
import time

from leat import FACTOR, PYTHON, check, many, ms, same, stays, until

# A shared task; a story adds `async def work(job, say)`. What it raises at a stop ends the job.
PRELUDE = r'''
import asyncio, json, os, signal, sys
HERE = os.path.dirname(os.path.abspath(__file__))
tasks = {}
def there(name):
    return os.path.exists(os.path.join(HERE, name))
async def until(name):
    while not there(name):
        await asyncio.sleep(0.01)
def leave(name):
    with open(os.path.join(HERE, name), "a") as file:
        file.write("%d\n" % os.getpid())
def write(text):
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
async def run(id, job):
    def say(message):
        write(id + " " + json.dumps(message))
    leave("run-%s" % job["chat_id"])
    await work(job, say)
def end(id):
    # Also of one that was stopped before it began.
    task = tasks.pop(id)
    good = not task.cancelled() and not task.exception()
    write(id + (' {"leat": "done"}' if good else ' {"leat": "failed", "reason": "stopped"}'))
async def main():
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=1 << 24)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        id, _, text = line.decode().partition(" ")
        order = json.loads(text)
        if "stop" not in order:
            tasks[id] = loop.create_task(run(id, order))
            tasks[id].add_done_callback(lambda _, id=id: end(id))
        elif id in tasks:
            tasks[id].cancel()
'''


def _shared(leat, work, mark="[slots=100]"):
    """WORKER_TASKS for a shared task in Python."""
    path = leat.file(f"shared-{len(os.listdir(leat.dir))}.py")
    with open(path, "w") as file:
        file.write(PRELUDE + work + "\nasyncio.run(main())\n")
    return f"generate_messages{mark}={PYTHON} -I -S {path}"


def _pids(leat, chat):
    """The processes that the attempts of a chat ran in, in their order."""
    return [int(x) for x in leat.wait_file(f"run-{chat}").split()]


def _counted(leat, stream):
    job = leat.job(stream.job())
    return job["attempts"], job["deaths"], job["state"]


# A few messages, then a wait that the story ends.
PACED = """
async def work(job, say):
    for n in (1, 2):
        say({"n": n, "chat": job["chat_id"], "attempt": job["attempt"]})
    await until("go")
    for n in (3, 4):
        say({"n": n, "chat": job["chat_id"], "attempt": job["attempt"]})
"""


def two_hundred_chats_in_one_process_each_get_their_own_messages(leat):
    gateway = leat.gateway()
    leat.worker("generate_messages[slots=200]=leat-task generate_messages", WORKER_MAX_JOBS="200",
                TASK_MESSAGE_COUNT="5", TASK_MESSAGE_INTERVAL_MS="100")
    streams = [gateway.post(f"c{n}") for n in range(200)]
    most = 0
    for n, stream in enumerate(streams):
        stream.wait_done(30)
        most = max(most, sum(b"generate_messages" in _words(pid) for pid in leat.processes()))
        told = [json.loads(m) for m in stream.messages()]
        same([m["id"] for m in told], [str(i) for i in range(5)], "messages")
        same({m["chat_id"] for m in told}, {f"c{n}"}, "whose they are")
        same(stream.names(), [], "named events")
    same(most, 1, "task processes at a time")


def _words(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read()
    except OSError:
        return b""


def one_is_stopped_and_the_others_go_on(leat):
    gateway = leat.gateway()
    leat.worker(_shared(leat, """
async def work(job, say):
    try:
        await paced(job, say)
    except asyncio.CancelledError:
        leave("stopped-%s" % job["chat_id"])
        raise
""" + PACED.replace("def work", "def paced")), TASK_STOP_MS=ms(5000))
    streams = [gateway.post(f"c{n}").wait_events(2) for n in range(5)]
    same(gateway.delete("c2").status, 200, "DELETE")
    streams[2].wait_done()
    same(streams[2].names(), ["cancelled"], "named events of the stopped one")
    leat.wait_file("stopped-c2")
    leat.leave("go")
    for n in (0, 1, 3, 4):
        streams[n].wait_done()
        same((streams[n].numbers(), streams[n].names()), ([1, 2, 3, 4], []), "messages of the others")
    same(len({pid for n in range(5) for pid in _pids(leat, f"c{n}")}), 1, "processes")


def when_the_process_is_killed_each_job_runs_again_alone_and_no_death_counts(leat):
    gateway = leat.gateway()
    leat.worker(_shared(leat, PACED))
    streams = [gateway.post(f"c{n}").wait_events(2) for n in range(6)]
    os.kill(_pids(leat, "c0")[0], signal.SIGKILL)
    for stream in streams:
        stream.wait_named("reset", 10)
    leat.leave("go")
    for n, stream in enumerate(streams):
        stream.wait_done()
        same(_counted(leat, stream), ("0", "0", "done"), "what was counted")
        same(gateway.request("GET", f"/jobs/{stream.job()}").json()["deaths"], 0, "deaths")
    alone = [_pids(leat, f"c{n}")[1] for n in range(6)]
    same(len(set(alone)), 6, f"processes of the second attempts: {alone}")


def a_task_that_ignores_a_stop_is_replaced_and_the_innocents_run_again(leat):
    gateway = leat.gateway()
    leat.worker(_shared(leat, PACED + """
work_on = work
async def work(job, say):
    if job["chat_id"] == "deaf":
        while True:
            try:
                say({"n": 1})
                await asyncio.sleep(1000)
            except asyncio.CancelledError:
                pass
    await work_on(job, say)
"""))
    deaf = gateway.post("deaf").wait_events(1)
    others = [gateway.post(f"c{n}").wait_events(2) for n in range(3)]
    began = time.monotonic()
    same(gateway.delete("deaf").status, 200, "DELETE")
    for stream in others:
        reset = stream.wait_named("reset", 10)
        check(reset.when - began < 3 * FACTOR, f"it runs again after {reset.when - began:.1f} s")
    leat.leave("go")
    for n, stream in enumerate(others):
        stream.wait_done()
        same(_counted(leat, stream), ("0", "0", "done"), "what was counted")
    deaf.wait_done()
    second = {_pids(leat, f"c{n}")[1] for n in range(3)}
    same(len(second), 1, "processes of the innocents: they share one again")


def a_poisonous_job_ends_dead_by_its_own_deaths_and_its_neighbours_survive(leat):
    leat.settings(JOB_MAX_DEATHS="2")
    gateway = leat.gateway()
    leat.worker(_shared(leat, PACED + """
work_on = work
async def work(job, say):
    if job["chat_id"] == "poison":
        await until("drink")
        os.kill(os.getpid(), signal.SIGKILL)
    await work_on(job, say)
"""))
    streams = [gateway.post(f"c{n}").wait_events(2) for n in range(4)]
    poison = gateway.post("poison").wait_head()
    leat.wait_file("run-poison")
    leat.leave("drink")
    poison.wait_done(20)
    same((poison.events[-2].name, poison.events[-2].json()["reason"]), ("failed", "signal"), "its end")
    same(_counted(leat, poison), ("0", "2", "dead"), "its own deaths")
    check(len(_pids(leat, "poison")) == 3, "one together, two alone")
    leat.leave("go")
    for stream in streams:
        stream.wait_done()
        same(_counted(leat, stream), ("0", "0", "done"), "what was counted of the neighbours")
    told = gateway.request("GET", f"/jobs/{streams[0].job()}").json()
    same((told["alone"], told["history"][0]["what"]), (True, "return"), "what is known of them")


def a_line_that_breaks_the_rules_fails_the_attempt_of_its_job_alone(leat):
    gateway = leat.gateway()
    leat.worker(_shared(leat, PACED + """
work_on = work
async def work(job, say):
    if job["chat_id"] == "wrong":
        write(job["job"] + " {not JSON")
        await until("never")
    await work_on(job, say)
""", "[slots=100,max_attempts=1]"), TASK_STOP_MS=ms(5000))
    other = gateway.post("c0").wait_events(2)
    wrong = gateway.post("wrong").wait_done(10)
    same((wrong.events[-2].name, wrong.events[-2].json()["reason"]), ("failed", "line"), "its end")
    leat.leave("go")
    other.wait_done()
    same((other.numbers(), other.names()), ([1, 2, 3, 4], []), "messages of the other")


def a_line_that_names_no_job_costs_everybody_an_attempt_that_does_not_count(leat):
    gateway = leat.gateway()
    leat.worker(_shared(leat, PACED + """
work_on = work
async def work(job, say):
    if job["chat_id"] == "loud" and not there("run-loud-once"):
        leave("run-loud-once")
        write("a library says hello")
    await work_on(job, say)
"""))
    streams = [gateway.post(f"c{n}").wait_events(2) for n in range(2)] + [gateway.post("loud")]
    for stream in streams:
        stream.wait_named("reset", 10)
    leat.leave("go")
    for stream in streams:
        stream.wait_done()
        same(_counted(leat, stream), ("0", "0", "done"), "what was counted")


def a_time_out_ends_its_job_and_nobody_elses(leat):
    gateway = leat.gateway()
    leat.worker(_shared(leat, PACED, "[slots=100,max_attempts=1]"), TASK_STOP_MS=ms(5000))
    body = {"type": "generate_messages", "feature_id": "f", "chat_id": "slow", "timeout_ms": int(ms(800))}
    slow = gateway.request("POST", "/jobs", [("Content-Type", "application/json")], json.dumps(body).encode())
    same(slow.status, 202, "POST /jobs")
    other = gateway.post("c0").wait_events(2)
    slow = gateway.get("slow").wait_done(15)
    same((slow.events[-2].name, slow.events[-2].json()["reason"]), ("failed", "timeout"), "its end")
    leat.leave("go")
    other.wait_done()
    same((other.numbers(), other.names()), ([1, 2, 3, 4], []), "messages of the other")


def a_drained_worker_hands_back_what_shares_a_process_unspent(leat):
    gateway = leat.gateway()
    tasks = _shared(leat, PACED)
    leaving = leat.worker(tasks)
    streams = [gateway.post(f"c{n}").wait_events(2) for n in range(5)]
    leat.worker(tasks)
    leaving.terminate()
    for stream in streams:
        stream.wait_named("reset", 5)
    leat.leave("go")
    for stream in streams:
        stream.wait_done()
        same(_counted(leat, stream), ("0", "0", "done"), "what was counted")
        check("alone" not in leat.job(stream.job()), "nor is it to run alone")
    same(leaving.wait(5), 0, "exit code")


def jobs_that_are_to_run_alone_do_so_a_few_at_a_time(leat):
    gateway = leat.gateway()
    leat.worker(_shared(leat, PACED), WORKER_MAX_ALONE="2")
    streams = [gateway.post(f"c{n}").wait_events(2) for n in range(6)]
    os.kill(_pids(leat, "c0")[0], signal.SIGKILL)
    until(lambda: _running(leat) == 2, 10, "two of them run")
    stays(lambda: _running(leat) <= 2, 1, "and not more")
    fresh = gateway.post("fresh").wait_events(2)
    leat.leave("go")
    for stream in streams + [fresh]:
        stream.wait_done(20)
        same(_counted(leat, stream), ("0", "0", "done"), "what was counted")


def _running(leat):
    return int(leat.redis("ZCARD", "queue:default:running"))
