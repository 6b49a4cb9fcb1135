"""The task `chat`: answers of language models, as leat-task gives them over its pipes."""
import json
import os
import signal
import socket
import subprocess
import threading
import time
import uuid

from leat import BIN, FACTOR, check, limit, same, stays, until
from model_server import ModelServer, Script

KEY = "sk-very-secret-0123456789"


def _is_sanitized():
    """A sanitizer keeps what is freed."""
    with open(os.path.join(BIN, "leat-task"), "rb") as file:
        program = file.read()
    return b"__asan_init" in program or b"__tsan_init" in program


class Task:
    """leat-task chat on pipes; each line it says is noted."""

    def __init__(self, leat, slots=0, reads=True, **env):
        self.shared, self.lines, self.raw = slots > 0, [], b""
        self.log_path = leat.file(f"task-{len(leat.helpers)}.log")
        with open(self.log_path, "wb") as log:
            self.popen = subprocess.Popen(
                [os.path.join(BIN, "leat-task"), "chat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
                env={**leat.base_env(), **({"LEAT_SLOTS": str(slots)} if slots else {}), **env}, start_new_session=True)
        self.reader = threading.Thread(target=self._read, daemon=True)
        leat.helpers.append(self)
        if reads:
            self.reader.start()

    def _read(self):
        while data := os.read(self.popen.stdout.fileno(), 65536):
            self.raw += data
            *whole, rest = self.raw.split(b"\n")
            self.raw = rest
            self.lines += [self._line(line.decode()) for line in whole]

    def _line(self, text):
        job, _, line = text.partition(" ") if self.shared else (None, None, text)
        return job, json.loads(line)

    def give(self, feature, payload=None, job=None):
        """Give it a job; its id."""
        job = job or str(uuid.uuid4())
        line = {"job": job, "type": "chat", "feature_id": "f", "chat_id": "c", "attempt": 1, "time_left_ms": 60000,
                **({"feature": feature} if feature is not None else {}),
                "payload": {"prompt": "hi"} if payload is None else payload}
        self.write((job + " " if self.shared else "") + json.dumps(line))
        return job

    def write(self, line):
        self.popen.stdin.write(line.encode() + b"\n")
        self.popen.stdin.flush()

    def said(self, job=None):
        """All lines, or those of one job."""
        return [line for owner, line in list(self.lines) if job is None or owner == job]

    def until(self, holds, what, job=None):
        until(lambda: any(holds(line) for line in self.said(job)), 20,
              lambda: f"{what}; it said {self.said(job)}; its log: {self.log()}")

    def answer(self, job=None):
        """The lines of a job, when it has ended."""
        self.until(lambda line: line.get("leat") in ("done", "failed"), "the chat ends", job)
        return self.said(job)

    def ask(self, feature, payload=None, job=None):
        """A job of its own process form; its lines."""
        if not self.shared:
            self.lines.clear()
        job = self.give(feature, payload, job)
        return self.answer(job if self.shared else None)

    def log(self):
        with open(self.log_path, errors="replace") as log:
            return log.read()

    def end(self):
        """No more jobs; the exit code."""
        self.popen.stdin.close()
        until(lambda: self.popen.poll() is not None, 20, lambda: f"leat-task ends; its log: {self.log()}")
        self.reader.join()
        return self.popen.returncode

    def own_kib(self):
        """Memory that is its own; not its share of what others map as well, which grows as they end."""
        with open(f"/proc/{self.popen.pid}/smaps_rollup") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("Anonymous:"))

    def close(self):
        if self.popen.poll() is None:
            self.popen.kill()
        self.popen.wait()
        if self.reader.ident:
            self.reader.join()
        self.popen.stdout.close()
        if not self.popen.stdin.closed:
            try:
                self.popen.stdin.close()
            except BrokenPipeError:
                pass


def _server(leat):
    server = ModelServer()
    leat.helpers.append(server)
    return server


def _openai(server, model="m", **more):
    return {"base_url": server.url, "model": model, **more}


def _ollama(server, model="m", **more):
    return {"base_url": server.ollama_url, "model": model, "api": "ollama", **more}


# A port that nobody answers on, and that nobody else can have.
DEAD = socket.socket()
DEAD.bind(("127.0.0.1", 0))


