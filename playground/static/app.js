// The page: keeps the state that the server sends, and draws the channel that is open.
import { Composer } from "./composer.js";
import { avatar, call, el } from "./dom.js";
import { openForm, showForm } from "./forms.js";
import { continues, draw, notice, update } from "./message.js";

const $ = (id) => document.getElementById(id);
const RETRY_MS = 1_000;
const TYPING_MS = 10_000;

let state = null;
let history = new Map(); // channel id -> Map of message id -> message
let nodes = new Map(); // message id -> element, of the open channel
let unread = new Set();
let open = null;
let socket = null;
let connected = false;
let locked = false;
let typingTimer = 0;
let awaited = null; // a thread that is to be opened once it is there
const place = new URLSearchParams(location.search);
let me = place.get("as") ?? "ada";

const composer = new Composer({ channel, me: () => me, state: () => state, fail });

function channel() { return state.channels.find((item) => item.id === open) ?? state.channels[0]; }
function guildOf(item) { return state.guilds.find((guild) => guild.id === item.guild_id) ?? null; }
/** How an address and a test call a channel; the one with the bot has no name of its own. */
function keyOf(item) { return item.guild_id ? item.name : "dm"; }
const acts = { click, choose, react, go, pings, commands, command, reply: (message) => composer.reply(message), thread: (message) => startThread(message), state: () => state };

/** Whether a message calls whoever looks at the page. */
function pings(message) {
  const item = state.channels.find((one) => one.id === message.channel_id);
  const mine = guildOf(item ?? {})?.members.find((member) => member.id === state.me)?.roles ?? [];
  return message.pings_everyone || message.pings.includes(state.me) || message.ping_roles.some((role) => mine.includes(role));
}

function fail(text) {
  $("error").textContent = text;
  $("error").hidden = !text;
}

// ------------------------------------------------------------------ connection

function connect() {
  const mine = (socket = new WebSocket(`ws://${location.host}/control/live?as=${encodeURIComponent(me)}`));
  mine.onmessage = (event) => mine === socket && receive(JSON.parse(event.data));
  mine.onclose = () => {
    if (mine !== socket) return;
    connected = false;
    if (state) drawStatus();
    askWhetherLocked();
    setTimeout(() => mine === socket && connect(), RETRY_MS);
  };
}

/** Each start of the playground has a token of its own; once this browser has the new one, the page goes on. */
async function askWhetherLocked() {
  const answer = await fetch("/", { method: "HEAD" }).catch(() => null);
  if (connected) return;
  locked = answer?.status === 403;
  if (state) drawStatus();
}

function receive(frame) {
  switch (frame.type) {
    case "hello": return hello(frame);
    case "state": return changed(frame.state);
    case "message": return upsert(frame.message);
    case "gone": return gone(frame);
    case "typing": return frame.channel_id === open && typing(true);
    case "outcome": return outcome(frame);
  }
}

function hello(frame) {
  connected = true;
  locked = false;
  state = frame.state;
  me = state.people.find((person) => person.id === state.me).key;
  history = new Map(Object.entries(frame.history).map(([id, list]) => [id, new Map(list.map((message) => [message.id, message]))]));
  const wanted = open ?? place.get("channel");
  open = (state.channels.find((item) => item.id === wanted || keyOf(item) === wanted) ?? state.channels[0]).id;
  drawState();
  drawChannel();
  // Whoever has a keyboard can write at once; on a phone one would cover half of the page.
  if (document.activeElement === document.body && !matchMedia("(hover: none) and (pointer: coarse)").matches) composer.focus();
}

/** Take over a new state; a channel that is gone, or no longer seen, is left. */
function changed(fresh) {
  state = fresh;
  const wanted = awaited ?? open;
  const there = state.channels.some((item) => item.id === wanted);
  if (awaited && there) { awaited = null; return go(wanted); }
  if (!state.channels.some((item) => item.id === open)) return go(state.channels[0].id);
  return drawState();
}

// ---------------------------------------------------------------------- drawing

