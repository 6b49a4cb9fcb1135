"""The page at GET /, in a real browser: ask, see it stream, reload, stop, two tabs, a killed worker."""
import json

from leat import Wire, check, limit, ms, same, until
from tabs import Browser

HEAVY = BROWSER = True  # see run

# What a task of these stories writes: an answer in typed messages, as the chat task does.
TYPED = r'''
question = job["payload"]["messages"][-1]["content"]
def start():
    say({"type": "start", "messageId": job["job"]})
    say({"type": "start-step"})
    say({"type": "text-start", "id": "t1"})
def word(text):
    say({"type": "text-delta", "id": "t1", "delta": text})
def finish():
    say({"type": "text-end", "id": "t1"})
    say({"type": "finish-step"})
    say({"type": "finish", "finishReason": "stop"})
'''
TWO_HALVES = TYPED + "start()\nword('First half, ')\nuntil('go')\nword('second half.')\nfinish()\n"
LAST = "[...document.querySelectorAll('.answer')].at(-1)"
IS_OVER = f"{LAST}?.getAttribute('aria-busy') === 'false'"
IS_BUSY = f"{LAST}?.getAttribute('aria-busy') === 'true'"


def _origin(gateway):
    return f"http://127.0.0.1:{gateway.port}"


def _page(gateway, chat="c", feature="f"):
    return f"{_origin(gateway)}/#{feature}/{chat}"


def _says(text):
    """The last answer has this text."""
    return f"{LAST}?.innerText.includes({json.dumps(text)})"


def _answer(tab):
    return tab.look(f"{LAST}.querySelector('.parts').innerText.trim()")


def _foot(tab):
    return tab.look(f"{LAST}.querySelector('.foot').innerText.trim()")


def _jobs(leat):
    return [key for key in leat.redis.keys() if key.startswith("job:")]


def _payload(leat, chat="c"):
    return json.loads(leat.redis("HGET", "job:" + leat.redis("GET", f"chat:f:{chat}"), "payload"))


# ---- served ----

def the_page_comes_with_a_strict_policy_and_only_anew_when_it_changed(leat):
    gateway = leat.gateway()
    for path, kind in (("/", "text/html"), ("/page/page.js", "text/javascript"), ("/page/page.css", "text/css"),
                       ("/page/icon.svg", "image/svg+xml")):
        first = gateway.request("GET", path)
        same(first.status, 200, f"status of {path}")
        check(first.header("Content-Type").startswith(kind), f"{path} is {first.header('Content-Type')}")
        same(first.header("Content-Security-Policy"),
             "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
             "base-uri 'none'; form-action 'none'; frame-ancestors 'none'", f"policy of {path}")
        same([first.header(n) for n in ("X-Content-Type-Options", "Referrer-Policy", "Cache-Control")],
             ["nosniff", "no-referrer", "no-cache"], f"headers of {path}")
        tag = first.header("ETag")
        again = gateway.request("GET", path, [("If-None-Match", tag)])
        same((again.status, again.body, again.header("ETag")), (304, b"", tag), f"{path} that is known")
        same(gateway.request("GET", path, [("If-None-Match", '"x"')]).body, first.body, f"{path} that has changed")
        head = gateway.request("HEAD", path)
        same((head.status, head.header("ETag"), head.body), (200, tag, b""), f"HEAD {path}")
        for word in (b"http://", b"https://", b"style=", b"onclick", b"innerHTML"):
            lines = [line for line in first.body.splitlines() if word in line]
            same([line for line in lines if b"www.w3.org" not in line], [], f"{path} has {word}")


# ---- an answer ----

