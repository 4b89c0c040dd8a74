// Runs a network that equimorph.models.plain has listed, and prepares images for it as
// equimorph.data.tensors does. Maps are {data: Float32Array, channels, size}. No dependencies.
"use strict";

const Network = (() => {
  const copy = (maps, data) => ({ data, channels: maps.channels, size: maps.size });

  // ---- Layers ------------------------------------------------------------------------------

  function conv(maps, { weight, bias, kernel, stride, padding }) {
    const { data, channels: sources, size } = maps;
    const targets = bias.length;
    const out = Math.floor((size + 2 * padding - kernel) / stride) + 1;
    const result = new Float32Array(targets * out * out);
    for (let target = 0; target < targets; target++) {
      const sum = result.subarray(target * out * out, (target + 1) * out * out).fill(bias[target]);
      for (let source = 0; source < sources; source++) {
        const map = data.subarray(source * size * size, (source + 1) * size * size);
        const start = (target * sources + source) * kernel * kernel;
        taps(sum, map, weight.subarray(start, start + kernel * kernel), kernel, stride, padding, size, out);
      }
    }
    return { data: result, channels: targets, size: out };
  }

  function blur(maps, { weight, kernel, stride, padding }) {
    const { data, channels, size } = maps;
    const out = Math.floor((size + 2 * padding - kernel) / stride) + 1;
    const result = new Float32Array(channels * out * out);
    for (let channel = 0; channel < channels; channel++) {
      const sum = result.subarray(channel * out * out, (channel + 1) * out * out);
      const map = data.subarray(channel * size * size, (channel + 1) * size * size);
      taps(sum, map, weight, kernel, stride, padding, size, out);
    }
    return { data: result, channels, size: out };
  }

  // Add a map, seen through a kernel, to a sum: row by row, one weight at a time.
  function taps(sum, map, weights, kernel, stride, padding, size, out) {
    for (let tap = 0; tap < kernel * kernel; tap++) {
      const weight = weights[tap];
      if (weight === 0) continue;
      const down = Math.floor(tap / kernel) - padding;
      const right = (tap % kernel) - padding;
      const first = right < 0 ? Math.ceil(-right / stride) : 0;
      const last = Math.min(out - 1, Math.floor((size - 1 - right) / stride));
      for (let row = 0; row < out; row++) {
        const y = row * stride + down;
        if (y < 0 || y >= size) continue;
        let from = y * size + first * stride + right;
        for (let to = row * out + first, end = row * out + last; to <= end; to++) {
          sum[to] += weight * map[from];
          from += stride;
        }
      }
    }
  }

  function linear(maps, { weight, bias }) {
    const { data } = maps;
    const result = Float32Array.from(bias, (value, target) => {
      let sum = value;
      for (let n = 0; n < data.length; n++) sum += weight[target * data.length + n] * data[n];
      return sum;
    });
    return { data: result, channels: bias.length, size: 1 };
  }

  const elu = (value) => (value > 0 ? value : Math.expm1(value));

  function groupMax(maps, { size: field }) {
    const { data, channels, size } = maps;
    const area = size * size;
    const result = new Float32Array((channels / field) * area).fill(-Infinity);
    for (let n = 0; n < data.length; n++) {
      const to = Math.floor(n / (field * area)) * area + (n % area);
      if (data[n] > result[to]) result[to] = data[n];
    }
    return { data: result, channels: channels / field, size };
  }

  function maxPool(maps) {
    const { data, channels, size } = maps;
    const out = Math.floor(size / 2);
    const result = new Float32Array(channels * out * out);
    for (let n = 0; n < result.length; n++) {
      const channel = Math.floor(n / (out * out));
      const y = 2 * (Math.floor(n / out) % out);
      const x = 2 * (n % out);
      const from = channel * size * size + y * size + x;
      result[n] = Math.max(data[from], data[from + 1], data[from + size], data[from + size + 1]);
    }
    return { data: result, channels, size: out };
  }

  function mean(maps) {
    const { data, channels, size } = maps;
    const area = size * size;
    const result = new Float32Array(channels);
    for (let channel = 0; channel < channels; channel++) {
      let sum = 0;
      for (let n = channel * area; n < (channel + 1) * area; n++) sum += data[n];
      result[channel] = sum / area;
    }
    return { data: result, channels, size: 1 };
  }

  const perChannel = (value, channel) => (Array.isArray(value) ? value[channel] : value);

  const KINDS = {
    normalise: (maps, { mean, scale }) =>
      copy(maps, maps.data.map((value, n) => {
        const channel = Math.floor(n / (maps.size * maps.size));
        return (value - perChannel(mean, channel)) / perChannel(scale, channel);
      })),
    mask: (maps, { weight }) => copy(maps, maps.data.map((value, n) => value * weight[n % weight.length])),
    conv,
    blur,
    linear,
    relu: (maps) => copy(maps, maps.data.map((value) => (value > 0 ? value : 0))),
    elu: (maps) => copy(maps, maps.data.map(elu)),
    group_max: groupMax,
    max_pool: maxPool,
    mean,
    flatten: (maps) => ({ data: maps.data, channels: maps.data.length, size: 1 }),
  };

  // ---- Weights -----------------------------------------------------------------------------

  // Kernels between regular fields are stored once per orbit (equimorph.models.kernel_symmetry).
  function expand(stored, sources, kernel, moves) {
    const field = moves[0].permutation.length;
    const orbits = moves[0].permutation.map((_, channel) => moves.map((move) => move.permutation[channel]));
    const firsts = orbits.flatMap((orbit, channel) => (Math.min(...orbit) === channel ? [channel] : []));
    const area = kernel * kernel;
    const fields = stored.length / (firsts.length * sources * area);
    const result = new Float32Array(fields * field * sources * area);
    for (const { flip, turns, permutation } of moves) {
      const pixels = movedPixels(kernel, flip, turns);
      for (let part = 0; part < fields * firsts.length; part++) {
        const target = Math.floor(part / firsts.length) * field + permutation[firsts[part % firsts.length]];
        for (let source = 0; source < sources; source++) {
          const moved = sources === 3 ? source : source - (source % field) + permutation[source % field];
          const from = (part * sources + source) * area;
          const to = (target * sources + moved) * area;
          for (let n = 0; n < area; n++) result[to + n] = stored[from + pixels[n]];
        }
      }
    }
    return result;
  }

  // For each pixel of a square after a mirror image and quarter turns, where it comes from.
  function movedPixels(size, flip, turns) {
    let pixels = Array.from({ length: size * size }, (_, n) => n);
    const at = (before, y, x) => before[y * size + x];
    const each = (take) => (before) => before.map((_, n) => take(before, Math.floor(n / size), n % size));
    const mirrored = each((before, y, x) => at(before, y, size - 1 - x));
    const turned = each((before, y, x) => at(before, x, size - 1 - y)); // anticlockwise, as rot90
    if (flip) pixels = mirrored(pixels);
    for (let turn = 0; turn < turns; turn++) pixels = turned(pixels);
    return pixels;
  }

  function build(layers) {
    const steps = layers.map((layer) => {
      if (layer.kind !== "conv" && layer.kind !== "blur") return layer;
      const kernel = layer.shape.at(-1);
      if (!layer.moves) return { ...layer, kernel };
      return { ...layer, kernel, weight: expand(layer.weight, layer.shape[1], kernel, layer.moves) };
    });
    const pool = steps.findIndex((step) => step.kind === "mean");
    return { steps, pool };
  }

  // ---- Forward, and which pixels speak for a class -----------------------------------------

  function run({ steps, pool }, pixels, size) {
    let maps = { data: Float32Array.from(pixels), channels: pixels.length / (size * size), size };
    const after = [];
    let last = null;
    steps.forEach((step, number) => {
      if (number === pool) last = maps;
      if (number > pool) after.push(maps);
      maps = KINDS[step.kind](maps, step);
    });
    return { logits: maps.data, maps: last, after };
  }

  // Grad-CAM: the maps before the mean, each by the slope of the class's logit above the mean of all
  // logits; where that is more than its mean over the image. Without both, maps that speak for all
  // classes, or against this one, would hide the rest.
  function activation({ steps, pool }, { maps, after }, label) {
    const classes = steps.at(-1).bias.length;
    let slope = Float32Array.from({ length: classes }, (_, n) => Number(n === label) - 1 / classes);
    for (let number = steps.length - 1; number > pool; number--) {
      const { kind, weight } = steps[number];
      const given = after[number - pool - 1].data;
      if (kind === "linear") {
        slope = given.map((_, n) => slope.reduce((sum, one, target) => sum + one * weight[target * given.length + n], 0));
      } else if (kind === "elu") {
        slope = slope.map((one, n) => (given[n] > 0 ? one : one * Math.exp(given[n])));
      } else if (kind === "relu") {
        slope = slope.map((one, n) => (given[n] > 0 ? one : 0));
      }
    }
    const area = maps.size * maps.size;
    const cam = new Float32Array(area);
    maps.data.forEach((value, n) => { cam[n % area] += slope[Math.floor(n / area)] * value; });
    const middle = cam.reduce((sum, value) => sum + value, 0) / area;
    return { data: cam.map((value) => Math.max(value - middle, 0)), size: maps.size };
  }

  function softmax(logits, temperature) {
    const scaled = Array.from(logits, (value) => value / temperature);
    const most = Math.max(...scaled);
    const powers = scaled.map((value) => Math.exp(value - most));
    const sum = powers.reduce((a, b) => a + b);
    return powers.map((value) => value / sum);
  }

  // ---- Images: {data: channels first, size} --------------------------------------------------

  // As torch's antialiased bilinear interpolation in single precision, whose ties decide how
  // values are rounded to whole ones.
  function prepare(pixels, side, { crop, input_size: size, antialias }) {
    const margin = roundHalfEven((side * (1 - crop)) / 2);
    const inner = side - 2 * margin;
    const cut = new Float32Array(3 * inner * inner);
    for (let n = 0; n < cut.length; n++) {
      const channel = Math.floor(n / (inner * inner));
      const y = Math.floor(n / inner) % inner;
      cut[n] = pixels[channel * side * side + (y + margin) * side + (n % inner) + margin];
    }
    if (inner === size) return cut;
    const taps = resampling(inner, size, antialias);
    const weighted = (row, values, at) =>
      row.reduce((sum, [from, weight]) => Math.fround(sum + weight * values[at(from)]), 0);
    const rows = new Float32Array(3 * inner * size);
    for (let line = 0; line < 3 * inner; line++) {
      for (let x = 0; x < size; x++) {
        rows[line * size + x] = weighted(taps[x], cut, (from) => line * inner + from);
      }
    }
    const result = new Float32Array(3 * size * size);
    for (let channel = 0; channel < 3; channel++) {
      for (let y = 0; y < size; y++) {
        for (let x = 0; x < size; x++) {
          const value = weighted(taps[y], rows, (from) => (channel * inner + from) * size + x);
          result[(channel * size + y) * size + x] = roundHalfEven(value);
        }
      }
    }
    return result;
  }

  function resampling(from, to, antialias) {
    const f = Math.fround;
    const scale = f(from / to);
    const reach = antialias && scale > 1 ? scale : 1;
    const narrow = f(1 / reach);
    return Array.from({ length: to }, (_, n) => {
      const centre = f(scale * f(n + 0.5));
      const first = Math.max(Math.trunc(f(f(centre - reach) + 0.5)), 0);
      const end = Math.min(Math.trunc(f(f(centre + reach) + 0.5)), from);
      const weights = [];
      for (let k = first; k < end; k++) {
        const distance = Math.abs(f(f(f(k - centre) + 0.5) * narrow));
        weights.push([k, Math.max(0, f(1 - distance))]);
      }
      const sum = weights.reduce((total, [, weight]) => f(total + weight), 0);
      return weights.map(([k, weight]) => [k, f(weight / sum)]);
    });
  }

  function roundHalfEven(value) {
    const below = Math.floor(value);
    const rest = value - below;
    if (rest !== 0.5) return Math.round(value);
    return below % 2 === 0 ? below : below + 1;
  }

  // Quarter turns only move pixels; the rest is resampled once, mirrored at the frame's edge.
  function turn(pixels, size, degrees, mirror = false) {
    const quarters = Math.floor(degrees / 90);
    const rest = degrees - 90 * quarters;
    let turned = mirror ? moved(pixels, size, true, 0) : pixels;
    if (rest !== 0) turned = resampledTurn(turned, size, (rest * Math.PI) / 180);
    return moved(turned, size, false, ((quarters % 4) + 4) % 4);
  }

  function moved(pixels, size, flip, turns) {
    if (!flip && turns === 0) return pixels;
    const order = movedPixels(size, flip, turns);
    const area = size * size;
    return pixels.map((_, n) => pixels[n - (n % area) + order[n % area]]);
  }

  function resampledTurn(pixels, size, angle) {
    const [cosine, sine] = [Math.cos(angle), Math.sin(angle)];
    const middle = (size - 1) / 2;
    const area = size * size;
    const result = new Float32Array(pixels.length);
    for (let n = 0; n < area; n++) {
      const [y, x] = [Math.floor(n / size) - middle, (n % size) - middle];
      const fromX = reflected(cosine * x - sine * y + middle, size);
      const fromY = reflected(sine * x + cosine * y + middle, size);
      const [left, top] = [Math.floor(fromX), Math.floor(fromY)];
      const [right, bottom] = [Math.min(left + 1, size - 1), Math.min(top + 1, size - 1)];
      const [u, v] = [fromX - left, fromY - top];
      for (let channel = 0; channel < pixels.length / area; channel++) {
        const at = (row, column) => pixels[channel * area + row * size + column];
        result[channel * area + n] =
          (1 - v) * ((1 - u) * at(top, left) + u * at(top, right)) +
          v * ((1 - u) * at(bottom, left) + u * at(bottom, right));
      }
    }
    return result;
  }

  function reflected(place, size) {
    let at = Math.abs(place + 0.5);
    const flips = Math.floor(at / size);
    at -= flips * size;
    at = flips % 2 === 0 ? at - 0.5 : size - at - 0.5;
    return Math.min(Math.max(at, 0), size - 1);
  }

  return { build, run, activation, softmax, prepare, turn };
})();

if (typeof module !== "undefined") module.exports = Network;
