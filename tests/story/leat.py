"""leat.py: what the stories are told with.

A `Leat` is one installation of a story's own: a private redis-server, gateways and workers with
short settings, tasks written on the spot. `Client` is one HTTP request on a raw socket, which notes
every event and comment with its time and can be cut off behind any event. Nothing here sleeps in
place of a condition; `until` waits for one, with a bound that LEAT_TIME_FACTOR stretches.
"""
import glob
import json
import os
import random
import select
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
import urllib.parse
import uuid

HERE = os.path.dirname(os.path.abspath(__file__))
BIN = os.path.abspath(os.environ.get("LEAT_BIN", os.path.join(HERE, "..", "..", "build")))
FACTOR = float(os.environ.get("LEAT_TIME_FACTOR", "1"))
PYTHON = "/usr/bin/python3"


class Failed(AssertionError):
    """What a story says when the program does not keep its word."""


def check(holds, what):
    if not holds:
        raise Failed(what() if callable(what) else what)


def same(got, wanted, what):
    check(got == wanted, lambda: f"{what}:\n  got    {_short(got)}\n  wanted {_short(wanted)}")


def _short(value, most=1500):
    text = repr(value)
    return text if len(text) <= most else text[:most] + f"… ({len(text)} characters)"


def ms(milliseconds):
    """A setting in milliseconds, stretched as bounds are."""
    return str(int(milliseconds * FACTOR))


def until(condition, seconds, what):
    """Wait for a condition, at most so long; gives what it gave."""
    end = time.monotonic() + seconds * FACTOR
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failed(f"not within {seconds * FACTOR:g} s: {what() if callable(what) else what}")
        time.sleep(0.005)


def stays(condition, seconds, what):
    """The opposite of `until`: the condition holds all that time."""
    end = time.monotonic() + seconds * FACTOR
    while time.monotonic() < end:
        check(condition(), what)
        time.sleep(0.01)


def limit(seconds):
    """Mark a story that may take longer than the others."""

    def mark(story):
        story.limit = seconds
        return story

    return mark


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


# ---- Redis ----


class RedisError(Exception):
    pass


class Resp:
    """A connection to Redis; texts come as str (not UTF-8: with surrogates), nil as None."""

    def __init__(self, address, seconds=5):
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self.sock = socket.socket(family, socket.SOCK_STREAM)
        self.sock.settimeout(seconds * FACTOR)
        try:
            self.sock.connect(address)
        except OSError:
            self.sock.close()
            raise
        self.file = self.sock.makefile("rb")

    def close(self):
        self.file.close()
        self.sock.close()

    def __call__(self, *words):
        out = [b"*%d\r\n" % len(words)]
        for word in words:
            if isinstance(word, bytes):
                data = word
            else:
                data = str(word).encode("utf-8", "surrogateescape")
            out.append(b"$%d\r\n%s\r\n" % (len(data), data))
        self.sock.sendall(b"".join(out))
        reply = self._read()
        if isinstance(reply, RedisError):
            raise reply
        return reply

    def _read(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise OSError("Redis closed the connection")
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return rest.decode()
        if kind == b"-":
            return RedisError(rest.decode())
        if kind == b":":
            return int(rest)
        count = int(rest)
        if count < 0:
            return None
        if kind == b"*":
            return [self._read() for _ in range(count)]
        data = self.file.read(count + 2)[:-2]
        return data.decode("utf-8", "surrogateescape")


class Redis:
    """A private redis-server. Called like a function it runs a command."""

    def __init__(self, leat, tcp=False, append_only=False, password=None):
        self.leat, self.append_only, self.password = leat, append_only, password
        self.dir = os.path.join(leat.dir, "redis")
        os.makedirs(self.dir, exist_ok=True)
        self.port = free_port() if tcp else 0
        self.socket = os.path.join(self.dir, "socket")
        self.popen, self.paused, self.resp = None, False, None
        self.start()

    def start(self):
        """Start, and wait until it has loaded what it has on disk."""
        for attempt in range(5):
            self._spawn()
            try:
                until(self._answers, 15, lambda: f"redis-server starts: {self._log_tail()}")
                return
            except Failed:
                if self.popen.poll() is None or "in use" not in self._log_tail():
                    raise
                self.port = free_port()

    def _spawn(self):
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1",
                   "--unixsocket", self.socket, "--dir", self.dir, "--save", "",
                   "--appendonly", "yes" if self.append_only else "no",
                   "--appendfsync", "everysec", "--stream-node-max-bytes", "1024",
                   "--maxmemory-policy", "noeviction", "--databases", "4"]
        if self.password:
            command += ["--requirepass", self.password]
        with open(os.path.join(self.dir, "log"), "ab") as log:
            self.popen = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                          env=self.leat.base_env(), start_new_session=True)

    def _answers(self):
        if self.popen.poll() is not None:
            raise Failed(f"redis-server ended: {self._log_tail()}")
        try:
            return self("PING") == "PONG"
        except (OSError, RedisError):
            return False

    def _log_tail(self):
        with open(os.path.join(self.dir, "log"), errors="replace") as log:
            return log.read()[-600:]

    def connect(self):
        resp = Resp(self.socket)
        if self.password:
            resp("AUTH", self.password)
        return resp

    def __call__(self, *words):
        """One command, on a connection that is made anew when it broke. Not for several threads."""
        if self.resp is None:
            self.resp = self.connect()
        try:
            return self.resp(*words)
        except OSError:
            self.resp.close()
            self.resp = None
            raise

    def hash(self, key):
        flat = self("HGETALL", key)
        return dict(zip(flat[::2], flat[1::2]))

    def entries(self, key):
        """A stream's entries: [(id, {field: value}), …]."""
        return [(i, dict(zip(f[::2], f[1::2]))) for i, f in self("XRANGE", key, "-", "+")]

    def keys(self):
        return sorted(self("KEYS", "*"))

    def kill(self):
        self.go_on()
        self.popen.kill()
        self.popen.wait()

    def pause(self):
        self.popen.send_signal(signal.SIGSTOP)
        self.paused = True

    def go_on(self):
        if self.paused:
            self.popen.send_signal(signal.SIGCONT)
            self.paused = False

    def is_up(self):
        return self.popen.poll() is None and not self.paused

    def settings(self):
        env = {"REDIS_PASSWORD": self.password} if self.password else {}
        if self.port:
            return {**env, "REDIS_HOST": "127.0.0.1", "REDIS_PORT": str(self.port)}
        return {**env, "REDIS_SOCKET": self.socket}