@limit(90)
def a_question_is_answered_on_the_page_as_it_comes(leat):
    gateway = leat.gateway()
    leat.worker(leat.task(TYPED + "start()\nword('Hello **')\nuntil('go')\nword('world**.')\nfinish()\n"))
    tab = Browser(leat).open(_page(gateway))
    tab.ask("Who is there?")
    tab.wait(_says("Hello"))
    check(tab.look(IS_BUSY), "the answer is still to come")
    same(tab.text(".question"), "Who is there?", "the question")
    tab.wait("document.querySelector('#job').innerText.includes('running')")
    leat.leave("go")
    tab.wait(IS_OVER)
    same(_answer(tab), "Hello world.", "the answer")
    same(tab.text(".answer strong"), "world", "what is bold")
    same(_payload(leat), {"messages": [{"role": "user", "content": "Who is there?"}]}, "what was sent")
    _the_wire_is_shown(leat, tab)
    tab.ask("Anybody else?")
    tab.wait("document.querySelectorAll('.answer').length === 2")
    tab.wait(IS_OVER)
    same([m["content"] for m in _payload(leat)["messages"]], ["Who is there?", "Hello **world**.", "Anybody else?"],
         "the history goes along")
    tab.nothing_is_wrong(_origin(gateway))


def _the_wire_is_shown(leat, tab):
    """The raw events are those of Redis, and the job is told of."""
    tab.wait("document.querySelector('#events').innerText.includes('[DONE]')")
    shown = tab.look("[...document.querySelectorAll('#events li')].filter((li) => li.querySelector('.id'))"
                     ".map((li) => [li.querySelector('.id').innerText, li.querySelector('.data').innerText])")
    same(shown, [[i, f["data"]] for i, f in leat.redis.entries("stream:f:c")[1:]], "the events beside the chat")
    tab.wait("document.querySelector('#job').innerText.includes('done')")
    job = leat.redis("GET", "chat:f:c")
    same(tab.look("document.querySelector('#job a').href.split('/').pop()"), job, "the link to the job")


@limit(90)
def plain_messages_are_lines_and_whatever_they_say_is_only_text(leat):
    gateway = leat.gateway()
    hostile = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    leat.worker(leat.task(TYPED + f"""
say({{"id": "0", "message": "One {hostile}"}})
say({{"id": "1", "message": "Two"}})
say({{"n": 3}})
start()
word({hostile!r} + "\\n\\n[here](javascript:alert(3)) ![there](https://127.0.0.9/x.png)\\n\\n```html\\n{hostile}\\n```\\n")
finish()
"""))
    tab = Browser(leat).open(_page(gateway))
    tab.ask("Say it plainly")
    tab.wait(IS_OVER)
    same(tab.text(".lines").splitlines(), [f"One {hostile}", "Two", '{"n": 3}'], "the lines")
    same(tab.text(".prose p"), hostile, "the typed text")
    same(tab.text(".prose code"), hostile, "the code")
    made = tab.look("[...document.querySelectorAll('.answer *')].map((e) => e.tagName)")
    same([name for name in made if name in ("IMG", "SCRIPT", "IFRAME", "OBJECT")], [], "elements out of a text")
    same(tab.look("[...document.querySelectorAll('.answer a')].map((a) => a.protocol)"), ["https:"], "links")
    tab.nothing_is_wrong(_origin(gateway))


@limit(90)
def reasoning_and_tools_are_shown_folded_and_a_step_that_begins_anew_voids_its_parts(leat):
    gateway = leat.gateway()
    leat.worker(leat.task(TYPED + """
start()
word("This is void.")
say({"type": "reset-step"})
say({"type": "reasoning-start", "id": "r1"})
say({"type": "reasoning-delta", "id": "r1", "delta": "Let me see."})
say({"type": "reasoning-end", "id": "r1"})
say({"type": "tool-input-start", "toolCallId": "k1", "toolName": "weather"})
say({"type": "tool-input-delta", "toolCallId": "k1", "inputTextDelta": "{\\"city\\""})
say({"type": "tool-input-available", "toolCallId": "k1", "toolName": "weather", "input": {"city": "Bath"}})
say({"type": "tool-output-available", "toolCallId": "k1", "output": {"rain": True}})
say({"type": "text-start", "id": "t1"})
word("It rains.")
finish()
"""))
    tab = Browser(leat).open(_page(gateway))
    tab.ask("What is the weather?")
    tab.wait(IS_OVER)
    same(tab.look("[...document.querySelectorAll('.parts > *')].map((e) => e.className)"),
         ["reasoning", "tool", "prose"], "the parts")
    same(tab.text(".reasoning summary"), "Thought", "the reasoning, folded")
    same(tab.text(".tool summary"), "Called weather", "the tool, folded")
    inside = tab.look("document.querySelector('.tool pre').textContent")
    check('"city": "Bath"' in inside and '"rain": true' in inside, f"what the tool got and gave: {inside}")
    same(tab.text(".prose"), "It rains.", "the text")
    tab.ask("And now?")
    until(lambda: len(_payload(leat)["messages"]) == 3, 10, "the next question")
    same(_payload(leat)["messages"][1], {"role": "assistant", "content": "It rains."}, "what goes along: the text alone")
    tab.nothing_is_wrong(_origin(gateway))


