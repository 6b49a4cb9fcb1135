"""Files, connections, disk or memory run out: nothing spins, nothing crashes, and all comes back."""
import json
import os
import subprocess
import uuid

from leat import FACTOR, PYTHON, check, exact, limit, ms, problem, same, stays, until
from netns import needs_namespaces
from redis_server import RedisError
from spinning import cpu_s, does_not_spin

STEPS = "count(1, 3)\nuntil('more')\ncount(4, 6)\nuntil('go')\ncount(7, 9)\n"


def _with_files(leat, files, start):
    leat.before = ["prlimit", f"--nofile={files}:{files}"]
    try:
        return start()
    finally:
        leat.before = []


def _files(program):
    return len(os.listdir(f"/proc/{program.pid}/fd"))


def _back(gateway):
    until(lambda: gateway.request("GET", "/readyz").status == 200, 15, "the gateway is ready again")


# ---- descriptors ----


@limit(60)
def a_gateway_with_few_descriptors_keeps_some_for_redis(leat):
    gateway = _with_files(leat, 128, lambda: leat.gateway(API_LOOPS="1"))
    check("open_files_low" in gateway.log(), "the start says so")
    worker = leat.worker(leat.task(STEPS))
    stream = gateway.post("c").wait_events(3)
    held = []
    for _ in range(80):  # one behind the other: who is just let in has two descriptors
        client = gateway.get("c")
        held.append(client.wait(lambda c=client: c.events or c.ended, 10, "its messages, or word to come again"))
    kept = [client for client in held if not client.ended]
    check(30 < len(kept) <= 64, f"about half of the descriptors are for clients: {len(kept)}")
    check(all(1000 <= (c.retry or 0) <= 5000 for c in held if c.ended), "the others are asked to come again")
    for kind in ("normal", "pubsub"):
        leat.redis("CLIENT", "KILL", "TYPE", kind)
    leat.leave("more")
    stream.wait_events(6, 20)
    does_not_spin(gateway, 1)
    check("accept_paused" not in gateway.log(), "descriptors never ran out")
    leat.leave("go")
    for client in [stream] + kept:
        client.wait_done(20)
    check(worker.is_up() and gateway.is_up(), "both live")


@limit(60)
def a_gateway_without_descriptors_does_not_spin_and_recovers(leat):
    gateway = leat.gateway()
    subprocess.run(["prlimit", f"--pid={gateway.pid}", "--nofile=64:64"], check=True)
    worker = leat.worker(leat.task(STEPS))
    stream = gateway.post("c").wait_events(3)
    before = _files(gateway)
    held = [gateway.get("c") for _ in range(80)]
    until(lambda: _files(gateway) >= 60 or "accept_paused" in gateway.log(), 10,
          lambda: f"its descriptors run out: {_files(gateway)}")
    does_not_spin(gateway)
    leat.leave("more")
    stream.wait_events(6)
    served = [c for c in held if c.status is not None]
    check(served, "some were served")
    for client in held:
        client.close()
    until(lambda: _files(gateway) <= before + 10, 10, lambda: f"they come back: {before}, {_files(gateway)}")
    joined = gateway.get("c").wait_events(6)
    leat.leave("go")
    for client in (stream, joined):
        client.wait_done()
        exact(client, last=10)
        same(client.names(), [], "named events")
    check(worker.is_up() and gateway.is_up(), "both live")


@limit(60)
def a_gateway_without_descriptors_for_more_chats_starts_none(leat):
    gateway = _with_files(leat, 64, lambda: leat.gateway(API_LOOPS="1"))
    clients = []
    for number in range(60):
        clients.append(gateway.post(f"c{number}"))
        until(lambda c=clients[-1]: c.status is not None or c.ended or "accept_paused" in gateway.log(), 5,
              "an answer, or no descriptor for the connection")
        if clients[-1].status != 200:
            break
    check(len(clients) < 60, "at some moment it takes no more")
    if clients[-1].status is not None:
        problem(clients[-1].wait_end(), 503)
    does_not_spin(gateway)
    other = leat.gateway()
    leat.worker()
    for number, client in enumerate(clients):
        if client.status == 200:
            if not client.ended:
                client.wait(lambda c=client: c.events and c.events[-1].data == "[DONE]" or c.ended, 20, "its end")
            last = client.last_id
            rest = [] if client.events and client.events[-1].data == "[DONE]" else \
                other.get(f"c{number}", cursor=last).wait_done().events
            same(len([e for e in client.events + rest if e.data != "[DONE]"]), 20, f"messages of c{number}")
    for client in clients:
        client.close()
    _back(gateway)
    gateway.post("again").wait_done(20)


