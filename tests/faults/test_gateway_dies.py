"""Gateways that are killed, drained or replaced: clients resume through another."""
import socket
import time

from leat import FACTOR, check, exact, free_port, ms, same, until

COUNTING = "n = 0\nwhile not there('go'):\n    n += 1\n    count(n, n)\n    time.sleep(0.01)\ncount(n + 1, n + 1)\n"


def _refuses_connections(port):
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return False
    except OSError:
        return True


def a_gateway_at_sigterm_ends_streams_without_done_and_exits_0(leat):
    draining, other = leat.gateway(), leat.gateway()
    leat.worker(leat.task(COUNTING))
    streams = [draining.post("c").wait_events(3)] + [draining.get("c").wait_events(1) for _ in range(8)]
    silent = draining.post("waits", feature="nobody", query="events=all").wait_head()
    draining.terminate()
    started = time.monotonic()
    same(draining.wait(4), 0, "exit code")
    check(time.monotonic() - started < 3 * FACTOR, "within API_DRAIN_MS")
    check(_refuses_connections(draining.port), "no new connections")
    for stream in streams + [silent]:
        stream.wait_end(2)
        same(stream.ended, "complete", f"the body's regular end: {stream.describe()}")
        check(all(e.data != "[DONE]" for e in stream.events), f"no [DONE]: {stream.describe()}")
    rest = [other.get("c", cursor=s.last_id) for s in streams]
    leat.leave("go")
    for stream, part in zip(streams, rest):
        part.wait_done()
        ids = stream.ids() + part.ids()
        same(ids, [f"{ids[0].split('-')[0]}-{n}" for n in range(1, len(ids) + 1)], "ids put together")
        same(part.names(), [], "named events")


def three_hundred_streams_are_ended_and_none_loses_anything(leat):
    draining, other = leat.gateway(API_MAX_CONNECTIONS="1000"), leat.gateway(API_MAX_CONNECTIONS="1000")
    slowly = COUNTING.replace("0.01", "0.2")  # 300 readers in one process are slow
    leat.worker(leat.task(slowly), WORKER_MAX_JOBS="10", JOB_TIMEOUT_MS="600000")
    streams = [draining.post(f"c{n}").wait_events(1) for n in range(6)]
    streams += [draining.get(f"c{n % 6}") for n in range(294)]
    for stream in streams:
        stream.wait_events(1)
    rude = [socket.create_connection(("127.0.0.1", draining.port)) for _ in range(20)]
    for sock in rude:  # they ask, and never read
        sock.sendall(b"GET /stream?feature_id=f&chat_id=c0 HTTP/1.1\r\nHost: x\r\n\r\n")
    draining.terminate()
    draining.terminate()
    same(draining.wait(8), 0, "exit code")
    rest = []
    for n, stream in enumerate(streams):
        stream.wait_end(2)
        same(stream.ended, "complete", f"the body's regular end: {stream.describe()}")
        check(all(e.data != "[DONE]" for e in stream.events), f"no [DONE]: {stream.describe()}")
        rest.append(other.get(f"c{n % 6}", cursor=stream.last_id))
    leat.leave("go")
    for stream, part in zip(streams, rest):
        part.wait_done()
        ids = stream.ids() + part.ids()
        same(ids, [f"{ids[0].split('-')[0]}-{n}" for n in range(1, len(ids) + 1)], "ids put together")
    for sock in rude:
        sock.close()


def a_draining_gateway_is_not_ready(leat):
    gateway = leat.gateway(API_DRAIN_MS=ms(3000))
    with socket.create_connection(("127.0.0.1", gateway.port)) as sock:
        sock.settimeout(5 * FACTOR)
        sock.sendall(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
        check(b" 200 " in sock.recv(1000), "ready before")
        gateway.terminate()
        until(lambda: _refuses_connections(gateway.port) or not gateway.is_up(), 3, "the socket is closed")
    same(gateway.wait(5), 0, "exit code")


def a_gateway_that_is_killed_loses_nothing(leat):
    gateways = [leat.gateway(), leat.gateway()]
    leat.worker(leat.task(COUNTING))
    streams = [gateways[0].post(f"c{n}").wait_events(3) for n in range(5)]
    gateways[0].kill()
    for stream in streams:
        stream.wait_end()
        check(stream.ended in ("eof", "reset"), f"cut: {stream.ended}")
    leat.leave("go")
    for number, stream in enumerate(streams):
        rest = gateways[1].get(f"c{number}", cursor=stream.last_id).wait_done()
        ids = stream.ids() + rest.ids()
        same(ids, [f"{ids[0].split('-')[0]}-{n}" for n in range(1, len(ids) + 1)], "ids put together")


def a_job_accepted_by_a_gateway_that_dies_at_once_is_still_run(leat):
    gateways = [leat.gateway(), leat.gateway()]
    job = gateways[0].post("c").wait_head().job()
    gateways[0].kill()
    leat.worker()
    leat.wait_state(job, "done")
    stream = gateways[1].get("c").wait_done()
    same(stream.job(), job, "job")
    exact(stream, last=21)


def a_gateway_can_be_started_again_on_its_port_at_once(leat):
    gateway = leat.gateway(API_PORT=str(free_port()))
    leat.worker(leat.task(COUNTING))
    stream = gateway.post("c").wait_events(3)
    for how in ("kill", "stop"):
        getattr(gateway, how)()
        gateway = leat.gateway(API_PORT=str(gateway.port))
    leat.leave("go")
    exact(gateway.get("c").wait_done())
    stream.wait_end()


def a_gateway_alone_reaps_what_dead_workers_left(leat):
    leat.settings(LEASE_MS=ms(500), JOB_MAX_DEATHS="1")
    gateway = leat.gateway()
    worker = leat.worker(leat.task("count(1, 2)\nuntil('never')\n"))
    stream = gateway.post("c").wait_events(2)
    worker.kill()
    stream.wait_done(10)
    same(stream.names(), ["failed"], "named events")
