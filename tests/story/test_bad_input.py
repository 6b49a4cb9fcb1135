"""What is refused, with which status and which words; and that nothing is left of it."""
import json
import socket
import time

from leat import FACTOR, check, many, ms, problem, raw, same, stays, target, until

GOOD = "feature_id=f&chat_id=c"
BAD_VALUES = {
    "a colon": "a:b", "nothing": "", "129 characters": "a" * 129, "a star": "*", "braces": "{}",
    "braces, encoded": "%7B%7D", "NUL": "%00", "NUL inside": "a%00b", "twice encoded": "%253A",
    "overlong UTF-8": "%C0%AF", "overlong UTF-8 of a dot": "%E0%80%AE", "emoji": "%F0%9F%98%80",
    "a space": "a%20b", "a plus": "a+b", "a slash": "a/b", "a slash, encoded": "a%2Fb",
    "CR LF": "a%0d%0aX-Evil:%201", "LF": "a%0Ab", "a half escape": "a%2", "a lone percent": "a%",
    "no hex": "%zz", "a quote": "%22", "an umlaut": "%C3%BC", "DEL": "%7F", "a lone surrogate": "%ED%A0%80",
}


def _nothing_is_left(leat):
    left = [k for k in leat.redis.keys() if not k.startswith(("queue:", "worker"))]
    same(left, [], "keys after refused requests")


def names_that_break_the_rule_are_400_with_the_reason(leat):
    gateway = leat.gateway()
    for method in ("GET", "POST", "DELETE"):
        for what, value in BAD_VALUES.items():
            for query, name in ((f"feature_id={value}&chat_id=c", "feature_id"),
                                (f"feature_id=f&chat_id={value}", "chat_id")):
                body = problem(gateway.request(method, "/stream?" + query), 400)
                check(name in body["detail"], f"{method} with {what}: the reason names {name}: {body}")
    _nothing_is_left(leat)


def bytes_that_must_be_encoded_are_400(leat):
    gateway = leat.gateway()
    for value in (b"\xf0\x9f\x98\x80", b"\xff", b"a\tb", b"a\x01b", b"a\x7fb"):
        got = raw(gateway.port, b"GET /stream?feature_id=f&chat_id=" + value + b" HTTP/1.1\r\nHost: x\r\n"
                  b"Connection: close\r\n\r\n")
        check(got.startswith(b"HTTP/1.1 400 "), f"{value!r}: {got[:300]!r}")
        check(b"application/problem+json" in got, f"{value!r}: {got[:300]!r}")


def missing_and_doubled_parameters_are_400_with_the_reason(leat):
    gateway = leat.gateway()
    for query, name in (("", "feature_id"), ("feature_id=f", "chat_id"), ("chat_id=c", "feature_id"),
                        ("feature_id=f&chat_id=c&chat_id=c", "chat_id"),
                        ("feature_id=f&feature_id=g&chat_id=c", "feature_id"),
                        ("feature_id=f&chat_id=c&%66eature_id=f", "feature_id"),
                        (GOOD + "&job=x", "job"), (GOOD + "&job=", "job"),
                        (GOOD + "&if_busy=maybe", "if_busy"), (GOOD + "&events=some", "events"),
                        (GOOD + "&if_busy=reject&if_busy=replace", "if_busy")):
        for method in ("POST", "GET", "DELETE"):
            if name in ("if_busy", "events") and method == "DELETE" or name == "if_busy" and method == "GET":
                continue
            body = problem(gateway.request(method, "/stream?" + query), 400)
            check(name in body["detail"], f"{method} /stream?{query}: the reason names {name}: {body}")
    _nothing_is_left(leat)


