// The page: takes images, shows what the networks say of them, and turns them.
"use strict";

(() => {
  const $ = (id) => document.getElementById(id);
  const STUDY = JSON.parse($("study").textContent);
  const PARTS = 16; // turns of the certificate
  const SHOWN = 320; // px of the canvas

  // ---- What the page brings with it ----------------------------------------------------------

  function bytes(text) {
    const binary = atob(text);
    return Uint8Array.from(binary, (letter) => letter.charCodeAt(0));
  }

  function tensor({ values, scales }) {
    const raw = bytes(values);
    if (!scales) return new Float32Array(raw.buffer);
    const whole = new Int8Array(raw.buffer);
    const rows = new Float32Array(bytes(scales).buffer);
    const length = whole.length / rows.length;
    return Float32Array.from(whole, (value, n) => value * rows[Math.floor(n / length)]);
  }

  function network({ layers, temperature }) {
    const unpacked = layers.map((layer) => {
      const ready = { ...layer };
      for (const key of ["weight", "bias"]) if (layer[key]) ready[key] = tensor(layer[key]);
      return ready;
    });
    return { ...Network.build(unpacked), temperature };
  }

  const networks = Object.fromEntries(Object.entries(STUDY.networks).map(([name, one]) => [name, network(one)]));
  const [main] = Object.keys(networks);

  // ---- Images --------------------------------------------------------------------------------

  async function pixelsOf(blob) {
    const bitmap = await createImageBitmap(blob, { colorSpaceConversion: "none" });
    if (bitmap.width !== bitmap.height) {
      throw new Error(`${bitmap.width}×${bitmap.height} px; square images are needed, with the galaxy in the middle`);
    }
    if (bitmap.width < 8 || bitmap.width > 4096) throw new Error(`${bitmap.width} px; 8 to 4096 px are allowed`);
    const side = bitmap.width;
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = side;
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.fillRect(0, 0, side, side); // transparent images lie on black
    context.drawImage(bitmap, 0, 0);
    const { data } = context.getImageData(0, 0, side, side);
    const pixels = new Float32Array(3 * side * side);
    for (let n = 0; n < side * side; n++) {
      for (let channel = 0; channel < 3; channel++) pixels[channel * side * side + n] = data[4 * n + channel];
    }
    return { pixels, side };
  }

  // The field of the training images, cut from a larger one.
  function cutField({ pixels, side }, scale) {
    if (!scale) return { pixels, side };
    const field = STUDY.field;
    if (!field) throw new Error("the pixel scale of the training images is not known; leave it empty");
    if (side * scale < 0.98 * field) {
      throw new Error(`shows ${(side * scale).toFixed(1)}″; the network was trained on ${field.toFixed(1)}″`);
    }
    if (field / scale < 8) throw new Error(`at ${scale}″ per px the training field has fewer than 8 px`);
    const margin = Math.max(0, Math.round((side - field / scale) / 2));
    const inner = side - 2 * margin;
    const cut = new Float32Array(3 * inner * inner);
    for (let n = 0; n < cut.length; n++) {
      const row = Math.floor(n / inner);
      const [channel, y] = [Math.floor(row / inner), row % inner];
      cut[n] = pixels[(channel * side + y + margin) * side + (n % inner) + margin];
    }
    return { pixels: cut, side: inner };
  }

  // ---- What is shown -------------------------------------------------------------------------

  let shown = null; // {name, prepared, upright: {network: probabilities}, run}

  async function open(name, blob) {
    const started = performance.now();
    try {
      const scale = Number($("scale").value) || null;
      const image = cutField(await pixelsOf(blob), scale);
      const prepared = Network.prepare(image.pixels, image.side, STUDY.preparation);
      shown = { name, prepared, upright: {} };
      $("angle").value = 0;
      $("mirror").checked = false;
      for (const key of Object.keys(networks)) shown.upright[key] = probabilities(key, prepared);
      $("result").hidden = false;
      draw();
      warn();
      $("status").textContent =
        `${name}: ${top()}. Answered in ${Math.round(performance.now() - started)} ms.`;
      certify(shown);
    } catch (error) {
      $("status").textContent = `${name}: cannot be classified: ${error.message || "not a readable image"}.`;
    }
  }

  function probabilities(key, pixels) {
    const { logits } = Network.run(networks[key], pixels, STUDY.preparation.input_size);
    return Network.softmax(logits, networks[key].temperature);
  }

  function top() {
    const values = shown.upright[main];
    const best = values.indexOf(Math.max(...values));
    return `${STUDY.classes[best]}, ${(100 * values[best]).toFixed(0)} %`;
  }

  function turned() {
    return Network.turn(shown.prepared, STUDY.preparation.input_size, Number($("angle").value), $("mirror").checked);
  }

  function draw() {
    const pixels = turned();
    const size = STUDY.preparation.input_size;
    const run = Network.run(networks[main], pixels, size);
    const values = Network.softmax(run.logits, networks[main].temperature);
    for (const key of Object.keys(networks)) bars(key, key === main ? values : probabilities(key, pixels));
    const label = values.indexOf(Math.max(...values));
    const cam = $("cam").checked ? Network.activation(networks[main], run, label) : null;
    paint(pixels, size, cam);
    $("turned").textContent = `${$("angle").value}°${$("mirror").checked ? ", mirrored" : ""}`;
    $("galaxy").setAttribute("aria-label", `${shown.name}, turned by ${$("turned").textContent}` +
      (cam ? `; bright where the network sees ${STUDY.classes[label]}` : ""));
  }

  function bars(key, values) {
    values.forEach((value, n) => {
      const cell = $(`${key}-${n}`);
      cell.firstElementChild.style.width = `${100 * value}%`;
      cell.lastElementChild.textContent = `${(100 * value).toFixed(1)} %`;
      cell.dataset.value = value;
    });
    const change = Math.max(...values.map((value, n) => Math.abs(value - shown.upright[key][n])));
    const cell = $(`${key}-change`);
    cell.textContent = `${(100 * change).toFixed(2)} %`;
    cell.dataset.value = change;
  }

  function paint(pixels, size, cam) {
    const image = new ImageData(size, size);
    for (let n = 0; n < size * size; n++) {
      for (let channel = 0; channel < 3; channel++) image.data[4 * n + channel] = pixels[channel * size * size + n];
      image.data[4 * n + 3] = 255;
    }
    const canvas = $("galaxy");
    const context = canvas.getContext("2d");
    context.imageSmoothingEnabled = true;
    context.drawImage(small(image), 0, 0, SHOWN, SHOWN);
    if (!cam) return;
    const most = Math.max(...cam.data, 1e-9);
    const overlay = new ImageData(cam.size, cam.size);
    cam.data.forEach((value, n) => overlay.data.set([255, 170, 0, 150 * (value / most)], 4 * n));
    // The corners of the map lie on the corners of the image, whose side is 2^k m + 1 px.
    const step = (size - 1) / Math.max(cam.size - 1, 1);
    const [from, length] = [((1 - step) / 2 / size) * SHOWN, ((cam.size * step) / size) * SHOWN];
    context.drawImage(small(overlay), from, from, length, length);
  }

  function small(image) {
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = image.width;
    canvas.getContext("2d").putImageData(image, 0, 0);
    return canvas;
  }

  function warn() {
    const box = $("warning");
    box.hidden = true;
    if (!STUDY.outliers) return;
    const scores = Outliers.scores(shown.prepared, STUDY.preparation.input_size, STUDY.outliers);
    const worst = scores.indexOf(Math.max(...scores));
    if (scores[worst] <= 1) return;
    box.hidden = false;
    box.textContent = `Unlike the training images: ${STUDY.outliers.reasons[worst]}. The probabilities mean little.`;
  }

  // Turns and mirror images one by one, so that the page stays alive.
  async function certify(image) {
    const largest = Object.fromEntries(Object.keys(networks).map((key) => [key, { all: 0, quarters: 0 }]));
    $("certificate").textContent = "The certificate is being computed…";
    for (let part = 0; part < 2 * PARTS; part++) {
      await new Promise((done) => setTimeout(done));
      if (shown !== image) return;
      const angle = (360 / PARTS) * (part % PARTS);
      const pixels = Network.turn(image.prepared, STUDY.preparation.input_size, angle, part >= PARTS);
      for (const [key, found] of Object.entries(largest)) {
        const values = probabilities(key, pixels);
        const change = Math.max(...values.map((value, n) => Math.abs(value - image.upright[key][n])));
        found.all = Math.max(found.all, change);
        if (angle % 90 === 0) found.quarters = Math.max(found.quarters, change);
      }
    }
    const percent = (value) => `${(100 * (value < 5e-6 ? 0 : value)).toFixed(2)} %`;
    $("certificate").textContent = Object.entries(largest).map(([key, found]) =>
      `${STUDY.networks[key].title}: no probability changes by more than ${percent(found.all)} over ${PARTS} turns ` +
      `and mirror images, by quarter turns and their mirror images ${percent(found.quarters)}.`).join(" ");
  }

  // ---- What a person does --------------------------------------------------------------------

  let waiting = false;
  function redraw() {
    if (!shown || waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; draw(); });
  }
  for (const id of ["angle", "mirror", "cam"]) $(id).addEventListener("input", redraw);

  let files = [];
  function show(list) {
    files = [...list].slice(0, 100);
    const box = $("files");
    box.replaceChildren(...(files.length > 1 ? files.map((file) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = file.name;
      button.addEventListener("click", () => open(file.name, file));
      return button;
    }) : []));
    if (files.length) open(files[0].name, files[0]);
  }
  $("choose").addEventListener("change", (event) => show(event.target.files));
  for (const kind of ["dragover", "dragleave", "drop"]) {
    document.addEventListener(kind, (event) => {
      event.preventDefault();
      $("drop").classList.toggle("over", kind === "dragover");
      if (kind === "drop") show(event.dataTransfer.files);
    });
  }
  for (const button of document.querySelectorAll("[data-example]")) {
    button.addEventListener("click", () => {
      const { name, image } = STUDY.examples[Number(button.dataset.example)];
      const [head, content] = image.split(",");
      open(name, new Blob([bytes(content)], { type: head.slice(5, head.indexOf(";")) }));
    });
  }
  $("status").textContent = "Choose an image, or one of the examples.";
})();
