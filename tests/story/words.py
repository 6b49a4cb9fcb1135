"""words.py: how a story says what it expects, and how long it waits."""
import os
import random
import socket
import subprocess
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
BIN = os.path.abspath(os.environ.get("LEAT_BIN", os.path.join(HERE, "..", "..", "build")))
FACTOR = float(os.environ.get("LEAT_TIME_FACTOR", "1"))
# What comes at once, on a busy machine: seconds. Less than TAIL_BLOCK, heartbeats and leases; where
# something could wait for less, `soonest` tells it apart.
AT_ONCE = min(3 * FACTOR, 3.9)


class Failed(AssertionError):
    """What a story says when the program does not keep its word."""


def check(holds, what):
    if not holds:
        raise Failed(what() if callable(what) else what)


def check_installed(folder, package):
    """What npm puts beside a script of the tests is there."""
    check(os.path.isdir(os.path.join(folder, "node_modules", package)),
          f"{package} is installed: npm ci --prefix {os.path.relpath(folder)}")


def end_by_input(popen, seconds):
    """End a program that ends with its input; it is killed where it does not."""
    if popen.stdin.closed:
        return
    popen.stdin.close()
    try:
        popen.wait(seconds * FACTOR)
    except subprocess.TimeoutExpired:
        popen.kill()
        popen.wait()


def same(got, wanted, what):
    check(got == wanted, lambda: f"{what}:\n  got    {short(got)}\n  wanted {short(wanted)}")


def short(value, most=1500):
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


def soonest(seconds, measure, what):
    """One of three times that `measure` gives is shorter: a busy machine may be late, a timer always is."""
    times = []
    while len(times) < 3 and not (times and times[-1] < seconds * FACTOR):
        times.append(measure())
    check(times[-1] < seconds * FACTOR, lambda: f"{what}: within {seconds * FACTOR:g} s, not {times}")


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
    """One that no outgoing connection takes meanwhile: those are from 32768 on."""
    while True:
        port = random.randrange(20000, 32768)
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                pass


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
