'use strict';
// A canvas under a plot: thousands of points, curves and labels in the plot's axes. Plotly's paper is
// transparent, so that they show through it; drawing them anew takes milliseconds.
(() => {
  const NAS = (globalThis.NAS = globalThis.NAS || {});
  const TAU = 2 * Math.PI;
  const BATCH = 48; // points filled at once: few enough that where many lie is darker

  // Outlines of the symbols of `NAS.symbols`, about (x, y) with radius r.
  const corners = (path, x, y, r, turns) => {
    turns.forEach(([dx, dy], i) => path[i ? 'lineTo' : 'moveTo'](x + r * dx, y + r * dy));
    path.closePath();
  };
  const PENTAGON = [0, 1, 2, 3, 4].map((i) => [Math.sin((TAU * i) / 5), -Math.cos((TAU * i) / 5)]);
  const A = 0.4;
  const CROSS = [[-A, -1], [A, -1], [A, -A], [1, -A], [1, A], [A, A], [A, 1], [-A, 1], [-A, A], [-1, A], [-1, -A], [-A, -A]];
  const X = CROSS.map(([dx, dy]) => [0.75 * (dx - dy), 0.75 * (dx + dy)]);
  const SHAPES = {
    circle: (path, x, y, r) => { path.moveTo(x + r, y); path.arc(x, y, r, 0, TAU); },
    diamond: (path, x, y, r) => corners(path, x, y, 1.2 * r, [[0, -1], [1, 0], [0, 1], [-1, 0]]),
    square: (path, x, y, r) => corners(path, x, y, 0.85 * r, [[-1, -1], [1, -1], [1, 1], [-1, 1]]),
    'triangle-up': (path, x, y, r) => corners(path, x, y, 1.1 * r, [[0, -1], [0.95, 0.7], [-0.95, 0.7]]),
    cross: (path, x, y, r) => corners(path, x, y, r, CROSS),
    x: (path, x, y, r) => corners(path, x, y, r, X),
    pentagon: (path, x, y, r) => corners(path, x, y, r, PENTAGON),
  };

  // Pixels of a value on an axis of the plot. From the range alone: it is right while it is dragged.
  function placing(axis) {
    const [from, to] = axis.range.map(Number);
    const scale = axis._length / (to - from);
    const log = axis.type === 'log';
    const up = axis._id[0] === 'y';
    return (value) => {
      const along = ((log ? Math.log10(value) : value) - from) * scale;
      return axis._offset + (up ? axis._length - along : along);
    };
  }

  // The area of the plot: places of values, and what can be seen.
  function area(div) {
    const { xaxis, yaxis } = div._fullLayout;
    const seen = (axis) => axis.range.map((v) => (axis.type === 'log' ? 10 ** v : Number(v)));
    return {
      x: placing(xaxis), y: placing(yaxis), log: xaxis.type === 'log',
      seenX: seen(xaxis), seenY: seen(yaxis),
      left: xaxis._offset, top: yaxis._offset, width: xaxis._length, height: yaxis._length,
    };
  }

  function drawDots(pen, dots, place) {
    for (const { x, y, at, symbol, colour, radius, alpha, hollow } of dots) {
      const shape = SHAPES[symbol] || SHAPES.circle;
      pen.globalAlpha = alpha;
      pen.fillStyle = pen.strokeStyle = colour;
      pen.lineWidth = 1.2;
      for (let start = 0; start < at.length; start += BATCH) {
        pen.beginPath();
        const end = Math.min(at.length, start + BATCH);
        for (let k = start; k < end; k += 1) shape(pen, place.x(x[at[k]]), place.y(y[at[k]]), radius);
        if (hollow) pen.stroke();
        else pen.fill();
      }
    }
    pen.globalAlpha = 1;
  }

  function drawCurves(pen, curves, place) {
    for (const { x, y, colour, dash = [], width = 1 } of curves) {
      pen.strokeStyle = colour;
      pen.lineWidth = width;
      pen.setLineDash(dash);
      pen.beginPath();
      x.forEach((value, i) => pen[i ? 'lineTo' : 'moveTo'](place.x(value), place.y(y[i])));
      pen.stroke();
    }
    pen.setLineDash([]);
  }

  function drawRings(pen, rings, place) {
    for (const { x, y, colour, radius = 10, width = 2 } of rings) {
      pen.strokeStyle = colour;
      pen.lineWidth = width;
      pen.beginPath();
      pen.arc(place.x(x), place.y(y), radius, 0, TAU);
      pen.stroke();
    }
  }

  // Texts with a rim of the page's colour, moved so far that they are within the plot; one that
  // would lie on another is left out.
  function drawLabels(pen, labels, place) {
    const taken = [];
    pen.font = '12px system-ui, "DejaVu Sans", sans-serif';
    pen.textBaseline = 'middle';
    pen.lineJoin = 'round';
    for (const { x, y, text, colour, dx = 0, dy = 0, align = 'center' } of labels) {
      const width = pen.measureText(text).width;
      const shift = { center: width / 2, right: width, left: 0 }[align];
      const within = (value, low, high) => Math.max(low, Math.min(high, value));
      const left = within(place.x(x) + dx - shift, place.left + 2, place.left + place.width - width - 2);
      const middle = within(place.y(y) + dy, place.top + 9, place.top + place.height - 9);
      const box = [left, middle - 8, left + width, middle + 8];
      if (taken.some((t) => t[0] < box[2] && box[0] < t[2] && t[1] < box[3] && box[1] < t[3])) continue;
      taken.push(box);
      pen.strokeStyle = NAS.colour('page');
      pen.lineWidth = 3;
      pen.strokeText(text, left, middle);
      pen.fillStyle = colour;
      pen.fillText(text, left, middle);
    }
  }

  // A layer of marks in the axes of the plot `div`: on `under`, which lies below it, what is many;
  // on `over` rings and labels, so that no line of the grid runs through them.
  //   marks(area): {dots, curves, rings, labels, targets}; asked before each drawing
  //   dots: [{x, y, at (places in x and y), symbol, colour, radius, alpha, hollow}]
  //   targets: [{x, y, at, of(place), lead}]: what the pointer finds; `lead` px are in its favour
  NAS.canvas = (div, under, over, marks) => {
    let drawn = null;

    // A pen for a cleared canvas of the plot's size, held within the plot's axes.
    function penOf(canvas, place) {
      const [width, height] = [div.clientWidth, div.clientHeight];
      const ratio = globalThis.devicePixelRatio || 1;
      const [wide, high] = [Math.round(width * ratio), Math.round(height * ratio)];
      if (canvas.width !== wide || canvas.height !== high) {
        canvas.width = wide;
        canvas.height = high;
      }
      const pen = canvas.getContext('2d');
      pen.restore();
      pen.setTransform(ratio, 0, 0, ratio, 0, 0);
      pen.clearRect(0, 0, width, height);
      pen.save();
      pen.beginPath();
      pen.rect(place.left, place.top, place.width, place.height);
      pen.clip();
      return pen;
    }

    function draw() {
      if (!div._fullLayout || !div._fullLayout.xaxis) return;
      const place = area(div);
      const found = marks(place);
      const below = penOf(under, place);
      drawCurves(below, found.curves, place);
      drawDots(below, found.dots, place);
      const above = penOf(over, place);
      drawRings(above, found.rings, place);
      drawLabels(above, found.labels, place);
      drawn = { place, found };
    }

    // The target nearest to a place of the canvas, within `reach` px, or null.
    function nearest(px, py, reach) {
      if (!drawn) return null;
      const { place, found } = drawn;
      const { left, top, width, height } = place;
      if (px < left || py < top || px > left + width || py > top + height) return null;
      let [best, chosen] = [reach, null];
      for (const target of found.targets) {
        for (const at of target.at) {
          const across = place.x(target.x[at]) - px;
          const down = target.y ? place.y(target.y[at]) - py : 0;
          const far = Math.hypot(across, down) - (target.lead || 0);
          if (far < best) [best, chosen] = [far, { target, at }];
        }
      }
      if (!chosen) return null;
      const { target, at } = chosen;
      return { ...target.of(at), px: place.x(target.x[at]), py: target.y ? place.y(target.y[at]) : py };
    }

    // All targets with a height inside of a polygon or box (values of the axes).
    function inside({ range, lassoPoints }) {
      if (!drawn) return [];
      const test = range ? inBox(range) : inPolygon(lassoPoints, drawn.place);
      return drawn.found.targets.filter((t) => t.y && t.of).flatMap((target) =>
        [...target.at].filter((at) => test(target.x[at], target.y[at])).map((at) => target.of(at)));
    }

    const resized = new ResizeObserver(() => requestAnimationFrame(draw));
    resized.observe(div);
    for (const event of ['plotly_afterplot', 'plotly_relayout', 'plotly_relayouting', 'plotly_restyle']) {
      div.on(event, draw);
    }
    div.extraTraces = () => (drawn ? traces(drawn) : []);
    return { draw, nearest, inside };
  };

  function inBox({ x, y }) {
    const [left, right] = [Math.min(...x), Math.max(...x)];
    const [low, high] = [Math.min(...y), Math.max(...y)];
    return (a, b) => a >= left && a <= right && b >= low && b <= high;
  }

  // Even-odd rule, in pixels: a side of the polygon is straight on the screen.
  function inPolygon({ x, y }, place) {
    const [px, py] = [x.map(place.x), y.map(place.y)];
    return (valueX, valueY) => {
      const [a, b] = [place.x(valueX), place.y(valueY)];
      let within = false;
      for (let i = 0, j = px.length - 1; i < px.length; j = i, i += 1) {
        const crosses = py[i] > b !== py[j] > b;
        if (crosses && a < ((px[j] - px[i]) * (b - py[i])) / (py[j] - py[i]) + px[i]) within = !within;
      }
      return within;
    };
  }

  // The marks as traces of Plotly, for a file.
  function traces({ found }) {
    const quiet = { hoverinfo: 'skip', showlegend: false, type: 'scatter' };
    const dash = (given = []) => (given.length ? given.map((n) => `${n}px`).join(',') : 'solid');
    const curves = found.curves.map(({ x, y, colour, dash: given, width = 1 }) =>
      ({ ...quiet, x, y, mode: 'lines', line: { color: colour, width, dash: dash(given) } }));
    const dots = found.dots.map(({ x, y, at, symbol, colour, radius, alpha, hollow }) => ({
      ...quiet, mode: 'markers', opacity: alpha,
      x: Array.from(at, (k) => x[k]), y: Array.from(at, (k) => y[k]),
      marker: { symbol: hollow ? `${symbol}-open` : symbol, color: colour, size: 2 * radius },
    }));
    const rings = found.rings.map(({ x, y, colour, radius = 10, width = 2 }) => ({
      ...quiet, x: [x], y: [y], mode: 'markers',
      marker: { symbol: 'circle-open', color: colour, size: 2 * radius, line: { width } },
    }));
    const side = { right: 'left', left: 'right', center: 'center' }; // where the text's place is, and the text
    const labels = found.labels.map(({ x, y, text, colour, dy = 0, align = 'center' }) => ({
      ...quiet, x: [x], y: [y], mode: 'text', text: [NAS.plain(text)],
      textposition: `${dy > 0 ? 'bottom' : 'top'} ${side[align]}`,
      textfont: { color: colour, size: 12 },
    }));
    return [...curves, ...dots, ...rings, ...labels];
  }
})();
