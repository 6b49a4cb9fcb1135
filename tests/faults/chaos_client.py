"""chaos_client.py: the checker clients. They ask, follow, drop, resume, join late, stop, replace.

An asker is a thread that asks one question after the other; what follows it (a late follower, a
DELETE, a replacing question) runs in threads of its own that end with the question. Each follower
is a `Reader`: it fills one `View` (chaos_checks.py) over any number of connections, and measures
how long each of them was silent.
"""
import json
import random
import threading
import time
from collections import Counter

import chaos_checks
from chaos_checks import View, Wrong
from client import Client
from leat import FACTOR, target
from redis_server import RedisError
from words import many

HEAD_S, SILENCE_S = 3.5, 2.5  # a step takes REDIS_TIMEOUT_MS at most; a comment comes each half second
GIVE_UP_S = 60                # a question that has no end by now has none


class Stalls(threading.Thread):
    """Notes when this process itself stood still: then a silence is not the gateway's."""

    def __init__(self):
        super().__init__(daemon=True)
        self.found, self.over = [], False

    def run(self):
        before = time.monotonic()
        while not self.over:
            time.sleep(0.02)
            now = time.monotonic()
            if now - before > 0.2:
                self.found.append((before, now))
            before = now


class Question:
    """What is asked, how, and under which identity."""

    def __init__(self, load, chance, chat, poison=False, kind=None):
        kinds = ("body", "both", "job") if poison else ("body", "both", "job", "key", "plain")
        number, self.kind = load.next_number(), kind or chance.choice(kinds)
        self.chat, self.headers, self.body, self.identity = chat, [], None, None
        order = {"question": number, **self._order(load, chance, poison)}
        if self.kind in ("body", "both"):
            self.body = order
        elif self.kind == "job":
            self.body = self._job(chance, chat, order)
            self.chat = self.body.get("chat_id")
        if self.kind in ("key", "both", "job"):
            self.headers.append(("Idempotency-Key", f"k{number}"))
        if self.body:
            self.headers.append(("Content-Type", "application/json"))
            self.body = json.dumps(self.body).encode()
        if self.kind != "plain":
            self.identity = (chat, "body" if self.kind == "body" else "key", number)

    def path(self, query=""):
        return "/jobs" if self.kind == "job" else target(self.chat, query=query)

    @staticmethod
    def _job(chance, chat, order):
        """For POST /jobs; where it has no chat, the job's id is the chat."""
        job = {"type": "generate_messages", "feature_id": "f", "payload": order,
               "priority": chance.randrange(10), "delay_ms": chance.choice((0, 0, 200, 1500))}
        return {**job, "chat_id": chat} if chance.random() < 0.5 else job

    @staticmethod
    def _order(load, chance, poison):
        count = chance.choice((1, 3, 10, 20, 40))
        order = {"count": count, "at": chance.randrange(1, count + 1),
                 "pauses": [chance.choice((0, 1, 5, 20, 60)) for _ in range(5)]}
        if poison:
            order["poison"] = True
        elif chance.random() < 0.25:
            order["trouble"] = {"1": chance.choice(("fail", "exit", "crash", "fail", "exit", "crash", "hang"))}
        elif chance.random() < 0.05:
            order["refuses"] = True
        return order


