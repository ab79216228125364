// Draws the forms that the bot opens.
import { call, el, encode } from "./dom.js";
import { MENUS, entries, formMenu } from "./menus.js";

const [ROW, TEXT, WORDS, LABEL, UPLOAD, RADIO, BOXES, BOX] = [1, 4, 10, 18, 19, 21, 22, 23];

/** Show a form; `me` is whoever fills it in, `state` the page's. */
export function showForm(dialog, frame, me, state) {
  const readers = new Map(); // custom id -> what is filled in
  const uploads = new Map(); // custom id -> files
  const draw = (component, label, description) => {
    const named = (control, tag = "label") => el(tag, { class: "form-field" },
      el("span", { class: "form-label" }, label ?? component.label ?? "", component.required === false ? "" : " *"),
      description && el("small", {}, description), control);
    if (component.type === ROW) return component.components.map((child) => draw(child, child.label)).flat();
    if (component.type === LABEL) return draw(component.component, component.label, component.description);
    if (component.type === WORDS) return [el("p", {}, component.content)];
    if (component.type === TEXT) {
      const field = el(component.style === 2 ? "textarea" : "input", { name: component.custom_id, placeholder: component.placeholder, maxlength: component.max_length, minlength: component.min_length, required: component.required !== false, rows: 4 });
      if (component.value) field.value = component.value;
      readers.set(component.custom_id, () => field.value);
      return [named(field)];
    }
    if (MENUS.includes(component.type)) {
      const [field, read] = formMenu(component, entries(component, state, frame.channel_id));
      readers.set(component.custom_id, read);
      return [named(field, field.tagName === "SELECT" ? "label" : "div")];
    }
    if (component.type === RADIO || component.type === BOXES) {
      const kind = component.type === RADIO ? "radio" : "checkbox";
      const field = el("div", { class: "ticks" }, ...component.options.map((option) => el("label", { class: "tick" },
        el("input", { type: kind, name: component.custom_id, value: option.value, checked: Boolean(option.default) }), el("span", {}, el("span", {}, option.label), option.description && el("small", {}, option.description)))));
      readers.set(component.custom_id, () => [...field.querySelectorAll("input:checked")].map((box) => box.value));
      return [named(field, "div")];
    }
    if (component.type === BOX) {
      const field = el("input", { type: "checkbox", checked: Boolean(component.default) });
      readers.set(component.custom_id, () => field.checked);
      return [el("label", { class: "tick" }, field, el("span", {}, label ?? ""))];
    }
    if (component.type === UPLOAD) {
      const field = el("input", { type: "file", multiple: (component.max_values ?? 1) > 1 });
      uploads.set(component.custom_id, field);
      return [named(field)];
    }
    return [];
  };
  const controls = frame.modal.components.flatMap((component) => draw(component));
  const problem = el("p", { class: "problem", role: "alert" });
  const form = el("form", {
    onsubmit: async (event) => {
      event.preventDefault();
      try {
        const values = Object.fromEntries([...readers].map(([id, read]) => [id, read()]));
        const attachments = {};
        for (const [id, field] of uploads) attachments[id] = await Promise.all([...field.files].map(encode));
        await call("modal", { as: me, interaction_id: frame.interaction_id, values, attachments });
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
