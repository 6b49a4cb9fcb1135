"""Clients that speak OpenAI's API, the AI SDK's or AG-UI's protocol: questions, errors, stops."""
import json
import uuid

from leat import check, problem, same, target, until

ASKED = [{"role": "user", "content": "Say it."}]
# An answer of three words in the words of typed messages; it waits for `go` behind the first.
ANSWER = r'''
def part(type, **more):
    say(json.dumps({"type": type, **more}, separators=(",", ":")))
part("start", messageId=job["job"])
part("start-step")
part("text-start", id="t")
part("text-delta", id="t", delta="one ")
until("go")
part("text-delta", id="t", delta="two ")
part("text-delta", id="t", delta="three")
part("text-end", id="t")
usage = {"inputTokens": 5, "outputTokens": 3, "measured": True}
part("message-metadata", messageMetadata={"model": "m", "usage": usage})
part("finish-step")
part("finish", finishReason="stop")
say({"leat": "done"})
'''


def _post(gateway, path, body, headers=(), **options):
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    return gateway.client("POST", path, [("Content-Type", "application/json"), *headers], body, **options)


def _openai(gateway, headers=(), query="", **members):
    body = {"model": "f", "messages": ASKED, **members}
    return _post(gateway, "/v1/chat/completions" + query, body, headers)


def _ai_sdk(gateway, chat, text="Say it.", query="", headers=(), **members):
    asked = {"id": "q1", "role": "user", "parts": [{"type": "text", "text": text}]}
    return _post(gateway, "/ai-sdk/f" + query, {"id": chat, "messages": [asked], "trigger": "submit-message",
                                                **members}, headers)


def _ag_ui(gateway, thread, run="run-1", query="", **members):
    asked = {"id": "q1", "role": "user", "content": "Say it."}
    return _post(gateway, "/ag-ui/f" + query, {"threadId": thread, "runId": run, "messages": [asked], "tools": [],
                                               "context": [], "state": {}, "forwardedProps": {}, **members})


def _refused(client, status, param, code, kind="invalid_request_error"):
    """The answer is an error as OpenAI's clients read it; gives its message."""
    client.wait_end()
    same((client.status, client.header("Content-Type")), (status, "application/json"), client.describe())
    error = json.loads(client.body)["error"]
    same((error["type"], error["param"], error["code"]), (kind, param, code), f"the error {error}")
    if status in (429, 503):
        check(1 <= int(client.header("Retry-After")) <= 5, f"Retry-After: {client.headers}")
    return error["message"]


def _json(client):
    """The events' JSON, as far as they have come; [DONE] as it is."""
    return [e.data if e.data == "[DONE]" else e.json() for e in client.events]


def _words(client):
    """The text of an OpenAI stream."""
    chunks = [c for c in _json(client) if c != "[DONE]"]
    return "".join(c["choices"][0]["delta"].get("content", "") for c in chunks if c["choices"])


# ---- OpenAI ----

def what_an_openai_client_asks_wrongly_is_said_in_its_own_words(leat):
    gateway = leat.gateway(API_MAX_BODY="2048")
    for members, param in (({"model": 7}, "model"), ({"model": "a:b"}, "model"), ({"messages": []}, "messages"),
                           ({"messages": "hi"}, "messages"), ({"n": 2}, "n"), ({"stream": 1}, "stream"),
                           ({"stream_options": {"include_usage": 1}}, "stream_options.include_usage")):
        message = _refused(_openai(gateway, **members), 400, param, None)
        check(message.startswith(param), f"the message names it: {message}")
    _refused(_post(gateway, "/v1/chat/completions", b"{"), 400, None, None)
    _refused(_post(gateway, "/v1/chat/completions", []), 400, None, None)
    _refused(_openai(gateway, [("Leat-Chat", "a b")]), 400, None, None)
    _refused(_post(gateway, "/v1/embeddings", {}), 404, None, "not_found")
    away = gateway.client("GET", "/v1/chat/completions")
    _refused(away, 405, None, "method_not_allowed")
    same(away.header("Allow"), "POST, OPTIONS", "Allow")
    _refused(_openai(gateway, messages=["x" * 3000]), 413, None, "body_too_large")
    plain = gateway.client("POST", "/v1/chat/completions", [("Content-Type", "text/plain")], b"{}")
    _refused(plain, 415, None, "media_type")
    same([k for k in leat.redis.keys() if k.startswith("chat:")], [], "nothing was started")


