// Select menus: of strings, and of the roles and channels of a server. One choice is a plain select; several
// are boxes to tick, sent together, as Discord does it when its menu closes.
import { el } from "./dom.js";

const [STRING, ROLE, CHANNEL] = [3, 6, 8];
const THREADS = [11, 12];
export const MENUS = [STRING, ROLE, CHANNEL];

/** What a menu offers, as {value, label, note, chosen}; `state` is the page's, `channelId` where the menu is shown. */
export function entries(item, state, channelId) {
  if (item.type === STRING) {
    return item.options.map((option) => ({
      value: option.value, label: [emoji(option.emoji), option.label].filter(Boolean).join(" "), note: option.description ?? "", chosen: Boolean(option.default),
    }));
  }
  const here = state.channels.find((channel) => channel.id === channelId);
  const guild = state.guilds.find((one) => one.id === here?.guild_id);
  const chosen = new Set((item.default_values ?? []).map((value) => String(value.id)));
  const entry = (value, label, note = "") => ({ value, label, note, chosen: chosen.has(value) });
  if (item.type === ROLE) return (guild?.roles ?? []).map((role) => entry(role.id, role.id === guild.id ? role.name : `@${role.name}`, "Role"));
  const kinds = item.channel_types ?? [];
  const fits = (channel) => channel.guild_id && channel.guild_id === guild?.id && (!kinds.length || kinds.includes(channel.type));
  return state.channels.filter(fits).map((channel) => entry(channel.id, `${THREADS.includes(channel.type) ? "↳ " : "#"}${channel.name}`));
}

/** An emoji as text; one of a server by its name, for the page loads no pictures from elsewhere. */
export function emoji(item) {
  if (!item?.name) return "";
  return item.id ? `:${item.name}:` : item.name;
}

/** The menu of a message; `send` is called with the values chosen. */
export function menu(item, offered, send) {
  const common = { "data-testid": "select", disabled: Boolean(item.disabled), dataset: { customId: item.custom_id } };
  const hint = item.placeholder ?? "Make a selection";
  if ((item.max_values ?? 1) > 1) return many(item, offered, hint, send);
  const select = el("select", { ...common, class: "menu-select", "aria-label": hint, onchange: () => send(select.value ? [select.value] : []) });
  // An arrow key in a closed menu would choose, and send, the next entry at once.
  select.addEventListener("keydown", (event) => { if (event.key.startsWith("Arrow") && select.showPicker) { event.preventDefault(); select.showPicker(); } });
  const none = item.min_values === 0;
  select.append(el("option", { value: "", disabled: !none, selected: !offered.some((entry) => entry.chosen) }, hint), ...offered.map(plain));
  return select;
}

function plain(entry) {
  return el("option", { value: entry.value, selected: entry.chosen }, entry.note ? `${entry.label} — ${entry.note}` : entry.label);
}

/** Boxes to tick, with a button that sends what is ticked. */
function many(item, offered, hint, send) {
  const [low, high] = [item.min_values ?? 1, item.max_values ?? 1];
  const boxes = ticks(offered);
  const words = el("span", { class: "menu-words" });
  const done = el("button", { type: "button", class: "button primary", onclick: () => { node.open = false; send(ticked(boxes)); } }, "Choose");
  const refresh = () => {
    const values = ticked(boxes);
    const names = offered.filter((entry) => values.includes(entry.value)).map((entry) => entry.label);
    words.textContent = names.join(", ") || hint;
    words.classList.toggle("hint", names.length === 0);
    done.disabled = values.length < low || values.length > high;
  };
  const amount = low === high ? `Choose ${low}` : low ? `Choose ${low} to ${Math.min(high, offered.length)}` : `Choose up to ${Math.min(high, offered.length)}`;
  const node = el("details", { class: `menu-many${item.disabled ? " off" : ""}`, "data-testid": "select", dataset: { customId: item.custom_id } },
    el("summary", { "aria-label": hint, onclick: (event) => item.disabled && event.preventDefault() }, words),
    el("div", { class: "menu-list" }, boxes, el("div", { class: "menu-foot" }, el("small", {}, amount), done)));
  boxes.addEventListener("change", refresh);
  refresh();
  return node;
}

function ticks(offered) {
  return el("div", { class: "ticks" }, ...offered.map((entry) => el("label", { class: "tick" },
    el("input", { type: "checkbox", value: entry.value, checked: entry.chosen }),
    el("span", {}, el("span", {}, entry.label), entry.note && el("small", {}, entry.note)))));
}

function ticked(boxes) { return [...boxes.querySelectorAll("input:checked")].map((box) => box.value); }

/** The same choice as a field of a form, with a way to read it: [element, () => values]. */
export function formMenu(item, offered) {
  if ((item.max_values ?? 1) > 1) {
    const boxes = ticks(offered);
    boxes.dataset.customId = item.custom_id;
    return [boxes, () => ticked(boxes)];
  }
  const select = el("select", { name: item.custom_id }, el("option", { value: "" }, item.placeholder ?? "Make a selection"), ...offered.map(plain));
  return [select, () => (select.value ? [select.value] : [])];
}
