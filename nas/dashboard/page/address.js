'use strict';
// What the page shows is in its address (?t=…&w=…), so that it is there again after a reload.
(() => {
  const { state } = NAS;
  const PAUSE_MS = 300; // browsers refuse an address that changes with every step of a slider
  let restored = false;
  let timer = null;

  const number = (query, name) => {
    const text = query.get(name);
    const value = Number(text);
    return text && Number.isFinite(value) ? value : null;
  };

  function read() {
    const query = new URLSearchParams(location.search);
    const changes = {};
    const runs = query.getAll('run').filter((id) => state.runs.has(id));
    if (runs.length) changes.shown = new Set(runs);
    const first = state.runs.get(runs[0] || [...state.shown][0]);
    const reward = { ...NAS.searchedReward(first.head) };
    const [target, w] = [number(query, 't'), number(query, 'w')];
    if (target > 0) reward.target_ms = target;
    if (w !== null && w >= -1 && w <= 0) reward.alpha = reward.beta = w;
    if (query.get('hard') === '1') Object.assign(reward, { alpha: 0, beta: -1 });
    changes.reward = reward;
    if (Object.hasOwn(NAS.model.AXES, query.get('x') || '')) changes.x = query.get('x');
    changes.log = query.get('scale') !== 'linear';
    return changes;
  }

  function write() {
    timer = null;
    const query = new URLSearchParams();
    const { target_ms: target, alpha, beta } = state.reward;
    query.set('t', String(Number(target.toPrecision(6))));
    if (alpha === beta) query.set('w', String(beta));
    else query.set('hard', '1');
    query.set('x', state.x);
    if (!state.log) query.set('scale', 'linear');
    for (const id of state.shown) query.append('run', id);
    const wanted = `?${query}`;
    if (wanted === location.search) return;
    try {
      history.replaceState(null, '', `${location.pathname}${wanted}${location.hash}`);
    } catch {
      // some browsers keep the address of a page from disk as it is; then nothing is remembered
    }
  }

  // The reward of a run's own search; of one without, the default of `nas search`.
  NAS.searchedReward = ({ target_ms, alpha, beta }) =>
    ({ target_ms, alpha: alpha ?? -0.07, beta: beta ?? -0.07 });

  state.log = true;
  NAS.on('state', () => {
    if (!restored && state.shown.size) {
      restored = true;
      NAS.set(read());
    } else if (restored && timer === null) {
      timer = setTimeout(write, PAUSE_MS);
    }
  });
})();
