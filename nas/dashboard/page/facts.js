'use strict';
// The figures of one network, as tables.
(() => {
  const NAS = (globalThis.NAS = globalThis.NAS || {});
  const { el, text } = NAS;
  const SHOWN = 12; // rows of a long table before it is folded

  const interval = (low, high) => (low === null || high === null || low === high ? '' : ` (${text.figure(low)}–${text.ms(high)})`);
  const pair = (numbers) => (numbers ? numbers.join('×') : '–');

  // A table whose columns are [title, is it a figure]; rows are lists of cells.
  function table(columns, rows, attributes = {}) {
    const cell = (tag) => (value, i) => el(tag, { class: columns[i][1] ? 'figure' : null, scope: tag === 'th' ? 'col' : null }, value);
    return el('div', { class: 'scroll' }, el('table', attributes,
      el('thead', {}, el('tr', {}, columns.map((column) => column[0]).map(cell('th')))),
      el('tbody', {}, rows.map((row) => (row instanceof Node ? row : el('tr', {}, row.map(cell('td'))))))));
  }

  const bar = (share, colour = 'c0') => {
    const inside = el('span', { class: 'bar-inside' });
    inside.style.width = `${100 * Math.min(1, share)}%`;
    inside.style.background = `var(--${colour})`;
    return el('span', { class: 'bar', 'aria-hidden': 'true' }, inside);
  };

  // What was found and what it costs: [title, value, figure or null]. Of a network that was never
  // measured the detail tells the MACs and parameters.
  function figures(trial, policy, detail = null) {
    const error = policy ? policy.standard_error : null;
    const macs = trial.macs ?? (detail ? detail.exits[detail.exits.length - 1].macs : null);
    const parameters = trial.params ?? (detail ? detail.graph.nodes.reduce((sum, node) => sum + node.parameters, 0) : null);
    return [
      ['Accuracy', policy ? `${text.percent(policy.accuracy, 2)}${error === null ? '' : ` ± ${text.figure(100 * error, 2)}`}` : '–', policy && policy.accuracy],
      ['Expected latency', text.ms(policy && policy.latency_ms), policy && policy.latency_ms],
      ['95th percentile', text.ms(policy && policy.p95_ms), policy && policy.p95_ms],
      ['Worst case', text.ms(policy && policy.worst_ms), policy && policy.worst_ms],
      ['Expected MACs', text.macs(policy && policy.macs), policy && policy.macs],
      ['MACs, whole network', text.macs(macs), macs],
      ['Parameters', text.short(parameters), parameters],
      ['Training', `${text.seconds(trial.s)} · ${text.count(trial.epochs)} epochs`, trial.s],
    ];
  }

  function tiles(trial, policy, detail = null) {
    const known = figures(trial, policy, detail).filter(([, , value]) => value !== null && value !== undefined);
    return el('dl', { class: 'tiles' }, known.map(([title, value]) =>
      el('div', {}, el('dt', {}, title), el('dd', { class: 'number' }, value))));
  }

  function exits(detail, policy) {
    const rows = detail.exits.map((exit, k) => [
      exit.exit, text.percent(exit.accuracy), `${text.ms(exit.latency_ms)}${interval(exit.low_ms, exit.high_ms)}`,
      policy ? [bar(policy.shares[k]), ' ', text.percent(policy.shares[k])] : '–',
      policy ? threshold(policy, k) : '–', text.macs(exit.macs),
    ]);
    const columns = [['Exit'], ['Accuracy', 1], ['Latency', 1], ['Share of images'], ['If confidence ≥', 1], ['MACs', 1]];
    return table(columns, rows, { class: 'exits-table' });
  }

  // Beyond 1 no image is sure enough; the last exit takes all that is left.
  function threshold(policy, k) {
    const value = policy.thresholds[k];
    if (policy.thresholds.slice(0, k).some((earlier) => earlier <= 0)) return 'nobody is left';
    if (value <= 0) return 'the rest';
    return value > 1 ? 'nobody' : text.figure(value, 3);
  }

  // decided: [{name, about, value}]; `point` is called with a name, or null.
  function decisions(decided, point = () => {}) {
    const row = ({ name, about, value }) => el('tr', {
      on: { pointerenter: () => point(name), pointerleave: () => point(null) },
    }, el('td', {}, el('code', {}, name)), el('td', {}, text.option(value)), el('td', { class: 'quiet' }, about));
    return table([['Decision'], ['Option'], ['What it is about']], decided.map(row), { class: 'decisions-table' });
  }

  // The decisions of a network: from its detail, or of the trial where there is none.
  function decided(run, trial, detail) {
    const about = new Map(run.head.decisions.map((decision) => [decision.name, decision.about]));
    const values = detail ? detail.decisions : NAS.model.decisions(run, trial);
    return Object.entries(values).map(([name, value]) => ({ name, value, about: about.get(name) || '' }));
  }

  function byKind(operators) {
    const kinds = new Map();
    for (const { kind, share, macs, latency_ms: ms } of operators) {
      const sum = kinds.get(kind) || { kind, count: 0, share: 0, macs: 0, ms: 0 };
      sum.count += 1;
      sum.share += share;
      sum.macs += macs;
      sum.ms = ms === null ? null : sum.ms + ms;
      kinds.set(kind, sum);
    }
    return [...kinds.values()].sort((a, b) => b.share - a.share);
  }

  function operatorRows(operators) {
    const most = operators.length ? operators[0].share : 1;
    return operators.map((each) => [
      each.kind, el('code', {}, each.node), each.stage, `${each.in} → ${each.out}`, pair(each.kernel), pair(each.stride), each.groups, pair(each.size),
      text.macs(each.macs), text.ms(each.latency_ms), [bar(each.share / most), ' ', text.percent(each.share, 2)],
    ]);
  }

  const OPERATOR = [
    ['Operator'], ['Block'], ['Stage', 1], ['Channels', 1], ['Kernel', 1], ['Stride', 1], ['Groups', 1], ['Output', 1], ['MACs', 1], ['Latency', 1], ['Share'],
  ];

  function operators(detail) {
    const sorted = [...detail.operators].sort((a, b) => b.share - a.share);
    const kinds = byKind(sorted);
    const most = kinds.length ? kinds[0].share : 1;
    const all = el('details', {}, el('summary', {}, `All ${text.count(sorted.length)} operators`));
    all.addEventListener('toggle', () => {
      if (all.open && all.children.length === 1) all.append(table(OPERATOR, operatorRows(sorted)));
    });
    return [
      el('p', { class: 'quiet' }, `${detail.shares_from}.`),
      table([['Kind'], ['Operators', 1], ['MACs', 1], ['Latency', 1], ['Share of latency']], kinds.map((each) => [
        each.kind, text.count(each.count), text.macs(each.macs), text.ms(each.ms), [bar(each.share / most), ' ', text.percent(each.share)],
      ]), { class: 'kinds-table' }),
      el('h3', {}, `The ${Math.min(SHOWN, sorted.length)} that take longest`),
      table(OPERATOR, operatorRows(sorted.slice(0, SHOWN)), { class: 'operators-table' }),
      sorted.length > SHOWN && all,
    ];
  }

  // How a policy is written in a list.
  const policyText = (policy) =>
    `${policy.found}: ${text.percent(policy.accuracy)}, ${text.ms(policy.latency_ms)}`;

  NAS.facts = { table, bar, figures, tiles, exits, threshold, decisions, decided, operators, policyText };
})();