@limit(60)
def a_worker_without_descriptors_does_not_spin_and_recovers(leat):
    leat.settings(RETRY_BACKOFF_MS=ms(200), JOB_MAX_ATTEMPTS="100")
    gateway = leat.gateway()
    worker = _with_files(leat, 34, lambda: leat.worker(
        leat.task("count(1, 3)\ntime.sleep(0.3)\ncount(4, 6)\n"), WORKER_MAX_JOBS="10"))
    streams = [gateway.post(f"c{n}") for n in range(20)]
    began = cpu_s(worker)
    for stream in streams:
        stream.wait_done(30)
        same((stream.numbers()[-6:], "failed" in stream.names()), ([1, 2, 3, 4, 5, 6], False), "an answer")
    check(cpu_s(worker) - began < 2 * FACTOR, f"it used {cpu_s(worker) - began:.2f} s")
    does_not_spin(worker, 1)
    check(worker.is_up(), "the worker lives")


@limit(60)
def a_worker_without_descriptors_costs_no_job_its_attempts(leat):
    gateway = leat.gateway()
    _with_files(leat, 34, lambda: leat.worker(
        leat.task("count(1, 3)\ntime.sleep(0.3)\ncount(4, 6)\n"), WORKER_MAX_JOBS="10"))
    streams = [gateway.post(f"c{n}") for n in range(20)]
    for stream in streams:
        stream.wait_done(30)
    states = [leat.job(s.job()) for s in streams]
    same([(j["state"], j["attempts"]) for j in states], [("done", "0")] * 20, "what became of the jobs")


# ---- connections, memory and disk of Redis ----


@limit(60)
def a_redis_without_connections_is_503_and_all_comes_back(leat):
    gateway = leat.gateway()
    worker = leat.worker(leat.task(STEPS))
    stream = gateway.post("c").wait_events(3)
    count = int(leat.redis("INFO", "clients").split("connected_clients:")[1].split()[0])
    leat.redis("CONFIG", "SET", "maxclients", count)
    answers = [gateway.post(f"d{n}") for n in range(3)]
    leat.leave("more")
    stream.wait_events(6)
    leat.redis("CLIENT", "KILL", "TYPE", "pubsub")
    crowd = leat.redis.connect()  # in its place
    for program in (gateway, worker):
        does_not_spin(program, 1)
    for answer in answers:
        until(lambda a=answer: a.status is not None, 10, "an answer")
        check(answer.status in (200, 429, 503), answer.describe())
    leat.redis("CONFIG", "SET", "maxclients", 10000)
    crowd.close()
    leat.leave("go")
    stream.wait_done(15)
    exact(stream, last=10)
    for number, answer in enumerate(answers):
        if answer.status == 200:
            answer.wait_done(20)
        else:
            gateway.post(f"d{number}").wait_done(20)
    until(lambda: leat.redis("PUBSUB", "NUMSUB", *leat.redis("PUBSUB", "CHANNELS", "*worker*"))[1:2] == [1], 10,
          "the worker listens again")


@limit(60)
def a_redis_restarted_full_of_clients_is_503_until_there_is_room(leat):
    redis = leat.with_redis(tcp=True, append_only=True)
    gateway = leat.gateway()
    worker = leat.worker(leat.task(STEPS))
    stream = gateway.post("c").wait_events(3)
    redis.kill()
    redis.start()
    redis("CONFIG", "SET", "maxclients", 4)  # now: the programs would have been before the story
    crowd = []
    until(lambda: _crowded_out(redis, crowd) and gateway.is_away(), 20,
          "there is no room for the programs")
    problem(gateway.post("d").wait_end(), 503)
    same(gateway.get("d").wait_end().status, 200, "GET is told to come back")
    for program in (gateway, worker):
        does_not_spin(program, 1)
    redis("CONFIG", "SET", "maxclients", 10000)
    leat.leave("more")
    leat.leave("go")
    stream.wait_done(20)
    exact(stream, last=10)
    same(stream.names(), [], "named events")
    _back(gateway)
    gateway.post("d").wait_done(20)


def _crowded_out(redis, crowd):
    """Take the room that there is, the programs' too; whether none of them is there."""
    ours = {redis("CLIENT", "ID"), *(one("CLIENT", "ID") for one in crowd)}
    ids = {int(line.split()[0][len("id="):]) for line in redis("CLIENT", "LIST").splitlines()}
    for one in ids - ours:  # some of them have no name yet
        redis("CLIENT", "KILL", "ID", one)
    while _one_more(redis, crowd):
        pass
    return not ids - ours


