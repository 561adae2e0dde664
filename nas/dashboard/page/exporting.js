'use strict';
// Networks as config files, and the bar that says which are selected.
(() => {
  const NAS = (globalThis.NAS = globalThis.NAS || {});
  const { el, text } = NAS;

  // Runs a button's work; what goes wrong is said in one line beside it.
  async function attempt(button, said, work) {
    said.textContent = '';
    button.disabled = true;
    try {
      await work();
    } catch (error) {
      said.textContent = String(error.message || error).split('\n')[0];
    } finally {
      button.disabled = false;
    }
  }

  const clean = (name) => name.replace(/[^\w.-]+/g, '_').replace(/^[-.]+/, '_');
  const fileOf = ({ run, n, row }) => `${clean(run)}-${n}-${row}.yaml`;

  async function config(selection) {
    const { run, n } = selection;
    const row = NAS.rowOf(selection);
    if (row === null) throw new Error(`trial ${n} has no policy to export: it was not judged`);
    NAS.download(fileOf({ run, n, row }), await NAS.source.config(run, n, row), 'application/yaml');
  }

  // The configs of points in one archive; those that cannot be had are counted in the line `said`.
  async function configs(points, name, said, progress = () => {}) {
    const [files, missing] = [new Map(), []];
    for (const { run, trial: n, row } of points) {
      progress(`${files.size + missing.length} of ${points.length}`);
      try {
        let file = fileOf({ run, n, row });
        while (files.has(file)) file = file.replace(/\.yaml$/, '_.yaml');
        files.set(file, await NAS.source.config(run, n, row));
      } catch (error) {
        missing.push(error.message);
      }
    }
    progress('');
    if (!files.size) throw new Error(missing[0] || 'there is nothing to export yet');
    NAS.download(name, URL.createObjectURL(NAS.zip([...files].map(([file, content]) => ({ name: file, text: content })))));
    if (missing.length) said.textContent = `${missing.length} of ${points.length} configs are missing: ${missing[0]}`;
  }

  function table(rows, name, kind) {
    if (!rows.length) throw new Error('there is nothing to export yet');
    NAS.download(`${name}.${kind}`, NAS.rows[kind](rows), kind === 'csv' ? 'text/csv' : 'application/json');
  }

  const names = (runs) => clean(runs.map((run) => run.head.id).join('-')).slice(0, 80);

  NAS.exporting = { attempt, config, configs, table, names, fileOf };

  // One selected network in a line, from what is known of it now.
  function described(selection) {
    const { run: id, n } = selection;
    const run = NAS.state.runs.get(id);
    const trial = run && run.trials.get(n);
    if (!trial) return `${id}, trial ${n}`;
    const row = NAS.rowOf(selection);
    const point = trial.p.find((p) => p[0] === row);
    const said = [`${id}, trial ${n}`, trial.name];
    if (point) said.push(text.judged(run, point[1]), text.ms(point[2]));
    else if (!trial.p.length) said.push(trial.state === 'complete' ? 'not judged' : trial.state);
    return said.filter(Boolean).join(' · ');
  }

  // The best other network under the reward, to compare with.
  function rival({ run: id, n }) {
    const run = NAS.state.runs.get(id);
    const { columns, trials, at, value } = NAS.model.standings(run, NAS.state.reward);
    let found = -1;
    trials.forEach((trial, i) => {
      if (trial.n !== n && (found < 0 || value[i] > value[found])) found = i;
    });
    return found < 0 ? null : { run: id, n: trials[found].n, row: columns.row[at[found]] };
  }

  function bar(selected) {
    const [first, second] = selected;
    const row = NAS.rowOf(first);
    const said = el('span', { class: 'bad', role: 'alert' });
    const button = (label, click, attributes = {}) => el('button', { type: 'button', ...attributes, on: { click } }, label);
    const go = () => (location.hash = '#architecture');
    const save = button('Export config', () => attempt(save, said, () => config(first)), { 'data-export': 'selected' });
    save.disabled = row === null;
    const other = second || rival(first);
    const compare = other && button(second ? 'Compare' : 'Compare with best', () => {
      NAS.set({ selected: [first, other] });
      go();
    });
    const what = el('div', { class: 'chosen-ones' }, el('strong', {}, described(first)),
      second ? el('span', {}, ' compared with ', el('strong', {}, described(second))) : null);
    const lines = el('details', {}, el('summary', {}, 'Commands'), NAS.commands.lines(first, fileOf({ ...first, row })));
    return [
      el('div', { class: 'row' }, what, button('Open', go, { class: 'primary' }), compare, save,
        button('Clear', () => NAS.set({ selected: [] })), said), lines,
    ];
  }

  let root = null;
  let drawn = '';
  function update() {
    const { selected } = NAS.state;
    const key = JSON.stringify(selected.map((s) => [s, NAS.rowOf(s), described(s)]));
    if (key === drawn) return;
    drawn = key;
    const open = root.querySelector('details[open]') !== null;
    root.hidden = selected.length === 0;
    root.replaceChildren(...(selected.length ? bar(selected) : []));
    if (open && selected.length) root.querySelector('details').open = true;
  }

  function mount(given) {
    root = given;
    // The end of the page must not lie under the bar, however many lines it has.
    new ResizeObserver(() => document.body.style.setProperty('padding-bottom', `${root.hidden ? 32 : root.offsetHeight + 24}px`))
      .observe(root);
  }

  NAS.panel({ id: 'selection', mount, update });
})();
