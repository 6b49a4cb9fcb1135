"""redis_server.py: a private redis-server, and what must be true of its keys at any moment."""
import ctypes
import os
import signal
import socket
import subprocess

from words import FACTOR, Failed, check, free_port, until


def _die_with_the_story():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


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
                                          env=self.leat.base_env(), start_new_session=True,
                                          preexec_fn=_die_with_the_story)

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
    jobs = {k: job for k, job in jobs.items() if job}  # the others expired just now
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
        elif part[0] not in ("stream", "chat", "job", "idem", "workers", "worker", "routes", "queues",
                             "schedules", "schedule"):
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
        if state == "dead" and (job_id in members(queue, "dead")) == ("retried_as" in job):
            wrong.append(f"job {job_id} is dead, tried again: {job.get('retried_as')}; "
                         f"among the dead: {job_id in members(queue, 'dead')}")
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
        size = sum(int(jobs.get(i, {}).get("size", 0)) for i in waiting + members(queue, "delayed"))
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