def _dead():
    return {"base_url": f"http://127.0.0.1:{DEAD.getsockname()[1]}/v1", "model": "dead"}


def _feature(*models, **more):
    return {"models": list(models), **more}


def _text(lines):
    """What a reader has of the text at the end."""
    text = ""
    for line in lines:
        if line.get("type") == "reset-step":
            text = ""
        elif line.get("type") == "text-delta":
            text += line["delta"]
    return text


def _kinds(lines):
    return [line.get("type") or line["leat"] for line in lines]


def _end(lines, kind, **members):
    """The last line, and what it must say."""
    same(lines[-1]["leat"], kind, f"the end of {lines}")
    same({name: lines[-1].get(name) for name in members}, members, "what the end says")
    return lines[-1]


# What every answer of text alone consists of.
WHOLE = ["start", "start-step", "text-start", "text-end", "message-metadata", "finish-step", "finish", "usage", "done"]


def _is_whole(lines, text):
    """Well formed from start to finish; deltas, and what was void, left out."""
    kinds = [kind for kind in _kinds(lines) if kind != "text-delta"]
    if "reset-step" in kinds:
        kinds[2:kinds.index("reset-step") + 1] = []
    same(kinds, WHOLE, f"the kinds of {lines}")
    same(_text(lines), text, "the text")


# ---- an answer ----


def an_answer_is_typed_messages_and_its_usage_in_either_dialect(leat):
    server, task = _server(leat), Task(leat)
    for model in (_openai(server), _ollama(server)):
        job = str(uuid.uuid4())
        lines = task.ask(_feature(model), job=job)
        _is_whole(lines, "Hello there.")
        same(lines[0], {"type": "start", "messageId": job}, "the first message")
        same(lines[-5]["messageMetadata"],
             {"model": "m", "usage": {"inputTokens": 7, "outputTokens": 3, "measured": True}}, "the metadata")
        same(lines[-3], {"type": "finish", "finishReason": "stop"}, "the last message")
        same(lines[-2]["usage"], {"model": "m", "input_tokens": 7, "output_tokens": 3, "measured": True}, "usage")
    same(task.end(), 0, "exit code")


def each_token_goes_out_as_it_comes(leat):
    server, task = _server(leat), Task(leat)
    server.models["m"] = [Script(["one", "two"], stall_at=2)]
    task.give(_feature(_openai(server)))
    task.until(lambda line: line.get("delta") == "one", "the first token is said while the second has not come")
    check("text-end" not in _kinds(task.said()), "the text is open")


def bytes_that_come_one_by_one_make_the_same_answer(leat):
    server, task = _server(leat), Task(leat)
    server.models["m"] = [Script(["Grüße ", "漢字 ", "👋🏽"], piece=1, comments=True)]
    for model in (_openai(server), _ollama(server)):
        _is_whole(task.ask(_feature(model)), "Grüße 漢字 👋🏽")


def reasoning_and_calls_of_tools_are_parts_of_their_own(leat):
    server, task = _server(leat), Task(leat)
    server.models["m"] = [Script(["so"], reasoning=["hm", "…"], tools=[("weather", ['{"city":', '"Bern"}'])])]
    for model in (_openai(server), _ollama(server)):
        lines = task.ask(_feature(model))
        check({"reasoning-start", "reasoning-end", "text-start", "text-end"} <= set(_kinds(lines)), f"parts: {lines}")
        call = next(line for line in lines if line.get("type") == "tool-input-available")
        same((call["toolName"], call["input"]), ("weather", {"city": "Bern"}), "the call")
        same(lines[-3]["finishReason"], "tool-calls", "why it ended")


def one_process_answers_one_job_after_the_other_over_one_connection(leat):
    server, task = _server(leat), Task(leat)
    for _ in range(5):
        task.give(_feature(_openai(server)))
    until(lambda: _kinds(task.said()).count("done") == 5, 20, "five answers")
    same(server.connections, 1, "connections")
    same(task.end(), 0, "exit code")


def who_ends_the_input_gets_what_is_in_hand(leat):
    server, task = _server(leat), Task(leat)
    gate = threading.Event()
    server.models["m"] = [Script(wait=gate)]
    task.give(_feature(_openai(server)))
    until(lambda: server.asked, 10, "the question")
    task.popen.stdin.close()
    stays(lambda: task.popen.poll() is None, 0.1, "it goes on")
    gate.set()
    _is_whole(task.answer(), "Hello there.")


