"""chaos_faults.py: one installation, and what befalls it.

A `Fleet` is a Redis with an append-only file, a few gateways and workers, each replaced when it is
gone. An `Injector` draws faults from two decks, one for processes and one for Redis (each kind once
at first, then shuffled with the weights of KINDS), and notes what it did and when. All of it runs in the main
thread, except that gateways are started by threads of their own: a redis-server dies with the
thread that started it.
"""
import heapq
import os
import random
import re
import resource
import signal
import threading
import time
from collections import namedtuple

from leat import FACTOR, PYTHON, ms, until
from redis_server import RedisError
from words import Failed, check

# Half of TTL_MS is sure: as long as Redis and a job's worker may be away together.
LEASE_MS, TTL_MS, TIMEOUT_MS, DEADLINE_MS, HEARTBEAT_MS = 900, 14000, 6000, 5000, 500
REDIS_TIMEOUT_MS, DRAIN_MS = 1000, 2000
GATEWAYS, WORKERS, JOBS_EACH = 3, 3, 5

# What a fault did. affects: what a view must have met to be hit by it, or None for all of them;
# since: when it was over, so that a next message could come; loss: all that Redis held is gone.
Fault = namedtuple("Fault", "kind since affects loss")

TASK = r'''
import json, os, signal, sys, time
label, reuse = sys.argv[1], len(sys.argv) > 2
runs = 0

def say(message):
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()

def trouble(kind):
    if kind == "fail":
        say({"leat": "failed", "reason": "asked", "retry": True})
    elif kind == "refuse":
        say({"leat": "failed", "reason": "refused", "retry": False})
    elif kind == "exit":
        sys.exit(3)
    elif kind == "crash":
        os.kill(os.getpid(), signal.SIGKILL)
    elif kind == "hang":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while True:
            time.sleep(60)
    return kind in ("fail", "refuse")

def run(job):
    order = job["payload"] or {}
    attempt, count = job["attempt"], order.get("count", 12)
    kind = order.get("poison") and "crash" or order.get("trouble", {}).get(str(attempt))
    if order.get("refuses"):
        kind = "refuse"
    at = order.get("at", count // 2)
    for n in range(1, count + 1):
        say({"job": job["job"], "attempt": attempt, "n": n, "worker": label,
             "run": "%s-%d-%d" % (label, os.getpid(), runs)})
        if kind and n == at and trouble(kind):
            return
        time.sleep(order.get("pauses", [15])[n % len(order.get("pauses", [15]))] / 1000)
    if reuse:
        say({"leat": "done"})

while True:
    line = sys.stdin.buffer.readline()
    if not line:
        break
    runs += 1
    run(json.loads(line))
    if not reuse:
        break
'''


