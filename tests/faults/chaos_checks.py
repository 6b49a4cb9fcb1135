"""chaos_checks.py: recordings, and what must be true of them (I1 to I7). Nothing here asks anybody.

A `View` is what one client put together over any number of connections. A `Ledger` is what Redis
was told, in order: its append-only file, read to the end when all is quiet. Each check gives how
much it has looked at and what it found wrong; one that has looked at nothing has not passed
(chaos_self_test.py feeds each of them with recordings that are wrong).
"""
import glob
import json
import os
import re
from collections import namedtuple

Wrong = namedtuple("Wrong", "invariant kind text")

# What a client met: `what` is "open" (a connection; `id` its cursor or None, `data` its gateway),
# "message", "done" ([DONE] of a whole answer), "nothing" (204), or the name of a named event.
Seen = namedtuple("Seen", "when what id data")

ENDS = ("done", "failed", "cancelled", "expired", "superseded", "gone", "nothing")
TELLING = ENDS + ("reset",)
DEATHS = ("worker_lost", "signal")  # what may befall a job that does nothing wrong
DEFAULT_COUNT = 12                  # messages of a job without a payload


def halves(entry_id):
    a, _, n = entry_id.partition("-")
    return int(a), int(n)


class View:
    """One client's recording of one job."""

    def __init__(self, name, chat, job=None):
        self.name, self.chat, self.first, self.job = name, chat, job, job
        self.seen, self.cursor, self.end = [], None, None

    def named(self, job):
        """An answer's head says which job it is."""
        self.first = self.first or job
        self.job = self.job or job

    def opened(self, when, gateway):
        self.seen.append(Seen(when, "open", self.cursor, gateway))

    def add(self, when, what, entry_id=None, data=""):
        self.seen.append(Seen(when, what, entry_id, data))
        if entry_id is not None:
            self.cursor = entry_id
        if what == "reset":
            self.job = json.loads(data)["job"]
        if what in ENDS and self.end is None:
            self.end = what

    def take(self, event):
        """An event as client.py gives it."""
        if event.name is not None:
            self.add(event.when, event.name, event.id, event.data)
        elif event.data != "[DONE]":
            self.add(event.when, "message", event.id, event.data)
        elif self.end is None:
            self.add(event.when, "done", event.id)
        # else: the [DONE] behind the named event that was the end

    def __str__(self):
        return f"{self.name} of job {self.job} in chat {self.chat}"

    def tail(self, most=16):
        return ", ".join(f"{s.what}[{s.id}]" for s in self.seen[-most:])


class Attempt:
    def __init__(self, number, worker):
        self.number, self.worker, self.messages = number, worker, []


class JobLog:
    """What the ledger says of one job."""

    def __init__(self, job):
        self.job, self.fields, self.attempts, self.current = job, {}, {}, None
        self.ends, self.replaced, self.flushed, self.dead_listed = [], False, False, False

    def state(self):
        return self.fields.get("state")

    def ended_at(self):
        return int(self.fields.get("ended", 0)) / 1000

    def order(self):
        """What its payload told the task to do."""
        return json.loads(self.fields.get("payload") or "{}")


