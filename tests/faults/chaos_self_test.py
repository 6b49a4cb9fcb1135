"""chaos_self_test.py: the checker is given recordings that are wrong, and must say so.

Each forgery is a sound recording with one thing changed; the sound one must pass, each changed one
be found, under the invariant it breaks. Nothing runs: it takes a blink.
"""
import json

import chaos_checks as checks
from chaos_checks import Ledger, View

JOB, OTHER, CHAT = "job-1", "job-2", "c1"
STREAM = f"stream:f:{CHAT}"
WORKERS = {"W1": "worker-a", "W2": "worker-b"}


def message(n, attempt=1, job=JOB, worker="W1"):
    return json.dumps({"job": job, "attempt": attempt, "n": n, "worker": worker, "run": f"{worker}-{attempt}"})


def entry(entry_id, *fields):
    return ["XADD", STREAM, entry_id, *fields]


def start(a, attempt, worker="worker-a", job=JOB):
    return entry("MINID", "=", f"{a}-0", f"{a}-0", "type", "start", "job", job, "first", "100",
                 "attempt", str(attempt), "reason", "", "worker", worker)


def end(entry_id, kind="done", job=JOB):
    return entry("NOMKSTREAM", entry_id, "type", kind, "data", "[DONE]", "job", job)


def state(name, *more):
    return ["HSET", f"job:{JOB}", "state", name, *more]


def sound_commands():
    """One job: an attempt of two messages that was lost, then a whole one of three."""
    payload = json.dumps({"count": 3})
    return [
        ["MULTI"], ["HSET", f"job:{JOB}", "state", "new", "created", "1", "payload", payload],
        entry("100-0", "type", "queued", "job", JOB, "first", "100"), ["EXEC"],
        start(200, 1), entry("200-1", "data", message(1)), entry("200-2", "data", message(2)),
        start(300, 2, "worker-b"),
        *[entry(f"300-{n}", "data", message(n, 2, worker="W2")) for n in (1, 2, 3)],
        end("300-4"), state("done", "ended", "5000"),
    ]


def ledger_of(commands):
    ledger = Ledger(WORKERS)
    for words in commands:
        ledger.take(words)
    return ledger


def sound_view():
    """What a client saw of it: cut once in each attempt."""
    view = View("a client", CHAT, JOB)
    view.opened(0.0, 1)
    view.add(0.1, "message", "200-1", message(1))
    view.opened(0.2, 2)
    view.add(0.3, "message", "200-2", message(2))
    view.add(0.4, "reset", "300-0", json.dumps({"job": JOB, "attempt": 2, "reason": "retry"}))
    view.add(0.5, "message", "300-1", message(1, 2, worker="W2"))
    view.opened(0.6, 1)
    view.add(0.7, "message", "300-2", message(2, 2, worker="W2"))
    view.add(0.8, "message", "300-3", message(3, 2, worker="W2"))
    view.add(0.9, "done", "300-4")
    return view


def without(position):
    view = sound_view()
    del view.seen[position]
    return view


def with_one_more(position, *more):
    view = sound_view()
    view.seen.insert(position, checks.Seen(*more))
    return view


def changed(position, **more):
    view = sound_view()
    view.seen[position] = view.seen[position]._replace(**more)
    return view


def commands_with(position, words):
    commands = sound_commands()
    commands.insert(position, words)
    return commands


def commands_without(*positions):
    return [words for n, words in enumerate(sound_commands()) if n not in positions]


def _ends(commands, accepted=((None, JOB),), stopped=()):
    return checks.jobs_end_once(list(accepted), list(stopped), ledger_of(commands), False)[1]


def _prefix(view):
    return checks.view_is_a_prefix(view)


def _equal(view, commands=None):
    return checks.view_equals_the_ledger(view, ledger_of(commands or sound_commands()), False)


def _explained(view, commands=None):
    return checks.loss_is_explained(view, ledger_of(commands or sound_commands()), 2, 0)


def _announced(view, loss=0.35, bound=5):
    return checks.loss_is_announced([view], [loss], bound)[1]


def cut_off(position, what=None, when=None):
    """The sound view up to there, then perhaps one more event."""
    view = sound_view()
    del view.seen[position:]
    view.end = None
    if what:
        view.add(when, what, None, json.dumps({"job": JOB}))
    return view