class Fleet:
    """Redis, gateways and workers of one round."""

    def __init__(self, leat):
        self.leat = leat
        self.redis = self.leat.with_redis(append_only=True)
        self._admin = None
        self.settle_redis()
        self.leat.settings(
            LEASE_MS=ms(LEASE_MS), STREAM_TTL_MS=ms(TTL_MS), JOB_TIMEOUT_MS=ms(TIMEOUT_MS),
            JOB_DEADLINE_MS=ms(DEADLINE_MS), RETRY_BACKOFF_MS="100", RETRY_BACKOFF_MAX_MS="400",
            API_HEARTBEAT_MS=ms(HEARTBEAT_MS), REDIS_TIMEOUT_MS=ms(REDIS_TIMEOUT_MS),
            IDEMPOTENCY_TTL_MS=ms(30000), DEAD_RETENTION_MS="3600000", API_DRAIN_MS=ms(DRAIN_MS))
        self.task = self.leat.file("chaos_task.py")
        with open(self.task, "w") as file:
            file.write(TASK)
        self.lock, self._one_starts = threading.Lock(), threading.Lock()
        self.gateways, self.workers, self.leaving, self.wrong = {}, {}, [], []
        self.frozen, self.taken = set(), []
        self._labels, self._starting = 0, []
        for slot in range(GATEWAYS):
            self._start_gateway(slot)
        for _ in range(WORKERS):
            self.start_worker()
        until(lambda: self.redis("ZCARD", "workers") == WORKERS, 10, "the workers live")

    # -- gateways

    def _start_gateway(self, slot):
        try:
            with self._one_starts:  # the harness names their files by counting
                gateway = self.leat.gateway()
        except Failed as failed:
            self.wrong.append(f"a gateway does not start: {failed}")
            return
        with self.lock:
            self.gateways[slot] = gateway

    def start_gateway(self, slot):
        """In a thread of its own: it is ready only when Redis answers."""
        thread = threading.Thread(target=self._start_gateway, args=(slot,), daemon=True)
        thread.start()
        self._starting.append(thread)

    def gateway(self, chance):
        """One that a client may try; it may be dead by now."""
        with self.lock:
            return chance.choice(list(self.gateways.values()))

    # -- workers

    def start_worker(self):
        self._labels += 1
        label = f"W{self._labels}"
        mark, last = ("[reuse]", " reuse") if self._labels % 2 else ("", "")
        worker = self.leat.worker(f"generate_messages{mark}={PYTHON} -I -S {self.task} {label}{last}",
                                  ready=False, WORKER_MAX_JOBS=str(JOBS_EACH),
                                  WORKER_DRAIN_MS=ms((0, 500, 3000)[self._labels % 3]))
        worker.label = label
        self.workers[label] = worker
        return worker

    def worker_ids(self):
        """Label → id by which Redis knows the worker."""
        ids = {}
        for program in self.leat.programs:
            found = re.search(r'"event":"ready","worker":"([^"]+)"', program.log())
            if found and hasattr(program, "label"):
                ids[program.label] = found.group(1)
        return ids

    def hurt_ids(self):
        """The ids of those that did not live on undisturbed."""
        ids = self.worker_ids()
        return {ids.get(p.label) for p in self.leat.programs if hasattr(p, "label")
                and (p.label not in self.workers or p.label in self.frozen)}

    # -- Redis

    def admin(self, *words):
        """A command on the injector's own connection; None where Redis does not take it."""
        for _ in range(2):  # the connection may be one to the redis-server before
            try:
                if self._admin is None:
                    self._admin = self.redis.connect()
                return self._admin(*words)
            except RedisError:
                return None
            except OSError:
                if self._admin:
                    self._admin.close()
                self._admin = None
        return None

    def settle_redis(self):
        """What must be said to each new redis-server: written at once, so that kill -9 loses
        nothing (with everysec a slow disk may hold back two seconds), and in one file."""
        for name, value in (("appendfsync", "no"), ("auto-aof-rewrite-percentage", "0")):
            check(self.admin("CONFIG", "SET", name, value) == "OK", f"Redis takes {name}")

    def append_only_files(self):
        return os.path.join(self.redis.dir, "appendonlydir")

    def take_append_only_files(self):
        """Redis is to find nothing when it starts again; what it wrote is read at the end."""
        self.taken.append(self.leat.file(f"taken-{len(self.taken)}"))
        os.rename(self.append_only_files(), self.taken[-1])

    # -- what is looked at

    def look(self):
        """Programs that ended although nobody asked them to."""
        for program in self.leat.programs:
            if not program.ended_by_story and not program.is_up():
                program.ended_by_story = True
                self.wrong.append(f"{program.name} ended by itself, exit code {program.popen.returncode}; "
                                  f"{program.log()[-1500:]}")
        for entry in list(self.leaving):
            program, by = entry
            if not program.is_up():
                self.leaving.remove(entry)
                if program.popen.returncode != 0:
                    self.wrong.append(f"{program.name} after SIGTERM: exit code {program.popen.returncode}; "
                                      f"{program.log()[-1500:]}")
            elif time.monotonic() > by:
                self.leaving.remove(entry)
                self.wrong.append(f"{program.name} does not end after SIGTERM; {program.log()[-1500:]}")
        found, self.wrong = self.wrong, []
        return found

    def whole_again(self):
        """As many gateways and workers as there were at first, all of them well."""
        for thread in self._starting:
            thread.join(30 * FACTOR)
        for program in self.leat.programs:
            program.go_on()
        while len(self.workers) < WORKERS:
            self.start_worker()

    def measure(self):
        """What must return to where it was, the most of each kind."""
        self.admin("PING")
        numbers = {"open files of a gateway": 0, "open files of a worker": 0,
                   "memory of a gateway, KiB": 0, "memory of a worker, KiB": 0}
        for programs, name in ((self.gateways.values(), "gateway"), (self.workers.values(), "worker")):
            for program in programs:
                files = len(os.listdir(f"/proc/{program.pid}/fd"))
                for what, value in ((f"open files of a {name}", files),
                                    (f"memory of a {name}, KiB", program.memory_kib())):
                    numbers[what] = max(numbers[what], value)
        info = self.admin("INFO", "memory")
        numbers["memory of Redis, KiB"] = int(re.search(r"used_memory:(\d+)", info).group(1)) // 1024
        numbers["connections to Redis"] = int(re.search(r"connected_clients:(\d+)",
                                                        self.admin("INFO", "clients")).group(1))
        numbers["tasks of nobody"] = sum(pid > 0 for pid, _ in self.tasks(idle_too=False))
        return numbers

    def tasks(self, idle_too=True):
        """(pid, label) of the task processes; not idle_too: those that should have ended."""
        found = []
        for pid in self.leat.processes():
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as file:
                    words = file.read().decode().split("\0")
            except OSError:
                continue
            if self.task in words:
                label = words[words.index(self.task) + 1]
                if idle_too or label not in self.workers or "reuse" not in words:
                    found.append((pid, label))
        return found


