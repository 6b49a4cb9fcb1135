"""redis_server.py: a private redis-server, and what must be true of its keys at any moment."""
import ctypes
import json
import os
import signal
import socket
import subprocess

from words import BIN, FACTOR, Failed, check, free_port, until


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
    """A private redis-server. Called like a function it runs a command.

    name: its folder, where a story has several. options: further words of its command line.
    before: what its command line begins with. env: added to its environment.

    Its append-only file has what was answered: it is written before each answer, and a loss of power is
    no story's. (With everysec a slow disk holds back up to two seconds of it.)
    """

    def __init__(self, leat, tcp=False, append_only=False, password=None, name="redis", options=(),
                 before=(), env=()):
        self.leat, self.append_only, self.password = leat, append_only, password
        self.options, self.before, self.env = list(options), list(before), dict(env)
        self.dir = os.path.join(leat.dir, name)
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
        command = [*self.before, "redis-server", "--port", str(self.port), "--bind", "127.0.0.1",
                   "--unixsocket", self.socket, "--dir", self.dir, "--save", "",
                   "--appendonly", "yes" if self.append_only else "no",
                   "--appendfsync", "no", "--stream-node-max-bytes", "1024",
                   "--maxmemory-policy", "noeviction", "--databases", "4"]
        if self.password:
            command += ["--requirepass", self.password]
        command += self.options
        with open(os.path.join(self.dir, "log"), "ab") as log:
            self.popen = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                          env={**self.leat.base_env(), **self.env},
                                          start_new_session=True, preexec_fn=_die_with_the_story)

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

    def growing_file(self):
        """The append-only file's part that grows: the last increment that its manifest names."""
        folder = os.path.join(self.dir, "appendonlydir")
        with open(os.path.join(folder, "appendonly.aof.manifest")) as manifest:
            names = [line.split()[1] for line in manifest if " type i" in line]
        return os.path.join(folder, names[-1])

    def restart_without(self, size):
        """Killed, and started again with only the first bytes of what grew."""
        self.kill()
        os.truncate(self.growing_file(), size)
        self.start()

    def kill(self):
        self.go_on()
        self.popen.kill()
        self.popen.wait()

    close = kill  # as one of a story's helpers

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


def caught_up(master, replica):
    """The replica has all that the master has written. (WAIT looks at one connection's writes.)"""
    def offset(redis, name):
        lines = redis("INFO", "replication").splitlines()
        return next(int(line.split(":")[1]) for line in lines if line.startswith(name))

    wanted = offset(master, "master_repl_offset:")
    until(lambda: offset(replica, "slave_repl_offset:") >= wanted, 10, "the replica has it all")


# ---- what must be true of Redis at any moment ----


def fsck(redis, *arguments, prefix="", **env):
    """Run leat-fsck on it: its exit code, its findings, its summary; or what it printed (code 2)."""
    env = {**redis.leat.base_env(), **redis.leat.shared, **redis.settings(), "REDIS_TIMEOUT_MS": "30000",
           "REDIS_SOCKET": redis.socket, "LEAT_KEY_PREFIX": prefix, **env}
    done = subprocess.run([os.path.join(BIN, "leat-fsck"), "--json", *arguments], env=env, text=True,
                          capture_output=True, stdin=subprocess.DEVNULL, timeout=60 * FACTOR)
    if done.returncode not in (0, 1):
        return done.returncode, done.stdout + done.stderr, {}
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return done.returncode, lines[:-1], lines[-1]


def check_redis(redis, prefix=""):
    """All that Redis holds fits together, says leat-fsck; and there is nothing but ours."""
    code, found, summary = fsck(redis, prefix=prefix)
    check(code in (0, 1), lambda: f"leat-fsck could not check: {found}")
    lines = [f"{f['finding']} {f['key']} {f['sentence']}" for f in found]
    if not prefix and summary["other_keys"]:
        lines.append(f"{summary['other_keys']} keys of no known kind: {redis.keys()}")
    check(not lines, "Redis is not consistent:\n  " + "\n  ".join(lines))