def a_shell_may_use_it_with_files_too(leat):
    server = _server(leat)
    job = {"feature_id": "f", "chat_id": "c", "feature": _feature(_openai(server)), "payload": {"prompt": "hi"}}
    with open(leat.file("job"), "w") as file:
        json.dump(job, file)  # without a line end
    with open(leat.file("job")) as given, open(leat.file("out"), "w") as out:
        code = subprocess.run([os.path.join(BIN, "leat-task"), "chat"], stdin=given, stdout=out, env=leat.base_env(),
                              timeout=20 * FACTOR, check=False).returncode
    same(code, 0, "exit code")
    with open(leat.file("out")) as file:
        lines = [json.loads(line) for line in file]
    _is_whole(lines, "Hello there.")
    same(len(lines[0]["messageId"]), 36, "it has an id of its own")
    help_text = subprocess.run([os.path.join(BIN, "leat-task"), "--help"], capture_output=True, text=True, check=True)
    check("\n  chat " in help_text.stdout, "the help lists it")


# ---- what it asks ----


def a_key_goes_to_the_model_server_and_nowhere_else(leat):
    server, task = _server(leat), Task(leat, SOME_KEY=KEY)
    words = json.dumps({"error": {"message": f"Incorrect API key provided: {KEY}."}})
    server.models["m"] = [Script(), Script(status=401, body=words), Script(error_at=1), Script(cut_at=1)]
    said = []
    for _ in range(4):
        said += task.ask(_feature(_openai(server, api_key_env="SOME_KEY")))
    same([asked.headers["authorization"] for asked in server.asked], [f"Bearer {KEY}"] * 4, "the header")
    check(KEY not in json.dumps(said), "no line has the key")
    check(KEY not in task.log(), "no line of the log has the key")
    check("Incorrect API key provided: [key]." in json.dumps(said), f"the server's words without it: {said}")
    with open(f"/proc/{task.popen.pid}/cmdline") as file:
        check(KEY not in file.read(), "the list of processes has no key")


def a_key_that_a_servers_words_are_cut_in_is_not_told_in_part(leat):
    server, task = _server(leat), Task(leat, SOME_KEY=KEY)
    for room in (8, len(KEY) - 1):
        server.models["m"] = [Script(status=401, body=json.dumps({"error": "x" * (300 - room) + KEY}))]
        lines = task.ask(_feature(_openai(server, api_key_env="SOME_KEY")))
        _end(lines, "failed", reason="provider_refused", detail="x" * (300 - room) + "[key]")


def a_shared_process_knows_a_job_by_the_id_before_its_line(leat):
    server, task = _server(leat), Task(leat, slots=2)
    job, other = str(uuid.uuid4()), str(uuid.uuid4())
    line = {"job": other, "feature": _feature(_openai(server)), "payload": {"prompt": "hi"}}
    task.write(job + " " + json.dumps(line))
    lines = task.answer(job)
    _is_whole(lines, "Hello there.")
    same(lines[0]["messageId"], job, "the message's id")


def counts_beyond_all_reason_stay_numbers(leat):
    server, task = _server(leat), Task(leat)
    most = 2**63 - 1
    server.models["m"] = [Script(usage=(most, most))]
    server.models["n"] = [Script(body=f'data: {{"usage":{{"prompt_tokens":{most},"completion_tokens":{most}}}}}\n\n',
                                 content_type="text/event-stream")]
    lines = task.ask(_feature(_openai(server, "n"), _openai(server)))
    _is_whole(lines, "Hello there.")
    check(0 < lines[-2]["usage"]["input_tokens"] < 2**53, f"what both cost: {lines[-2]}")


def a_key_that_is_not_there_fails_at_once_and_for_good(leat):
    server, task = _server(leat), Task(leat, BROKEN="a\r\nHost: b")
    for name in ("NOT_SET", "BROKEN"):
        lines = task.ask(_feature(_openai(server, api_key_env=name)))
        check(name in _end(lines, "failed", reason="feature", retry=False)["detail"], f"it names {name}: {lines}")
        same(len(lines), 1, "nothing else was said")
    same(server.asked, [], "nobody was asked")