# ---- the faults: each gives what it did, or nothing where there was nobody to hit ----


def worker_kill(fleet, inject, chance):
    worker = _worker(fleet, chance)
    if not worker:
        return None
    worker.kill()
    del fleet.workers[worker.label]
    inject.later(chance.uniform(0, 1.5), fleet.start_worker)
    return inject.did("worker_kill", ("worker", worker.label))


def task_kill(fleet, inject, chance):
    tasks = fleet.tasks()
    if not tasks:
        return None
    pid, _ = chance.choice(sorted(tasks))
    try:
        os.kill(pid, signal.SIGKILL)
    except OSError:
        return None
    return inject.did("task_kill", ("task", str(pid)))


def worker_freeze(fleet, inject, chance):
    worker = _worker(fleet, chance)
    if not worker:
        return None
    worker.pause()
    fleet.frozen.add(worker.label)
    inject.later(chance.uniform(1.3, 3) * LEASE_MS / 1000 * FACTOR, worker.go_on)
    return inject.did("worker_freeze", ("worker", worker.label))


def worker_term(fleet, inject, chance):
    worker = _worker(fleet, chance)
    if not worker or '"event":"ready"' not in worker.log():
        return None  # who has not begun yet may just end
    worker.terminate()
    del fleet.workers[worker.label]
    fleet.leaving.append((worker, time.monotonic() + 25 * FACTOR))
    fleet.start_worker()
    return inject.did("worker_term", ("worker", worker.label))


def no_workers(fleet, inject, chance):
    for worker in list(fleet.workers.values()):
        worker.go_on()
        worker.kill()
        del fleet.workers[worker.label]
    away = (DEADLINE_MS / 1000 + chance.uniform(1, 2)) * FACTOR
    inject.rest("process", away)
    for _ in range(WORKERS):
        inject.later(away, fleet.start_worker)
    return inject.did("no_workers")


def gateway_kill(fleet, inject, chance):
    slot = _slot(fleet, chance)
    if slot is None:
        return None
    gateway = fleet.gateways[slot]
    gateway.kill()
    inject.later(chance.uniform(0, 1), lambda: fleet.start_gateway(slot))
    return inject.did("gateway_kill", ("gateway", gateway.port))


def gateway_term(fleet, inject, chance):
    slot = _slot(fleet, chance)
    if slot is None:
        return None
    gateway = fleet.gateways[slot]
    gateway.terminate()
    fleet.leaving.append((gateway, time.monotonic() + (DRAIN_MS / 1000 + 5) * FACTOR))
    fleet.start_gateway(slot)
    return inject.did("gateway_term", ("gateway", gateway.port))


def gateway_no_files(fleet, inject, chance):
    slot = _slot(fleet, chance)
    if slot is None:
        return None
    gateway = fleet.gateways[slot]
    seconds = _take_files(gateway, inject, chance)
    return inject.did("gateway_no_files", ("gateway", gateway.port), over_in=seconds)


def worker_no_files(fleet, inject, chance):
    worker = _worker(fleet, chance)
    if not worker:
        return None
    seconds = _take_files(worker, inject, chance)
    return inject.did("worker_no_files", ("worker", worker.label), over_in=seconds)


def _take_files(program, inject, chance):
    """It may open a few files more and no others, for so many seconds."""
    seconds = chance.uniform(0.3, 1.5)
    before = resource.prlimit(program.pid, resource.RLIMIT_NOFILE)
    highest = max(int(name) for name in os.listdir(f"/proc/{program.pid}/fd"))
    resource.prlimit(program.pid, resource.RLIMIT_NOFILE, (highest + chance.randrange(1, 4), before[1]))

    def restore():
        if program.is_up():
            resource.prlimit(program.pid, resource.RLIMIT_NOFILE, before)

    inject.rest("process", seconds)
    inject.later(seconds, restore)
    return seconds


