"""Clients that are slow, rude or gone: a bounded cost, and nobody else notices."""
import socket
import time

from leat import FACTOR, LOOPS, check, exact, limit, many, ms, same, soonest, stays, target, until

COUNTING = "n = 0\nwhile not there('go'):\n    n += 1\n    count(n, n)\n    time.sleep(0.02)\n"
# 24 MB in messages of 40 KB: more than the sockets' buffers take.
BIG = "for n in range(1, 601):\n    say({'n': n, 'text': 'x' * 40000})\n    time.sleep(0.005)\n"


def _freed(leat, how):
    gateway = leat.gateway()
    leat.worker(leat.task(COUNTING))
    staying = gateway.post("c").wait_events(2)
    before = gateway.settled_sockets()
    # Each of the other loops that came to follow the stream may keep its connection for that.
    most = before + LOOPS - 1

    def come_and_go():
        clients = [gateway.get("c") for _ in range(30)]
        for client in clients:
            client.wait_events(1)
        until(lambda: gateway.sockets() >= before + 30, 10, "thirty more sockets")
        for client in clients:
            client.close(how)
        gone_at = time.monotonic()
        until(lambda: gateway.sockets() <= most, 10, lambda: f"freed: {gateway.sockets()}, before {before}")
        return time.monotonic() - gone_at

    soonest(1, come_and_go, "freed")
    leat.leave("go")
    exact(staying.wait_done())


def clients_that_close_are_freed_within_a_second(leat):
    _freed(leat, "fin")


def clients_that_reset_are_freed_within_a_second(leat):
    _freed(leat, "rst")


def clients_of_a_silent_stream_are_freed_within_a_second_too(leat):
    gateway = leat.gateway()
    before = gateway.settled_sockets()

    def come_and_go():
        clients = [gateway.post("c").wait_head() for _ in range(10)]
        for number, client in enumerate(clients):
            client.wait_comment("leat ")
            client.close("rst" if number % 2 else "fin")
        gone_at = time.monotonic()
        # One connection of each loop may stay: the lane or tracking the stream needed.
        until(lambda: gateway.sockets() <= before + LOOPS, 10, lambda: f"{gateway.sockets()}, before {before}")
        return time.monotonic() - gone_at

    soonest(1, come_and_go, "freed")


def the_job_goes_on_when_its_only_client_goes(leat):
    gateway = leat.gateway()
    leat.worker()
    first = gateway.post("c", cut_after=3, how="rst").wait_end()
    leat.wait_state(first.job(), "done")
    rest = gateway.get("c", cursor=first.last_id).wait_done()
    same(len(first.messages() + rest.messages()), 20, "messages put together")


def a_client_that_left_before_the_claim_does_not_stop_the_job(leat):
    gateway = leat.gateway()
    first = gateway.post("c").wait_head()
    job = first.job()
    first.close()
    leat.worker()
    leat.wait_state(job, "done")


def _to_the_end(gateway, client):
    """Who was cut for its backlog resumes: its connections, the last of which saw the end."""
    parts = [client]
    while parts[-1].events[-1].data != "[DONE]":
        parts.append(gateway.get("c", cursor=parts[-1].last_id).wait_end(40))
        check(parts[-1].events, lambda: f"a resume brings something: {parts[-1].describe()}")
    return parts


@limit(90)
def a_slow_reader_costs_a_bounded_amount_and_nobody_else_notices(leat):
    leat.settings(STREAM_TTL_MS=ms(60000))
    # The kernel drops who reads nothing for two heartbeats.
    gateway = leat.gateway(API_MAX_BACKLOG="512KiB", API_HEARTBEAT_MS=ms(15000))
    leat.worker(leat.task("until('start')\n" + BIG))
    fast = gateway.post("c").wait_head()
    others = gateway.settled_sockets()
    slow = [gateway.get("c", reads=False, receive_buffer=8192) for _ in range(10)]
    until(lambda: gateway.sockets() >= others + 10, 5, "the slow ones are there")
    before = gateway.memory_kib()
    highest = [before]
    leat.leave("start")
    while not fast.ended:
        highest.append(gateway.memory_kib())
        fast.wait(lambda seen=len(fast.events): len(fast.events) > seen or fast.ended, 15, "messages go on")
    # Who reads fast, on a machine that has time for it: else it is cut as well, and resumes.
    ids = [e.id for p in _to_the_end(gateway, fast) for e in p.events]
    same(ids, [f"{ids[0].split('-')[0]}-{n}" for n in range(1, 602)], "the fast one's messages")
    grown = max(highest) - before
    # Ten followers of 512 KiB, one stream's buffer, and room for the allocator; not 24 MB each.
    check(grown < 24 * 1024 * max(1, FACTOR), f"memory grew by {grown} KiB")
    for client in slow:
        client.read_on()
    for client in slow:
        client.wait_end(40)
    same([e.id for p in _to_the_end(gateway, slow[0]) for e in p.events], ids, "a slow one resumes to the end")