def what_is_no_question_or_no_feature_fails_for_good(leat):
    server, task = _server(leat), Task(leat)
    for feature, payload, reason in ((_feature(_openai(server)), {"none": 1}, "question"),
                                     (_feature(_openai(server)), [], "question"),
                                     (None, None, "feature"), (_feature(), None, "feature"), ([], None, "feature")):
        lines = task.ask(feature, payload)
        check(_end(lines, "failed", reason=reason, retry=False)["detail"], f"it says what is wrong: {lines}")
    task.lines.clear()
    task.write("garbage")
    _end(task.answer(), "failed", reason="question", retry=False)
    same(server.asked, [], "nobody was asked")
    _is_whole(task.ask(_feature(_openai(server))), "Hello there.")


def a_question_may_be_as_deep_as_a_request_may(leat):
    server, task = _server(leat), Task(leat)
    deep = "x"
    for _ in range(31):
        deep = [deep]
    _is_whole(task.ask(_feature(_openai(server)), {"prompt": "hi", "mine": deep}), "Hello there.")


# ---- providers that fail ----


def a_busy_provider_says_when_the_next_attempt_may_come(leat):
    server, task = _server(leat), Task(leat)
    server.models["m"] = [Script(status=429, retry_after="7", body='{"error":{"message":"Slow down."}}'),
                          Script(status=429)]
    feature = _feature(_openai(server))
    _end(task.ask(feature), "failed", reason="provider_busy", retry=True, retry_after_ms=7000, detail="Slow down.")
    _end(task.ask(feature), "failed", reason="provider_busy", retry=True, retry_after_ms=None)


def _cut_short(*events):
    """Server-Sent Events whose last one lacks the blank line."""
    return Script(body="\n\n".join(f"data: {json.dumps(event)}" for event in events), content_type="text/event-stream")


def _piece(text, finish=None):
    return {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish}]}


def the_last_event_counts_also_where_its_end_is_missing(leat):
    server, task = _server(leat), Task(leat)
    server.models["whole"] = [_cut_short(_piece("Hel"), _piece("lo", "stop"))]
    _is_whole(task.ask(_feature(_openai(server, "whole"))), "Hello")
    server.models["poor"] = [_cut_short(_piece("Hel"), {"error": {"message": "No money."}})]
    _end(task.ask(_feature(_openai(server, "poor"))), "failed", reason="provider_error", detail="No money.")
    server.models["half"] = [_cut_short(_piece("Hel"), _piece("lo"))]
    lines = task.ask(_feature(_openai(server, "half"), _openai(server, "good"), on_failure="continue"))
    _is_whole(lines, "HelloHello there.")
    same(server.asked[-1].body["messages"][-1]["content"], "Hello", "what the next one is to go on from")


def what_the_operator_puts_into_a_request_arrives_at_that_provider(leat):
    server, task = _server(leat), Task(leat)
    server.models["dead"] = [Script(status=500)]
    task.ask(_feature(_openai(server, "dead", extra_body={"top_p": 0.5, "guided_regex": "\\d+"}),
                      _ollama(server, extra_body={"options": {"num_ctx": 16384}, "keep_alive": "1h"})),
             {"prompt": "hi", "top_p": 1, "seed": 3})
    first, second = (asked.body for asked in server.asked)
    same((first["top_p"], first["guided_regex"], first["seed"]), (0.5, "\\d+", 3), "the first one's")
    same((second["options"], second["keep_alive"]), ({"top_p": 1, "seed": 3, "num_ctx": 16384}, "1h"), "the second's")


def the_delay_that_a_provider_asks_for_is_heard_however_much_it_says_beside(leat):
    server, task = _server(leat), Task(leat)
    server.models["m"] = [Script(status=429, retry_after="7", body="x" * 300000)]
    _end(task.ask(_feature(_openai(server))), "failed", reason="provider_busy", retry=True, retry_after_ms=7000,
         detail="x" * 300)


