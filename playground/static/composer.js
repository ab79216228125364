// Where a person writes: messages with files, and slash commands with their options.
import { bytes, call, el, encode, fileIcon } from "./dom.js";

const $ = (id) => document.getElementById(id);
const [INTEGER, BOOLEAN, NUMBER, ATTACHMENT] = [4, 5, 10, 11];

/** Whether a key belongs to an input method; Safari tells the one that ends a conversion only by its code. */
function isComposing(event) { return event.isComposing || event.keyCode === 229; }

/** `app` gives channel(), me(), state(), and fail(text). */
export class Composer {
  constructor(app) {
    this.app = app;
    this.files = [];
    this.answered = null;
    this.command = null;
    this.entries = [];
    this.chosen = 0;
    this.box = $("composer");
    this.form = $("slash");
    this.popup = $("popup");
    this.box.addEventListener("input", () => this.typed());
    this.box.addEventListener("keydown", (event) => this.key(event));
    this.box.addEventListener("paste", (event) => event.clipboardData.files.length && this.addFiles(event.clipboardData.files));
    this.form.addEventListener("submit", (event) => { event.preventDefault(); this.call(); });
    this.form.addEventListener("keydown", (event) => this.formKey(event));
    $("send").addEventListener("keydown", (event) => event.key === "Escape" && this.command && this.leave());
    $("send").addEventListener("click", () => (this.command ? this.call() : this.send()));
    $("attach").addEventListener("click", () => $("file-input").click());
    $("file-input").addEventListener("change", (event) => { this.addFiles(event.target.files); event.target.value = ""; });
    for (const kind of ["dragover", "drop"]) {
      document.addEventListener(kind, (event) => {
        if (!event.dataTransfer.types.includes("Files")) return; // text is dropped as everywhere
        event.preventDefault();
        if (kind === "drop") this.dropped(event.dataTransfer.files);
      });
    }
  }

  /** Adapt to the channel and to what the person may do in it. */
  refresh() {
    const channel = this.app.channel();
    this.box.disabled = !channel.can_send && channel.commands.length === 0;
    this.box.placeholder = channel.can_send ? `Message ${channel.guild_id ? "#" : "@"}${channel.name}` : "You do not have permission to send messages in this channel.";
    $("attach").disabled = !channel.can_attach || !channel.can_send;
    $("send").disabled = this.box.disabled;
    if (this.answered && this.answered.channel_id !== channel.id) this.reply(null);
    if (this.command && !channel.commands.some((command) => command.name === this.command.name)) this.leave();
    // A list that is being chosen from stays while others write elsewhere.
    if (this.popup.hidden || this.offeredIn !== channel.id) this.suggest();
    this.offeredIn = channel.id;
  }

  /** Of the box, or of the form that is in its place. */
  focus() {
    if (this.command) this.firstField().focus();
    else this.box.focus({ preventScroll: true });
  }

  /** A button only where nothing can be typed or chosen; the form itself if the command has no options. */
  firstField() {
    return this.form.querySelector("input:not([type=file]), select") ?? this.form.querySelector("button") ?? this.form;
  }

  // ---------------------------------------------------------------- messages

  /** Answer a message with the next one; null takes that back. */
  reply(message) {
    this.answered = message;
    $("replying").hidden = !message;
    $("replying").replaceChildren(...(message ? [
      el("span", {}, "Replying to ", el("b", {}, message.author.name)),
      el("button", { type: "button", "aria-label": "Do not reply", onclick: () => this.reply(null) }, "✕"),
    ] : []));
    this.focus();
  }

  /** Files dropped on the page: for the command's own field if a command is open. */
  dropped(list) {
    const field = this.command && this.form.querySelector("input[type=file]");
    if (!this.command) this.addFiles(list);
    else if (!field) this.app.fail(`/${this.command.name} takes no file.`);
    else { field.files = list; field.dispatchEvent(new Event("change")); }
  }

  addFiles(list) {
    const limit = this.app.channel().file_limit;
    for (const file of list) {
      if (file.size > limit) this.app.fail(`${file.name} is larger than ${bytes(limit)}, the most that Discord takes here. A longer text goes into the folder CORPORA_DIR.`);
      else this.files.push(file);
    }
    this.drawChips();
    this.focus();
  }

  drawChips() {
    $("chips").replaceChildren(...this.files.map((file, index) =>
      el("div", { class: "chip", "data-testid": "chip" }, fileIcon(), el("span", {}, file.name), el("small", {}, bytes(file.size)),
        el("button", { type: "button", "aria-label": `Remove ${file.name}`, onclick: () => { this.files.splice(index, 1); this.drawChips(); } }, "✕"))));
  }

