'use strict';
// A first picture of the front, drawn as soon as the data are here. Reading Plotly takes a browser
// a second or two in which it can do nothing else, so it is asked for after that picture stands.
(() => {
  const NAS = globalThis.NAS;
  const PATIENCE_MS = 1500; // a run that comes later than this is drawn by Plotly alone
  const EDGE = { left: 64, right: 16, top: 16, bottom: 48 };

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

  // Round numbers between two limits: powers of ten and their halves and fifths, or even steps.
  function ticks(low, high, log) {
    const found = [];
    if (log && !(low > 0)) return found;
    if (log) {
      for (let power = Math.floor(Math.log10(low)); 10 ** power <= high; power += 1) {
        found.push(...[1, 2, 5].map((digit) => digit * 10 ** power));
      }
    } else {
      const step = 10 ** Math.floor(Math.log10(high - low || 1)) / 2;
      for (let at = Math.ceil(low / step) * step; at <= high; at += step) found.push(at);
    }
    return found.filter((at) => at >= low && at <= high);
  }

  function scale(values, log, from, to) {
    const of = log ? Math.log : (x) => x;
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const room = 0.05 * (of(high) - of(low) || 1);
    const place = (x) => from + ((of(x) - of(low) + room) / (of(high) - of(low) + 2 * room)) * (to - from);
    return { place, ticks: ticks(low, high, log) };
  }

  function axes(pen, x, y, width, height) {
    pen.strokeStyle = colour('line');
    pen.fillStyle = colour('text');
    pen.font = '13px system-ui, DejaVu Sans, sans-serif';
    pen.textAlign = 'center';
    for (const at of x.ticks) {
      pen.strokeRect(x.place(at), EDGE.top, 0, height - EDGE.top - EDGE.bottom);
      pen.fillText(String(Number(at.toPrecision(3))), x.place(at), height - EDGE.bottom + 18);
    }
    pen.fillText('Expected latency (ms)', width / 2, height - 8);
    pen.textAlign = 'right';
    for (const at of y.ticks) {
      pen.strokeRect(EDGE.left, y.place(at), width - EDGE.left - EDGE.right, 0);
      pen.fillText(String(Number((100 * at).toPrecision(3))), EDGE.left - 8, y.place(at) + 4);
    }
    pen.save();
    pen.translate(16, height / 2);
    pen.rotate(-Math.PI / 2);
    pen.textAlign = 'center';
    pen.fillText('Accuracy on held-out images (%)', 0, 0);
    pen.restore();
  }

  function draw(found) {
    const run = { head: found.head, trials: new Map(found.trials.map((t) => [t.n, t])), version: 1 };
    const { columns, at } = NAS.model.standings(run, { ...found.head, alpha: found.head.alpha ?? 0, beta: found.head.beta ?? 0 });
    if (!at.length) return;
    const canvas = NAS.el('canvas', { class: 'preview', role: 'img', 'aria-label': 'accuracy against expected latency' });
    document.getElementById('view').replaceChildren(canvas);
    const { clientWidth: width, clientHeight: height } = canvas;
    const ratio = devicePixelRatio || 1;
    [canvas.width, canvas.height] = [width * ratio, height * ratio];
    const pen = canvas.getContext('2d');
    pen.scale(ratio, ratio);
    const front = NAS.model.front(run);
    const [ms, accuracy] = ['latency_ms', 'accuracy'].map((name) => [...at].map((k) => columns[name][k]).concat(front.map((p) => p[name])));
    const x = scale(ms, true, EDGE.left, width - EDGE.right);
    const y = scale(accuracy, false, height - EDGE.bottom, EDGE.top);
    axes(pen, x, y, width, height);
    pen.fillStyle = pen.strokeStyle = colour('c0');
    pen.globalAlpha = 0.35;
    for (const k of at) pen.fillRect(x.place(columns.latency_ms[k]) - 2, y.place(columns.accuracy[k]) - 2, 4, 4);
    pen.globalAlpha = 1;
    for (const point of front) {
      pen.beginPath();
      pen.arc(x.place(point.latency_ms), y.place(point.accuracy), 4, 0, 7);
      pen.fill();
    }
    performance.mark('preview');
  }

  function loadRest() {
    for (const src of ['/plotly.min.js', '/page/rest.js']) {
      const script = NAS.el('script', { src });
      script.async = false; // one after the other
      document.body.append(script);
    }
  }

  const painted = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  const late = new Promise((done) => setTimeout(done, PATIENCE_MS));

  async function begin() {
    const heads = await NAS.first;
    const id = heads.map((head) => head.id).find((each) => NAS.awaited(each));
    const tab = location.hash.slice(1);
    if (!id || (tab && tab !== 'front')) return;
    const found = await Promise.race([NAS.awaited(id), late]);
    if (!found) return;
    draw(found);
    await painted();
  }

  begin().catch(() => {}).finally(loadRest); // what is wrong is said by the page itself
})();
