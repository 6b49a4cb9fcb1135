// prose.js: a growing text with a little Markdown in it, as DOM nodes.
//
// Paragraphs, headings, lists, quotes, code, bold, italics and links. All text goes in as text nodes,
// so whatever a model writes is only ever read. What is finished is not touched again: only the
// block that still grows is made anew, and code that grows is appended to.

const TAIL_MOST = 16_384; // a longer block is cut, so that each turn costs a bounded amount
const FENCE = /^ {0,8}(`{3,}|~{3,})\s*([\w+#.-]*)[^`]*$/;
const ITEM = /^(\s*)([-*+]|\d{1,9}[.)])\s+(.*)$/;
const INLINE = new RegExp([
  /(`+)(?!`)([\s\S]{0,2000}?[^`])\1(?!`)/, // code
  /\*\*(\S(?:[\s\S]{0,1000}?\S)?)\*\*/, // bold
  /(?<![\w*])\*(?![\s*])([^*\n]{0,500}[^*\s])\*(?![\w*])/, // italics
  /(?<!\w)_(?![\s_])([^_\n]{0,500}[^_\s])_(?!\w)/,
  /\[([^[\]\n]{1,500})\]\((https?:\/\/[^\s()]{1,2000})\)/, // a link
  /\\([\\`*_{}[\]()#+\-.!>~|])/,
].map((one) => one.source).join("|"), "g");

export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function inline(text) {
  const nodes = [];
  let from = 0;
  for (const found of text.matchAll(INLINE)) {
    const [all, , code, bold, italics, also, label, address, escaped] = found;
    nodes.push(text.slice(from, found.index));
    if (code !== undefined) nodes.push(make("code", {}, code.replace(/^ (.+) $/s, "$1")));
    else if (bold) nodes.push(make("strong", {}, ...inline(bold)));
    else if (italics ?? also) nodes.push(make("em", {}, ...inline(italics ?? also)));
    else if (address) nodes.push(make("a", { href: address, target: "_blank", rel: "noopener noreferrer" }, label));
    else nodes.push(escaped);
    from = found.index + all.length;
  }
  nodes.push(text.slice(from));
  return nodes.filter((node) => node !== "");
}

// ---- blocks ----

// The lines of a text as blocks: {kind, start, lines}, `start` being the offset of the first line.
// A list has items instead; a fence that is still open is the last block, of kind "fence".
class Blocks {
  list = [];
  #open = null;
  #blank = true; // the line before

  constructor(text) {
    for (let at = 0, end; at < text.length; at = end + 1) {
      end = text.indexOf("\n", at);
      const whole = end >= 0;
      if (!whole) end = text.length;
      this.#take(text.slice(at, end).replace(/\r$/, ""), at, whole ? end + 1 : -1);
    }
  }

  #begin(kind, start, more = {}) {
    this.#open = { kind, start, lines: [], ...more };
    this.list.push(this.#open);
    return this.#open;
  }

  // Goes on with the open block if it is of that kind.
  #add(kind, start, line) {
    const block = this.#open?.kind === kind ? this.#open : this.#begin(kind, start);
    block.lines.push(line);
  }

  // next: the offset of the next line; -1: this one still grows.
  #take(line, start, next) {
    if (this.#open?.kind === "fence") return this.#takeCode(line);
    const fence = FENCE.exec(line);
    if (line.trim() === "" || (fence && next < 0)) {
      if (this.#open?.kind !== "list") this.#open = null;
      this.#blank = true;
      return undefined;
    }
    if (fence) this.#begin("fence", start, { mark: fence[1], language: fence[2], inside: next });
    else this.#takeText(line, start);
    this.#blank = false;
    return undefined;
  }

  #takeCode(line) {
    if (!closes(line, this.#open.mark)) return this.#open.lines.push(line);
    this.#open.kind = "code";
    this.#open = null;
    return undefined;
  }

  #takeText(line, start) {
    const item = ITEM.exec(line);
    if (/^ {0,3}([-*_])(\s*\1){2,}\s*$/.test(line)) this.#single("rule", start, line);
    else if (/^#{1,6}\s+\S/.test(line)) this.#single("heading", start, line);
    else if (item) this.#takeItem(item, start);
    else if (this.#open?.kind === "list" && (!this.#blank || /^\s/.test(line)))
      this.#open.items.at(-1).text += "\n" + line.trim();
    else if (line.startsWith(">")) this.#add("quote", start, line.replace(/^> ?/, ""));
    else this.#add("text", start, line);
  }

  #single(kind, start, line) {
    this.#begin(kind, start).lines.push(line);
    this.#open = null;
  }

  #takeItem([, indent, mark, text], start) {
    const block = this.#open?.kind === "list" ? this.#open : this.#begin("list", start, { items: [] });
    block.items.push({ depth: indent.length, ordered: /\d/.test(mark), number: parseInt(mark, 10), text });
  }
}

const closes = (line, mark) => /^ {0,8}(`+|~+)\s*$/.test(line) && line.trim().startsWith(mark);

// ---- nodes ----

function lists(items) {
  const root = make("div");
  const open = [{ depth: -1, list: root, last: root }]; // from the outermost in
  for (const item of items) {
    while (open.at(-1).depth > item.depth) open.pop();
    if (open.at(-1).depth < item.depth) {
      const list = make(item.ordered ? "ol" : "ul", item.ordered && item.number !== 1 ? { start: item.number } : {});
      open.at(-1).last.append(list);
      open.push({ depth: item.depth, list, last: null });
    }
    const level = open.at(-1);
    level.last = make("li", {}, ...inline(item.text));
    level.list.append(level.last);
  }
  return [...root.childNodes];
}

function codeBox(language) {
  const code = make("code");
  const box = make("pre", { tabindex: "0", "aria-label": language ? `Code, ${language}` : "Code" }, code);
  if (language) box.dataset.language = language;
  return { box, code };
}

function nodesOf(block) {
  switch (block.kind) {
    case "rule":
      return [make("hr")];
    case "heading": {
      const [, marks, title] = /^(#+)\s+(.*?)\s*#*$/.exec(block.lines[0]);
      return [make("h" + Math.min(6, marks.length + 2), {}, ...inline(title))];
    }
    case "list":
      return lists(block.items);
    case "quote":
      return [make("blockquote", {}, make("p", {}, ...inline(block.lines.join("\n"))))];
    case "code":
    case "fence": {
      const { box, code } = codeBox(block.language);
      code.append(block.lines.join("\n"));
      return [box];
    }
    default:
      return [make("p", {}, ...inline(block.lines.join("\n")))];
  }
}

// ---- a text that grows ----

export class Prose {
  #seen = 0;
  #tail = ""; // what may still change
  #tailNodes = [];
  #code = null; // the open code block: {mark, text (a text node), rest (a line that still grows)}

  // finished(text): called with each block's text when nothing more is added to it.
  constructor(element, finished = () => {}) {
    [this.element, this.finished] = [element, finished];
  }

  // text: all of it so far.
  grow(text) {
    let fresh = text.slice(this.#seen);
    this.#seen = text.length;
    while (fresh !== "") fresh = this.#code ? this.#growCode(fresh) : this.#growTail(fresh);
  }

  end() {
    if (this.#code) this.#endCode();
    this.#keep(this.#tail);
    this.#tail = "";
  }

  // The tail is made anew. Gives what belongs into a code block that began.
  #growTail(fresh) {
    this.#tail += fresh;
    const last = new Blocks(this.#tail).list.at(-1);
    if (last?.kind === "fence") {
      const inside = this.#tail.slice(last.inside);
      this.#keep(this.#tail.slice(0, last.start));
      this.#tail = "";
      this.#beginCode(last);
      return inside;
    }
    const done = this.#tail.length > TAIL_MOST ? this.#cut() : (last?.start ?? 0);
    this.#keep(this.#tail.slice(0, done));
    this.#tail = this.#tail.slice(done);
    this.#showTail();
    return "";
  }

  #cut() {
    const end = Math.max(this.#tail.lastIndexOf("\n"), this.#tail.lastIndexOf(" "));
    return end > 0 ? end + 1 : this.#tail.length;
  }

  #keep(text) {
    for (const node of this.#tailNodes) node.remove();
    this.#tailNodes = [];
    for (const block of new Blocks(text).list) {
      const nodes = nodesOf(block);
      this.element.append(...nodes);
      this.finished(nodes.map((node) => node.textContent).join(" "));
    }
  }

  #showTail() {
    for (const node of this.#tailNodes) node.remove();
    this.#tailNodes = new Blocks(this.#tail).list.flatMap(nodesOf);
    this.element.append(...this.#tailNodes);
  }

  #beginCode({ mark, language }) {
    const { box, code } = codeBox(language);
    this.#code = { mark, line: "", text: document.createTextNode(""), rest: document.createTextNode("") };
    code.append(this.#code.text, this.#code.rest);
    this.element.append(box);
  }

  // Gives what comes behind the end of the code.
  #growCode(fresh) {
    const code = this.#code;
    const text = code.line + fresh;
    let from = 0;
    for (let end; (end = text.indexOf("\n", from)) >= 0; from = end + 1) {
      if (!closes(text.slice(from, end), code.mark)) continue;
      code.text.appendData(text.slice(0, from));
      this.#endCode(false);
      return text.slice(end + 1);
    }
    code.text.appendData(text.slice(0, from));
    code.line = text.slice(from);
    code.rest.data = /^ {0,8}[`~]/.test(code.line) ? "" : code.line;
    return "";
  }

  #endCode(withRest = true) {
    const { line, mark, text, rest } = this.#code;
    rest.data = withRest && !closes(line, mark) ? line : "";
    text.data = text.data.replace(/\n$/, rest.data ? "\n" : "");
    this.finished(text.data + rest.data);
    this.#code = null;
  }
}