class Ledger:
    """All that was written into Redis, command by command, and whether one owner wrote it."""

    def __init__(self, workers=None):
        self.workers = workers or {}  # label in the messages → worker id in the markers
        self.jobs, self.wrong, self.entries, self._streams = {}, [], 0, {}

    @classmethod
    def of(cls, folders, workers):
        """The ledger of a redis-server whose append-only files are in the last of these folders;
        those before it were taken from it, with all that they held."""
        ledger = cls(workers)
        for number, folder in enumerate(folders):
            if number:
                ledger.take(["FLUSHALL"])
            for path in sorted(glob.glob(os.path.join(folder, "*.incr.aof")), key=_file_number):
                with open(path, "rb") as file:
                    for words in commands(file):
                        ledger.take(words)
        return ledger

    def job(self, job_id):
        return self.jobs.setdefault(job_id, JobLog(job_id))

    def take(self, words):
        name = words[0].upper()
        if name == "XADD":
            self._entry(words)
        elif name == "HSET" and words[1].startswith("job:"):
            self.job(words[1][4:]).fields.update(zip(words[2::2], words[3::2]))
        elif name in ("DEL", "UNLINK"):
            for key in words[1:]:
                self._streams.pop(key, None)
        elif name in ("ZADD", "ZREM") and words[1].endswith(":dead"):
            self.job(words[-1]).dead_listed = name == "ZADD"
        elif name in ("FLUSHALL", "FLUSHDB"):
            self._streams.clear()
            for log in self.jobs.values():
                log.flushed = True

    def _entry(self, words):
        at = _id_of(words)
        key, (a, n), fields = words[1], halves(words[at]), dict(zip(words[at + 1::2], words[at + 2::2]))
        self.entries += 1
        kind = fields.get("type")
        if kind == "queued":
            self._queued(key, a, fields)
        elif kind == "start":
            self._start(key, a, fields)
        elif kind:
            self._end(key, a, n, kind, fields)
        else:
            self._message(key, a, n, fields.get("data", ""))

    def _queued(self, key, a, fields):
        log = self.job(fields["job"])
        log.fields["first"] = fields.get("first")
        if fields.get("replaces"):
            self.job(fields["replaces"]).replaced = True
        self._streams[key] = [fields["job"], a, 0]

    def _start(self, key, a, fields):
        log = self.job(fields["job"])
        if log.ends:
            self._mixed(f"attempt {a} of job {log.job} begins behind its end ({log.ends})")
        log.current = a
        log.attempts[a] = Attempt(int(fields.get("attempt", 0)), fields.get("worker"))
        self._streams[key] = [fields["job"], a, 0]

    def _end(self, key, a, n, kind, fields):
        log = self.job(fields["job"])
        log.ends.append(kind)
        there = self._streams.get(key)
        if not there or there[0] != log.job or there[1] != a:
            self._mixed(f"the end {a}-{n} ({kind}) of job {log.job} stands in the stream of {there}")

    def _message(self, key, a, n, data):
        there = self._streams.get(key)
        if not there or there[1] != a or there[2] + 1 != n:
            self._mixed(f"{key}: entry {a}-{n} does not follow {there}")
            return
        there[2] = n
        log = self.job(there[0])
        attempt = log.attempts.get(a)
        if attempt is None:
            self._mixed(f"{key}: entry {a}-{n} without a marker of its attempt")
            return
        attempt.messages.append(data)
        said = json.loads(data)
        owner = self.workers.get(said["worker"])
        if log.ends:
            self._mixed(f"{key}: entry {a}-{n} behind the end of job {log.job}")
        if said["job"] != log.job or said["attempt"] != attempt.number or said["n"] != n \
                or (owner and attempt.worker and owner != attempt.worker):
            self._mixed(f"{key}: entry {a}-{n} {data} of {owner} in attempt {attempt.number} "
                        f"of job {log.job}, which {attempt.worker} owns")

    def _mixed(self, text):
        self.wrong.append(Wrong("I4", "mixed", text))


def _file_number(path):
    return int(path.split(".")[-3])


def _id_of(words):
    """Where in an XADD the entry's id stands: behind NOMKSTREAM, MINID = …, MAXLEN ~ … LIMIT …"""
    at = 2
    while not re.fullmatch(r"\d+-\d+", words[at]):
        word = words[at].upper()
        at += 1
        if word in ("MINID", "MAXLEN"):
            at += (words[at] in ("=", "~")) + 1
        elif word == "LIMIT":
            at += 1
    return at


def commands(file):
    """The commands of an append-only file; a last one that is cut off is left out."""
    while True:
        line = file.readline()
        if not line.endswith(b"\r\n") and not line.startswith(b"#"):
            return
        if not line.startswith(b"*"):
            continue
        words = []
        for _ in range(int(line[1:])):
            size = file.readline()
            data = file.read(int(size[1:]) + 2) if size.endswith(b"\r\n") else b""
            if not data.endswith(b"\r\n"):
                return
            words.append(data[:-2].decode("utf-8", "surrogateescape"))
        yield words