def an_openai_client_is_told_that_the_queue_is_full_or_redis_away(leat):
    gateway = leat.gateway(QUEUE_MAX_WAITING="1")
    _openai(gateway, [("Leat-Chat", "c")], stream=True).wait_head()
    _refused(_openai(gateway), 429, None, "queue_full", "rate_limit_error")
    busy = _openai(gateway, [("Leat-Chat", "c")], stream=True, seed=1)
    _refused(busy, 409, None, "chat_busy")
    same(busy.header("Leat-Job"), leat.redis("GET", "chat:f:c"), "the job that is in the way")
    leat.redis.kill()
    until(gateway.is_away, 10, "the gateway notices")
    _refused(_openai(gateway), 503, None, "unavailable", "server_error")


def a_model_that_the_file_of_features_lacks_does_not_exist(leat):
    with open(leat.file("features.json"), "w") as file:
        json.dump({"features": {"f": {"description": "The only one"}}}, file)
    gateway = leat.gateway(FEATURES_FILE=leat.file("features.json"))
    message = _refused(_openai(gateway, model="g"), 404, "model", "model_not_found")
    check("GET /v1/models" in message, f"it says what to do: {message}")
    same(_openai(gateway, stream=True).wait_head().status, 200, "the one that is there")


def a_question_with_an_idempotency_key_is_asked_once_and_one_without_always_anew(leat):
    gateway = leat.gateway()
    first = _openai(gateway, [("Idempotency-Key", "k-1")], stream=True).wait_head()
    again = _openai(gateway, [("Idempotency-Key", "k-1")], stream=True).wait_head()
    same((first.header("Leat-Attached"), again.header("Leat-Attached")), ("false", "true"), "Leat-Attached")
    same(again.job(), first.job(), "the job")
    _refused(_openai(gateway, [("Idempotency-Key", "k-1")], seed=1), 422, None, "key_reused")
    jobs = {_openai(gateway, stream=True).wait_head().job() for _ in range(2)} | {first.job()}
    same(len(jobs), 3, "jobs")


def an_answer_for_an_openai_client_comes_in_chunks_and_ends_with_done(leat):
    gateway = leat.gateway()
    leat.worker(leat.task(ANSWER))
    one = _openai(gateway, [("Leat-Chat", "c")], stream=True, stream_options={"include_usage": True})
    until(lambda: _words(one) == "one ", 10, lambda: f"the first word: {one.describe()}")
    two = _openai(gateway, [("Leat-Chat", "c")], stream=True, stream_options={"include_usage": True})
    until(lambda: _words(two) == "one ", 10, "who joins has it too")
    leat.leave("go")
    for client in (one, two):
        client.wait_end()
        same((_words(client), _json(client)[-1]), ("one two three", "[DONE]"), "the answer")
        chunks = _json(client)[:-1]
        same({(c["object"], c["id"], c["model"]) for c in chunks},
             {("chat.completion.chunk", chunks[0]["id"], chunks[0]["model"])}, "what all chunks have")
        same(chunks[-1]["usage"]["completion_tokens"], 3, "the usage")
    same(two.job(), one.job(), "one job")
    leat.wait_state(one.job(), "done")


def an_answer_for_an_openai_client_that_does_not_stream_comes_whole(leat):
    gateway = leat.gateway()
    leat.worker(leat.task(ANSWER))
    leat.leave("go")
    whole = _openai(gateway)
    whole.wait_end()
    same((whole.status, whole.header("Content-Type")), (200, "application/json"), whole.describe())
    answer = json.loads(whole.body)
    same(answer["choices"][0]["message"]["content"], "one two three", "the answer")
    same((answer["object"], answer["choices"][0]["finish_reason"]), ("chat.completion", "stop"), "how it ends")
    check(whole.header("Leat-Job"), f"Leat-Job: {whole.headers}")


def an_openai_client_is_told_not_to_ask_again_what_has_failed_for_good(leat):
    """It would by itself, after each 500; the job has had its attempts."""
    gateway = leat.gateway()
    leat.worker(leat.task('say({"leat": "failed", "reason": "refused", "detail": "No.", "retry": False})'))
    whole = _openai(gateway)
    whole.wait_end()
    same((whole.status, whole.header("x-should-retry")), (500, "false"), whole.describe())
    same(json.loads(whole.body)["error"]["message"], "No.", "the words")