  typed() {
    if (!this.app.state()) return; // the page has only begun to load
    this.box.style.height = "auto";
    this.box.style.height = `${Math.min(this.box.scrollHeight, 240)}px`;
    const text = this.box.value;
    // "/train " - the name is complete: go on with its options. What follows it belongs to the first of them.
    const called = this.app.channel().commands.find((command) => text.startsWith(`/${command.name} `));
    if (called) this.enter(called, text.slice(called.name.length + 2));
    else this.suggest();
  }

  suggest() {
    const text = this.box.value;
    if (this.command || !/^\/[\w -]*$/.test(text)) return this.offer([]);
    const found = this.app.channel().commands.filter((command) => command.name.startsWith(text.slice(1).trimStart()));
    return this.offer(found.map((command) => ({ title: `/${command.name}`, note: command.description, pick: () => this.enter(command) })));
  }

  /** Show a list to choose from above the composer. */
  offer(entries) {
    this.entries = entries;
    this.chosen = 0;
    this.popup.hidden = entries.length === 0;
    this.drawOffer();
  }

  drawOffer() {
    this.popup.replaceChildren(...this.entries.map((entry, index) =>
      el("div", {
        class: `entry${index === this.chosen ? " chosen" : ""}`, role: "option", "data-testid": "suggestion", "aria-selected": String(index === this.chosen),
        onmousedown: (event) => { event.preventDefault(); entry.pick(); },
      }, el("b", {}, entry.title), " ", el("span", {}, entry.note ?? ""))));
    this.popup.children[this.chosen]?.scrollIntoView({ block: "nearest" });
  }

