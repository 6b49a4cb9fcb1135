"""soak_client.py: many clients in one thread. Each asks a question, follows the answer over cuts,
checks that every message comes once and in its turn, and asks the next.

What is expected is known before: message N of an attempt has the id A-N and says that it is number
N - 1. So an event that repeats, is missing or is another attempt's is wrong when it comes; only a
`reset` may begin an answer anew.
"""
import heapq
import json
import random
import select
import socket
import struct
import time
from collections import Counter

SILENCE_S = 40  # a comment comes each API_HEARTBEAT_MS
READ_BYTES = 65536


class Chunks:
    """The body of a chunked answer, from pieces of any size."""

    def __init__(self):
        self.rest, self.is_over = b"", False

    def feed(self, data):
        self.rest += data
        payload, at = [], 0
        while not self.is_over:
            end = self.rest.find(b"\r\n", at)
            if end < 0:
                break
            size = int(self.rest[at:end], 16)
            if size == 0:
                self.is_over = True
            elif len(self.rest) < end + 2 + size + 2:
                break
            else:
                payload.append(self.rest[end + 2:end + 2 + size])
                at = end + 2 + size + 2
        self.rest = self.rest[at:]
        return b"".join(payload)


class Wrong(Exception):
    """An answer is not what was promised."""


class Follower:
    """One question after the other."""

    def __init__(self, crowd, number, feature, count, slow):
        self.crowd, self.name, self.feature, self.count, self.slow = crowd, number, feature, count, slow
        self.asked, self.sock, self.open = 0, None, False
        self.chance = random.Random(f"{crowd.seed} {feature} {number}")

    def ask(self):
        self.asked += 1
        self.cursor, self.attempt, self.had, self.pauses = None, None, 0, 0
        self.connect()

    # -- a connection

    def connect(self):
        self.head, self.chunks, self.sse = b"", None, b""
        self.heard, self.seen, self.cut_after = time.monotonic(), 0, None
        if self.chance.random() < 0.4:
            self.cut_after = self.chance.randrange(1, self.count)
        self.sock = socket.socket()
        if self.slow:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        self.sock.settimeout(10)
        method, cursor = ("GET", f"Last-Event-ID: {self.cursor}\r\n") if self.cursor else ("POST", "")
        try:
            self.sock.connect(("127.0.0.1", self.crowd.port))
            self.sock.sendall(f"{method} /stream?feature_id={self.feature}&chat_id={self.chat()} HTTP/1.1\r\n"
                              f"Host: localhost\r\n{cursor}\r\n".encode())
        except OSError:
            self.sock.close()
            self.again("refused")
            return
        self.sock.setblocking(False)
        self.open = True
        self.crowd.add(self)
        self.crowd.counts["connections"] += 1

    def chat(self):
        return f"{self.name}-{self.asked}"

    def close(self, reset=False):
        if self.open:
            self.crowd.remove(self)
            if reset:
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.sock.close()
            self.open = False

    def again(self, why, seconds=None):
        """It was cut: go on soon."""
        self.crowd.counts[why] += 1
        self.close()
        wait = self.chance.choice((0, 0, 0.05, 0.5)) if seconds is None else seconds
        self.crowd.later(wait, self.connect)

    def read(self):
        try:
            data = self.sock.recv(READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self.again("reset by peer")
            return
        if not data:
            self.again("ended without [DONE]")
            return
        self.heard = time.monotonic()
        self.take(data)
        # Not for so long that the answer expires meanwhile.
        if self.slow and self.open and self.pauses < 3 and self.chance.random() < 0.05:
            self.pauses += 1
            self.crowd.pause(self, self.chance.uniform(2, 5))

    def take(self, data):
        if self.chunks is None:
            self.head += data
            if b"\r\n\r\n" not in self.head:
                return
            head, data = self.head.split(b"\r\n\r\n", 1)
            status = int(head.split()[1])
            if status in (429, 503):
                self.again(f"status {status}", self.chance.uniform(0.2, 1))
                return
            if status != 200 or b"transfer-encoding: chunked" not in head.lower():
                raise Wrong(f"answer {head!r} {data!r}")
            self.chunks = Chunks()
        self.sse += self.chunks.feed(data)
        while self.open and b"\n\n" in self.sse:
            block, self.sse = self.sse.split(b"\n\n", 1)
            self.block(block.decode())

    # -- events

    def block(self, text):
        fields = dict(line.split(": ", 1) for line in text.split("\n") if line and line[0] != ":")
        if "data" not in fields:
            return
        self.crowd.counts["events"] += 1
        self.seen += 1
        if fields.get("event") == "reset":
            self.reset(fields)
        elif "event" in fields:
            raise Wrong(f"event {fields}")
        elif fields["data"] == "[DONE]":
            self.end(fields)
            return
        else:
            self.message(fields)
        if self.seen == self.cut_after:
            self.crowd.counts["cut by us"] += 1
            self.close(reset=self.chance.random() < 0.5)
            self.again("resumed")

    def reset(self, fields):
        self.crowd.counts["resets"] += 1
        if json.loads(fields["data"])["reason"] != "retry":
            raise Wrong(f"reset {fields}")
        self.cursor, self.had = fields["id"], 0
        self.attempt = self.cursor.split("-")[0]

    def expect(self, fields):
        attempt, number = fields["id"].split("-")
        if self.attempt is None:
            self.attempt = attempt
        if attempt != self.attempt or int(number) != self.had + 1:
            raise Wrong(f"expected {self.attempt}-{self.had + 1}, got {fields['id']}: {fields['data'][:200]}")
        self.cursor = fields["id"]

    def message(self, fields):
        self.expect(fields)
        if json.loads(fields["data"])["id"] != str(self.had):
            raise Wrong(f"expected message {self.had}, got {fields['data'][:200]}")
        self.had += 1

    def end(self, fields):
        self.expect(fields)
        if self.had != self.count:
            raise Wrong(f"ended after {self.had} of {self.count} messages")
        self.crowd.counts["answers"] += 1
        self.close()
        self.crowd.free(self)

    def describe(self):
        return f"{self.feature} {self.chat()} at {self.cursor}"


class Crowd:
    """All followers, in the thread that calls `run`."""

    def __init__(self, port, seed):
        self.port, self.seed = port, seed
        self.counts, self.wrong = Counter(), []
        self.ending = False
        self.poll, self.by_fd, self.followers, self.busy = select.epoll(), {}, [], 0
        self.timers, self.order = [], 0

    def start(self, count, feature, messages, slow=False):
        for number in range(count):
            follower = Follower(self, f"{feature}{number}", feature, messages, slow)
            self.followers.append(follower)
            self.busy += 1
            # Spread over a second, so that answers do not end together.
            self.later(number / count, follower.ask)

    def later(self, seconds, what):
        self.order += 1
        heapq.heappush(self.timers, (time.monotonic() + seconds, self.order, what))

    def add(self, follower):
        self.by_fd[follower.sock.fileno()] = follower
        self.poll.register(follower.sock, select.EPOLLIN)

    def remove(self, follower):
        if self.by_fd.pop(follower.sock.fileno(), None):
            self.poll.unregister(follower.sock)

    def pause(self, follower, seconds):
        """It reads nothing for so long."""
        self.counts["pauses of slow readers"] += 1
        self.remove(follower)
        sock = follower.sock

        def read_on():
            if follower.sock is sock and follower.open:
                follower.heard = time.monotonic()
                self.add(follower)

        self.later(seconds, read_on)

    def free(self, follower):
        """It has its answer."""
        self.busy -= 1
        if not self.ending:
            self.busy += 1
            self.later(follower.chance.uniform(0, 0.2), follower.ask)

    def guarded(self, follower, what):
        try:
            what()
        except (Wrong, ValueError, KeyError) as error:
            self.wrong.append(f"{follower.describe()}: {type(error).__name__}: {error}")
            follower.close()
            self.free(follower)

    def run(self, seconds):
        """Serve everybody for so long, or until nobody is left."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.busy:
            while self.timers and self.timers[0][0] <= time.monotonic():
                heapq.heappop(self.timers)[2]()
            next_at = min([end] + [timer[0] for timer in self.timers[:1]])
            for fd, _ in self.poll.poll(max(0.001, min(0.05, next_at - time.monotonic()))):
                follower = self.by_fd.get(fd)
                if follower:
                    self.guarded(follower, follower.read)

    def look_for_silence(self):
        now = time.monotonic()
        for follower in list(self.by_fd.values()):
            if now - follower.heard > SILENCE_S:
                self.wrong.append(f"{follower.describe()}: not a word for {SILENCE_S} s")
                follower.again("silent")

    def close(self):
        for follower in self.followers:
            follower.close()
        self.poll.close()
