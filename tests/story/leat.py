"""leat.py: what the stories are told with.

A `Leat` is one installation of a story's own: a private redis-server (redis_server.py), gateways
and workers with short settings, tasks written on the spot. A `Client` (client.py) is one HTTP
request, which notes every event and comment with its time and can be cut off behind any event.
Nothing here sleeps in place of a condition; `until` (words.py) waits for one, with a bound that
LEAT_TIME_FACTOR stretches.
"""
import glob
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.parse
import uuid

from client import Client, Wire, exact, problem, raw  # noqa: F401 (for the stories)
from redis_server import Redis, check_redis, fsck  # noqa: F401 (for the stories)
from words import (AT_ONCE, BIN, FACTOR, HERE, Failed, check, free_port, limit, many, ms, same,  # noqa: F401
                   soonest, stays, until)

PYTHON = "/usr/bin/python3"


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
            self.popen = subprocess.Popen([*leat.before, path, *arguments], stdin=subprocess.DEVNULL, stdout=log,
                                          stderr=log, env=self.env, cwd=leat.dir,
                                          start_new_session=True)
        self.pid, self.paused, self.ended_by_story = self.popen.pid, False, False
        leat.programs.append(self)

    def log(self):
        with open(self.log_path, errors="replace") as log:
            return log.read()

    def said(self, event):
        """The lines of its log that have this event."""
        return [line for line in map(json.loads, self.log().splitlines()) if line["event"] == event]

    def says(self, event, job):
        """Its log has this event of a job."""
        return any(line.get("job") == job for line in self.said(event))

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

    def settled_sockets(self):
        """As many as it has once nobody comes or goes any more: each new stream has two for a moment."""
        counted = [(-1, 0)]

        def settled():
            count, now = self.sockets(), time.monotonic()
            if count != counted[-1][0]:
                counted.append((count, now))
            return now - counted[-1][1] > 0.3 * FACTOR

        until(settled, 10, lambda: f"{self.name} has as many sockets as before: {counted[-8:]}")
        return counted[-1][0]

    def memory_kib(self):
        with open(f"/proc/{self.pid}/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


# Settings of every gateway that a story does not set itself, e.g. "API_TAIL_LANES=0 API_LOOPS=3".
GIVEN = dict(word.split("=", 1) for word in os.environ.get("LEAT_TEST_API", "").split())
LOOPS = int(GIVEN.get("API_LOOPS", "1"))  # a client comes to any of them


class Gateway(Program):
    def __init__(self, leat, **env):
        port_file = os.path.join(leat.dir, f"port-{len(leat.programs)}")
        standard = {"API_PORT": "0", "API_PORT_FILE": port_file, "API_DRAIN_MS": ms(2000)}
        self.host = env.get("API_HOST", "127.0.0.1")
        super().__init__(leat, "leat-api", {**standard, **GIVEN, **leat.redis_settings(), **env})
        until(lambda: self._has(port_file), 10,
              lambda: f"the gateway writes its port; its log: {self.log()[-800:]}")
        with open(port_file) as file:
            self.port = int(file.read())
        if leat.redis and leat.redis.is_up():
            if self.env.get("LOG_LEVEL", "info") == "info":  # /readyz is answered by one loop
                until(lambda: self.log().count('"event":"ready"') >= int(self.env.get("API_LOOPS", "1")),
                      10, lambda: f"every loop is ready; its log: {self.log()[-800:]}")
            until(lambda: self.request("GET", "/readyz").status == 200, 10,
                  lambda: f"the gateway is ready; its log: {self.log()[-800:]}")

    def _has(self, port_file):
        check(self.is_up(), lambda: f"the gateway ended at start: {self.log()[-800:]}")
        return os.path.exists(port_file) and os.path.getsize(port_file) > 0

    def is_away(self):
        """Has every loop noticed that it cannot use Redis?"""
        answer = self.request("GET", "/readyz")
        return answer.status == 503 and b"There is no usable connection to Redis." in answer.body

    def client(self, method, target, headers=(), body=None, **options):
        return Client(self.port, method, target, headers, body, host=self.host, **options)

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
        standard = {"TASK_MESSAGE_INTERVAL_MS": "20", "WORKER_DRAIN_MS": "0", "TASK_STOP_MS": ms(300),
                    "JOB_TIMEOUT_MS": ms(60000)}
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
        self.before = []  # what the command lines of programs started from now on begin with
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

    def _known_workers(self):
        return set(self.redis("ZRANGE", "workers", 0, -1))

    def worker(self, tasks=None, ready=True, **env):
        """Start a worker, and wait until Redis knows of it."""
        known = self._known_workers() if ready else set()
        worker = Worker(self, tasks, **env)
        if ready:
            until(lambda: self._known_workers() - known or not worker.is_up(), 10,
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
            try:
                helper.close()
            except Exception as error:
                wrong.append(f"{type(helper).__name__} does not close: {error!r}")
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