def _one_more(redis, crowd):
    connection = redis.connect()
    try:
        connection("PING")
        crowd.append(connection)
        return True
    except (OSError, RedisError):
        connection.close()
        return False


def _on_small_disk(leat):
    """A redis-server whose append-only file lies on a disk of 1 MiB that only it can see."""
    folder = leat.file("disk")
    os.makedirs(folder)
    redis = leat.with_redis(tcp=True, append_only=True, before=[
        "unshare", "--mount", "sh", "-c", f'mount -t tmpfs -o size=1m tmpfs {folder} && exec "$@"', "sh"],
        options=["--dir", folder])
    return redis, f"/proc/{redis.popen.pid}/root{folder}/filler"


def _is_refused(redis):
    try:
        redis("SET", "worker:probe", "1", "PX", "10")
        return False
    except RedisError as error:
        return "MISCONF" in str(error)


@limit(60)
@needs_namespaces
def a_redis_whose_disk_is_full_is_503_and_jobs_go_on_when_there_is_room(leat):
    redis, filler = _on_small_disk(leat)
    gateway = leat.gateway()
    worker = leat.worker(leat.task(STEPS))
    stream = gateway.post("c").wait_events(3)
    with open(filler, "wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            pass
    until(lambda: _is_refused(redis), 10, "Redis takes no more")
    problem(gateway.post("d").wait_end(), 503)
    leat.leave("more")
    leat.leave("go")
    stays(lambda: not stream.ended and not stream.names(), 1, lambda: f"it waits: {stream.describe()}")
    for program in (gateway, worker):
        does_not_spin(program, 1)
    os.remove(filler)
    stream.wait_done(20)
    exact(stream, last=10)
    same(stream.names(), [], "named events")
    same(leat.job(stream.job())["deaths"], "0", "deaths")
    gateway.post("d").wait_done(20)
    check(worker.is_up() and gateway.is_up(), "both live")


# ---- memory of a task ----

EATS = """
count(1, 2)
if chat == 'eats':
    %s
    eaten = []
    try:
        while True:
            eaten.append(bytearray(8 << 20))
    except MemoryError:
        os.abort()
count(3, 4)
"""


def _dead_after_three(leat, tasks):
    gateway = leat.gateway()
    worker = leat.worker(tasks)
    eater = gateway.post("eats")
    good = [gateway.post(f"c{n}") for n in range(5)]
    for stream in good:
        stream.wait_done(20)
        same((stream.numbers(), stream.names()), ([1, 2, 3, 4], []), "a good one")
    eater.wait_done(30)
    same(eater.names(), ["reset", "reset", "failed"], "what its client is told")
    told = eater.events[-2].json()
    same((told["reason"], told["attempts"]), ("signal", 3), "why")
    job = leat.job(eater.job())
    same((job["state"], job["deaths"]), ("dead", "3"), "the job")
    same(leat.redis("ZCARD", "queue:default:dead"), 1, "dead jobs")
    check(worker.is_up(), "the worker lives")
    gateway.post("after").wait_done()
    return job


def a_task_that_may_have_no_more_memory_and_aborts_is_dead_after_three(leat):
    tasks = leat.task(EATS % "pass").replace(PYTHON, f"prlimit --as={128 << 20} {PYTHON}")
    _dead_after_three(leat, tasks)


def _memory_group():
    """A new memory cgroup of 64 MiB (version 1 or 2); None where there is none to be had."""
    name = f"leat-{uuid.uuid4()}"
    for top, most in (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")):
        group = os.path.join(top, name)
        try:
            os.mkdir(group)
        except OSError:
            continue
        try:
            with open(os.path.join(group, most), "w") as file:
                file.write(str(64 << 20))
            return group
        except OSError:
            os.rmdir(group)
    return None


def _leave_group(group):
    def is_gone():
        try:
            os.rmdir(group)
            return True
        except OSError:
            return False
    until(is_gone, 5, f"{group} goes")


def a_task_that_the_kernel_kills_for_its_memory_is_dead_after_three(leat):
    group = _memory_group()
    if not group:
        print("note: NOT RUN: there is no memory cgroup to be had here")
        return
    try:
        enter = f"open({os.path.join(group, 'cgroup.procs')!r}, 'w').write(str(os.getpid()))"
        job = _dead_after_three(leat, leat.task(EATS % enter))
        check("SIGKILL" in json.dumps(job), f"the kernel's signal: {job}")
    finally:
        _leave_group(group)
