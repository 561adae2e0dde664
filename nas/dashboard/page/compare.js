'use strict';
// Two networks side by side: their drawings, their figures, and the decisions that differ.
(() => {
  const NAS = (globalThis.NAS = globalThis.NAS || {});
  const { el, text } = NAS;
  const COLUMNS = (selected) => selected.map(({ run, n }) => [`${n} of ${run}`, 1]);

  // By how much the second differs from the first: accuracies in points, all else in per cent.
  function difference(title, a, b) {
    if (!Number.isFinite(a) || !Number.isFinite(b) || a === null || b === null) return '–';
    const by = title === 'Accuracy' ? 100 * (b - a) : a === 0 ? NaN : 100 * (b / a - 1);
    if (!Number.isFinite(by)) return '–';
    const sign = by > 0 ? '+' : by < 0 ? '−' : '±';
    const size = Math.abs(by) >= 100 ? text.count(Math.abs(by)) : Math.abs(by).toFixed(1);
    return `${sign}${size} ${title === 'Accuracy' ? 'points' : '%'}`;
  }

  function figures(selected, trials, entries, policies) {
    const [first, second] = trials.map((trial, i) => NAS.facts.figures(trial, policies[i], entries[i].detail));
    const rows = first.map(([title, shown, value], i) => [title, shown, second[i][1], difference(title, value, second[i][2])]);
    rows.push(['Policy', ...policies.map((policy) => (policy ? policy.found : '–')), '']);
    rows.push(['Key', ...trials.map((trial) => el('code', {}, trial.key || '–')), trials[0].key === trials[1].key ? 'the same' : '']);
    return NAS.facts.table([['Figure'], ...COLUMNS(selected), ['Second against first', 1]], rows, { class: 'compared-figures' });
  }

  function decisions(selected, trials, entries) {
    const values = selected.map((s, i) => new Map(
      NAS.facts.decided(NAS.state.runs.get(s.run), trials[i], entries[i].detail).map((each) => [each.name, each.value])));
    const names = [...new Set([...values[0].keys(), ...values[1].keys()])];
    const of = (k, name) => (values[k].has(name) ? text.option(values[k].get(name)) : '–');
    const differ = names.filter((name) => of(0, name) !== of(1, name));
    const equal = names.filter((name) => of(0, name) === of(1, name));
    const columns = [['Decision'], ...COLUMNS(selected).map(([title]) => [title])];
    return [
      differ.length
        ? NAS.facts.table([...columns, ['']], differ.map((name) => el('tr', { class: 'differs' },
          el('td', {}, el('code', {}, name)), el('td', {}, of(0, name)), el('td', {}, of(1, name)), el('td', { title: 'differs' }, '≠'))))
        : el('p', { class: 'quiet' }, 'No decision differs.'),
      el('details', {}, el('summary', {}, `${equal.length} decisions are equal`),
        NAS.facts.table(columns, equal.map((name) => [el('code', {}, name), of(0, name), of(1, name)]))),
    ];
  }

  function drawn(selection, trial, entry, policy, waiting) {
    const name = trial.name ? ` · ${trial.name}` : '';
    const box = entry.detail && NAS.drawingBox(entry.detail, { row: policy ? policy.row : null, name: `${selection.run}-${selection.n}`, brief: true });
    return el('section', {},
      el('h3', {}, `Trial ${selection.n} of ${selection.run}${name}`),
      trial.state !== 'complete' && el('p', { class: 'quiet' }, `${trial.state}${trial.error ? `: ${trial.error}` : ''}`),
      box ? box.root : waiting(selection, entry));
  }

  // The comparison of the two selected; `waiting(selection, entry)`: what stands for a detail to come.
  NAS.comparison = (selected, trials, entries, waiting) => {
    const policies = selected.map((s, i) => entries[i].detail && NAS.policyOf(s, entries[i].detail));
    const button = (title, click) => el('button', { type: 'button', on: { click } }, title);
    const [first, second] = selected;
    return el('div', { class: 'comparison' },
      el('div', { class: 'row title' },
        el('h2', {}, `Trial ${first.n} against trial ${second.n}`),
        button('Swap', () => NAS.set({ selected: [second, first] })),
        button('End the comparison', () => NAS.set({ selected: [first] }))),
      el('div', { id: 'architecture-drawing', class: 'compared' }, selected.map((s, i) => drawn(s, trials[i], entries[i], policies[i], waiting))),
      NAS.drawingSigns(),
      el('div', { class: 'grid' },
        el('section', {}, el('h2', {}, 'Figures'), figures(selected, trials, entries, policies)),
        el('section', {}, el('h2', {}, 'Decisions'), decisions(selected, trials, entries))));
  };
})();
