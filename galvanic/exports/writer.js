// Writes texts with a model of Galvanic, in a worker thread. For the same random seed it writes the same text as Python:
// hidden units and weights are integers, and other numbers are rounded to 32 bits where Python rounds them.
"use strict";

const STEPS = 4096, NEVER = -1e9; // integer steps of a hidden unit from 0 to 1; log probability of what must not come
const GUARD_LAGS = 256, GUARD_LEAST = 12, RARE_SIGN = 0.02; // as in galvanic.sampling
const WHOLE_WORD = 0.008, NEW_WORD = 0.005, JUDGED = 64; // as in galvanic.generate
const TOLD_MS = 60, LONGEST_WORD = 30; // between two messages to the page; characters in which a last word should end
const SIGNS = [["'", "’", "‘"], ['"', "”", "“"], ["--", "—", "–"], ["...", "…"]]; // ways to write each, as in galvanic.text
const round = Math.fround; // to 32 bits; a product and a sum together are rounded once, as processors do it

/** Return the model: facts as JSON, and arrays whose numbers have 4 bytes, first the lowest ones of all numbers. */
async function unpack(base64) {
  const text = atob(base64), bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
  const unzipped = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const data = new Uint8Array(await new Response(unzipped).arrayBuffer());
  let place = 4 + new DataView(data.buffer).getUint32(0, true);
  const model = JSON.parse(new TextDecoder().decode(data.subarray(4, place)));
  for (const [name, { kind, size }] of Object.entries(model.arrays)) {
    const numbers = new Int32Array(size);
    for (let shift = 0; shift < 32; shift += 8) {
      for (let at = 0; at < size; at++) numbers[at] |= data[place++] << shift;
    }
    const kinds = { int16: () => Int16Array.from(numbers), int32: () => numbers, float32: () => new Float32Array(numbers.buffer) };
    model.arrays[name] = kinds[kind]();
  }
  return model;
}

const ABOVE = Float32Array.of(-2.76076847742355e-16, 2.00018790482477e-13, -8.60467152213735e-11, 5.12229709037114e-8,
  1.48572235717979e-5, 6.37261928875436e-4, 4.89352455891786e-3);
const BELOW = Float32Array.of(1.19825839466702e-6, 1.18534705686654e-4, 2.268434632439e-3, 4.89352518554385e-3);

/** Return tanh, by the rational function of galvanic.kernels. */
function tanh(number) {
  const x = Math.min(Math.max(number, round(-7.9)), round(7.9)), y = round(x * x);
  let above = ABOVE[0], below = BELOW[0];
  for (let at = 1; at < ABOVE.length; at++) above = round(above * y + ABOVE[at]);
  for (let at = 1; at < BELOW.length; at++) below = round(below * y + BELOW[at]);
  return round(round(x * above) / below);
}

const sigmoid = (number) => round(0.5 + 0.5 * tanh(0.5 * number));
const largest = (numbers) => numbers.reduce((most, number) => Math.max(most, number));

function logSoftmax(logits) {
  const most = largest(logits), total = logits.reduce((sum, logit) => sum + round(Math.exp(round(logit - most))), 0);
  const base = round(most + round(Math.log(total)));
  return logits.map((logit) => logit - base);
}

/** Write the products of hidden units with each column of weights into `sums`, by four: each unit is loaded once. */
function multiply(weights, begin, hidden, sums) {
  const inputs = hidden.length;
  for (let column = 0, at = begin; column < sums.length; column += 4, at += 4 * inputs) {
    let a = 0, b = 0, c = 0, d = 0; // whole numbers, so any order gives the same sums
    for (let unit = 0; unit < inputs; unit++) {
      const value = hidden[unit];
      a = (a + weights[at + unit] * value) | 0;
      b = (b + weights[at + inputs + unit] * value) | 0;
      c = (c + weights[at + 2 * inputs + unit] * value) | 0;
      d = (d + weights[at + 3 * inputs + unit] * value) | 0;
    }
    [sums[column], sums[column + 1], sums[column + 2], sums[column + 3]] = [a, b, c, d];
  }
}

/** Advance a layer of LSTM cells, whose gates are ordered i, f, g, o. */
function advance(cells, hidden, gates) {
  const units = cells.length;
  for (let unit = 0; unit < units; unit++) {
    const kept = sigmoid(gates[units + unit]) * cells[unit];
    cells[unit] = kept + round(sigmoid(gates[unit]) * tanh(gates[2 * units + unit]));
    const output = round(sigmoid(gates[3 * units + unit]) * tanh(cells[unit]));
    hidden[unit] = (round(output * STEPS + (STEPS + 0.5)) | 0) - STEPS; // rounded
  }
}