# ---- I1: every accepted job ends once ----


def jobs_end_once(accepted, stopped, ledger, lossy):
    """accepted: (identity, job) of each answer that named a job; stopped: (job, state) of DELETEs."""
    wrong = []

    def found(kind, text):
        wrong.append(Wrong("I1", kind, text))

    for job in {job for _, job in accepted} - set(ledger.jobs):
        if not lossy:
            found("lost", f"job {job} was accepted and is not in Redis")
    for log in ledger.jobs.values():
        if log.flushed or log.fields.get("created") is None:
            continue
        for kind, text in _job_is_wrong(log):
            found(kind, text)
    if not lossy:
        for job, state in stopped:
            if job in ledger.jobs and ledger.jobs[job].state() != state:
                found("end", f"DELETE said {state}, job {job} is {ledger.jobs[job].state()}")
        wrong += _identities(accepted, ledger)
    return len(accepted) and len(ledger.jobs), wrong


def _job_is_wrong(log):
    state, ends = log.state(), list(log.ends)
    if log.replaced and not ends:
        ends = ["cancelled"]
    name = f"job {log.job}"
    wanted = {"done": "done", "dead": "failed", "cancelled": "cancelled", "expired": "expired"}.get(state)
    if not wanted:
        return [("unended", f"{name} is still {state}; {log.fields}")]
    wrong = []
    if len(ends) != 1:
        wrong.append(("unended" if not ends else "ended twice", f"{name} ({state}) has the ends {ends}"))
    elif ends[0] != wanted:
        wrong.append(("end", f"{name} is {state} and its stream says {ends[0]}"))
    order, reason = log.order(), log.fields.get("error")
    if state == "done":
        got = len(log.attempts[log.current].messages) if log.current else 0
        if got != order.get("count", DEFAULT_COUNT):
            wrong.append(("end", f"{name} is done with {got} messages: {order}"))
        if order.get("poison"):
            wrong.append(("end", f"{name} is poison and done"))
    if state == "dead" and not log.dead_listed:
        wrong.append(("lost", f"{name} is dead and not among the dead"))
    if state == "dead" and reason not in DEATHS and not (order.get("refuses") and reason == "refused"):
        wrong.append(("end", f"{name} died of {reason}: {log.fields.get('error_detail')}; {order}; "
                             f"{log.fields.get('history')}"))
    return wrong


def _identities(accepted, ledger):
    """A key never starts two jobs; a body does only behind one that did not end well."""
    asked, wrong = {}, []
    for identity, job in accepted:
        if identity:
            asked.setdefault(identity, set()).add(job)
    for identity, jobs in asked.items():
        ended_badly = [j for j in jobs if j in ledger.jobs and ledger.jobs[j].state() != "done"]
        if len(jobs) > 1 and (identity[1] == "key" or len(jobs) - len(ended_badly) > 1):
            wrong.append(Wrong("I1", "ended twice", f"one question {identity} started the jobs {jobs}"))
    return wrong


def false_deaths(ledger, hurt):
    """How often a job was taken from a worker that nobody had killed, frozen or ended. Not an
    invariant: a machine that has no time for a worker within its lease does the same."""
    deaths = [entry for log in ledger.jobs.values() for entry in json.loads(log.fields.get("history") or "[]")]
    return sum(d.get("reason") == "worker_lost" and d.get("worker") not in hurt for d in deaths)


# ---- I2: a contiguous prefix ----


