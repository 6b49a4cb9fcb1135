"""Chats as jobs: gateway, worker, the built-in task `chat`, and a model server behind it."""
import json
import os
import signal
import threading
import time

from calls import good, show, start
from leat import check, limit, ms, same, target, until
from model_server import ModelServer, Script


def _setup(leat, feature=None, model=None, **env):
    """A gateway and a worker with one feature, `f`, and the model server behind it."""
    server = ModelServer()
    leat.helpers.append(server)
    with open(leat.file("features.json"), "w") as file:
        json.dump({"features": {"f": {"models": [{"base_url": server.url, "model": "m", **(model or {})}],
                                      **(feature or {})}}}, file)
    env = {"FEATURES_FILE": leat.file("features.json"), "RETRY_BACKOFF_MS": "10",
           "TASK_STOP_MS": ms(5000), **env}
    return server, leat.gateway(), leat.worker(**env)


def _ask(gateway, chat="c1", **members):
    """A chat's question; its job, and an open stream that follows it."""
    job = good(start(gateway, type="chat", feature_id="f", chat_id=chat, payload={"prompt": "hi"}, **members), 202)["id"]
    return job, gateway.client("GET", target(chat))


def _messages(stream):
    """What counts at the end, from the last attempt on."""
    messages = []
    for event in list(stream.events):
        if event.name == "reset":
            messages.clear()
        elif event.name is None and event.data != "[DONE]":
            messages.append(event.json())
    return messages


def _text(stream):
    return "".join(m["delta"] for m in _messages(stream) if m["type"] == "text-delta")


def _said(stream, text, seconds=20):
    stream.wait(lambda: _text(stream) == text, seconds, lambda: f"the text {text!r}; it is {_text(stream)!r}")


def _usage(gateway, job, attempts=1):
    """What GET /jobs/{id} shows of its attempts."""
    return until(lambda: len(show(gateway, job).get("usage") or []) == attempts and show(gateway, job)["usage"], 10,
                 lambda: f"the usage of {attempts} attempts: {show(gateway, job)}")


def the_built_in_worker_answers_a_chat_token_by_token(leat):
    server, gateway, _ = _setup(leat)
    rest = threading.Event()
    server.models["m"] = [Script(["Grüße", ", ", "you."], holds=(2, rest))]
    job, stream = _ask(gateway)
    _said(stream, "Grüße")
    rest.set()
    stream.wait_done()
    same(_text(stream), "Grüße, you.", "the text")
    messages = _messages(stream)
    same(messages[0], {"type": "start", "messageId": job}, "the first message")
    same(messages[-1], {"type": "finish", "finishReason": "stop"}, "the last message")
    usage = _usage(gateway, job)[0]
    same({k: usage.get(k) for k in ("model", "input_tokens", "output_tokens", "measured")},
         {"model": "m", "input_tokens": 7, "output_tokens": 3, "measured": True}, "the job's usage")


def a_chat_that_is_stopped_leaves_its_model_server_and_keeps_its_usage(leat):
    server, gateway, _ = _setup(leat)
    server.models["m"] = [Script(["one ", "two"], stall_at=2)]
    job, stream = _ask(gateway)
    other, beside = _ask(gateway, "c2")
    _said(stream, "one ")
    same(gateway.delete("c1").status, 200, "the stop")
    stream.wait_named("cancelled")
    until(lambda: server.left == 1, 10, "the model server sees it leave")
    usage = _usage(gateway, job)[0]
    check(usage["output_tokens"] >= 1 and usage["measured"] is False, f"its usage is estimated: {usage}")
    _said(beside, "one ")
    same(show(gateway, other)["state"], "running", "who shares its process goes on")
    gateway.delete("c2")


def a_busy_provider_is_asked_again_when_it_said(leat):
    server, gateway, _ = _setup(leat)
    server.models["m"] = [Script(status=429, retry_after="1"), Script()]
    began = time.monotonic()
    job, stream = _ask(gateway)
    stream.wait_done(30)
    check(time.monotonic() - began >= 1, "not before the second that it asked for")
    same((_text(stream), show(gateway, job)["attempts"], len(server.asked)), ("Hello there.", 1, 2), "one attempt failed")


def what_a_provider_refuses_fails_with_its_words(leat):
    server, gateway, _ = _setup(leat)
    server.models["m"] = [Script(status=400, body='{"error":{"message":"Too long, sorry."}}')]
    job, stream = _ask(gateway)
    failed = stream.wait_named("failed").json()
    same((failed["reason"], failed["attempts"]), ("provider_refused", 1), f"the event {failed}")
    check("Too long, sorry." in json.dumps(failed), f"the provider's words: {failed}")
    same(show(gateway, job)["state"], "dead", "its state")


def a_provider_that_breaks_off_costs_an_attempt_and_the_answer_is_whole(leat):
    server, gateway, _ = _setup(leat)
    joined = threading.Event()
    server.models["m"] = [Script(["Half ", "an"], cut_at=2, holds=(2, joined)), Script()]
    job, stream = _ask(gateway)
    _said(stream, "Half ")
    joined.set()
    stream.wait_done(30)
    check(any(event.name == "reset" for event in stream.events), "a reset was told")
    same((_text(stream), show(gateway, job)["attempts"]), ("Hello there.", 1), "one attempt failed")
    same(len(_usage(gateway, job, 2)), 2, "what both attempts have cost")


def a_provider_that_stalls_is_left_in_time(leat):
    server, gateway, _ = _setup(leat, {"silence_timeout_ms": 400, "max_attempts": 1})
    server.models["m"] = [Script(["Half ", "an"], stall_at=2)]
    job, stream = _ask(gateway, max_attempts=1)
    same(stream.wait_named("failed").json()["reason"], "provider_silent", "why")
    same(show(gateway, job)["state"], "dead", "its state")


def a_killed_task_process_costs_no_chat_its_answer(leat):
    server, gateway, worker = _setup(leat)
    server.models["m"] = [Script(["Half ", "an"], stall_at=2)] * 3 + [Script()]
    asked = [_ask(gateway, f"c{n}") for n in range(3)]
    for _, stream in asked:
        _said(stream, "Half ")
    tasks = [pid for pid in leat.processes() if b"leat-task\0chat" in _command(pid)]
    same(len(tasks), 1, "the processes of three chats")
    os.kill(tasks[0], signal.SIGKILL)
    for job, stream in asked:
        stream.wait_done(30)
        same(_text(stream), "Hello there.", f"the answer of {job}")
        same(show(gateway, job)["deaths"], 0, "nobody is blamed for it")


def _command(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read()
    except OSError:
        return b""


@limit(120)
def a_hundred_chats_at_once_each_get_their_own_answer(leat):
    server, gateway, _ = _setup(leat, WORKER_MAX_JOBS="100")
    server.models["m"] = [Script(["some ", "words"], pace=0.05)]
    asked = [_ask(gateway, f"c{n}") for n in range(100)]
    for job, stream in asked:
        stream.wait_done(60)
        same((_text(stream), _messages(stream)[0]["messageId"]), ("some words", job), "an answer")
    same(sum(b"leat-task\0chat" in _command(pid) for pid in leat.processes()), 1, "processes for all of them")
    same(len(server.asked), 100, "questions")