def poison(fleet, inject, chance):
    inject.load.wish("poison")
    return inject.did("poison", ("nobody", ""))


def same_question(fleet, inject, chance):
    inject.load.wish("burst")
    return inject.did("same_question", ("nobody", ""))


def redis_stop(fleet, inject, chance):
    seconds = chance.uniform(0.3, 3)
    fleet.redis.pause()
    inject.rest("redis", seconds)
    inject.later(seconds, fleet.redis.go_on)
    return inject.did("redis_stop", over_in=seconds)


def redis_pause_write(fleet, inject, chance):
    seconds = chance.uniform(0.3, 3)
    fleet.admin("CLIENT", "PAUSE", int(seconds * 1000), "WRITE")
    inject.rest("redis", seconds)
    return inject.did("redis_pause_write", over_in=seconds)


def redis_cut(fleet, inject, chance):
    own = fleet.admin("CLIENT", "ID")
    ids = re.findall(r"^id=(\d+)", fleet.admin("CLIENT", "LIST") or "", re.M)
    share = chance.choice((0.2, 0.5, 1))
    for number in ids:
        if int(number) != own and chance.random() < share:
            fleet.admin("CLIENT", "KILL", "ID", number)
    return inject.did("redis_cut")


def script_flush(fleet, inject, chance):
    for step in range(chance.randrange(1, 20)):
        inject.later(step * 0.05, lambda: fleet.admin("SCRIPT", "FLUSH"))
    return inject.did("script_flush")


def redis_kill(fleet, inject, chance):
    fleet.redis.kill()
    return _start_redis(fleet, inject, chance, "redis_kill")


def redis_full(fleet, inject, chance):
    seconds = chance.uniform(0.3, 2)
    fleet.admin("CONFIG", "SET", "maxmemory", "1")
    inject.rest("redis", seconds)
    inject.later(seconds, lambda: fleet.admin("CONFIG", "SET", "maxmemory", "0"))
    return inject.did("redis_full", over_in=seconds)


def redis_maxclients(fleet, inject, chance):
    seconds = chance.uniform(0.3, 2)
    fleet.admin("CONFIG", "SET", "maxclients", "1")
    redis_cut(fleet, Quiet(), chance)
    inject.rest("redis", seconds)
    inject.later(seconds, lambda: fleet.admin("CONFIG", "SET", "maxclients", "10000"))
    return inject.did("redis_maxclients", over_in=seconds)


def redis_tail_lost(fleet, inject, chance):
    fleet.redis.kill()
    folder = fleet.append_only_files()
    newest = max((n for n in os.listdir(folder) if n.endswith(".incr.aof")),
                 key=lambda n: int(n.split(".")[-3]))
    _cut(os.path.join(folder, newest), chance.randrange(1, 65536))
    return _start_redis(fleet, inject, chance, "redis_tail_lost", rest=3)


def redis_flushall(fleet, inject, chance):
    fleet.admin("FLUSHALL")
    inject.rest("redis", 7 * FACTOR)
    return inject.did("redis_flushall", loss=True)


def redis_emptied(fleet, inject, chance):
    fleet.admin("SHUTDOWN", "NOSAVE")
    fleet.redis.kill()
    fleet.take_append_only_files()
    return _start_redis(fleet, inject, chance, "redis_emptied", rest=7 * FACTOR, loss=True)


def _cut(path, size):
    """Take the file's last bytes away; of a script (MULTI … EXEC) that is cut in two, all of it.

    Redis would not run that script's first half, but 7.0 leaves it, with its open MULTI, in the
    file, where all that is written later joins it: lost or run by half at the restart after next.
    """
    with open(path, "r+b") as file:
        end = max(0, os.path.getsize(path) - size)
        file.seek(max(0, end - 262144))
        start, kept = file.tell(), file.read(min(end, 262144))
        begun, done = kept.rfind(b"*1\r\n$5\r\nMULTI\r\n"), kept.rfind(b"*1\r\n$4\r\nEXEC\r\n")
        file.truncate(start + begun if begun > done else end)


def _start_redis(fleet, inject, chance, kind, rest=0.0, loss=False):
    seconds = chance.uniform(0, 1.2)
    inject.rest("redis", seconds + rest)

    def start():
        fleet.redis.start()
        fleet.settle_redis()
        inject.note(Fault(kind, time.monotonic(), None, loss))

    inject.later(seconds, start)
    return kind