def an_openai_client_that_hangs_up_stops_the_work_unless_another_still_follows(leat):
    gateway, other_gateway = leat.gateway(), leat.gateway()
    leat.worker(leat.task(ANSWER))
    one = _openai(gateway, [("Leat-Chat", "c")], stream=True)
    two = _openai(other_gateway, [("Leat-Chat", "c")], stream=True)
    until(lambda: _words(one) == "one " == _words(two), 10, "both have the first word")
    one.close()
    other = _openai(gateway, [("Leat-Chat", "d")], stream=True)
    until(lambda: _words(other) == "one ", 10, "another chat begins")
    other.close()
    leat.wait_state(other.job(), "cancelled")
    same(leat.job(two.job())["state"], "running", "the one that is still followed")
    leat.leave("go")
    same((two.wait_end(), _words(two))[1], "one two three", "its answer")


# ---- AI SDK ----

def _parts(client):
    return [p if p == "[DONE]" else p["type"] for p in _json(client)]


def a_reload_by_the_ai_sdk_gets_the_answer_from_its_beginning_and_nothing_when_it_is_over(leat):
    gateway = leat.gateway()
    leat.worker(leat.task(ANSWER))
    same(gateway.request("GET", "/ai-sdk/f/c/stream").status, 204, "before")
    sent = _ai_sdk(gateway, "c")
    until(lambda: "text-delta" in _parts(sent), 10, lambda: f"the first word: {sent.describe()}")
    same(sent.header("x-vercel-ai-ui-message-stream"), "v1", "the stream's version")
    same(sent.header("x-workflow-run-id"), sent.job(), "the run is the job")
    resumed = gateway.client("GET", "/ai-sdk/f/c/stream")
    until(lambda: "text-delta" in _parts(resumed), 10, "the reload has the first word")
    leat.leave("go")
    for client in (sent, resumed):
        client.wait_end()
        said = "".join(p["delta"] for p in _json(client) if p != "[DONE]" and p["type"] == "text-delta")
        same(said, "one two three", "the answer")
        same(_parts(client)[-2:], ["finish", "[DONE]"], "how it ends")
    leat.wait_state(sent.job(), "done")
    same(gateway.request("GET", "/ai-sdk/f/c/stream").status, 204, "when it is over")


def the_ai_sdk_stops_by_delete_and_asks_the_next_question_with_if_busy_replace(leat):
    gateway = leat.gateway()
    leat.worker(leat.task(ANSWER))
    one = _ai_sdk(gateway, "c", "one")
    until(lambda: "text-delta" in _parts(one), 10, "the first word")
    problem(_ai_sdk(gateway, "c", "two").wait_end(), 409)
    two = _ai_sdk(gateway, "c", "two", "?if_busy=replace").wait_head()
    one.wait_end()
    same(_parts(one)[-3:], ["abort", "finish", "[DONE]"], "the one that was replaced")
    answer = gateway.request("DELETE", "/ai-sdk/f/c")
    same((answer.status, json.loads(answer.body)["id"]), (200, two.job()), "the stop")
    two.wait_end()
    same(_parts(two)[-3:], ["abort", "finish", "[DONE]"], "the one that was stopped")
    problem(gateway.request("DELETE", "/ai-sdk/f/nobody"), 404)
    leat.wait_state(two.job(), "cancelled")


def what_breaks_a_rule_of_the_ai_sdk_or_ag_ui_is_a_problem_that_names_it(leat):
    gateway = leat.gateway()
    for client, word in ((_ai_sdk(gateway, "a b"), "id"), (_ai_sdk(gateway, "c", messages=[]), "messages"),
                         (_ai_sdk(gateway, "c", query="?if_busy=maybe"), "if_busy"),
                         (_post(gateway, "/ai-sdk/a%20b", {}), "feature"),
                         (gateway.client("GET", "/ai-sdk/f/a%20b/stream"), "chat"),
                         (_ag_ui(gateway, "a b"), "threadId"), (_ag_ui(gateway, "t", ""), "runId"),
                         (_ag_ui(gateway, "t", messages=None), "messages")):
        answer = problem(client.wait_end(), 400)
        check(answer["detail"].startswith(word), f"{word} is named: {answer}")
    same([k for k in leat.redis.keys() if k.startswith("chat:")], [], "nothing was started")


# ---- AG-UI ----