/** Read a symbol by an LSTM network, and return the log probability of each one that may follow. */
function readBy({ parts, weights, scales, tables }, { hidden, cells }, symbol) {
  let gates;
  for (const part of parts) {
    const { columns, inputs, first } = part, added = part.table + (part === parts[0] ? symbol * columns : 0), end = first + inputs;
    gates = new Float32Array(columns);
    multiply(weights, part.weights, hidden.subarray(first, end), gates);
    for (let column = 0; column < columns; column++) {
      gates[column] = tables[added + column] + gates[column] * scales[part.scales + column];
    }
    if (part !== parts.at(-1)) advance(cells.subarray(end - columns / 4, end), hidden.subarray(end - columns / 4, end), gates);
  }
  return gates;
}

/** The table of n-grams, a tree of passages, and its mixture with the network (galvanic.companion). */
class Table {
  constructor(arrays, symbols) {
    const { symbol, share, children } = arrays;
    const nodes = 1 + share.length, step = Math.log(1e-6) / 255;
    const shares = Float32Array.from({ length: 256 }, (_, at) => (at < 255 ? Math.exp(step * at) : 0));
    Object.assign(this, { symbols, weights: arrays.weights, first: new Int32Array(nodes + 1).fill(1), symbol: new Int32Array(nodes + 1) });
    Object.assign(this, { share: new Float32Array(nodes + 1), rest: new Float32Array(nodes + 1) });
    for (let node = 0; node < nodes; node++) {
      if (node) this.symbol[node] = node <= symbols ? node - 1 : symbol[node - 1 - symbols];
      const begin = this.first[node], end = begin + (node ? children[node - 1] ?? 0 : symbols);
      let sum = 0;
      for (let child = begin; child < end; child++) sum += shares[share[child - 1]];
      const scale = round(Math.min(1, (1 - 1e-4) / Math.max(sum, 1e-9)));
      for (let child = begin; child < end; child++) this.share[child] = shares[share[child - 1]] * scale;
      this.rest[node] = 1 - sum * scale;
      this.first[node + 1] = end;
    }
  }

  /** Read a symbol: move `nodes`, those of the last 0, 1, 2, ... symbols, on by it; -1: the table lacks the passage. */
  follow(nodes, symbol) {
    for (let length = nodes.length - 1; length > 0; length--) {
      const parent = nodes[length - 1], begin = this.first[parent];
      const child = parent < 0 ? -1 : this.symbol.subarray(begin, this.first[parent + 1]).indexOf(symbol);
      nodes[length] = child < 0 ? -1 : begin + child;
    }
  }

  /** Return the table's log probability of each symbol. */
  predict(nodes) {
    const result = new Float32Array(this.symbols).fill(1 / this.symbols);
    for (const node of nodes) {
      if (node < 0 || this.first[node] === this.first[node + 1]) continue;
      for (let symbol = 0; symbol < result.length; symbol++) result[symbol] *= this.rest[node];
      for (let child = this.first[node]; child < this.first[node + 1]; child++) result[this.symbol[child]] += this.share[child];
    }
    return result.map(Math.log);
  }

  /** Return the mixture's log probabilities: powers of the network and the table, by how sure both are. */
  mix(nodes, network) {
    const table = this.predict(nodes), [sure, tableSure] = [network, table].map(largest);
    const [u, v] = [0, 3].map((row) => {
      const sum = round(this.weights[row] + this.weights[row + 1] * sure);
      return Math.max(round(sum + this.weights[row + 2] * tableSure), round(0.01));
    });
    return logSoftmax(network.map((log, symbol) => u * log + round(v * table[symbol])));
  }
}