def truncated_file():
    """A file whose last command is cut off: the commands before it are all there."""
    import io
    whole = b"".join(b"*%d\r\n" % len(w) + b"".join(b"$%d\r\n%s\r\n" % (len(x), x.encode()) for x in w)
                     for w in sound_commands())
    return [len(list(checks.commands(io.BytesIO(whole[:-cut])))) for cut in (1, 2, 9, 25)]


ENTRIES = [("300-0", {"type": "start", "job": JOB})] + [
    (f"300-{n}", {"data": message(n, 2, worker="W2")}) for n in (1, 2, 3)] + [
    ("300-4", {"type": "done", "data": "[DONE]"})]
BEFORE = {"open files": 10}

# (what, what the check says): nothing may be found.
SOUND = [
    ("a job that ends once", _ends(sound_commands(), stopped=[(JOB, "done")])),
    ("one owner after the other", ledger_of(sound_commands()).wrong),
    ("a view with cuts and a reset", _prefix(sound_view())),
    ("a view that equals the ledger", _equal(sound_view())),
    ("a view beside its stream", checks.same_as_the_stream(sound_view(), ENTRIES)),
    ("a view without loss", _explained(sound_view())),
    ("a loss that is announced", _announced(cut_off(4, "gone", 1.0))),
    ("`gone` long after the end", _explained(cut_off(4, "gone", 9.0))),
    ("numbers that return", checks.all_returns(BEFORE, {"open files": 10})[1]),
    ("keys that stay", checks.keys_left(["queue:default", "workers", "worker:a", "idem:f:c:k"],
                                        {"queue:default": -1, "workers": -1, "worker:a": 900, "idem:f:c:k": 9},
                                        {"a"})),
    ("a death of a worker that was killed", [None] * checks.false_deaths(
        ledger_of([["HSET", f"job:{JOB}", "history", '[{"reason": "worker_lost", "worker": "a"}]']]), {"a"})),
    ("signs of life in time", checks.silence([0, 1, 2, 3], 2, 2)),
    ("a silence in which this process stood still", checks.silence([0, 1, 6], 2, 2, [(1.5, 5.5)])),
]