def a_provider_that_refuses_is_believed_and_its_words_are_told(leat):
    server, task = _server(leat), Task(leat)
    words = '{"error":{"message":"This model\'s maximum context length is 8 tokens.","code":"context_length"}}'
    for status in (400, 401, 403, 404, 422, 302):
        server.models[str(status)] = [Script(status=status, body=words)]
        lines = task.ask(_feature(_openai(server, str(status)), _openai(server, "other")))
        _end(lines, "failed", reason="provider_refused", retry=False,
             detail="This model's maximum context length is 8 tokens.")
    same({asked.body["model"] for asked in server.asked}, {"400", "401", "403", "404", "422", "302"}, "who was asked")


def _failing(server):
    """Providers that fail before they say anything: (model, reason)."""
    server.models.update({
        "busy": [Script(status=429)], "broken": [Script(status=500)], "away": [Script(status=503)],
        "mute": [Script(wait=threading.Event())], "headless": [Script(stall_at=0)], "cut": [Script(cut_at=0)],
        "error": [Script(error_at=1)], "garbage": [Script(garbage_at=0)],
        "html": [Script(body="<html>Welcome</html>", content_type="text/html")],
        "short": [Script(say=[], ends=False, cut_at=1)],
    })
    return {"busy": "provider_busy", "broken": "provider_error", "away": "provider_error", "mute": "provider_silent",
            "headless": "provider_silent", "cut": "provider_cut", "error": "provider_error",
            "garbage": "provider_error", "html": None, "short": "provider_cut"}


def _patience(reason):
    """No longer than it must be with who says nothing."""
    return {"first_token_timeout_ms": int(600 * FACTOR)} if reason == "provider_silent" else {}


def a_provider_that_fails_before_it_spoke_is_followed_by_the_next_at_once(leat):
    server, task = _server(leat), Task(leat)
    for model, reason in _failing(server).items():
        lines = task.ask(_feature(_openai(server, model), _ollama(server, "good"), **_patience(reason)))
        _is_whole(lines, "Hello there.")
        check("reset-step" not in _kinds(lines), "nothing was void")
    _is_whole(task.ask(_feature(_dead(), _openai(server, "good"))), "Hello there.")


def when_all_providers_fail_the_attempt_may_be_repeated(leat):
    server, task = _server(leat), Task(leat)
    for model, reason in _failing(server).items():
        lines = task.ask(_feature(_openai(server, model), **_patience(reason)))
        end = _end(lines, "failed", retry=True)
        check(reason in (None, end["reason"]), f"{model} fails as {reason}: {end}")
        check("start" not in _kinds(lines), f"nothing was said: {lines}")
    _end(task.ask(_feature(_dead())), "failed", reason="provider_unreachable", retry=True)
    # One that is busy may do better later, whatever another one thinks of the question.
    server.models["refuses"] = [Script(status=400)]
    _end(task.ask(_feature(_openai(server, "busy"), _openai(server, "refuses"))), "failed",
         reason="provider_refused", retry=True)


HALF = Script(["Half ", "an ", "answer"], cut_at=3)


def half_an_answer_is_void_when_the_next_model_begins_anew(leat):
    server, task = _server(leat), Task(leat)
    server.models["m"] = [HALF]
    for way in ({}, {"on_failure": "restart"}):
        lines = task.ask(_feature(_openai(server), _openai(server, "good"), **way))
        _is_whole(lines, "Hello there.")
        kinds = _kinds(lines)
        same((kinds.count("start"), kinds.count("reset-step"), kinds[5]), (1, 1, "reset-step"), "one message")
        same(lines[-2]["usage"]["model"], "good", "whose usage")
        check(lines[-2]["usage"]["output_tokens"] > 3 and not lines[-2]["usage"]["measured"],
              f"what the first one said costs too: {lines[-2]}")


def half_an_answer_goes_on_with_the_next_model(leat):
    server, task = _server(leat), Task(leat)
    server.models["m"] = [HALF]
    feature = _feature(_openai(server), _dead(), _ollama(server, "good"), on_failure="continue")
    lines = task.ask(feature)
    _is_whole(lines, "Half an Hello there.")  # one part, from end to end
    same(server.asked[-1].body["messages"][-1], {"role": "assistant", "content": "Half an "}, "the beginning goes along")