function drawState() {
  const here = channel();
  const guild = guildOf(here);
  const title = guild ? `#${here.name}` : here.name;
  const held = document.activeElement?.closest("#channels button, #people button");
  $("channels").replaceChildren(...[...state.guilds, null].map((one) => el("section", { class: "channel-group" },
    el("h2", {}, one?.name ?? "Direct messages"),
    ...state.channels.filter((item) => item.guild_id === (one?.id ?? null)).map(channelButton))));
  $("people").replaceChildren(...state.people.map((person) =>
    el("button", { type: "button", class: `person${person.id === state.me ? " me" : ""}`, "data-testid": "person", "aria-pressed": String(person.id === state.me), dataset: { key: person.key }, title: `Be ${person.name}`, onclick: () => become(person.key) }, avatar(person), el("span", {}, person.name))));
  if (held) [...$(held.dataset.key ? "people" : "channels").querySelectorAll("button")].find((button) => same(button.dataset, held.dataset))?.focus();
  drawMembers(guild);
  drawStatus();
  $("channel-name").textContent = guild ? `# ${here.name}` : `@ ${here.name}`;
  $("channel-topic").textContent = here.topic ?? "";
  $("new-thread").hidden = !here.can_start_threads;
  document.title = `${title} – ${guild?.name ?? "Direct messages"}`;
  composer.refresh();
}

function same(one, other) { return JSON.stringify(one) === JSON.stringify(other); }

function channelButton(item) {
  const sign = !item.guild_id ? avatar(state.bot) : el("span", { class: "hash" }, item.thread ? "↳" : "#");
  return el("button", { type: "button", class: `channel${item.thread ? " thread" : ""}${item.id === open ? " open" : ""}${unread.has(item.id) ? " unread" : ""}`, "data-testid": "channel", "aria-current": item.id === open ? "page" : null, dataset: { name: keyOf(item) }, onclick: () => go(item.id) }, sign, item.name);
}

function drawMembers(guild) {
  const bot = { ...state.bot, roles: [] };
  const people = guild ? guild.members.filter((person) => !person.bot) : state.people.filter((person) => person.id === state.me);
  const roles = (person) => (guild?.roles ?? []).filter((role) => person.roles?.includes(role.id) && !role.managed).map((role) => roleTag(role));
  const note = (person) => (guild?.owner === person.id ? "Owns the server" : "");
  const member = (person, online, text) => el("div", { class: `member${online ? "" : " away"}`, "data-testid": "member" }, avatar(person),
    el("div", {}, el("div", { class: "member-name" }, person.name, person.bot ? el("span", { class: "tag" }, "APP") : null), text && el("small", {}, text), el("div", { class: "role-tags" }, ...roles(person))));
  $("members").replaceChildren(
    el("h2", {}, "Bot"), member(bot, state.bot.online, state.bot.online ? "Online" : "Offline"),
    el("h2", {}, `People — ${people.length}`), ...people.map((person) => member(person, true, note(person))));
}

function roleTag(role) {
  const dot = el("i", {});
  dot.style.background = role.colour ? `#${role.colour.toString(16).padStart(6, "0")}` : "#99aab5";
  return el("span", { class: "role-tag" }, dot, role.name);
}

function drawStatus() {
  const [kind, text] = !connected ? ["gone", locked ? "Playground restarted" : "Playground stopped"] : state.bot.online ? ["online", "Bot online"] : ["offline", "Bot offline"];
  const status = $("status");
  status.className = `status ${kind}`;
  status.textContent = text;
  const banner = $("banner");
  banner.hidden = kind === "online";
  banner.textContent = locked ? "The playground was started anew. Open the address that it printed, and this page goes on, too."
    : kind === "gone" ? "The playground has stopped. This page goes on by itself when it is back."
    : `${state.bot.name} is offline, or still starting. Write to it once it is online: it does not see what was said before.`;
}

