// Draws messages. An edit replaces only the parts that changed, so a card edited every two seconds does not flicker
// and a button keeps its focus.
import { avatar, bytes, clock, el, fileIcon, when } from "./dom.js";
import { MENUS, emoji, entries, menu } from "./menus.js";

const BUTTONS = { 1: "primary", 2: "secondary", 3: "success", 4: "danger" };
const EMOJIS = ["❤️", "😂", "👍", "🔥"];
const GROUP_MS = 7 * 60_000;

/** Whether a message continues the one before it, without a header of its own. */
export function continues(message, before) {
  return Boolean(before) && !message.reply && !message.command && before.author.id === message.author.id && before.author.name === message.author.name &&
    before.ephemeral === message.ephemeral && new Date(message.timestamp) - new Date(before.timestamp) < GROUP_MS;
}

/** Create the element of a message; `act` has click(message, customId), choose(message, customId, values), reply(message),
 * react(message, emoji), thread(message), go(channelId), pings(message), commands(message), command(message, name) and state(). */
export function draw(message, act) {
  const node = el("article", { class: "message", "data-testid": "message", dataset: { id: message.id, authorId: message.author.id, author: message.author.name } });
  node.append(
    el("div", { class: "lead" }), el("div", { class: "tools", role: "toolbar", "aria-label": "Actions", onkeydown: moveAmongTools }),
    el("div", { class: "gutter" }, avatar(message.author), el("time", { class: "hover-time", datetime: message.timestamp }, clock(message.timestamp))),
    el("div", { class: "body" },
      el("div", { class: "head" },
        el("span", { class: `name${message.author.bot ? " bot" : ""}` }, message.author.name), " ",
        message.author.bot && el("span", { class: "tag" }, "APP"), " ",
        el("time", { class: "time", datetime: message.timestamp }, when(message.timestamp))),
      ...["content", "files", "embeds", "components", "reactions", "notice", "below"].map((part) => el("div", { class: part })),
    ),
  );
  node.parts = {};
  update(node, message, act);
  return node;
}

/** Bring a message's element up to date. */
export function update(node, message, act) {
  node.message = message;
  node.classList.toggle("ephemeral", message.ephemeral);
  node.classList.toggle("edited", Boolean(message.edited));
  part(node, ".lead", [message.reply, message.command], () => lead(message));
  node.classList.toggle("pinged", act.pings(message));
  part(node, ".tools", [message.ephemeral, message.thread, message.loading], () => tools(node, act));
  part(node, ".content", [message.html, message.loading, message.edited !== null, message.thread], () => content(message, act));
  part(node, ".files", message.attachments, () => message.attachments.map(file));
  part(node, ".embeds", message.embeds, (old) => message.embeds.map((embed, index) => drawEmbed(embed, old[index])));
  part(node, ".components", message.components, () => message.components.map((item) => component(item, node, act)));
  part(node, ".reactions", message.reactions, () => message.reactions.map((r) => el("button", { type: "button", class: "reaction", "data-testid": "reaction", onclick: () => act.react(message, r.emoji) }, `${r.emoji} ${r.count}`)));
  part(node, ".below", message.ephemeral, () => message.ephemeral ? [el("span", { class: "only-you" }, "Only you can see this")] : []);
}

/** Say under a message that something went wrong, for a while. */
export function notice(node, text) {
  const place = node.querySelector(".notice");
  place.replaceChildren(el("span", { "data-testid": "notice", role: "alert" }, `⚠ ${text}`));
  setTimeout(() => place.replaceChildren(), 8_000);
}

function part(node, selector, data, make) {
  const fresh = JSON.stringify(data);
  if (node.parts[selector] === fresh) return;
  node.parts[selector] = fresh;
  const place = node.querySelector(selector);
  place.replaceChildren(...make([...place.children]));
}

function lead(message) {
  if (message.reply) {
    const { id, author, text } = message.reply;
    return [el("span", { class: "hook" }), author && el("b", {}, author.name), id ? el("button", { type: "button", class: "excerpt", dataset: { jump: id } }, text) : el("span", { class: "excerpt" }, text)].filter(Boolean);
  }
  if (message.command) {
    const { user, name } = message.command;
    return [el("span", { class: "hook" }), el("b", {}, user.name), " ", el("span", {}, "used"), " ", el("span", { class: "mention" }, name)];
  }
  return [];
}

/** What one can do with a message: react to it, answer it, start a thread from it, or call a command on it. */
function tools(node, act) {
  const { message } = node;
  if (message.ephemeral || message.loading || message.thread?.told) return [];
  const tool = (sign, name, use) => el("button", { type: "button", class: "tool", title: name, "aria-label": name, tabindex: sign === EMOJIS[0] ? 0 : -1, onclick: use }, sign);
  return [...EMOJIS.map((sign) => tool(sign, `React with ${sign}`, () => act.react(node.message, sign))), tool("↩", "Reply", () => act.reply(node.message)), message.thread ? null : tool("↳", "Start a thread", () => act.thread(node.message)), commands(node, act)].filter(Boolean);
}

/** Tab stops once at a message's tools, however many messages there are; arrows move among them. */
function moveAmongTools(event) {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  const all = [...event.currentTarget.querySelectorAll(".tool")];
  const at = all.indexOf(event.target);
  if (step && at >= 0) all[(at + step + all.length) % all.length].focus();
}

