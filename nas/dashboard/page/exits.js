'use strict';
// Early exits: what they are worth, and where images leave within a budget.
(() => {
  const NAS = (globalThis.NAS = globalThis.NAS || {});
  const { el, text } = NAS;
  const STEPS = 1000; // of the slider
  let page = null; // the parts of the view
  let shown = null; // what they show
  let cost = 'latency_ms';
  let asked = null; // {key, row}: a policy looked at, for as long as the network stays

  const keyOf = (selected) => JSON.stringify(selected.map(({ run, n }) => [run, n]));

  function controls() {
    const axis = el('select', {
      on: {
        change(event) {
          cost = event.target.value;
          update();
        },
      },
    }, el('option', { value: 'latency_ms' }, 'latency (ms)'), el('option', { value: 'macs' }, 'MACs'));
    const slider = el('input', { type: 'range', name: 'budget', min: 0, max: STEPS, step: 1, on: { input: () => spend(Number(slider.value)) } });
    const choose = el('button', { type: 'button', class: 'primary', on: { click: chosen } }, 'Choose this policy');
    return { axis, slider, choose, budget: el('output', { class: 'number' }), said: el('p', { class: 'number policy', 'aria-live': 'polite' }) };
  }

  function mount(root) {
    const parts = controls();
    axisOf(parts.axis);
    const leaving = NAS.leaving();
    const [anytime, budgeted] = ['anytime-plot', 'budgeted-plot'].map((id) => el('div', { id, class: 'plot' }));
    const caption = el('p', { class: 'quiet signs' });
    const title = el('h2', {});
    const body = el('div', {},
      el('p', { class: 'row' }, el('label', { class: 'row' }, 'Cost ', parts.axis)),
      el('div', { class: 'grid' },
        el('section', {}, el('h3', {}, 'Anytime: all images leave at one exit'), anytime),
        el('section', {}, el('h3', {}, 'Budgeted batch: easy images leave early'), budgeted)),
      caption,
      el('div', { class: 'panel' },
        el('div', { class: 'row' }, el('label', { class: 'row wide' }, 'Budget an image, on average ', parts.slider, parts.budget), parts.choose),
        parts.said, leaving.root));
    const message = el('div', {});
    root.append(title, message, body);
    page = { ...parts, leaving, anytime, budgeted, caption, title, body, message };
    shown = null;
  }

  const axisOf = (select) => (select.value = cost);

  function say(...nodes) {
    page.body.hidden = true;
    page.message.replaceChildren(...nodes);
    shown = null;
  }

  // From the slider to a cost and back: in equal factors, as budgets differ by factors.
  function range(policies) {
    const costs = policies.map((policy) => policy[cost]).filter((x) => x > 0);
    return [Math.min(...costs), Math.max(...costs)];
  }
  const toCost = ([low, high], step) => low * (high / low) ** (step / STEPS);
  const toStep = ([low, high], x) => (high > low ? Math.ceil((STEPS * Math.log(x / low)) / Math.log(high / low) - 1e-6) : STEPS);

  // The policy that spends most within the budget, of those that none beats.
  function spend(step) {
    const { detail } = shown.networks[0];
    const budget = toCost(range(detail.policies), step) * (1 + 1e-9);
    const within = NAS.curves.front(detail.policies, cost).filter((policy) => policy[cost] <= budget);
    const policy = within[within.length - 1] || NAS.curves.front(detail.policies, cost)[0];
    asked = { key: shown.key, row: policy.row };
    page.budget.textContent = NAS.curves.COSTS[cost].show(budget);
    update();
  }

  function chosen() {
    const { selection } = shown.networks[0];
    const mine = { run: selection.run, n: selection.n, row: shown.policy.row };
    NAS.set({ selected: [mine, ...NAS.state.selected.slice(1)] });
  }

  function update() {
    const selected = NAS.inView();
    if (!selected.length) {
      page.title.textContent = 'Early exits';
      say(el('p', { class: 'quiet' }, 'No network is complete yet.'));
      return;
    }
    page.title.textContent = selected.map(({ run, n }) => `Trial ${n} of ${run}`).join(' and ') + (selected[0].best ? ' (the best now)' : '');
    const entries = selected.map(NAS.detailOf);
    const failed = entries.find((entry) => entry.error);
    if (failed) return say(el('p', { class: 'bad', role: 'alert' }, failed.error));
    if (entries.some((entry) => entry.loading)) return say(el('p', { class: 'quiet', role: 'status' }, 'Reading the network …'));
    const networks = selected.map((selection, i) => ({ selection, detail: entries[i].detail })).filter(({ detail }) => detail.policies.length);
    if (!networks.length) return say(el('p', { class: 'quiet' }, 'This trial has no measurement, so nothing is known of its exits.'));
    draw(networks);
  }

  function policyShown(networks, key) {
    const [{ selection, detail }] = networks;
    const own = NAS.policyOf(selection, detail);
    // A choice made elsewhere ends what was only looked at here.
    if (asked && (asked.key !== key || (shown && shown.own !== own.row))) asked = null;
    return { own: own.row, policy: (asked && detail.policies.find((each) => each.row === asked.row)) || own };
  }

  function draw(networks) {
    const key = keyOf(networks.map(({ selection }) => selection));
    const { own, policy } = policyShown(networks, key);
    const state = JSON.stringify([key, cost, policy.row, NAS.colour('page')]);
    if (shown && shown.state === state && shown.networks[0].detail === networks[0].detail) {
      shown.own = own;
      return;
    }
    const plotted = shown && shown.plotted === key + cost + NAS.colour('page');
    shown = { key, state, networks, own, policy, plotted: key + cost + NAS.colour('page') };
    page.body.hidden = false;
    page.message.replaceChildren();
    if (!plotted) NAS.curves.anytime(page.anytime, networks, cost);
    NAS.curves.budgeted(page.budgeted, networks, cost, policy);
    page.budgeted.removeAllListeners('plotly_click');
    page.budgeted.on('plotly_click', clicked);
    policyParts(networks[0], policy);
  }

  function clicked({ points }) {
    const [run, n, row] = points[0].customdata || [];
    const { selection } = shown.networks[0];
    if (run !== selection.run || n !== selection.n) return;
    asked = { key: shown.key, row };
    update();
  }

  function policyParts({ selection, detail }, policy) {
    const limits = range(detail.policies);
    if (document.activeElement !== page.slider) {
      page.slider.value = toStep(limits, policy[cost]);
      page.budget.textContent = NAS.curves.COSTS[cost].show(policy[cost]);
    }
    page.slider.setAttribute('aria-valuetext', page.budget.textContent);
    page.slider.disabled = limits[0] === limits[1];
    page.choose.disabled = policy.row === shown.own;
    page.choose.textContent = policy.row === shown.own ? 'This policy is chosen' : 'Choose this policy';
    page.said.textContent = `${policy.found}: ${text.percent(policy.accuracy, 2)} ± ${text.figure(100 * policy.standard_error, 2)} right, `
      + `${text.ms(policy.latency_ms)} expected, 95 % within ${text.ms(policy.p95_ms)}, ${text.ms(policy.worst_ms)} at worst, ${text.macs(policy.macs)}`;
    page.leaving.show(selection, detail, policy);
    const { head } = NAS.state.runs.get(selection.run);
    const images = head.held_out ? `${text.count(head.held_out)} held-out images` : 'the held-out images';
    page.caption.textContent = `On ${images} of ${head.data || 'the data'} (the test split is seen by no search). The thresholds of a policy come from one half `
      + 'and are judged on the other, then swapped (cross-fitted); the best of many policies on the same images still flatters. Whiskers: one standard error. “shares r^k”: of the images, a share '
      + 'proportional to r to the power of k leaves at exit k. Only the policies that no other one of the network beats are joined.';
  }

  NAS.view({ id: 'exits', title: 'Early exits', mount, update });
})();