@limit(90)
def of_ten_thousand_events_the_newest_five_hundred_are_kept_and_the_text_is_whole(leat):
    gateway = leat.gateway()
    # Something between the words: those that follow each other would travel as one.
    leat.worker(leat.task(TYPED + "start()\nfor n in range(5_000):\n    word('%d ' % n)\n"
                                  "    say({'type': 'data-tick', 'data': n})\nfinish()\n"))
    tab = Browser(leat).open(_page(gateway))
    tab.ask("Count")
    tab.wait(IS_OVER, 30)
    same(_answer(tab).split(), [str(n) for n in range(5_000)], "the text")
    tab.wait("document.querySelector('#count').innerText.includes('10,00')")
    rows = tab.look("document.querySelectorAll('#events li').length")
    check(rows <= 500, f"{rows} rows of events")
    check(tab.text("#events").strip().endswith("[DONE]"), "the newest is the last")
    tab.nothing_is_wrong(_origin(gateway))


@limit(90)
def the_features_are_offered_and_another_one_begins_another_chat(leat):
    gateway = leat.gateway()
    leat.worker(leat.task(TYPED + "start()\nword('I am ' + job['feature_id'])\nfinish()\n"))
    tab = Browser(leat).open("about:blank")
    tab.call("answer", "**/features", {"features": [
        {"id": "mill", "description": "Knows about mills.", "task": "chat", "model": "m"},
        {"id": "river", "description": "Knows about rivers.", "task": "chat", "model": "m"}]})
    tab.call("goto", _origin(gateway) + "/")
    tab.wait("document.querySelector('#about').innerText === 'Knows about mills.'")
    tab.ask("Who are you?")
    tab.wait(f"{IS_OVER} && {_says('I am mill')}")
    first = tab.look("location.hash")
    check(first.startswith("#mill/"), f"the address names feature and chat: {first}")
    tab.call("choose", "#feature", "river")
    tab.wait("location.hash.startsWith('#river/') && document.querySelectorAll('.turn').length === 0")
    tab.ask("And you?")
    tab.wait(f"{IS_OVER} && {_says('I am river')}")
    tab.look("history.back()")
    tab.wait(f"location.hash === {json.dumps(first)} && {_says('I am mill')}")
    same(tab.look("document.querySelector('#feature').value"), "mill", "the feature of the chat that is shown")
    tab.nothing_is_wrong(_origin(gateway))


# ---- it goes on ----

@limit(90)
def a_reload_in_the_middle_goes_on(leat):
    gateway = leat.gateway()
    leat.worker(leat.task(TWO_HALVES))
    tab = Browser(leat).open(_page(gateway))
    tab.ask("Say it")
    tab.wait(_says("First half"))
    tab.call("reload")
    tab.wait(_says("First half"))
    same(tab.text(".question"), "Say it", "the question is still there")
    check(tab.look(IS_BUSY), "and the answer is still to come")
    leat.leave("go")
    tab.wait(IS_OVER)
    same(_answer(tab), "First half, second half.", "the answer")
    tab.call("reload")
    tab.wait(IS_OVER)
    same(_answer(tab), "First half, second half.", "the answer after another reload")
    same(len(_jobs(leat)), 1, "jobs")
    tab.nothing_is_wrong(_origin(gateway))