BAD_BODIES = {
    "no JSON": b"hello", "half an object": b'{"a": 1', "a trailing comma": b'{"a": 1,}', "two values": b"{} {}",
    "trailing bytes": b"{}x", "a BOM": b"\xef\xbb\xbf{}", "a raw NUL": b'{"a": "\0"}',
    "an escaped NUL": rb'{"a": "\u0000"}', "a raw LF in a string": b'{"a": "x\ny"}',
    "a raw tab in a string": b'{"a": "x\ty"}', "invalid UTF-8": b'{"a": "\xff"}',
    "overlong UTF-8": b'{"a": "\xc0\xaf"}', "a surrogate in UTF-8": b'{"a": "\xed\xa0\x80"}',
    "a lone surrogate": rb'{"a": "\ud83d"}', "33 deep": b"[" * 33 + b"]" * 33,
    "very deep": b"[" * 100000, "single quotes": b"{'a': 1}", "a comment": b"{} // x", "NaN": b"NaN",
    "a leading zero": b"01", "a bad escape": rb'"\x41"', "only spaces": b"   ", "a plus": b"+1", "hex": b"0x10",
}


def bodies_that_are_no_json_are_400_with_the_reason(leat):
    gateway = leat.gateway()
    details = {}
    for what, body in BAD_BODIES.items():
        answer = problem(gateway.post("c", body).wait_end(), 400)
        details[what] = answer["detail"]
        check("JSON" in answer["detail"] or "json" in answer["detail"] or "body" in answer["detail"],
              f"{what}: the reason speaks of the body: {answer}")
    check(len(set(details.values())) > 5, f"the reasons differ: {details}")
    _nothing_is_left(leat)


def a_problem_has_a_stable_type(leat):
    gateway = leat.gateway()
    types = {}
    for name, make in {
        "400": lambda: gateway.request("GET", "/stream"),
        "404": lambda: gateway.delete("c"),
        "404 path": lambda: gateway.request("GET", "/nothing"),
        "405": lambda: gateway.request("PUT", target("c")),
        "415": lambda: gateway.post("c", b"{}", headers=[("Content-Type", "text/plain")]).wait_end(),
    }.items():
        one, two = problem(make(), int(name[:3])), problem(make(), int(name[:3]))
        same(one["type"], two["type"], f"type of {name}")
        check(" " not in one["type"] and one["type"] != "about:blank", f"type of {name}: {one['type']}")
        types[name] = one["type"]
    same(len({types[n] for n in ("400", "404", "405", "415")}), 4, f"each has its own type: {types}")


def unknown_paths_are_404(leat):
    gateway = leat.gateway()
    for path in ("//", "/page/", "/page/nothing.js", "/page/index.html", "/nothing", "/stream/", "/stream/x?" + GOOD,
                 "//stream?" + GOOD, "/STREAM?" + GOOD,
                 "/livez/", "/..%2fstream", "/%2e%2e/etc/passwd", "/../etc/passwd"):
        answer = gateway.request("GET", path)
        problem(answer, 404)


def a_wrong_method_is_405_with_allow(leat):
    gateway = leat.gateway()
    for method, path, allowed in (("PUT", "/stream?" + GOOD, {"GET", "POST", "DELETE"}),
                                  ("PATCH", "/stream", {"GET", "POST", "DELETE"}),
                                  ("FOO", "/stream?" + GOOD, {"GET", "POST", "DELETE"}),
                                  ("POST", "/livez", {"GET"}), ("DELETE", "/readyz", {"GET"})):
        answer = gateway.request(method, path)
        problem(answer, 405)
        allow = {m.strip() for m in (answer.header("Allow") or "").split(",")}
        check(allowed <= allow, f"{method} {path}: Allow {answer.header('Allow')!r}")
        check(method not in allow, f"Allow does not name {method}")
    _nothing_is_left(leat)


