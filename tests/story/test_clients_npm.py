"""The clients that people have, from npm: openai, the AI SDK's useChat in a browser, AG-UI's HttpAgent."""
import functools
import http.server
import json
import os
import shutil
import subprocess
import threading

from leat import FACTOR, HERE, Failed, Wire, check, limit, ms, same, until
from tabs import Browser
from words import check_installed, end_by_input

HEAVY = BROWSER = True  # see run
FOLDER = os.path.join(os.path.dirname(HERE), "clients")

# Says three words; behind the first it waits for a file that is named as the attempt. A file
# fail-<attempt> lets it fail there instead. A question for `the tool` gets a call instead.
ANSWER = r'''
def part(type, **more):
    say(json.dumps({"type": type, **more}, separators=(",", ":")))
part("start", messageId=job["job"])
part("start-step")
calls = b"the tool" in LINE
if calls:
    part("tool-input-start", toolCallId="call-1", toolName="weather")
    part("tool-input-delta", toolCallId="call-1", inputTextDelta='{"city":')
    part("tool-input-delta", toolCallId="call-1", inputTextDelta=' "Bern"}')
    part("tool-input-available", toolCallId="call-1", toolName="weather", input={"city": "Bern"})
else:
    part("text-start", id="t")
    part("text-delta", id="t", delta="one ")
    while not there("go-%s" % attempt):
        if there("fail-%s" % attempt):
            sys.exit(1)
        time.sleep(0.003)
    part("text-delta", id="t", delta="two ")
    part("text-delta", id="t", delta="thr\u00e9\u00e9")
    part("text-end", id="t")
usage = {"inputTokens": 5, "outputTokens": 3, "measured": True}
part("message-metadata", messageMetadata={"model": "m", "usage": usage})
part("finish-step")
part("finish", finishReason="tool-calls" if calls else "stop")
say({"leat": "done"})
'''
WHOLE = "one two thréé"
FAST = {"LEASE_MS": ms(2000), "RETRY_BACKOFF_MS": "1"}


class _Calls:
    """A client in node that does what it is told (clients/calls.mjs)."""

    def __init__(self, leat, program, *arguments):
        check_installed(FOLDER, "openai")
        self.popen = subprocess.Popen(["node", os.path.join(FOLDER, program), *arguments], env=leat.base_env(),
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=FOLDER)
        leat.helpers.append(self)

    def __call__(self, call, *args):
        self.popen.stdin.write(json.dumps({"call": call, "args": args}).encode() + b"\n")
        self.popen.stdin.flush()
        alarm = threading.Timer(30 * FACTOR, self.popen.kill)
        alarm.start()
        line = self.popen.stdout.readline()
        alarm.cancel()
        check(line, lambda: f"the client answers {call}: {self.popen.stderr.read()[-1500:].decode()}")
        answer = json.loads(line)
        if "error" in answer:
            raise Failed(f"{call} {args}: {answer['error'][:1500]}")
        return answer["value"]

    def close(self):
        end_by_input(self.popen, 10)


def _prepared(leat, **env):
    leat.settings(**FAST)
    gateway = leat.gateway(**env)
    return gateway, leat.worker(leat.task(ANSWER))


def _chat(name, key=None):
    return {"Leat-Chat": name, **({"Idempotency-Key": key} if key else {})}


def _job(leat, chat):
    return leat.redis("GET", f"chat:f:{chat}")


# ---- openai ----

def _openai(leat, port):
    return _Calls(leat, "openai.mjs", f"http://127.0.0.1:{port}/v1")


def _first_word(client, name):
    until(lambda: client("seen", name) == "one ", 15, f"the first word of {name}")


@limit(90)
def openais_client_streams_waits_calls_a_tool_and_reads_errors(leat):
    gateway, _ = _prepared(leat)
    client = _openai(leat, gateway.port)
    client("begin", "s", {"stream_options": {"include_usage": True}}, _chat("s"))
    _first_word(client, "s")
    leat.leave("go-1")
    answer = client("end", "s")["answer"]
    same((answer["choices"][0]["message"]["content"], answer["choices"][0]["finish_reason"]), (WHOLE, "stop"), "stream")
    same(answer["usage"]["total_tokens"], 8, "its usage")
    whole = client("whole", {}, _chat("w"))["answer"]
    same((whole["choices"][0]["message"]["content"], whole["usage"]["prompt_tokens"]), (WHOLE, 5), "without a stream")
    tool = {"messages": [{"role": "user", "content": "Use the tool."}]}
    client("begin", "t", tool, _chat("t"))
    for answer in (client("end", "t")["answer"], client("whole", tool, _chat("u"))["answer"]):
        choice = answer["choices"][0]
        call = choice["message"]["tool_calls"][0]
        same((choice["finish_reason"], call["id"], call["function"]["name"], json.loads(call["function"]["arguments"])),
             ("tool_calls", "call-1", "weather", {"city": "Bern"}), "the call of a tool")
    error = client("whole", {"messages": []})["error"]
    same((error["name"], error["status"]), ("BadRequestError", 400), "an error has its class")
    check("messages must be" in error["message"], f"and its words: {error}")