@limit(90)
def a_second_tab_shows_the_same_and_follows_what_the_first_asks_next(leat):
    gateway = leat.gateway()
    leat.worker(leat.task(TWO_HALVES))
    browser = Browser(leat)
    one = browser.open(_page(gateway))
    one.ask("Say it")
    one.wait(_says("First half"))
    two = browser.open(_page(gateway))
    two.wait(_says("First half"))
    same(two.text(".question"), "Say it", "the question in the second tab")
    leat.leave("go")
    for tab in (one, two):
        tab.wait(IS_OVER)
        same(_answer(tab), "First half, second half.", "the answer in both tabs")
    one.ask("Say it again")
    for tab in (one, two):
        tab.wait("document.querySelectorAll('.question').length === 2")
        tab.wait(IS_OVER)
        same(_answer(tab), "First half, second half.", "the second answer in both tabs")
    same(len(_jobs(leat)), 2, "jobs")
    for tab in (one, two):
        tab.nothing_is_wrong(_origin(gateway))


@limit(90)
def another_browser_at_the_same_address_sees_question_and_answer(leat):
    gateway = leat.gateway()
    leat.worker(leat.task(TYPED + "start()\nword(question.upper())\nuntil('go-' + str(len(question)))\nfinish()\n"))
    one = Browser(leat).open(_page(gateway))
    one.ask("one")
    leat.leave("go-3")
    one.wait(IS_OVER)
    one.ask("three")
    one.wait(_says("THREE"))
    two = Browser(leat).open(_page(gateway))
    two.wait("document.querySelectorAll('.question').length === 2")
    two.wait(_says("THREE"))
    same(two.look("[...document.querySelectorAll('.question')].map((q) => q.innerText)"), ["one", "three"], "questions")
    leat.leave("go-5")
    for tab in (one, two):
        tab.wait(IS_OVER)
        same(_answer(tab), "THREE", "the answer")
        same(tab.look("document.querySelector('.answer .parts').innerText.trim()"), "ONE", "the first answer")
    same(len(_jobs(leat)), 2, "jobs")
    two.nothing_is_wrong(_origin(gateway))


@limit(90)
def a_cut_connection_goes_on_by_itself_behind_the_last_event(leat):
    gateway = leat.gateway()
    leat.worker(leat.task(TWO_HALVES))
    wire = Wire(leat, gateway.port)
    tab = Browser(leat).open(f"http://127.0.0.1:{wire.port}/#f/c")
    tab.ask("Say it")
    tab.wait(_says("First half"))
    wire.cut()
    tab.wait("document.querySelector('#news').innerText.includes('Connection lost')")
    until(lambda: any(r.startswith("GET /stream") and "Last-Event-ID" in r for r in wire.requests), 15,
          "it asks again, with the last id")
    tab.wait("document.querySelector('#news').innerText === ''")
    leat.leave("go")
    tab.wait(IS_OVER)
    same(_answer(tab), "First half, second half.", "the answer")
    same(len(_jobs(leat)), 1, "jobs")
    same(len([r for r in wire.requests if r.startswith("POST /stream")]), 1, "it has asked once")


@limit(90)
def a_question_whose_way_was_cut_is_sent_again_and_asked_once(leat):
    gateway = leat.gateway()
    leat.worker(leat.task(TYPED + "start()\nword('Here.')\nfinish()\n"))
    wire = Wire(leat, gateway.port)
    tab = Browser(leat).open(f"http://127.0.0.1:{wire.port}/#f/c")
    tab.wait("document.querySelector('#feature')")
    gateway.pause()
    tab.ask("Did it come?")
    asked = lambda: [r for r in wire.requests if r.startswith("POST /stream")]  # noqa: E731
    until(asked, 10, "the question is on its way")
    wire.cut()
    gateway.go_on()
    tab.wait(IS_OVER, 20)
    same(_answer(tab), "Here.", "the answer")
    same(len(_jobs(leat)), 1, "jobs")
    keys = {line for r in asked() for line in r.split("\r\n") if line.lower().startswith("idempotency-key")}
    same((len(asked()) >= 2, len(keys)), (True, 1), f"it was sent again with the same key: {keys}")