# ---- what must be true of Redis at any moment ----


def check_redis(redis, prefix=""):
    """Every list, counter and expiry agrees with the jobs' states. Call it when nobody writes."""
    wrong = []
    keys = {k[len(prefix):]: k for k in redis("KEYS", prefix + "*")}
    types = {k: redis("TYPE", full) for k, full in keys.items()}
    expiry = {k: redis("PTTL", full) for k, full in keys.items()}
    jobs = {k[4:]: redis.hash(keys[k]) for k in keys if k.startswith("job:")}
    alive = ("waiting", "delayed", "running")

    def expires(key, should, why):
        if key in keys and expiry[key] != -2 and (expiry[key] >= 0) != should:
            wrong.append(f"{key} has {'no' if should else 'an'} expiry ({why})")

    lines, queues = {}, set()
    for key in keys:
        part = key.split(":")
        if part[0] == "queue":
            queues.add(part[1])
            if len(part) == 4:
                lines[key] = redis("LRANGE", keys[key], 0, -1)
        elif part[0] not in ("stream", "chat", "job", "idem", "workers", "worker", "routes"):
            wrong.append(f"a key of no known kind: {key}")
        if part[0] in ("idem", "worker"):
            expires(key, True, "always")

    def members(queue, what):
        full = keys.get(f"queue:{queue}:{what}")
        return redis("ZRANGE", full, 0, -1) if full else []

    for job_id, job in jobs.items():
        state, queue = job.get("state"), job.get("queue")
        chat = f"{job.get('feature_id')}:{job.get('chat_id')}"
        if state not in alive + ("done", "dead", "cancelled", "expired"):
            wrong.append(f"job {job_id} has the state {state!r}")
            continue
        expires("job:" + job_id, state not in alive, f"job {state}")
        if ("owner" in job) != (state == "running"):
            wrong.append(f"job {job_id} is {state} and its owner is {job.get('owner')!r}")
        for what, states in (("running", ("running",)), ("delayed", ("delayed",)),
                             ("deadlines", ("waiting",))):
            if (job_id in members(queue, what)) != (state in states):
                wrong.append(f"job {job_id} is {state}; in {what}: {job_id in members(queue, what)}")
        if state == "dead" and job_id not in members(queue, "dead"):
            wrong.append(f"job {job_id} is dead and not among the dead")
        line = f"queue:{queue}:{job.get('priority')}:{job.get('feature_id')}"
        times = lines.get(line, []).count(job_id)
        if times != (1 if state == "waiting" else 0):
            wrong.append(f"job {job_id} is {state} and stands {times} times in {line}")
        if "chat:" + chat in keys and redis("GET", keys["chat:" + chat]) == job_id:
            expires("chat:" + chat, state not in alive, f"its job is {state}")
            expires("stream:" + chat, state not in ("waiting", "delayed"), f"its job is {state}")
        elif state in alive and "chat:" + chat not in keys:
            wrong.append(f"job {job_id} is {state} and its chat does not know it")
        if "stream:" + chat in keys and types["stream:" + chat] == "stream":
            wrong += _check_stream(redis, keys["stream:" + chat], job_id, job)

    for queue in queues:
        counters = redis.hash(keys[f"queue:{queue}"]) if f"queue:{queue}" in keys else {}
        waiting = [i for name, ids in lines.items() if name.split(":")[1] == queue for i in ids]
        size = sum(int(jobs.get(i, {}).get("size", 0)) for i in waiting)
        if int(counters.get("waiting", 0)) != len(waiting):
            wrong.append(f"queue {queue} counts {counters.get('waiting')} waiting, {len(waiting)} are")
        if int(counters.get("bytes", 0)) != size:
            wrong.append(f"queue {queue} counts {counters.get('bytes')} bytes, {size} wait")
        for job_id in waiting + members(queue, "running") + members(queue, "delayed"):
            if job_id not in jobs:
                wrong.append(f"queue {queue} holds {job_id}, which has no hash")
        for priority in range(10):
            turns = f"queue:{queue}:{priority}"
            listed = redis("LRANGE", keys[turns], 0, -1) if turns in keys else []
            filled = [n.split(":")[3] for n in lines if n.startswith(turns + ":")]
            if sorted(listed) != sorted(filled):
                wrong.append(f"{turns} lists {sorted(listed)}, waiting are {sorted(filled)}")
        wake = keys.get(f"queue:{queue}:wake")
        if wake and redis("LLEN", wake) > 16:
            wrong.append(f"queue {queue} has {redis('LLEN', wake)} wake tokens")
    check(not wrong, "Redis is not consistent:\n  " + "\n  ".join(wrong))