def _worker(fleet, chance):
    well = [w for w in fleet.workers.values() if w.is_up() and not w.paused]
    return chance.choice(sorted(well, key=lambda w: w.label)) if len(well) > 1 else None


def _slot(fleet, chance):
    """Never the last one: somebody must be there for clients to move on to."""
    well = [s for s, g in sorted(fleet.gateways.items()) if g.is_up() and not g.ended_by_story]
    return chance.choice(well) if len(well) > 1 else None


class Quiet:
    """An injector that notes nothing, for a fault that is part of another."""

    def did(self, *_words, **_more):
        return None


# kind: (rows of faults.md, what it hits, how often it is in the deck)
KINDS = {
    same_question: ((1,), "process", 2), worker_kill: ((2,), "process", 3), task_kill: ((2,), "process", 4),
    worker_freeze: ((3,), "process", 2), gateway_kill: ((5,), "process", 2),
    gateway_term: ((6,), "process", 2), worker_term: ((6,), "process", 2),
    gateway_no_files: ((18,), "process", 1), worker_no_files: ((18,), "process", 1),
    no_workers: ((21,), "process", 1), poison: ((22,), "process", 2), redis_kill: ((7,), "redis", 2),
    redis_cut: ((12,), "redis", 2), redis_stop: ((13,), "redis", 2),
    redis_pause_write: ((13,), "redis", 2), script_flush: ((14,), "redis", 1),
    redis_full: ((19,), "redis", 1), redis_maxclients: ((19,), "redis", 1),
}
LOSING = {
    redis_tail_lost: ((8,), "redis", 3), redis_flushall: ((9,), "redis", 1),
    redis_emptied: ((9,), "redis", 1),
}
PAUSES = {"process": (0.2, 2.2), "redis": (1.0, 3.5)}  # seconds between two faults of a deck


class Injector:
    """Draws faults and lets them happen."""

    def __init__(self, fleet, load, seed, rows, lossy, say):
        self.fleet, self.load, self.say = fleet, load, say
        self.faults, self.counts, self._due, self._order = [], {}, [], 0
        self._decks, self._chances, self._rest = {}, {}, {}
        kinds = {**KINDS, **LOSING} if lossy else KINDS
        for deck in PAUSES:
            self._chances[deck] = random.Random(f"{seed} {deck}")
            self._rest[deck] = time.monotonic() + self._chances[deck].uniform(*PAUSES[deck])
            self._decks[deck] = [k for k, (rows_, where, times) in kinds.items() for _ in range(times)
                                 if where == deck and (not rows or rows & set(rows_))]
        # Each kind once at first; where data is lost, begin with that: it is what this round is for.
        self._hands = {}
        for deck, kinds_ in self._decks.items():
            hand = sorted(set(kinds_), key=lambda k: k.__name__)
            self._chances[deck].shuffle(hand)
            self._hands[deck] = sorted(hand, key=lambda k: k in LOSING)

    def later(self, seconds, what):
        self._order += 1
        heapq.heappush(self._due, (time.monotonic() + seconds, self._order, what))

    def rest(self, deck, seconds):
        """No other fault of this deck for so long."""
        self._rest[deck] = time.monotonic() + seconds

    def note(self, fault):
        self.faults.append(fault)

    def did(self, kind, affects=None, over_in=0.0, loss=False):
        self.note(Fault(kind, time.monotonic() + over_in, affects, loss))
        return kind

    def run(self, seconds, look):
        """Faults for so long; look() after each turn may end it with True."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not look():
            self._turn(True)
        while self._due:
            look()
            self._turn(False)

    def _turn(self, more):
        while self._due and self._due[0][0] <= time.monotonic():
            heapq.heappop(self._due)[2]()
        for deck, chance in self._chances.items():
            if more and self._decks[deck] and time.monotonic() >= self._rest[deck]:
                self.rest(deck, 0)
                self._draw(deck, chance)
                self._rest[deck] = max(self._rest[deck], time.monotonic()) + chance.uniform(*PAUSES[deck])
        time.sleep(0.01)

    def _draw(self, deck, chance):
        if not self._hands[deck]:
            self._hands[deck] = list(self._decks[deck])
            chance.shuffle(self._hands[deck])
        fault = self._hands[deck].pop()
        own = random.Random(chance.random())  # so that what a fault draws does not shift the next
        if fault(self.fleet, self, own):
            name = fault.__name__
            self.counts[name] = self.counts.get(name, 0) + 1
            affects = self.faults[-1].affects if self.faults and self.faults[-1].kind == name else None
            self.say(f"fault {name}{' ' + str(affects[1]) if affects else ''}")