# (what, the invariant it breaks, its kind, what the check says)
FORGED = [
    ("a job without end", "I1", "unended", _ends(commands_without(11, 12))),
    ("a job that is done and says so nowhere", "I1", "unended", _ends(commands_without(11))),
    ("two ends", "I1", "ended twice", _ends(commands_with(12, end("300-5", "cancelled")))),
    ("the wrong end", "I1", "end", _ends(commands_without(12) + [state("expired")])),
    ("a job that nobody knows", "I1", "lost", _ends(sound_commands(), [(None, JOB), (None, OTHER)])),
    ("a dead job that is not among the dead", "I1", "lost",
     _ends(commands_without(11, 12) + [end("300-4", "failed"), state("dead", "error", "signal")])),
    ("a good job that died of something else", "I1", "end",
     _ends(commands_without(11, 12) + [end("300-4", "failed"), state("dead", "error", "line"),
                                       ["ZADD", "queue:default:dead", "1", JOB]])),
    ("a job that is done without all its messages", "I1", "end", _ends(commands_without(10))),
    ("a stop that was none", "I1", "end", _ends(sound_commands(), stopped=[(JOB, "cancelled")])),
    ("two jobs for one key", "I1", "ended twice",
     _ends(sound_commands(), [((CHAT, "key", 1), JOB), ((CHAT, "key", 1), OTHER)])),
    ("a duplicate", "I2", "twice", _prefix(with_one_more(4, 0.35, "message", "200-2", message(2)))),
    ("a duplicate after a resume", "I2", "twice",
     _prefix(with_one_more(3, 0.25, "message", "200-1", message(1)))),
    ("a hole", "I2", "hole", _prefix(without(7))),
    ("a hole at the start", "I2", "hole", _prefix(without(1))),
    ("a hole before the end", "I2", "hole", _prefix(without(8))),
    ("a new attempt without `reset`", "I2", "mixed", _prefix(without(4))),
    ("a message of another attempt", "I2", "mixed", _prefix(changed(8, id="200-3", data=message(3)))),
    ("a message of another run under this attempt's id", "I2", "mixed",
     _prefix(changed(8, data=message(3, 1)))),
    ("a message of another job", "I2", "mixed", _prefix(changed(8, data=message(3, 2, OTHER, "W2")))),
    ("a reset of another job", "I2", "mixed", _prefix(changed(4, data='{"job": "x", "reason": "retry"}'))),
    ("a message behind the end", "I2", "after the end",
     _prefix(with_one_more(10, 1.0, "message", "300-5", message(5, 2, worker="W2")))),
    ("messages that were never written", "I3", "differs", _equal(sound_view(), sound_commands()[:7])),
    ("the end of an attempt that is not the last", "I3", "differs",
     _equal(sound_view(), sound_commands() + [start(400, 3)])),
    ("an answer that lacks its last message", "I3", "differs", _equal(without(8))),
    ("another text than was written", "I3", "differs",
     _equal(changed(8, data=message(3, 2, worker="W1")))),
    ("a stream that has more than was seen", "I3", "differs",
     checks.same_as_the_stream(without(8), ENTRIES)),
    ("a zombie that writes into the next attempt", "I4", "mixed",
     ledger_of(commands_with(9, entry("300-2", "data", message(2)))).wrong),
    ("a zombie that writes under its own ids", "I4", "mixed",
     ledger_of(commands_with(8, entry("200-3", "data", message(3)))).wrong),
    ("an entry twice", "I4", "mixed", ledger_of(commands_with(9, sound_commands()[8])).wrong),
    ("an entry behind the end", "I4", "mixed",
     ledger_of(sound_commands() + [entry("300-5", "data", message(5, 2, worker="W2"))]).wrong),
    ("an attempt behind the end", "I4", "mixed", ledger_of(sound_commands() + [start(400, 3)]).wrong),
    ("a loss of which a client is never told", "I5", "unannounced", _announced(cut_off(4))),
    ("a loss that is told late", "I5", "late", _announced(cut_off(4, "gone", 9.0))),
    ("`gone` though nothing is gone", "I5", "false loss", _explained(cut_off(4, "gone", 1.0))),
    ("204 in the middle of an answer", "I5", "false loss", _explained(cut_off(4, "nothing", 1.0))),
    ("`superseded` by itself", "I5", "false loss", _explained(cut_off(4, "superseded", 1.0))),
    ("history_lost though nothing is lost", "I5", "false loss",
     _explained(changed(4, data=json.dumps({"job": JOB, "reason": "history_lost"})))),
    ("a descriptor that leaks", "I6", "left", checks.all_returns(BEFORE, {"open files": 11})[1]),
    ("a key that stays", "I6", "left", checks.keys_left([STREAM], {STREAM: -1}, set())),
    ("a dead worker's key", "I6", "left", checks.keys_left(["worker:x"], {"worker:x": -1}, {"a"})),
    ("a job without expiry", "I6", "left", checks.keys_left([f"job:{JOB}"], {f"job:{JOB}": -1}, set())),
    ("a head that does not come", "I7", "silence", checks.silence([0, 5], 2, 2)),
    ("silence", "I7", "silence", checks.silence([0, 1, 2, 6], 2, 2)),
]


def main():
    passed = failed = 0

    def told(good, text):
        nonlocal passed, failed
        passed, failed = passed + good, failed + (not good)
        if not good:
            print(f"FAIL  {text}")

    for what, found in SOUND:
        told(not found, f"{what} is sound, and was found wrong: {found}")
    for what, invariant, kind, found in FORGED:
        told((invariant, kind) in {(w.invariant, w.kind) for w in found}, f"{what} was not found: {found}")
    whole = len(sound_commands())
    told(truncated_file() == [whole - 1] * 4, f"a file that is cut off: {truncated_file()}")
    death = ["HSET", f"job:{JOB}", "history", '[{"reason": "worker_lost", "worker": "a"}]']
    told(checks.false_deaths(ledger_of([death]), {"b"}) == 1, "a job taken from a worker that was well")
    told(checks.jobs_end_once([], [], ledger_of([]), False)[0] == 0, "what looked at nothing says so")
    print(f"{len(FORGED)} forged recordings, each to be found")
    print(f"{passed} passed, {failed} failed")
    return 0 if passed and not failed else 1
