'use strict';
// What a run's stored facts amount to: points, fronts, rewards. Pure functions; nothing is drawn.
// A point is a network under one exit policy. Accuracies are fractions, times milliseconds.
(() => {
  const NAS = (globalThis.NAS = globalThis.NAS || {});
  const FIELDS = ['accuracy', 'latency_ms', 'p95_ms', 'worst_ms', 'expected_macs', 'low_ms', 'high_ms'];

  // What may stand on the cost axis; `of`: the policy's figure, or the network's.
  const AXES = {
    latency_ms: { title: 'Expected latency', unit: 'ms', show: (x) => NAS.text.ms(x) },
    p95_ms: { title: '95th percentile of latency', unit: 'ms', show: (x) => NAS.text.ms(x) },
    worst_ms: { title: 'Worst-case latency', unit: 'ms', show: (x) => NAS.text.ms(x) },
    expected_macs: { title: 'Expected MACs', unit: 'MACs', show: (x) => NAS.text.macs(x) },
    macs: { title: 'MACs of the whole network', unit: 'MACs', show: (x) => NAS.text.macs(x) },
    parameters: { title: 'Parameters', unit: '', show: (x) => NAS.text.short(x) },
  };

  // ACC * (LAT / T)^w, w = alpha up to the target and beta above it (MnasNet, section 3).
  function reward(accuracy, latencyMs, { target_ms: target, alpha, beta }) {
    return accuracy * Math.pow(latencyMs / target, latencyMs <= target ? alpha : beta);
  }

  // The trials whose training stands for its network: of several the middle one by the accuracy
  // over all exits, of two the worse (nas/repetitions.py).
  function settled(trials) {
    const trainings = new Map();
    for (const trial of trials) trainings.set(trial.key, [...(trainings.get(trial.key) || []), trial]);
    const stands = [...trainings.values()].map((found) =>
      found.sort((a, b) => a.right - b.right || a.n - b.n)[(found.length - 1) >> 1].n);
    return new Set(stands);
  }

  // All points of a run as columns, in order of trial and row; made anew when its trials change.
  function table(run) {
    if (run.table && run.table.version === run.version) return run.table;
    const trials = [...run.trials.values()].filter((t) => t.p.length).sort((a, b) => a.n - b.n);
    const size = trials.reduce((sum, t) => sum + t.p.length, 0);
    const columns = { version: run.version, size, trials, first: new Int32Array(trials.length + 1) };
    columns.settled = settled(trials);
    columns.trial = new Int32Array(size);
    columns.row = new Int32Array(size);
    for (const name of [...FIELDS, 'macs', 'parameters']) columns[name] = new Float64Array(size);
    let at = 0;
    trials.forEach((trial, index) => {
      columns.first[index] = at;
      for (const point of trial.p) {
        columns.trial[at] = trial.n;
        columns.row[at] = point[0];
        FIELDS.forEach((name, i) => (columns[name][at] = point[i + 1] === null ? NaN : point[i + 1]));
        columns.macs[at] = trial.macs;
        columns.parameters[at] = trial.params;
        at += 1;
      }
    });
    columns.first[trials.length] = at;
    run.table = columns;
    return columns;
  }

  function point(run, columns, at) {
    const found = { run: run.head.id, trial: columns.trial[at], row: columns.row[at], at };
    for (const name of [...FIELDS, 'macs', 'parameters']) found[name] = columns[name][at];
    return found;
  }

  // Places (in the table) of the points that none dominates in accuracy and these costs; of equal
  // ones the first. Fastest first.
  function frontPlaces(columns, costs) {
    const order = [...Array(columns.size).keys()].filter((at) => columns.settled.has(columns.trial[at]));
    const first = columns[costs[0]];
    const { accuracy } = columns;
    order.sort((a, b) => first[a] - first[b] || accuracy[b] - accuracy[a] || a - b);
    const kept = [];
    if (costs.length === 1) {
      let best = -Infinity;
      for (const at of order) {
        if (accuracy[at] > best && Number.isFinite(first[at])) {
          best = accuracy[at];
          kept.push(at);
        }
      }
      return kept;
    }
    const second = columns[costs[1]];
    order.sort((a, b) => first[a] - first[b] || second[a] - second[b] || accuracy[b] - accuracy[a] || a - b);
    for (const at of order) {
      if (!kept.some((k) => accuracy[k] >= accuracy[at] && second[k] <= second[at])) kept.push(at);
    }
    return kept;
  }

  // The front of a run over accuracy and the costs named, as points; remembered per run.
  function front(run, costs = run.head.plane.filter((fact) => fact !== 'accuracy')) {
    const columns = table(run);
    const name = costs.join();
    columns.fronts = columns.fronts || {};
    columns.fronts[name] = columns.fronts[name] || frontPlaces(columns, costs);
    return columns.fronts[name].map((at) => point(run, columns, at));
  }

  // The point with the largest reward, the fastest of equals: what `nas pareto` says. It stands on
  // the front of accuracy and latency, also where the run optimises other facts.
  function best(run, wanted) {
    let found = null;
    for (const each of front(run, ['latency_ms'])) {
      const value = reward(each.accuracy, each.latency_ms, wanted);
      if (found === null || value > found.reward) found = { ...each, reward: value };
    }
    return found;
  }

  // Where every network stands under a reward: its trial, the place of its best point, and that
  // reward; of all judged trials, where `every` training is wanted.
  function standings(run, wanted, every = false) {
    const columns = table(run);
    const trials = [];
    const at = new Int32Array(every ? columns.trials.length : columns.settled.size);
    const value = new Float64Array(at.length).fill(-Infinity);
    columns.trials.forEach((trial, i) => {
      if (!every && !columns.settled.has(trial.n)) return;
      const place = trials.push(trial) - 1;
      for (let k = columns.first[i]; k < columns.first[i + 1]; k += 1) {
        const r = reward(columns.accuracy[k], columns.latency_ms[k], wanted);
        if (r > value[place]) [value[place], at[place]] = [r, k];
      }
    });
    return { columns, trials, at, value };
  }

  // Area that points dominate towards (0 accuracy, the largest latency of `reference` ms).
  function hypervolume(points, reference) {
    const sorted = [...points].sort((a, b) => a.latency_ms - b.latency_ms || b.accuracy - a.accuracy);
    let [area, highest] = [0, 0];
    for (const { latency_ms: ms, accuracy } of sorted) {
      if (ms < reference && accuracy > highest) {
        area += (reference - ms) * (accuracy - highest);
        highest = accuracy;
      }
    }
    return area;
  }

  // A tenth beyond the slowest network's last exit, of all runs together: as `nas status` has it.
  function referenceMs(runs) {
    let worst = 0;
    for (const run of runs) {
      for (const trial of run.trials.values()) {
        if (trial.p.length) worst = Math.max(worst, trial.exit_ms[trial.exit_ms.length - 1]);
      }
    }
    return 1.1 * worst;
  }

  // What keeps the runs of one plot from being compared, in words.
  function incomparable(runs, timed = true) {
    // What an older run does not say of itself is no difference.
    const differ = (fact) => new Set(runs.map(({ head }) => head[fact]).filter(Boolean).map((x) => JSON.stringify(x))).size > 1;
    return [
      ['data', 'image'].some(differ) && 'accuracies are of different data',
      timed && ['device', 'runtime', 'conditions'].some(differ) && 'latencies are of different devices, runtimes or conditions',
    ].filter(Boolean);
  }

  // The binomial standard error of an accuracy on the run's held-out images.
  function standardError(run, accuracy) {
    const images = run.head.held_out;
    return images ? Math.sqrt((accuracy * (1 - accuracy)) / images) : null;
  }

  // The choices of a trial by name: options, values beyond them, and what is inactive left out.
  function decisions(run, trial) {
    const found = {};
    run.head.decisions.forEach((decision, i) => {
      const choice = trial.c[i];
      if (choice === null || choice === undefined) return;
      found[decision.name] = typeof choice === 'object' ? choice.v : decision.options[choice];
    });
    return found;
  }

  NAS.model = {
    AXES, reward, table, point, front, best, standings, hypervolume, referenceMs, incomparable, standardError, decisions,
  };
})();
