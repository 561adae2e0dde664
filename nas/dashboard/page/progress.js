'use strict';
// Progress: how a search gains over trials and time, what trains now, what failed and why.
(() => {
  const { el, svg, text } = NAS;
  const MOST_CURVES = 40;
  let parts;
  let over = 'trials';
  let drawn = '';

  // The best reward and the hypervolume after each trial that ended, in order of their end.
  // Rewards are those of the sliders; of equal ends the earlier trial comes first.
  function history(run, reward, referenceMs) {
    const ended = [...run.trials.values()].filter((t) => t.ended !== null && t.state !== 'pruned');
    ended.sort((a, b) => a.ended - b.ended || a.n - b.n);
    const begun = Math.min(...[...run.trials.values()].map((t) => t.begun ?? Infinity));
    const { settled } = NAS.model.table(run);
    const found = { trials: [], minutes: [], best: [], volume: [] };
    let [front, best, volume] = [[], null, 0];
    ended.forEach((trial, index) => {
      const stands = settled.has(trial.n) ? trial.p : [];
      for (const [, accuracy, ms] of stands) {
        best = Math.max(best ?? -Infinity, NAS.model.reward(accuracy, ms, reward));
      }
      const points = stands.map(([, accuracy, ms]) => ({ accuracy, latency_ms: ms }));
      const gained = points.filter((p) => !front.some((f) => f.accuracy >= p.accuracy && f.latency_ms <= p.latency_ms));
      if (gained.length) {
        const kept = front.filter((f) => !gained.some((p) => p.accuracy >= f.accuracy && p.latency_ms <= f.latency_ms));
        front = kept.concat(gained);
        volume = NAS.model.hypervolume(front, referenceMs);
      }
      found.trials.push(index + 1);
      found.minutes.push((trial.ended - begun) / 60);
      found.best.push(best);
      found.volume.push(volume);
    });
    return found;
  }

  function remembered(run, referenceMs) {
    const { target_ms, alpha, beta } = NAS.state.reward;
    const key = [run.version, referenceMs, target_ms, alpha, beta].join();
    if (!run.history || run.history.key !== key) {
      run.history = { key, value: history(run, NAS.state.reward, referenceMs) };
    }
    return run.history.value;
  }

  function lines(runs, referenceMs, what) {
    return runs.map((run) => {
      const { id } = run.head;
      const found = remembered(run, referenceMs);
      return {
        type: 'scatter', mode: found.trials.length < 2 ? 'markers' : 'lines', name: NAS.plain(id), x: found[over], y: found[what],
        line: { color: NAS.runColour(id), dash: NAS.dashes[NAS.runIndex(id)], shape: 'hv', width: 2 },
        hovertemplate: over === 'trials' ? '%{y:.4g} after %{x} trials' : '%{y:.4g} after %{x:.1f} min',
      };
    });
  }

  function drawPlots(runs) {
    const referenceMs = NAS.model.referenceMs(runs);
    const title = over === 'trials' ? 'Trials that have ended' : 'Time since the first trial began, minutes';
    const layout = (y) => ({
      xaxis: { title, rangemode: 'tozero' }, yaxis: { title: y }, showlegend: runs.length > 1, hovermode: 'closest',
    });
    NAS.plot(parts.volume, lines(runs, referenceMs, 'volume'), layout('Hypervolume, accuracy × ms'), { name: 'hypervolume' });
    const { target_ms: target } = NAS.state.reward;
    NAS.plot(parts.best, lines(runs, referenceMs, 'best'), layout(`Best reward (T = ${text.ms(target)})`), { name: 'best-reward' });
    const differ = NAS.model.incomparable(runs);
    parts.reference.textContent =
      (differ.length ? `These runs do not compare: ${differ.join(', ')}. ` : '') +
      `The hypervolume is the area that the front covers towards accuracy 0 and ${text.ms(referenceMs)}, ` +
      'a tenth beyond the slowest network of the runs shown. The best reward follows T and w above.';
  }

  function drawCurves(run) {
    const trials = [...run.trials.values()].filter((t) => t.losses).sort((a, b) => b.n - a.n);
    const chosen = new Set(NAS.state.selected.filter((s) => s.run === run.head.id).map((s) => s.n));
    const kept = trials.filter((t) => chosen.has(t.n)).concat(trials.filter((t) => !chosen.has(t.n)));
    const finished = kept.slice(0, MOST_CURVES).map((t) => curve(t.n, t.losses, chosen.has(t.n) ? 'c1' : 'c6', chosen.has(t.n)));
    const running = (run.progress?.running || []).map((r) => curve(r.trial, r.losses, `c${NAS.runIndex(run.head.id)}`, true));
    parts.curvesBox.hidden = !finished.length && !running.length;
    if (parts.curvesBox.hidden) return;
    NAS.plot(parts.curves, finished.reverse().concat(running), {
      xaxis: { title: 'Epoch', dtick: 1 }, yaxis: { title: 'Mean training loss' }, showlegend: false, hovermode: 'closest',
    }, { name: 'losses' });
    const shown = Math.min(trials.length, MOST_CURVES);
    parts.curvesNote.textContent =
      `Grey: the last ${shown} of ${trials.length} trials with a record of their epochs; thick: those that train now, and those selected.`;
  }

  function curve(n, losses, colour, thick) {
    return {
      type: 'scatter', mode: 'lines+markers', x: losses.map((_, i) => i + 1), y: losses,
      line: { color: NAS.colour(colour), width: thick ? 2.5 : 1 }, marker: { size: thick ? 6 : 3 }, opacity: thick ? 1 : 0.45,
      hovertemplate: `trial ${n}, epoch %{x}: loss %{y:.4g}<extra></extra>`,
    };
  }

  function sparkline(losses) {
    const [width, height] = [120, 28];
    const [low, high] = [Math.min(...losses), Math.max(...losses)];
    const at = losses.map((loss, i) => {
      const x = 3 + (i / Math.max(1, losses.length - 1)) * (width - 6);
      return `${x.toFixed(1)},${(3 + ((high - loss) / (high - low || 1)) * (height - 6)).toFixed(1)}`;
    });
    return svg('svg', { width, height, role: 'img', 'aria-label': 'training loss so far' },
      svg('polyline', { points: at.join(' '), fill: 'none', stroke: 'var(--c0)', 'stroke-width': 2 }),
      svg('circle', { cx: at.at(-1).split(',')[0], cy: at.at(-1).split(',')[1], r: 3, fill: 'var(--c0)' }));
  }

  function drawRunning(run) {
    const progress = run.progress || {};
    const cards = (progress.running || []).map((each) =>
      el('div', { class: 'panel worker' },
        el('strong', {}, `Trial ${each.trial}`),
        el('div', { class: 'quiet' }, `epoch ${each.losses.length} of ${each.epochs} ended`),
        el('progress', { max: each.epochs, value: each.losses.length, 'aria-label': `trial ${each.trial}` }),
        each.losses.length ? sparkline(each.losses) : null,
        each.losses.length ? el('div', { class: 'quiet' }, `loss ${text.figure(each.losses.at(-1))}`) : null));
    const idle = Math.max(0, (progress.workers || 0) - cards.length);
    for (let i = 0; i < idle; i += 1) cards.push(el('div', { class: 'panel worker quiet' }, 'idle worker'));
    const said = progress.driver
      ? `${text.count(progress.workers)} workers, driven by ${progress.driver}`
      : 'No search drives this run now.';
    const left = progress.seconds_left === null || progress.seconds_left === undefined ? '' : ` · about ${text.seconds(progress.seconds_left)} left`;
    const go = progress.state === 'stopped'
      ? el('p', {}, 'It stopped before its end. Go on with ', el('code', {}, `nas resume ${NAS.quoted(run.head.name)}${run.head.out}`)) : null;
    parts.running.replaceChildren(el('p', {}, said + left), go || '', el('div', { class: 'row stretch' }, cards));
  }

  const STATES = [['complete', 'good'], ['running', ''], ['pruned', 'quiet'], ['failed', 'bad']];
  function drawCounts(runs) {
    const rows = runs.map((run) => {
      const { counts, reused, asked } = run.progress || { counts: {}, reused: 0, asked: run.head.trials_asked };
      const best = NAS.model.best(run, NAS.state.reward);
      return el('tr', {}, el('th', { scope: 'row' }, run.head.id), el('td', {}, run.head.controller),
        STATES.map(([state, kind]) => el('td', { class: `figure ${counts[state] ? kind : 'quiet'}` }, text.count(counts[state] || 0))),
        el('td', { class: 'figure' }, text.count(reused)), el('td', { class: 'figure' }, text.count(asked)),
        el('td', { class: 'figure' }, best ? text.figure(best.reward) : '–'),
        el('td', { class: 'figure' }, best ? text.percent(best.accuracy) : '–'), el('td', { class: 'figure' }, best ? text.ms(best.latency_ms) : '–'));
    });
    const heads = ['complete', 'running', 'pruned', 'failed', 'reused', 'asked for', 'best reward', 'its accuracy', 'its latency'];
    parts.counts.replaceChildren(el('table', { class: 'counts-table' },
      el('thead', {}, el('tr', {}, el('th', {}, 'run'), el('th', {}, 'controller'), heads.map((name) => el('th', { class: 'figure' }, name)))),
      el('tbody', {}, rows)));
  }

  function drawFailures(run) {
    const reasons = new Map();
    for (const trial of run.trials.values()) {
      if (trial.state !== 'failed' && !(trial.error && trial.state === 'complete')) continue;
      const reason = trial.error || 'no reason was recorded';
      reasons.set(reason, [...(reasons.get(reason) || []), trial.n]);
    }
    const rows = [...reasons].sort((a, b) => b[1].length - a[1].length).map(([reason, trials]) => {
      const named = trials.sort((a, b) => a - b).slice(0, 12).join(', ');
      const more = trials.length > 12 ? ` and ${trials.length - 12} more` : '';
      return el('tr', {}, el('td', { class: 'figure' }, trials.length), el('td', {}, reason), el('td', {}, named + more));
    });
    parts.failures.replaceChildren(rows.length
      ? el('table', {}, el('thead', {}, el('tr', {}, el('th', { class: 'figure' }, 'times'), el('th', {}, 'reason'), el('th', {}, 'trials'))), el('tbody', {}, rows))
      : el('p', { class: 'quiet' }, 'No trial failed.'));
  }

  function mount(root) {
    drawn = '';
    parts = {};
    for (const name of ['counts', 'running', 'volume', 'best', 'curves', 'failures']) {
      parts[name] = el('div', { class: ['volume', 'best', 'curves'].includes(name) ? 'plot' : 'scroll' });
    }
    parts.reference = el('p', { class: 'quiet' });
    parts.curvesNote = el('p', { class: 'quiet' });
    parts.curvesBox = el('section', {}, el('h2', {}, 'Training losses'), parts.curves, parts.curvesNote);
    const choice = el('select', { 'aria-label': 'Over', on: { change: (event) => { over = event.target.value; update(); } } },
      el('option', { value: 'trials', selected: over === 'trials' }, 'over trials'),
      el('option', { value: 'minutes', selected: over === 'minutes' }, 'over time'));
    root.append(parts.counts, el('h2', {}, 'Now'), parts.running,
      el('div', { class: 'row' }, el('h2', {}, 'What the search gained'), choice),
      el('div', { class: 'grid' }, parts.volume, parts.best), parts.reference, parts.curvesBox,
      el('h2', {}, 'Failures'), parts.failures);
  }

  function update() {
    const runs = NAS.shownRuns();
    if (!runs.length) return;
    const key = JSON.stringify([runs.map((r) => [r.head.id, r.version, r.progress]), NAS.state.reward, NAS.state.selected, over, NAS.colour('page')]);
    if (key === drawn) return;
    drawn = key;
    drawCounts(runs);
    drawRunning(runs[0]);
    drawPlots(runs);
    drawCurves(runs[0]);
    drawFailures(runs[0]);
  }

  NAS.view({ id: 'progress', title: 'Progress', mount, update });
})();
