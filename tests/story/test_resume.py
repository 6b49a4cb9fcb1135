"""Clients that come back with a cursor: every row of the design's table."""
import json

from leat import check, exact, ms, problem, same, stays, until

TWO_ATTEMPTS = """
if attempt == 1:
    count(1, 4)
    until('crash')
    sys.exit(3)
count(1, 6)
until('go')
count(7, 8)
"""


def _keys_of_jobs(leat):
    return [k for k in leat.redis.keys() if k.startswith(("job:", "chat:", "stream:", "idem:"))]


def _told(stream, name):
    """`superseded` or `gone`: the event, then [DONE] with id end, and a regular end."""
    stream.wait_done()
    same(stream.status, 200, "status")
    same((stream.names(), len(stream.events)), ([name], 2), f"events of {stream.describe()}")
    same((stream.events[0].id, stream.events[1].id), (None, "end"), "ids")
    return stream.events[0].json()


def a_client_cut_behind_every_event_in_turn_ends_with_the_same_text(leat):
    gateways = [leat.gateway(), leat.gateway()]
    leat.worker(TASK_MESSAGE_INTERVAL_MS="10")
    undisturbed = gateways[0].post("c").wait_head()
    events, cursor, connections = [], None, 0
    while not events or events[-1].data != "[DONE]":
        gateway = gateways[connections % 2]
        part = gateway.get("c", cursor=cursor, cut_after=1, how="rst" if connections % 3 else "fin")
        part.wait_end()
        same((part.status, len(part.events)), (200, 1), f"each connection brings one: {part.describe()}")
        events += part.events
        cursor = events[-1].id
        connections += 1
        check(connections < 40, f"no end: {events}")
    undisturbed.wait_done()
    same([(e.id, e.data) for e in events], [(e.id, e.data) for e in undisturbed.events],
         "what the client put together")


def a_resume_behind_any_event_brings_exactly_the_rest(leat):
    gateways = [leat.gateway(), leat.gateway()]
    leat.worker(TASK_MESSAGE_INTERVAL_MS="0")
    whole = gateways[0].post("c").wait_done()
    for number, event in enumerate(whole.events[:-1], 1):
        rest = gateways[number % 2].get("c", cursor=event.id).wait_done()
        same(rest.ids(), whole.ids()[number:], f"ids behind {event.id}")
        same(rest.names(), [], "named events")


def the_cursor_of_a_marker_brings_the_whole_attempt(leat):
    gateway = leat.gateway()
    leat.worker(TASK_MESSAGE_INTERVAL_MS="0")
    whole = gateway.post("c").wait_done()
    rest = gateway.get("c", cursor=whole.ids()[0].split("-")[0] + "-0").wait_done()
    same(rest.ids(), whole.ids(), "ids")
    same(rest.names(), [], "named events")


def the_end_is_answered_with_204(leat):
    gateway = leat.gateway()
    leat.worker(TASK_MESSAGE_INTERVAL_MS="0")
    whole = gateway.post("c").wait_done()
    for cursor in (whole.ids()[-1], "end"):
        for method in ("GET", "POST"):
            answer = gateway.client(method, "/stream?feature_id=f&chat_id=c",
                                    [("Last-Event-ID", cursor)]).wait_end()
            same((answer.status, bytes(answer.body)), (204, b""), f"{method} with {cursor}")
    same(gateway.get("nobody", cursor="end").wait_end().status, 204, "`end` where there is nothing")
    same(leat.redis("GET", "chat:f:c"), whole.job(), "nothing was started")


def the_cursor_may_stand_in_the_query_and_the_header_wins(leat):
    gateway = leat.gateway()
    leat.worker(TASK_MESSAGE_INTERVAL_MS="0")
    whole = gateway.post("c").wait_done()
    ids = whole.ids()
    same(gateway.get("c", query=f"last_event_id={ids[4]}").wait_done().ids(), ids[5:], "by the query")
    same(gateway.get("c", query=f"last_event_id={ids[4]}", cursor=ids[9]).wait_done().ids(), ids[10:],
         "by both")
    same(gateway.get("c", query="last_event_id=end").wait_end().status, 204, "`end` in the query")


def a_post_with_a_cursor_resumes_and_never_starts(leat):
    gateway = leat.gateway()
    leat.worker(TASK_MESSAGE_INTERVAL_MS="0")
    _told(gateway.post("c", headers=[("Last-Event-ID", "1759312800000-1")]), "gone")
    _told(gateway.post("c", {"q": 1}, headers=[("Last-Event-ID", "1759312800000-1")]), "gone")
    same(_keys_of_jobs(leat), [], "keys after a POST with a cursor")
    whole = gateway.post("c").wait_done()
    rest = gateway.post("c", headers=[("Last-Event-ID", whole.ids()[6])]).wait_done()
    same((rest.job(), rest.ids()), (whole.job(), whole.ids()[7:]), "resumed by POST")
    rest = gateway.post("c", {"q": "other"}, headers=[("Last-Event-ID", whole.ids()[6])]).wait_done()
    same((rest.job(), rest.ids()), (whole.job(), whole.ids()[7:]), "resumed by POST with a body")


