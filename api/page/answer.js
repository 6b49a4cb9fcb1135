// answer.js: what a task's messages say, as parts to show: text, lines, reasoning, tools.
//
// No DOM. A typed message belongs to the vocabulary of the chat task; any other is a line of text.
// A part: {kind: "text" | "lines" | "reasoning" | "tool" | "problem", text, open, and for a tool
// name, input, output, wrong}. The text of a part only grows.
import { readJson } from "./stream.js";

export const KINDS = ["text", "lines", "reasoning", "tool", "problem"];

export class Answer {
  #byId = new Map(); // open parts, by kind and the message's id
  #step = 0; // how many parts there were when the step began
  parts = [];
  changed = new Set(); // parts that a view has to look at again; it clears this
  lost = false; // some parts are no more; a view clears this too
  finish = ""; // why the model ended, where it says so

  // The data of an event without a name.
  take(data) {
    const message = readJson(data);
    if (message === null || typeof message !== "object") return this.#line(data);
    if (typeof message.type !== "string") return this.#line(message.message ?? message.text ?? data);
    const [family, step] = /^(text|reasoning|tool-input|tool-output)-(\w+)$/.exec(message.type)?.slice(1) ?? [];
    if (family === "text" || family === "reasoning") return this.#speak(family, step, message);
    if (family) return this.#useTool(family, step, message);
    return this.#frame(message);
  }

  // A new attempt: what came before is void.
  void() {
    this.#cut(0);
    this.#step = 0;
  }

  end() {
    for (const part of this.parts) if (part.open) this.#close(part);
  }

  #frame(message) {
    if (message.type === "start-step") this.#step = this.parts.length;
    else if (message.type === "reset-step") this.#cut(this.#step);
    else if (message.type === "finish") {
      this.finish = message.finishReason ?? "";
      this.end();
    }
    else if (message.type === "error") this.#add({ kind: "problem", text: String(message.errorText ?? "The model failed.") });
  }

  #add(part) {
    for (const other of this.parts) if (other.open && other.kind === "lines") this.#close(other);
    this.parts.push(part);
    this.changed.add(part);
    return part;
  }

  #close(part) {
    part.open = false;
    this.changed.add(part);
  }

  #cut(length) {
    this.parts.length = length;
    this.lost = true;
    this.#byId.clear();
  }

  #line(text) {
    const last = this.parts.at(-1);
    const part = last?.kind === "lines" && last.open ? last : this.#add({ kind: "lines", text: "", open: true });
    part.text += (typeof text === "string" ? text : JSON.stringify(text)) + "\n";
    this.changed.add(part);
  }

  #find(kind, id) {
    const key = `${kind} ${id}`;
    let part = this.#byId.get(key);
    if (!part) this.#byId.set(key, (part = this.#add({ kind, text: "", open: true })));
    this.changed.add(part);
    return part;
  }

  #speak(kind, step, message) {
    if (step === "start") this.#byId.delete(`${kind} ${message.id}`);
    const part = this.#find(kind, message.id);
    if (step === "delta") part.text += message.delta ?? "";
    else if (step === "end") {
      this.#close(part);
      this.#byId.delete(`${kind} ${message.id}`);
    }
  }

  #useTool(family, step, message) {
    const part = this.#find("tool", message.toolCallId);
    part.name = message.toolName ?? part.name ?? "tool";
    if (step === "delta") part.text += message.inputTextDelta ?? "";
    if (family === "tool-input" && step === "available") part.input = message.input;
    if (family === "tool-output" && step === "available") part.output = message.output;
    if (step === "error") part.wrong = String(message.errorText ?? "It failed.");
    if (step === "available" || step === "error") part.open = false;
  }
}

// What goes along with the next question.
export const textOf = (parts) =>
  parts.filter((part) => part.kind === "text" || part.kind === "lines").map((part) => part.text).join("\n").trim();
