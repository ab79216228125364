// Asks the worker thread for texts, and shows them as they are written.
"use strict";

const $ = (id) => document.getElementById(id);
const worker = new Worker(URL.createObjectURL(new Blob([$("writer").textContent], { type: "text/javascript" })));
const show = (text) => { $("status").textContent = text; };
let number = 0, started = 0, writes = false, seedNote = "";

/** Begin to write, or stop. */
function toggle() {
  [number, writes] = [number + 1, !writes];
  $("go").textContent = writes ? "Stop" : "Write";
  if (!writes) return worker.postMessage({ number });
  const drawn = crypto.getRandomValues(new Uint32Array(1))[0], { value: seed } = $("seed"), { value: typed } = $("random-seed");
  const [length, temperature, randomSeed] = [$("length").value, $("temperature").value, typed || drawn].map(Number);
  $("begun").textContent = seed;
  $("written").textContent = "";
  $("text").hidden = $("copy").disabled = false;
  started = performance.now();
  show(seedNote = `Random seed ${randomSeed}.`);
  return worker.postMessage({ number, seed, length, temperature, randomSeed });
}

worker.onmessage = ({ data }) => {
  if (data.number !== number) return;
  if (data.ready) [$("go").disabled, $("status").textContent] = [false, "Ready."];
  if (data.written) $("written").append(data.written);
  if (!data.done) return;
  [writes, $("go").textContent] = [false, "Write"];
  if (data.problem) return show(data.problem);
  const speed = 1000 * [...$("written").textContent].length / (performance.now() - started);
  const lacking = data.unknown.length ? ` Left out, since the model lacks them: ${data.unknown.join(" ")}` : "";
  return show(`${seedNote} ${Math.round(speed)} characters a second.${lacking}`);
};

$("go").addEventListener("click", () => { if (writes || $("form").reportValidity()) toggle(); }); // a frame may submit no form
$("form").addEventListener("keydown", ({ key, ctrlKey, target }) => {
  if (key === "Enter" && (ctrlKey || target.tagName === "INPUT")) $("go").click();
});
$("temperature").addEventListener("input", () => { $("chosen").textContent = $("temperature").value; });
$("copy").addEventListener("click", () => {
  getSelection().selectAllChildren($("text"));
  show(document.execCommand("copy") ? "Copied." : "Selected. Copy it with your browser.");
});
worker.postMessage({ number, model: $("model").textContent });
