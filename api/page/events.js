// events.js: the raw events beside the chat, and what is known of the job.
import { make } from "./prose.js";

const ROWS_MOST = 500;
const DATA_MOST = 2000;

const seconds = (ms) => (ms < 10_000 ? (ms / 1000).toFixed(ms < 1000 ? 2 : 1) : Math.round(ms / 1000)) + " s";

function rowOf({ kind, id, name, data, text }) {
  if (kind === "comment") return make("li", { class: "comment" }, make("span", { class: "data" }, `: ${text}`));
  const shown = data.length > DATA_MOST ? `${data.slice(0, DATA_MOST)}… (${data.length} characters)` : data;
  const row = make("li", name ? { class: "named" } : {});
  if (id) row.append(make("span", { class: "id" }, id));
  if (name) row.append(make("span", { class: "name" }, name));
  row.append(make("span", { class: "data" }, shown));
  return row;
}

export class EventList {
  #waiting = []; // rows that come with the next frame, the newest ROWS_MOST
  #count = 0;

  constructor(list, count) {
    [this.list, this.count] = [list, count];
  }

  clear() {
    this.#waiting = [];
    this.#count = 0;
    this.list.replaceChildren();
    this.count.textContent = "";
  }

  add(item) {
    if (item.kind === "retry") return;
    this.#count += item.kind === "event";
    this.#waiting.push(item);
    if (this.#waiting.length > 2 * ROWS_MOST) this.#waiting.splice(0, ROWS_MOST);
  }

  // With each frame. Whoever has scrolled up stays there.
  update() {
    if (this.#waiting.length === 0) return;
    const { list } = this;
    const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
    list.append(...this.#waiting.slice(-ROWS_MOST).map(rowOf));
    this.#waiting = [];
    while (list.childElementCount > ROWS_MOST) list.firstElementChild.remove();
    this.count.textContent = this.#count > ROWS_MOST
      ? `${this.#count.toLocaleString("en")}, the newest ${ROWS_MOST} shown` : String(this.#count);
    if (atEnd) list.scrollTop = list.scrollHeight;
  }
}

// All but the last are always there, so that nothing moves when they fill.
const ROWS = ["State", "Job", "Attempt", "Worker", "First words after", "Took", "Messages", "Tokens", "Model"];

// The job of the last question, as a list of what is known.
export class JobFacts {
  #cells = new Map();

  constructor(list) {
    for (const name of ROWS) {
      const cell = make("dd");
      list.append(make("div", {}, make("dt", {}, name), cell));
      this.#cells.set(name, cell);
    }
    this.clear();
  }

  clear() {
    for (const name of ROWS) this.set(name, "");
    this.set("State", "nothing asked yet");
  }

  set(name, value) {
    const cell = this.#cells.get(name);
    cell.replaceChildren(value === "" ? "–" : value);
    cell.parentElement.hidden = name === "Model" && value === "";
  }

  job(id) {
    this.set("Job", make("a", { href: `jobs/${id}`, target: "_blank", rel: "noopener", title: id }, id));
  }

  // An event of the stream that tells of the job.
  event(name, data) {
    if (name === "queued") {
      this.set("State", data.position ? `queued, place ${data.position}` : "queued");
    } else if (name === "running") {
      this.running();
      this.set("Attempt", String(data.attempt ?? ""));
      this.set("Worker", data.worker ?? "");
    } else if (name === "reset") this.set("Attempt", String(data.attempt ?? ""));
  }

  // It speaks: so it runs, though the event that says so may come later.
  running() {
    this.set("State", "running");
  }

  firstWords(ms) {
    this.set("First words after", seconds(ms));
  }

  // GET /jobs/{id}, once it has ended.
  record(job) {
    this.set("State", job.state);
    this.set("Attempt", job.number ? String(job.number) : "");
    if (job.worker) this.set("Worker", job.worker); // an ended job may not say who ran it
    this.set("Messages", job.messages === undefined ? "" : String(job.messages));
    if (job.ended_at && job.created_at)
      this.set("Took", seconds(Math.max(0, Date.parse(job.ended_at) - Date.parse(job.created_at))));
    const usage = job.usage?.at(-1);
    if (!usage) return;
    this.set("Model", usage.model ?? "");
    this.set("Tokens", `${usage.input_tokens ?? "?"} in, ${usage.output_tokens ?? "?"} out` +
      (usage.measured === false ? " (estimated)" : ""));
  }
}
