"""rig.py: what each scenario runs with: an installation, the generator, the raw writer, the judge.

The installation is that of the stories: a private redis-server, gateways and workers, all on
loopback and in a folder of their own.
"""
import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "tests", "story"))
from leat import BIN, Leat  # noqa: E402
from words import check, until  # noqa: E402

FILES = 20000  # open files that every program is allowed, so that 10,000 streams must fit


class Rig:
    """One installation, for as long as the `with` lasts.

    failures: a list that what goes wrong is added to, as sentences.
    """

    def __init__(self, options, failures, **settings):
        self.options, self.failures = options, failures
        self.leat = Leat(options=["--maxclients", str(FILES)])
        self.redis = self.leat.redis
        self.leat.before = ["prlimit", f"--nofile={FILES}:{FILES}"]
        self.leat.settings(LOG_LEVEL="warn", API_MAX_CONNECTIONS=str(FILES), API_LOOPS=str(options.loops),
                           API_DRAIN_MS="2000", **dict(options.set), **settings)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.leat.kill_all()
        self.redis.kill()
        self.leat.remove()

    # ---- programs ----

    def gateway(self):
        return self.leat.gateway()

    def workers(self, jobs=0):
        """jobs: how many must fit at a time, if that is known."""
        each = max(self.options.jobs, -(-jobs // self.options.workers))
        return [self.leat.worker(self.options.tasks, WORKER_MAX_JOBS=str(each))
                for _ in range(self.options.workers)]

    def program(self, name, *arguments, **more):
        return subprocess.Popen([os.path.join(BIN, "bench", name), *map(str, arguments)], text=True,
                                env={**self.leat.base_env(), **self.leat.redis_settings()},
                                stdout=subprocess.PIPE, **more)

    def output(self, name, *arguments):
        """What a program of the bench prints: {first word: [numbers]}."""
        with self.program(name, *arguments) as program:
            text = program.stdout.read()
        check(program.returncode == 0, f"bench/{name} ended with {program.returncode}")
        return {line.split()[0]: [float(word) for word in line.split()[1:]] for line in text.splitlines()}

    def used_memory(self):
        """Redis's memory in bytes, without what its allocator keeps."""
        info = self.redis("INFO", "memory")
        return int(next(line for line in info.splitlines() if line.startswith("used_memory:")).split(":")[1])

    # ---- loads ----

    def load(self, what, port, watch, on=None, expect=(), **options):
        """Run the generator; gives its result. on: {what it announces: function to call}.
        expect: errors that belong to the scenario."""
        arguments = ["--port", port, "--announce"]
        for name, value in options.items():
            arguments += [f"--{name}"] if value is True else [f"--{name}", value]
        for name, pid in watch.items():
            arguments += ["--watch", f"{name}={pid}"]
        with self.program("load", *arguments) as program:
            line = ""
            for line in program.stdout:
                if line.strip() in (on or {}):
                    on[line.strip()]()
        check(line.startswith("{"), f"{what}: the generator ended with {program.returncode}")
        result = json.loads(line)
        self.judge(what, result, expect)
        return result

    def judge(self, what, result, expect):
        wrong = {name: count for name, count in result["wrong"].items() if count}
        errors = {name: count for name, count in result["errors"].items() if count and name not in expect}
        if wrong or errors:
            self.failures.append(f"{what}: {json.dumps({**wrong, **errors})}")

    def watch(self, gateway, workers=(), **more):
        found = {"redis": self.redis.popen.pid, "gateway": gateway.pid, **more}
        for number, worker in enumerate(workers):
            found[f"worker{number}"] = worker.pid
            found[f"tasks{number}"] = f"below:{worker.pid}"
        return found

    def ceiling(self, what, length, interval_ms, mode="one", **options):
        """The same load against the raw writer, whose streams are `length` messages long."""
        port_file = os.path.join(self.leat.dir, f"port-{mode}-{length}-{interval_ms}")
        with self.program("ceiling", port_file, length, interval_ms, mode) as program:
            try:
                until(lambda: os.path.exists(port_file) and os.path.getsize(port_file), 10, "it listens")
                with open(port_file) as file:
                    port = file.read().strip()
                return self.load(f"{what}, the raw writer", port, {"ceiling": program.pid}, **options)
            finally:
                program.kill()

    def follow(self, what, gateway, streams, messages, interval_us, on=None, **options):
        """Clients that GET streams which another program writes, once all are open."""
        with self.program("writer", self.redis.socket, "bench", "load", streams, messages, interval_us,
                          stdin=subprocess.PIPE) as writer:
            check(writer.stdout.readline() == "ready\n", "the writer is ready")

            def go():
                writer.stdin.write("go\n")
                writer.stdin.flush()

            result = self.load(what, gateway.port, self.watch(gateway, writer=writer.pid),
                               {"open": go, **(on or {})}, method="GET", chats=streams, messages=messages,
                               **options)
            writer.stdin.close()
            result["written_late_us"] = [int(word) for word in writer.stdout.read().split()[1:]]
        return result


def costs(result):
    """Microseconds of CPU for each message that came, by kind of process."""
    events, sums = max(1, result["events"]), {}
    for name, used in result["watched"].items():
        kind = name.rstrip("0123456789")
        sums[kind] = sums.get(kind, 0) + used["cpu_us"] / events
    sums["load"] = result["own_cpu_us"] / events
    return sums
