// chat.js: one chat on the page: its turns, and the answer that is being followed.
//
// The last turn may be open: "asked" (the gateway has not said which job it is) or "running". Such a
// turn goes on after a reload and in every tab that shows the chat: one with a job is joined, one
// without is asked again with the same Idempotency-Key, so that either way there is one job.
import { Answer, textOf } from "./answer.js";
import { Following, jobRecord, readJson } from "./stream.js";
import { TurnView, endInWords } from "./turns.js";
import { load, save, watch } from "./store.js";

const QUIET_MS = 1000; // what was there already when the stream was joined is not read out
const FRESH_MS = 3_600_000; // how long the gateway knows an Idempotency-Key

export const randomName = (length) =>
  Array.from(crypto.getRandomValues(new Uint8Array(length)), (byte) => "abcdefghijkmnpqrstuvwxyz23456789"[byte % 32]).join("");

const isOpen = (turn) => turn?.status === "asked" || turn?.status === "running";
const count = (ms) => `${Math.max(1, Math.round(ms / 1000))} s`;

// The messages of a question that another browser has asked, as turns.
function turnsOf(messages) {
  const turns = [];
  for (const { role, content } of Array.isArray(messages) ? messages : []) {
    if (typeof content !== "string") continue;
    if (role === "user") turns.push({ key: randomName(24), question: content, parts: [], status: "done" });
    else if (role === "assistant") turns.at(-1)?.parts.push({ kind: "text", text: content, open: false });
  }
  return turns;
}

export class Chat {
  #ui;
  #views = [];
  #following = null;
  #answer = null; // of the open turn
  #stale = false; // what is shown of it is from before the reload
  #frame = 0;
  #quietUntil = 0; // what comes before is not read out
  #gone = new AbortController();
  turns = [];

