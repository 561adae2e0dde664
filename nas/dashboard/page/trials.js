'use strict';
// All trials of a run, in pages: sorted, found by a word, and why some failed.
(() => {
  const { el, text, model, state } = NAS;
  const PAGE = 100; // rows at once
  const COLUMNS = [
    // [title, what it sorts by, number?, what is shown]
    ['Trial', (r) => r.trial.n, true, (r) => r.trial.n],
    ['State', (r) => r.trial.state, false, (r) => r.trial.state],
    ['Network', (r) => r.trial.name || r.trial.key, false, (r) => r.trial.name || r.trial.key || '–'],
    ['Accuracy', (r) => r.accuracy, true, (r) => (r.accuracy === null ? '–' : text.judged(r.run, r.accuracy))],
    ['Latency', (r) => r.ms, true, (r) => text.ms(r.ms)],
    ['Reward', (r) => r.reward, true, (r) => text.figure(r.reward)],
    ['MACs', (r) => r.trial.macs, true, (r) => text.short(r.trial.macs)],
    ['Parameters', (r) => r.trial.params, true, (r) => text.short(r.trial.params)],
    ['Epochs', (r) => r.trial.epochs, true, (r) => text.count(r.trial.epochs)],
    ['Took', (r) => r.trial.s, true, (r) => text.seconds(r.trial.s)],
    ['Note', (r) => note(r.run, r.trial), false, (r) => note(r.run, r.trial)],
  ];
  const words = new WeakMap(); // trial -> the words it is found by
  let parts = null;
  let drawn = '';
  let order = { column: 0, down: false };
  let page = 0;

  function note(run, trial) {
    if (trial.error) return trial.error;
    if (trial.reused !== null && trial.reused !== undefined) return `as trial ${trial.reused}, not trained again`;
    if (trial.p.length && !model.table(run).settled.has(trial.n)) return 'another training of this network stands for it';
    return trial.state === 'pruned' ? 'not trained' : '';
  }

  // The trials of a run, each at its best point under the reward.
  function rowsOf(run) {
    const { columns, trials, at, value } = model.standings(run, state.reward, true);
    const place = new Map(trials.map((trial, i) => [trial.n, i]));
    return [...run.trials.values()].map((trial) => {
      const i = place.get(trial.n);
      const judged = i !== undefined;
      return {
        run, trial, row: judged ? columns.row[at[i]] : null, reward: judged ? value[i] : null,
        accuracy: judged ? columns.accuracy[at[i]] : null, ms: judged ? columns.latency_ms[at[i]] : null,
      };
    });
  }

  function wordsOf(run, trial) {
    if (!words.has(trial)) {
      const decisions = Object.entries(model.decisions(run, trial));
      words.set(trial, {
        text: [trial.state, trial.key, trial.name, note(run, trial), ...decisions.map(([k, v]) => `${k}=${v}`)].filter(Boolean).join('\n').toLowerCase(),
        values: new Set(decisions.map(([, v]) => String(v).toLowerCase())),
      });
    }
    return words.get(trial);
  }

  // Every term must be found; a number is a trial's or an option's as a whole.
  function matches({ run, trial }, terms) {
    if (!terms.length) return true;
    const known = wordsOf(run, trial);
    return terms.every((term) => (/^[\d.]+$/.test(term)
      ? String(trial.n) === term || known.values.has(term) || (trial.key || '').startsWith(term)
      : known.text.includes(term)));
  }

  function sorted(rows) {
    const [, value, numeric] = COLUMNS[order.column];
    const sign = order.down ? -1 : 1;
    const missing = (x) => x === null || x === undefined || x === '';
    return rows.map((row) => [value(row), row]).sort(([a, x], [b, y]) => {
      if (missing(a) || missing(b)) return missing(a) - missing(b) || x.trial.n - y.trial.n;
      return sign * (numeric ? a - b : String(a).localeCompare(String(b))) || x.trial.n - y.trial.n;
    }).map(([, row]) => row);
  }

  function cells(row) {
    return COLUMNS.map(([title, , numeric, show], i) => {
      const shown = i === 0
        ? el('button', { type: 'button', class: 'plain', 'aria-label': `Choose trial ${row.trial.n}` }, show(row)) : show(row);
      const kind = title === 'Note' ? 'note' : numeric ? 'figure' : null;
      return el('td', { class: title === 'State' && row.trial.state === 'failed' ? 'bad' : kind }, shown);
    });
  }

  function draw(run) {
    const terms = parts.filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    const all = run ? rowsOf(run) : [];
    const found = sorted(all.filter((row) => matches(row, terms)));
    const last = Math.max(0, Math.ceil(found.length / PAGE) - 1);
    page = Math.min(page, last);
    const shown = found.slice(page * PAGE, (page + 1) * PAGE);
    parts.body.replaceChildren(...shown.map((row) => {
      const chosen = state.selected.some((s) => s.run === run.head.id && s.n === row.trial.n);
      const node = el('tr', { class: chosen ? 'chosen' : null, 'aria-current': chosen ? 'true' : null }, cells(row));
      node.addEventListener('click', (event) => NAS.select(run.head.id, row.trial.n, row.row, event.shiftKey));
      return node;
    }));
    const [from, to] = [found.length ? page * PAGE + 1 : 0, page * PAGE + shown.length];
    const of = found.length === all.length ? `${text.count(all.length)} trials` : `${text.count(found.length)} found among ${text.count(all.length)} trials`;
    parts.count.textContent = `${run ? `${run.head.id}: ` : ''}${text.count(from)}–${text.count(to)} of ${of}`;
    parts.back.disabled = page === 0;
    parts.on.disabled = page === last;
    parts.heads.forEach((head, i) => head.setAttribute('aria-sort', i !== order.column ? 'none' : order.down ? 'descending' : 'ascending'));
  }

  function update() {
    const run = NAS.mainRun();
    const key = JSON.stringify([run && [run.head.id, run.version, run.head.held_out], state.reward, state.selected, order, page, parts.filter.value]);
    if (key === drawn) return;
    const kept = document.activeElement && parts.body.contains(document.activeElement) && document.activeElement.textContent;
    draw(run);
    drawn = key;
    const again = kept && [...parts.body.querySelectorAll('button')].find((b) => b.textContent === kept);
    if (again) again.focus(); // rows are made anew; the keyboard stays where it was
  }

  function exports() {
    const said = el('span', { class: 'bad', role: 'alert' });
    const button = (kind) => {
      const made = el('button', { type: 'button', 'data-export': `trials-${kind}` }, kind.toUpperCase());
      made.addEventListener('click', () => NAS.exporting.attempt(made, said, () => {
        const run = NAS.mainRun();
        NAS.exporting.table(NAS.rows.trialRows(run), `${NAS.exporting.names([run])}-trials`, kind);
      }));
      return made;
    };
    return [el('span', { class: 'quiet' }, 'Export all:'), button('csv'), button('json'), said];
  }

  function mount(root) {
    const filter = el('input', { type: 'search', placeholder: 'trial, key, state, or decision=option', 'aria-label': 'Find trials' });
    const turn = (by) => () => { page += by; update(); };
    const back = el('button', { type: 'button', on: { click: turn(-1) } }, 'Back');
    const on = el('button', { type: 'button', on: { click: turn(1) } }, 'Next');
    const count = el('span', { role: 'status' });
    const body = el('tbody', {});
    const heads = COLUMNS.map(([title, , numeric], i) => el('th', { scope: 'col', class: numeric ? 'figure' : null },
      el('button', { type: 'button', class: 'plain', on: { click: () => {
        // Of rewards and accuracies one wants the largest first.
        order = { column: i, down: order.column === i ? !order.down : title === 'Reward' || title === 'Accuracy' };
        page = 0;
        update();
      } } }, title)));
    filter.addEventListener('input', () => { page = 0; update(); });
    parts = { filter, back, on, count, body, heads };
    drawn = '';
    root.replaceChildren(
      el('div', { class: 'row controls' }, filter, back, on, count), el('div', { class: 'row' }, exports()),
      el('p', { class: 'quiet' }, 'Figures are those of the best exit policy for T and w above.'),
      el('div', { class: 'scroll' }, el('table', { id: 'trials-table' }, el('thead', {}, el('tr', {}, heads)), body)));
  }

  NAS.view({ id: 'trials', title: 'Trials', mount, update });
})();