/** Yield random numbers from [0, 1) in 32 bits, as NumPy's default_rng(seed).random: PCG64, seeded by a SeedSequence. */
function* uniform(seed) {
  const mixed = (value) => (value ^ (value >>> 16)) >>> 0;
  const hash = (constant, factor) => (value) => {
    const before = constant;
    constant = Math.imul(constant, factor);
    return mixed(Math.imul(value ^ before, constant));
  };
  const absorb = hash(0x43b0d7e5, 0x931e8875), release = hash(0x8b51f9dd, 0x58f38ded);
  const pool = [seed, 0, 0, 0].map(absorb);
  for (let from = 0; from < 4; from++) {
    for (let to = 0; to < 4; to++) {
      if (from !== to) pool[to] = mixed(Math.imul(0xca01f9dd, pool[to]) - Math.imul(0x4973f715, absorb(pool[from])));
    }
  }
  const words = Array.from({ length: 8 }, (_, at) => BigInt(release(pool[at % 4])));
  const [high, low, streamHigh, streamLow] = [0, 2, 4, 6].map((at) => words[at] | (words[at + 1] << 32n));
  const increment = (((streamHigh << 64n) | streamLow) << 1n) | 1n;
  const step = (state) => BigInt.asUintN(128, state * 0x2360ed051fc65da44385df649fccf645n + increment);
  let state = step(increment + ((high << 64n) | low));
  while (true) {
    state = step(state);
    const word = BigInt.asUintN(64, (state >> 64n) ^ state), turn = state >> 122n;
    const bits = BigInt.asUintN(64, (word >> turn) | (word << (64n - turn)));
    yield Number((bits & 0xffffffffn) >> 8n) / 2 ** 24;
    yield Number(bits >> 40n) / 2 ** 24;
  }
}

/** Draws the symbols of one text, and breaks out of loops (galvanic.sampling). */
class Sampler {
  constructor({ minP, signs }, temperature, seed) {
    Object.assign(this, { temperature, minP, signs, random: uniform(seed), forbidden: -1 });
    Object.assign(this, { last: new Int32Array(GUARD_LAGS).fill(-1), runs: new Int32Array(GUARD_LAGS) });
  }

  /** Draw a symbol, and forbid the one that would continue a passage that came three times in a row. */
  take(logs) {
    const symbol = this.draw(logs, this.random.next().value);
    for (let lag = 0; lag < GUARD_LAGS; lag++) this.runs[lag] = this.last[lag] === symbol ? this.runs[lag] + 1 : 0;
    this.last.copyWithin(1, 0);
    this.last[0] = symbol;
    const loop = this.runs.findIndex((run, lag) => run >= Math.max(2 * (lag + 1), GUARD_LEAST));
    this.forbidden = loop < 0 ? -1 : this.last[loop];
    return symbol;
  }

  /** Draw a symbol by log probabilities, temperature and min-p. */
  draw(logs, random) {
    const weights = logs.map((log, symbol) => (symbol === this.forbidden ? NEVER : log));
    const most = largest(weights), likeliest = weights.indexOf(most);
    if (!this.temperature) return likeliest;
    let total = 0, sum = 0;
    for (let symbol = 0; symbol < weights.length; symbol++) {
      weights[symbol] = Math.exp(round(round(weights[symbol] - most) / round(this.temperature)));
      if (weights[symbol] < this.minP) weights[symbol] = 0;
      total += weights[symbol];
    }
    this.keepSignRatios(logs, weights);
    const drawn = weights.findIndex((weight) => (sum += weight) > random * total && weight > 0);
    return drawn < 0 ? likeliest : drawn;
  }

  /** Share the weight of all signs among them as predicted: a low temperature would make nearly each one a space. */
  keepSignRatios(logs, weights) {
    const signs = this.signs.filter((sign) => sign !== this.forbidden), total = () => signs.reduce((sum, sign) => sum + weights[sign], 0);
    const together = total(), best = largest([NEVER, ...signs.map((sign) => logs[sign])]);
    if (!together) return;
    for (const sign of signs) weights[sign] = Math.exp(logs[sign] - best);
    for (const sign of signs) weights[sign] *= weights[sign] >= RARE_SIGN;
    const predicted = total();
    for (const sign of signs) weights[sign] *= together / predicted;
  }
}

/** A model: a network, or the mean of several, and mostly a table. */
class Model {
  constructor({ symbols, signs, minP, networks, arrays }) {
    Object.assign(this, { symbols, signs, minP, ids: new Map(symbols.map((symbol, id) => [symbol, id])) });
    this.networks = networks.map((network, at) => (
      { ...network, weights: arrays[`weights${at}`], scales: arrays[`scales${at}`], tables: arrays[`tables${at}`] }));
    this.table = arrays.share ? new Table(arrays, symbols.length) : null;
  }

  /** Return the beginning of a text: each network's state, and the table's nodes. */
  start() {
    const states = this.networks.map(({ units }) => ({ hidden: new Int16Array(units), cells: new Float32Array(units) }));
    return { states, nodes: [0, -1, -1, -1, -1, -1, -1] };
  }

