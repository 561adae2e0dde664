'use strict';
// Elements and figures. Everything that comes from a run enters the page as a text node.
(() => {
  const NAS = (globalThis.NAS = globalThis.NAS || {});
  const SVG = 'http://www.w3.org/2000/svg';

  function filled(node, attributes, children) {
    for (const [name, value] of Object.entries(attributes || {})) {
      if (value === null || value === undefined || value === false) continue;
      if (name === 'on') {
        for (const [event, listener] of Object.entries(value)) node.addEventListener(event, listener);
      } else if (name === 'style') {
        for (const [property, wanted] of Object.entries(value)) node.style.setProperty(property, wanted);
      } else {
        node.setAttribute(name, value === true ? '' : String(value));
      }
    }
    for (const child of children.flat(Infinity)) {
      if (child !== null && child !== undefined && child !== false) {
        node.append(child instanceof Node ? child : String(child));
      }
    }
    return node;
  }

  NAS.el = (tag, attributes, ...children) =>
    filled(document.createElement(tag), attributes, children);
  NAS.svg = (tag, attributes, ...children) =>
    filled(document.createElementNS(SVG, tag), attributes, children);

  const missing = (x) => x === null || x === undefined || !Number.isFinite(x);
  const short = (x, digits = 4) => {
    if (Math.abs(x) >= 10 ** digits) return Math.round(x).toLocaleString('en');
    return String(Number(x.toPrecision(digits)));
  };

  function scaled(x, unit) {
    const steps = [[1e12, 'T'], [1e9, 'G'], [1e6, 'M'], [1e3, 'k']];
    for (const [size, prefix] of steps) {
      if (Math.abs(x) >= size) return `${short(x / size, 3)} ${prefix}${unit && ` ${unit}`}`;
    }
    return unit ? `${short(x)} ${unit}` : short(x);
  }

  // A word as a shell takes it.
  NAS.quoted = (word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replace(/'/g, `'"'"'`)}'`);

  NAS.text = {
    ms: (x) => (missing(x) ? '–' : x < 0.01 ? `${short(1000 * x, 3)} µs` : `${short(x, 4)} ms`),
    macs: (x) => (missing(x) ? '–' : scaled(x, 'MACs')),
    count: (x) => (missing(x) ? '–' : Math.round(x).toLocaleString('en')),
    short: (x) => (missing(x) ? '–' : scaled(x, '').trim()),
    percent: (x, digits = 1) => (missing(x) ? '–' : `${(100 * x).toFixed(digits)} %`),
    figure: (x, digits = 4) => (missing(x) ? '–' : short(x, digits)),
    seconds(x) {
      if (missing(x)) return '–';
      if (x < 60) return `${short(x, x < 10 ? 2 : 3)} s`;
      const minutes = Math.round(x / 60);
      const hours = Math.floor(minutes / 60);
      return hours ? `${hours} h ${minutes % 60} min` : `${minutes} min`;
    },
    option: (x) => (typeof x === 'boolean' ? (x ? 'yes' : 'no') : x === null ? '–' : String(x)),
  };
})();