def a_body_over_the_limit_is_413_before_it_is_sent(leat):
    gateway = leat.gateway(API_MAX_BODY="1000")
    problem(gateway.post("c", b"[" + b" " * 999 + b"]").wait_end(), 413)
    head = f"POST {target('c')} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    got = raw(gateway.port, (head + "Expect: 100-continue\r\nContent-Length: 99999999\r\n\r\n").encode())
    check(got.startswith(b"HTTP/1.1 413 "), f"answered before the body: {got[:200]!r}")
    got = raw(gateway.port, (head + "Content-Length: 99999999999999999999999\r\n\r\n").encode())
    check(got.startswith((b"HTTP/1.1 413 ", b"HTTP/1.1 400 ")), f"a length beyond 64 bits: {got[:200]!r}")
    _nothing_is_left(leat)
    body = b"[" + b" " * 998 + b"]"
    gateway.post("c", body).wait_head(200)


def a_body_of_just_one_mebibyte_is_taken(leat):
    gateway = leat.gateway()
    leat.worker(leat.task("say({'n': len(job['payload'])})\n"))
    body = b'"' + b"x" * (1024 * 1024 - 2) + b'"'
    same(gateway.post("c", body).wait_done().numbers(), [1024 * 1024 - 2], "what the task counted")
    problem(gateway.post("d", b" " + body).wait_end(), 413)


def a_long_line_is_414_and_a_large_head_is_431(leat):
    gateway = leat.gateway()
    answer = raw(gateway.port, b"GET /stream?x=" + b"a" * 40_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n")
    wrong = [_no_problem(answer, 414, "a URL of 40 KB")]
    for head in (b"X-A: " + b"a" * 40_000 + b"\r\n", b"".join(b"X-%d: a\r\n" % i for i in range(4000))):
        answer = raw(gateway.port, b"GET /livez HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n")
        wrong.append(_no_problem(answer, 431, f"a head of {len(head)} bytes"))
    check(not any(wrong), lambda: "\n  ".join(w for w in wrong if w))
    same(gateway.request("GET", "/livez").status, 200, "the gateway afterwards")


def _no_problem(answer, status, what):
    """What is wrong with an answer that came as bytes."""
    head, _, body = answer.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 %d " % status):
        return f"{what}: not {status}: {answer[:300]!r}"
    if b"application/problem+json" not in head or json.loads(body)["status"] != status:
        return f"{what}: not a problem: {answer[:400]!r}"
    return None


def another_content_type_is_415(leat):
    gateway = leat.gateway()
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
                 "application/jsonx", "text/json"):
        problem(gateway.post("c", b"{}", headers=[("Content-Type", kind)]).wait_end(), 415)
    _nothing_is_left(leat)
    for number, kind in enumerate(("application/json", "application/json; charset=utf-8",
                                   "APPLICATION/JSON", "application/json;charset=UTF-8")):
        gateway.post(f"c{number}", b"{}", headers=[("Content-Type", kind)]).wait_head(200)


def a_full_queue_is_429_with_retry_after(leat):
    gateways = [leat.gateway(QUEUE_MAX_WAITING="3"), leat.gateway(QUEUE_MAX_WAITING="3")]
    for number in range(3):
        gateways[number % 2].post(f"c{number}").wait_head()
    answer = gateways[1].post("c4").wait_end()
    problem(answer, 429)
    check(int(answer.header("Retry-After")) >= 1, f"Retry-After: {answer.headers}")
    same(gateways[0].post("c1").wait_head().header("Leat-Attached"), "true", "joining goes on")
    leat.worker()
    until(lambda: leat.redis("HGET", "queue:default", "waiting") == "0", 5, "the queue is empty")
    gateways[0].post("c4").wait_done()


def a_queue_full_of_bytes_is_429(leat):
    gateway = leat.gateway(QUEUE_MAX_BYTES="1KiB")
    gateway.post("c1", b'"' + b"x" * 600 + b'"').wait_head()
    problem(gateway.post("c2", b'"' + b"x" * 600 + b'"').wait_end(), 429)
    gateway.post("c3", b"{}").wait_head()


def _held(gateway, count):
    """Clients that were let in. Whoever has just left counts until its loop has turned."""
    def one(chat):
        client = gateway.post(chat)
        client.wait(lambda: client.status is not None, 10, "a head")
        if client.status == 200:
            return client
        client.wait_end()
        return None

    return [until(lambda i=i: one(f"c{i}"), 10, "room for one more") for i in range(count)]


