'use strict';
// Where the data come from: the server of `nas dashboard`, or the file itself in a report.
(() => {
  const NAS = (globalThis.NAS = globalThis.NAS || {});

  async function get(path) {
    const answer = await fetch(path);
    if (!answer.ok) {
      const said = await answer.json().catch(() => ({}));
      throw new Error(said.error || `the server answered ${answer.status}`);
    }
    return answer;
  }

  const of = (id) => `/api/runs/${encodeURIComponent(id)}`;
  const policy = (row) => (row === null || row === undefined ? '' : `?policy=${row}`);

  const live = {
    live: true,
    runs: async () => (await (await get('/api/runs')).json()).runs,
    run: async (id) => (await get(of(id))).json(),
    detail: async (id, n) => (await get(`${of(id)}/trials/${n}`)).json(),
    config: async (id, n, row) => (await get(`${of(id)}/trials/${n}/config${policy(row)}`)).text(),
    picture: async (id, n, exit, row) => {
      const answer = await get(`${of(id)}/trials/${n}/images/${exit}.png${policy(row)}`);
      return URL.createObjectURL(await answer.blob());
    },
    importances: async (id) => (await get(`${of(id)}/importances`)).json(),
    // callbacks: opened(), lost(), trials({run, trials}), progress({run, progress}), runs({runs})
    listen(callbacks) {
      const stream = new EventSource('/api/events');
      stream.onopen = () => callbacks.opened();
      stream.onerror = () => callbacks.lost();
      for (const name of ['trials', 'progress', 'runs']) {
        stream.addEventListener(name, (event) => callbacks[name](JSON.parse(event.data)));
      }
    },
  };

  function report(data) {
    const kept = (part, id, name, what) => {
      const found = (data[part][id] || {})[name];
      if (found === undefined) throw new Error(`this report does not hold ${what}; nas dashboard shows it`);
      return found;
    };
    return {
      live: false,
      written: data.written,
      runs: async () => data.runs.map((run) => run.head),
      run: async (id) => data.runs.find((run) => run.head.id === id),
      detail: async (id, n) => kept('details', id, n, `the blocks of trial ${n}`),
      config: async (id, n, row) => kept('configs', id, `${n}:${row}`, `the config of trial ${n} with this policy`),
      picture: async (id, n, exit, row) => kept('pictures', id, `${n}:${row}:${exit}`, 'these images'),
      importances: async (id) => kept('importances', id, 'of', 'the importances'),
      listen() {},
    };
  }

  const inlined = document.getElementById('nas-data');
  NAS.source = inlined ? report(JSON.parse(inlined.textContent)) : live;
})();
