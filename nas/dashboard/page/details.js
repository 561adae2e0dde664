'use strict';
// Networks in full, asked for once and remembered. Views read what is there and are called again
// when more has come, so an answer that arrives late is never shown for another network.
(() => {
  const NAS = (globalThis.NAS = globalThis.NAS || {});
  const MOST = 24;
  const known = new Map(); // key -> {detail, error, loading}, the one used longest ago first

  // A trial that ends has more to tell than it had while it ran.
  const keyOf = (id, n) => {
    const run = NAS.state.runs.get(id);
    const trial = run && run.trials.get(n);
    return JSON.stringify([id, run ? run.head.made : null, n, trial ? trial.state : null]);
  };

  async function load(id, n, entry) {
    try {
      entry.detail = await NAS.source.detail(id, n);
    } catch (error) {
      entry.error = error.message;
    }
    entry.loading = false;
    NAS.emit('data');
  }

  // {detail, error, loading} of a trial; the first call asks for it.
  NAS.detailOf = ({ run: id, n }) => {
    const key = keyOf(id, n);
    let entry = known.get(key);
    if (entry) known.delete(key);
    else {
      entry = { detail: null, error: null, loading: true };
      load(id, n, entry);
    }
    known.set(key, entry);
    if (known.size > MOST) known.delete(known.keys().next().value);
    return entry;
  };

  // Ask again after an error.
  NAS.forgetDetail = ({ run: id, n }) => {
    known.delete(keyOf(id, n));
    NAS.emit('state');
  };

  // What is looked at: the networks selected, or else the best one of the first run.
  NAS.inView = () => {
    const chosen = NAS.state.selected.filter(({ run, n }) => {
      const found = NAS.state.runs.get(run);
      return found && found.trials.has(n);
    });
    if (chosen.length) return chosen;
    const run = NAS.mainRun();
    const best = run && NAS.model.best(run, NAS.state.reward);
    return best ? [{ run: run.head.id, n: best.trial, row: null, best: true }] : [];
  };

  // The policy of a selection as the detail has it: chosen, or best under the reward now.
  NAS.policyOf = (selection, detail) => {
    const { policies } = detail;
    const row = NAS.rowOf(selection);
    const chosen = policies.find((policy) => policy.row === row);
    if (chosen || !policies.length) return chosen || null;
    const value = (p) => NAS.model.reward(p.accuracy, p.latency_ms, NAS.state.reward);
    return policies.reduce((a, b) => (value(b) > value(a) ? b : a));
  };
})();
