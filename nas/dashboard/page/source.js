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
    // The heads of all runs; `refused`: those that cannot be shown, and why, by name.
    runs: async () => {
      const { runs, refused } = await (await get('/api/runs')).json();
      live.refused = refused;
      return runs;
    },
    run: async (id) => (await get(of(id))).json(),
    detail: async (id, n) => (await get(`${of(id)}/trials/${n}`)).json(),
    config: async (id, n, row) => (await get(`${of(id)}/trials/${n}/config${policy(row)}`)).text(),
    picture: async (id, n, exit, row) => {
      const answer = await get(`${of(id)}/trials/${n}/images/${exit}.png${policy(row)}`);
      if (answer.headers.get('content-type') !== 'image/png') throw new Error((await answer.json()).error);
      return URL.createObjectURL(await answer.blob());
    },
    // Where a file of the run's folder can be had; reports hold none.
    file: (id, path) => `${of(id)}/files/${path}`,
    importances: async (id) => (await get(`${of(id)}/importances`)).json(),
    published: async (id) => (await get(`${of(id)}/published`)).json(),
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

  // The data of a report: JSON, packed by gzip, in base64.
  async function unpacked(text) {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
    return new Response(stream).json();
  }

  function report(packed) {
    const data = unpacked(packed);
    const kept = async (part, id, name, what) => {
      const found = ((await data)[part][id] || {})[name];
      if (found === undefined) throw new Error(`this report does not hold ${what}; nas dashboard shows it`);
      return found;
    };
    return {
      live: false,
      written: data.then((value) => value.written),
      runs: async () => (await data).runs.map((run) => run.head),
      run: async (id) => (await data).runs.find((run) => run.head.id === id),
      detail: (id, n) => kept('details', id, n, `the blocks of trial ${n}`),
      config: (id, n, row) => kept('configs', id, `${n}:${row}`, `the config of trial ${n} with this policy`),
      picture: (id, n, exit, row) => kept('pictures', id, `${n}:${row}:${exit}`, 'these images'),
      published: async (id) => (await data).runs.find((run) => run.head.id === id).head.published,
      importances: (id) => kept('importances', id, 'of', 'the importances'),
      listen() {},
    };
  }

  const inlined = document.getElementById('nas-data');
  NAS.source = inlined ? report(inlined.textContent.trim()) : live;

  // The run to begin with, where the address names none.
  NAS.latest = (heads) => heads.reduce((a, b) => (b.changed > a.changed ? b : a)).id;

  // What the page begins with is asked for at once, while Plotly is still being read.
  const early = new Map();
  NAS.first = NAS.source.runs().then((heads) => {
    const named = new URLSearchParams(location.search).getAll('run');
    const wanted = heads.map((head) => head.id).filter((id) => named.includes(id));
    if (heads.length && !wanted.length) wanted.push(NAS.latest(heads));
    for (const id of wanted) early.set(id, NAS.source.run(id));
    return heads;
  });
  NAS.awaited = (id) => early.get(id);
  NAS.early = (id) => {
    const asked = early.get(id);
    early.delete(id);
    return asked;
  };
})();