/** The menu with the bot's commands on a message, which a right click opens, too. */
function commands(node, act) {
  const list = el("div", { class: "more-list" });
  const menu = el("details", {
    class: "more", "data-testid": "more",
    ontoggle: () => { list.replaceChildren(...(menu.open ? offered() : [])); list.scrollIntoView({ block: "nearest" }); },
    onkeydown: (event) => { if (event.key === "Escape") { menu.open = false; menu.firstChild.focus(); } },
    onfocusout: (event) => { if (!menu.contains(event.relatedTarget)) menu.open = false; },
  }, el("summary", { class: "tool", title: "Apps", "aria-label": "Apps", tabindex: -1 }, "…"), list);
  const offered = () => {
    const names = act.commands(node.message);
    return names.length ? names.map((name) => el("button", { type: "button", onclick: () => { menu.open = false; act.command(node.message, name); } }, name)) : [el("small", {}, "No commands for messages")];
  };
  node.oncontextmenu = (event) => {
    if (event.target.closest("a, img, button, select, input") || !getSelection().isCollapsed) return; // the browser's own
    event.preventDefault();
    menu.open = true;
    menu.firstChild.focus();
  };
  return menu;
}

function content(message, act) {
  if (message.thread?.told) return [el("span", { class: "told" }, "started a thread: ", el("button", { type: "button", class: "link", "data-testid": "thread-link", onclick: () => act.go(message.thread.id) }, message.thread.name))];
  if (message.loading) return [el("span", { class: "thinking" }, el("span", { class: "dots" }, el("i"), el("i"), el("i")), ` ${message.author.name} is thinking…`)];
  const nodes = message.html ? [el("div", { class: "markdown", html: message.html })] : [];
  if (message.thread) nodes.push(el("button", { type: "button", class: "thread-box", "data-testid": "thread-link", onclick: () => act.go(message.thread.id) }, `↳ ${message.thread.name}`));
  if (message.edited && message.html) nodes.splice(1, 0, el("span", { class: "was-edited", title: when(message.edited) }, "(edited)"));
  return nodes;
}

function file(item) {
  const link = { href: item.url, target: "_blank", rel: "noopener" };
  if (item.image) return el("a", { ...link, class: "picture" }, picture(item, item.filename));
  return el("div", { class: "file", "data-testid": "attachment" },
    fileIcon(),
    el("div", {}, el("a", { ...link, download: item.filename }, item.filename), el("div", { class: "file-size" }, bytes(item.size))));
}

function picture(item, alt) {
  return el("img", { src: item.url, alt, width: item.width, height: item.height, loading: "eager", decoding: "sync" });
}

/** How wide each field is: those in line share a row, three at most. */
function fieldWidths(fields) {
  const widths = [];
  while (widths.length < fields.length) {
    const start = widths.length;
    let count = 0;
    while (count < 3 && fields[start + count]?.inline) count += 1;
    widths.push(...(count > 1 ? Array(count).fill(count === 3 ? "third" : "half") : ["full"]));
  }
  return widths;
}

function drawEmbed(embed, old) {
  const widths = fieldWidths(embed.fields);
  const side = embed.thumbnail && el("div", { class: "thumbnail" }, picture(embed.thumbnail, ""));
  const title = embed.title_html && (embed.url
    ? el("a", { class: "embed-title", href: embed.url, target: "_blank", rel: "noopener noreferrer", html: embed.title_html })
    : el("div", { class: "embed-title", html: embed.title_html }));
  const foot = [embed.footer?.text, embed.timestamp && when(embed.timestamp)].filter(Boolean).join(" • ");
  const node = el("div", { class: "embed", "data-testid": "embed" },
    el("div", { class: "embed-main" },
      side || null,
      embed.author?.name && el("div", { class: "embed-author" }, embed.author.name),
      title || null,
      embed.html && el("div", { class: "markdown embed-text", html: embed.html }),
      embed.fields.length > 0 && el("div", { class: "fields" }, ...embed.fields.map((field, index) =>
        el("div", { class: `field ${widths[index]}` }, el("div", { class: "field-name", html: field.name_html }), el("div", { class: "markdown", html: field.html })))),
      embed.image && el("a", { class: "embed-image", href: embed.image.url, target: "_blank", rel: "noopener", "aria-label": `Picture: ${title ? title.textContent : "open it"}` }, embedImage(embed.image, old)),
      foot && el("div", { class: "embed-foot" }, foot)));
  if (embed.color !== null && embed.color !== undefined) node.style.setProperty("--bar", `#${embed.color.toString(16).padStart(6, "0")}`);
  return node;
}

// Keep showing the old picture until the new one is decoded.
function embedImage(image, old) {
  const before = old?.querySelector(".embed-image img");
  if (!before) return picture(image, "");
  if (before.getAttribute("src") === image.url) return before;
  const next = picture(image, "");
  next.decode().catch(() => {}).finally(() => before.isConnected && before.replaceWith(next));
  return before;
}

function component(item, node, act) {
  if (item.type === 1) return el("div", { class: "row" }, ...item.components.map((child) => component(child, node, act)));
  if (item.type === 2) return button(item, node, act);
  if (MENUS.includes(item.type)) return menu(item, entries(item, act.state(), node.message.channel_id), (values) => act.choose(node.message, item.custom_id, values));
  return el("span", { class: "unknown" }, `(a component of type ${item.type}, which the playground does not draw)`);
}

function button(item, node, act) {
  const label = [emoji(item.emoji), item.label].filter(Boolean).join(" ");
  if (item.style === 5) {
    const safe = /^https?:\/\//i.test(item.url ?? "");
    return el("a", { class: "button secondary", href: safe ? item.url : "#", target: "_blank", rel: "noopener noreferrer" }, label, " ↗");
  }
  return el("button", {
    type: "button", class: `button ${BUTTONS[item.style] ?? "secondary"}`, "data-testid": "button",
    dataset: { customId: item.custom_id ?? "" }, disabled: Boolean(item.disabled),
    onclick: () => act.click(node.message, item.custom_id),
  }, label);
}