class Load:
    """All clients of a round, and what they recorded."""

    def __init__(self, fleet, seed, askers, lossy, found, say):
        self.fleet, self.seed, self.lossy, self.found, self.say = fleet, seed, lossy, found, say
        self.views, self.accepted, self.stopped = [], [], []
        self.stopping, self.giving_up = threading.Event(), threading.Event()
        self.lock, self.wishes, self._number = threading.Lock(), [], 0
        self.stalls = Stalls()
        self.counts, self.longest, self.compared = Counter(), 0.0, 0
        self.threads = [threading.Thread(target=self._asker, args=(n,), daemon=True) for n in range(askers)]

    def start(self):
        self.stalls.start()
        for thread in self.threads:
            thread.start()

    def end(self, seconds):
        """No more questions; wait for those that are asked. How many have no end by then."""
        self.stopping.set()
        by = time.monotonic() + seconds
        for thread in self.threads:
            thread.join(max(0.1, by - time.monotonic()))
        late = sum(thread.is_alive() for thread in self.threads)
        self.giving_up.set()
        for thread in self.threads:
            thread.join(20 * FACTOR)
        self.stalls.over = True
        return late

    def wish(self, what):
        """The injector asks for a question of a kind; the next free asker asks it."""
        with self.lock:
            self.wishes.append(what)

    def next_number(self):
        with self.lock:
            self._number += 1
            return self._number

    def accept(self, identity, job):
        with self.lock:
            self.accepted.append((identity, job))

    def report(self, wrong):
        with self.lock:
            self.found.extend(wrong)
        for each in wrong:
            self.say(f"WRONG {each.invariant} {each.kind}: {each.text[:600]}")

    # -- an asker

    def _asker(self, number):
        chance = random.Random(f"{self.seed} asker {number}")
        chat, asked = None, 0
        while not self.stopping.is_set():
            with self.lock:
                wish = self.wishes.pop(0) if self.wishes else None
            asked += 1
            if chat is None or wish or chance.random() < 0.7:
                chat = f"c{number}-{asked}"
            try:
                if wish == "burst":
                    self._burst(chance, chat)
                elif not self._question(chance, chat, wish == "poison"):
                    chat = None
            except Exception as error:  # a checker that dies silently checks nothing
                self.report([Wrong("I2", "checker", f"an asker: {type(error).__name__}: {error}")])
            time.sleep(chance.uniform(0, 0.1))

    def _question(self, chance, chat, poison):
        """One question and all that befalls it; whether the chat may be used again."""
        question = Question(self, chance, chat, poison)
        reader = Reader(self, chance, chat, "the asker")
        first = reader.ask(question)
        if first is None:
            return False
        besides = []
        if chance.random() < 0.4:
            besides.append(self._beside(chance, self._follow_late, reader.view.chat))
        if chance.random() < 0.1 and not poison:
            besides.append(self._beside(chance, self._stop, reader.view.chat, first.job()))
        elif chance.random() < 0.1 and not poison:
            besides.append(self._beside(chance, self._replace, reader.view.chat))
        reader.follow(first)
        for thread in besides:
            thread.join()
        return reader.view.end is not None

    def _beside(self, chance, what, *arguments):
        own = random.Random(chance.random())

        def run():
            try:
                time.sleep(own.uniform(0, 1.2))
                what(own, *arguments)
            except Exception as error:
                self.report([Wrong("I2", "checker", f"{what.__name__}: {type(error).__name__}: {error}")])

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        return thread

    def _follow_late(self, chance, chat):
        Reader(self, chance, chat, "a late follower").follow()

    def _replace(self, chance, chat):
        question = Question(self, chance, chat, kind="both")
        reader = Reader(self, chance, chat, "the replacing asker")
        first = reader.ask(question, "if_busy=replace")
        if first:
            reader.follow(first)

    def _stop(self, chance, chat, job):
        by = time.monotonic() + 10 * FACTOR
        while time.monotonic() < by and not self.giving_up.is_set():
            try:
                answer = self.request(chance, "DELETE", target(chat, query=f"job={job}"))
            except OSError:
                time.sleep(0.1)
                continue
            if answer and answer.status in (200, 404):
                self.counts[f"DELETE {answer.status}"] += 1
                if answer.status == 200:
                    with self.lock:
                        self.stopped.append((job, answer.json()["state"]))
                return
            time.sleep(0.2)

    def request(self, chance, method, path, headers=(), body=None):
        """A short answer, complete; None where the connection broke before that."""
        gateway = self.fleet.gateway(chance)
        client = Client(gateway.port, method, path, headers, body)
        try:
            with client.changed:
                client.changed.wait_for(lambda: client.ended, HEAD_S * FACTOR)
            if not client.ended and not self.giving_up.is_set():
                self.report([Wrong("I7", "silence", f"no whole answer: {client.describe()}")])
            client.close()
            return client if client.ended == "complete" else None
        finally:
            Client.open_clients.remove(client)

    def _burst(self, chance, chat):
        """The same question twelve times at one moment, over all gateways: one job."""
        question = Question(self, chance, chat, kind=chance.choice(("key", "body", "both")))
        chances = [random.Random(chance.random()) for _ in range(12)]

        def ask(number):
            reader = Reader(self, chances[number], chat, f"asker {number} of the same question")
            first = reader.ask(question)
            if first:
                reader.follow(first)

        many(12, ask)


