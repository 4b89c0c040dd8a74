// How unlike the training images an image is: what equimorph.classify.outliers measures.
"use strict";

const Outliers = (() => {
  const RINGS = [0, 0.15, 0.35, 0.6, 0.98];
  const LAGS = [1, 2, 4];
  const [FAINT_PIXELS, FAINT_LIGHT, STRETCH_Q] = [4, 0.01, 20];

  // For each ring, and for the whole disc, the pixels inside.
  function regions(size) {
    const edges = RINGS.slice(1).map((high, n) => [RINGS[n], high]);
    edges.push([RINGS[0], RINGS.at(-1)]);
    const radius = Array.from({ length: size * size }, (_, n) =>
      Math.fround(Math.hypot(Math.floor(n / size) - (size - 1) / 2, (n % size) - (size - 1) / 2) / (size / 2)));
    return edges.map(([low, high]) => radius.map((r) => Math.fround(low) <= r && r < Math.fround(high)));
  }

  const mean = (values, inside) => {
    let [sum, count] = [0, 0];
    values.forEach((value, n) => { if (inside[n]) { sum += value; count += 1; } });
    return sum / count;
  };

  const quantile = (values, level) => {
    const sorted = Float64Array.from(values).sort();
    return sorted[roundHalfEven(level * (sorted.length - 1))];
  };

  const roundHalfEven = (value) =>
    value - Math.floor(value) === 0.5 ? 2 * Math.round(value / 2) : Math.round(value);

  function unstretched([r, g, b]) {
    const middle = Math.max((r + g + b) / 3, 0.3) / 255;
    const factor = Math.sinh(Math.sqrt(STRETCH_Q) * middle) / (255 * STRETCH_Q * middle);
    return [r * factor, g * factor, b * factor];
  }

  function statistics(pixels, size) {
    const area = size * size;
    const all = regions(size);
    const [rings, disc, sky] = [all.slice(0, -1), all.at(-1), all.at(-2)];
    const colours = [0, 1, 2].map((channel) => pixels.subarray(channel * area, (channel + 1) * area));
    const grey = Float64Array.from({ length: area }, (_, n) => (colours[0][n] + colours[1][n] + colours[2][n]) / 3);
    const found = [];
    const brightness = colours.map((colour) => rings.map((ring) => mean(colour, ring)));
    brightness.flat().forEach((value) => found.push(Math.log(value + 5)));
    rings.forEach((ring) => {
      const variance = mean(grey.map((value) => value * value), ring) - mean(grey, ring) ** 2;
      found.push(Math.log(Math.sqrt(Math.max(variance, 0)) + 1));
    });
    const inside = grey.filter((_, n) => disc[n]);
    for (const level of [0.5, 0.99]) found.push(Math.log(quantile(inside, level) + 5));
    const median = quantile(grey.filter((_, n) => sky[n]), 0.5);
    const dark = sky.map((within, n) => within && grey[n] <= median);
    const background = colours.map((colour) => mean(colour, dark));
    const light = [0, 1, 2].map(() => new Float64Array(area));
    for (let n = 0; n < area; n++) {
      unstretched(colours.map((colour) => colour[n])).forEach((value, channel) => { light[channel][n] = value; });
    }
    const lit = light.map((plane) => rings.map((ring) => mean(plane, ring)));
    for (const [values, level, least] of [
      [brightness, background, FAINT_PIXELS],
      [lit, unstretched(background), FAINT_LIGHT],
    ]) {
      const excess = values.map((row, channel) =>
        row.slice(0, -1).map((value) => Math.log(Math.max(value - level[channel], 0) + least)));
      for (const channel of [0, 1]) {
        excess[channel].forEach((value, ring) => found.push(value - excess[channel + 1][ring]));
      }
      for (const channel of [0, 1]) {
        found.push(Math.log(level[channel] + least) - Math.log(level[channel + 1] + least));
      }
    }
    for (const lag of LAGS) {
      for (const power of [Math.abs, (value) => value * value]) {
        for (const region of [sky, disc]) found.push(Math.log(changes(grey, size, region, lag, power) + 0.5));
      }
    }
    return found;
  }

  function changes(grey, size, region, lag, power) {
    let [sum, pairs] = [0, 0];
    for (const [step, width, height] of [[lag * size, size, size - lag], [lag, size - lag, size]]) {
      for (let y = 0; y < height; y++) {
        for (let x = 0; x < width; x++) {
          const n = y * size + x;
          if (region[n] && region[n + step]) { sum += power(grey[n + step] - grey[n]); pairs += 1; }
        }
      }
    }
    return sum / pairs;
  }

  // 0 is a usual image, more than 1 a reason for a warning; one score for each reason.
  function scores(pixels, size, known) {
    const { mean: centre, whitening, hidden, hidden_bias, output, output_bias, typical, limits } = known;
    const described = statistics(pixels, size).map((value, n) => value - centre[n]);
    const white = times(described, whitening).map(Math.asinh);
    const units = times(white, hidden).map((value, n) => Math.tanh(value + hidden_bias[n]));
    const logits = times(units, output).map((value, n) => value + output_bias[n]);
    const raw = [Math.hypot(...white), ...logits.slice(1).map((value) => value - logits[0])];
    return raw.map((value, n) => (value - typical[n]) / (limits[n] - typical[n]));
  }

  // A row times a matrix.
  const times = (row, matrix) => matrix[0].map((_, k) => row.reduce((sum, value, n) => sum + value * matrix[n][k], 0));

  return { statistics, scores };
})();

if (typeof module !== "undefined") module.exports = Outliers;