def a_malformed_cursor_is_refused(leat):
    gateway = leat.gateway()
    gateway.post("c").wait_head()
    for cursor in ("abc", "1", "1-", "-1", "1-2-3", "1-1x", "+1-1", "0x1-1", "18446744073709551616-0",
                   "1-18446744073709551616", "9" * 21 + "-1", "1_1", "*", "$", "END", "1-1,2-2", "é"):
        body = problem(gateway.get("c", cursor=cursor).wait_end(), 400)
        check("Last-Event-ID" in body["detail"] or "cursor" in body["detail"],
              f"the reason for {cursor!r}: {body}")
    for cursor in ("abc", "%00", "1-1%0d%0aid:%202-2", "1-1%20"):
        problem(gateway.get("c", query="last_event_id=" + cursor).wait_end(), 400)
    problem(gateway.get("c", query="last_event_id=1-1&last_event_id=1-1").wait_end(), 400)
    problem(gateway.get("c", headers=[("Last-Event-ID", "1-1"), ("Last-Event-ID", "1-1")]).wait_end(), 400)


def a_cursor_where_nothing_is_there_is_told_gone(leat):
    gateway = leat.gateway()
    _told(gateway.get("c", cursor="1759312800000-1"), "gone")


def a_request_pinned_to_an_older_job_is_told_superseded(leat):
    gateway = leat.gateway()
    leat.worker(leat.task("count(1, 3)\n"))
    one = gateway.post("c", {"q": 1}).wait_done()
    two = gateway.post("c", {"q": 2}).wait_done()
    for cursor in (one.ids()[0], None):
        told = _told(gateway.get("c", query="job=" + one.job(), cursor=cursor), "superseded")
        same(told["job"], two.job(), "the job that took its place")
    pinned = gateway.get("c", query="job=" + two.job(), cursor=two.ids()[0]).wait_done()
    same(pinned.ids(), two.ids()[1:], "pinned to the chat's job")


def a_cursor_of_an_older_job_is_told_superseded(leat):
    gateway = leat.gateway()
    leat.worker(leat.task("count(1, 3)\n"))
    one = gateway.post("c", {"q": 1}).wait_done()
    gateway.post("c", {"q": 2}).wait_done()
    for cursor in (one.ids()[0], one.ids()[-1]):
        _told(gateway.get("c", cursor=cursor), "superseded")


def a_cursor_of_an_earlier_attempt_is_reset_and_gets_the_current_one(leat):
    leat.settings(RETRY_BACKOFF_MS="1")
    gateways = [leat.gateway(), leat.gateway()]
    leat.worker(leat.task(TWO_ATTEMPTS))
    first = gateways[0].post("c").wait_events(4)
    old = first.ids()[1]
    leat.leave("crash")
    reset = first.wait_named("reset")
    first.wait_events(4 + 1 + 6)
    later = gateways[1].get("c", cursor=old).wait_events(1 + 6)
    same(later.events[0].name, "reset", "the first event")
    same({k: later.events[0].json()[k] for k in ("job", "attempt", "reason")},
         {"job": first.job(), "attempt": 2, "reason": "retry"}, "what reset says")
    same((later.events[0].id, later.events[0].data), (reset.id, reset.data), "the same reset as live")
    check(reset.id.endswith("-0"), f"reset carries the marker's id: {reset}")
    leat.leave("go")
    for stream in (first, later):
        stream.wait_done()
        behind = [e for e in stream.events if e.number > stream.events.index(
            next(e for e in stream.events if e.name == "reset")) + 1]
        same([json.loads(e.data)["n"] for e in behind[:-1]], list(range(1, 9)), "the second attempt")
        same({e.id.split("-")[0] for e in behind}, {reset.id.split("-")[0]}, "one attempt's ids")
    joined = gateways[0].get("c").wait_done()
    same((joined.names(), joined.numbers()), ([], list(range(1, 9))), "who joins without a cursor")
    after = gateways[0].get("c", cursor=reset.id).wait_done()
    same((after.names(), after.numbers()), ([], list(range(1, 9))), "resumed at the marker")


def a_cursor_ahead_of_an_ended_stream_is_told_that_history_is_lost(leat):
    gateway = leat.gateway()
    leat.worker(TASK_MESSAGE_INTERVAL_MS="0")
    whole = gateway.post("c").wait_done()
    attempt = whole.ids()[0].split("-")[0]
    stream = gateway.get("c", cursor=f"{attempt}-99").wait_done()
    same(stream.names(), ["reset"], "named events")
    same(stream.events[0].json()["reason"], "history_lost", "reason")
    same(stream.events[0].id, f"{attempt}-0", "id of the reset")
    same(stream.ids()[1:], whole.ids(), "the attempt from its start")


