'use strict';
// Lines of equal reward over accuracy and latency: accuracy = R * (ms / T)^-w.
(() => {
  const NAS = (globalThis.NAS = globalThis.NAS || {});
  const STEPS = 64;

  const MOST = 7; // lines

  // Round values of a reward between low and high, seven at most.
  function levels(low, high) {
    if (!(high > low) || !(low > 0)) return [];
    if (high / low < 5) return even(low, high);
    const many = series(low, high);
    const every = Math.ceil(many.length / MOST);
    return many.filter((_, i) => i % every === 0);
  }

  function even(low, high) {
    const size = 10 ** Math.floor(Math.log10((high - low) / MOST));
    for (const step of [1, 1.5, 2, 2.5, 3, 4, 5, 10].map((n) => n * size)) {
      const first = Math.ceil(low / step);
      const count = Math.floor(high / step) - first + 1;
      if (count <= MOST) return Array.from({ length: count }, (_, i) => Number(((first + i) * step).toPrecision(6)));
    }
    return [];
  }

  function series(low, high) {
    const found = [];
    for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power += 1) {
      for (const n of [1, 2, 5]) {
        const value = n * 10 ** power;
        if (value >= low && value <= high) found.push(Number(value.toPrecision(3)));
      }
    }
    return found;
  }

  // Curves through what can be seen of a plane of milliseconds and per cent, each with its reward.
  function contours({ seenX: [from, to], seenY: [low, high], log }, wanted) {
    const start = Math.max(from, 1e-9);
    if (!(to > start)) return [];
    const along = (i) => (log ? start * (to / start) ** (i / STEPS) : start + ((to - start) * i) / STEPS);
    const x = Array.from({ length: STEPS + 1 }, (_, i) => along(i));
    const target = wanted.target_ms;
    if (target > start && target < to) x.push(target); // the curves may bend there
    x.sort((a, b) => a - b);
    const unit = x.map((ms) => NAS.model.reward(1, ms, wanted)); // R of an accuracy of 1
    const bottom = Math.max(low, 0.001) / 100;
    const span = unit.flatMap((r) => [r * bottom, (r * Math.min(high, 100)) / 100]);
    return levels(Math.min(...span), Math.max(...span)).map((value) => ({
      value, x, y: unit.map((r) => (100 * value) / r),
    }));
  }

  NAS.contours = contours;
})();
