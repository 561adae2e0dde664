'use strict';
// What the plot of the front shows in words: a caption, and tables of networks.
(() => {
  const NAS = (globalThis.NAS = globalThis.NAS || {});
  const { el, text, model } = NAS;

  const HEADS = [
    ['Trial', ''], ['Accuracy', 'figure'], ['Expected', 'figure'], ['p95', 'figure'], ['Worst', 'figure'],
    ['MACs', 'figure'], ['Parameters', 'figure'], ['Reward', 'figure'],
  ];
  const ABOUT = {
    Accuracy: 'on held-out images, ± one standard error', Expected: 'expected latency of an image',
    p95: 'latency that 95 of 100 images keep', Worst: 'latency of an image that takes every exit\'s time',
    MACs: 'expected of an image', Reward: 'under T and w above',
  };

  // A table of points ({run, trial, row, …}). A click on a row (or its button) chooses the network.
  // `several`: with a column for the run.
  NAS.pointTable = (caption, several) => {
    const body = el('tbody', {});
    const heads = HEADS.map(([name, kind]) => el('th', { scope: 'col', class: kind, title: ABOUT[name] || null }, name));
    const table = el('table', { class: 'points' }, el('caption', {}, caption),
      el('thead', {}, el('tr', {}, several ? el('th', { scope: 'col' }, 'Run') : null, heads)), body);
    let rows = [];

    body.addEventListener('click', (event) => {
      const found = rows.find(({ node }) => node.contains(event.target));
      if (found) NAS.select(found.point.run, found.point.trial, found.point.row, event.shiftKey);
    });

    function row(point) {
      const run = NAS.state.runs.get(point.run);
      const { name } = run.trials.get(point.trial);
      const reward = el('td', { class: 'figure' });
      const node = el('tr', {},
        several ? el('td', {}, point.run) : null,
        el('td', {}, el('button', { type: 'button', class: 'plain', 'aria-label': `Choose trial ${point.trial}` }, point.trial),
          name ? ` ${name}` : null),
        el('td', { class: 'figure' }, text.judged(run, point.accuracy)),
        [point.latency_ms, point.p95_ms, point.worst_ms].map((ms) => el('td', { class: 'figure' }, text.ms(ms))),
        el('td', { class: 'figure' }, text.short(point.expected_macs)),
        el('td', { class: 'figure' }, text.short(point.parameters)),
        reward);
      return { node, reward, point };
    }

    return {
      node: table,
      fill(points) {
        rows = points.map(row);
        body.replaceChildren(...rows.map(({ node }) => node));
      },
      // What follows the sliders and clicks; nothing is built anew.
      follow() {
        const { reward: wanted, selected } = NAS.state;
        for (const { node, reward, point } of rows) {
          reward.textContent = text.figure(model.reward(point.accuracy, point.latency_ms, wanted));
          const chosen = selected.some((s) => s.run === point.run && s.n === point.trial && NAS.rowOf(s) === point.row);
          node.classList.toggle('chosen', chosen);
          if (chosen) node.setAttribute('aria-current', 'true');
          else node.removeAttribute('aria-current');
        }
      },
    };
  };

  const counted = (n, one, many) => `${text.count(n)} ${n === 1 ? one : many}`;

  // One sentence a run: how many networks, and how they were judged.
  function ofRun(run, axis) {
    const { head } = run;
    const states = { failed: 0, pruned: 0, running: 0 };
    const how = {};
    for (const trial of run.trials.values()) {
      if (trial.state in states) states[trial.state] += 1;
      if (trial.p.length) how[NAS.marks.howOf(trial)] = (how[NAS.marks.howOf(trial)] || 0) + 1;
    }
    const front = NAS.marks.frontOf(run, axis);
    const said = [
      counted(model.table(run).trials.length, 'network', 'networks'),
      `${text.count(new Set(front.map((p) => p.trial)).size)} on the front (${counted(front.length, 'policy', 'policies')})`,
    ];
    for (const state of ['failed', 'pruned', 'running']) if (states[state]) said.push(`${text.count(states[state])} ${state}`);
    const ways = Object.keys(how);
    const found = ways.length > 1 ? ways.map((each) => `${how[each]} ${NAS.marks.saidOf(each)}`).join(', ') : NAS.marks.saidOf(ways[0] || 'measured');
    return [
      `${head.id}: ${said.join(', ')}`,
      ways.length === 1 && ways[0] === 'simulated'
        ? `latency is simulated (${head.device}, ${head.runtime}), not measured`
        : `latency ${found} on ${head.device} with ${head.runtime}`,
      `${head.data}${head.held_out ? `, ${text.count(head.held_out)} held-out images` : ''}`,
      head.data_note,
    ].filter(Boolean).join(' · ');
  }

  // What is in the plot, for those who have only its picture.
  NAS.frontCaption = (runs, axis) => {
    const named = (cost) => model.AXES[cost].title.toLowerCase().replace('macs', 'MACs');
    const costs = [...new Set(runs.map((run) => NAS.marks.costsOf(run, axis).map(named).join(' and ')))].join(', or ');
    const differ = model.incomparable(runs, model.AXES[axis].unit === 'ms');
    const lines = runs.map((run) => ofRun(run, axis));
    if (differ.length) lines.unshift(`These runs do not compare: ${differ.join(', ')}.`);
    lines.push(
      'Points are networks under their best exit policy for T and w; those of the front are all policies that none beats '
      + `in accuracy and ${costs}. Bars: one standard error, and the interval of the latency where there is one. `
      + 'Small hollow points are slower than T; on the front, open ones are not measured (with a dot: by a model that guessed blocks, or simulated).',
    );
    if (axis === 'latency_ms') lines.push('Thin lines join points of equal reward.');
    const names = runs.flatMap((run) => NAS.marks.publishedOf(run, axis));
    if (names.length) lines.push(`Dotted: ${names.length} published networks, of which only the cost is known here, not the accuracy.`);
    return lines.map((line) => el('p', { class: 'quiet' }, line));
  };
})();