def a_cursor_of_a_lost_claim_is_reset_while_the_job_lives_and_gone_after(leat):
    gateway = leat.gateway()
    leat.worker(leat.task("count(1, 3)\nuntil('go')\ncount(4, 5)\n"))
    first = gateway.post("c").wait_events(3)
    ahead = f"{int(first.ids()[0].split('-')[0]) + 5000}-2"
    stream = gateway.get("c", cursor=ahead).wait_events(4)
    same((stream.events[0].name, stream.events[0].json()["reason"]), ("reset", "history_lost"),
         "the first event")
    leat.leave("go")
    same(stream.wait_done().numbers(), [1, 2, 3, 4, 5], "the current attempt")
    first.wait_done()
    _told(gateway.get("c", cursor=ahead), "gone")


def a_cursor_ahead_of_a_running_stream_waits_until_its_tail_is_repaired(leat):
    gateways = [leat.gateway(API_HEARTBEAT_MS=ms(200)), leat.gateway()]
    leat.worker(leat.task("count(1, 4)\nuntil('more')\ncount(5, 8)\nuntil('go')\ncount(9, 9)\n"))
    first = gateways[1].post("c").wait_events(4)
    old = _dump(leat)
    leat.leave("more")
    first.wait_events(8)
    _lose_tail(leat, old)
    stream = gateways[0].get("c", cursor=first.ids()[7]).wait_head()
    stream.wait(lambda: len(stream.comments) >= 4, 5, "comments while it waits")
    same(stream.events, [], "events before the tail is there again")
    leat.leave("go")
    stream.wait_done()
    same((stream.numbers(), stream.names()), ([9], []), "what follows the cursor")
    first.wait_done()
    same((first.numbers(), first.names()), (list(range(1, 10)), []), "the open connection")
    exact(first, last=10)


def _dump(leat):
    leat.redis.resp("PING")
    sock = leat.redis.connect()
    sock.sock.sendall(b"*2\r\n$4\r\nDUMP\r\n$10\r\nstream:f:c\r\n")
    size = int(sock.file.readline()[1:])
    data = sock.file.read(size)
    sock.close()
    return data


def _lose_tail(leat, old):
    """As after a crash: the stream is what it was some entries ago, its top id too."""
    leat.redis("RESTORE", "stream:f:c", "60000", old, "REPLACE")


def an_ended_stream_whose_tail_was_lost_is_not_continued_silently(leat):
    gateway = leat.gateway()
    leat.worker(leat.task("count(1, 4)\nuntil('more')\ncount(5, 8)\n"))
    first = gateway.post("c").wait_events(4)
    old = _dump(leat)
    leat.leave("more")
    first.wait_done()
    _lose_tail(leat, old)
    stream = gateway.get("c", cursor=first.ids()[6]).wait_head()
    stream.wait_events(1, 5)
    check(stream.events[0].name in ("reset", "gone"), f"loss is announced: {stream.describe()}")
    leat.checks_redis = False  # the story itself has broken what is checked


def a_queued_job_can_be_followed_with_its_own_cursor(leat):
    gateway = leat.gateway()
    gateway.post("c").wait_head()
    first = leat.redis.entries("stream:f:c")[0][0]
    stream = gateway.get("c", cursor=first).wait_head()
    leat.worker(TASK_MESSAGE_INTERVAL_MS="0")
    stream.wait_done()
    same(len(stream.messages()), 20, "messages")


def resumes_meet_the_live_end_without_hole_or_double(leat):
    gateways = [leat.gateway(), leat.gateway()]
    leat.worker(TASK_MESSAGE_COUNT="400", TASK_MESSAGE_INTERVAL_MS="2")
    undisturbed = gateways[0].post("c").wait_head()
    clients = []
    for number in range(8):
        clients.append([gateways[number % 2].get("c", cut_after=5 + 7 * number)])
    for number, parts in enumerate(clients):
        while True:
            parts[-1].wait_end(30)
            if parts[-1].events and parts[-1].events[-1].data == "[DONE]":
                break
            cursor = next((p.last_id for p in reversed(parts) if p.last_id), None)
            parts.append(gateways[len(parts) % 2].get("c", cursor=cursor, cut_after=60 + number))
    undisturbed.wait_done(30)
    exact(undisturbed, last=401)
    for parts in clients:
        same([e.id for p in parts for e in p.events], undisturbed.ids(), "ids put together")


def a_stopped_stream_resumed_at_its_last_message_still_says_cancelled(leat):
    gateway = leat.gateway()
    leat.worker(leat.task("count(1, 3)\nuntil('never')\n"))
    first = gateway.post("c").wait_events(3)
    gateway.delete("c")
    first.wait_done()
    same(first.names(), ["cancelled"], "named events")
    again = gateway.get("c", cursor=first.ids()[2]).wait_done()
    same((again.names(), again.messages()), (["cancelled"], []), "resumed behind the last message")
    until(lambda: not leat.redis.hash("job:" + first.job()).get("owner"), 2, "nobody owns it")
    stays(lambda: leat.redis("XLEN", "stream:f:c") == 5, 0.2, "nothing more is written")
