// Small helpers for building the page. Text always goes in as text; only `html` takes markup, and only markup that
// the server rendered from Markdown.

/** Create an element: el("p", {class: "x", onclick: f, dataset: {id: "1"}}, child, "text"). */
export function el(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "dataset") Object.assign(node.dataset, value);
    else if (name === "html") node.innerHTML = value;
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** A person's round picture: their initial on their own colour, or the bot's spark. */
export function avatar(person) {
  if (person.picture) return el("img", { class: "avatar", src: person.picture, alt: "", width: 40, height: 40 });
  if (person.bot) return el("img", { class: "avatar", src: "/static/icon.svg", alt: "", width: 40, height: 40 });
  return el("span", { class: `avatar letter tint-${Number(BigInt(person.id) % 6n)}`, "aria-hidden": "true" }, person.name[0]);
}

/** The picture of a file that has none of its own. */
export function fileIcon() {
  return el("img", { class: "file-icon", src: "/static/file.svg", alt: "", width: 24, height: 32 });
}

/** Time of day. */
export function clock(iso) { return new Date(iso).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }); }

/** Time of day for today, date and time before. */
export function when(iso) {
  const days = Math.round((new Date().setHours(0, 0, 0, 0) - new Date(iso).setHours(0, 0, 0, 0)) / 86_400_000);
  if (days === 0) return `Today at ${clock(iso)}`;
  if (days === 1) return `Yesterday at ${clock(iso)}`;
  return `${new Date(iso).toLocaleDateString()} ${clock(iso)}`;
}

/** A size in bytes for people. */
export function bytes(count) {
  if (count < 1024) return `${count} B`;
  if (count < 1024 ** 2) return `${(count / 1024).toFixed(1)} KiB`;
  return `${(count / 1024 ** 2).toFixed(1)} MiB`;
}

/** Call the control API; throws an Error whose message is meant for the person. */
export async function call(path, body) {
  let response;
  try {
    response = await fetch(`/control/${path}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
  } catch {
    throw new Error("The playground does not answer. Is it still running?");
  }
  if (response.ok) return response.json();
  if (response.status === 403) throw new Error("The playground was started anew. Open the address that it printed.");
  if (response.status !== 400) throw new Error(response.status === 413 ? "That is too large." : `The playground failed (${response.status}).`);
  const { problem, remedy } = await response.json();
  throw new Error(`${problem} ${remedy}`.trim());
}

/** A file as the control API takes it. */
export async function encode(file) {
  const dataUrl = await new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(new Error(`${file.name} could not be read.`));
    reader.readAsDataURL(file);
  });
  return { filename: file.name, content_base64: dataUrl.slice(dataUrl.indexOf(",") + 1) };
}