def view_is_a_prefix(view, lossy=False):
    """No duplicate, no hole, no mix of attempts, whatever was cut in between. lossy: Redis may have
    lost the job itself, and a `reset` leads to the one that the chat had before."""
    wrong, job = [], view.first

    def found(kind, seen, text):
        wrong.append(Wrong("I2", kind, f"{view}: {text} at {seen.what}[{seen.id}] {seen.data[:200]}; "
                                       f"its end: {view.tail()}"))

    a, n, run, ended = None, 0, None, None
    for seen in view.seen:
        if seen.what == "open":
            if seen.id is None:
                a, n, run = None, 0, None
            continue
        if ended:
            found("after the end", seen, f"something behind {ended}")
        if seen.what in ("message", "done"):
            if seen.id is None or not re.fullmatch(r"\d+-\d+", seen.id):
                found("mixed", seen, "an event without an id")
                continue
            b, m = halves(seen.id)
            if a is not None and b != a:
                found("mixed", seen, f"attempt {b} behind {a}-{n} without a word")
            elif m <= n:
                found("twice", seen, f"again, behind {a}-{n}")
            elif m != n + 1:
                found("hole", seen, f"a hole behind {a}-{n}")
            a, n = b, m
        if seen.what == "message":
            said = json.loads(seen.data)
            run = run or said["run"]
            if said["job"] != job or said["n"] != n or said["run"] != run:
                found("mixed", seen, f"not of job {job}, run {run}")
        elif seen.what == "reset":
            told = json.loads(seen.data)
            lost = lossy and told["reason"] == "history_lost"
            if (told["job"] != job and not lost) or not seen.id or halves(seen.id)[1] != 0:
                found("mixed", seen, "a reset of something else")
            elif a is not None and halves(seen.id)[0] < a and told["reason"] == "retry":
                found("mixed", seen, f"a reset backwards, from {a}")
            a, n, run, job = halves(seen.id)[0], 0, None, told["job"]
        elif seen.what in ("failed", "cancelled") and json.loads(seen.data)["job"] != job:
            found("mixed", seen, "the end of another job")
        if seen.what in ENDS:
            ended = seen.what
    return wrong


def last_attempt(view):
    """What the client holds at last: (A, [message, …]); (None, []) where it has nothing."""
    a, messages = None, []
    for seen in view.seen:
        if (seen.what == "open" and seen.id is None) or seen.what == "reset":
            a, messages = (halves(seen.id)[0] if seen.what == "reset" else None), []
        elif seen.what == "message":
            a = halves(seen.id)[0]
            messages.append(seen.data)
        elif seen.what == "done" and a is None:
            a = halves(seen.id)[0]
    return a, messages


# ---- I3: what was put together is what was written ----


def view_equals_the_ledger(view, ledger, lossy):
    """lossy: what Redis lost and nobody wrote again is not there to be compared with."""
    a, messages = last_attempt(view)
    log = ledger.jobs.get(view.job)
    written = log and log.attempts.get(a)
    if a is None or (lossy and not written):
        return []
    if not written:
        return [Wrong("I3", "differs", f"{view} saw attempt {a}, which was never written")]
    if view.end == "done" and not lossy and log.current != a:
        return [Wrong("I3", "differs", f"{view} is done with attempt {a}, Redis with {log.current}")]
    whole = view.end == "done" and not lossy
    there = written.messages if whole else written.messages[:len(messages)]
    if messages[:len(there)] != there or (len(messages) != len(there) and not lossy):
        return [Wrong("I3", "differs", f"{view} ({view.end}) put together {len(messages)} messages of "
                                       f"attempt {a}, written are {len(written.messages)}: "
                                       f"{messages[-2:]} and {there[-2:]}; {view.tail()}")]
    return []


def same_as_the_stream(view, entries):
    """A view that is done beside its stream, read with XRANGE by nobody who was ever cut."""
    if not entries or entries[0][1].get("job") != view.job:
        return []  # it has expired, or the chat has a new question
    stream = [fields["data"] for _, fields in entries if "type" not in fields]
    a, messages = last_attempt(view)
    if (a, messages) != (halves(entries[0][0])[0], stream):
        return [Wrong("I3", "differs", f"{view}: {len(messages)} messages of {a}; its stream has "
                                       f"{len(stream)} from {entries[0][0]} to {entries[-1][0]}")]
    return []


# ---- I5: loss is announced ----


