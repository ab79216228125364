// Asks the worker thread for texts, and shows them as they are written.
"use strict";

const $ = (id) => document.getElementById(id);
const worker = new Worker(URL.createObjectURL(new Blob([$("writer").textContent], { type: "text/javascript" })));
let number = 0, started = 0, writes = false;

function show(text) { $("status").textContent = text; }

/** Begin to write, or stop. */
function toggle() {
  number += 1;
  writes = !writes;
  $("go").textContent = writes ? "Stop" : "Write";
  if (!writes) {
    worker.postMessage({ number });
    show(`Stopped. ${$("status").textContent}`);
    return;
  }
  const drawn = $("random-seed").value === "" ? crypto.getRandomValues(new Uint32Array(1))[0] : Number($("random-seed").value);
  const wanted = { seed: $("seed").value, length: Number($("length").value), temperature: Number($("temperature").value), randomSeed: drawn };
  $("begun").textContent = wanted.seed;
  $("written").textContent = "";
  $("text").hidden = false;
  $("copy").disabled = false;
  started = performance.now();
  show(`Random seed ${drawn}.`);
  worker.postMessage({ number, ...wanted });
}

worker.onmessage = ({ data }) => {
  if (data.ready || data.number === number) $("go").disabled = false;
  if (data.ready) show("Ready.");
  if (data.number !== number) return;
  if (data.written) $("written").append(data.written);
  if (!data.done) return;
  if (writes) [writes, $("go").textContent] = [false, "Write"];
  if (data.problem) show(data.problem);
  else {
    const speed = [...$("written").textContent].length / (performance.now() - started) * 1000;
    const left = data.unknown.length ? ` The model lacks ${data.unknown.join(" ")} and skipped that.` : "";
    show(`${$("status").textContent} ${Math.round(speed)} characters a second.${left}`);
  }
};

$("form").addEventListener("submit", (event) => { event.preventDefault(); toggle(); });
$("form").addEventListener("keydown", (event) => { if (event.key === "Enter" && event.ctrlKey) $("form").requestSubmit(); });
document.addEventListener("keydown", (event) => { if (event.key === "Escape" && writes) toggle(); });
$("temperature").addEventListener("input", () => { $("chosen").textContent = $("temperature").value; });
$("copy").addEventListener("click", () => {
  getSelection().selectAllChildren($("text"));
  show(document.execCommand("copy") ? "Copied." : "Selected: copy it with your browser.");
});
worker.postMessage({ number, model: $("model").textContent });
