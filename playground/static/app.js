// The page: keeps the state that the server sends, and draws the channel that is open.
import { Composer } from "./composer.js";
import { avatar, call, el } from "./dom.js";
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
let typingTimer = 0;
let waiting = new Map(); // message id -> custom id of the control that was used
const place = new URLSearchParams(location.search);
let me = place.get("as") ?? "ada";

const composer = new Composer({ channel, me: () => me, state: () => state, fail });

function channel() { return state.channels.find((item) => item.id === open) ?? state.channels[0]; }

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
    drawStatus();
    setTimeout(() => mine === socket && connect(), RETRY_MS);
  };
}

function receive(frame) {
  switch (frame.type) {
    case "hello": return hello(frame);
    case "state": state = frame.state; return drawState();
    case "message": return upsert(frame.message);
    case "gone": return gone(frame);
    case "typing": return frame.channel_id === open && typing(true);
    case "outcome": return outcome(frame);
  }
}

function hello(frame) {
  connected = true;
  state = frame.state;
  history = new Map(Object.entries(frame.history).map(([id, list]) => [id, new Map(list.map((message) => [message.id, message]))]));
  const wanted = open ?? place.get("channel");
  open = (state.channels.find((item) => item.id === wanted || item.name === wanted) ?? state.channels[0]).id;
  drawState();
  drawChannel();
}

// ---------------------------------------------------------------------- drawing

function drawState() {
  $("guild").textContent = state.guild;
  $("channels").replaceChildren(...state.channels.map((item) =>
    el("button", { type: "button", class: `channel${item.thread ? " thread" : ""}${item.id === open ? " open" : ""}${unread.has(item.id) ? " unread" : ""}`, "data-testid": "channel", "aria-current": item.id === open ? "page" : null, dataset: { name: item.name }, onclick: () => go(item.id) },
      el("span", { class: "hash" }, item.thread ? "↳" : "#"), item.name)));
  $("people").replaceChildren(...state.people.map((person) =>
    el("button", { type: "button", class: `person${person.id === state.me ? " me" : ""}`, "data-testid": "person", "aria-pressed": String(person.id === state.me), dataset: { key: person.key }, title: `Be ${person.name}`, onclick: () => become(person.key) }, avatar(person), el("span", {}, person.name))));
  const member = (person, online, note) => el("div", { class: `member${online ? "" : " away"}` }, avatar(person), el("div", {}, el("div", { class: "member-name" }, person.name, person.bot ? el("span", { class: "tag" }, "APP") : null), el("small", {}, note)));
  $("members").replaceChildren(
    el("h2", {}, "Bot"), member(state.bot, state.bot.online, state.bot.online ? "Online" : "Offline"),
    el("h2", {}, `People — ${state.people.length}`), ...state.people.map((person) => member(person, true, { ada: "Owns the server", ben: "Member", cleo: "May only read #lab" }[person.key] ?? "")));
  drawStatus();
  $("channel-name").textContent = `# ${channel().name}`;
  $("channel-topic").textContent = channel().topic ?? "";
  document.title = `#${channel().name} – ${state.guild}`;
  composer.refresh();
}

function drawStatus() {
  const [kind, text] = !connected ? ["gone", "Playground stopped"] : state.bot.online ? ["online", "Bot online"] : ["offline", "Bot offline"];
  const status = $("status");
  status.className = `status ${kind}`;
  status.textContent = text;
  const banner = $("banner");
  banner.hidden = kind === "online";
  banner.textContent = kind === "gone" ? "The playground has stopped. This page goes on by itself when it is back."
    : `${state.bot.name} is offline, or still starting. Write to it once it is online: it does not see what was said before.`;
}

function drawChannel() {
  nodes = new Map();
  const intro = el("div", { class: "intro" }, el("div", { class: "intro-hash" }, "#"), el("h2", {}, `Welcome to #${channel().name}!`), el("p", {}, channel().topic ?? "This is the start of the channel."));
  $("messages").replaceChildren(intro);
  for (const message of history.get(open)?.values() ?? []) append(message);
  regroup();
  unread.delete(open);
  typing(false);
  toEnd();
}

function append(message) {
  const node = draw(message, { click, choose });
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
    if (isNew) { unread.add(message.channel_id); drawState(); }
    return;
  }
  keepEnd(() => {
    const node = nodes.get(message.id);
    if (node) update(node, message, { click, choose });
    else append(message);
    if (isNew) regroup();
  }, isNew);
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
  atEnd = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 40;
  if (atEnd) $("newer").hidden = true;
});
// Pictures that load, and a composer that grows, must not push the end out of sight.
const sizes = new ResizeObserver(() => atEnd && toEnd());
sizes.observe($("messages"));
sizes.observe(scroll);
$("newer").addEventListener("click", toEnd);