def half_an_answer_is_kept_when_the_feature_says_so(leat):
    server, task = _server(leat), Task(leat)
    server.models["m"] = [HALF]
    lines = task.ask(_feature(_openai(server), _openai(server, "good"), on_failure="fail"))
    same(_text(lines), "Half an ", "the text")
    check("text-end" in _kinds(lines) and "reset-step" not in _kinds(lines), f"it is closed, and kept: {lines}")
    _end(lines, "failed", reason="provider_cut", retry=False)
    same(len(server.asked), 1, "how many were asked")


def an_answer_with_a_call_of_a_tool_cannot_go_on_and_begins_anew(leat):
    server, task = _server(leat), Task(leat)
    server.models["m"] = [Script(["I look. "], tools=[("look", ['{"a"', ":1}"])], cut_at=4)]
    lines = task.ask(_feature(_openai(server), _openai(server, "good"), on_failure="continue"))
    same((_text(lines), _kinds(lines).count("reset-step")), ("Hello there.", 1), f"the answer {lines}")
    same(server.asked[-1].body["messages"][-1]["role"], "user", "nothing of it goes along")


def an_error_or_silence_in_the_middle_counts_as_a_cut(leat):
    server, task = _server(leat), Task(leat)
    scripts = {"error": (Script(["Half ", "an "], error_at=2), "provider_error"),
               "silence": (Script(["Half ", "an "], stall_at=3), "provider_silent"),
               "end": (Script(["Half ", "an "], ends=False, cut_at=3), "provider_cut")}
    for model, (script, reason) in scripts.items():
        server.models[model] = [script]
        for dialect in (_openai, _ollama) if model == "error" else (_openai,):
            patience = {"silence_timeout_ms": int(600 * FACTOR)} if reason == "provider_silent" else {}
            feature = _feature(dialect(server, model), **patience)
            lines = task.ask(feature)
            check(_text(lines).startswith("Half "), f"what was said was said: {lines}")
            end = _end(lines, "failed", reason=reason, retry=True)
            if model == "error":
                same(end["detail"], "it broke", "the server's words")
            _is_whole(task.ask({**feature, "models": [*feature["models"], _openai(server, "good")]}), "Hello there.")


def forty_seconds_of_silence_are_allowed_or_not_as_the_feature_says(leat):
    server, task = _server(leat), Task(leat, slots=2)
    gate = threading.Event()
    server.models["slow"] = [Script(wait=gate)]
    began = time.monotonic()
    hasty = task.give(_feature(_openai(server, "slow"), first_token_timeout_ms=400))
    patient = task.give(_feature(_openai(server, "slow"), first_token_timeout_ms=40000))
    _end(task.answer(hasty), "failed", reason="provider_silent", retry=True)
    check(time.monotonic() - began >= 0.39, "no sooner than it may")
    same(task.said(patient), [], "the patient one waits")
    gate.set()
    _is_whole(task.answer(patient), "Hello there.")


def an_answer_that_is_complete_does_not_wait_for_a_server_that_never_closes(leat):
    server, task = _server(leat), Task(leat)
    server.models["m"] = [Script(leaves_open=True)]
    began = time.monotonic()
    lines = task.ask(_feature(_openai(server), silence_timeout_ms=600000))
    check(time.monotonic() - began < 15 * FACTOR, "it does not take the silence that is allowed")
    _is_whole(lines, "Hello there.")
    same(lines[-2]["usage"]["measured"], True, "the usage was read")


def usage_that_no_server_tells_is_estimated_and_says_so(leat):
    server, task = _server(leat), Task(leat)
    server.models["m"] = [Script(usage=None)]
    usage = task.ask(_feature(_openai(server)), {"prompt": "word " * 100})[-2]["usage"]
    check(usage["measured"] is False and usage["output_tokens"] == 3 and 80 <= usage["input_tokens"] <= 200,
          f"usage {usage}")


# ---- ending it ----