@limit(90)
def openais_client_stops_the_work_by_its_abort(leat):
    gateway, _ = _prepared(leat)
    client = _openai(leat, gateway.port)
    client("begin", "a", {}, _chat("a"))
    _first_word(client, "a")
    job = _job(leat, "a")
    client("abort", "a")
    same(client("end", "a")["error"]["name"], "APIUserAbortError", "what the client has of it")
    leat.wait_state(job, "cancelled")


@limit(90)
def openais_client_gets_the_same_answer_after_a_cut_when_it_asks_with_the_same_key(leat):
    gateway, _ = _prepared(leat)
    wire = Wire(leat, gateway.port)
    client = _openai(leat, wire.port)
    client("begin", "one", {}, _chat("c", "k"))
    _first_word(client, "one")
    wire.cut()
    check("error" in client("end", "one"), "the client is told of the cut")
    client("begin", "two", {}, _chat("c", "k"))
    _first_word(client, "two")
    leat.leave("go-1")
    same(client("end", "two")["answer"]["choices"][0]["message"]["content"], WHOLE, "the answer")
    same([k for k in leat.redis.keys() if k.startswith("job:")], ["job:" + _job(leat, "c")], "jobs")


@limit(90)
def openais_client_is_told_of_a_lost_attempt_and_never_gets_two_answers_in_one(leat):
    gateway, worker = _prepared(leat)
    client = _openai(leat, gateway.port)
    client("begin", "failed", {}, _chat("f"))
    client("begin", "killed", {}, _chat("k"))
    _first_word(client, "failed")
    _first_word(client, "killed")
    leat.leave("go-2")
    worker.kill()
    leat.worker(leat.task(ANSWER))
    for name in ("failed", "killed"):
        error = client("end", name)["error"]
        same(error["code"], "attempt_lost", f"{name}: {error}")
    # Who does not stream does not notice; the first attempt fails by itself.
    leat.leave("fail-1")
    leat.leave("go-2")
    whole = client("whole", {}, _chat("w"))["answer"]
    same(whole["choices"][0]["message"]["content"], WHOLE, "without a stream")


# ---- AG-UI ----

def _agent(leat, port):
    return _Calls(leat, "ag_ui.mjs", f"http://127.0.0.1:{port}/ag-ui/f")


def _said(state):
    return [(m["role"], m.get("content")) for m in state["messages"]]


def _begun(agent, name):
    until(lambda: _said(agent("seen", name))[1:] == [("assistant", "one ")], 10,
          lambda: f"the first word of {name}: {agent('seen', name)}")


@limit(90)
def ag_uis_agent_runs_calls_a_tool_is_joined_in_the_middle_and_goes_on_after_a_cut(leat):
    gateway, _ = _prepared(leat)
    wire = Wire(leat, gateway.port)
    cut, agent = _agent(leat, wire.port), _agent(leat, gateway.port)
    cut("begin", "one", "t", "r")
    _begun(cut, "one")
    agent("begin", "two", "t", "r")
    _begun(agent, "two")
    wire.cut()
    end = cut("end", "one")
    check("RUN_FINISHED" not in end["types"], f"the agent has no end of its run: {end}")
    cut("begin", "again", "t", "r")
    _begun(cut, "again")
    leat.leave("go-1")
    for client, name in ((agent, "two"), (cut, "again")):
        end = client("end", name)
        same((end["error"], _said(end)), (None, [("user", "Say it."), ("assistant", WHOLE)]), name)
        same((end["types"][0], end["types"][-1]), ("RUN_STARTED", "RUN_FINISHED"), f"{name}: {end['types']}")
    same([k for k in leat.redis.keys() if k.startswith("job:")], ["job:" + _job(leat, "t")], "jobs")
    agent("begin", "tool", "u", "r", "Use the tool.")
    end = agent("end", "tool")
    function = end["messages"][-1]["toolCalls"][0]["function"]
    same((end["error"], function["name"], json.loads(function["arguments"])), (None, "weather", {"city": "Bern"}),
         "the call of a tool")


