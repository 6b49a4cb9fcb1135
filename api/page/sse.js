// sse.js: Server-Sent Events out of bytes that come in any pieces.
//
// The browser's own EventSource can only GET and hides comments; this reads the body of any fetch.
// Lines end with LF, CR or CRLF, and a piece may end anywhere: between CR and LF, inside a character.

export class SseReader {
  #decoder = new TextDecoder(); // keeps half a character until its rest comes; drops a first BOM
  #line = ""; // the beginning of a line whose end has not come
  #afterCr = false;
  #data = [];
  #name = "";
  #id = null; // of the event that is being read; null: it has none
  lastId = ""; // what Last-Event-ID must say

  // The items that these bytes (a Uint8Array) complete:
  // {kind: "event", name, id, data}, {kind: "comment", text}, {kind: "retry", ms}.
  take(bytes) {
    const items = [];
    let text = this.#decoder.decode(bytes, { stream: true });
    if (this.#afterCr && text !== "") {
      if (text[0] === "\n") text = text.slice(1);
      this.#afterCr = false;
    }
    const ends = /\r\n|\n|\r/g;
    let from = 0;
    for (let end; (end = ends.exec(text)); from = ends.lastIndex) {
      this.#takeLine(this.#line + text.slice(from, end.index), items);
      this.#line = "";
      this.#afterCr = end[0] === "\r" && ends.lastIndex === text.length;
    }
    this.#line += text.slice(from);
    return items;
  }

  #takeLine(line, items) {
    if (line === "") return this.#dispatch(items);
    const colon = line.indexOf(":");
    if (colon === 0) return void items.push({ kind: "comment", text: line.slice(line[1] === " " ? 2 : 1) });
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + (line[colon + 1] === " " ? 2 : 1));
    if (field === "data") this.#data.push(value);
    else if (field === "event") this.#name = value;
    else if (field === "id" && !value.includes("\0")) this.#id = value;
    else if (field === "retry" && /^\d+$/.test(value)) items.push({ kind: "retry", ms: Number(value) });
    return undefined;
  }

  #dispatch(items) {
    if (this.#id !== null) this.lastId = this.#id;
    if (this.#data.length > 0)
      items.push({ kind: "event", name: this.#name, id: this.#id ?? "", data: this.#data.join("\n") });
    this.#data = [];
    this.#name = "";
    this.#id = null;
  }
}