  // ui: talk (element), events, facts, news(text), say(text), busy(flag), changed(), keepEnd(change)
  constructor(feature, chat, ui) {
    [this.feature, this.chat, this.#ui] = [feature, chat, ui];
    watch(feature, chat, () => this.#otherTab(), this.#gone.signal);
    addEventListener("pagehide", () => this.#keep(), { signal: this.#gone.signal });
    document.addEventListener("visibilitychange", () => this.#look(), { signal: this.#gone.signal });
  }

  // isNew: nobody can know of this chat yet.
  open(isNew) {
    this.turns = load(this.feature, this.chat);
    this.#views = [];
    this.#ui.talk.replaceChildren();
    this.#ui.facts.clear();
    this.#ui.events.clear();
    for (const turn of this.turns) this.#addView(turn);
    const last = this.turns.at(-1);
    if (isOpen(last)) this.#resume(last);
    else {
      this.#ui.busy(false);
      if (last?.job) this.#showRecord(last.job);
      if (!isNew) this.#look();
    }
    this.#ui.changed();
  }

  close() {
    this.#keep();
    this.#leave();
    this.#gone.abort();
    this.#ui.news("");
    this.#ui.busy(false);
  }

  get isBusy() {
    return isOpen(this.turns.at(-1));
  }

  ask(question) {
    const last = this.turns.at(-1);
    if (isOpen(last)) this.#ended({ how: "cancelled", data: { reason: "replaced" } });
    const turn = { key: randomName(24), question, parts: [], status: "asked", at: Date.now() };
    const before = this.#view;
    this.turns.push(turn);
    this.#addView(turn);
    if (before) this.#showEnd(before); // only the last one can be asked again
    save(this.feature, this.chat, this.turns);
    this.#ui.facts.clear();
    this.#ui.events.clear();
    this.#resume(turn);
    this.#ui.changed();
  }

  stop() {
    if (!this.isBusy || !this.#following) return;
    this.#ui.news("Stopping…");
    this.#following.stop();
  }

  // ---- turns ----

  get #view() {
    return this.#views.at(-1);
  }

  #addView(turn) {
    const view = new TurnView(turn, (text) => this.#say(text), () => this.ask(turn.question));
    this.#views.push(view);
    this.#ui.talk.append(view.element);
    this.#showParts(view);
  }

  #showParts(view) {
    const answer = new Answer();
    answer.parts = view.turn.parts;
    view.show(answer);
    view.update();
    if (!isOpen(view.turn)) this.#showEnd(view);
  }

  #showEnd(view) {
    const { turn } = view;
    const wrong = !["done", "over", "stopped", "replaced"].includes(turn.status);
    const nothing = turn.status === "done" && turn.parts.length === 0 && view === this.#view;
    const again = turn.question !== "" && turn.status !== "done" && turn.status !== "replaced" && view === this.#view;
    view.status(nothing ? "It said nothing." : endInWords(turn), { wrong, again });
  }

  #messages(turn) {
    const messages = [];
    for (const one of this.turns) {
      if (one.question) messages.push({ role: "user", content: one.question });
      const text = one === turn ? "" : textOf(one.parts);
      if (text) messages.push({ role: "assistant", content: text });
      if (one === turn) break;
    }
    return messages;
  }

  #keep() {
    const last = this.turns.at(-1);
    if (!isOpen(last)) return;
    if (this.#answer && !this.#stale) last.parts = this.#answer.parts;
    save(this.feature, this.chat, this.turns);
  }

  // ---- the stream ----

  #follow() {
    this.#leave();
    this.#quietUntil = performance.now() + QUIET_MS;
    this.#following = new Following(this.feature, this.chat, {
      open: (job) => this.#opened(job),
      item: (item) => this.#item(item),
      end: (end) => this.#ended(end).then(() => this.#lookFurther(end)),
      nothing: () => this.#leave(),
      refused: (why) => this.#ended({ how: "refused", data: { detail: why } }),
      waiting: (ms, why) => this.#ui.news(`${why || "Connection lost."} Going on in ${count(ms)}…`),
      notStopped: (why) => this.#ui.news(`Not stopped: ${why}`),
    });
    return this.#following;
  }

  #leave() {
    this.#following?.close();
    this.#following = null;
  }

  #resume(turn) {
    this.#answer = new Answer();
    this.#stale = turn.parts.length > 0;
    if (!this.#stale) this.#view.show(this.#answer);
    this.#view.status(turn.job ? "" : "Asking…", { busy: true });
    this.#ui.busy(true);
    const following = this.#follow();
    if (turn.job) following.join(turn.job);
    else if (Date.now() - (turn.at ?? 0) < FRESH_MS) {
      this.#quietUntil = 0;
      following.ask({ messages: this.#messages(turn) }, turn.key);
    } else this.#ended({ how: "gone", data: {} });
  }

  // Another question has taken this one's place: whose?
  #lookFurther({ how, data }) {
    if (how === "superseded" || data.reason === "replaced") this.#look();
  }

  // Nothing is open here: does the chat have something that somebody else asked?
  #look() {
    if (document.visibilityState !== "visible" || this.#following || this.isBusy) return;
    this.#follow().join("");
  }

  #opened(job) {
    const last = this.turns.at(-1);
    this.#ui.news("");
    if (!isOpen(last)) {
      if (this.turns.some((turn) => turn.job === job)) return this.#leave();
      return this.#adopt(job);
    }
    this.#ui.facts.job(job);
    if (last.job === job && last.status === "running") return undefined;
    [last.job, last.status] = [job, "running"];
    return save(this.feature, this.chat, this.turns);
  }

  // Somebody asked elsewhere: the answer is shown, and the question as soon as it is known.
  async #adopt(job) {
    const turn = { key: randomName(24), question: "", parts: [], status: "running", job };
    this.turns.push(turn);
    this.#addView(turn);
    this.#answer = new Answer();
    this.#view.show(this.#answer);
    this.#view.status("", { busy: true });
    this.#ui.busy(true);
    this.#ui.facts.clear();
    this.#ui.facts.job(job);
    this.#ui.changed();
    const asked = turnsOf((await jobRecord(job))?.payload?.messages);
    if (this.#gone.signal.aborted || asked.length === 0 || this.turns.at(-1) !== turn) return;
    turn.question = asked.pop().question;
    this.turns = [...(asked.length >= this.turns.length ? asked : this.turns.slice(0, -1)), turn];
    this.#redraw();
    save(this.feature, this.chat, this.turns);
  }

  // All turns anew, the open one as it is.
  #redraw() {
    this.#views = [];
    this.#ui.talk.replaceChildren();
    for (const turn of this.turns) this.#addView(turn);
    if (!this.isBusy) return;
    this.#view.show(this.#answer);
    this.#view.status("", { busy: true });
    this.#draw();
  }

  #item(item) {
    this.#ui.events.add(item);
    this.#draw();
    if (item.kind !== "event" || !this.isBusy) return;
    const data = item.name ? (readJson(item.data) ?? {}) : null;
    if (data) this.#named(item.name, data);
    else if (item.data !== "[DONE]") this.#message(item.data);
  }

  #message(data) {
    if (this.#stale) this.#showFresh();
    if (this.#answer.parts.length === 0) this.#firstWords();
    this.#answer.take(data);
  }

  // The stream has begun to say again what was kept from before the reload.
  #showFresh() {
    this.#stale = false;
    this.#view.show(this.#answer);
  }

  #firstWords() {
    const turn = this.turns.at(-1);
    this.#ui.facts.running();
    if (turn.at && !turn.heard) this.#ui.facts.firstWords(Date.now() - turn.at);
    turn.heard = true;
    this.#view.status("", { busy: true });
  }

  #named(name, data) {
    this.#ui.facts.event(name, data);
    if (name === "queued") this.#view.status(data.position > 1 ? `In line, place ${data.position}` : "In line", { busy: true });
    else if (name === "running" && this.#answer.parts.length === 0) this.#view.status("Working", { busy: true });
    else if (name === "reset") {
      if (this.#stale) this.#showFresh();
      this.#answer.void();
      const why = data.reason === "history_lost" ? "Some of the answer was lost; it comes again" : "It broke off and begins again";
      this.#view.status(`${why} (attempt ${data.attempt})`, { busy: true });
      this.#ui.say(`${why}.`);
    }
  }

  async #ended({ how, data }) {
    const turn = this.turns.at(-1);
    this.#leave();
    if (!isOpen(turn)) return;
    if (!this.#stale) {
      this.#answer.end();
      this.#update();
      turn.parts = this.#answer.parts;
      turn.finish = this.#answer.finish;
    }
    turn.status = how === "cancelled" ? (data.reason === "replaced" ? "replaced" : "stopped") : how;
    turn.note = data.detail || (data.reason ?? "").replaceAll("_", " ");
    this.#ui.news("");
    this.#ui.busy(false);
    if (how === "over" || how === "gone") await this.#outcome(turn);
    const view = this.#views.find((one) => one.turn === turn);
    if (view) this.#ui.keepEnd(() => this.#showEnd(view));
    this.#ui.say(endInWords(turn) || "The answer is complete.");
    save(this.feature, this.chat, this.turns);
    if (turn.job && view === this.#view) this.#showRecord(turn.job);
  }

  // The stream is not kept any more, and so is the rest of what a job has said that is done.
  async #outcome(turn) {
    const record = turn.job && (await jobRecord(turn.job));
    const states = { cancelled: "stopped", dead: "failed", expired: "expired" };
    turn.status = states[record?.state] ?? "gone";
    if (record?.error) turn.note = record.error.detail || record.error.reason;
  }

  async #showRecord(job) {
    this.#ui.facts.job(job);
    const record = await jobRecord(job);
    if (record && !this.#gone.signal.aborted && this.turns.at(-1)?.job === job) this.#ui.facts.record(record);
  }

  // ---- this tab and others ----

  #otherTab() {
    const stored = load(this.feature, this.chat).at(-1);
    const ours = this.turns.at(-1);
    if (!stored || (stored.key === ours?.key && (isOpen(ours) || !isOpen(stored)))) return;
    if (ours && stored.job && stored.job === ours.job) return;
    this.#leave();
    this.open(false);
  }

  #say(text) {
    if (performance.now() > this.#quietUntil) this.#ui.say(text);
  }

  #draw() {
    this.#frame ||= requestAnimationFrame(() => this.#update());
  }

  #update() {
    this.#frame = 0;
    this.#ui.keepEnd(() => {
      if (this.isBusy && !this.#stale) this.#view.update();
    });
    this.#ui.events.update();
  }
}
