"""What an operator does to it, by hand or by mistake, at three in the morning."""
import json
import signal
import socket

from leat import LOOPS, check, ms, problem, same, until


def a_stream_whose_job_was_deleted_by_hand_ends(leat):
    leat.checks_redis = False  # the story itself breaks what is checked
    gateway = leat.gateway()
    waiting = gateway.post("c").wait_head()
    leat.redis("DEL", f"job:{waiting.job()}")
    waiting.wait_named("gone", 6)
    waiting.wait_end()
    same(gateway.get("c").wait_end().status, 204, "nothing is left to follow")
    leat.worker()
    gateway.post("c").wait_done()


def a_running_job_deleted_by_hand_ends_its_followers(leat):
    leat.checks_redis = False
    gateway = leat.gateway()
    leat.worker(leat.task("count(1, 2)\nuntil('never')\n"))
    stream = gateway.post("c").wait_events(2)
    leat.redis("DEL", f"job:{stream.job()}", "chat:f:c")
    stream.wait_named("gone", 8)


def an_error_of_redis_never_removes_a_stream(leat):
    gateway = leat.gateway()
    leat.redis("ACL", "SETUSER", "limited", "on", ">pw", "~*", "&*", "+@all")
    leat.worker(leat.task("count(1, 3)\nuntil('go')\n"), REDIS_USERNAME="limited", REDIS_PASSWORD="pw")
    stream = gateway.post("c").wait_events(3)
    leat.redis("ACL", "SETUSER", "limited", "-xlen", "-xinfo")
    leat.leave("go")
    worker = leat.programs[-1]
    until(lambda: "step_failed" in worker.log(), 10, "the worker says that it may not")
    same(leat.redis("XLEN", "stream:f:c"), 4, "the marker and three messages")
    leat.redis("ACL", "SETUSER", "limited", "+@all")
    stream.wait_done()
    same(stream.numbers()[:3], [1, 2, 3], "messages")


def a_user_without_channels_does_not_flood_the_log(leat):
    gateway = leat.gateway()
    leat.redis("ACL", "SETUSER", "deaf", "on", ">pw", "~*", "resetchannels", "+@all")
    deaf = {"REDIS_USERNAME": "deaf", "REDIS_PASSWORD": "pw"}
    worker, deaf_gateway = leat.worker(TASK_MESSAGE_INTERVAL_MS="100", **deaf), leat.gateway(**deaf)
    gateway.post("c").wait_done()
    lines = [json.loads(line) for line in worker.log().splitlines()]
    downs = [line for line in lines if line["event"] == "redis_down"]
    same(len(downs), 1, "lines that say so in two seconds")
    check("NOPERM" in downs[0]["why"], f"and why: {downs}")
    lines = [json.loads(line) for line in deaf_gateway.log().splitlines()]
    refused = [line for line in lines if line["event"] == "others_refused"]
    same(len(refused), LOOPS, "the gateway's lines that say so, one a loop")
    same(refused[0]["channel"], "gateways", "the channel")


def lanes_that_nobody_needs_are_given_back(leat):
    gateway = leat.gateway(API_TAIL_LANES="64")

    def lanes():
        return leat.redis("CLIENT", "LIST").count("name=leat-api:lane")

    held = [gateway.post(f"c{i}").wait_head() for i in range(60)]
    until(lambda: lanes() == 60, 10, lambda: f"a connection each: {lanes()}")
    for client in held:
        client.close()
    until(lambda: lanes() <= 16 * LOOPS, 10, lambda: f"they go back, but for a few of each loop: {lanes()}")


def _open_stream(port, chat):
    """A POST whose answer nobody reads."""
    sock = socket.create_connection(("127.0.0.1", port))
    sock.sendall(f"POST /stream?feature_id=f&chat_id={chat} HTTP/1.1\r\nHost: a\r\n"
                 "Content-Length: 0\r\n\r\n".encode())
    return sock


def a_gateway_that_can_follow_no_more_starts_nothing(leat):
    leat.redis("ACL", "SETUSER", "default", "-client|tracking")
    gateway = leat.gateway(API_TAIL_LANES="0", API_LOOPS="1")
    until(lambda: "tracking_refused" in gateway.log(), 10, "the gateway says that it may not track")
    first = gateway.post("c0").wait_head()
    held = [_open_stream(gateway.port, f"c{i}") for i in range(1, 1000)]
    until(lambda: leat.redis("CLIENT", "LIST").count("name=leat-api:lane") == 1000, 20, lambda: f"a lane each for {len(held) + 1}")
    problem(gateway.post("b").wait_end(), 503)
    same(leat.redis("EXISTS", "chat:f:b"), 0, "nothing was started")
    same(gateway.get("c0").wait_head().header("Leat-Job"), first.job(), "who follows the same is welcome")
    same(gateway.log().count("tracking_refused"), 1, "lines that say why")


def streams_beyond_the_lanes_share_two_connections(leat):
    gateway = leat.gateway(API_TAIL_LANES="5", API_LOOPS="1")
    leat.worker(leat.task("count(1, 1)\nuntil('go')\ncount(2, 3)\n"), WORKER_MAX_JOBS="60")
    before = gateway.settled_sockets()
    clients = [gateway.post(f"c{i}").wait_events(1) for i in range(60)]
    # Who has just come has two sockets until libmicrohttpd has let go of its own.
    until(lambda: before + 60 <= gateway.sockets() <= before + 60 + 5, 10,
          lambda: f"sockets: {before} before, {gateway.sockets()} with {len(clients)} streams")
    leat.leave("go")
    for client in clients:
        same(client.wait_done().numbers(), [1, 2, 3], "messages")


def a_hangup_leaves_a_worker_at_its_work(leat):
    gateway = leat.gateway()
    worker = leat.worker(leat.task("count(1, 2)\nuntil('go')\ncount(3, 3)\n"))
    stream = gateway.post("c").wait_events(2)
    read = worker.log().count('"features"')
    worker.signal(signal.SIGHUP)
    until(lambda: worker.log().count('"features"') > read, 5, "the worker looks for its file")
    leat.leave("go")
    same(stream.wait_done().numbers(), [1, 2, 3], "messages")
    check(worker.is_up(), "the worker goes on")


def signals_without_a_meaning_do_no_harm(leat):
    gateway, worker = leat.gateway(), leat.worker()
    for number in (signal.SIGUSR1, signal.SIGUSR2):
        gateway.signal(number)
    worker.signal(signal.SIGUSR2)  # it is not quiet: there is nothing to end
    gateway.post("c").wait_done()


def what_a_task_says_on_standard_error_goes_to_no_client(leat):
    leat.settings(RETRY_BACKOFF_MS="1")
    gateway = leat.gateway()
    leat.worker(leat.task("sys.stderr.write('a secret\\n')\nsys.exit(5)\n"))
    stream = gateway.post("c")
    stream.wait_named("failed")
    stream.wait_end()
    check(b"secret" not in stream.raw, f"what the client got: {stream.raw!r}")
    same(leat.job(stream.job())["words"], "a secret", "kept on the job")
