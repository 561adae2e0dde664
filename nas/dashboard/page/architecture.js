'use strict';
// One network in full: what it is made of, what it costs, and where its images leave.
(() => {
  const NAS = (globalThis.NAS = globalThis.NAS || {});
  const { el } = NAS;
  let root = null;
  let shown = null; // what is in the page: key of the networks, and the parts that change with the policy

  const scheme = () => NAS.colour('page');
  const trialOf = ({ run, n }) => NAS.state.runs.get(run).trials.get(n);

  const STATES = {
    failed: 'failed', pruned: 'was not trained to its end', running: 'is still training', complete: 'complete',
  };

  function empty() {
    const waiting = NAS.mainRun() ? 'No network is complete yet: the best one appears here as soon as there is one.' : 'No run is shown.';
    return el('p', { class: 'quiet' }, waiting);
  }

  // The trained weights, where the run kept them and the server is there to hand them out.
  function weights(selection, trial, detail) {
    if (!detail.weights || !NAS.source.live) return null;
    const kept = trial.reused === null ? trial.n : trial.reused;
    const file = `weights/${String(kept).padStart(5, '0')}.safetensors`;
    return el('a', { href: NAS.source.file(selection.run, file), download: '' }, 'The weights that the search gave it');
  }

  function title(selection, trial) {
    const name = trial.name ? ` · ${trial.name}` : '';
    return el('div', { class: 'row title' },
      el('h2', {}, `Trial ${selection.n} of ${selection.run}${name}`),
      el('code', { class: 'quiet', title: 'key: the same for equal networks' }, trial.key || ''));
  }

  function remark(selection, trial) {
    const said = [];
    if (selection.best) said.push('The best network now: choose another in the front or among the trials; shift-click one to compare it.');
    if (trial.state !== 'complete') said.push(`This trial ${STATES[trial.state] || trial.state}${trial.error ? `: ${trial.error}` : '.'}`);
    else if (trial.error) said.push(trial.error);
    if (trial.reused !== null && trial.reused !== undefined) said.push(`The same network as trial ${trial.reused}, whose facts it has.`);
    const bad = trial.state === 'failed' || (trial.state === 'complete' && trial.error);
    return said.map((each, i) => el('p', { class: bad && i === said.length - 1 ? 'bad' : 'quiet' }, each));
  }

  // Loading, or the error in one line with a way to ask again. null: the detail is there.
  function waiting(selection, entry) {
    if (entry.loading) return el('p', { class: 'quiet', role: 'status' }, 'Reading the network …');
    if (!entry.error) return null;
    return el('p', { class: 'bad', role: 'alert' }, `${entry.error} `,
      NAS.source.live && el('button', { type: 'button', on: { click: () => NAS.forgetDetail(selection) } }, 'Try again'));
  }

  function policySelect(selection, detail) {
    const options = detail.policies.map((policy) => el('option', { value: policy.row }, NAS.facts.policyText(policy)));
    return el('select', {
      on: { change: (event) => NAS.select(selection.run, selection.n, Number(event.target.value)) },
    }, options);
  }

  const scopeOf = (name) => (decision) => decision !== null && (name === decision || name.startsWith(`${decision}.`));

  // Blocks that a decision is about; null where it is about none of them in particular.
  function blocksOf(detail, name) {
    const about = name === null ? () => false : scopeOf(name);
    const found = detail.graph.nodes.filter((node) => about(node.decision)).map((node) => node.id);
    return found.length ? new Set(found) : null;
  }

  // The parts that depend on the policy are empty boxes, filled by `policyParts`.
  function whole(selection, trial, detail) {
    const run = NAS.state.runs.get(selection.run);
    const parts = { tiles: el('div', {}), exits: el('div', {}) };
    parts.box = NAS.drawingBox(detail, { row: (NAS.policyOf(selection, detail) || {}).row ?? null, name: `${selection.run}-${selection.n}` });
    parts.select = detail.policies.length ? policySelect(selection, detail) : null;
    const decided = NAS.facts.decided(run, trial, detail);
    const point = (name) => parts.box.light(blocksOf(detail, name));
    return {
      parts,
      nodes: [
        parts.tiles,
        parts.select && el('p', { class: 'row' }, el('label', { class: 'row wide' }, 'Exit policy ', parts.select)),
        el('div', { id: 'architecture-drawing' }, parts.box.root),
        weights(selection, trial, detail),
        el('div', { class: 'grid' },
          el('section', {}, el('h2', {}, 'Exits'), parts.exits),
          el('section', {}, el('h2', {}, 'Decisions'), el('details', { open: decided.length <= 16 },
            el('summary', {}, `${decided.length} decisions`), NAS.facts.decisions(decided, point)))),
        el('section', {}, el('h2', {}, 'Operators'), NAS.facts.operators(detail)),
      ],
    };
  }

  // What is known of a trial without its detail.
  function little(run, trial) {
    const decided = NAS.facts.decided(run, trial, null);
    return [
      NAS.facts.tiles(trial, null),
      decided.length > 0 && el('details', {}, el('summary', {}, `${decided.length} decisions`), NAS.facts.decisions(decided)),
    ];
  }

  function policyParts(selection, trial, detail, parts) {
    const policy = NAS.policyOf(selection, detail);
    if (policy && parts.row === policy.row && parts.trial === trial) return;
    [parts.row, parts.trial] = [policy ? policy.row : null, trial];
    parts.tiles.replaceChildren(NAS.facts.tiles(trial, policy, detail));
    parts.exits.replaceChildren(NAS.facts.exits(detail, policy));
    parts.box.show(parts.row);
    if (parts.select && policy) parts.select.value = String(policy.row);
  }

  function update() {
    const selected = NAS.inView();
    if (!selected.length) {
      root.replaceChildren(empty());
      shown = null;
      return;
    }
    const entries = selected.map(NAS.detailOf);
    const trials = selected.map(trialOf);
    const key = JSON.stringify([
      selected.map((s, i) => [s.run, s.n, s.best, trials[i].state, trials[i].error]), entries.map((e) => [e.loading, e.error]), scheme(),
    ]);
    if (selected.length === 2) {
      const rows = selected.map((s, i) => entries[i].detail && (NAS.policyOf(s, entries[i].detail) || {}).row);
      const both = key + JSON.stringify(rows);
      if (shown && shown.key === both) return;
      shown = { key: both };
      root.replaceChildren(NAS.comparison(selected, trials, entries, waiting));
      return;
    }
    draw(key, selected[0], trials[0], entries[0]);
  }

  function draw(key, selection, trial, entry) {
    if (!shown || shown.key !== key) {
      const made = entry.detail ? whole(selection, trial, entry.detail) : null;
      shown = { key, parts: made && made.parts };
      const run = NAS.state.runs.get(selection.run);
      const body = made ? made.nodes : [waiting(selection, entry), little(run, trial)];
      root.replaceChildren(el('div', {}, title(selection, trial), remark(selection, trial), body));
    }
    if (shown.parts) policyParts(selection, trial, entry.detail, shown.parts);
  }

  NAS.view({
    id: 'architecture',
    title: 'Architecture',
    mount(given) {
      root = given;
      shown = null;
    },
    update,
  });
})();
