'use strict';
// What mattered: importances of decisions, what each option brings, and how far latency can be told.
(() => {
  const { el, text } = NAS;
  const MOST = 20;
  const FEW = 30; // networks: a tenth of them, by which importances go, is a handful
  const TARGETS = { reward: 'reward', accuracy: 'accuracy', latency_ms: 'latency' };
  const MEASURES = {
    reward: { title: 'Reward', of: (c, at, value) => value, show: (x) => text.figure(x) },
    accuracy: { title: 'Accuracy, %', of: (c, at) => 100 * c.accuracy[at], show: (x) => `${text.figure(x)} %` },
    latency_ms: { title: 'Expected latency, ms', of: (c, at) => c.latency_ms[at], show: (x) => text.ms(x) },
  };
  let parts;
  let target = 'reward';
  let decision = null; // null: the most important one
  let asked = { run: null, made: null, complete: 0 }; // what the importances were last asked of
  let found = null;
  let drawn = '';

  // Once all trials are read, and again when there are a tenth more: it takes seconds of a core.
  async function ask(run) {
    const { counts, reading } = run.progress || {};
    const complete = counts?.complete || 0;
    const { id, made } = run.head;
    if (!counts || reading.done < reading.total) return;
    if (asked.run === id && asked.made === made && complete < 1.1 * asked.complete + 1) return;
    asked = { run: id, made, complete };
    try {
      const answer = await NAS.source.importances(id);
      if (asked.run !== id) return;
      found = { run: id, ...answer };
    } catch (error) {
      found = { run: id, error: error.message, targets: {} };
    }
    drawn = '';
    update();
  }

  function drawImportances(run) {
    const here = found && found.run === run.head.id ? found : null;
    parts.importances.hidden = !here || Boolean(here.error);
    if (!here || here.error) {
      parts.method.textContent = here ? here.error : 'Working out which decisions mattered …';
      return;
    }
    const bars = (here.targets[target] || []).slice(0, MOST).reverse();
    NAS.plot(parts.importances, [{
      type: 'bar', orientation: 'h', x: bars.map(([, value]) => value), y: bars.map(([name]) => NAS.plain(name)),
      marker: { color: NAS.colour('c0') }, hovertemplate: '%{y}: %{x:.3f}<extra></extra>',
    }], {
      margin: { l: 130, r: 16, t: 8, b: 48 },
      xaxis: { title: `Importance for the ${TARGETS[target]} (share of 1)`, rangemode: 'tozero' }, yaxis: { title: '', dtick: 1 },
    }, { name: 'importances' });
    parts.importances.removeAllListeners?.('plotly_click');
    parts.importances.on('plotly_click', (event) => choose(bars[event.points[0].pointIndex][0]));
    parts.method.textContent = `${here.method}. Of ${text.count(here.of)} trained networks. ` +
      (here.of < FEW ? 'So few say little. ' : '') +
      'A decision matters here as far as the search has tried it; a controller that settled early hides the rest.';
  }

  function choose(name) {
    decision = name;
    parts.decision.value = name;
    update();
  }

  function chosenDecision(run) {
    if (decision && run.head.decisions.some((d) => d.name === decision)) return decision;
    const most = found && found.run === run.head.id && (found.targets?.[target] || [])[0];
    return most ? most[0] : run.head.decisions[0].name;
  }

  // Mean and standard error of each measure over the networks with an option, as the sliders judge.
  function effects(run, name) {
    const index = run.head.decisions.findIndex((d) => d.name === name);
    const { columns, trials, at, value } = NAS.model.standings(run, NAS.state.reward);
    const groups = new Map();
    trials.forEach((trial, i) => {
      const choice = trial.c[index];
      const option = choice === null ? 'inactive'
        : typeof choice === 'object' ? `${text.option(choice.v)} (beyond the options)` : text.option(run.head.decisions[index].options[choice]);
      if (!groups.has(option)) groups.set(option, []);
      groups.get(option).push([at[i], value[i]]);
    });
    const { options } = run.head.decisions[index];
    const sizes = options.every((option) => typeof option === 'number');
    const order = (sizes ? [...options].sort((a, b) => a - b) : options).map(text.option);
    const place = (option) => (order.includes(option) ? order.indexOf(option) : order.length);
    return [...groups].sort((a, b) => place(a[0]) - place(b[0])).map(([option, members]) => {
      const stats = {};
      for (const [measure, { of }] of Object.entries(MEASURES)) {
        const values = members.map(([k, v]) => of(columns, k, v));
        const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
        const spread = values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / Math.max(1, values.length - 1);
        stats[measure] = { mean, error: values.length > 1 ? Math.sqrt(spread / values.length) : null };
      }
      return { option, count: members.length, stats };
    });
  }

  function drawEffects(run) {
    const name = chosenDecision(run);
    const options = run.head.decisions.map((d) => el('option', { value: d.name, selected: d.name === name }, d.name));
    parts.decision.replaceChildren(...options);
    const { about } = run.head.decisions.find((d) => d.name === name);
    parts.about.textContent = about ? `${name}: ${about}.` : '';
    const rows = effects(run, name);
    for (const [measure, { title, show }] of Object.entries(MEASURES)) {
      NAS.plot(parts[measure], [{
        type: 'scatter', mode: 'markers', x: rows.map((r) => NAS.plain(r.option)), y: rows.map((r) => r.stats[measure].mean),
        error_y: { type: 'data', array: rows.map((r) => r.stats[measure].error || 0), thickness: 1.5, width: 6 },
        marker: { color: NAS.colour('c0'), size: 9 },
        text: rows.map((r) => `${show(r.stats[measure].mean)}${r.stats[measure].error === null ? '' : ` ± ${text.figure(r.stats[measure].error, 2)}`}, ${r.count} networks`),
        hovertemplate: '%{x}: %{text}<extra></extra>',
      }], { xaxis: { title: NAS.plain(name), type: 'category', categoryorder: 'trace' }, yaxis: { title }, showlegend: false }, { name: `effect-${name}-${measure}` });
    }
    parts.counts.replaceChildren(el('table', {},
      el('thead', {}, el('tr', {}, el('th', {}, name), el('th', { class: 'figure' }, 'networks'), Object.values(MEASURES).map((m) => el('th', { class: 'figure' }, m.title)))),
      el('tbody', {}, rows.map((r) => el('tr', {}, el('td', {}, r.option), el('td', { class: 'figure' }, text.count(r.count)),
        Object.keys(MEASURES).map((m) => el('td', { class: 'figure' }, text.figure(r.stats[m].mean), r.stats[m].error === null ? '' : ` ± ${text.figure(r.stats[m].error, 2)}`)))))));
  }

  // Places of values among all, equal ones sharing the mean place: for Spearman's correlation.
  function ranks(values) {
    const order = values.map((_, i) => i).sort((a, b) => values[a] - values[b]);
    const found = new Array(values.length);
    for (let i = 0; i < order.length; ) {
      let j = i;
      while (j + 1 < order.length && values[order[j + 1]] === values[order[i]]) j += 1;
      for (let k = i; k <= j; k += 1) found[order[k]] = (i + j) / 2;
      i = j + 1;
    }
    return found;
  }

  function correlation(a, b) {
    const [x, y] = [ranks(a), ranks(b)];
    const mean = (x.length - 1) / 2;
    let [xy, xx, yy] = [0, 0, 0];
    x.forEach((_, i) => {
      xy += (x[i] - mean) * (y[i] - mean);
      xx += (x[i] - mean) ** 2;
      yy += (y[i] - mean) ** 2;
    });
    return xx && yy ? xy / Math.sqrt(xx * yy) : null;
  }

  // Networks whose latency the search knew, and which were measured again by a full training.
  function again(run) {
    return run.head.trainings.flatMap((training) => {
      const trial = training.run === run.head.name && training.trial !== null && run.trials.get(training.trial);
      if (!trial || !trial.exit_ms || trial.exit_ms.length !== training.exit_ms.length) return [];
      return trial.exit_ms.map((ms, k) => ({ name: `${training.name}, exit ${k + 1}`, searched: ms, measured: training.exit_ms[k] }));
    });
  }

  function drawLatency(run) {
    const trials = [...run.trials.values()].filter((t) => t.exit_ms && t.macs && t.reused === null);
    const hows = new Set(trials.map((t) => t.how).filter(Boolean));
    const [macs, ms] = [trials.map((t) => t.macs), trials.map((t) => t.exit_ms.at(-1))];
    parts.latencyBox.hidden = trials.length < 3;
    if (parts.latencyBox.hidden) return;
    NAS.plot(parts.macs, [{
      type: 'scatter', mode: 'markers', x: macs, y: ms, marker: { color: NAS.colour('c0'), size: 6, opacity: 0.6 },
      text: trials.map((t) => `trial ${t.n}`), hovertemplate: '%{text}: %{x:.3s}MACs, %{y:.3g} ms<extra></extra>',
    }], {
      xaxis: { title: 'MACs of the whole network', type: 'log' }, yaxis: { title: 'Latency of its last exit, ms', type: 'log' }, showlegend: false,
    }, { name: 'latency-macs' });
    const rho = correlation(macs, ms);
    const kind = hows.has('table') || hows.has('extrapolated') ? 'predicted by a latency model, or measured where it was in doubt' : hows.has('simulated') ? 'simulated by a law over MACs and bytes' : 'measured';
    parts.latencyNote.textContent =
      `Latencies of this run were ${kind} (${run.head.runtime} on ${run.head.device}). ` +
      `MACs rank the networks by latency with Spearman's ρ = ${rho === null ? '–' : rho.toFixed(2)}: ` +
      'the farther below 1, the more it matters that latency itself decides.';
    const pairs = again(run);
    parts.againBox.hidden = !pairs.length;
    if (!pairs.length) return;
    const ends = [0.9 * Math.min(...pairs.flatMap((p) => [p.searched, p.measured])), 1.1 * Math.max(...pairs.flatMap((p) => [p.searched, p.measured]))];
    NAS.plot(parts.again, [
      { type: 'scatter', mode: 'lines', x: ends, y: ends, line: { color: NAS.colour('quiet'), dash: 'dash' }, hoverinfo: 'skip' },
      {
        type: 'scatter', mode: 'markers', x: pairs.map((p) => p.searched), y: pairs.map((p) => p.measured), text: pairs.map((p) => NAS.plain(p.name)),
        marker: { color: NAS.colour('c1'), symbol: 'diamond', size: 9 }, hovertemplate: '%{text}: %{x:.4g} ms in the search, %{y:.4g} ms now<extra></extra>',
      },
    ], { xaxis: { title: 'Latency in the search, ms' }, yaxis: { title: 'Measured after full training, ms' }, showlegend: false }, { name: 'latency-again' });
    const errors = pairs.map((p) => Math.abs(p.measured / p.searched - 1)).sort((a, b) => a - b);
    parts.againNote.textContent = `Median difference ${text.percent(errors[Math.floor(errors.length / 2)])} over ${pairs.length} exits.`;
  }

  function mount(root) {
    drawn = '';
    parts = {};
    for (const name of ['importances', 'reward', 'accuracy', 'latency_ms', 'macs', 'again']) parts[name] = el('div', { class: 'plot' });
    parts.importances.classList.add('tall');
    for (const name of ['method', 'about', 'latencyNote', 'againNote']) parts[name] = el('p', { class: 'quiet' });
    parts.counts = el('div', { class: 'scroll effects' });
    parts.target = el('select', { 'aria-label': 'Importance for', on: { change: (event) => { target = event.target.value; update(); } } },
      Object.entries(TARGETS).map(([name, title]) => el('option', { value: name, selected: name === target }, `for the ${title}`)));
    parts.decision = el('select', { 'aria-label': 'Decision', on: { change: (event) => choose(event.target.value) } });
    parts.againBox = el('div', {}, el('h3', {}, 'Told and measured again'), parts.again, parts.againNote);
    parts.latencyBox = el('section', {}, el('h2', {}, 'Latency'), parts.latencyNote, el('div', { class: 'grid' }, parts.macs, parts.againBox));
    root.append(el('div', { class: 'row' }, el('h2', {}, 'Decisions'), parts.target), parts.importances, parts.method,
      el('div', { class: 'row' }, el('h2', {}, 'What each option brings'), parts.decision), parts.about,
      el('div', { class: 'grid three' }, parts.reward, parts.accuracy, parts.latency_ms), parts.counts,
      el('p', { class: 'quiet' }, 'Means over networks with the option, under the T and w set above; bars are one standard error. ' +
        'Networks differ in other decisions too: a difference is a hint, not a proof.'),
      parts.latencyBox);
  }

  function update() {
    const run = NAS.mainRun();
    if (!run || !parts || !parts.importances.isConnected) return;
    ask(run);
    const key = JSON.stringify([run.head.id, run.version, run.head.trainings.length, NAS.state.reward, target, decision, NAS.colour('page'), found?.run, found?.of]);
    if (key === drawn || !run.trials.size) return;
    drawn = key;
    drawImportances(run);
    drawEffects(run);
    drawLatency(run);
  }

  NAS.view({ id: 'mattered', title: 'What mattered', mount, update });
})();
