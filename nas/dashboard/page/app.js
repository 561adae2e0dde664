'use strict';
// The frame: runs, tabs, and what keeps the views up to date.
(() => {
  const { el } = NAS;
  const views = NAS.views;
  let mounted = null; // {view, root}
  let due = false;
  let lost = false;
  let drawnRuns = '';
  const heard = new Map(); // run id -> how far it is, told before its document
  let wrong = null; // why data could not be had
  let written = null; // of a report: when it was, in seconds since the epoch

  function current() {
    const id = location.hash.slice(1) || views[0].id;
    return views.find((view) => view.id === id) || views[0];
  }

  function showView() {
    const view = current();
    if (!mounted || mounted.view !== view) {
      const root = el('div', { id: `view-${view.id}` });
      document.querySelectorAll('#view .js-plotly-plot').forEach((plot) => Plotly.purge(plot));
      document.getElementById('view').replaceChildren(root);
      view.mount(root);
      mounted = { view, root };
    }
    for (const link of document.querySelectorAll('#tabs a')) {
      const here = link.dataset.view === view.id;
      if (here) link.setAttribute('aria-current', 'page');
      else link.removeAttribute('aria-current');
    }
    update();
  }

  // At most one update a frame, however many events came.
  function update() {
    if (due) return;
    due = true;
    requestAnimationFrame(() => {
      due = false;
      drawRuns();
      drawStatus();
      for (const panel of NAS.panels) panel.update();
      if (mounted) mounted.view.update(); // runs may be told before the first view stands
    });
  }

  function drawRuns() {
    const key = JSON.stringify([[...NAS.state.runs.keys()], [...NAS.state.shown], NAS.colour('page')]);
    if (key === drawnRuns) return; // a chip that is made anew loses the keyboard's focus
    drawnRuns = key;
    const chips = [...NAS.state.runs.values()].map((run) => {
      const { id } = run.head;
      const box = el('input', {
        type: 'checkbox',
        checked: NAS.state.shown.has(id),
        on: { change: (event) => toggle(id, event.target.checked) },
      });
      const swatch = el('span', { class: 'swatch' });
      swatch.style.background = NAS.runColour(id);
      return el('label', { class: 'chip' }, box, swatch, id);
    });
    document.getElementById('runs').replaceChildren(...chips);
  }

  async function toggle(id, on) {
    const shown = new Set(NAS.state.shown);
    if (on) shown.add(id);
    else if (shown.size > 1) shown.delete(id);
    show(shown);
    if (on) await load(id);
  }

  const STATES = {
    running: 'running', stopped: 'stopped before its end', finished: 'finished', empty: 'no trial yet',
    unreadable: 'cannot be read',
  };
  function drawStatus() {
    const run = NAS.mainRun();
    const said = [];
    if (run && run.progress) {
      const { state, counts, asked, reading, seconds_left: left, error } = run.progress;
      said.push(`${run.head.id}: ${STATES[state] || state}`);
      said.push(`${NAS.text.count(counts.complete)} of ${NAS.text.count(asked)} trials`);
      if (left !== null) said.push(`${NAS.text.seconds(left)} left`);
      if (reading.done < reading.total) said.push(`reading ${reading.done} of ${reading.total}`);
      if (error) said.push(error);
    }
    if (written) said.push(`report of ${new Date(1000 * written).toLocaleString()}`);
    const refused = Object.entries(NAS.source.refused || {});
    if (refused.length) said.push(`not shown: ${refused.map(([name, why]) => `${name} (${why})`).join(', ')}`);
    if (wrong) said.push(wrong);
    if (lost) said.push('the server does not answer: shown is what was last known');
    document.getElementById('status').textContent = said.join(' · ');
  }

  async function load(id) {
    const run = NAS.state.runs.get(id);
    if (run.loaded) return;
    run.loaded = true;
    try {
      await fetched(id, NAS.early(id) || NAS.source.run(id));
      wrong = null;
    } catch (error) {
      run.loaded = false;
      fail(error);
    }
  }

  function fail(error) {
    wrong = error.message;
    update();
  }

  async function fetched(id, asked) {
    const found = await asked;
    NAS.takeHead(found.head);
    NAS.takeTrials(id, found.trials);
    NAS.takeProgress(id, found.progress);
    const run = NAS.state.runs.get(id);
    const told = heard.get(id);
    heard.delete(id);
    run.complete = true;
    if (told) {
      NAS.takeProgress(id, told);
      check(id, told);
    }
    NAS.emit('data');
  }

  // What the server counts must be what is here: an event that was lost makes the run load anew.
  function check(id, progress) {
    const run = NAS.state.runs.get(id);
    if (!run || !run.complete) {
      heard.set(id, progress); // what it counts may have been told before the run was here
      return;
    }
    const counts = {};
    for (const trial of run.trials.values()) counts[trial.state] = (counts[trial.state] || 0) + 1;
    if (Object.entries(progress.counts).every(([state, n]) => n === (counts[state] || 0))) return;
    run.complete = false;
    fetched(id, NAS.source.run(id)).catch(() => (run.complete = true));
  }

  function takeHeads(heads) {
    heads.forEach(NAS.takeHead);
    if (NAS.state.shown.size === 0 && heads.length) {
      show(new Set([NAS.latest(heads)]));
    }
  }

  // Show these runs; T and w go with the first one's search until the user sets others.
  function show(shown) {
    const asked = NAS.searchedReward(NAS.state.runs.get([...shown][0]).head);
    const { asked: before, reward } = NAS.state;
    const untouched = !before || JSON.stringify(before) === JSON.stringify(reward);
    NAS.set({ shown, asked, reward: untouched ? { ...asked } : reward });
  }

  async function begin() {
    const tabs = views.map((view) => el('a', { href: `#${view.id}`, 'data-view': view.id }, view.title));
    document.getElementById('tabs').replaceChildren(...tabs);
    for (const panel of NAS.panels) panel.mount(document.getElementById(panel.id));
    addEventListener('hashchange', showView);
    NAS.on('state', update);
    NAS.on('data', update);
    NAS.source.listen({
      opened() {
        if (lost) reload();
        lost = false;
        update();
      },
      lost() {
        lost = true;
        update();
      },
      trials({ run, trials }) {
        NAS.takeTrials(run, trials);
        NAS.emit('data');
      },
      progress({ run, progress }) {
        NAS.takeProgress(run, progress);
        check(run, progress);
        NAS.emit('data');
      },
      runs({ runs }) {
        takeHeads(runs);
        NAS.emit('data');
        NAS.state.shown.forEach(load);
      },
    });
    written = await NAS.source.written;
    takeHeads(await NAS.first);
    showView();
    await Promise.all([...NAS.state.shown].map(load));
  }

  // After the server was away: everything again, what had been read of it may have changed.
  async function reload() {
    for (const run of NAS.state.runs.values()) run.loaded = false;
    takeHeads(await NAS.source.runs());
    await Promise.all([...NAS.state.shown].map(load));
  }

  begin().catch(fail);
})();
