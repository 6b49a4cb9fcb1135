"""What a client of one undisturbed stream sees, and what of it stands in Redis."""
import json
import re
import time

from leat import AT_ONCE, FACTOR, check, exact, many, ms, problem, raw, same, stays, target, until

UUID = re.compile(r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")


def twenty_messages_arrive_in_order_and_then_done(leat):
    gateway = leat.gateway()
    leat.worker(FEATURE_ID="mill")
    stream = gateway.post("chat-123", feature="customer-support").wait_done()
    exact(stream, last=21)
    same(len(stream.messages()), 20, "messages")
    for number, text in enumerate(stream.messages()):
        message = json.loads(text)
        same(message["id"], str(number), "id")
        same(message["feature_id"], "customer-support", "feature_id")
        same(message["chat_id"], "chat-123", "chat_id")
        same(message["message"], f"Message {number} from feature customer-support, chat chat-123",
             "message")
        check(re.match(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$", message["timestamp"]),
              f"timestamp {message['timestamp']}")
        check(message["container_id"].startswith("worker-"), f"container_id {text}")
        same(message["container_feature_id"], "worker-mill", "container_feature_id")
        same(message["worker"], "leat", "worker")
    same(stream.names(), [], "named events that nobody asked for")


def messages_come_when_they_are_made_not_at_the_end(leat):
    gateway = leat.gateway()
    leat.worker(leat.task("count(1, 1)\nuntil('go-' + chat)\ncount(2, 2)\n"))
    stream = gateway.post("c").wait_events(1)
    leat.leave("go-c")
    stream.wait_done()
    same(stream.numbers(), [1, 2], "messages")


def head_and_a_first_comment_come_at_once_where_no_worker_lives(leat):
    gateway = leat.gateway()
    stream = gateway.post("c").wait_head()
    stream.wait_comment("leat ")
    stream.wait(lambda: stream.retry is not None, 2, "a retry")
    check(stream.comments[0][1] - stream.started < AT_ONCE, "the first comment came late")
    same(stream.header("Content-Type").split(";")[0], "text/event-stream", "content type")
    same(stream.header("Cache-Control"), "no-store, no-transform", "Cache-Control")
    same(stream.header("X-Accel-Buffering"), "no", "X-Accel-Buffering")
    check(UUID.match(stream.job() or ""), f"Leat-Job is a UUID: {stream.headers}")
    same(stream.header("Leat-Attached"), "false", "Leat-Attached")
    check(stream.job() in (stream.header("Location") or ""), f"Location names the job: {stream.headers}")
    same(stream.comments[0][0], f"leat {stream.job()}", "the first comment")
    check(1000 <= stream.retry <= 5000, f"retry: {stream.retry}")
    check(bytes(stream.body).startswith(b": leat "), "the comment is the first of the body")


def the_location_of_an_answer_can_be_followed(leat):
    gateway = leat.gateway()
    leat.worker()
    stream = gateway.post("c").wait_head()
    location = stream.header("Location")
    check(location.startswith("/"), f"a path on this gateway: {location}")
    other = gateway.client("GET", location).wait_done()
    stream.wait_done()
    same(other.messages(), stream.messages(), "messages at Location")


def retry_differs_from_client_to_client(leat):
    gateway = leat.gateway()
    streams = [gateway.post("c") for _ in range(8)]
    for stream in streams:
        stream.wait_head().wait(lambda s=stream: s.retry is not None, 2, "a retry")
    check(len({s.retry for s in streams}) > 1, f"retry: {[s.retry for s in streams]}")


def a_queued_job_is_told_by_comments_and_silence_by_heartbeats(leat):
    gateway = leat.gateway(API_HEARTBEAT_MS=ms(200))
    stream = gateway.post("c").wait_head()
    stream.wait_comment("queued 1")
    stream.wait(lambda: len(stream.comments) >= 7, 5, "seven comments")
    times = [when for _, when in stream.comments]
    gaps = sorted(b - a for a, b in zip(times, times[1:]))
    check(gaps[len(gaps) // 2] < 0.5 * FACTOR, f"most come after 200 ms or less: {gaps}")
    same(sum(c.startswith("queued") for c, _ in stream.comments), 1, "the unchanged place is told once")
    same(stream.events, [], "events of a job that waits")
    leat.worker(leat.task("count(1, 1)\nuntil('go')\n"))
    stream.wait_comment("running attempt 1 ", 8)  # news come at most every 5 s
    leat.leave("go")
    stream.wait_done()


def news_of_a_running_job_come_at_once_to_who_joins(leat):
    gateway = leat.gateway()
    leat.worker(leat.task("count(1, 1)\nuntil('go')\n"))
    first = gateway.post("c").wait_events(1)
    second = gateway.get("c", query="events=all").wait_events(1)
    running = second.wait_named("running", 2)
    same((running.json()["attempt"], running.json()["job"]), (1, first.job()), "what it says")
    leat.leave("go")
    second.wait_done()
    same(second.names(), ["running"], "named events")


def a_silent_task_is_covered_by_heartbeats(leat):
    gateway = leat.gateway(API_HEARTBEAT_MS=ms(200))
    leat.worker(leat.task("count(1, 1)\nuntil('go')\ncount(2, 2)\n"))
    stream = gateway.post("c").wait_events(1)
    before = len(stream.comments)
    stream.wait(lambda: len(stream.comments) >= before + 4, 5, "four heartbeats")
    leat.leave("go")
    stream.wait_done()
    same(stream.numbers(), [1, 2], "messages")


def events_all_makes_events_of_the_news(leat):
    gateway = leat.gateway()
    stream = gateway.post("c", query="events=all").wait_head()
    queued = stream.wait_named("queued")
    leat.worker(leat.task("count(1, 20)\nuntil('go')\n"))
    running = stream.wait_named("running", 8)  # news come at most every 5 s
    leat.leave("go")
    stream.wait_done()
    for event in (queued, running):
        same(event.id, None, f"id of {event}")
        same(event.json()["job"], stream.job(), f"job of {event}")
    same(running.json()["attempt"], 1, "attempt")
    same(stream.names(), ["queued", "running"], "named events")
    same(len(stream.messages()), 20, "messages")


def simultaneous_posts_through_two_gateways_share_one_job(leat):
    gateways = [leat.gateway(), leat.gateway()]
    leat.worker()
    leat.worker()
    streams = many(40, lambda i: gateways[i % 2].post("c"))
    for stream in streams:
        stream.wait_done(30)
        exact(stream, last=21)
        same(stream.messages(), streams[0].messages(), "messages of another follower")
        same(stream.ids(), streams[0].ids(), "ids of another follower")
    same(len({s.job() for s in streams}), 1, "jobs")
    same(sorted(s.header("Leat-Attached") for s in streams).count("false"), 1, "who started it")


def simultaneous_posts_with_one_body_share_one_job(leat):
    gateways = [leat.gateway(), leat.gateway()]
    leat.worker()
    streams = many(20, lambda i: gateways[i % 2].post("c", {"q": "the same"}))
    for stream in streams:
        stream.wait_done(30)
    same(len({s.job() for s in streams}), 1, "jobs")


def who_joins_in_the_middle_sees_all_from_the_start(leat):
    gateways = [leat.gateway(), leat.gateway()]
    leat.worker(leat.task("count(1, 5)\nuntil('go')\ncount(6, 9)\n"))
    first = gateways[0].post("c").wait_events(5)
    later = [gateways[i % 2].get("c") for i in range(4)] + [gateways[1].post("c")]
    for stream in later:
        stream.wait_head()
        same(stream.header("Leat-Attached"), "true", "Leat-Attached")
        same(stream.job(), first.job(), "job")
        stream.wait_events(5)
    leat.leave("go")
    for stream in [first] + later:
        stream.wait_done()
        same(stream.numbers(), list(range(1, 10)), "messages")
        same(stream.names(), [], "named events")


def many_chats_at_once_do_not_mix(leat):
    gateways = [leat.gateway(), leat.gateway(API_LOOPS="2")]
    leat.worker(TASK_MESSAGE_INTERVAL_MS="5", WORKER_MAX_JOBS="20")
    leat.worker(TASK_MESSAGE_INTERVAL_MS="5", WORKER_MAX_JOBS="20")
    streams = many(60, lambda i: gateways[i % 2].post(f"c{i}", feature=f"f{i % 7}"))
    for i, stream in enumerate(streams):
        stream.wait_done(40)
        exact(stream, last=21)
        texts = [json.loads(m)["message"] for m in stream.messages()]
        same(texts, [f"Message {n} from feature f{i % 7}, chat c{i}" for n in range(20)], "messages")


def a_get_never_starts_anything(leat):
    gateway = leat.gateway()
    leat.worker()
    answer = gateway.get("c").wait_end()
    same(answer.status, 204, "status where there is nothing to follow")
    same(bytes(answer.body), b"", "body of a 204")
    stays(lambda: not [k for k in leat.redis.keys() if k.startswith(("job:", "chat:", "stream:"))],
          0.3, lambda: f"a GET made keys: {leat.redis.keys()}")


def a_get_follows_what_a_post_started(leat):
    gateway = leat.gateway()
    first = gateway.post("c").wait_head()
    second = gateway.get("c").wait_head()
    leat.worker()
    same(second.wait_done().ids(), first.wait_done().ids(), "ids")
    same(second.header("Leat-Attached"), "true", "Leat-Attached")


def a_finished_answer_is_told_again_until_the_next_question(leat):
    gateway = leat.gateway()
    leat.worker(leat.task("say(job['payload'])\n"))
    one = gateway.post("c", {"q": 1}).wait_done()
    for again in (gateway.post("c"), gateway.post("c", {"q": 1}), gateway.get("c")):
        again.wait_done()
        same((again.job(), again.messages()), (one.job(), one.messages()), "the answer told again")
        same(again.header("Leat-Attached"), "true", "Leat-Attached")
    two = gateway.post("c", {"q": 2}).wait_done()
    check(two.job() != one.job(), "another question makes another job")
    same(two.header("Leat-Attached"), "false", "Leat-Attached")
    same(two.messages(), ['{"q": 2}'], "its messages")
    entries = leat.redis.entries("stream:f:c")
    check(all(f.get("job", two.job()) == two.job() for _, f in entries), f"only the new job's: {entries}")
    check(int(two.ids()[0].split("-")[0]) > int(one.ids()[0].split("-")[0]), "ids rise over jobs")


def equal_bodies_are_told_by_their_bytes(leat):
    gateway = leat.gateway()
    leat.worker(leat.task("say(job['payload'])\n"))
    one = gateway.post("c", b'{"a": 1}').wait_done()
    two = gateway.post("c", b'{"a":1}').wait_done()
    check(one.job() != two.job(), "other bytes are another question")


def an_idempotency_key_never_starts_a_second_job(leat):
    gateways = [leat.gateway(), leat.gateway()]
    leat.worker(leat.task("count(1, 3)\n"))
    key = [("Idempotency-Key", "key-1")]
    streams = many(12, lambda i: gateways[i % 2].post("c", {"q": 1}, headers=key))
    for stream in streams:
        stream.wait_done()
    same(len({s.job() for s in streams}), 1, "jobs of one key")
    first = streams[0].job()
    problem(gateways[0].post("c", {"q": 2}, headers=key).wait_end(), 422)
    other = gateways[0].post("c", {"q": 1}, headers=[("Idempotency-Key", "key-2")]).wait_done()
    check(other.job() != first, "another key is another question, also with an equal body")
    # The chat has moved on: the first key still means its own job, and starts nothing.
    late = gateways[1].post("c", {"q": 1}, headers=key).wait_end()
    same(late.status, 200, "status for the key of an answer that is gone")
    same((late.names(), late.events[-1].data, late.last_id), (["superseded"], "[DONE]", "end"),
         "what the old key is told")
    same(late.events[0].json()["job"], other.job(), "the job that took its place")
    same(leat.redis("GET", "chat:f:c"), other.job(), "the chat's job")


def the_key_of_a_stopped_job_starts_no_other(leat):
    gateway = leat.gateway()
    leat.worker(leat.task("count(1, 1)\nuntil('never')\n"))
    key = [("Idempotency-Key", "k")]
    first = gateway.post("c", headers=key).wait_events(1)
    same(gateway.delete("c").status, 200, "status of the stop")
    first.wait_done()
    again = gateway.post("c", headers=key).wait_done()
    same(again.job(), first.job(), "job")
    check("cancelled" in again.names(), f"what became of it: {again.describe()}")


def the_same_key_in_two_chats_is_two_questions(leat):
    gateway = leat.gateway()
    leat.worker(leat.task("count(1, 1)\n"))
    key = [("Idempotency-Key", "k")]
    one, two = gateway.post("c", headers=key).wait_done(), gateway.post("d", headers=key).wait_done()
    check(one.job() != two.job(), "jobs")


BODIES = {
    "large-numbers": b'{"id": 12345678901234567890, "pi": 3.141592653589793238462643, "e": 1e400, "z": -0.0}',
    "escapes": rb'{"a": "\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00", "key\u0020": "\u2028"}',
    "emoji": '{"text": "wheel 🎡, mill 🏭, ß, 漢字, \u2028\u2029"}'.encode(),
    "order": b'{"z": 1, "a": 2, "z": 3, "m": [ ], "e": {}}',
    "spaces": b'  [1,   2,\t3 ]  ',
    "text": b'"just a string: data: [DONE]"',
    "null": b'null',
    "deep": b'[' * 32 + b']' * 32,
}


def a_body_reaches_the_task_as_sent(leat):
    gateway = leat.gateway()
    leat.worker(leat.task("leave('line-' + chat, LINE)\nsay({'n': 1})\n"))
    for name, body in BODIES.items():
        gateway.post(name, body).wait_done()
        line = leat.wait_file("line-" + name)
        check(body in line, lambda: f"{name}: sent {body!r}, the task read {line!r}")
        json.loads(line)


def a_pretty_printed_body_stays_one_line(leat):
    gateway = leat.gateway()
    leat.worker(leat.task("leave('line', LINE)\nsay({'n': 1})\n"))
    body = json.dumps({"a": [1, {"b": "x\ny"}], "c": 2}, indent=2).replace("\n", "\r\n").encode()
    gateway.post("c", body).wait_done()
    line = leat.wait_file("line")
    wanted = body.replace(b"\r", b" ").replace(b"\n", b" ")
    check(b'"payload": ' + wanted in line or b'"payload":' + wanted in line,
          lambda: f"the task read {line!r}")
    same(line.count(b"\n"), 1, "line ends")


def a_task_is_told_what_the_design_says(leat):
    gateway = leat.gateway()
    leat.worker(leat.task("leave('line', LINE)\nleave('environ', repr(dict(os.environ)).encode())\n"
                          "leave('more', repr(sys.stdin.buffer.read()).encode())\nsay({'n': 1})\n"))
    stream = gateway.post("c.1", feature="f_2").wait_done()
    job = json.loads(leat.wait_file("line"))
    check(0 < job.pop("time_left_ms") <= int(ms(60000)), "time_left_ms")
    same(job, {"job": stream.job(), "type": "generate_messages", "feature_id": "f_2", "chat_id": "c.1",
               "attempt": 1, "payload": None}, "the line")
    same(leat.wait_file("more"), b"b''", "what follows the line")
    check(b"REDIS_" not in leat.wait_file("environ"), "a task is given no way to Redis")


def messages_pass_as_the_task_wrote_them(leat):
    gateway = leat.gateway()
    lines = ['{"a": 12345678901234567890, "a": 1e400}', '{"t": "[DONE]"}', '{"t":"\\r\\n\\ndata: x"}',
             '{"t": "🎡 \u2028 \\ud83d\\ude00"}', '  {"t" : 1}', '{"type": "done", "data": "[DONE]"}',
             '{"event": "x", "id": "1-1"}', json.dumps({"t": "x" * 200_000})]
    leat.leave("lines", "\n".join(lines).encode())
    leat.worker(leat.task("for line in open(os.path.join(HERE, 'lines'), encoding='utf-8', newline='\\n'):\n"
                          "    sys.stdout.buffer.write(line.rstrip('\\n').encode() + b'\\n')\n"))
    stream = gateway.post("c").wait_done()
    same(stream.messages(), lines, "messages")


def an_answer_without_messages_is_just_done(leat):
    gateway = leat.gateway()
    leat.worker(leat.task("say({'leat': 'done'})\n"))
    stream = gateway.post("c").wait_done()
    same(len(stream.events), 1, "events")
    exact(stream, last=1)


def a_long_answer_arrives_whole_and_late_followers_get_it_too(leat):
    gateway = leat.gateway(API_STREAM_BUFFER="8KiB")
    leat.worker(TASK_MESSAGE_COUNT="3000", TASK_MESSAGE_INTERVAL_MS="0")
    first = gateway.post("c")
    second = gateway.get("c") if first.wait_events(1000, 20) else None
    for stream in (first, second):
        stream.wait_done(30)
        exact(stream, last=3001)
    third = gateway.get("c").wait_done(30)
    same(third.messages(), first.messages(), "messages")


def entries_look_in_redis_as_the_design_says_and_are_gone_after_the_expiry(leat):
    leat.settings(STREAM_TTL_MS=ms(1500))
    gateway = leat.gateway()
    leat.worker(TASK_MESSAGE_COUNT="3")
    before = int(time.time() * 1000)
    stream = gateway.post("chat-1", feature="F").wait_done()
    entries = leat.redis.entries("stream:F:chat-1")
    same([i for i, _ in entries[1:]], stream.ids(), "the ids a client holds are the entries' own")
    attempt = entries[0][0].split("-")[0]
    check(abs(int(attempt) - before) < 60_000, f"A is Redis's clock: {attempt}")
    marker = entries[0][1]
    same((entries[0][0], marker["type"], marker["job"], marker["attempt"], marker["reason"]),
         (f"{attempt}-0", "start", stream.job(), "1", ""), "the attempt's marker")
    check(int(marker["first"]) < int(attempt), "first is where the job began")
    same([f for _, f in entries[1:4]], [{"data": m} for m in stream.messages()], "messages")
    end_id, end = entries[4]
    same((end_id, end["type"], end["data"], end["job"]), (f"{attempt}-4", "done", "[DONE]", stream.job()),
         "the terminal entry")
    same(leat.redis("GET", "chat:F:chat-1"), stream.job(), "the chat's job")
    job = leat.job(stream.job())
    wanted = {"state": "done", "type": "generate_messages", "feature_id": "F", "chat_id": "chat-1",
              "first": marker["first"], "attempt": attempt, "last": "3"}
    same({k: job.get(k) for k in wanted}, wanted, "the job's hash")
    for key in ("stream:F:chat-1", "chat:F:chat-1", f"job:{stream.job()}"):
        left = leat.redis("PTTL", key)
        check(0 < left <= 1500 * FACTOR, f"{key} expires in {left} ms")
    until(lambda: not [k for k in leat.redis.keys() if k.startswith(("stream:", "chat:", "job:"))], 5,
          lambda: f"all is gone after the expiry: {leat.redis.keys()}")
    same(gateway.get("chat-1", feature="F").wait_end().status, 204, "status after the expiry")
    same(gateway.get("chat-1", feature="F", cursor=stream.ids()[0]).wait_end().names(), ["gone"],
         "a cursor after the expiry")


def the_queued_marker_stands_before_the_claim_and_does_not_expire(leat):
    leat.settings(STREAM_TTL_MS=ms(400))
    gateway = leat.gateway()
    stream = gateway.post("c").wait_head()
    entries = leat.redis.entries("stream:f:c")
    first = entries[0][0].split("-")[0]
    same(entries, [(f"{first}-0", {"type": "queued", "job": stream.job(), "first": first})], "entries")
    for key in ("stream:f:c", "chat:f:c", f"job:{stream.job()}"):
        same(leat.redis("PTTL", key), -1, f"expiry of {key}")
    same(leat.redis.hash("queue:default")["waiting"], "1", "waiting jobs")
    leat.worker()
    stream.wait_done()
    same(leat.redis.hash("queue:default")["waiting"], "0", "waiting jobs")


def a_silent_job_outlives_the_expiry(leat):
    leat.settings(STREAM_TTL_MS=ms(1500), LEASE_MS=ms(1500))
    gateway = leat.gateway()
    leat.worker(leat.task("count(1, 1)\nuntil('go')\ncount(2, 2)\n"))
    stream = gateway.post("c").wait_events(1)
    lowest = []
    stays(lambda: lowest.append(leat.redis("PTTL", "stream:f:c")) or lowest[-1] > 0, 3.5,
          lambda: f"the stream of a running job is kept: {lowest[-5:]}")
    leat.leave("go")
    stream.wait_done()
    same(stream.numbers(), [1, 2], "messages")


def all_keys_begin_with_the_prefix(leat):
    leat.settings(LEAT_KEY_PREFIX="{s1}:")
    leat.prefix = "{s1}:"
    gateway = leat.gateway()
    leat.worker(ready=False)
    gateway.post("c").wait_done()
    check(all(k.startswith("{s1}:") for k in leat.redis.keys()), f"keys: {leat.redis.keys()}")
    check("{s1}:stream:f:c" in leat.redis.keys(), f"keys: {leat.redis.keys()}")


def a_stream_of_another_program_is_followed(leat):
    gateway = leat.gateway()
    leat.worker()
    ids = [leat.redis("XADD", "stream:f:c", "*", "data", json.dumps({"n": n})) for n in (1, 2)]
    streams = [gateway.get("c"), gateway.post("c")]
    for stream in streams:
        stream.wait_events(2)
    ids.append(leat.redis("XADD", "stream:f:c", "*", "data", '{"n": 3}'))
    for stream in streams:
        stream.wait_events(3)
    problem(gateway.post("c", {"q": 1}).wait_end(), 409)
    problem(gateway.post("c", headers=[("Idempotency-Key", "k")]).wait_end(), 409)
    problem(gateway.delete("c"), 404)
    ids.append(leat.redis("XADD", "stream:f:c", "*", "data", "[DONE]"))
    for stream in streams:
        stream.wait_done()
        same(stream.ids(), ids, "ids")
        same(stream.numbers(), [1, 2, 3], "messages")
    same(gateway.get("c", cursor=ids[0]).wait_done().numbers(), [2, 3], "behind the cursor")
    check(not [k for k in leat.redis.keys() if k.startswith("job:")], "no job was made")


def head_gets_the_head_alone(leat):
    gateway = leat.gateway()
    for path in ("/livez", "/readyz"):
        answer = gateway.request("HEAD", path)
        same((answer.status, bytes(answer.raw).partition(b"\r\n\r\n")[2]), (200, b""), path)
    same(gateway.request("HEAD", target("c")).status, 204, "HEAD where there is nothing")
    gateway.post("c").wait_head()
    answer = gateway.request("HEAD", target("c"))
    same(answer.status, 200, "HEAD of a stream")
    same(answer.header("Content-Type").split(";")[0], "text/event-stream", "content type")
    got = raw(gateway.port, f"HEAD {target('c')} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    same(got.partition(b"\r\n\r\n")[2], b"", "what follows the head")
    same(gateway.request("HEAD", target("nobody", query="x=1")).status, 204, "no job by HEAD")


def http_1_0_gets_the_stream_without_chunks(leat):
    gateway = leat.gateway()
    leat.worker()
    stream = gateway.post("c", version="1.0").wait_done()
    same(stream.header("Transfer-Encoding"), None, "Transfer-Encoding")
    exact(stream, last=21)
    check(b"\r\n" not in bytes(stream.body), "no chunk sizes in the body")


def livez_and_readyz_answer(leat):
    gateway = leat.gateway()
    for path in ("/livez", "/readyz"):
        answer = gateway.request("GET", path)
        same(answer.status, 200, path)


def a_connection_is_kept_for_the_next_get(leat):
    gateway = leat.gateway()
    request = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
    last = b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    got = raw(gateway.port, request + request + last)
    same(got.count(b"HTTP/1.1 200"), 3, f"answers in {got!r}")


def names_that_look_special_are_just_names(leat):
    gateway = leat.gateway()
    leat.worker()
    for name in ("..", ".", "-", "A" * 128, "a_b.c-d", "%2e%2e", "__proto__"):
        path = f"/stream?feature_id={name}&chat_id={name}"
        stream = gateway.client("POST", path).wait_done(20)
        same(len(stream.messages()), 20, f"messages of {name}")


def a_parameter_nobody_knows_does_no_harm(leat):
    gateway = leat.gateway()
    leat.worker()
    same(len(gateway.post("c", query="utm_source=x&_=1").wait_done().messages()), 20, "messages")
