// page.js: the page's own things: feature, address, box, buttons, drawer; the chat is chat.js.
import { Chat, randomName } from "./chat.js";
import { EventList, JobFacts } from "./events.js";
import { make } from "./prose.js";

const $ = (id) => document.getElementById(id);
const NAME = /^[A-Za-z0-9_.-]{1,128}$/;
const SAID_MOST = 20;
const wide = matchMedia("(min-width: 60rem)");
const touch = matchMedia("(pointer: coarse)").matches;

let chat = null;
let features = [];

// ---- where the chat is shown ----

const scroll = $("scroll");
const isAtEnd = () => scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 60;
const toEnd = () => {
  scroll.scrollTop = scroll.scrollHeight;
};

const ui = {
  talk: $("talk"),
  events: new EventList($("events"), $("count")),
  facts: new JobFacts($("job")),

  news(text) {
    $("news").textContent = text;
  },

  say(text) {
    const place = $("say");
    place.append(make("p", {}, text));
    while (place.childElementCount > SAID_MOST) place.firstElementChild.remove();
  },

  busy(flag) {
    $("stop").hidden = !flag;
    document.body.classList.toggle("is-busy", flag);
  },

  // The turns are others: begin at the end.
  changed() {
    const question = chat?.turns.find((turn) => turn.question)?.question ?? "";
    document.title = question ? `${question.slice(0, 60)} · Leat` : "Leat";
    $("welcome").hidden = (chat?.turns.length ?? 0) > 0;
    toEnd();
    showNewest();
  },

  // Who was at the end stays there; who has scrolled up is left in peace.
  keepEnd(change) {
    const was = isAtEnd();
    change();
    if (was) toEnd();
    showNewest();
  },
};

function showNewest() {
  $("newest").hidden = isAtEnd();
}
scroll.addEventListener("scroll", showNewest, { passive: true });
$("newest").addEventListener("click", () => {
  toEnd();
  $("box").focus();
});
new ResizeObserver(() => ui.keepEnd(() => {})).observe(scroll);

// ---- which chat: the address says it, as #feature/chat ----

function fromAddress() {
  const [feature, name] = location.hash.slice(1).split("/"); // no character of a name needs an escape
  return NAME.test(feature ?? "") && NAME.test(name ?? "") ? { feature, name } : null;
}

const addressOf = (feature, name) => `#${feature}/${name}`;

function show(feature, name, isNew) {
  chat?.close();
  chat = new Chat(feature, name, ui);
  chooser().value = feature;
  describe(feature);
  chat.open(isNew);
}

function begin(feature) {
  const name = randomName(12);
  history.pushState(null, "", addressOf(feature, name));
  show(feature, name, true);
  if (!touch) $("box").focus();
}

function follow() {
  const found = fromAddress();
  if (found) return show(found.feature, found.name, false);
  const feature = features[0]?.id ?? "default";
  const name = randomName(12);
  history.replaceState(null, "", addressOf(feature, name));
  return show(feature, name, true);
}
addEventListener("hashchange", follow);
addEventListener("pageshow", (event) => {
  if (event.persisted) follow(); // its connections have not survived
});

// ---- which feature ----

const chooser = () => $("feature");

function describe(feature) {
  const known = features.find((one) => one.id === feature);
  $("about").textContent = known?.description ?? "";
  if (known || chooser().tagName !== "SELECT") return;
  features.push({ id: feature });
  chooser().append(make("option", { value: feature }, feature));
  chooser().value = feature;
}

async function readFeatures() {
  const response = await fetch("features", { cache: "no-store", signal: AbortSignal.timeout(5000) }).catch(() => null);
  const found = response?.ok ? await response.json().catch(() => null) : null;
  features = (Array.isArray(found?.features) ? found.features : []).filter((one) => NAME.test(one?.id));
  const field = features.length > 0
    ? make("select", { id: "feature" }, ...features.map((one) => make("option", { value: one.id }, one.id)))
    : make("input", { id: "feature", value: "default", pattern: "[A-Za-z0-9_.\\-]+", maxlength: "128",
      autocomplete: "off", autocapitalize: "off", spellcheck: "false" });
  field.addEventListener("change", () => {
    if (NAME.test(field.value)) begin(field.value);
    else field.value = chat.feature;
  });
  $("feature-place").replaceChildren(field);
}

// ---- the box ----

const box = $("box");
const fit = () => {
  box.style.height = "auto";
  box.style.height = `${box.scrollHeight + 2}px`;
};

function send() {
  const question = box.value.trim();
  if (question === "" || !chat) return;
  box.value = "";
  fit();
  chat.ask(question);
}
box.addEventListener("input", fit);
box.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  send();
});
$("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  send();
});
$("stop").addEventListener("click", () => {
  chat?.stop();
  box.focus();
});
$("new").addEventListener("click", () => begin(chat.feature));
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || event.isComposing) return;
  if (isDrawer()) drawer(false);
  else chat?.stop();
});
document.querySelector("[data-skip]").addEventListener("click", (event) => {
  event.preventDefault(); // the address is the chat's
  box.focus();
});

// ---- the events beside it: a column, or a drawer where there is no room ----

const isOpen = () => document.body.classList.contains("side");
const isDrawer = () => isOpen() && !wide.matches;

function drawer(open) {
  const had = isDrawer();
  document.body.classList.toggle("side", open);
  $("show-events").setAttribute("aria-expanded", String(open));
  $("side").inert = !open;
  $("main").inert = isDrawer();
  if (isDrawer()) $("hide-events").focus();
  else if (had) $("show-events").focus();
  if (open) $("events").scrollTop = $("events").scrollHeight;
}
$("show-events").addEventListener("click", () => drawer(!isOpen()));
$("hide-events").addEventListener("click", () => drawer(false));
$("veil").addEventListener("click", () => drawer(false));
wide.addEventListener("change", () => drawer(wide.matches));

drawer(wide.matches);
await readFeatures();
follow();
if (!touch) box.focus();
