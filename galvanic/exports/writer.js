// Writes texts with a model of Galvanic, in a worker thread. For the same random seed it writes the same text as Python:
// hidden units and weights are integers, and other numbers are rounded to 32 bits where Python rounds them.
"use strict";

const FIRST = 0, OUTPUT = 2; // kinds of a part: a network's first LSTM layer, and its output layer
const STEPS = 4096, NEVER = -1e9; // integer steps of a hidden unit from 0 to 1; log probability of what must not come
const GUARD_LAGS = 256, GUARD_LEAST = 12, RARE_SIGN = 0.02; // as in galvanic.sampling
const WHOLE_WORD = 0.008, NEW_WORD = 0.005, JUDGED = 64; // as in galvanic.generate
const TOLD_MS = 60, LONGEST_WORD = 30; // between two messages to the page; characters in which a last word should end
const SIGNS = [["'", "’", "‘"], ['"', "”", "“", "„"], ["--", "—", "–"], ["...", "…"]]; // ways to write each (galvanic.text)
const round = Math.fround; // to 32 bits; a product and a sum together are rounded once, as processors do it

/** Return the model: facts as JSON, and arrays whose numbers have 4 bytes, first the lowest ones of all numbers. */
async function unpack(base64) {
  if (!self.DecompressionStream) throw new Error("This browser is too old. Update it, or open the page in another one.");
  const text = atob(base64), bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
  const unzipped = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const data = new Uint8Array(await new Response(unzipped).arrayBuffer());
  let place = 4 + new DataView(data.buffer).getUint32(0, true);
  const model = JSON.parse(new TextDecoder().decode(data.subarray(4, place)));
  for (const [name, { kind, size }] of Object.entries(model.arrays)) {
    const numbers = new Int32Array(size);
    for (let at = 0; at < 4 * size; at++) numbers[at % size] |= data[place++] << (8 * Math.floor(at / size));
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

/** The table of n-grams, a tree of passages, and its mixture with the network (galvanic.companion). */
class Table {
  constructor(arrays, symbols) {
    const { symbol, share, children } = arrays;
    const nodes = 1 + share.length, step = Math.log(1e-6) / 255;
    const shares = Float32Array.from({ length: 256 }, (_, at) => (at < 255 ? Math.exp(step * at) : 0));
    Object.assign(this, { symbols, powers: arrays.powers, first: new Int32Array(nodes + 1).fill(1), symbol: new Int32Array(nodes + 1) });
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
      const sum = round(this.powers[row] + this.powers[row + 1] * sure);
      return Math.max(round(sum + this.powers[row + 2] * tableSure), round(0.01));
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
  for (let pair = 0; pair < 16; pair++) {
    const from = pair >> 2, to = pair & 3;
    if (from !== to) pool[to] = mixed(Math.imul(0xca01f9dd, pool[to]) - Math.imul(0x4973f715, absorb(pool[from])));
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
  constructor({ minP, signs }, temperature) {
    Object.assign(this, { temperature, minP, signs, forbidden: -1 });
    Object.assign(this, { last: new Int32Array(GUARD_LAGS).fill(-1), runs: new Int32Array(GUARD_LAGS) });
  }

  /** Draw a symbol, and forbid the one that would continue a passage that came three times in a row. */
  take(logs, random) {
    const symbol = this.draw(logs, random);
    for (let lag = 0; lag < GUARD_LAGS; lag++) this.runs[lag] = this.last[lag] === symbol ? this.runs[lag] + 1 : 0;
    this.last.copyWithin(1, 0);
    this.last[0] = symbol;
    const loop = this.runs.findIndex((run, lag) => run >= (lag + 1) * Math.max(2, Math.ceil(GUARD_LEAST / (lag + 1))));
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

/** A model: a network, or several whose predictions are averaged, and mostly a table. */
class Model {
  constructor({ symbols, signs, minP, units, parts, arrays }) {
    Object.assign(this, { symbols, signs, minP, units, parts, arrays, ids: new Map(symbols.map((symbol, id) => [symbol, id])) });
    this.table = arrays.share ? new Table(arrays, symbols.length) : null;
  }

  /** Return the beginning of a text: hidden units and cells of all layers, and the table's nodes. */
  start() { return { hidden: new Int16Array(this.units), cells: new Float32Array(this.units), nodes: [0, -1, -1, -1, -1, -1, -1] }; }

  /** Read a symbol of a text, and return the log probability of each one that may follow (galvanic.streams.predict). */
  read({ hidden, cells, nodes }, symbol) {
    const logs = [], arrays = this.arrays;
    for (const { kind, columns, inputs, first, weights, scales, table } of this.parts) {
      const gates = new Float32Array(columns), added = table + (kind === FIRST ? symbol * columns : 0), end = first + inputs;
      multiply(arrays.weights, weights, hidden.subarray(first, end), gates);
      for (let column = 0; column < columns; column++) {
        gates[column] = arrays.tables[added + column] + gates[column] * arrays.scales[scales + column];
      }
      if (kind === OUTPUT) logs.push(logSoftmax(gates.subarray(0, this.symbols.length))); // what is behind is padding
      else advance(cells.subarray(end - columns / 4, end), hidden.subarray(end - columns / 4, end), gates);
    }
    const mean = (_, at) => Math.max(NEVER, Math.log(logs.reduce((sum, each) => sum + Math.exp(each[at]) / logs.length, 0)));
    const network = logs.length > 1 ? logs[0].map(mean) : logs[0];
    this.table?.follow(nodes, symbol);
    return this.table?.mix(nodes, network) ?? network;
  }

  has(text) { return [...text].every((symbol) => this.ids.has(symbol)); }

  /** Return whether the model's own text has these characters; others are its parent's. */
  learned(text) { return this.has(text) && [...text].every((symbol) => !this.table || this.table.share[1 + this.ids.get(symbol)]); }

  /** Return a text with signs that the model learned, or else has, in place of the others. */
  inKnownSigns(text) {
    return text.replace(/["'“”„‘’—–…]|--|\.\.\./g, (form, at) => {
      const [plain, ...printed] = SIGNS.find((forms) => forms.includes(form));
      if (at === 0 || "([{‘“—–- \n\t".includes(text[at - 1])) printed.reverse();
      const ways = [form, plain, ...printed];
      // As in galvanic.text.signs: of several characters only what is given, and „ not where “ and ” are.
      const fits = (has) => (way) => has(way) && (way === form || (way.length === 1 && (way !== "„" || !has("“”"))));
      return ways.find(fits((way) => this.learned(way))) ?? ways.find(fits((way) => this.has(way))) ?? ways.find((way) => this.has(way)) ?? form;
    });
  }

  /** Return a text with other forms of the letters that the model lacks: for É, é before E and e. */
  inKnownLetters(text) {
    const cases = (form) => [form, form.toLowerCase(), form.toUpperCase()];
    const written = (form) => [...form].map((letter) => {
      const plain = letter.normalize("NFKD").replace(/\p{Mn}/gu, ""), blank = letter.replace(/\s/, " ");
      return [letter, letter.normalize("NFD"), ...cases(letter), ...cases(plain), blank].find((form) => form && this.has(form)) ?? letter;
    }).join("");
    const lacking = (form) => [...form].filter((letter) => !this.ids.has(letter)).length;
    if (this.has(text)) return text;
    // Composed or as it is: some letters, as of Hindi or Hebrew, have no composed form.
    return [text, text.normalize("NFC")].map(written).reduce((best, form) => lacking(form) < lacking(best) ? form : best);
  }

  /** Return the sign that belongs between a seed and a text, or nothing: galvanic.generate's `_needs_opening`. */
  opening(seed, first) {
    const before = seed.slice(-JUDGED).map((id) => this.symbols[id]), after = [..." \n,."].filter((sign) => this.ids.has(sign));
    const pair = before.at(-1) + first;
    if (!/^[\p{L}\p{N}_][\p{L}\p{N}\p{M}_]$/u.test(pair) || /[\p{sc=Han}\p{sc=Hira}\p{sc=Thai}\p{sc=Laoo}\p{sc=Khmr}\p{sc=Mymr}]/u.test(pair)) return "";
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
  const text = model.start(), sampler = new Sampler(model, temperature), random = uniform(randomSeed);
  for (let at = 1, id = ids[0];; at++) {
    const logs = model.read(text, id), { value: place } = random.next();
    id = at < ids.length ? ids[at] : sampler.take(logs, place);
    if (at >= ids.length) yield id;
  }
}

/** Continue a seed up to the end of a word, and send the page what is new, and the characters that the model lacks. */
async function write({ number, seed, length, temperature, randomSeed }) {
  const start = model.ids.has("\n") ? "\n\n" : model.symbols[0];
  const symbols = [...model.inKnownLetters(model.inKnownSigns(seed || start))];
  const read = symbols.filter((symbol) => model.ids.has(symbol)), hasWords = read.some((symbol) => symbol.trim());
  // After a space that is read, the text would stand right behind an unknown character at the end.
  while (hasWords && !model.ids.has(symbols.at(-1)) && !read.at(-1).trim()) read.pop();
  const ids = read.map((symbol) => model.ids.get(symbol));
  if (!ids.length) throw new Error("The model knows none of these characters. Use the script of its text.");
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
  postMessage({ number, written, done: true, unknown: [...new Set(symbols)].filter((symbol) => !model.ids.has(symbol)) });
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
