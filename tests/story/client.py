"""client.py: one HTTP request on a raw socket, the events it brings, and a wire that can be cut."""
import json
import select
import socket
import struct
import threading
import time

from words import FACTOR, Failed, check, same, short


class Event:
    def __init__(self, number, name, data, event_id, when):
        self.number, self.name, self.data, self.id, self.when = number, name, data, event_id, when

    def json(self):
        return json.loads(self.data)

    def __repr__(self):
        return f"{self.name or ''}[{self.id}] {short(self.data, 160)}"


def _readable(*sockets):
    """Those that can be read, once one can. (Not select(): a process may have many files open.)"""
    poll = select.poll()
    for sock in sockets:
        poll.register(sock, select.POLLIN)
    numbers = {number for number, _ in poll.poll()}
    return [sock for sock in sockets if sock.fileno() in numbers]


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
        self.status, self.headers, self.body = None, [], bytearray()
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
                if self._wake_in in _readable(self.sock, self._wake_in):
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
            self._wake_in.close()
            self._wake.close()
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
        with self.changed:
            if not self.ended:
                self._wake.send(b"x")
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
        what = f"{self.method} {short(self.target, 120)} → {self.status}, ended {self.ended}"
        if self.events or self.comments:
            comments = [c for c, _ in self.comments]
            return f"{what}, {len(self.events)} events {self.events[-8:]}, comments {comments[-6:]}"
        return f"{what}, {short(bytes(self.raw[-700:]))}"


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
            raise Failed(f"the server neither answered {short(data, 200)} to the end nor closed: "
                         f"{short(got, 300)}") from None


class Wire:
    """A TCP proxy before a gateway, which can be cut."""

    def __init__(self, leat, port):
        self.to = port
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.requests, self.pairs, self.closed = [], [], False
        leat.helpers.append(self)
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self):
        """Every connection that is open now ends, on both sides."""
        for near, far in self.pairs:
            for sock in (near, far):
                try:
                    sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass  # it has ended already

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
        try:
            while True:
                ready = _readable(near, far)
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