@limit(90)
def ag_uis_agent_goes_on_through_a_failed_attempt_and_a_killed_worker(leat):
    gateway, worker = _prepared(leat)
    agent = _agent(leat, gateway.port)
    agent("begin", "one", "t", "r")
    _begun(agent, "one")
    leat.leave("fail-1")
    leat.wait_file("run-t-2", 15)
    worker.kill()
    leat.leave("go-3")
    leat.leave("go-2")
    leat.worker(leat.task(ANSWER))
    end = agent("end", "one")
    same((end["error"], _said(end)), (None, [("user", "Say it."), ("assistant", WHOLE)]), "the run")
    check("MESSAGES_SNAPSHOT" in end["types"], f"what was void was taken back: {end['types']}")


# ---- the AI SDK, in a browser ----

class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_arguments):
        pass


class _App:
    """Serves the app at an origin of its own, so that CORS is needed."""

    def __init__(self, leat):
        folder = os.path.join(leat.dir, "app")
        os.mkdir(folder)
        shutil.copy(os.path.join(FOLDER, "chat.html"), folder)
        made = subprocess.run(
            [os.path.join(FOLDER, "node_modules/.bin/esbuild"), "chat.jsx", "--bundle", "--format=esm",
             "--jsx=automatic", '--define:process.env.NODE_ENV="production"', "--log-level=error", f"--outfile={folder}/chat.js"],
            cwd=FOLDER, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        same(made.returncode, 0, f"the app is built: {made.stdout.decode()[-1500:]}")
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=folder))
        self.origin = f"http://127.0.0.1:{self.server.server_port}"
        leat.helpers.append(self)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def page(self, port, chat):
        return f"{self.origin}/chat.html?gateway=http://127.0.0.1:{port}&chat={chat}"

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def _shows(tab, said, status, seconds=15):
    shown = json.dumps([said, status], ensure_ascii=False, separators=(",", ":"))
    tab.wait(f"JSON.stringify([app.said, app.status]) === {json.dumps(shown)}", seconds)


def _app(leat):
    app = _App(leat)
    gateway, worker = _prepared(leat, API_CORS_ORIGINS=app.origin)
    return app, gateway, worker, Browser(leat)


def _ask(tab, text):
    tab.wait("window.app && app.status === 'ready'", 20)
    tab.look(f"app.ask({json.dumps(text)})")


@limit(120)
def use_chat_sends_resumes_after_a_reload_and_in_a_second_tab_stops_and_regenerates(leat):
    app, gateway, _, browser = _app(leat)
    tab = browser.open(app.page(gateway.port, "c"))
    _ask(tab, "hi")
    _shows(tab, ["user: hi", "assistant: one "], "streaming")
    tab.call("reload")
    _shows(tab, ["user: hi", "assistant: one "], "streaming")
    second = browser.open(app.page(gateway.port, "c"))
    _shows(second, ["user: hi", "assistant: one "], "streaming")
    tab.look("app.halt()")
    for one in (tab, second):
        _shows(one, ["user: hi", "assistant: one "], "ready")
    leat.wait_state(_job(leat, "c"), "cancelled")
    leat.leave("go-1")
    tab.look("void app.regenerate()")
    _shows(tab, ["user: hi", "assistant: " + WHOLE], "ready")
    tab.call("reload")
    _shows(tab, ["user: hi", "assistant: " + WHOLE], "ready")
    tab.look("app.ask('use the tool')")
    _shows(tab, ["user: hi", "assistant: " + WHOLE, "user: use the tool",
                 'assistant: [tool-weather {"city":"Bern"}]'], "ready")


@limit(120)
def use_chat_goes_on_through_a_cut_a_failed_attempt_and_a_killed_worker(leat):
    app, gateway, worker, browser = _app(leat)
    wire = Wire(leat, gateway.port)
    tab = browser.open(app.page(wire.port, "c"))
    _ask(tab, "hi")
    _shows(tab, ["user: hi", "assistant: one "], "streaming")
    wire.cut()
    tab.wait("app.status === 'error'")
    tab.look("void app.resumeStream()")
    _shows(tab, ["user: hi", "assistant: one "], "streaming")
    leat.leave("fail-1")
    job = _job(leat, "c")
    leat.wait_file("run-c-2", 15)
    worker.kill()
    leat.leave("go-2")
    leat.leave("go-3")
    leat.worker(leat.task(ANSWER))
    _shows(tab, ["user: hi", "assistant: " + WHOLE], "ready", 20)
    same(_job(leat, "c"), job, "one job")