@limit(90)
def a_killed_worker_voids_what_came_and_the_answer_begins_again(leat):
    leat.settings(LEASE_MS=ms(1500))
    gateway = leat.gateway()
    task = leat.task(TYPED + "start()\nword('Attempt %d, ' % attempt)\nuntil('go')\nword('done.')\nfinish()\n")
    worker = leat.worker(task)
    tab = Browser(leat).open(_page(gateway))
    tab.ask("Say it")
    tab.wait(_says("Attempt 1,"))
    worker.kill()
    leat.worker(task)
    tab.wait(_says("Attempt 2,"), 30)
    check("Attempt 1" not in _answer(tab), "what came before is void")
    tab.wait("document.querySelector('#events').innerText.includes('reset')")
    check("begins again" in tab.look("document.querySelector('#say').textContent"), "it is said")
    leat.leave("go")
    tab.wait(IS_OVER)
    same(_answer(tab), "Attempt 2, done.", "the answer")
    tab.nothing_is_wrong(_origin(gateway))


# ---- it ends otherwise ----

@limit(90)
def stop_and_escape_stop_the_job_and_keep_what_came(leat):
    gateway = leat.gateway()
    leat.worker(leat.task(TWO_HALVES))
    tab = Browser(leat).open(_page(gateway))
    for number, stop in enumerate((lambda: tab.call("click", "#stop"), lambda: tab.press("Escape")), 1):
        tab.ask("Say it")
        tab.wait(f"document.querySelectorAll('.answer').length === {number} && {_says('First half')}")
        job = leat.redis("GET", "chat:f:c")
        stop()
        tab.wait(IS_OVER)
        check("Stopped." in _foot(tab), f"it says so: {_foot(tab)}")
        same(_answer(tab), "First half,", "what came is kept")
        leat.wait_state(job, "cancelled")
        check(not tab.look("document.querySelector('#stop').offsetParent"), "there is nothing more to stop")
    tab.nothing_is_wrong(_origin(gateway))


@limit(90)
def a_question_in_between_takes_the_running_ones_place(leat):
    gateway = leat.gateway()
    leat.worker(leat.task(TYPED + "start()\nword(question)\nif question == 'slow':\n    until('never')\nfinish()\n"))
    tab = Browser(leat).open(_page(gateway))
    tab.ask("slow")
    tab.wait(_says("slow"))
    job = leat.redis("GET", "chat:f:c")
    tab.ask("quick")
    tab.wait(f"document.querySelectorAll('.answer').length === 2 && {IS_OVER}")
    same(_answer(tab), "quick", "the answer")
    leat.wait_state(job, "cancelled")
    check("another question" in tab.text(".answer .foot"), f"the first: {tab.text('.answer .foot')}")
    tab.nothing_is_wrong(_origin(gateway))


@limit(90)
def what_failed_says_why_and_can_be_asked_again(leat):
    gateway = leat.gateway()
    leat.worker(leat.task(TYPED + "if there('well'):\n    start()\n    word('Well.')\n    finish()\nelse:\n"
                          "    say({'leat': 'failed', 'reason': 'no_model', 'retry': False})\n"))
    tab = Browser(leat).open(_page(gateway))
    tab.ask("How are you?")
    tab.wait(IS_OVER)
    check(_foot(tab).startswith("It failed: no model"), f"why: {_foot(tab)}")
    tab.call("reload")
    tab.wait(IS_OVER)
    check(_foot(tab).startswith("It failed: no model"), f"why, after a reload: {_foot(tab)}")
    leat.leave("well")
    tab.call("click", ".again")
    tab.wait(f"document.querySelectorAll('.answer').length === 2 && {IS_OVER}")
    same(_answer(tab), "Well.", "the answer")
    same(tab.look("document.querySelectorAll('.again').length"), 0, "only the last can be asked again")


