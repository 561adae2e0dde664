'use strict';
// A network drawn: rows are scales, columns go with depth, doors are exits.
(() => {
  const NAS = (globalThis.NAS = globalThis.NAS || {});
  const GUTTER = 70; // pixels for the labels of the rows
  const PICTURE = 64; // pixels for the image at the left
  const RIGHT = 42;
  const FULL = 84; // pixels of a column from which blocks are written in full
  const SHORT = 44; // from which they have letters and figures
  const LETTERS = 22; // from which they have letters
  let drawn = 0;

  // Where everything stands, in pixels. `pitch`: the width of a column; `figures`: lines at a door.
  function layout(graph, pitch, figures) {
    const doors = new Map(graph.exits.map((exit) => [exit.node, exit]));
    const size = {
      pitch,
      width: pitch - Math.max(2, Math.min(24, 0.22 * pitch)),
      height: pitch >= FULL ? 42 : pitch >= SHORT ? 54 : pitch >= LETTERS ? 34 : 28,
      door: pitch >= FULL ? 46 : 34 + (pitch >= 14 ? 13 * figures : 0),
    };
    const rows = graph.rows.map(() => []);
    for (const node of graph.nodes) {
      const lanes = rows[node.row];
      const wanted = doors.has(node.id) ? size.door : size.height;
      lanes[node.lane] = Math.max(lanes[node.lane] || 0, wanted);
    }
    let y = 6;
    const bands = rows.map((lanes) => {
      const band = { top: y, lanes: [] };
      y += 9;
      for (let lane = 0; lane < Math.max(1, lanes.length); lane += 1) {
        const height = lanes[lane] || size.height;
        band.lanes.push({ top: y, height });
        y += height + 12;
      }
      y -= 3;
      band.bottom = y;
      y += 4;
      return band;
    });
    const places = new Map();
    for (const node of graph.nodes) {
      const lane = bands[node.row].lanes[node.lane];
      const height = doors.has(node.id) ? lane.height : size.height;
      places.set(node.id, {
        x: GUTTER + PICTURE + (node.column + 0.5) * pitch,
        y: lane.top + height / 2,
        width: doors.has(node.id) ? Math.min(20, size.width) : size.width,
        height: doors.has(node.id) ? 26 : size.height,
        top: lane.top,
      });
    }
    for (const id of doors.keys()) {
      const place = places.get(id);
      place.y = place.top + 14;
    }
    const width = GUTTER + PICTURE + graph.columns * pitch + RIGHT;
    return { size, bands, places, doors, width, height: y + 4 };
  }

  function band(at, row, width) {
    return NAS.svg('rect', {
      x: 0, y: at.top, width, height: at.bottom - at.top, rx: 6, fill: NAS.colour('panel'), opacity: row % 2 ? 0.45 : 0.9,
    });
  }

  // The labels of the rows, in a group of its own that is moved when the drawing is scrolled.
  function labels(bands, graph) {
    return NAS.svg('g', { class: 'row-labels', 'aria-hidden': 'true' },
      bands.map((at, row) => [
        NAS.svg('rect', { x: 0, y: at.top, width: GUTTER - 4, height: at.bottom - at.top, fill: NAS.colour('page'), opacity: 0.94 }),
        NAS.svg('text', {
          x: 2, y: at.lanes[0].top + Math.min(at.lanes[0].height, 54) / 2 + 4,
          'font-size': graph.rows[row].label.length > 7 ? 11 : 12.5, 'font-weight': 600, fill: NAS.colour('quiet'),
        }, graph.rows[row].label),
      ]));
  }

  // The line of an edge; straight down unless something stands between.
  function curve(from, to, places) {
    const apart = to.x - from.x;
    const [low, high] = [Math.min(from.y, to.y), Math.max(from.y, to.y)];
    if (Math.abs(apart) < 1 && [...places].some((at) => Math.abs(at.x - to.x) < 1 && at.y > low + 1 && at.y < high - 1)) {
      const [x1, x2] = [from.x + from.width / 2, to.x + to.width / 2];
      const bulge = Math.max(x1, x2) + Math.min(16, 4 + (high - low) / 20);
      return `M${x1},${from.y} C${bulge},${from.y} ${bulge},${to.y} ${x2},${to.y}`;
    }
    if (Math.abs(apart) < 1) {
      const down = to.y > from.y ? 1 : -1;
      return `M${from.x},${from.y + (down * from.height) / 2} L${to.x},${to.y - (down * to.height) / 2}`;
    }
    const [x1, x2] = [from.x + from.width / 2, to.x - to.width / 2];
    const bend = Math.max(6, Math.min(40, (x2 - x1) / 2));
    if (Math.abs(to.y - from.y) < 1 && x2 - x1 > apart * 0.6) {
      const lift = Math.min(22, 8 + apart / 40); // past the blocks between
      return `M${x1},${from.y} C${x1 + bend},${from.y - lift} ${x2 - bend},${to.y - lift} ${x2},${to.y}`;
    }
    return `M${x1},${from.y} C${x1 + bend},${from.y} ${x2 - bend},${to.y} ${x2},${to.y}`;
  }

  function edges(graph, places, picture) {
    const reading = new Set(graph.edges.map((edge) => edge[1]));
    const first = graph.nodes.filter((node) => !reading.has(node.id)).map((node) => [null, node.id]);
    const many = graph.edges.length > 160;
    return [...first, ...graph.edges].map(([from, to]) => NAS.svg('path', {
      class: 'edge', d: curve(from === null ? picture : places.get(from), places.get(to), [...places.values()]),
      fill: 'none', stroke: NAS.colour('quiet'), 'stroke-width': many ? 0.9 : 1.3, opacity: many ? 0.4 : 0.55,
      'data-from': from, 'data-to': to,
    }));
  }

  function picture(detail, at) {
    const [left, top] = [at.x - at.width / 2, at.y - at.height / 2];
    const stroke = NAS.colour('quiet');
    const said = detail.image ? detail.image.join('×') : '';
    return NAS.svg('g', { class: 'picture' },
      NAS.svg('title', {}, `the image, ${said} (channels, height, width)`),
      NAS.svg('rect', { x: left, y: top, width: at.width, height: at.height, rx: 3, fill: NAS.colour('page'), stroke }),
      NAS.svg('circle', { cx: left + 9, cy: top + 9, r: 3, fill: stroke }),
      NAS.svg('path', { d: `M${left + 3},${top + 25} l9,-10 6,6 5,-5 8,9 z`, fill: stroke }),
      written(said, at.x, top + at.height + 12, 9.5, {
        fill: stroke, stroke: NAS.colour('panel'), 'stroke-width': 3, 'paint-order': 'stroke',
      }));
  }

  function written(text, x, y, size, more = {}) {
    return NAS.svg('text', {
      x, y, 'font-size': size, 'text-anchor': 'middle', fill: NAS.colour('text'), ...more,
    }, text);
  }

  const ruler = document.createElement('canvas').getContext('2d');
  const FONT = 'system-ui, "DejaVu Sans", sans-serif';

  function fits(text, size, room, weight = 400) {
    ruler.font = `${weight} ${size}px ${FONT}`;
    return ruler.measureText(text).width <= room;
  }

  // What is written on a block: lines of [text, size, weight], as many as there is room for.
  function lines(node, look, { pitch, width }) {
    const times = node.repeat > 1 ? ` ×${node.repeat}` : '';
    const kernel = node.kernel ? `${node.kernel[0]}×${node.kernel[1]}` : '';
    if (pitch >= FULL) {
      const fitting = [12, 11, 10, 9.5].find((points) => fits(look.name + times, points, width - 13, 600));
      const name = fitting ? [look.name + times, fitting, 600] : [look.letters + times, 12, 600];
      return [name, [[kernel, node.width].filter(Boolean).join(' · '), 11, 400]];
    }
    if (pitch >= SHORT) {
      const points = [11.5, 10].find((each) => fits(look.letters + times, each, width - 12, 600)) || 9;
      return [[look.letters + times, points, 600], [kernel, 10.5, 400], [node.width, 10.5, 400]].filter((each) => each[0]);
    }
    return pitch >= LETTERS ? [[look.letters, 10, 600]] : [];
  }

  function block(node, at, size, prefix, largest) {
    const look = NAS.lookOf(node.op);
    const [left, top] = [at.x - at.width / 2, at.y - at.height / 2];
    const colour = NAS.colour(look.colour);
    const spine = size.pitch >= SHORT ? 8 : at.width;
    const box = { x: left, y: top, width: at.width, height: at.height, rx: Math.min(6, at.width / 4) };
    const text = lines(node, look, size);
    const middle = size.pitch >= SHORT ? at.x + 4 : at.x;
    const first = at.y + 3 - 7 * (text.length - 1);
    const share = largest > 0 ? Math.max(0, node.macs) / largest : 0;
    const room = at.width - (size.pitch >= SHORT ? 14 : 4);
    return NAS.svg('g', { class: 'block', 'data-id': node.id, role: 'img', tabindex: -1, 'aria-label': node.text },
      NAS.svg('title', {}, node.text),
      NAS.svg('rect', { ...box, fill: NAS.colour('page') }),
      NAS.svg('rect', { ...box, fill: colour, opacity: 0.16 }),
      NAS.patterned(look, prefix, { ...box, width: spine, opacity: size.pitch >= SHORT ? 1 : 0.55 }),
      NAS.svg('rect', {
        ...box, class: 'outline', fill: 'none', stroke: colour, 'stroke-width': 1.5,
        'stroke-dasharray': node.kind === 'auxiliary' ? '4 3' : null,
      }),
      text.map(([said, points, weight], i) => written(said, middle, first + 14 * i, points, {
        'font-weight': weight,
        ...(size.pitch >= SHORT ? {} : { stroke: NAS.colour('page'), 'stroke-width': 3, 'paint-order': 'stroke' }),
      })),
      share * room > 1 && NAS.svg('rect', {
        x: left + (size.pitch >= SHORT ? 11 : 2), y: top + at.height - 6, width: share * room, height: 3,
        rx: 1.5, fill: NAS.colour('text'), opacity: 0.75,
      }));
  }

  // What an exit carries: accuracy, latency (or MACs, where it was never measured), its share.
  function carried(exit, share) {
    const found = [];
    if (exit.accuracy !== null) found.push([NAS.text.percent(exit.accuracy), 600]);
    found.push([exit.latency_ms !== null ? NAS.text.ms(exit.latency_ms) : NAS.text.macs(exit.macs), 400]);
    if (share !== null) found.push([`${NAS.text.percent(share, share > 0 && share < 0.1 ? 1 : 0)} leave`, 400]);
    return found;
  }

  function said(exit, share, node) {
    return [
      `exit ${exit.exit}: ${NAS.text.percent(exit.accuracy)} right`, NAS.text.ms(exit.latency_ms),
      NAS.text.macs(exit.macs), share === null ? '' : `${NAS.text.percent(share)} of the images leave here`, node.text,
    ].filter((each) => each && each !== '–').join(', ');
  }

  function door(exit, share, node, at, room, size) {
    const [left, top] = [at.x - at.width / 2, at.y - at.height / 2];
    const accent = NAS.colour('accent');
    const beside = size.pitch >= FULL;
    const under = carried(exit, share).map(([text, weight]) => [beside ? text : text.replace(' leave', ''), weight]);
    const shown = under.filter(([text]) => beside || fits(text, 10, room));
    const filled = (share || 0) * (at.height - 2);
    const halo = { stroke: NAS.colour('panel'), 'stroke-width': 4, 'paint-order': 'stroke' }; // lines pass behind
    return NAS.svg('g', {
      class: 'block door', 'data-id': node.id, 'data-exit': exit.exit, role: 'img', tabindex: -1, 'aria-label': said(exit, share, node),
    },
      NAS.svg('title', {}, said(exit, share, node)),
      NAS.svg('rect', { x: left, y: top, width: at.width, height: at.height, rx: 2, fill: NAS.colour('page') }),
      NAS.svg('rect', { x: left + 1, y: top + at.height - 1 - filled, width: at.width - 2, height: filled, fill: accent, opacity: 0.4 }),
      NAS.svg('path', {
        class: 'outline', fill: 'none', stroke: accent, 'stroke-width': 2,
        d: `M${left - 2},${top + at.height} H${left} V${top} H${left + at.width} V${top + at.height} h2`,
      }),
      at.width >= 14 && NAS.svg('circle', { cx: left + at.width - 4.5, cy: at.y + 8, r: 1.5, fill: NAS.colour('text') }),
      at.width >= 8 && written(exit.exit, at.x, at.y + 1, at.width >= 14 ? 11 : 9, { 'font-weight': 700 }),
      shown.map(([text, weight], i) => beside
        ? written(text, left + at.width + 5, top + 8 + 13 * i, fits(text, 11, size.pitch - 32) ? 11 : 9.5, { 'text-anchor': 'start', 'font-weight': weight, ...halo })
        : written(text, at.x, top + at.height + 13 + 13 * i, 10, { 'font-weight': weight, ...halo })));
  }

  // Free pixels around the middle of a door: up to half way to its neighbours in the lane.
  function rooms(graph, places) {
    const lanes = new Map();
    for (const node of graph.nodes) {
      const key = `${node.row} ${node.lane}`;
      lanes.set(key, [...(lanes.get(key) || []), places.get(node.id).x]);
    }
    return (node) => {
      const { x } = places.get(node.id);
      const others = lanes.get(`${node.row} ${node.lane}`).filter((other) => other !== x);
      return Math.min(2 * RIGHT, ...others.map((other) => Math.abs(other - x)));
    };
  }

  // What each block reads: {id: [ids]}.
  function inputs(graph) {
    const found = new Map(graph.nodes.map((node) => [node.id, []]));
    for (const [from, to] of graph.edges) found.get(to).push(from);
    return found;
  }

  // Everything that a block needs, itself included.
  function needs(id, reads, found = new Set()) {
    const left = [id];
    while (left.length) {
      const next = left.pop();
      if (!found.has(next)) {
        found.add(next);
        left.push(...reads.get(next));
      }
    }
    return found;
  }

  // Light the blocks `ids` and the lines into `targets`; all others fade. null: everything as it was.
  function light(svg, ids, targets = ids) {
    svg.classList.toggle('lit', ids !== null);
    for (const each of svg.querySelectorAll('.block')) each.classList.toggle('on', ids !== null && ids.has(each.dataset.id));
    for (const each of svg.querySelectorAll('.edge')) {
      const { from, to } = each.dataset;
      each.classList.toggle('on', ids !== null && targets.has(to) && (!from || ids.has(from)));
    }
  }

  function point(svg, graph, reads, id) {
    if (id === null) {
      light(svg, svg.highlight);
    } else if (graph.exits.some((exit) => exit.node === id)) {
      light(svg, needs(id, reads));
    } else {
      light(svg, new Set([id, ...reads.get(id)]), new Set([id]));
    }
    const node = id === null ? null : svg.querySelector(`[data-id="${CSS.escape(id)}"]`);
    svg.dispatchEvent(new CustomEvent('point', { detail: node && node.getAttribute('aria-label') }));
  }

  const TOWARDS = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] };

  // The nearest block in a direction; steps aside count for more than steps along.
  function nearest(places, id, [dx, dy]) {
    const from = places.get(id);
    let [best, least] = [null, Infinity];
    for (const [other, at] of places) {
      const [x, y] = [at.x - from.x, at.y - from.y];
      const along = x * dx + y * dy;
      const distance = along + 4 * Math.abs(x * dy + y * dx);
      if (along > 1 && distance < least) [best, least] = [other, distance];
    }
    return best;
  }

  // Pointer and keyboard: one block can be reached by Tab, the arrow keys go on from it.
  function listen(svg, graph, places) {
    const reads = inputs(graph);
    const idOf = (event) => {
      const found = event.target.closest('.block');
      return found ? found.dataset.id : null;
    };
    svg.addEventListener('pointerover', (event) => point(svg, graph, reads, idOf(event)));
    svg.addEventListener('pointerleave', () => point(svg, graph, reads, null));
    svg.addEventListener('focusin', (event) => point(svg, graph, reads, idOf(event)));
    svg.addEventListener('focusout', () => point(svg, graph, reads, null));
    svg.addEventListener('keydown', (event) => {
      const id = idOf(event);
      const next = id !== null && TOWARDS[event.key] ? nearest(places, id, TOWARDS[event.key]) : null;
      if (next === null) return;
      event.preventDefault();
      event.target.closest('.block').setAttribute('tabindex', '-1');
      const node = svg.querySelector(`[data-id="${CSS.escape(next)}"]`);
      node.setAttribute('tabindex', '0');
      node.focus();
    });
    const first = svg.querySelector('.block');
    if (first) first.setAttribute('tabindex', '0');
  }

  // The drawing of a network as an SVG element, in the colours of now.
  // row: the policy whose shares stand at the exits; highlight: ids of the blocks that are lit;
  // pitch: pixels of a column. The element tells with "point" events what is pointed at.
  NAS.drawing = (detail, { row = null, highlight = null, pitch = 100 } = {}) => {
    const { graph } = detail;
    const policy = detail.policies.find((each) => each.row === row);
    const shareOf = (exit) => (policy ? policy.shares[exit.exit - 1] : null);
    const carries = detail.exits.map((exit) => carried(exit, shareOf(exit)).length);
    const { size, bands, places, doors, width, height } = layout(graph, pitch, Math.max(1, ...carries));
    const prefix = `drawing${(drawn += 1)}`;
    const top = bands[0] ? bands[0].lanes[0].top : 0;
    const image = { x: GUTTER + 30, y: top + 17, width: 34, height: 28 };
        const largest = Math.max(0, ...graph.nodes.map((node) => node.macs));
    const room = rooms(graph, places);
    const svg = NAS.svg('svg', {
      class: 'drawing', xmlns: 'http://www.w3.org/2000/svg', width, height, viewBox: `0 0 ${width} ${height}`,
      'font-family': FONT, role: 'group',
      'aria-label': `${detail.space} network, ${graph.nodes.length} blocks, ${detail.exits.length} exits; the arrow keys go from block to block`,
    },
      NAS.patterns(prefix, NAS.colour('page')),
      bands.map((at, place) => band(at, place, width)),
      edges(graph, places, image),
      picture(detail, image),
      graph.nodes.map((node) => {
        const at = places.get(node.id);
        const exit = doors.get(node.id);
        if (!exit) return block(node, at, size, prefix, largest);
        return door(detail.exits[exit.exit - 1], shareOf(exit), node, at, room(node), size);
      }),
      labels(bands, graph));
    svg.highlight = highlight;
    listen(svg, graph, places);
    if (highlight) light(svg, highlight);
    return svg;
  };

  // Light other blocks of a drawing (a set of ids, or null).
  NAS.lightBlocks = (svg, ids) => {
    svg.highlight = ids;
    light(svg, ids);
  };
  // Pixels of a column at which the whole network fits in so many.
  NAS.drawing.fit = (graph, room) => (room - GUTTER - PICTURE - RIGHT) / graph.columns;
})();
