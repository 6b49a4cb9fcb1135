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
    try:
        await work(job, say)
        say({"leat": "done"})
    except asyncio.CancelledError:
        say({"leat": "failed", "reason": "stopped"})
    finally:
        tasks.pop(id, None)
async def main():
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=1 << 24)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        id, _, text = line.decode().partition(" ")
        order = json.loads(text)
        if "stop" not in order:
            tasks[id] = loop.create_task(run(id, order))
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
    leat.worker(_shared(leat, PACED))
    streams = [gateway.post(f"c{n}").wait_events(2) for n in range(5)]
    same(gateway.delete("c2").status, 200, "DELETE")
    streams[2].wait_done()
    same(streams[2].names(), ["cancelled"], "named events of the stopped one")
    stays(lambda: len(_pids(leat, "c0")) == 1, 0.5, "the process is not replaced")
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