@limit(90)
def what_is_not_kept_any_more_is_said(leat):
    leat.settings(STREAM_TTL_MS=ms(1500))
    gateway = leat.gateway()
    leat.worker(leat.task(TWO_HALVES))
    tab = Browser(leat).open(_page(gateway))
    tab.ask("Say it")
    tab.wait(_says("First half"))
    tab.call("goto", "about:blank")
    leat.leave("go")
    until(lambda: not _jobs(leat), 15, "nothing is left of it")
    tab.call("goto", _page(gateway))
    tab.wait(IS_OVER)
    same(_answer(tab), "First half,", "what had come is kept")
    check("not kept any more" in _foot(tab), f"it says so: {_foot(tab)}")


# ---- for everybody ----

@limit(90)
def a_narrow_screen_has_no_horizontal_scroll_and_the_events_come_as_a_drawer(leat):
    gateway = leat.gateway()
    leat.worker(leat.task(TYPED + "start()\nword('x' * 400 + '\\n\\n```\\n' + 'y' * 400 + '\\n```\\n\\n1. ' + 'z' * 200)\nfinish()\n"))
    tab = Browser(leat, 320, 640, isMobile=True, hasTouch=True).open(_page(gateway, "c" * 60, "f" * 60))
    tab.ask("w" * 300)
    tab.wait(IS_OVER)
    wide = "Math.max(document.documentElement.scrollWidth, document.body.scrollWidth, " \
           "document.querySelector('#scroll').scrollWidth)"
    check(tab.look(wide) <= 320, f"as wide as the screen: {tab.look(wide)}")
    out = tab.look("[...document.querySelectorAll('.bar *, .composer *, .turn *')].filter((e) => "
                   "!e.closest('pre') && e.getBoundingClientRect().right > 321).map((e) => e.outerHTML.slice(0, 90))")
    same(out, [], "what is beyond the edge")
    check(not tab.look("document.querySelector('#side').checkVisibility({visibilityProperty: true})"), "no events yet")
    tab.call("click", "#show-events")
    tab.wait("document.querySelector('#side').getBoundingClientRect().right <= 321")
    same(tab.look("[document.activeElement.id, document.querySelector('#main').inert]"), ["hide-events", True],
         "the drawer has the focus, and what is behind it is out of reach")
    check(tab.look(wide) <= 320, f"as wide as the screen with the drawer: {tab.look(wide)}")
    tab.press("Escape")
    tab.wait("!document.querySelector('#side').checkVisibility({visibilityProperty: true})")
    same(tab.look("document.activeElement.id"), "show-events", "the focus is back")
    tab.nothing_is_wrong(_origin(gateway))


@limit(90)
def the_keyboard_is_enough_and_a_screen_reader_hears_what_is_finished(leat):
    gateway = leat.gateway()
    leat.worker(leat.task(TYPED + "start()\nword('A first ')\nuntil('go')\nword('paragraph.\\n\\nA second')\n"
                          "until('end')\nfinish()\n"))
    tab = Browser(leat).open(_page(gateway))
    tab.wait("document.activeElement.id === 'box'")
    tab.call("write", "One line")
    tab.press("Shift+Enter")
    tab.call("write", "and another")
    tab.press("Enter")
    tab.wait(_says("A first"))
    same(tab.text(".question"), "One line\nand another", "the question")
    heard = "document.querySelector('#say').textContent"
    same(tab.look(heard), "", "half a paragraph is not read out")
    leat.leave("go")
    tab.wait(f"{heard} === 'A first paragraph.'")
    tab.press("Shift+Tab")
    seen = []
    for _ in range(6):
        seen.append(tab.look("document.activeElement.id || document.activeElement.className"))
        tab.press("Shift+Tab")
    check("stop" in seen and "show-events" in seen and "new" in seen and "feature" in seen, f"the way of the focus: {seen}")
    tab.press("Escape")
    tab.wait(IS_OVER)
    check("Stopped." in _foot(tab), f"Escape has stopped it: {_foot(tab)}")
    unnamed = tab.look("[...document.querySelectorAll('button, input, select, textarea, aside, main')].filter((e) => "
                       "!(e.innerText || e.ariaLabel || e.labels?.length)).map((e) => e.id)")
    same(unnamed, [], "what has no name")
    tab.nothing_is_wrong(_origin(gateway))