  /** Keys that move in the list; true when the key was one of them. */
  offerKey(event) {
    if (this.entries.length === 0) return false;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      this.chosen = (this.chosen + step + this.entries.length) % this.entries.length;
      this.drawOffer();
    } else if (event.key === "Tab" || (event.key === "Enter" && !event.shiftKey)) {
      this.entries[this.chosen].pick();
    } else if (event.key === "Escape") {
      this.offer([]);
    } else {
      return false;
    }
    event.preventDefault();
    return true;
  }

  key(event) {
    if (isComposing(event) || this.offerKey(event)) return;
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      this.send();
    }
  }

  async send() {
    const content = this.box.value;
    const files = this.files;
    if ((!content.trim() && files.length === 0) || !this.app.state()) return;
    // Emptied at once, so that a second Enter does not send twice; put back if it is refused.
    // Reading files takes a while, in which somebody may go to another channel.
    const channel = this.app.channel().id;
    const answered = this.answered?.channel_id === channel ? this.answered : null;
    const message = { as: this.app.me(), channel, content: this.mentions(content), reply_to: answered?.id };
    this.box.value = "";
    this.files = [];
    this.reply(null);
    this.typed();
    this.drawChips();
    this.app.fail("");
    try {
      const attachments = await Promise.all(files.map(encode));
      await call("messages", { ...message, attachments });
    } catch (error) {
      this.app.fail(error.message);
      this.box.value = [content, this.box.value].filter(Boolean).join("\n");
      this.files = [...files, ...this.files];
      if (answered && this.app.channel().id === channel) this.reply(answered);
      this.typed();
      this.drawChips();
    }
  }

  /** `@Ben` and `#lab` become mentions, as Discord's own client makes them. */
  mentions(text) {
    const { people, bot, channels, guilds } = this.app.state();
    const roles = guilds.find((guild) => guild.id === this.app.channel().guild_id)?.roles ?? [];
    const ids = new Map([
      ...roles.map((role) => [`@${role.name}`, `<@&${role.id}>`]),
      ...[...people, bot].map((person) => [`@${person.name}`, `<@${person.id}>`]),
      ...channels.filter((item) => item.guild_id).map((item) => [`#${item.name}`, `<#${item.id}>`]),
    ]);
    return text.replace(/(?<![\w<`])[@#][\w-]+/g, (word) => ids.get(word) ?? word);
  }

  // ----------------------------------------------------------- slash commands

  /** Show the fields of a command, with `words` in the first one. */
  enter(command, words = "") {
    this.command = command;
    this.offer([]);
    this.box.value = "";
    this.box.hidden = true;
    $("attach").hidden = true;
    this.form.hidden = false;
    this.form.replaceChildren(el("span", { class: "slash-name", title: command.description }, `/${command.name}`), ...command.options.map((option) => this.field(option)));
    const first = this.firstField();
    if (words && first.tagName === "INPUT") { first.value = words; first.dispatchEvent(new Event("input")); }
    this.form.tabIndex = -1;
    first.focus();
  }

  /** Back to plain messages. */
  leave() {
    this.command = null;
    this.offer([]);
    this.form.hidden = true;
    this.form.replaceChildren();
    this.box.hidden = false;
    $("attach").hidden = false;
    this.focus();
  }

  field(option) {
    return el("label", { class: `option${option.required ? " required" : ""}`, title: option.description, dataset: { option: option.name } }, el("span", {}, option.name), this.input(option));
  }

  input(option) {
    const common = { name: option.name, "data-testid": `option-${option.name}`, "aria-label": option.name };
    const list = (entries) => el("select", common, ...(option.required ? [] : [el("option", { value: "" }, "–")]), ...entries.map(([value, text]) => el("option", { value }, text)));
    if (option.choices?.length && !option.autocomplete) return list(option.choices.map((choice) => [choice.value, choice.name]));
    if (option.type === BOOLEAN) return list([["true", "True"], ["false", "False"]]);
    if (option.type === ATTACHMENT) return this.upload(option, common);
    const numeric = option.type === INTEGER || option.type === NUMBER;
    const input = el("input", { ...common, type: "text", inputmode: numeric ? "decimal" : null, autocomplete: "off", spellcheck: "false", size: 6, placeholder: option.required ? "" : "optional" });
    input.addEventListener("input", () => {
      input.size = Math.max(6, Math.min(input.value.length + 1, 40));
      input.closest("label").classList.remove("bad");
      if (option.autocomplete) { this.offer([]); this.complete(option, input); }
    });
    if (option.autocomplete) {
      input.addEventListener("focus", () => this.complete(option, input));
      input.addEventListener("blur", () => this.offer([]));
    }
    return input;
  }

  upload(option, common) {
    const input = el("input", { ...common, type: "file", class: "file-field" });
    const button = el("button", { type: "button", class: "file-button", onclick: () => input.click() }, "Choose a file");
    input.addEventListener("change", () => {
      button.textContent = input.files[0]?.name ?? "Choose a file";
      input.closest("label").classList.remove("bad");
      button.focus();
    });
    return el("span", {}, button, input);
  }

  async complete(option, input) {
    const asked = (this.asked = Symbol(option.name));
    await new Promise((resolve) => setTimeout(resolve, 120));
    if (asked !== this.asked || !this.command) return;
    try {
      const { choices } = await call("autocomplete", { ...this.place(), option: option.name, value: input.value, options: this.values().options });
      if (asked !== this.asked || document.activeElement !== input) return;
      this.offer(choices.map((choice) => ({
        title: choice.name,
        pick: () => { input.value = String(choice.value); this.asked = null; this.offer([]); this.next(input); },
      })));
    } catch (error) {
      this.app.fail(error.message);
    }
  }

  next(input) {
    const fields = [...this.form.querySelectorAll("input:not([type=file]), select, button")];
    (fields[fields.indexOf(input) + 1] ?? input).focus();
  }

  place() { return { as: this.app.me(), channel: this.app.channel().id, command: this.command.name }; }

  values() {
    const options = {};
    const uploads = {};
    for (const option of this.command.options) {
      const field = this.form.elements.namedItem(option.name); // by `[]`, an option called length would be the number of fields
      if (option.type === ATTACHMENT) { if (field.files[0]) uploads[option.name] = field.files[0]; }
      else if (field.value !== "") options[option.name] = option.type === BOOLEAN ? field.value === "true" : field.value;
    }
    return { options, uploads };
  }

  formKey(event) {
    if (isComposing(event) || this.offerKey(event)) return;
    const empty = event.target.tagName !== "INPUT" || event.target.value === "";
    const { options, uploads } = this.values();
    const unfilled = !Object.keys({ ...options, ...uploads }).length;
    if (event.key === "Escape") this.leave();
    else if (event.key === "Backspace" && empty && unfilled) { event.preventDefault(); this.leave(); this.box.value = ""; }
    else if (event.key === "Enter" && event.target.tagName !== "BUTTON") { event.preventDefault(); this.call(); }
  }

  async call() {
    if (this.calling) return; // a second Enter does not send twice
    const { options, uploads } = this.values();
    const missing = this.command.options.filter((option) => option.required && !(option.name in options) && !(option.name in uploads));
    for (const option of missing) this.form.querySelector(`[data-option="${CSS.escape(option.name)}"]`).classList.add("bad");
    if (missing.length) {
      this.app.fail(`/${this.command.name} needs ${missing.map((option) => option.name).join(" and ")}.`);
      this.form.querySelector(".bad input:not([type=file]), .bad button, .bad select").focus();
      return;
    }
    this.app.fail("");
    const place = this.place();
    this.calling = true;
    try {
      const attachments = {};
      for (const [name, file] of Object.entries(uploads)) attachments[name] = await encode(file);
      await call("slash", { ...place, options, attachments });
      if (this.command?.name === place.command) this.leave();
    } catch (error) {
      this.app.fail(error.message);
    } finally {
      this.calling = false;
    }
  }
}