def a_late_follower_of_a_long_finished_answer_reads_it_at_its_own_pace(leat):
    gateway = leat.gateway(API_MAX_BACKLOG="512KiB", API_HEARTBEAT_MS=ms(15000))
    leat.worker(leat.task("for n in range(1, 201):\n    say({'n': n, 'text': 'x' * 40000})\n"))
    job = gateway.post("c", cut_after=1).wait_end().job()
    leat.wait_state(job, "done")
    late = gateway.get("c", reads=False, receive_buffer=8192)
    # Time to run ahead of a reader that does not read, and to look whether Redis still has the stream.
    stays(lambda: "history_lost" not in gateway.log(), 5, "nothing is lost")
    late.read_on()
    exact(late.wait_done(30), last=201)


def a_slow_reader_that_keeps_up_sees_an_exact_stream(leat):
    gateway = leat.gateway(API_STREAM_BUFFER="4KiB")
    leat.worker(leat.task("for n in range(1, 301):\n    say({'n': n, 'text': 'x' * 2000})\n"))
    fast = gateway.post("c")
    slow = gateway.get("c", reads=False, receive_buffer=4096) if fast.wait_events(1) else None
    fast.wait_done()
    slow.read_on()
    slow.wait_done(30)
    same(slow.ids(), fast.ids(), "ids")


def hundreds_of_followers_of_one_stream_see_the_same(leat):
    gateways = [leat.gateway(), leat.gateway(API_LOOPS="2")]
    leat.worker(leat.task("until('go')\ncount(1, 30)\n"))
    first = gateways[0].post("c").wait_head()
    streams = many(150, lambda i: gateways[i % 2].get("c").wait_head())
    leat.leave("go")
    for stream in [first] + streams:
        same(stream.wait_done(30).numbers(), list(range(1, 31)), "messages")


def a_client_that_half_closes_harms_nobody(leat):
    gateway = leat.gateway(API_HEARTBEAT_MS=ms(300))
    leat.worker(leat.task(COUNTING))
    staying = gateway.post("c").wait_events(1)
    before = gateway.settled_sockets()
    with socket.create_connection(("127.0.0.1", gateway.port)) as sock:
        sock.sendall(f"GET {target('c')} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        sock.shutdown(socket.SHUT_WR)
        sock.settimeout(0.2)
        until(lambda: _ends(sock) or b"", 5, "the gateway lets go of it")
    until(lambda: gateway.sockets() <= before, 2, "freed")
    leat.leave("go")
    exact(staying.wait_done())


def _asks_and_goes(leat, path):
    gateway = leat.gateway()
    before = gateway.settled_sockets()

    def come_and_go():
        socks = [socket.create_connection(("127.0.0.1", gateway.port)) for _ in range(40)]
        for sock in socks:
            sock.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            sock.shutdown(socket.SHUT_WR)
        gone_at = time.monotonic()
        # A few may stay: the lanes that a stream needs.
        until(lambda: gateway.sockets() <= before + 1 + LOOPS, 10,
              lambda: f"{gateway.sockets() - before} of 40 are held")
        took = time.monotonic() - gone_at
        for sock in socks:
            sock.close()
        return took

    soonest(1, come_and_go, "freed")


def clients_that_ask_and_go_in_one_breath_are_freed(leat):
    _asks_and_goes(leat, "/livez")


def clients_that_ask_for_a_stream_and_go_in_one_breath_are_freed(leat):
    leat.gateway().post("c").wait_head()
    _asks_and_goes(leat, target("c"))


def _ends(sock):
    try:
        return sock.recv(65536) == b""
    except TimeoutError:
        return False
    except OSError:
        return True
