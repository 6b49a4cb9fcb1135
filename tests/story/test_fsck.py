"""leat-fsck: what an operator is told of Redis, and what it puts right. (That each rule is kept and
each breakage found is tested in tests/steps/test_fsck.c; every story ends with a look of it.)"""
import os
import subprocess

from leat import BIN, FACTOR, check, fsck, limit, ms, same, until


def _plain(leat, *arguments, **env):
    """Exit code and output, as a person sees it."""
    done = subprocess.run([os.path.join(BIN, "leat-fsck"), *arguments], text=True,
                          env={**leat.base_env(), **leat.redis_settings(), **env},
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=60 * FACTOR)
    return done.returncode, done.stdout


@limit(120)
def a_busy_installation_is_found_clean_at_any_moment(leat):
    leat.settings(RETRY_BACKOFF_MS="50", STREAM_TTL_MS=ms(6000), LEASE_MS=ms(1500))
    gateway = leat.gateway()
    task = leat.task("count(1, 20)\nif chat[-1] in '37' and attempt == 1:\n    sys.exit(3)\n"
                     "if chat[-1] == '5' and attempt == 1:\n    os.kill(os.getpid(), signal.SIGKILL)\n"
                     "count(21, 30)\n")
    workers = [leat.worker(task, WORKER_MAX_JOBS="4") for _ in range(2)]
    open_streams, states = [], set()
    for turn in range(8):
        for number in range(10):
            open_streams.append(gateway.post(f"{turn}-{number}", body={"n": number}, feature=f"f{number % 3}"))
        gateway.delete(f"{turn}-9", feature="f0")
        if turn == 4:
            workers[0].kill()
        code, found, summary = fsck(leat.redis)
        same((code, found), (0, []), f"while it works (turn {turn})")
        states.add((summary["jobs"], summary["streams"]))
    check(len(states) > 1, f"it looked at something that moved: {states}")
    for stream in open_streams:
        stream.wait_end(60)


def what_is_found_is_told_and_put_right_on_request(leat):
    gateway = leat.gateway()
    stream = gateway.post("c").wait_head()
    leat.redis("LREM", "queue:default:5:f", 0, stream.job())
    leat.redis("LREM", "queue:default:5", 0, "f")
    before = leat.redis.keys()
    code, said = _plain(leat)
    same(code, 1, f"exit code where something is found; it said:\n{said}")
    lines = said.splitlines()
    same(lines[0], f"waiting_in_no_line job:{stream.job()} is waiting, and not in queue:default:5:f",
         "the line of the finding")
    check(lines[1].startswith("1 findings, 0 repaired; looked at "), f"the summary: {lines[1]}")
    same(leat.redis.keys(), before, "keys: nothing was written")
    code, said = _plain(leat, "--repair")
    same(code, 0, f"exit code after a repair; it said:\n{said}")
    check(said.splitlines()[0].endswith("; repaired: stands at its head"), f"it says what it did: {said}")
    same(_plain(leat)[0], 0, "exit code of the next look")
    leat.worker()
    stream.wait_done()


def a_job_whose_lease_was_lost_is_run_again_after_a_repair(leat):
    leat.settings(LEASE_MS=ms(1500))
    gateway = leat.gateway()
    worker = leat.worker(leat.task("count(1, 2)\nif attempt == 1:\n    until('never')\ncount(3, 4)\n"))
    stream = gateway.post("c").wait_events(2)
    worker.kill()
    leat.redis("ZREM", "queue:default:running", stream.job())
    code, found, _ = fsck(leat.redis)
    same((code, [f["finding"] for f in found]), (1, ["running_without_lease"]), "found")
    same(fsck(leat.redis, "--repair")[0], 0, "exit code of the repair")
    leat.worker(worker.env["WORKER_TASKS"])
    stream.wait_done(20)


def other_programs_keys_are_counted_and_left_alone(leat):
    leat.checks_redis = False  # a key of another program is there
    leat.redis("SET", "theirs", "x")
    code, found, summary = fsck(leat.redis)
    same((code, found, summary["other_keys"]), (0, [], 1), "without a prefix")
    leat.redis("SET", "p:theirs", "x")
    code, found, summary = fsck(leat.redis, prefix="p:")
    same((code, [f["key"] for f in found], summary["keys"]), (1, ["p:theirs"], 1), "with a prefix of our own")


def a_prefix_of_ones_own_is_looked_at_alone(leat):
    leat.prefix = "{p}:"
    leat.settings(LEAT_KEY_PREFIX=leat.prefix)
    gateway = leat.gateway()
    waiting = gateway.post("c").wait_head()
    leat.redis("ZREM", "{p}:queue:default:deadlines", waiting.job())
    code, found, _ = fsck(leat.redis, prefix=leat.prefix)
    same((code, [f["finding"] for f in found]), (1, ["waiting_without_deadline"]), "found")
    same(fsck(leat.redis, prefix="q:")[2]["keys"], 0, "keys of another prefix")
    same(fsck(leat.redis, "--repair", prefix=leat.prefix)[0], 0, "exit code of the repair")


def where_it_cannot_look_it_says_so(leat):
    code, said = _plain(leat, REDIS_SOCKET=leat.file("nobody"), REDIS_TIMEOUT_MS="300")
    check(code == 2 and "cannot be reached" in said, f"without Redis: {code}\n{said}")
    code, said = _plain(leat, "--mend")
    check(code == 2 and "--repair" in said, f"a word it does not know: {code}\n{said}")
    code, said = _plain(leat, LEASE_MS="soon")
    check(code == 2 and "LEASE_MS" in said, f"a wrong setting: {code}\n{said}")
    code, said = _plain(leat, REDIS_PASSWORD="wrong", REDIS_USERNAME="nobody")
    check(code == 2 and "WRONGPASS" in said, f"a wrong password: {code}\n{said}")
    leat.redis("ACL", "SETUSER", "blind", "on", ">pw", "~*", "&*", "+@all", "-scan")
    code, said = _plain(leat, REDIS_USERNAME="blind", REDIS_PASSWORD="pw")
    check(code == 2 and "NOPERM" in said, f"a user who may not look: {code}\n{said}")
    code, said = _plain(leat, "--help")
    check(code == 0 and "--repair" in said and "STREAM_TTL_MS" in said, f"help: {said}")


def a_full_redis_can_be_looked_at(leat):
    gateway = leat.gateway()
    gateway.post("c").wait_head().close()
    leat.redis("CONFIG", "SET", "maxmemory", "1")
    same(fsck(leat.redis)[0], 0, "exit code")
    leat.redis("CONFIG", "SET", "maxmemory", "0")


def a_repair_that_no_step_would_make_is_left_to_a_person(leat):
    leat.checks_redis = False
    leat.redis("HSET", "schedule:s", "every_ms", "1000")
    code, found, summary = fsck(leat.redis, "--repair")
    same((code, [(f["finding"], f["repaired"]) for f in found]), (1, [("schedule_without_time", "")]), "found")
    same(summary["repaired"], 0, "repaired")
    until(lambda: leat.redis("EXISTS", "schedule:s") == 1, 1, "it is still there")
