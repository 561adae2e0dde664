'use strict';
// What stands in the plot of the front: the few points of fronts as traces, all others as marks.
(() => {
  const NAS = (globalThis.NAS = globalThis.NAS || {});
  const { model, plain } = NAS;
  // Filled: measured. Open: predicted by a latency model, with a dot where it had to guess blocks.
  const HOW = { measured: '', table: '-open', extrapolated: '-open-dot', simulated: '-open-dot' };
  const SAID = { table: 'from the table of a model', extrapolated: 'from a model that guessed blocks' };
  const SLOW_AXES = ['latency_ms', 'p95_ms', 'worst_ms'];
  const hundred = (values) => values.map((v) => 100 * v);

  // How the latency of a trial was found; what is not said was measured.
  const howOf = (trial) => (Object.hasOwn(HOW, trial.how) ? trial.how : 'measured');

  const saidOf = (how) => SAID[how] || how;

  // The front in a plane: the run's own where the axis is one of its costs, else that of the axis.
  const costsOf = ({ head: { plane } }, axis) => (plane.includes(axis) ? plane.filter((fact) => fact !== 'accuracy') : [axis]);
  const frontOf = (run, axis) => model.front(run, costsOf(run, axis));

  function stepped(run, axis) {
    const points = model.front(run, [axis]);
    const id = run.head.id;
    return {
      x: points.map((p) => p[axis]), y: hundred(points.map((p) => p.accuracy)),
      mode: 'lines', name: plain(`${id}: front`), legendgroup: id, hoverinfo: 'skip', showlegend: false,
      line: { shape: 'hv', color: NAS.runColour(id), width: 1.5, dash: NAS.dashes[NAS.runIndex(id)] },
    };
  }

  function frontTraces(run, axis) {
    const id = run.head.id;
    const points = frontOf(run, axis);
    const found = Map.groupBy
      ? Map.groupBy(points, (p) => howOf(run.trials.get(p.trial)))
      : new Map(Object.keys(HOW).map((how) => [how, points.filter((p) => howOf(run.trials.get(p.trial)) === how)]));
    return [...found].filter(([, group]) => group.length).map(([how, group]) => ({
      x: group.map((p) => p[axis]), y: hundred(group.map((p) => p.accuracy)),
      mode: 'markers', name: plain(`${id}: front, latency ${saidOf(how)}`), legendgroup: id, hoverinfo: 'skip',
      marker: { symbol: NAS.symbols[NAS.runIndex(id)] + HOW[how], color: NAS.runColour(id), size: 10, line: { width: 1.5 } },
      error_y: run.head.held_out ? {
        array: group.map((p) => 100 * model.standardError(run, p.accuracy)), thickness: 1, width: 3, color: NAS.runColour(id),
      } : undefined,
      error_x: axis === 'latency_ms' && group.some((p) => Number.isFinite(p.high_ms)) ? {
        array: group.map((p) => Math.max(0, p.high_ms - p[axis]) || 0),
        arrayminus: group.map((p) => Math.max(0, p[axis] - p.low_ms) || 0),
        symmetric: false, thickness: 1, width: 3, color: NAS.runColour(id),
      } : undefined,
    }));
  }

  // Full trainings that are known on this axis: their expected MACs are not.
  const trainingsOf = (run, axis) => run.head.trainings.filter((t) => Number.isFinite(t[axis]));

  function trainingTrace(run, axis) {
    const id = run.head.id;
    const known = trainingsOf(run, axis);
    return known.length === 0 ? [] : [{
      x: known.map((t) => t[axis]), y: hundred(known.map((t) => t.accuracy)),
      mode: 'markers', name: plain(`${id}: trained in full`), legendgroup: id, hoverinfo: 'skip',
      marker: { symbol: 'star', color: NAS.runColour(id), size: 14, line: { color: NAS.colour('text'), width: 1 } },
      error_y: { array: known.map((t) => 100 * (t.standard_error || 0)), thickness: 1, width: 3 },
    }];
  }

  // Corners of all that the canvas shows: with them in the plot, its ranges hold all.
  function extent(runs, axis) {
    const [x, y] = [[Infinity, -Infinity], [Infinity, -Infinity]];
    const widen = (pair, value) => {
      if (!Number.isFinite(value)) return;
      pair[0] = Math.min(pair[0], value);
      pair[1] = Math.max(pair[1], value);
    };
    for (const run of runs) {
      const columns = model.table(run);
      for (let at = 0; at < columns.size; at += 1) {
        widen(x, columns[axis][at]);
        widen(y, 100 * columns.accuracy[at]);
      }
      if (NAS.state.log) for (const each of publishedOf(run, axis)) widen(x, each[axis]);
    }
    return {
      x, y, mode: 'markers', marker: { opacity: 0, size: 12 }, hoverinfo: 'skip', showlegend: false,
    };
  }

  const publishedOf = (run, axis) => {
    if (axis !== 'macs' && axis !== 'parameters') return [];
    NAS.wantPublished(run);
    return run.head.published.filter((p) => p[axis] > 0);
  };

  // Entries of the legend for what is on the canvas; a click on one hides the points.
  const entry = (id) => ({
    x: [null], y: [null], mode: 'markers', name: plain(`${id}: other networks`), legendgroup: `${id} others`,
    meta: { dots: id }, hoverinfo: 'skip',
    marker: { symbol: NAS.symbols[NAS.runIndex(id)], color: NAS.runColour(id), size: 6, opacity: 0.5 },
  });

  // The traces of Plotly: what does not depend on the reward.
  function traces(runs, axis) {
    const drawn = runs.flatMap((run) => [
      stepped(run, axis), ...frontTraces(run, axis), entry(run.head.id), ...trainingTrace(run, axis),
    ]);
    return [extent(runs, axis), ...drawn].map((trace) =>
      ({ type: 'scatter', unselected: { marker: { opacity: (trace.marker || {}).opacity ?? 1 } }, ...trace }));
  }

  // Where every network of a run stands: columns in per cent, and which are on the front.
  function standing(run, axis, wanted) {
    const { columns, at, value } = model.standings(run, wanted);
    const percent = columns.percent || (columns.percent = columns.accuracy.map((a) => 100 * a));
    const front = frontOf(run, axis);
    const on = new Set(front.map((p) => p.trial));
    return { run, columns, x: columns[axis], y: percent, at, value, front, on };
  }

  // The dots of those that are not on the front; slower than T: hollow.
  function dots({ run, columns, x, y, at, on }, wanted) {
    const id = run.head.id;
    const off = [...at].filter((k) => !on.has(columns.trial[k]));
    const slow = (k) => columns.latency_ms[k] > wanted.target_ms;
    const look = {
      x, y, symbol: NAS.symbols[NAS.runIndex(id)], colour: NAS.runColour(id), radius: at.length > 1000 ? 2.5 : 3.5, alpha: 0.4,
    };
    return [
      { ...look, at: off.filter(slow), hollow: true },
      { ...look, at: off.filter((k) => !slow(k)), alpha: 0.5 },
    ];
  }

  function targets(stand, axis) {
    const { run, columns, x, y, at, on, front } = stand;
    const point = (k) => ({ kind: 'network', ...model.point(run, columns, k) });
    const stars = trainingsOf(run, axis);
    const rug = publishedOf(run, axis);
    return [
      { x, y, at: [...at].filter((k) => !on.has(columns.trial[k])), of: point },
      { x, y, at: front.map((p) => p.at), of: point, lead: 4 },
      {
        x: stars.map((t) => t[axis]), y: hundred(stars.map((t) => t.accuracy)), at: [...stars.keys()],
        of: (k) => ({ kind: 'training', run: run.head.id, training: stars[k] }), lead: 4,
      },
      { x: rug.map((p) => p[axis]), at: [...rug.keys()], of: (k) => ({ kind: 'published', run: run.head.id, published: rug[k] }), lead: -8 },
    ];
  }

  function labels(stand, axis) {
    const { run, columns, x, y, at } = stand;
    const colour = NAS.colour('text');
    const named = [...at].filter((k) => run.trials.get(columns.trial[k]).name)
      .map((k) => ({ x: x[k], y: y[k], dy: -14, colour, text: run.trials.get(columns.trial[k]).name }));
    const stars = trainingsOf(run, axis).map((t) => ({
      x: t[axis], y: 100 * t.accuracy, dy: -16, colour,
      text: t.epochs ? `${t.name}, trained ${t.epochs} epochs` : `${t.name}, trained in full`,
    }));
    return [...stars, ...named];
  }

  // Rings about the selected networks, and the best one named.
  function rings(stand, axis) {
    const { run, columns } = stand;
    const found = NAS.state.selected.filter((s) => s.run === run.head.id).map((s) => {
      const row = NAS.rowOf(s);
      const index = columns.trials.findIndex((t) => t.n === s.n);
      for (let k = columns.first[index]; index >= 0 && k < columns.first[index + 1]; k += 1) {
        if (columns.row[k] === row) return { x: columns[axis][k], y: stand.y[k], colour: NAS.colour('text') };
      }
      return null;
    });
    return found.filter(Boolean);
  }

  function verticals(runs, axis, area, wanted) {
    const quiet = NAS.colour('quiet');
    const [low, high] = area.seenY;
    const rug = runs.flatMap((run) => publishedOf(run, axis)).map((p) => ({
      x: [p[axis], p[axis]], y: [low, high], colour: quiet, dash: [2, 4],
    }));
    if (!SLOW_AXES.includes(axis)) return { curves: rug, labels: [] };
    const target = wanted.target_ms;
    const line = { x: [target, target], y: [low, high], colour: NAS.colour('text'), dash: [6, 4], width: 1.5 };
    const label = { x: target, y: low, dx: 4, dy: -9, align: 'left', colour: NAS.colour('text'), text: `T = ${NAS.text.ms(target)}` };
    return { curves: [...rug, line], labels: [label] };
  }

  // Lines of equal reward with their values, each where it leaves what is seen.
  function equalRewards(axis, area, wanted) {
    if (axis !== 'latency_ms') return { curves: [], labels: [] };
    const colour = NAS.colour('quiet');
    const [low, high] = area.seenY;
    const curves = NAS.contours(area, wanted).map((curve) => ({ ...curve, colour, width: 0.8 }));
    const labels = curves.map(({ x, y, value }) => {
      const seen = y.map((v, i) => (v >= low && v <= high ? i : -1)).filter((i) => i >= 0);
      const at = seen[seen.length - 1];
      return at === undefined ? null : {
        x: x[at], y: y[at], dy: at < x.length - 1 ? 10 : 0, align: 'right', colour, text: `reward ${NAS.text.figure(value, 3)}`,
      };
    });
    return { curves, labels: labels.filter(Boolean) };
  }

  NAS.marks = { traces, standing, dots, targets, labels, rings, verticals, equalRewards, costsOf, frontOf, howOf, saidOf, publishedOf, trainingsOf };
})();
