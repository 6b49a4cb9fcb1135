// turns.js: questions and answers as they are shown.
import { Prose, make } from "./prose.js";

// How an answer stands, in words. "" for one that is simply there.
const WORDS = {
  done: "",
  over: "",
  stopped: "Stopped.",
  replaced: "Stopped: another question took its place.",
  failed: "It failed",
  refused: "The gateway did not take the question",
  expired: "No worker took it in time.",
  superseded: "The chat has gone on with a newer question.",
  gone: "The rest of this answer is not kept any more.",
};

const FINISHED = {
  length: "It is as long as it may be, and was cut off there.",
  "content-filter": "Its provider held back the rest.",
};

export function endInWords({ status, note, finish }) {
  const words = (status === "done" && FINISHED[finish]) || (WORDS[status] ?? "");
  if (status === "failed" || status === "refused") return note ? `${words}: ${note}` : `${words}.`;
  return words;
}

class PartView {
  constructor(part, finished) {
    this.part = part;
    this.element = this[part.kind](finished);
  }

  text(finished) {
    const element = make("div", { class: "prose" });
    this.prose = new Prose(element, finished);
    return element;
  }

  lines() {
    this.node = document.createTextNode("");
    return make("div", { class: "lines" }, this.node);
  }

  reasoning() {
    this.node = document.createTextNode("");
    this.head = make("summary", {}, "Thinking");
    return make("details", { class: "reasoning" }, this.head, make("div", { class: "lines" }, this.node));
  }

  tool() {
    this.head = make("summary");
    this.node = document.createTextNode("");
    return make("details", { class: "tool" }, this.head, make("pre", { tabindex: "0" }, make("code", {}, this.node)));
  }

  problem() {
    this.node = document.createTextNode("");
    return make("p", { class: "problem" }, this.node);
  }

  update() {
    const { part } = this;
    if (part.kind === "tool") this.#updateTool();
    else if (this.prose) this.prose.grow(part.text);
    else if (part.text.length > this.node.length) this.node.appendData(part.text.slice(this.node.length));
    if (part.kind === "reasoning" && !part.open) this.head.textContent = "Thought";
    if (this.prose && !part.open && !this.over) {
      this.over = true;
      this.prose.end();
    }
  }

  #updateTool() {
    const { name = "tool", open, text, input, output, wrong } = this.part;
    this.head.textContent = `${open ? "Calls" : "Called"} ${name}`;
    const shown = [input === undefined ? text : JSON.stringify(input, null, 2)];
    if (output !== undefined) shown.push(JSON.stringify(output, null, 2));
    if (wrong) shown.push(wrong);
    this.node.data = shown.join("\n\n");
  }
}

export class TurnView {
  #parts = new Map(); // part → PartView
  #answer = null;

  // say(text): for those who listen; again(): the question is to be asked once more.
  constructor(turn, say, again) {
    this.turn = turn;
    this.say = say;
    this.body = make("div", { class: "parts" });
    this.foot = make("p", { class: "foot" });
    this.again = make("button", { type: "button", class: "plain again" }, "Ask again");
    this.again.addEventListener("click", again);
    const question = make("article", { class: "question", "aria-label": "You" }, make("p", {}, turn.question));
    this.answer = make("article", { class: "answer", "aria-label": "Answer" }, this.body, this.foot);
    this.element = make("section", { class: "turn" }, ...(turn.question ? [question] : []), this.answer);
  }

  // Show another answer in place of this one.
  show(answer) {
    this.#answer = answer;
    this.#parts.clear();
    this.body.replaceChildren();
    for (const part of answer.parts) answer.changed.add(part);
  }

  // Bring the page to what the answer says.
  update() {
    const { parts, changed } = this.#answer;
    if (this.#answer.lost) this.#drop(parts);
    this.#answer.lost = false;
    for (const part of changed) {
      if (!parts.includes(part)) continue;
      let view = this.#parts.get(part);
      if (!view) {
        view = new PartView(part, (text) => this.say(text));
        this.#parts.set(part, view);
        this.body.append(view.element);
      }
      view.update();
    }
    changed.clear();
  }

  #drop(parts) {
    for (const [part, view] of this.#parts) {
      if (parts.includes(part)) continue;
      view.element.remove();
      this.#parts.delete(part);
    }
  }

  // How it stands: "" for nothing to say. busy: it is still to come.
  status(words, { busy = false, wrong = false, again = false } = {}) {
    this.answer.setAttribute("aria-busy", String(busy));
    this.element.classList.toggle("busy", busy);
    this.foot.classList.toggle("wrong", wrong);
    this.foot.replaceChildren(...(busy ? [make("span", { class: "dots", "aria-hidden": "true" },
      make("i"), make("i"), make("i"))] : []), words, ...(again ? [this.again] : []));
    this.foot.hidden = !busy && !words && !again;
  }
}
