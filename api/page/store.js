// store.js: the chats that this browser knows, in localStorage, so that a reload and a second tab see them.
//
// A chat is {at, turns}; a turn is {key, question, parts, status, job, note, facts}. A place that
// is full or forbidden costs the memory of old chats, never the chat that is shown.
import { KINDS } from "./answer.js";

const PREFIX = "leat:chat:";
const CHATS_MOST = 50;
const TURNS_MOST = 200;

const name = (feature, chat) => `${PREFIX}${feature}/${chat}`;

function known() {
  const found = [];
  for (const key of Object.keys(localStorage)) {
    if (!key.startsWith(PREFIX)) continue;
    found.push({ key, at: Number(/"at":(\d+)/.exec(localStorage.getItem(key).slice(0, 40))?.[1] ?? 0) });
  }
  return found.sort((a, b) => b.at - a.at);
}

function put(key, text) {
  const others = known().filter((one) => one.key !== key);
  for (const one of others.splice(CHATS_MOST - 1)) localStorage.removeItem(one.key);
  for (;;) {
    try {
      return localStorage.setItem(key, text);
    } catch (error) {
      if (others.length === 0) throw error;
      localStorage.removeItem(others.pop().key);
    }
  }
}

// Another version of the page may have written it.
const readable = (turn) => ({ ...turn, parts: (turn.parts ?? []).filter((part) => KINDS.includes(part.kind)) });

export function load(feature, chat) {
  try {
    const turns = JSON.parse(localStorage.getItem(name(feature, chat)))?.turns;
    return Array.isArray(turns) ? turns.map(readable) : [];
  } catch {
    return [];
  }
}

export function save(feature, chat, turns) {
  try {
    put(name(feature, chat), JSON.stringify({ at: Date.now(), turns: turns.slice(-TURNS_MOST) }));
  } catch {
    // The chat goes on without a memory.
  }
}

// changed(): another tab has written this chat.
export function watch(feature, chat, changed, signal) {
  addEventListener("storage", (event) => {
    if (event.key === name(feature, chat)) changed();
  }, { signal });
}