class Reader:
    """One client that wants to see one answer to its end."""

    def __init__(self, load, chance, chat, name):
        self.load, self.chance = load, chance
        self.view = View(name, chat)

    def _cut(self):
        """When, and how, the next connection is dropped by its own client."""
        if self.chance.random() < 0.5:
            return {}
        return {"cut_after": self.chance.randrange(1, 12), "how": self.chance.choice(("fin", "rst"))}

    def _connect(self, method, path, headers, body=None):
        """A connection to a random gateway, or None where that one is gone."""
        gateway = self.load.fleet.gateway(self.chance)
        started = time.monotonic()
        try:
            client = Client(gateway.port, method, path, headers, body, **self._cut())
        except OSError:
            self.load.counts["refused connections"] += 1
            return None
        self.load.counts["connections"] += 1
        self.view.opened(started, gateway.port)
        return client

    def ask(self, question, query=""):
        """POST until it is accepted; the connection. None where the chat has something else."""
        by = time.monotonic() + GIVE_UP_S * FACTOR
        while time.monotonic() < by and not self.load.giving_up.is_set():
            client = self._connect("POST", question.path(query), question.headers, question.body)
            if client:
                self._wait(client, lambda: client.status is not None)
                status, job = client.status, client.job()
                if status in (200, 202) and job:
                    self.view.named(job)
                    self.view.chat = question.chat or job
                    self.load.accept(question.identity, job)
                    self._note_view()
                    return client
                self._end(client)
                self.load.counts[f"POST {status}"] += 1
                if status == 204 and job:  # joined by its key, and over for so long that nothing is left
                    self.load.accept(question.identity, job)
                if status not in (None, 429, 503):
                    if status not in (204, 409):
                        self._wrong("I2", "answer", f"POST was answered {status}: {client.describe()}")
                    return None
            if self.load.stopping.is_set():
                return None
            time.sleep(self.chance.uniform(0.02, 0.4))
        return None

    def _note_view(self):
        with self.load.lock:
            self.load.views.append(self.view)

    def follow(self, client=None):
        """Resume until there is an end."""
        by = time.monotonic() + GIVE_UP_S * FACTOR
        if client is None:
            self._note_view()
        while True:
            if client:
                self._wait(client, lambda: False)
                self._end(client)
                self._absorb(client)
            if self.view.end:
                break
            if self.load.giving_up.is_set() or time.monotonic() > by:
                self._wrong("I1", "unended", f"{self.view} has no end; {self.view.tail()}; last answer "
                                             f"{client.describe() if client else None}")
                break
            time.sleep(self.chance.choice((0, 0, 0.05, 0.3)))
            client = self._resume()
        self._checked()

    def _resume(self):
        view = self.view
        headers = [("Last-Event-ID", view.cursor)] if view.cursor else []
        pinned = view.job and (not view.cursor or self.chance.random() < 0.5)
        method = "POST" if view.cursor and self.chance.random() < 0.2 else "GET"
        return self._connect(method, target(view.chat, query=f"job={view.job}" if pinned else ""), headers)

    def _wait(self, client, enough):
        """Until the connection has ended, or has been silent for too long, or `enough`."""
        with client.changed:
            while not client.ended and not enough() and not self.load.giving_up.is_set():
                client.changed.wait(0.25)
                last = max([client.started, client.head_at or 0] + [w for _, w in client.comments[-1:]]
                           + [e.when for e in client.events[-1:]])
                if time.monotonic() - last > 2 * (HEAD_S + SILENCE_S) * FACTOR:
                    break

    def _end(self, client):
        """Close it; measure its silences."""
        by_us = client.ended is None
        client.close()
        Client.open_clients.remove(client)
        times = [client.started] + ([client.head_at] if client.head_at else [])
        times += sorted([when for _, when in client.comments] + [e.when for e in client.events])
        if not (by_us and self.load.giving_up.is_set()):
            times.append(client.ended_at)
        gaps = [b - a for a, b in zip(times, times[1:])]
        with self.load.lock:
            self.load.longest = max([self.load.longest] + gaps)
        wrong = chaos_checks.silence(times, HEAD_S * FACTOR, SILENCE_S * FACTOR, self.load.stalls.found[-50:])
        if wrong:
            self.load.report([w._replace(text=f"{w.text}: {client.describe()}") for w in wrong])
        if client.wrong:
            self._wrong("I2", "framing", f"{client.wrong}: {client.describe()}")

    def _absorb(self, client):
        view = self.view
        if client.status == 204:
            view.add(client.head_at, "nothing")
        elif client.status == 200:
            view.named(client.job())
            for event in client.events:
                view.take(event)
        elif client.status not in (None, 202, 429, 503):
            self._wrong("I2", "answer", f"{client.method} was answered {client.status}: {client.describe()}")

    def _wrong(self, invariant, kind, text):
        self.load.report([Wrong(invariant, kind, text)])

    def _checked(self):
        """The view is over: what can be checked at once."""
        self.load.counts[f"ended {self.view.end}"] += 1
        if self.view.job is None:
            return
        wrong = chaos_checks.view_is_a_prefix(self.view, self.load.lossy)
        if self.view.end == "done" and not self.load.lossy and self.chance.random() < 0.5:
            wrong += self._beside_its_stream()
        if wrong:
            self.load.report(wrong)

    def _beside_its_stream(self):
        """Compare with XRANGE, while the stream is kept and Redis answers."""
        try:
            redis = self.load.fleet.redis.connect()
        except (OSError, RedisError):
            return []
        try:
            found = redis("XRANGE", f"stream:f:{self.view.chat}", "-", "+")
        except (OSError, RedisError):
            return []
        finally:
            redis.close()
        with self.load.lock:
            self.load.compared += 1
        entries = [(i, dict(zip(f[::2], f[1::2]))) for i, f in found]
        return chaos_checks.same_as_the_stream(self.view, entries)