  /** Read a symbol of a text, and return the log probability of each one that may follow. */
  read(text, symbol) {
    const size = this.symbols.length; // what is behind is padding
    const logs = this.networks.map((network, at) => logSoftmax(readBy(network, text.states[at], symbol).subarray(0, size)));
    const mean = (_, at) => Math.max(NEVER, Math.log(logs.reduce((sum, each) => sum + Math.exp(each[at]) / logs.length, 0)));
    const together = logs.length > 1 ? logs[0].map(mean) : logs[0];
    this.table?.follow(text.nodes, symbol);
    return this.table?.mix(text.nodes, together) ?? together;
  }

  /** Return a text with signs that the model has in place of those that it lacks. */
  inKnownSigns(text) {
    const has = (form) => [...form].every((sign) => this.ids.has(sign));
    return text.replace(/["'“”‘’—–…]|--|\.\.\./g, (form, at) => {
      const [plain, ...printed] = SIGNS.find((forms) => forms.includes(form));
      if (at === 0 || "([{‘“—–- \n\t".includes(text[at - 1])) printed.reverse();
      return [form, plain, ...printed].find(has) ?? form;
    });
  }

  /** Return the sign that belongs between a seed and a text, or nothing: galvanic.generate's `_needs_opening`. */
  opening(seed, first) {
    const before = seed.slice(-JUDGED).map((id) => this.symbols[id]), after = [..." \n,."].filter((sign) => this.ids.has(sign));
    const pair = before.at(-1) + first;
    if (!/^[\p{L}\p{N}_][\p{L}\p{N}\p{M}_]$/u.test(pair) || /[\p{sc=Han}\p{sc=Hira}\p{sc=Thai}]/u.test(pair)) return "";
    const text = this.start();
    let logs = null, last = 1;
    for (const symbol of [" ", ...before].filter((each) => this.ids.has(each))) {
      last = Math.exp(logs ? logs[this.ids.get(symbol)] : -Math.log(this.symbols.length));
      logs = this.read(text, this.ids.get(symbol));
    }
    const likely = after.map((sign) => Math.exp(logs[this.ids.get(sign)]));
    const isNew = /^\p{L}{2}$/u.test(before.slice(-2).join("")) && last < NEW_WORD;
    if (!after.length || !(isNew || likely.reduce((sum, each) => sum + each) >= WHOLE_WORD)) return "";
    return after[likely.indexOf(Math.max(...likely))];
  }
}

let model = null, newest = 0; // number of the text that is asked for; a text with another number ends

/** Yield the ids that follow these ones. Each symbol that is read takes a random number, as in Python. */
function* following(ids, temperature, randomSeed) {
  const text = model.start(), sampler = new Sampler(model, temperature, randomSeed);
  for (const id of ids.slice(0, -1)) {
    model.read(text, id);
    sampler.random.next();
  }
  for (let id = ids.at(-1);;) {
    id = sampler.take(model.read(text, id));
    yield id;
  }
}

/** Continue a seed up to the end of a word, and send the page what is new, and the characters that the model lacks. */
async function write({ number, seed, length, temperature, randomSeed }) {
  const symbols = [...model.inKnownSigns(seed || "\n\n")], unknown = symbols.filter((symbol) => !model.ids.has(symbol));
  const ids = symbols.filter((symbol) => model.ids.has(symbol)).map((symbol) => model.ids.get(symbol));
  if (!ids.length && seed) throw new Error("The model knows none of these characters. Use the script of its text.");
  if (!ids.length) ids.push(0);
  let texts = following(ids, temperature, randomSeed), { value: id } = texts.next(), told = performance.now();
  let written = seed ? model.opening(ids, model.symbols[id]) : "";
  if (written) {
    texts = following([...ids, model.ids.get(written)], temperature, randomSeed);
    id = texts.next().value;
  }
  const ends = (chars) => chars >= length && (/\s/.test(model.symbols[id]) || chars > length + LONGEST_WORD);
  for (let chars = written.length; !ends(chars); chars++, id = texts.next().value) {
    written += model.symbols[id];
    if (performance.now() - told < TOLD_MS) continue;
    postMessage({ number, written });
    [written, told] = ["", performance.now()];
    await new Promise((resolve) => { setTimeout(resolve); }); // a message may have come
    if (number !== newest) return;
  }
  postMessage({ number, written, done: true, unknown: [...new Set(unknown)] });
}

onmessage = async ({ data }) => {
  newest = data.number;
  try {
    if (data.model) model = new Model(await unpack(data.model));
    if (data.model) postMessage({ number: data.number, ready: true });
    else if (data.length) await write(data);
  } catch (error) {
    postMessage({ number: data.number, done: true, problem: error.message });
  }
};
