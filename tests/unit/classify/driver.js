// Reads the page as a browser does, and prints what its functions give for images of a file.
const fs = require("fs");
const [page, web, raw, side] = process.argv.slice(2);
const Network = require(web + "/network.js"), Outliers = require(web + "/outliers.js");
const study = JSON.parse(fs.readFileSync(page, "utf8").match(/id="study">(.*?)<\/script>/s)[1]);
const bytes = (text) => { const b = Buffer.from(text, "base64"); return b.buffer.slice(b.byteOffset, b.byteOffset + b.byteLength); };
function tensor({ values, scales }) {
  if (!scales) return new Float32Array(bytes(values));
  const whole = new Int8Array(bytes(values)), rows = new Float32Array(bytes(scales));
  return Float32Array.from(whole, (value, n) => value * rows[Math.floor((n * rows.length) / whole.length)]);
}
const built = ({ layers }) => Network.build(layers.map((layer) => {
  const ready = { ...layer };
  for (const key of ["weight", "bias"]) if (layer[key]) ready[key] = tensor(layer[key]);
  return ready;
}));
const networks = Object.values(study.networks).map(built);
const all = fs.readFileSync(raw), length = 3 * side * side, size = study.preparation.input_size;
const found = [];
for (let start = 0; start < all.length; start += length) {
  const pixels = Network.prepare(Float32Array.from(all.subarray(start, start + length)), Number(side), study.preparation);
  const runs = networks.map((network) => Network.run(network, pixels, size));
  const label = runs[0].logits.indexOf(Math.max(...runs[0].logits));
  found.push({
    pixels: [...pixels],
    logits: runs.map((run) => [...run.logits]),
    statistics: Outliers.statistics(pixels, size),
    scores: Outliers.scores(pixels, size, study.outliers),
    turned: [...Network.turn(pixels, size, 112.5, true)],
    quarter: [...Network.turn(pixels, size, 270)],
    activation: [...Network.activation(networks[0], runs[0], label).data],
  });
}
console.log(JSON.stringify(found));