def a_run_of_ag_ui_that_is_asked_for_again_is_joined_with_a_snapshot(leat):
    gateway = leat.gateway()
    leat.worker(leat.task(ANSWER))
    run = f"run-{uuid.uuid4()}"
    one = _ag_ui(gateway, "t", run)
    until(lambda: "TEXT_MESSAGE_CONTENT" in _parts(one), 10, lambda: f"the first word: {one.describe()}")
    two = _ag_ui(gateway, "t", run)
    until(lambda: len(two.events) > 1, 10, "the one that joins has something")
    leat.leave("go")
    for client in (one, two):
        client.wait_end()
        same(_parts(client)[-1], "RUN_FINISHED", f"how it ends: {_parts(client)}")
        same({(e["threadId"], e["runId"]) for e in _json(client) if e["type"].startswith("RUN_")}, {("t", run)},
             "thread and run")
    same(_parts(two)[:2], ["RUN_STARTED", "MESSAGES_SNAPSHOT"], "how the joined one begins")
    messages = _json(two)[1]["messages"]
    same([m["role"] for m in messages], ["user", "assistant"], f"the snapshot {messages}")
    same(messages[1]["content"], "one ", "the answer so far")
    same(two.job(), one.job(), "one job")
    same(leat.redis("GET", "chat:f:t"), one.job(), "the thread is the chat")


# ---- browsers ----

def a_page_of_an_allowed_origin_may_send_what_these_clients_send(leat):
    gateway = leat.gateway(API_CORS_ORIGINS="https://one.example")
    for path in ("/v1/chat/completions", "/ai-sdk/f", "/ag-ui/f", "/ai-sdk/f/c/stream", "/ai-sdk/f/c"):
        answer = gateway.request("OPTIONS", path, [("Origin", "https://one.example"),
                                                   ("Access-Control-Request-Method", "POST"),
                                                   ("Access-Control-Request-Headers", "authorization,x-stainless-os")])
        same(answer.status, 204, "status")
        allowed = [w.strip() for w in answer.header("Access-Control-Allow-Headers").lower().split(",")]
        for name in ("authorization", "leat-chat", "*"):
            check(name in allowed, f"{name} in {allowed}")
    refused = gateway.request("GET", "/v1/chat/completions", [("Origin", "https://one.example")])
    same(refused.header("Access-Control-Allow-Origin"), "https://one.example", "an error can be read")


def the_stream_of_any_dialect_can_be_followed_raw(leat):
    gateway = leat.gateway()
    leat.worker(leat.task(ANSWER))
    leat.leave("go")
    sent = _ai_sdk(gateway, "c").wait_end()
    raw = gateway.client("GET", target("c")).wait_done()
    same(raw.job(), sent.job(), "the job")
    same([e.json()["type"] for e in raw.events[:-1]][:3], ["start", "start-step", "text-start"], "what stands there")


def what_dialects_keep_has_a_bound_and_raw_streams_go_on_beyond_it(leat):
    gateway = leat.gateway(API_MAX_RENDERED="131072", API_LOOPS="1")
    leat.worker(leat.task(ANSWER))
    long = _ag_ui(gateway, "long", messages=[{"id": "q1", "role": "user", "content": "x" * 120_000}])
    long.wait(lambda: b"one " in long.body, 10, "the first word")
    refused = _ag_ui(gateway, "too-long", messages=[{"id": "q1", "role": "user", "content": "x" * 140_000}])
    problem(refused.wait_end(), 503)
    detail = problem(_ai_sdk(gateway, "c").wait_end(), 503)["detail"]
    check("API_MAX_RENDERED" in detail, f"the setting is named: {detail}")
    same(leat.redis("EXISTS", "chat:f:c", "chat:f:too-long"), 0, "nothing was asked")
    raw = gateway.post("d", query="snapshot=1")
    raw.wait(lambda: b"one " in raw.body, 10, "the first word, message by message")
    leat.leave("go")
    long.wait_end()
    raw.wait_done()
    same((_parts(long)[-1], [e.name for e in raw.events if e.name == "snapshot"]), ("RUN_FINISHED", []), "both end")
    same(_parts(_ai_sdk(gateway, "c").wait_end())[-2:], ["finish", "[DONE]"], "there is room again")


def a_drain_breaks_off_what_speaks_a_dialect_and_ends_what_is_raw(leat):
    """Clients of a dialect take an answer whose body ends in its regular way for a whole one."""
    gateway = leat.gateway()
    leat.worker(leat.task(ANSWER))
    streams = [_openai(gateway, stream=True), _ai_sdk(gateway, "a"), _ag_ui(gateway, "b")]
    for stream in streams:
        stream.wait(lambda stream=stream: b"one " in stream.body, 10, "the first word")
    streams += [gateway.get("a"), gateway.get("a", query="snapshot=1")]
    for stream in streams[3:]:
        stream.wait(lambda stream=stream: b"one " in stream.body, 10, "the first word")
    gateway.stop()
    for stream in streams:
        until(lambda stream=stream: stream.ended, 10, "its end")
    same([stream.ended for stream in streams], ["eof", "eof", "eof", "complete", "complete"], "how the bodies ended")
    leat.leave("go")
