#!/usr/bin/env python3
"""Many questions at once in one process: a task that only waits.

    WORKER_TASKS='generate_messages[slots=1000]=python3 examples/together.py' WORKER_MAX_JOBS=1000 leat-worker

Every line, both ways, is `<job id> <line>`; `<job id> {"stop": true}` asks for the end.
"""
import asyncio
import json
import os
import sys

PAUSE_S = float(os.environ.get("ANSWER_PAUSE_MS", "50")) / 1000


async def answer(job_id, job):
    for number in range(5):
        print(job_id, json.dumps({"id": str(number), "message": f"{job['chat_id']}: {number}"}), flush=True)
        await asyncio.sleep(PAUSE_S)  # for a model, a database, another service


def say_the_end(job_id, task):  # also of one that was stopped before it began
    good = not task.cancelled() and not task.exception()
    print(job_id, json.dumps({"leat": "done"} if good else {"leat": "failed", "reason": "stopped"}), flush=True)


async def main():
    lines, jobs = asyncio.StreamReader(limit=2**24), {}
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := await lines.readline():
        job_id, text = line.decode().split(" ", 1)
        if "stop" not in (job := json.loads(text)):
            jobs[job_id] = asyncio.create_task(answer(job_id, job))
            jobs[job_id].add_done_callback(lambda _, job_id=job_id: say_the_end(job_id, jobs.pop(job_id)))
        elif job_id in jobs:
            jobs[job_id].cancel()
    while jobs:
        await asyncio.sleep(PAUSE_S)


asyncio.run(main())
