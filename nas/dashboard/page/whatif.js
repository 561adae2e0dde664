'use strict';
// What if the target were another: T and w of the reward, and the best network under them at once.
(() => {
  const { el, text } = NAS;
  const SLIDE = 1000; // steps of the slider of T, even on a log scale
  const TARGET_WRONG = 'T is a time in ms above 0';
  const W_WRONG = 'w is between -1 and 0';
  let parts = null;
  let drawn = '';
  let range = { key: '', low: 0.1, high: 10 };

  // From below the fastest to above the slowest network seen, the run's own T among them.
  function latencies() {
    const runs = NAS.shownRuns();
    const key = runs.map((run) => `${run.head.id} ${run.version}`).join();
    if (key === range.key) return range;
    let [low, high] = [Infinity, 0];
    for (const run of runs) {
      for (const ms of [...NAS.model.table(run).latency_ms, run.head.target_ms]) {
        if (ms > 0) [low, high] = [Math.min(low, ms), Math.max(high, ms)];
      }
    }
    range = high ? { key, low: low / 1.5, high: high * 1.5 } : { key, low: 0.1, high: 10 };
    return range;
  }

  const toSlide = (ms) => {
    const { low, high } = latencies();
    return Math.round((SLIDE * Math.log(ms / low)) / Math.log(high / low));
  };
  const fromSlide = (step) => {
    const { low, high } = latencies();
    return Number((low * (high / low) ** (step / SLIDE)).toPrecision(4));
  };

  const change = (changes) => NAS.set({ reward: { ...NAS.state.reward, ...changes } });
  const same = (w) => change({ alpha: w, beta: w });

  function typed(field, wrong, allowed, take) {
    const value = Number(field.value);
    const good = field.value.trim() !== '' && Number.isFinite(value) && allowed(value);
    field.setAttribute('aria-invalid', String(!good));
    parts.said.textContent = good ? '' : wrong;
    if (good) take(value);
  }

  function inputs() {
    const made = {
      target: el('input', { type: 'number', name: 'target_ms', min: 0, step: 'any', inputmode: 'decimal', 'aria-label': 'T in milliseconds' }),
      slide: el('input', { type: 'range', name: 'target_range', min: 0, max: SLIDE, step: 1, 'aria-label': 'T, the latency target' }),
      w: el('input', { type: 'number', name: 'w', min: -1, max: 0, step: 0.01, 'aria-label': 'w, the exponent' }),
      wSlide: el('input', { type: 'range', name: 'w_range', min: -1, max: 0, step: 0.01, 'aria-label': 'w, the exponent of latency' }),
      hard: el('input', { type: 'checkbox', name: 'hard' }),
    };
    let soft = -0.07; // to go back to from the hard reward
    made.target.addEventListener('input', () =>
      typed(made.target, TARGET_WRONG, (ms) => ms > 0, (ms) => change({ target_ms: ms })));
    made.slide.addEventListener('input', () => change({ target_ms: fromSlide(Number(made.slide.value)) }));
    made.w.addEventListener('input', () =>
      typed(made.w, W_WRONG, (w) => w >= -1 && w <= 0, same));
    made.wSlide.addEventListener('input', () => same(Number(made.wSlide.value)));
    made.hard.addEventListener('change', () => {
      if (!made.hard.checked) return same(soft);
      soft = NAS.state.reward.beta;
      return change({ alpha: 0, beta: -1 });
    });
    return made;
  }

  function mount(root) {
    root.className = 'panel';
    const made = inputs();
    const said = el('span', { class: 'bad', role: 'alert' });
    const best = el('p', { class: 'best', 'aria-live': 'polite' });
    const asSearched = el('button', { type: 'button', on: { click: () => {
      const run = NAS.mainRun();
      drawn = ''; // what was typed wrong goes too
      if (run) NAS.set({ reward: NAS.searchedReward(run.head) });
    } } }, 'As searched');
    const open = el('button', { type: 'button', on: { click: openBest } }, 'Open');
    const save = el('button', { type: 'button', 'data-export': 'best' }, 'Export');
    save.addEventListener('click', () => NAS.exporting.attempt(save, said, async () => {
      const { run, trial, row } = parts.found;
      await NAS.exporting.config({ run, n: trial, row });
    }));
    parts = { ...made, said, best, open, save, asSearched, found: null };
    root.replaceChildren(
      el('div', { class: 'row knobs' },
        el('span', { class: 'knob', title: 'ACC · (LAT / T)^w: what the search maximises' },
          el('span', {}, 'Target T'), made.slide, made.target, 'ms'),
        el('span', { class: 'knob' }, el('span', {}, 'Exponent w'), made.wSlide, made.w),
        el('label', { class: 'knob', title: 'T is a limit: no gain below it, and reward falls as 1 / latency above it' },
          made.hard, 'hard limit'),
        asSearched),
      el('div', { class: 'row' }, best, open, save, said));
  }

  function openBest() {
    const { run, trial, row } = parts.found;
    NAS.select(run, trial, row);
    location.hash = '#architecture';
  }

  const put = (field, value) => {
    if (document.activeElement !== field || field.type === 'range') field.value = value;
  };

  function drawKnobs() {
    const { target_ms: target, alpha, beta } = NAS.state.reward;
    const hard = alpha !== beta;
    put(parts.target, String(Number(target.toPrecision(4))));
    put(parts.slide, toSlide(target));
    parts.slide.setAttribute('aria-valuetext', text.ms(target));
    put(parts.w, hard ? '' : String(beta));
    put(parts.wSlide, beta);
    parts.w.disabled = parts.wSlide.disabled = hard;
    parts.hard.checked = hard;
    for (const field of [parts.target, parts.w]) field.removeAttribute('aria-invalid');
    parts.said.textContent = '';
  }

  // "93.1 % ± 0.8": an accuracy with one standard error, both in points of a hundred.
  NAS.text.judged = (run, accuracy) => {
    const error = NAS.model.standardError(run, accuracy);
    return error === null ? text.percent(accuracy) : `${text.percent(accuracy)} ± ${(100 * error).toFixed(1)}`;
  };

  function drawBest() {
    const run = NAS.mainRun();
    const found = run && NAS.model.best(run, NAS.state.reward);
    parts.found = found;
    parts.open.disabled = parts.save.disabled = !found;
    if (!found) {
      parts.best.removeAttribute('data-best-trial');
      parts.best.textContent = 'No network has been judged yet.';
      return;
    }
    const published = run.trials.get(found.trial).name;
    parts.best.setAttribute('data-best-trial', found.trial);
    parts.best.setAttribute('data-best-row', found.row);
    parts.best.textContent = [
      `Best on the front: ${NAS.shownRuns().length > 1 ? `${run.head.id}, ` : ''}trial ${found.trial}`,
      published, NAS.text.judged(run, found.accuracy), text.ms(found.latency_ms),
      `reward ${text.figure(found.reward)}`,
    ].filter(Boolean).join(' · ');
  }

  function update() {
    const run = NAS.mainRun();
    const key = JSON.stringify([NAS.state.reward, run && [run.head.id, run.version, run.head.held_out], [...NAS.state.shown]]);
    if (key === drawn) return;
    drawn = key;
    drawKnobs();
    drawBest();
  }

  NAS.panel({ id: 'whatif', mount, update });
})();
