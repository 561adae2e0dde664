'use strict';
// The front: every network in the plane of accuracy and a cost, and what is best in it.
(() => {
  const { el, text, model, marks, state } = NAS;
  const REACH = { mouse: 14, pen: 18, touch: 26 }; // px within which a point is meant
  const LISTED = 50; // networks of a lasso in the table
  const PAUSE_MS = 1000; // between drawings of what a search adds: the sliders stay quick
  const TAP = { px: 6, ms: 700 };
  let parts = null;
  let drawn = {};

  const touch = () => matchMedia('(pointer: coarse)').matches;

  // ---- what is drawn --------------------------------------------------------------------------
  function layout(axis) {
    const { title, unit } = model.AXES[axis];
    const simulated = NAS.shownRuns().some((run) => [...run.trials.values()].some((t) => t.how === 'simulated'));
    const upper = NAS.shownRuns().some((run) => run.head.risk === 'upper');
    const note = unit === 'ms' ? `${simulated ? ', simulated' : ''}${upper ? ', upper end of the interval' : ''}` : '';
    return {
      uirevision: `${axis} ${state.log} ${[...state.shown].join()}`,
      dragmode: touch() ? false : 'zoom', // a finger on the plot scrolls the page
      xaxis: { title: unit ? `${title} (${unit}${note})` : title, type: state.log ? 'log' : 'linear', exponentformat: 'SI' },
      yaxis: { title: 'Accuracy on held-out images (%)' },
      legend: { orientation: 'h', y: -0.16, x: 0 },
    };
  }

  // Marks of the canvas; where networks stand is found anew only when the reward or the data change.
  function canvasMarks(area) {
    const axis = state.x;
    const wanted = state.reward;
    const runs = NAS.shownRuns();
    const key = JSON.stringify([axis, wanted, NAS.colour('page'),
      runs.map((run) => [run.head.id, run.version, run.head.held_out, run.head.published.length])]);
    if (drawn.standings !== key) {
      drawn.standings = key;
      drawn.stands = runs.map((run) => {
        const stand = marks.standing(run, axis, wanted);
        return { ...stand, dots: marks.dots(stand, wanted), targets: marks.targets(stand, axis), labels: marks.labels(stand, axis) };
      });
    }
    const hidden = new Set((parts.plot._fullData || []).filter((t) => t.visible === 'legendonly' && t.meta).map((t) => t.meta.dots));
    const seen = drawn.stands.filter(({ run }) => !hidden.has(run.head.id));
    const lines = marks.equalRewards(axis, area, wanted);
    const upright = marks.verticals(runs, axis, area, wanted);
    return {
      curves: [...lines.curves, ...upright.curves],
      dots: seen.flatMap((stand) => stand.dots),
      rings: drawn.stands.flatMap((stand) => marks.rings(stand, axis)),
      labels: [...upright.labels, ...drawn.stands.flatMap((stand) => stand.labels), ...lines.labels],
      targets: drawn.stands.flatMap((stand) => stand.targets),
    };
  }

  function drawAll(runs) {
    const axis = state.x;
    const points = runs.flatMap((run) => marks.frontOf(run, axis));
    drawn.points = points;
    NAS.plot(parts.plot, marks.traces(runs, axis), layout(axis), {
      name: 'front', remove: [],
    });
    if (!parts.layer) {
      parts.layer = NAS.canvas(parts.plot, parts.canvas, parts.over, canvasMarks);
      parts.plot.on('plotly_selected', selectedArea);
      parts.plot.on('plotly_deselect', () => list([]));
    }
    parts.layer.draw();
    parts.caption.replaceChildren(...NAS.frontCaption(runs, axis));
    const several = runs.length > 1;
    if (!parts.front || parts.several !== several) {
      parts.several = several;
      parts.front = NAS.pointTable('The front, fastest first', several);
      parts.chosen = NAS.pointTable('Within the selection, best first', several);
      parts.frontRoom.replaceChildren(parts.front.node);
      parts.chosenRoom.replaceChildren(parts.chosen.node);
    }
    parts.front.fill([...points].sort((a, b) => a[axis] - b[axis]));
  }

  // Whether to draw all anew: at once for what the user changed, in turn for what a search adds.
  function stale(runs) {
    const shown = JSON.stringify([state.x, state.log, NAS.colour('page'), runs.map(({ head, version }) => [head.id, version > 0])]);
    const data = JSON.stringify(runs.map(({ head, version }) =>
      [version, head.held_out, head.published.length, head.trainings.length]));
    if (shown === drawn.shown && data === drawn.data) return false;
    const wait = shown === drawn.shown ? drawn.at + PAUSE_MS - performance.now() : 0;
    if (wait > 0) {
      drawn.timer = drawn.timer || setTimeout(() => {
        drawn.timer = null;
        if (parts.stage.isConnected) update();
      }, wait);
      return false;
    }
    Object.assign(drawn, { shown, data, at: performance.now() });
    return true;
  }

  function update() {
    const runs = NAS.shownRuns();
    const follows = JSON.stringify([state.reward, state.selected]);
    if (parts.axis.value !== state.x) parts.axis.value = state.x;
    parts.log.checked = state.log;
    if (stale(runs)) {
      drawAll(runs);
    } else if (drawn.follows !== follows) {
      parts.layer.draw();
    } else {
      return;
    }
    drawn.follows = follows;
    parts.front.follow();
    parts.chosen.follow();
  }

  // ---- pointer --------------------------------------------------------------------------------
  function found(event) {
    const box = parts.stage.getBoundingClientRect();
    const reach = REACH[event.pointerType] || REACH.mouse;
    return parts.layer && parts.layer.nearest(event.clientX - box.left, event.clientY - box.top, reach);
  }

  // A tap is one's own to find: Plotly lays a cover over the page while a button is down.
  function watchPointer(stage) {
    stage.addEventListener('pointermove', (event) => parts.tell(event.buttons ? null : found(event)));
    stage.addEventListener('pointerleave', (event) => event.pointerType === 'mouse' && parts.tell(null));
    stage.addEventListener('pointerdown', (event) => {
      if (event.button !== 0 || event.target.closest('.modebar, .legend')) return;
      addEventListener('pointerup', (end) => tapped(event, end), { capture: true, once: true });
    }, true);
  }

  function tapped(begin, end) {
    const far = Math.hypot(end.clientX - begin.clientX, end.clientY - begin.clientY);
    if (far > TAP.px || end.timeStamp - begin.timeStamp > TAP.ms || end.pointerId !== begin.pointerId) return;
    const point = found(end);
    if (end.pointerType !== 'mouse') parts.tell(point);
    if (point && point.kind === 'network') NAS.select(point.run, point.trial, point.row, end.shiftKey);
  }

  function selectedArea(event) {
    if (!event || !(event.range || event.lassoPoints)) return;
    const within = new Map();
    const value = (p) => model.reward(p.accuracy, p.latency_ms, state.reward);
    for (const point of parts.layer.inside(event)) {
      if (point.kind !== 'network') continue;
      const key = `${point.run} ${point.trial}`;
      if (!within.has(key) || value(point) > value(within.get(key))) within.set(key, point);
    }
    const points = [...within.values()].sort((a, b) => value(b) - value(a));
    list(points);
    if (points.length >= 2) NAS.set({ selected: points.slice(0, 2).map((p) => ({ run: p.run, n: p.trial, row: p.row })) });
    else if (points.length) NAS.select(points[0].run, points[0].trial, points[0].row);
  }

  function list(points) {
    parts.listed = points;
    parts.selection.hidden = points.length === 0;
    parts.chosen.fill(points.slice(0, LISTED));
    parts.chosen.follow();
    parts.rest.textContent = points.length > LISTED ? `and ${text.count(points.length - LISTED)} more; the export holds all` : '';
    parts.these.disabled = points.length === 0;
  }

  // ---- controls -------------------------------------------------------------------------------
  // A button that writes files; `work(said, progress)`, with `said` for what goes wrong.
  function exporter(name, label, said, work) {
    const button = el('button', { type: 'button', 'data-export': name }, label);
    const progress = (far) => (button.textContent = far ? `${label}: ${far}` : label);
    button.addEventListener('click', () => NAS.exporting.attempt(button, said, () => work(said, progress)));
    return button;
  }

  const nameOf = (part) => `${NAS.exporting.names(NAS.shownRuns())}-${part}`;

  function exports() {
    const said = el('span', { class: 'bad', role: 'alert' });
    const rows = () => drawn.points.map(NAS.rows.pointRow);
    return el('div', { class: 'row' }, el('span', { class: 'quiet' }, 'Export the front:'),
      exporter('front', 'Configs (.zip)', said, (line, progress) =>
        NAS.exporting.configs(drawn.points, nameOf('front.zip'), line, progress)),
      exporter('csv', 'CSV', said, () => NAS.exporting.table(rows(), nameOf('front'), 'csv')),
      exporter('json', 'JSON', said, () => NAS.exporting.table(rows(), nameOf('front'), 'json')), said);
  }

  function controls() {
    const axis = el('select', { id: 'front-axis' }, Object.entries(model.AXES).map(([name, { title, unit }]) =>
      el('option', { value: name }, unit === 'ms' ? `${title} (ms)` : title)));
    axis.addEventListener('change', () => NAS.set({ x: axis.value }));
    const log = el('input', { type: 'checkbox', name: 'log', on: { change: (event) => NAS.set({ log: event.target.checked }) } });
    return { axis, log };
  }

  function mount(root) {
    const { axis, log } = controls();
    const canvas = el('canvas', { id: 'front-canvas', 'aria-hidden': 'true' });
    const over = el('canvas', { 'aria-hidden': 'true' });
    const plot = el('div', { id: 'front-plot', role: 'group', 'aria-label': 'Accuracy against cost of all networks; the table below holds the front' });
    const stage = el('div', { class: 'plot tall stage' }, canvas, plot, over);
    const said = el('span', { class: 'bad', role: 'alert' });
    const these = exporter('these', 'Export these (.zip)', said, (line, progress) =>
      NAS.exporting.configs(parts.listed, nameOf('selected.zip'), line, progress));
    const chosenRoom = el('div', { class: 'scroll' });
    const rest = el('span', { class: 'quiet' });
    const selection = el('div', { id: 'front-selection', hidden: true }, chosenRoom, el('div', { class: 'row' }, rest, these, said));
    const caption = el('div', { id: 'front-caption' });
    const frontRoom = el('div', { class: 'scroll', id: 'front-table' });
    root.replaceChildren(
      el('div', { class: 'row controls' },
        el('label', { class: 'knob' }, 'Cost', axis), el('label', { class: 'knob' }, log, 'log scale'),
        el('span', { class: 'quiet' }, `${touch() ? 'Tap' : 'Click'} a point to choose it, Shift-click to compare; box and lasso are in the plot's bar.`)),
      stage, caption, selection, exports(), frontRoom);
    drawn = { points: [] };
    parts = { axis, log, canvas, over, plot, stage, tell: NAS.tip(stage), these, chosenRoom, rest, selection, caption, frontRoom, listed: [], layer: null, front: null };
    watchPointer(stage);
  }

  NAS.view({ id: 'front', title: 'Front', mount, update });
})();