def a_stop_ends_one_of_many_and_says_what_it_has_cost(leat):
    server, task = _server(leat), Task(leat, slots=10)
    server.models["m"] = [Script(["one", "two"], stall_at=2)]
    server.models["mute"] = [Script(wait=threading.Event())]
    spoken, mute = task.give(_feature(_openai(server))), task.give(_feature(_openai(server, "mute")))
    task.until(lambda line: line.get("delta") == "one", "its first token", spoken)
    until(lambda: len(server.asked) == 2, 10, "both are asked")
    task.write(f'{spoken} {{"stop": true}}')
    lines = task.answer(spoken)
    _end(lines, "failed", reason="stopped")
    check(lines[-2]["usage"]["output_tokens"] >= 1 and not lines[-2]["usage"]["measured"], f"its usage: {lines[-2]}")
    until(lambda: server.left == 1, 10, "the model server sees it leave")
    task.write(f'{mute} {{"stop": true}}')
    same(task.answer(mute), [{"leat": "failed", "reason": "stopped"}], "who was not heard costs nothing")
    task.write(f'{mute} {{"stop": true}}')  # nobody: nothing
    _is_whole(task.ask(_feature(_openai(server, "good"))), "Hello there.")
    same(task.end(), 0, "exit code")


def sigterm_says_what_it_has_cost_and_ends(leat):
    server, task = _server(leat), Task(leat)
    server.models["m"] = [Script(["one", "two"], stall_at=2)]
    task.give(_feature(_openai(server)))
    task.until(lambda line: line.get("delta") == "one", "its first token")
    task.popen.send_signal(signal.SIGTERM)
    until(lambda: task.popen.poll() is not None, 10, "it ends")
    same(task.popen.returncode, -signal.SIGTERM, "how it ended")
    task.reader.join()
    same(_kinds(task.said())[-1], "usage", "its last word")
    until(lambda: server.left == 1, 10, "the model server sees it leave")


# ---- many at once ----


def a_hundred_chats_in_one_process_each_get_their_own_answer(leat):
    server, task = _server(leat), Task(leat, slots=100)
    jobs = []
    for n in range(100):
        server.models[f"m{n}"] = [Script([f"I am {n}", ", you", " know."], pace=0.01, piece=n % 7)]
        jobs.append(task.give(_feature((_ollama if n % 2 else _openai)(server, f"m{n}"))))
    for n, job in enumerate(jobs):
        _is_whole(task.answer(job), f"I am {n}, you know.")
    same(task.end(), 0, "exit code")


def a_line_that_is_wrong_fails_its_job_alone(leat):
    server, task = _server(leat), Task(leat, slots=10)
    job = str(uuid.uuid4())
    task.write(job + " garbage")
    _end(task.answer(job), "failed", reason="question", retry=False)
    _is_whole(task.ask(_feature(_openai(server))), "Hello there.")


def a_reader_that_does_not_read_costs_bounded_memory_and_misses_nothing(leat):
    server, task = _server(leat), Task(leat, slots=10, reads=False)
    server.models["m"] = [Script(["x" * 60000] * 200)]  # 12 MB
    server.models["mute"] = [Script(wait=threading.Event())]
    mute = task.give(_feature(_openai(server, "mute")))
    jobs = [task.give(_feature(_openai(server))) for _ in range(3)]
    until(lambda: len(server.asked) == 4, 10, "all are asked")
    most = task.own_kib() + (4096 if not _is_sanitized() else 16384)
    stays(lambda: task.own_kib() < most, 1.5, lambda: f"its memory stays below {most} KiB: {task.own_kib()}")
    task.write(f'{mute} {{"stop": true}}')  # is read all the same
    until(lambda: server.left == 1, 10, "the stop is obeyed while nobody reads")
    task.reader.start()
    for job in jobs:
        _is_whole(task.answer(job), "x" * 60000 * 200)


@limit(120)
def a_chat_that_waits_costs_at_most_a_hundred_kilobytes(leat):
    count = 500
    server, task = _server(leat), Task(leat, slots=count)
    server.models["mute"] = [Script(wait=threading.Event())]
    _is_whole(task.ask(_feature(_openai(server, "good"))), "Hello there.")
    before = task.own_kib()
    feature = _feature(_openai(server, "mute"), system="You are helpful. " * 60, first_token_timeout_ms=600000)
    for n in range(count):
        task.give(feature, {"prompt": f"{n} " + "word " * 800})
    until(lambda: len(server.asked) == count + 1, 60, lambda: f"all wait; {len(server.asked)} do")
    each = (task.own_kib() - before) / count
    print(f"note: {each:.1f} KiB for each of {count} chats that wait, each with a question of 4 KB")
    check(each <= (100 if not _is_sanitized() else 400), f"{each:.1f} KiB a chat")