def _check_stream(redis, key, job_id, job):
    """A stream of ours is a marker, messages without a hole, and at most one end, which is last."""
    entries = redis.entries(key)
    if not entries or entries[0][1].get("job") != job_id:
        return []
    wrong = []
    attempt = entries[0][0].split("-")[0]
    for number, (entry_id, fields) in enumerate(entries):
        if entry_id != f"{attempt}-{number}":
            wrong.append(f"{key}: entry {number} has the id {entry_id}, not {attempt}-{number}")
            break
        if 0 < number < len(entries) - 1 and "type" in fields:
            wrong.append(f"{key}: {entry_id} is a {fields['type']} in the middle")
    ended = entries[-1][1].get("data") == "[DONE]" and "type" in entries[-1][1]
    if ended != (job["state"] not in ("waiting", "delayed", "running")):
        wrong.append(f"{key}: job {job['state']}, terminal entry: {ended}")
    return wrong


# ---- processes ----


class Program:
    """A gateway or a worker that runs."""

    def __init__(self, leat, name, env, arguments=()):
        self.leat, self.name = leat, name
        number = sum(p.name == name for p in leat.programs) + 1
        self.log_path = os.path.join(leat.dir, f"{name}-{number}.log")
        path = os.path.join(BIN, name)
        check(os.path.exists(path), f"{path} is not built")
        self.env = {**leat.base_env(), **env}
        with open(self.log_path, "wb") as log:
            self.popen = subprocess.Popen([path, *arguments], stdin=subprocess.DEVNULL, stdout=log,
                                          stderr=log, env=self.env, cwd=leat.dir,
                                          start_new_session=True)
        self.pid, self.paused, self.ended_by_story = self.popen.pid, False, False
        leat.programs.append(self)

    def log(self):
        with open(self.log_path, errors="replace") as log:
            return log.read()

    def is_up(self):
        return self.popen.poll() is None

    def signal(self, number):
        self.popen.send_signal(number)

    def pause(self):
        self.signal(signal.SIGSTOP)
        self.paused = True

    def go_on(self):
        if self.paused:
            self.signal(signal.SIGCONT)
            self.paused = False

    def kill(self):
        """kill -9: the story meant it."""
        self.ended_by_story = True
        self.signal(signal.SIGKILL)
        self.popen.wait()

    def terminate(self):
        """SIGTERM, without waiting; `wait` says how it ended."""
        self.ended_by_story = True
        self.signal(signal.SIGTERM)

    def wait(self, seconds=10):
        """Its exit code."""
        self.ended_by_story = True
        until(lambda: not self.is_up(), seconds, f"{self.name} ends")
        return self.popen.returncode

    def stop(self, seconds=10):
        self.terminate()
        same(self.wait(seconds), 0, f"exit code of {self.name} after SIGTERM")

    def sockets(self):
        """Open sockets of this process."""
        count = 0
        for link in glob.glob(f"/proc/{self.pid}/fd/*"):
            try:
                count += os.readlink(link).startswith("socket:")
            except OSError:
                pass
        return count

    def memory_kib(self):
        with open(f"/proc/{self.pid}/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


class Gateway(Program):
    def __init__(self, leat, **env):
        port_file = os.path.join(leat.dir, f"port-{len(leat.programs)}")
        standard = {"API_PORT": "0", "API_PORT_FILE": port_file, "API_DRAIN_MS": ms(2000)}
        super().__init__(leat, "leat-api", {**standard, **leat.redis_settings(), **env})
        until(lambda: self._has(port_file), 10,
              lambda: f"the gateway writes its port; its log: {self.log()[-800:]}")
        with open(port_file) as file:
            self.port = int(file.read())
        if leat.redis and leat.redis.is_up():
            until(lambda: self.request("GET", "/readyz").status == 200, 10,
                  lambda: f"the gateway is ready; its log: {self.log()[-800:]}")

    def _has(self, port_file):
        check(self.is_up(), lambda: f"the gateway ended at start: {self.log()[-800:]}")
        return os.path.exists(port_file) and os.path.getsize(port_file) > 0

    def client(self, method, target, headers=(), body=None, **options):
        return Client(self.port, method, target, headers, body, **options)

    def request(self, method, target, headers=(), body=None, seconds=10, **options):
        """A request whose answer is complete and short."""
        c = self.client(method, target, headers, body, **options)
        c.wait_end(seconds)
        return c

    def post(self, chat, body=None, feature="f", headers=(), query="", **options):
        """POST /stream; gives the open stream."""
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        headers = list(headers)
        if body is not None and not any(n.lower() == "content-type" for n, _ in headers):
            headers.append(("Content-Type", "application/json"))
        return self.client("POST", target(chat, feature, query), headers, body, **options)

    def get(self, chat, feature="f", headers=(), query="", cursor=None, **options):
        """GET /stream, with a cursor as a browser sends it."""
        if cursor is not None:
            headers = list(headers) + [("Last-Event-ID", cursor)]
        return self.client("GET", target(chat, feature, query), headers, **options)

    def delete(self, chat, feature="f", query="", seconds=10):
        return self.request("DELETE", target(chat, feature, query), seconds=seconds)


def target(chat, feature="f", query=""):
    quoted = urllib.parse.urlencode({"feature_id": feature, "chat_id": chat})
    return f"/stream?{quoted}" + (f"&{query}" if query else "")


class Worker(Program):
    def __init__(self, leat, tasks=None, **env):
        standard = {"TASK_MESSAGE_INTERVAL_MS": "20", "WORKER_DRAIN_MS": "0", "TASK_STOP_MS": "300"}
        if tasks:
            standard["WORKER_TASKS"] = tasks
        super().__init__(leat, "leat-worker", {**standard, **leat.redis_settings(), **env})


# What each task written by a story begins with.
TASK_PRELUDE = r'''
import json, os, signal, sys, time
HERE = os.path.dirname(os.path.abspath(__file__))
LINE = sys.stdin.buffer.readline()
job = json.loads(LINE)
chat, attempt = job["chat_id"], job["attempt"]
def say(message):
    sys.stdout.write((message if isinstance(message, str) else json.dumps(message)) + "\n")
    sys.stdout.flush()
def count(first, last):
    for n in range(first, last + 1):
        say({"n": n, "attempt": attempt})
def there(name):
    return os.path.exists(os.path.join(HERE, name))
def until(name):
    while not there(name):
        time.sleep(0.003)
def leave(name, data=b"", mode="wb"):
    with open(os.path.join(HERE, name), mode) as file:
        file.write(data)
leave("run-%s-%s" % (chat, attempt), str(os.getpid()).encode())
'''


class Leat:
    """One story's installation."""

    def __init__(self, redis=True, **options):
        self.token = f"leat-story-{uuid.uuid4()}"
        self.dir = tempfile.mkdtemp(prefix="leat-story-")
        self.programs, self.clients, self.helpers = [], [], []
        self.shared, self.checks_redis, self.prefix = {}, True, ""
        self.redis = Redis(self, **options) if redis else None

    def base_env(self):
        report = os.path.join(self.dir, "sanitizer")
        env = {k: v for k, v in os.environ.items()
               if k in ("PATH", "HOME", "LANG", "TSAN_OPTIONS", "LSAN_OPTIONS")}
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"):
            given = os.environ.get(name)
            env[name] = (given + ":" if given else "") + f"log_path={report}"
        env["LEAT_STORY"] = self.token
        return env

    def settings(self, **env):
        """Settings of all gateways and workers started from now on."""
        self.shared.update(env)

    def redis_settings(self):
        return {**(self.redis.settings() if self.redis else {}), **self.shared}

    def with_redis(self, **options):
        """Another kind of redis-server than the standard one; before anything else."""
        self.redis.kill()
        shutil.rmtree(self.redis.dir)
        self.redis = Redis(self, **options)
        return self.redis

    def gateway(self, **env):
        return Gateway(self, **env)

    def worker(self, tasks=None, ready=True, **env):
        """Start a worker, and wait until Redis knows of it."""
        known = self.redis("ZCARD", "workers") if ready else 0
        worker = Worker(self, tasks, **env)
        if ready:
            until(lambda: self.redis("ZCARD", "workers") > known or not worker.is_up(), 10,
                  lambda: f"the worker says that it lives; its log: {worker.log()[-800:]}")
            check(worker.is_up(), lambda: f"the worker ended at start: {worker.log()[-800:]}")
        return worker

    def task(self, code, mark=""):
        """A task in Python; gives WORKER_TASKS for it. `say`, `count`, `until`, `leave` are there."""
        path = os.path.join(self.dir, f"task{len(glob.glob(self.dir + '/task*.py'))}.py")
        with open(path, "w") as file:
            file.write(TASK_PRELUDE + code)
        return f"generate_messages{mark}={PYTHON} -I -S {path}"

    def file(self, name):
        return os.path.join(self.dir, name)

    def leave(self, name, data=b""):
        """A file that a task waits for."""
        with open(self.file(name), "wb") as file:
            file.write(data)

    def wait_file(self, name, seconds=10):
        """A file that a task leaves, once it has content."""
        path = self.file(name)
        until(lambda: os.path.exists(path) and os.path.getsize(path), seconds,
              lambda: f"a task leaves {name}{self._logs()}")
        with open(path, "rb") as file:
            return file.read()

    def job(self, job_id):
        return self.redis.hash(f"job:{job_id}")

    def wait_state(self, job_id, state, seconds=10):
        until(lambda: self.redis("HGET", f"job:{job_id}", "state") == state, seconds,
              lambda: f"job {job_id} is {state}; it is {self.job(job_id)}")

    def processes(self):
        """The pids of all processes that this story started, however far down."""
        found = []
        for path in glob.glob("/proc/[0-9]*/environ"):
            try:
                with open(path, "rb") as file:
                    if f"LEAT_STORY={self.token}".encode() in file.read().split(b"\0"):
                        found.append(int(path.split("/")[2]))
            except OSError:
                pass
        return found

    def close(self):
        """End everything; gives what was wrong, as lines."""
        wrong = []
        for helper in self.helpers:
            helper.close()
        for client in list(self.clients):
            client.close()
        if self.redis:
            self.redis.go_on()
        for program in self.programs:
            program.go_on()
            if program.ended_by_story:
                continue
            if not program.is_up():
                wrong.append(f"{program.name} ended by itself: exit code {program.popen.returncode}")
            else:
                program.signal(signal.SIGTERM)
        for program in self.programs:
            if not program.is_up():
                code = program.popen.returncode
            else:
                try:
                    code = program.wait(10)
                except Failed as failed:
                    wrong.append(str(failed) + " after SIGTERM")
                    continue
            if not program.ended_by_story and code != 0:
                wrong.append(f"{program.name} ended with exit code {code}")
        if self.redis and self.redis.is_up() and self.checks_redis:
            try:
                check_redis(self.redis, self.prefix)
            except Failed as failed:
                wrong.append(str(failed))
        if self.redis:
            self.redis.kill()
        try:
            until(lambda: not self.processes(), 3, "processes end")
        except Failed:
            wrong += [f"left behind: {pid} {_command(pid)}" for pid in self.processes()]
        self.kill_all()
        for path in glob.glob(os.path.join(self.dir, "sanitizer*")):
            with open(path, errors="replace") as file:
                wrong.append(f"a sanitizer's report:\n{file.read()[:6000]}")
        return wrong

    def kill_all(self):
        for pid in self.processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass
        for program in self.programs:
            program.popen.wait()

    def _logs(self):
        return "".join(f"\n  {p.name}: {p.log()[-400:]}" for p in self.programs)

    def logs(self, most=2500):
        """What the programs said, without the long line of their settings."""
        text = ""
        for program in self.programs:
            lines = [x for x in program.log().splitlines() if '"event":"settings"' not in x]
            said = "\n".join(lines)[-most:]
            text += f"---- {os.path.basename(program.log_path)} ({program.pid})\n{said}\n"
        return text

    def remove(self):
        shutil.rmtree(self.dir, ignore_errors=True)


def _command(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return "?"


# ---- HTTP and SSE ----


class Event:
    def __init__(self, number, name, data, event_id, when):
        self.number, self.name, self.data, self.id, self.when = number, name, data, event_id, when

    def json(self):
        return json.loads(self.data)

    def __repr__(self):
        return f"{self.name or ''}[{self.id}] {_short(self.data, 160)}"


class _Cut(Exception):
    pass


class Client:
    """One request on a connection of its own, read by a thread until it ends or is cut.

    ended: None while it is open; "complete" (the body's regular end), "eof" (the connection ended
    before it), "reset", or "ours".
    """

    open_clients = []

    def __init__(self, port, method, target_, headers=(), body=None, version="1.1", cut_after=None,
                 how="fin", reads=True, receive_buffer=None, host="127.0.0.1", seconds=30):
        self.method, self.target = method, target_
        self.cut_after, self.how = cut_after, how
        self.status, self.headers, self.body = None, [], b""
        self.events, self.comments, self.retry, self.raw = [], [], None, bytearray()
        self.ended, self.wrong, self.last_id = None, None, None
        self.head_at = self.ended_at = None
        self.changed = threading.Condition()
        self._buffer, self._sse, self._left, self._mode = b"", b"", 0, None
        self._id, self._name, self._data = None, None, []
        self.sock = socket.socket()
        if receive_buffer:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.sock.settimeout(seconds * FACTOR)
        self.started = time.monotonic()
        try:
            self.sock.connect((host, port))
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.sock.sendall(self._request(version, headers, body))
        except OSError:
            self.sock.close()
            raise
        self._wake_in, self._wake = socket.socketpair()
        self._thread = None
        Client.open_clients.append(self)
        if reads:
            self.read_on()

    def _request(self, version, headers, body):
        lines = [f"{self.method} {self.target} HTTP/{version}"]
        names = {n.lower() for n, _ in headers}
        if "host" not in names:
            lines.append("Host: localhost")
        lines += [f"{n}: {v}" for n, v in headers]
        if body is not None and not names & {"content-length", "transfer-encoding"}:
            lines.append(f"Content-Length: {len(body)}")
        head = "\r\n".join(lines) + "\r\n\r\n"
        return head.encode("utf-8", "surrogateescape") + (body or b"")

    def read_on(self):
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    # -- the reading thread

    def _run(self):
        ended = "ours"
        try:
            while True:
                ready, _, _ = select.select([self.sock, self._wake_in], [], [])
                if self._wake_in in ready:
                    break
                data = self.sock.recv(65536)
                if not data:
                    ended = "complete" if self._mode in ("close", "done") else "eof"
                    break
                with self.changed:
                    self._feed(data)
                    self.changed.notify_all()
                if self._mode == "done":
                    ended = "complete"
                    break
        except _Cut:
            pass
        except ConnectionResetError:
            ended = "reset"
        except Exception as error:  # a client must not die silently: whoever waits hears of it
            self.wrong = f"{type(error).__name__}: {error}"
        if self.how == "rst" and ended == "ours":
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()
        with self.changed:
            self.ended, self.ended_at = ended, time.monotonic()
            self.changed.notify_all()

    def _feed(self, data):
        self.raw += data
        self._buffer += data
        if self.status is None:
            head, found, rest = self._buffer.partition(b"\r\n\r\n")
            if not found:
                return
            self._head(head.decode("latin-1"))
            self._buffer = rest
        while self._body_step():
            pass

    def _head(self, head):
        first, *lines = head.split("\r\n")
        self.status = int(first.split()[1])
        self.headers = [tuple(line.split(": ", 1)) for line in lines]
        self.head_at = time.monotonic()
        if self.method == "HEAD" or self.status in (204, 304):
            self._mode = "done"
        elif self.header("Transfer-Encoding") == "chunked":
            self._mode = "chunk"
        elif self.header("Content-Length") is not None:
            self._left = int(self.header("Content-Length"))
            self._mode = "length"
        else:
            self._mode = "close"

    def _body_step(self):
        """Take what the buffer holds; whether there may be more."""
        if self._mode == "chunk":
            line, found, rest = self._buffer.partition(b"\r\n")
            if not found:
                return False
            size = int(line, 16)
            if size == 0:
                if len(rest) < 2:
                    return False
                check(rest[:2] == b"\r\n", "the last chunk is followed by an empty line")
                self._mode, self._buffer = "done", rest[2:]
                return False
            if len(rest) < size + 2:
                return False
            check(rest[size:size + 2] == b"\r\n", "a chunk ends with CR LF")
            self._buffer = rest[size + 2:]
            self._take(rest[:size])
            return True
        if self._mode == "length":
            part, self._buffer = self._buffer[:self._left], self._buffer[self._left:]
            self._left -= len(part)
            if self._left == 0:
                self._mode = "done"
            self._take(part)
            return False
        if self._mode == "close":
            part, self._buffer = self._buffer, b""
            self._take(part)
        return False

    def _take(self, data):
        self.body += data
        if not (self.header("Content-Type") or "").startswith("text/event-stream"):
            return
        self._sse += data
        while b"\n" in self._sse:
            line, _, self._sse = self._sse.partition(b"\n")
            self._line(line)

    def _line(self, line):
        check(b"\r" not in line and b"\0" not in line, f"a line of the stream holds CR or NUL: {line!r}")
        text = line.decode("utf-8")  # a server that sends anything else fails here
        if text.startswith(":"):
            self.comments.append((text[1:].strip(), time.monotonic()))
        elif text:
            field, _, value = text.partition(":")
            value = value[1:] if value.startswith(" ") else value
            if field == "id":
                self._id = value
            elif field == "event":
                self._name = value
            elif field == "data":
                self._data.append(value)
            elif field == "retry":
                self.retry = int(value)
            else:
                raise Failed(f"an unknown field in the stream: {line!r}")
        elif self._data:
            event = Event(len(self.events) + 1, self._name, "\n".join(self._data), self._id,
                          time.monotonic())
            self.events.append(event)
            if self._id is not None:
                self.last_id = self._id
            self._id, self._name, self._data = None, None, []
            if self.cut_after is not None and len(self.events) >= self.cut_after:
                raise _Cut()

    # -- the story's side

    def header(self, name):
        for n, v in self.headers:
            if n.lower() == name.lower():
                return v
        return None

    def wait(self, condition, seconds, what):
        end = time.monotonic() + seconds * FACTOR
        with self.changed:
            while not condition():
                left = end - time.monotonic()
                if self.wrong or left <= 0 or self.ended:
                    text = what() if callable(what) else what
                    why = self.wrong or (f"the connection ended ({self.ended})" if self.ended
                                         else f"not within {seconds * FACTOR:g} s")
                    raise Failed(f"{why}: {text}\n  {self.describe()}")
                self.changed.wait(left)
        return self

    def wait_head(self, status=200, seconds=10):
        self.wait(lambda: self.status is not None, seconds, "a head")
        check(self.status == status, lambda: f"status {self.status}, wanted {status}: {self.describe()}")
        return self

    def wait_events(self, count, seconds=10):
        return self.wait(lambda: len(self.events) >= count, seconds, f"{count} events")

    def wait_named(self, name, seconds=10):
        self.wait(lambda: any(e.name == name for e in self.events), seconds, f"an event {name}")
        return next(e for e in self.events if e.name == name)

    def wait_comment(self, start, seconds=10):
        self.wait(lambda: any(c.startswith(start) for c, _ in self.comments), seconds,
                  f"a comment {start!r}; there are {[c for c, _ in self.comments]}")
        return next(c for c, _ in self.comments if c.startswith(start))

    def wait_end(self, seconds=15):
        end = time.monotonic() + seconds * FACTOR
        with self.changed:
            while self.ended is None:
                left = end - time.monotonic()
                if left <= 0:
                    raise Failed(f"no end within {seconds * FACTOR:g} s: {self.describe()}")
                self.changed.wait(left)
        if self.wrong:
            raise Failed(f"{self.wrong}\n  {self.describe()}")
        return self

    def wait_done(self, seconds=15):
        """The stream ends with [DONE] as its last event."""
        self.wait_end(seconds)
        same(self.ended, "complete", f"how the stream ended: {self.describe()}")
        check(self.events and self.events[-1].data == "[DONE]" and self.events[-1].name is None,
              lambda: f"the stream ends with [DONE]: {self.describe()}")
        return self

    def close(self, how=None):
        """Cut the connection, and wait until it is."""
        if how:
            self.how = how
        if self._thread is None:
            if self.how == "rst":
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.sock.close()
            return
        try:
            self._wake.send(b"x")
        except OSError:
            pass
        self._thread.join(10)

    def messages(self):
        """The task's messages, as text."""
        return [e.data for e in self.events if e.name is None and e.data != "[DONE]"]

    def numbers(self):
        """`n` of the task's messages."""
        return [json.loads(m)["n"] for m in self.messages()]

    def names(self):
        return [e.name for e in self.events if e.name]

    def ids(self):
        return [e.id for e in self.events]

    def job(self):
        return self.header("Leat-Job")

    def json(self):
        return json.loads(self.body)

    def describe(self):
        what = f"{self.method} {_short(self.target, 120)} → {self.status}, ended {self.ended}"
        if self.events or self.comments:
            comments = [c for c, _ in self.comments]
            return f"{what}, {len(self.events)} events {self.events[-8:]}, comments {comments[-6:]}"
        return f"{what}, {_short(bytes(self.raw[-700:]))}"


def exact(client, first=1, last=None):
    """The unnamed events carry ids A-first, A-(first+1), … of one attempt, without a hole."""
    ids = [e.id for e in client.events if e.name is None and e.id != "end"]
    check(ids, lambda: f"no events: {client.describe()}")
    attempt = ids[0].split("-")[0]
    same(ids, [f"{attempt}-{n}" for n in range(first, first + len(ids))], "ids of the events")
    if last is not None:
        same(len(ids), last - first + 1, "number of events")


def problem(answer, status):
    """An error of RFC 9457, as all of ours are."""
    same(answer.status, status, f"status of {answer.describe()}")
    same((answer.header("Content-Type") or "").split(";")[0], "application/problem+json",
         f"content type of {answer.describe()}")
    body = answer.json()
    same(body.get("status"), status, "`status` of the problem")
    for member in ("type", "title", "detail"):
        check(isinstance(body.get(member), str) and body[member],
              lambda: f"the problem has a `{member}`: {body}")
    return body


def raw(port, data, seconds=5, half_close=False):
    """Send bytes, and give all that comes back until the server closes. Fails if it does not."""
    with socket.create_connection(("127.0.0.1", port)) as sock:
        sock.settimeout(seconds * FACTOR)
        got = b""
        try:
            sock.sendall(data)
            if half_close:
                sock.shutdown(socket.SHUT_WR)
            while True:
                part = sock.recv(65536)
                if not part:
                    return got
                got += part
        except (ConnectionResetError, BrokenPipeError):
            return got
        except TimeoutError:
            raise Failed(f"the server neither answered {_short(data, 200)} to the end nor closed: "
                         f"{_short(got, 300)}") from None


class Wire:
    """A TCP proxy before a gateway, which can be cut behind the n-th event of a stream."""

    def __init__(self, leat, port):
        self.to, self.cuts = port, []
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.requests, self.pairs, self.closed = [], [], False
        leat.helpers.append(self)
        threading.Thread(target=self._accept, daemon=True).start()

    def cut_behind(self, count):
        """The next stream with so many `data:` lines is reset behind them."""
        self.cuts.append(count)

    def _accept(self):
        while not self.closed:
            try:
                near, _ = self.server.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def _serve(self, near):
        try:
            far = socket.create_connection(("127.0.0.1", self.to))
        except OSError:
            near.close()
            return
        self.pairs.append((near, far))
        seen = 0
        try:
            while True:
                ready, _, _ = select.select([near, far], [], [])
                if near in ready:
                    data = near.recv(65536)
                    if not data:
                        break
                    if b"HTTP/1.1\r\n" in data:
                        self.requests.append(data.decode("latin-1"))
                    far.sendall(data)
                if far in ready:
                    data = far.recv(65536)
                    if not data:
                        break
                    near.sendall(data)
                    seen += data.count(b"\ndata: ")
                    if self.cuts and seen >= self.cuts[0]:
                        self.cuts.pop(0)
                        near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                        break
        except OSError:
            pass
        near.close()
        far.close()

    def close(self):
        self.closed = True
        try:
            self.server.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.server.close()


def many(count, function):
    """Run function(0) … function(count - 1) at the same moment; gives their results."""
    results, gate = [None] * count, threading.Barrier(count)

    def one(index):
        gate.wait()
        try:
            results[index] = function(index)
        except Exception as error:
            results[index] = error

    threads = [threading.Thread(target=one, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in results:
        if isinstance(result, Exception):
            raise result
    return results


def a_chat():
    return f"chat-{random.randrange(10**9)}"
