// stream.js: one answer of the gateway, followed to its end through whatever happens to the connection.
//
// A Following is started once, by `ask` (POST) or `join` (GET), and tells what comes by the functions
// of `on`. A connection that ends without [DONE] was cut: it asks again, behind the last id it has. A
// question whose answer to the POST was lost is sent again with the same Idempotency-Key, so it is
// never asked twice.
import { SseReader } from "./sse.js";

const SILENCE_MS = 45_000; // three heartbeats of the gateway
const WAIT_MOST_MS = 15_000;

export const streamPath = (feature, chat, more = {}) =>
  "stream?" + new URLSearchParams({ feature_id: feature, chat_id: chat, ...more });

export async function jobRecord(job) {
  const response = await fetch("jobs/" + job, { cache: "no-store" }).catch(() => null);
  return response?.ok ? response.json() : null;
}

const problemOf = async (response) => {
  const problem = await response.json().catch(() => ({}));
  return problem.detail || problem.title || `The gateway answered ${response.status}.`;
};

export class Following {
  #feature;
  #chat;
  #on;
  #aborter = new AbortController(); // of the request under way
  #wake = null; // ends a pause
  #closed = false;
  #stopping = false;
  #cursor = "";
  #retryMs = 2000;
  #failures = 0; // in a row, without a byte of a stream
  #last = null; // the named event that said how it ended
  job = "";

  // on: open(job), item(item), end({how, data}), nothing(), refused(why), waiting(ms, why), notStopped(why)
  constructor(feature, chat, on) {
    [this.#feature, this.#chat, this.#on] = [feature, chat, on];
    this.hurry = () => this.#wake?.();
    addEventListener("online", this.hurry);
  }

  ask(body, key) {
    const first = () => fetch(streamPath(this.#feature, this.#chat, { if_busy: "replace", events: "all" }), {
      method: "POST",
      headers: { "Content-Type": "application/json", "Idempotency-Key": key },
      body: JSON.stringify(body),
      signal: this.#aborter.signal,
    });
    this.#run(first);
  }

  // job: "" for whatever the chat has.
  join(job) {
    this.job = job;
    this.#run(() => this.#get());
  }

  // Tell the gateway to stop it; the end then comes over the stream. Where the job's id has not come
  // yet, it is stopped as soon as it is known.
  async stop() {
    this.#stopping = true;
    if (this.job) await this.#delete({ job: this.job });
    this.hurry();
  }

  // Follow no longer; nothing more is told.
  close() {
    this.#closed = true;
    removeEventListener("online", this.hurry);
    this.#aborter.abort();
    this.hurry();
  }

  async #delete(more) {
    try {
      const response = await fetch(streamPath(this.#feature, this.#chat, more), { method: "DELETE" });
      if (response.ok || response.status === 404 || this.#closed) return;
      this.#stopping = false;
      this.#on.notStopped(await problemOf(response));
    } catch {
      this.#stopping = false;
      if (!this.#closed) this.#on.notStopped("The gateway cannot be reached.");
    }
  }

  #get() {
    const more = { events: "all", ...(this.job && { job: this.job }) };
    return fetch(streamPath(this.#feature, this.#chat, more), {
      headers: this.#cursor ? { "Last-Event-ID": this.#cursor } : {},
      cache: "no-store",
      signal: this.#aborter.signal,
    });
  }

  async #run(first) {
    let send = first;
    while (!this.#closed && !(await this.#once(send))) {
      if (this.#closed) return;
      if (this.#stopping && !this.job) return this.#giveUp();
      if (this.job) send = () => this.#get();
      await this.#pause();
    }
  }

  // The question may have arrived or not: whatever the chat has is not wanted.
  async #giveUp() {
    await this.#delete({});
    this.#end("cancelled", { reason: "requested" });
  }

  #end(how, data) {
    if (this.#closed) return;
    this.close();
    this.#on.end({ how, data });
  }

  // One request and its answer. True: there is nothing more to ask for.
  async #once(send) {
    this.#aborter = new AbortController();
    let response;
    try {
      response = await send();
    } catch {
      return this.#closed;
    }
    if (response.status === 204) return this.#over();
    if (response.status === 429 || response.status >= 500) {
      this.#retryMs = 1000 * (Number(response.headers.get("Retry-After")) || 2);
      this.why = await problemOf(response);
      return false;
    }
    if (!response.ok) {
      const why = await problemOf(response);
      if (!this.#closed) this.#on.refused(why);
      this.close();
      return true;
    }
    this.#opened(response.headers.get("Leat-Job"));
    return this.#read(response.body.getReader());
  }

  #over() {
    if (this.job) this.#end("over", {});
    else if (!this.#closed) this.#on.nothing();
    this.close();
    return true;
  }

  #opened(job) {
    this.why = "";
    if (job) this.job = job;
    if (this.#closed) return;
    if (job) this.#on.open(job);
    if (job && this.#stopping) this.#delete({ job });
  }

  async #read(body) {
    const reader = new SseReader();
    let watchdog;
    try {
      for (;;) {
        clearTimeout(watchdog);
        watchdog = setTimeout(() => this.#aborter.abort(), SILENCE_MS);
        const { done, value } = await body.read();
        if (done || this.#closed) return this.#closed;
        for (const item of reader.take(value)) if (this.#take(item)) return true;
        if (reader.lastId) this.#cursor = reader.lastId;
      }
    } catch {
      return this.#closed;
    } finally {
      clearTimeout(watchdog);
    }
  }

  // True: it was the end.
  #take(item) {
    if (this.#closed) return true;
    if (item.kind === "retry") this.#retryMs = item.ms;
    if (item.kind === "event") this.#failures = 0;
    this.#on.item(item);
    if (item.kind !== "event") return false;
    if (item.name === "" && item.data === "[DONE]") {
      this.#end(this.#last?.name ?? "done", this.#last?.data ?? {});
      return true;
    }
    if (["failed", "cancelled", "expired", "superseded", "gone"].includes(item.name))
      this.#last = { name: item.name, data: readJson(item.data) ?? {} };
    return false;
  }

  #pause() {
    const ms = Math.min(WAIT_MOST_MS, this.#retryMs * 2 ** Math.min(4, this.#failures));
    this.#failures += 1;
    this.#on.waiting(ms, this.why || "");
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

export function readJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