function drawChannel() {
  nodes = new Map();
  const direct = !channel().guild_id;
  const intro = el("div", { class: "intro" }, el("div", { class: "intro-hash" }, direct ? "@" : "#"), el("h2", {}, direct ? channel().name : `Welcome to #${channel().name}!`), el("p", {}, channel().topic ?? "This is the start of the channel."));
  $("messages").replaceChildren(intro);
  for (const message of history.get(open)?.values() ?? []) append(message);
  regroup();
  unread.delete(open);
  typing(false);
  toEnd();
}

function append(message) {
  const node = draw(message, acts);
  nodes.set(message.id, node);
  const list = $("messages");
  const later = [...list.querySelectorAll(".message")].findLast((other) => BigInt(other.dataset.id) < BigInt(message.id));
  if (later) later.after(node);
  else list.querySelector(".intro").after(node);
}

function regroup() {
  let before = null;
  for (const node of $("messages").querySelectorAll(".message")) {
    const day = new Date(node.message.timestamp).toDateString();
    const newDay = !before || new Date(before.timestamp).toDateString() !== day;
    node.classList.toggle("grouped", !newDay && continues(node.message, before));
    if (newDay) node.dataset.day = new Date(node.message.timestamp).toLocaleDateString([], { day: "numeric", month: "long", year: "numeric" });
    else delete node.dataset.day;
    before = node.message;
  }
}

function upsert(message) {
  const messages = history.get(message.channel_id) ?? new Map();
  history.set(message.channel_id, messages);
  const isNew = !messages.has(message.id);
  messages.set(message.id, message);
  if (message.channel_id !== open) {
    if (isNew && message.author.id !== state.me) { unread.add(message.channel_id); drawState(); }
    return;
  }
  keepEnd(() => {
    const node = nodes.get(message.id);
    if (node) update(node, message, acts);
    else append(message);
    if (isNew) regroup();
  }, isNew);
  if (isNew && message.author.id === state.me) toEnd();
  if (message.author.id === state.bot.id && isNew) typing(false);
}

function gone({ channel_id: channelId, id }) {
  history.get(channelId)?.delete(id);
  nodes.get(id)?.remove();
  nodes.delete(id);
  regroup();
}

function typing(on) {
  clearTimeout(typingTimer);
  $("typing").replaceChildren(...(on ? [el("span", { class: "dots" }, el("i"), el("i"), el("i")), el("span", {}, el("b", {}, state.bot.name), " is typing…")] : []));
  if (on) typingTimer = setTimeout(() => typing(false), TYPING_MS);
}

// -------------------------------------------------------------------- scrolling

const scroll = $("scroll");
let atEnd = true;
let lastTop = 0;

function toEnd() {
  scroll.scrollTop = scroll.scrollHeight;
  atEnd = true;
  $("newer").hidden = true;
}

function keepEnd(change, isNew) {
  const stay = atEnd;
  change();
  if (stay) toEnd();
  else if (isNew) $("newer").hidden = false;
}

scroll.addEventListener("scroll", () => {
  const near = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 40;
  // Only a person who scrolls up leaves the end: content that grows moves nothing.
  if (near || scroll.scrollTop < lastTop) atEnd = near;
  lastTop = scroll.scrollTop;
  if (atEnd) $("newer").hidden = true;
});
// Pictures that load, and a composer that grows, must not push the end out of sight.
const sizes = new ResizeObserver(() => atEnd && toEnd());
sizes.observe($("messages"));
sizes.observe(scroll);
$("newer").addEventListener("click", toEnd);

// ---------------------------------------------------------------------- actions

function remember() { window.history.replaceState(null, "", `?as=${me}&channel=${encodeURIComponent(keyOf(channel()))}`); }

function go(id) {
  open = id;
  fail("");
  showMenu(false);
  unread.delete(id);
  remember();
  drawState();
  drawChannel();
  composer.focus();
}

function become(key) {
  me = key;
  fail("");
  showMenu(false);
  remember();
  socket.close();
  connect();
}

/** Do something with a message; what goes wrong is said under it. */
async function act(message, path, body, control) {
  if (control?.classList.contains("waiting")) return; // the second of a double click
  control?.classList.add("waiting");
  try {
    await call(path, { as: me, channel: message.channel_id, message_id: message.id, ...body });
  } catch (error) {
    control?.classList.remove("waiting");
    if (nodes.has(message.id)) notice(nodes.get(message.id), error.message);
  }
}