@limit(90)
def the_reader_of_events_gets_every_split_of_them_right(leat):
    tab = Browser(leat).open(_page(leat.gateway()))
    found = tab.look(r"""import('/page/sse.js').then(({ SseReader }) => {
      const text = '\ufeff: hi\r\nretry: 1500\rid: 1-1\nevent: reset\ndata: a\ndata:  b\r\n\r\n' +
        'data: ž€😀\r\n\ndata\n\nid: 1-2\n\nid: 3\0\r\rdata: x\r\rdata: never ended';
      const bytes = new TextEncoder().encode(text);
      const read = (...cuts) => {
        const reader = new SseReader();
        const items = [];
        let from = 0;
        for (const cut of [...cuts, bytes.length]) {
          items.push(...reader.take(bytes.subarray(from, cut)));
          from = cut;
        }
        return JSON.stringify([items, reader.lastId]);
      };
      const whole = read();
      const wrong = [];
      for (let a = 0; a <= bytes.length; a++)
        for (let b = a; b <= bytes.length; b++) if (read(a, b) !== whole) wrong.push([a, b]);
      if (read(...bytes.keys()) !== whole) wrong.push('byte by byte');
      return { items: JSON.parse(whole), wrong };
    })""")
    same(found["wrong"], [], "splits that are read otherwise")
    event = lambda name, i, data: {"kind": "event", "name": name, "id": i, "data": data}  # noqa: E731
    same(found["items"], [[{"kind": "comment", "text": "hi"}, {"kind": "retry", "ms": 1500},
                           event("reset", "1-1", "a\n b"), event("", "", "ž€😀"), event("", "", ""),
                           event("", "", "x")], "1-2"], "what is read")


@limit(90)
def a_text_that_grows_looks_at_the_end_as_if_it_had_come_at_once(leat):
    tab = Browser(leat).open(_page(leat.gateway()))
    found = tab.look(r"""import('/page/prose.js').then(({ Prose }) => {
      const text = '# A title\nText with **bold**, *soft*, `co*d*e` and [a link](https://example.org/a).\n' +
        'Second line\n\n- one\n- two\n  - two a\n\n  more of it\n3. three\n\nplain\n> said\n> so\n\n---\n' +
        '```js\nlet a = `x`;\n``\n```\nbehind\n~~~\nopen\n\n``` not the end\n~~~\n\n2 * 3 * 4 _x_ a_b_c **un\\*ended\n' +
        '   ```\n   inside\n   ```\n```never closed\nlast line';
      const show = (pieces) => {
        const element = document.createElement('div');
        const prose = new Prose(element);
        let so = '';
        for (const piece of pieces) prose.grow((so += piece));
        prose.end();
        return element.innerHTML;
      };
      const whole = show([text]);
      const wrong = [];
      for (let at = 1; at < text.length; at++)
        if (show([text.slice(0, at), text.slice(at)]) !== whole) wrong.push(text.slice(at - 9, at));
      if (show([...text]) !== whole) wrong.push('letter by letter');
      const long = 'word '.repeat(40_000);
      if (new DOMParser().parseFromString(show([long.slice(0, 20_000), long.slice(20_000)]), 'text/html')
        .body.textContent.trim() !== long.trim()) wrong.push('a long paragraph');
      return { whole, wrong };
    })""")
    same(found["wrong"], [], "where it was cut and looks otherwise")
    for part in ("<h3>A title</h3>", "<strong>bold</strong>", "<em>soft</em>", "<code>co*d*e</code>",
                 '<a href="https://example.org/a" target="_blank" rel="noopener noreferrer">a link</a>',
                 "<ul><li>two a", "<blockquote><p>said\nso</p></blockquote>", "<hr>", "let a = `x`;\n``</code>",
                 "<p>behind</p>", "2 * 3 * 4 <em>x</em> a_b_c **un*ended", "last line</code></pre>"):
        check(part in found["whole"], f"{part} is in {found['whole']}")