// ---------------------------------------------------------------------- actions

function remember() { window.history.replaceState(null, "", `?as=${me}&channel=${encodeURIComponent(channel().name)}`); }

function go(id) {
  open = id;
  fail("");
  closeMenu();
  unread.delete(id);
  remember();
  drawState();
  drawChannel();
  composer.focus();
}

function become(key) {
  me = key;
  fail("");
  closeMenu();
  remember();
  socket.close();
  connect();
}

async function use(message, customId, path, extra) {
  const node = nodes.get(message.id);
  const control = node?.querySelector(`[data-custom-id="${CSS.escape(customId)}"]`);
  waiting.set(message.id, customId);
  control?.classList.add("waiting");
  try {
    await call(path, { as: me, channel: message.channel_id, message_id: message.id, custom_id: customId, ...extra });
  } catch (error) {
    control?.classList.remove("waiting");
    if (node) notice(node, error.message);
  }
}

function click(message, customId) { return use(message, customId, "click", {}); }
function choose(message, customId, values) { return use(message, customId, "select", { values }); }

function outcome(frame) {
  if (frame.status === "pending") return;
  if (frame.status === "modal") showModal(frame);
  const node = frame.message_id && nodes.get(frame.message_id);
  if (node) for (const control of node.querySelectorAll(".waiting")) control.classList.remove("waiting");
  if (frame.status !== "failed") return;
  if (node) return notice(node, "This interaction failed");
  if (frame.channel_id === open) keepEnd(() => $("messages").append(unanswered(frame)), true);
}

function unanswered(frame) {
  const note = el("div", { class: "unanswered", "data-testid": "unanswered", role: "alert" },
    el("div", {}, el("b", {}, state.bot.name), el("span", {}, frame.command ? ` /${frame.command}` : "")),
    el("div", { class: "problem" }, "⚠ The application did not respond"),
    el("small", {}, "Only you can see this. ", el("button", { type: "button", class: "link", onclick: () => note.remove() }, "Dismiss")));
  return note;
}

// ------------------------------------------------------------------------ forms

function showModal(frame) {
  const controls = [];
  const walk = (component, label) => {
    if (component.type === 1) for (const child of component.components) walk(child, child.label);
    else if (component.type === 18) walk(component.component, component.label);
    else if (component.type === 4) controls.push(labelled(label, component, el(component.style === 2 ? "textarea" : "input", { name: component.custom_id, placeholder: component.placeholder, maxlength: component.max_length, minlength: component.min_length, required: component.required !== false, rows: 4 }), component.value));
    else if (component.type === 3) controls.push(labelled(label, component, el("select", { name: component.custom_id }, ...component.options.map((option) => el("option", { value: option.value, selected: Boolean(option.default) }, option.label)))));
    else if (component.type === 10) controls.push(el("p", {}, component.content));
  };
  for (const component of frame.modal.components) walk(component);
  const dialog = $("modal");
  const problem = el("p", { class: "problem", role: "alert" });
  const form = el("form", {
    onsubmit: async (event) => {
      event.preventDefault();
      const values = Object.fromEntries([...new FormData(form)].map(([name, value]) => [name, String(value)]));
      try {
        await call("modal", { as: me, interaction_id: frame.interaction_id, values });
        dialog.close();
      } catch (error) {
        problem.textContent = error.message;
      }
    },
  }, el("h2", {}, frame.modal.title ?? ""), ...controls, problem, el("div", { class: "modal-foot" },
    el("button", { type: "button", class: "link", onclick: () => dialog.close() }, "Cancel"), el("button", { type: "submit", class: "button primary" }, "Submit")));
  dialog.replaceChildren(form);
  dialog.showModal();
}

function labelled(text, component, control, value) {
  if (value) control.value = value;
  return el("label", {}, el("span", {}, text ?? component.label ?? "", component.required === false ? "" : " *"), control);
}

// ---------------------------------------------------------------- small gestures

function reveal(target) { target.closest?.(".spoiler")?.classList.add("shown"); }
document.addEventListener("click", (event) => {
  reveal(event.target);
  const jump = event.target.dataset?.jump;
  if (jump) nodes.get(jump)?.scrollIntoView({ block: "center" });
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && event.target.classList?.contains("spoiler")) reveal(event.target);
});
function closeMenu() {
  document.body.classList.remove("menu-open");
  $("menu").setAttribute("aria-expanded", "false");
}
$("menu").addEventListener("click", () => $("menu").setAttribute("aria-expanded", String(document.body.classList.toggle("menu-open"))));
$("scroll").addEventListener("click", closeMenu);

connect();