def _turns_away_kindly(gateway):
    held = _held(gateway, 4)
    answer = gateway.get("c0").wait_end()
    same((answer.status, answer.events), (200, []), f"a browser must come again: {answer.describe()}")
    check(1000 <= (answer.retry or 0) <= 5000, f"retry: {answer.describe()}")
    for answer in (gateway.post("c5").wait_end(), gateway.delete("c0")):
        problem(answer, 503)
        check(int(answer.header("Retry-After")) >= 1, f"Retry-After: {answer.headers}")
    held[0].close()
    until(lambda: gateway.request("GET", "/livez").status == 200, 5, "room again")


def more_clients_than_allowed_are_turned_away_kindly(leat):
    _turns_away_kindly(leat.gateway(API_MAX_CONNECTIONS="4"))


def several_loops_together_let_in_no_more_than_allowed(leat):
    _turns_away_kindly(leat.gateway(API_MAX_CONNECTIONS="4", API_LOOPS="3"))
def more_clients_of_one_address_than_allowed_are_turned_away_kindly(leat):
    gateway = leat.gateway(API_MAX_CONNECTIONS_PER_ADDRESS="4", API_LOOPS="2")
    held = _held(gateway, 4)
    for _ in range(10):
        answer = gateway.get("c0").wait_end()
        same((answer.status, answer.events), (200, []), f"a browser must come again: {answer.describe()}")
        check(1000 <= (answer.retry or 0) <= 5000, f"retry: {answer.describe()}")
        for answer in (gateway.post("c5").wait_end(), gateway.delete("c0")):
            problem(answer, 429)
            same(answer.json()["type"], "urn:leat:problem:too-many-connections", "its type")
            check(int(answer.header("Retry-After")) >= 1, f"Retry-After: {answer.headers}")
    held[0].close()
    until(lambda: gateway.request("GET", "/livez").status == 200, 5, "room again")


def two_requests_in_one_are_never_both_answered(leat):
    """Request smuggling: every ambiguous head is answered once, and the connection closed."""
    gateway = leat.gateway()
    hidden = b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    start = b"POST " + target("c").encode() + b" HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    chunked = b"0\r\n\r\n" + hidden
    length = b"Content-Length: %d\r\n" % len(chunked)
    cases = {
        "CL and TE": start + length + b"Transfer-Encoding: chunked\r\n\r\n" + chunked,
        "two CL": start + b"Content-Length: 2\r\nContent-Length: %d\r\n\r\n{}" % (2 + len(hidden)) + hidden,
        "a list of CL": start + b"Content-Length: 2, 2\r\n\r\n{}" + hidden,
        "TE with a space": start + b"Transfer-Encoding : chunked\r\n" + length + b"\r\n" + chunked,
        "TE folded": start + b"Transfer-Encoding:\r\n chunked\r\n" + length + b"\r\n" + chunked,
        "TE unknown": start + b"Transfer-Encoding: xchunked\r\n\r\n" + chunked,
        "TE twice": start + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n" + chunked,
        "TE with tab": start + b"Transfer-Encoding:\tchunked\r\n" + length + b"\r\n" + chunked,
        "a sign": start + b"Content-Length: +2\r\n\r\n{}" + hidden,
        "a minus": start + b"Content-Length: -1\r\n\r\n{}" + hidden,
        "GET with TE": b"GET /livez HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked,
        "two Hosts": b"GET /livez HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n" + hidden,
        "no Host": b"GET /livez HTTP/1.1\r\n\r\n" + hidden,
        "a bad method": b"G\x01T /livez HTTP/1.1\r\nHost: x\r\n\r\n" + hidden,
        "NUL in the URL": b"GET /livez\0 HTTP/1.1\r\nHost: x\r\n\r\n" + hidden,
        "NUL in a value": b"GET /livez HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n\r\n" + hidden,
        "CR in a value": b"GET /livez HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n" + hidden,
        "a space before the colon": b"GET /livez HTTP/1.1\r\nHost : x\r\n\r\n" + hidden,
    }
    wrong = []
    for what, data in cases.items():
        got = raw(gateway.port, data, half_close=True)
        allowed = (b"400 ", b"200 ") if what == "GET with TE" else (b"400 ",)
        if got[9:13] not in allowed or got.count(b"HTTP/1.1 ") != 1 \
                or got[9:13] == b"400 " and b"application/problem+json" not in got:
            wrong.append(f"{what}: {got[:500]!r}")
    check(not wrong, lambda: "not one answer 400 with a problem:\n  " + "\n  ".join(wrong))
    _nothing_is_left(leat)
    same(gateway.request("GET", "/livez").status, 200, "the gateway afterwards")


