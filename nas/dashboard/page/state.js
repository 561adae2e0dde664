'use strict';
// What the page shows, in one place. Events: "state" (the user changed something), "data" (a run did).
(() => {
  const NAS = (globalThis.NAS = globalThis.NAS || {});
  const listeners = { state: [], data: [] };

  NAS.state = {
    runs: new Map(), // id -> {head, trials: Map(n -> trial), progress, version, table}
    shown: new Set(), // ids of the runs in the plots; the first is the one that is looked into
    x: 'latency_ms',
    reward: { target_ms: 1, alpha: -0.07, beta: -0.07 },
    asked: null, // the reward of the first run's own search, to go back to
    selected: [], // {run, n, row}: the first is looked at, a second one compared with it
  };

  // Views are the tabs, panels the parts of the frame: {id, title, mount(root), update()}.
  NAS.views = [];
  NAS.panels = [];
  NAS.view = (view) => NAS.views.push(view);
  NAS.panel = (panel) => NAS.panels.push(panel);

  NAS.on = (event, listener) => listeners[event].push(listener);
  NAS.emit = (event) => listeners[event].forEach((listener) => listener());
  NAS.set = (changes) => {
    Object.assign(NAS.state, changes);
    NAS.emit('state');
  };

  // The runs in the plots, in the order in which they were chosen.
  NAS.shownRuns = () => [...NAS.state.shown].map((id) => NAS.state.runs.get(id)).filter(Boolean);
  NAS.mainRun = () => NAS.shownRuns()[0] || null;
  // The colour of a run: by its place among all, so that it stays when others are hidden.
  NAS.runIndex = (id) => [...NAS.state.runs.keys()].indexOf(id) % 7;

  // Choose a network under a policy (row; null: the best one now); `add` compares it with the first.
  NAS.select = (run, n, row = null, add = false) => {
    const chosen = { run, n, row };
    const same = (s) => s.run === run && s.n === n;
    const { selected } = NAS.state;
    if (add && selected.length && !same(selected[0])) {
      NAS.set({ selected: [selected[0], chosen] });
    } else {
      NAS.set({ selected: [chosen] });
    }
  };

  // The policy row of a selection: the one chosen, or the network's best under the reward now.
  NAS.rowOf = ({ run: id, n, row }) => {
    if (row !== null && row !== undefined) return row;
    const run = NAS.state.runs.get(id);
    const trial = run && run.trials.get(n);
    if (!trial || !trial.p.length) return null;
    const value = (p) => NAS.model.reward(p[1], p[2], NAS.state.reward);
    return trial.p.reduce((a, b) => (value(b) > value(a) ? b : a))[0];
  };

  NAS.takeHead = (head) => {
    const known = NAS.state.runs.get(head.id);
    if (known && known.head.made === head.made) {
      known.head = { ...head, published: known.head.published }; // asked for by itself, see below
    } else { // also a run that was made anew under the name of one that was removed
      const version = known ? known.version + 1 : 0;
      NAS.state.runs.set(head.id, { head, trials: new Map(), progress: null, version });
    }
  };
  NAS.takeTrials = (id, trials) => {
    const run = NAS.state.runs.get(id);
    if (!run) return;
    for (const trial of trials) {
      // A document that was asked for earlier may come after the event that tells of a trial's end.
      const late = trial.state === 'running' && (run.trials.get(trial.n) || trial).state !== 'running';
      if (!late) run.trials.set(trial.n, trial);
    }
    run.version += 1;
  };
  // What published networks cost, once an axis has a place for them: the server must build each.
  NAS.wantPublished = async (run) => {
    if (run.asked) return;
    run.asked = true;
    try {
      run.head.published = await NAS.source.published(run.head.id);
      NAS.emit('data');
    } catch {
      run.asked = false; // asked for again with the next change
    }
  };
  NAS.takeProgress = (id, progress) => {
    const run = NAS.state.runs.get(id);
    if (run) run.progress = progress;
  };
})();