def loss_is_explained(view, ledger, ttl_s, wall):
    """Where nothing was lost, nobody is told so. wall: time.time() less the recordings' clock."""
    wrong = []
    log = ledger.jobs.get(view.job)
    for seen in view.seen:
        if seen.what == "reset" and json.loads(seen.data).get("reason") == "history_lost":
            wrong.append(Wrong("I5", "false loss", f"{view} was told that history is lost; "
                                                   f"{view.tail(60)}"))
        if seen.what == "superseded":
            other = ledger.jobs.get(json.loads(seen.data).get("job"))
            if other is None or other is log or other.fields.get("chat_id") != view.chat:
                wrong.append(Wrong("I5", "false loss", f"{view} was told {seen.data}; {view.tail()}"))
        late = log and log.ended_at() and seen.when + wall > log.ended_at() + ttl_s * 0.8
        if seen.what in ("gone", "nothing") and view.job and not late:
            wrong.append(Wrong("I5", "false loss", f"{view}: {seen.what}, its job {log and log.fields}; "
                                                   f"{view.tail()}"))
    return wrong


def loss_is_announced(views, losses, bound_s):
    """After a total loss each follower is told so, soon after Redis answers again; after any loss
    each one hears of an end."""
    told, wrong = len(views), []
    for view in views:
        if view.end is None:
            wrong.append(Wrong("I5", "unannounced", f"{view} never heard of an end; {view.tail()}"))
    for loss in losses:
        for view in views:
            if _state_at(view, loss) != "following":
                continue
            heard, since = _told_after(view, loss)
            if heard is None:
                wrong.append(Wrong("I5", "unannounced", f"{view} was never told of the loss; {view.tail()}"))
            elif heard - since > bound_s:
                wrong.append(Wrong("I5", "late", f"{view} heard of the loss after {heard - since:.2f} s; "
                                                 f"{view.tail()}"))
    return told, wrong


def _state_at(view, when):
    """following: had something of the answer, and not its end."""
    state = "new"
    for seen in view.seen:
        if seen.when > when:
            break
        if seen.what in ENDS:
            return "ended"
        if seen.what in ("message", "reset"):
            state = "following"
    return state


def _told_after(view, loss):
    since = loss
    for seen in view.seen:
        if seen.when <= loss:
            continue
        if seen.what == "open":
            since = seen.when
        elif seen.what in TELLING:
            return seen.when, since
    return None, since


# ---- I6: all returns to where it was ----


def all_returns(before, after):
    """Both: {name: number}; `before` holds what each may be at most."""
    wrong = [Wrong("I6", "left", f"{name}: {after[name]}, at most {before[name]} expected")
             for name in before if after.get(name, 0) > before[name]]
    return len(before), wrong


PERMANENT = re.compile(r"(workers|routes|queues|schedules|queue:[^:]+(:dead|:wake|:types)?)")


def keys_left(keys, expiry, alive):
    """Keys that stay although nothing runs. expiry: PTTL of each; alive: the workers that live."""
    wrong = []
    for key in keys:
        kind, _, name = key.partition(":")
        stays = PERMANENT.fullmatch(key) or (kind == "worker" and name in alive)
        expires = kind in ("idem", "job") and expiry[key] >= 0
        if not stays and not expires and expiry[key] != -2:
            wrong.append(Wrong("I6", "left", f"the key {key} is left, PTTL {expiry[key]}"))
    return wrong


# ---- I7: nobody waits in the dark ----


def silence(times, first_s, bound_s, stalls=()):
    """times: when a connection was opened, had its head, each sign of life, its end. stalls: (from,
    to) when this very process stood still, which excuses as much."""
    wrong = []
    for number, (begin, end) in enumerate(zip(times, times[1:])):
        excused = sum(max(0, min(end, b) - max(begin, a)) for a, b in stalls)
        if end - begin - excused > (first_s if number == 0 else bound_s):
            what = "its head" if number == 0 else f"sign {number}"
            wrong.append(Wrong("I7", "silence", f"{end - begin:.2f} s without a byte before {what}"))
    return wrong
