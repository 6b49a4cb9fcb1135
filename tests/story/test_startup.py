"""What stands in the way of a start is said in one clear line, with an exit code."""
import json
import os
import socket
import subprocess
import time

from leat import BIN, FACTOR, Leat, Program, check, free_port, same, until


def _refuses(leat, name, named, arguments=(), **env):
    """The program ends by itself with an exit code, and one line says why."""
    program = Program(leat, name, {"API_PORT": "0", **leat.redis_settings(), **env}, arguments)
    code = program.wait(8)
    lines = [x for x in program.log().strip().splitlines()
             if '"level":"info"' not in x and '"level":"warn"' not in x]
    shown = f"{name} with {env}: exit code {code}, it said {lines}"
    check(0 < code < 126, shown)
    same(len(lines), 1, f"lines that tell it: {shown}")
    check(all(word in lines[0] for word in named), f"it names {named}: {shown}")
    check(len(lines[0]) < 600, f"it is a line that one can read: {shown}")
    return lines[0]


def a_wrong_setting_is_named(leat):
    for name, variable, value in (
            ("leat-api", "API_PORT", "abc"), ("leat-api", "API_PORT", "65536"), ("leat-api", "API_PORT", "-1"),
            ("leat-api", "API_PORT", "80 "), ("leat-api", "API_MAX_BODY", "1MB"), ("leat-api", "API_LOOPS", "0"),
            ("leat-api", "STREAM_TTL_MS", "1.5"), ("leat-api", "STREAM_TTL_MS", "99999999999999999999"),
            ("leat-api", "LEAT_KEY_PREFIX", "a b"), ("leat-api", "API_MAX_BACKLOG", "4KiB"),
            ("leat-worker", "LEASE_MS", "1"), ("leat-worker", "WORKER_MAX_JOBS", "ten"),
            ("leat-worker", "REDIS_PORT", "0x10"), ("leat-worker", "LOG_LEVEL", "loud"),
            ("leat-api", "API_CORS_ORIGINS", "https://a.example/path"), ("leat-api", "API_CORS_ORIGINS", "a.example"),
            ("leat-api", "REDIS_USERNAME", "joe"), ("leat-worker", "TASK_MESSAGE_COUNT", "-1"),
            ("leat-worker", "WORKER_HEALTH_FILE", "/nonexistent/file"),
            ("leat-worker", "WORKER_QUEUES", "a:b")):
        _refuses(leat, name, [variable], **{variable: value})


def a_setting_of_another_program_does_not_matter(leat):
    leat.worker(API_PORT="abc")


def an_address_that_cannot_be_had_is_named(leat):
    line = _refuses(leat, "leat-api", ["API_HOST"], API_HOST="192.0.2.1")
    check("192.0.2.1" in line, line)
    _refuses(leat, "leat-api", ["API_HOST"], API_HOST="no such name")


def a_port_in_use_is_named(leat):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        _refuses(leat, "leat-api", ["API_PORT", port, "in use"], API_PORT=port)
    gateway = leat.gateway()
    _refuses(leat, "leat-api", ["API_PORT", "in use"], API_PORT=str(gateway.port))
    same(gateway.request("GET", "/livez").status, 200, "the gateway that has it")


def a_missing_task_command_is_named(leat):
    for tasks in ("generate_messages=/nonexistent/task", "generate_messages=no-such-command-anywhere x",
                  "generate_messages=" + leat.dir):
        line = _refuses(leat, "leat-worker", ["WORKER_TASKS"], WORKER_TASKS=tasks)
        check(tasks.split("=")[1].split()[0] in line, f"the command is named: {line}")


def a_malformed_task_table_is_named(leat):
    for tasks in ("generate_messages", "=leat-task", "a=", "a[often]=leat-task x", "a[slots=0]=leat-task x",
                  "a=leat-task x;a=leat-task y", "a[reuse=leat-task x"):
        _refuses(leat, "leat-worker", ["WORKER_TASKS"], WORKER_TASKS=tasks)


def a_redis_that_refuses_the_password_is_named(leat):
    leat.with_redis(tcp=True, password="right")
    for name in ("leat-api", "leat-worker"):
        for env in ({"REDIS_PASSWORD": "secret"}, {"REDIS_PASSWORD": ""},
                    {"REDIS_USERNAME": "nobody", "REDIS_PASSWORD": "right"}):
            line = _refuses(leat, name, [], **env)
            check("WRONGPASS" in line or "NOAUTH" in line, f"Redis's reason: {line}")
            check("secret" not in line, f"no secret in the log: {line}")


