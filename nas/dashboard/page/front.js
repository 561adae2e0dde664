'use strict';
// The front: every network in the plane of accuracy and a cost, and what is best in it.
(() => {
  const { el, text, model, marks, state } = NAS;
  const REACH = { mouse: 14, pen: 18, touch: 26 }; // px within which a point is meant
  const LINES = 14; // of decisions in what is said of a point
  const LISTED = 50; // networks of a lasso in the table
  const PAUSE_MS = 1000; // between drawings of what a search adds: the sliders stay quick
  const TAP = { px: 6, ms: 700 };
  let parts = null;
  let drawn = {};

  // ---- what is drawn --------------------------------------------------------------------------
  function layout(axis) {
    const { title, unit } = model.AXES[axis];
    const touch = matchMedia('(pointer: coarse)').matches;
    const simulated = NAS.shownRuns().some((run) => [...run.trials.values()].some((t) => t.how === 'simulated'));
    const note = unit === 'ms' && simulated ? ', simulated' : '';
    return {
      uirevision: `${axis} ${state.log} ${[...state.shown].join()}`,
      dragmode: touch ? false : 'zoom', // a finger on the plot scrolls the page
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

  // ---- what is said of a point ----------------------------------------------------------------
  function ofNetwork(point) {
    const run = state.runs.get(point.run);
    const trial = run.trials.get(point.trial);
    const how = marks.howOf(trial);
    const interval = Number.isFinite(point.low_ms) ? ` (${text.figure(point.low_ms)} to ${text.ms(point.high_ms)})` : '';
    const decisions = Object.entries(model.decisions(run, trial));
    const lines = decisions.slice(0, LINES).map(([name, value]) => `${name} = ${text.option(value)}`);
    return [
      [`${point.run}, trial ${point.trial}`, trial.name].filter(Boolean).join(' · '),
      `accuracy ${text.judged(run, point.accuracy)}`,
      `latency ${text.ms(point.latency_ms)}${interval}, ${how}`,
      ...(state.x === 'latency_ms' ? [] : [`${model.AXES[state.x].title} ${model.AXES[state.x].unit === 'ms' ? text.ms(point[state.x]) : text.short(point[state.x])}`]),
      `reward ${text.figure(model.reward(point.accuracy, point.latency_ms, state.reward))}`,
      ...lines,
      ...(decisions.length > LINES ? [`… ${decisions.length - LINES} more`] : []),
    ];
  }

  function ofTraining({ run, training: t }) {
    const error = t.standard_error === null ? '' : ` ± ${(100 * t.standard_error).toFixed(1)}`;
    return [
      `${run}: ${t.name}`, t.epochs ? `trained ${t.epochs} epochs` : 'trained in full', `accuracy ${text.percent(t.accuracy)}${error}`,
      `latency ${text.ms(t.latency_ms)}`, `${text.short(t.macs)} MACs, ${text.short(t.parameters)} parameters`,
    ];
  }

  const ofPublished = ({ published: p }) =>
    [`${p.name}, published`, `${text.short(p.macs)} MACs, ${text.short(p.parameters)} parameters`, 'accuracy not known here'];

  const SAID = { network: ofNetwork, training: ofTraining, published: ofPublished };

  function tell(found) {
    const { tip, stage } = parts;
    stage.classList.toggle('pointing', Boolean(found));
    tip.hidden = !found;
    if (!found) return;
    const [title, ...rest] = SAID[found.kind](found);
    tip.replaceChildren(el('strong', {}, title), ...rest.map((line) => el('div', {}, line)));
    const { clientWidth: width, clientHeight: height } = stage;
    const beside = found.px + 16 + tip.offsetWidth <= width ? found.px + 16 : found.px - 16 - tip.offsetWidth;
    const left = Math.max(0, Math.min(beside, width - tip.offsetWidth));
    const top = Math.max(0, Math.min(found.py - tip.offsetHeight / 2, height - tip.offsetHeight));
    tip.style.setProperty('left', `${left}px`);
    tip.style.setProperty('top', `${top}px`);
  }

  // ---- pointer --------------------------------------------------------------------------------
  function found(event) {
    const box = parts.stage.getBoundingClientRect();
    const reach = REACH[event.pointerType] || REACH.mouse;
    return parts.layer && parts.layer.nearest(event.clientX - box.left, event.clientY - box.top, reach);
  }

  // A tap is one's own to find: Plotly lays a cover over the page while a button is down.
  function watchPointer(stage) {
    let begun = null;
    stage.addEventListener('pointermove', (event) => tell(event.buttons ? null : found(event)));
    stage.addEventListener('pointerleave', (event) => event.pointerType === 'mouse' && tell(null));
    stage.addEventListener('pointerdown', (event) => {
      begun = event.button === 0 && !event.target.closest('.modebar, .legend')
        ? { x: event.clientX, y: event.clientY, at: event.timeStamp } : null;
    }, true);
    addEventListener('pointerup', (event) => {
      if (!begun || !stage.isConnected) return;
      const { x, y, at } = begun;
      begun = null;
      if (Math.hypot(event.clientX - x, event.clientY - y) > TAP.px || event.timeStamp - at > TAP.ms) return;
      const point = found(event);
      if (event.pointerType !== 'mouse') tell(point);
      if (point && point.kind === 'network') NAS.select(point.run, point.trial, point.row, event.shiftKey);
    }, true);
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
    const tip = el('div', { class: 'tip', hidden: true });
    const stage = el('div', { class: 'plot tall stage' }, canvas, plot, over, tip);
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
        el('span', { class: 'quiet' }, 'Click a point to choose it, Shift-click to compare; box and lasso are in the plot\'s bar.')),
      stage, caption, selection, exports(), frontRoom);
    drawn = { points: [] };
    parts = { axis, log, canvas, over, plot, tip, stage, these, chosenRoom, rest, selection, caption, frontRoom, listed: [], layer: null, front: null };
    watchPointer(stage);
  }

  NAS.view({ id: 'front', title: 'Front', mount, update });
})();