def a_request_behind_a_body_is_not_answered(leat):
    gateway = leat.gateway()
    leat.worker(leat.task("count(1, 1)\n"))
    body = b"POST " + target("c").encode() + b" HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" \
        b"Content-Length: 2\r\n\r\n{}GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
    got = raw(gateway.port, body)
    same(got.count(b"HTTP/1.1 "), 1, f"answers: {got!r}")


def slow_heads_and_bodies_are_closed_at_their_deadline(leat):
    gateway = leat.gateway(API_HEADER_TIMEOUT_MS=ms(400), API_BODY_TIMEOUT_MS=ms(400),
                           API_IDLE_TIMEOUT_MS=ms(400))
    post = f"POST {target('c')} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" \
        "Content-Length: 1000\r\n\r\n".encode()
    for what, at_once in (("silence", b""), ("a slow head", b"GET /livez HTTP/1.1\r\nX: "),
                          ("a slow body", post), ("silence after an answer",
                                                  b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")):
        with socket.create_connection(("127.0.0.1", gateway.port)) as sock:
            sock.sendall(at_once)
            started, closed = time.monotonic(), False
            sock.settimeout(0.05)
            while not closed:
                check(time.monotonic() - started < 3 * FACTOR, f"{what}: not closed within 3 s")
                try:
                    if what.startswith("a slow"):
                        sock.sendall(b"a")
                    closed = sock.recv(1000) == b""
                except TimeoutError:
                    pass
                except OSError:
                    closed = True
            check(time.monotonic() - started > 0.2 * FACTOR, f"{what}: closed too early")
    same(gateway.request("GET", "/livez").status, 200, "the gateway afterwards")
    _nothing_is_left(leat)


def a_bad_idempotency_key_is_400(leat):
    gateway = leat.gateway()
    for key in ("k" * 1000, "schlüssel"):
        problem(gateway.post("c", headers=[("Idempotency-Key", key)]).wait_end(), 400)
    problem(gateway.post("c", headers=[("Idempotency-Key", "a"), ("Idempotency-Key", "b")]).wait_end(), 400)
    _nothing_is_left(leat)


def a_key_of_another_type_in_the_streams_place_is_told_and_not_followed(leat):
    gateway = leat.gateway()
    leat.redis("SET", "stream:f:c", "not a stream")
    answer = gateway.get("c").wait_end()
    check(answer.status in (204, 404, 409, 500), f"status: {answer.describe()}")
    answer = gateway.post("c").wait_end()
    problem(answer, 409)
    same(leat.redis("GET", "stream:f:c"), "not a stream", "the other's key")
    leat.checks_redis = False


def refused_requests_in_a_storm_leave_the_others_alone(leat):
    gateway = leat.gateway()
    leat.worker()
    stream = gateway.post("good")

    def rude(index):
        for _ in range(15):
            gateway.request("POST", ("/stream?feature_id=*", "/x", "/stream?a")[index % 3])

    many(8, rude)
    same(len(stream.wait_done().messages()), 20, "messages")
    stays(lambda: gateway.is_up(), 0.1, "the gateway lives")
