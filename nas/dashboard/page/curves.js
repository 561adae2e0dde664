'use strict';
// What early exits are worth: accuracy against cost, of the exits and of the policies.
(() => {
  const NAS = (globalThis.NAS = globalThis.NAS || {});
  const COSTS = {
    latency_ms: { title: 'Latency (ms)', expected: 'Expected latency (ms an image)', unit: 'ms', show: (x) => NAS.text.ms(x) },
    macs: { title: 'MACs', expected: 'Expected MACs an image', unit: 'MACs', show: (x) => NAS.text.macs(x) },
  };

  // The policies that no other one of the network beats, the cheapest first.
  function front(policies, cost) {
    const sorted = policies.filter((policy) => Number.isFinite(policy[cost]));
    sorted.sort((a, b) => a[cost] - b[cost] || b.accuracy - a.accuracy || a.row - b.row);
    let best = -Infinity;
    return sorted.filter((policy) => policy.accuracy > best && ((best = policy.accuracy), true));
  }

  const colourOf = (k) => NAS.colour(['c0', 'c1'][k]);
  const percents = (list) => list.map((each) => 100 * each.accuracy);
  const nameOf = ({ run, n }) => NAS.plain(`trial ${n} of ${run}`);
  const errors = (list, color) => ({
    type: 'data', array: list.map((each) => 100 * (each.standard_error || 0)), thickness: 1, width: 2, color,
  });

  const layout = (xTitle, yTitle, few) => ({
    xaxis: { title: xTitle, rangemode: 'normal' }, yaxis: { title: yTitle }, hovermode: 'closest', showlegend: !few,
    legend: { orientation: 'h', y: 1.02, yanchor: 'bottom', x: 0 }, margin: { l: 56, r: 16, t: 44, b: 48 },
  });

  // Accuracy of each exit if all images left there. networks: [{selection, detail}].
  function anytime(div, networks, cost) {
    const kind = COSTS[cost];
    const traces = networks.map(({ selection, detail }, k) => {
      const found = detail.exits.filter((exit) => exit.accuracy !== null && exit[cost] !== null);
      const held = NAS.state.runs.get(selection.run);
      const withErrors = found.map((exit) => ({ ...exit, standard_error: NAS.model.standardError(held, exit.accuracy) }));
      return {
        x: found.map((exit) => exit[cost]), y: percents(found), name: nameOf(selection), mode: 'lines+markers+text',
        text: found.map((exit) => `${exit.exit}`), textposition: k ? 'bottom right' : 'top left', error_y: errors(withErrors, colourOf(k)),
        marker: { size: 9, symbol: NAS.symbols[k], color: colourOf(k) }, line: { dash: NAS.dashes[k], width: 2, color: colourOf(k) },
        hovertext: found.map((exit) => `exit ${exit.exit}: ${NAS.text.percent(exit.accuracy, 2)}, ${kind.show(exit[cost])}`),
        hoverinfo: 'text+name', cliponaxis: false,
      };
    });
    return NAS.plot(div, traces, layout(kind.title, 'Accuracy (%)', traces.length < 2), { name: 'anytime' });
  }

  function policyTraces({ selection, detail }, k, cost, several) {
    const kind = COSTS[cost];
    const best = front(detail.policies, cost);
    const rest = detail.policies.filter((policy) => !best.includes(policy) && Number.isFinite(policy[cost]));
    const color = colourOf(k);
    const common = (list) => ({
      x: list.map((policy) => policy[cost]), y: percents(list), customdata: list.map((policy) => [selection.run, selection.n, policy.row]),
      hovertext: list.map((policy) => `${NAS.plain(policy.found)}: ${NAS.text.percent(policy.accuracy, 2)}, ${kind.show(policy[cost])}`),
      hoverinfo: 'text',
    });
    const whose = several ? `, ${nameOf(selection)}` : '';
    return [
      { ...common(rest), name: `other policies${whose}`, mode: 'markers', marker: { size: 6, symbol: `${NAS.symbols[k]}-open`, color, opacity: 0.6 } },
      {
        ...common(best), name: `front of the policies${whose}`, mode: 'lines+markers', error_y: errors(best, color),
        marker: { size: 8, symbol: NAS.symbols[k], color }, line: { width: 2, dash: NAS.dashes[k], color, shape: 'hv' },
      },
    ];
  }

  // The policies of each network; `chosen` is the one that is looked at.
  function budgeted(div, networks, cost, chosen) {
    const kind = COSTS[cost];
    const traces = networks.flatMap((network, k) => policyTraces(network, k, cost, networks.length > 1));
    if (chosen) {
      traces.push({
        x: [chosen[cost]], y: [100 * chosen.accuracy], name: 'shown below', mode: 'markers', hoverinfo: 'skip',
        marker: { size: 17, symbol: 'circle-open', color: NAS.colour('text'), line: { width: 2.5 } },
      });
    }
    return NAS.plot(div, traces, layout(kind.expected, 'Accuracy (%)', false), { name: 'budgeted' });
  }

  NAS.curves = { COSTS, front, anytime, budgeted };
})();
