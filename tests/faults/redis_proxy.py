"""redis_proxy.py: what stands between a program and Redis, reads along, and strikes.

One thread carries the bytes of all connections, so the program's calls have one order. A `Relay`
can be led to another Redis (a failover by address) or held (a replica that lags); a `RedisProxy`
can kill the program at a call, or cut it off for a moment.
"""
import hashlib
import os
import re
import selectors
import socket
import threading

HERE = os.path.dirname(os.path.abspath(__file__))


def _steps():
    """The names of the steps, in the order in which a connection loads them (common/script.h)."""
    with open(os.path.join(HERE, "..", "..", "common", "script.h")) as file:
        names = re.findall(r"^    SCRIPT_([A-Z_]+),", file.read(), re.MULTILINE)
    return [name.lower() for name in names[:names.index("STEPS")]]


STEPS = _steps()


def frame_end(data):
    """Where the first RESP value in `data` ends; None while it is not complete."""
    at, left = 0, 1
    while left:
        line = data.find(b"\r\n", at)
        if line < 0:
            return None
        kind, size = data[at:at + 1], data[at + 1:line]
        at = line + 2
        if kind == b"*":
            left += max(0, int(size))
        elif kind == b"$" and int(size) >= 0:
            at += int(size) + 2
        left -= 1
    return at if at <= len(data) else None


def frames(buffer):
    """Take all complete values out of a bytearray."""
    found = []
    while buffer:
        end = frame_end(buffer)
        if end is None:
            break
        found.append(bytes(buffer[:end]))
        del buffer[:end]
    return found


class _Pair:
    """One connection of the program, and ours to Redis for it."""

    def __init__(self, near, far):
        self.near, self.far = near, far
        self.asked, self.answered = bytearray(), bytearray()
        self.calls, self.answers, self.loads, self.strike_at = 0, 0, 0, None


class Relay:
    """A TCP port before `target`: (host, port), or the path of a Unix socket."""

    def __init__(self, leat, target):
        self.target, self.held, self.kept = target, False, 0
        self._lock, self._pairs = threading.Lock(), []
        self._selector = selectors.DefaultSelector()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self._selector.register(self._server, selectors.EVENT_READ, None)
        self._wake_in, self._wake = socket.socketpair()
        self._selector.register(self._wake_in, selectors.EVENT_READ, None)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        leat.helpers.append(self)

    def settings(self):
        return {"REDIS_SOCKET": "", "REDIS_HOST": "127.0.0.1", "REDIS_PORT": str(self.port)}

    def switch(self, target, cut=True):
        """New connections go to this address; what is open is cut, or goes on."""
        with self._lock:
            self.target = target
            for pair in list(self._pairs) if cut else ():
                self._drop(pair)

    def hold(self):
        """From now on nothing that the target says gets through; `kept` counts its bytes."""
        with self._lock:
            self.held = True

    def close(self):
        if self._thread.is_alive():
            self._wake.send(b"x")
            self._thread.join(5)

    # -- the carrying thread

    def _run(self):
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is self._wake_in:
                    self._end()
                    return
                with self._lock:
                    if key.fileobj is self._server:
                        self._accept()
                    elif key.data in self._pairs:
                        self._carry(key.fileobj, key.data)

    def _accept(self):
        near, _ = self._server.accept()
        family = socket.AF_UNIX if isinstance(self.target, str) else socket.AF_INET
        far = socket.socket(family, socket.SOCK_STREAM)
        try:
            far.settimeout(5)
            far.connect(self.target)
        except OSError:
            near.close()
            far.close()
            return
        near.settimeout(5)
        near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        pair = _Pair(near, far)
        self._pairs.append(pair)
        for sock in (near, far):
            self._selector.register(sock, selectors.EVENT_READ, pair)

    def _carry(self, sock, pair):
        try:
            data = sock.recv(1 << 18)
            if not data:
                self._drop(pair)
            elif sock is pair.near:
                self._calls(pair, data)
            elif self.held:
                self.kept += len(data)
            else:
                self._answers(pair, data)
        except OSError:
            self._drop(pair)

    def _calls(self, pair, data):
        pair.far.sendall(data)

    def _answers(self, pair, data):
        pair.near.sendall(data)

    def _drop(self, pair):
        self._pairs.remove(pair)
        for sock in (pair.near, pair.far):
            self._selector.unregister(sock)
            sock.close()

    def _end(self):
        with self._lock:
            for pair in list(self._pairs):
                self._drop(pair)
            for sock in (self._server, self._wake_in, self._wake):
                sock.close()
            self._selector.close()


class RedisProxy(Relay):
    """Before a program's Redis.

    seen: the names of the program's calls; calls: of those that counted since `arm`. struck: set
    once the program is dead, or cut off.
    """

    def __init__(self, leat, target):
        self.struck, self.calls, self.seen = threading.Event(), [], []
        self._program, self._number, self._when, self._counts = None, None, None, None
        self._names, self._armed = {}, False
        super().__init__(leat, target)

    def arm(self, program, number, when, counts):
        """Kill the program at the number-th call from now on whose name counts.

        program: None only cuts its connections, all of them. when: "before" Redis gets the call,
        or "after" Redis has answered and before the program knows.
        """
        with self._lock:
            self.calls, self._armed = [], True
            self._program, self._number, self._when, self._counts = program, number, when, counts

    def _calls(self, pair, data):
        pair.asked += data
        for frame in frames(pair.asked):
            pair.calls += 1
            name = self._name(pair, frame)
            self.seen.append(name)
            counts = self._armed and self._counts(name)
            if counts:
                self.calls.append(name)
            if counts and len(self.calls) == self._number:
                if self._when == "before":
                    self._strike()
                    return
                pair.strike_at = pair.calls
            pair.far.sendall(frame)

    def _answers(self, pair, data):
        pair.answered += data
        for frame in frames(pair.answered):
            pair.answers += 1
            if pair.strike_at and pair.answers >= pair.strike_at:
                self._strike()
                return
            pair.near.sendall(frame)

    def _name(self, pair, frame):
        words = frame.split(b"\r\n")[2::2]
        name = words[0].decode().upper()
        if name == "SCRIPT":
            text = frame[frame.index(b"\r\n", frame.index(b"LOAD\r\n") + 6) + 2:-2]
            self._names[hashlib.sha1(text).hexdigest()] = STEPS[pair.loads]
            pair.loads += 1
        if name.startswith("EVAL"):
            return self._names.get(words[1].decode("latin-1"), name)
        return name

    def _strike(self):
        if self._program:
            self._program.kill()
        self._armed = False
        for pair in list(self._pairs):
            self._drop(pair)
        self.struck.set()
