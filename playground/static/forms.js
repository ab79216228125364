// Draws forms: those that the bot opens, and the page's own.
import { call, el } from "./dom.js";
import { MENUS, entries, formMenu } from "./menus.js";

const [ROW, TEXT, LABEL] = [1, 4, 18];

/** Show a form; `me` is whoever fills it in, `state` the page's. */
export function showForm(dialog, frame, me, state) {
  const readers = new Map(); // custom id -> what is filled in
  const draw = (component, label, description) => {
    const named = (control, tag = "label") => el(tag, { class: "form-field" },
      el("span", { class: "form-label" }, label ?? component.label ?? "", component.required === false ? "" : " *"),
      description && el("small", {}, description), control);
    if (component.type === ROW) return component.components.map((child) => draw(child, child.label)).flat();
    if (component.type === LABEL) return draw(component.component, component.label, component.description);
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
    return [];
  };
  const controls = frame.modal.components.flatMap((component) => draw(component));
  openForm(dialog, frame.modal.title ?? "", controls, "Submit", async () => {
    const values = Object.fromEntries([...readers].map(([id, read]) => [id, read()]));
    await call("modal", { as: me, interaction_id: frame.interaction_id, values });
    dialog.close();
  });
}

/** Show a form with these fields; `send` takes it in and closes it, or throws what is wrong. */
export function openForm(dialog, title, fields, submit, send) {
  const problem = el("p", { class: "problem", role: "alert" });
  const form = el("form", {
    onsubmit: (event) => {
      event.preventDefault();
      send().catch((error) => { problem.textContent = error.message; });
    },
  }, el("h2", {}, title), ...fields, problem, el("div", { class: "modal-foot" },
    el("button", { type: "button", class: "link", onclick: () => dialog.close() }, "Cancel"), el("button", { type: "submit", class: "button primary" }, submit)));
  dialog.replaceChildren(form);
  dialog.showModal();
}
