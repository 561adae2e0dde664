'use strict';
// Trials and points as rows for other programs: CSV and JSON, names and units as `nas trials` has them.
(() => {
  const NAS = (globalThis.NAS = globalThis.NAS || {});
  const { model } = NAS;
  const known = (x) => (Number.isFinite(x) ? x : null);

  // A point of a run: what is known of the network, and of it under this policy.
  function pointRow(point) {
    const run = NAS.state.runs.get(point.run);
    const trial = run.trials.get(point.trial);
    return {
      run: point.run, trial: point.trial, row: point.row, key: trial.key, name: trial.name,
      accuracy: point.accuracy, standard_error: model.standardError(run, point.accuracy),
      latency_ms: point.latency_ms, low_ms: known(point.low_ms), high_ms: known(point.high_ms),
      p95_ms: point.p95_ms, worst_ms: point.worst_ms, latency_is: trial.how,
      expected_macs: known(point.expected_macs), macs: trial.macs, parameters: trial.params,
      reward: model.reward(point.accuracy, point.latency_ms, NAS.state.reward),
      target_ms: NAS.state.reward.target_ms, alpha: NAS.state.reward.alpha, beta: NAS.state.reward.beta,
      decisions: model.decisions(run, trial),
    };
  }

  // Every trial of a run, the judged ones at their best point under the reward.
  function trialRows(run) {
    const { columns, trials, at } = model.standings(run, NAS.state.reward, true);
    const places = new Map(trials.map((trial, i) => [trial.n, at[i]]));
    return [...run.trials.values()].sort((a, b) => a.n - b.n).map((trial) => {
      const place = places.get(trial.n);
      const judged = place === undefined ? {} : pointRow(model.point(run, columns, place));
      return {
        run: run.head.id, trial: trial.n, state: trial.state, key: trial.key, name: trial.name, ...judged,
        epochs: trial.epochs, seconds: trial.s, reused_from: trial.reused, error: trial.error,
        decisions: model.decisions(run, trial),
      };
    });
  }

  // A cell; a text that a spreadsheet would compute is made one that it shows.
  function cell(value) {
    if (value === null || value === undefined) return '';
    let text = String(value);
    if (typeof value === 'string' && /^[=+\-@\t\r]/.test(text)) text = `'${text}`;
    return /[",\r\n]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text;
  }

  // Decisions become columns of their own, "decision.NAME".
  function csv(rows) {
    const flat = rows.map(({ decisions, ...rest }) => ({
      ...rest, ...Object.fromEntries(Object.entries(decisions).map(([name, value]) => [`decision.${name}`, value])),
    }));
    const names = [...new Set(flat.flatMap(Object.keys))];
    const lines = [names, ...flat.map((row) => names.map((name) => row[name]))];
    return lines.map((line) => line.map(cell).join(',')).join('\r\n') + '\r\n';
  }

  NAS.rows = { pointRow, trialRows, csv, json: (rows) => `${JSON.stringify(rows, null, 1)}\n` };
})();