def the_right_password_is_used_and_not_shown(leat):
    leat.with_redis(tcp=True, password="pass-123456")
    gateway = leat.gateway()
    worker = leat.worker()
    same(len(gateway.post("c").wait_done().messages()), 20, "messages")
    for program in (gateway, worker):
        check("pass-123456" not in program.log(), "the password is not in the log")


def another_database_is_used(leat):
    leat.settings(REDIS_DB="3")
    gateway = leat.gateway()
    leat.worker(ready=False)
    gateway.post("c").wait_done()
    same(leat.redis("DBSIZE"), 0, "keys in database 0")
    leat.redis("SELECT", "3")
    check(leat.redis("EXISTS", "stream:f:c"), "the stream is in database 3")


def help_and_version_answer_without_redis(leat):
    for name in ("leat-api", "leat-worker", "leat-task"):
        for argument, word in (("--help", "LOG_LEVEL"), ("--version", name)):
            done = subprocess.run([os.path.join(BIN, name), argument], capture_output=True, text=True,
                                  timeout=10 * FACTOR, env=leat.base_env())
            same((done.returncode, done.stderr), (0, ""), f"{name} {argument}")
            check(word in done.stdout, f"{name} {argument} says {done.stdout[:300]!r}")
    out = subprocess.run([os.path.join(BIN, "leat-api"), "--help"], capture_output=True, text=True,
                         timeout=10 * FACTOR, env=leat.base_env()).stdout
    for variable in ("API_PORT", "API_HEARTBEAT_MS", "REDIS_HOST", "QUEUE_MAX_WAITING", "STREAM_TTL_MS"):
        check(variable in out, f"--help names {variable}")


def an_unknown_argument_is_refused(leat):
    for name in ("leat-api", "leat-worker"):
        _refuses(leat, name, ["--help"], arguments=["--frobnicate"])


def the_log_is_one_json_object_a_line_and_shows_the_settings(leat):
    gateway = leat.gateway(API_HEARTBEAT_MS="4321")
    worker = leat.worker(LEASE_MS="5432")
    gateway.post("chat-in-log", {"secret": "body-in-log"}).wait_done()
    for program, variable, value in ((gateway, "API_HEARTBEAT_MS", 4321), (worker, "LEASE_MS", 5432)):
        lines = [json.loads(line) for line in program.log().splitlines()]
        check(any(line.get(variable) == value for line in lines), f"the settings are shown: {lines[:3]}")
        check(all(line["program"] == program.name for line in lines), "each line names its program")
        check("body-in-log" not in program.log(), "no body in the log")


def programs_started_before_redis_wait_for_it(leat):
    leat.with_redis(tcp=True)
    leat.redis.kill()
    gateway = leat.gateway()
    worker = leat.worker(ready=False)
    same(gateway.request("GET", "/livez").status, 200, "/livez")
    same(gateway.request("GET", "/readyz").status, 503, "/readyz")
    leat.redis.start()
    until(lambda: gateway.request("GET", "/readyz").status == 200, 10, "/readyz")
    same(len(gateway.post("c").wait_done(20).messages()), 20, "messages")
    check(worker.is_up() and gateway.is_up(), "nobody ended")


def a_gateway_ends_at_sigint_as_at_sigterm(leat):
    import signal
    for number in (signal.SIGINT, signal.SIGTERM):
        gateway, worker = leat.gateway(), leat.worker()
        for program in (gateway, worker):
            program.ended_by_story = True
            started = time.monotonic()
            program.signal(number)
            same(program.wait(5), 0, f"exit code of {program.name} at {number.name}")
            check(time.monotonic() - started < 3 * FACTOR, f"{program.name} took long to end")


def two_installations_share_nothing(leat):
    other = Leat()
    try:
        one, two = leat.gateway(), other.gateway()
        leat.worker()
        other.worker()
        check(one.post("c").wait_done().job() != two.post("c").wait_done().job(), "jobs")
        free_port()
    finally:
        wrong = other.close()
        other.remove()
    same(wrong, [], "what was wrong with the other")