function use(message, customId, path, extra) {
  const control = nodes.get(message.id)?.querySelector(`[data-custom-id="${CSS.escape(customId)}"]`);
  return act(message, path, { custom_id: customId, ...extra }, control);
}

function click(message, customId) { return use(message, customId, "click"); }
function choose(message, customId, values) { return use(message, customId, "select", { values }); }
function command(message, name) { return act(message, "menu", { command: name }); }
function react(message, emoji) { return act(message, "reactions", { emoji }); }

/** What the bot offers in a message's menu. */
function commands(message) { return state.channels.find((item) => item.id === message.channel_id)?.message_commands ?? []; }

function outcome(frame) {
  if (frame.status === "modal") showForm($("modal"), frame, me, state);
  const node = frame.message_id && nodes.get(frame.message_id);
  if (node) for (const control of node.querySelectorAll(".waiting")) control.classList.remove("waiting");
  if (frame.status !== "failed") return;
  if (node) return notice(node, "This interaction failed");
  if (frame.channel_id === open) keepEnd(() => $("messages").append(unanswered(frame)), true);
}

function unanswered(frame) {
  const note = el("div", { class: "unanswered", "data-testid": "unanswered", role: "alert" },
    el("div", {}, el("b", {}, state.bot.name), el("span", {}, frame.command ? ` ${frame.command}` : "")),
    el("div", { class: "problem" }, "⚠ The application did not respond"),
    el("small", {}, "Only you can see this. ", el("button", { type: "button", class: "link", onclick: () => note.remove() }, "Dismiss")));
  return note;
}

// ---------------------------------------------------------------------- threads

/** Ask for a name and start a thread, from a message or of its own. */
function startThread(message) {
  const place = message?.channel_id ?? channel().id;
  const name = el("input", { name: "name", required: true, maxlength: 100, value: message?.text.split("\n")[0].slice(0, 40) ?? "" });
  const field = el("label", { class: "form-field" }, el("span", { class: "form-label" }, "Name"), name);
  openForm($("modal"), "Start a thread", [field], "Start", async () => {
    const { id } = await call("threads", { as: me, channel: place, name: name.value, message_id: message?.id });
    $("modal").close();
    if (state.channels.some((item) => item.id === id)) go(id);
    else awaited = id;
  });
}
$("new-thread").addEventListener("click", () => startThread(null));

// ---------------------------------------------------------------- small gestures

function reveal(target) { target.closest?.(".spoiler")?.classList.add("shown"); }
document.addEventListener("click", (event) => {
  reveal(event.target);
  const jump = event.target.dataset?.jump;
  if (jump) nodes.get(jump)?.scrollIntoView({ block: "center" });
});
document.addEventListener("keydown", (event) => {
  if (["Enter", " "].includes(event.key) && event.target.classList?.contains("spoiler")) { event.preventDefault(); reveal(event.target); }
  if (event.key === "Escape" && document.body.classList.contains("menu-open")) { showMenu(false); $("menu").focus(); }
  if (writes(event)) composer.focus(); // before the key does anything: it goes into the box
});

/** Whether a key writes something, and no control that has the focus takes it. */
function writes(event) {
  const takes = event.target.closest("input, textarea, select, dialog") || (event.key === " " && event.target !== document.body);
  return event.key.length === 1 && !event.ctrlKey && !event.metaKey && !event.altKey && !takes;
}
$("skip").addEventListener("click", (event) => { event.preventDefault(); composer.focus(); });
function showMenu(shown) {
  document.body.classList.toggle("menu-open", shown);
  $("menu").setAttribute("aria-expanded", String(shown));
  if (shown) document.querySelector(".channel.open")?.focus();
}
$("menu").addEventListener("click", () => showMenu(!document.body.classList.contains("menu-open")));
$("scroll").addEventListener("click", () => showMenu(false));

connect();
