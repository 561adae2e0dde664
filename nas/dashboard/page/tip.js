'use strict';
// What is said of a point of the front, beside it; all of it as text.
(() => {
  const { el, text, model, marks, state } = NAS;
  const LINES = 12; // of decisions, those of a block together
  const FEW_LINES = 5; // on a narrow screen

  // One line for the decisions of each block ("block1: op mbconv6, kernel 3"), one for the others.
  function inLines(decisions) {
    const groups = new Map();
    for (const [name, value] of Object.entries(decisions)) {
      const [, block, own] = name.match(/^([^.]*)\.(.*)$/) || [null, '', name];
      groups.set(block, [...(groups.get(block) || []), `${own} ${text.option(value)}`]);
    }
    return [...groups].map(([block, said]) => (block ? `${block}: ` : '') + said.join(', '));
  }

  function ofNetwork(point, room) {
    const run = state.runs.get(point.run);
    const trial = run.trials.get(point.trial);
    const how = marks.saidOf(marks.howOf(trial));
    const interval = Number.isFinite(point.low_ms) ? ` (${text.figure(point.low_ms)} to ${text.ms(point.high_ms)})` : '';
    const lines = inLines(model.decisions(run, trial));
    return [
      [`${point.run}, trial ${point.trial}`, trial.name].filter(Boolean).join(' · '),
      `accuracy ${text.judged(run, point.accuracy)}`,
      `latency ${text.ms(point.latency_ms)}${interval}, ${how}`,
      ...(state.x === 'latency_ms' ? [] : [`${model.AXES[state.x].title} ${model.AXES[state.x].unit === 'ms' ? text.ms(point[state.x]) : text.short(point[state.x])}`]),
      `reward ${text.figure(model.reward(point.accuracy, point.latency_ms, state.reward))}`,
      ...lines.slice(0, room),
      ...(lines.length > room ? [`… ${lines.length - room} more`] : []),
    ];
  }

  function ofTraining({ run, training: t }) {
    const error = t.standard_error === null ? '' : ` ± ${(100 * t.standard_error).toFixed(1)}`;
    return [
      `${run}: ${t.name}`, t.epochs ? `trained ${t.epochs} epochs` : 'trained in full', `accuracy ${text.percent(t.accuracy)}${error}`,
      `latency ${text.ms(t.latency_ms)}`, `${text.short(t.macs)} MACs, ${text.short(t.parameters)} parameters`,
    ];
  }

  const ofPublished = ({ published: p }) =>
    [`${p.name}, published`, `${text.short(p.macs)} MACs, ${text.short(p.parameters)} parameters`, 'accuracy not known here'];

  const SAID = { network: ofNetwork, training: ofTraining, published: ofPublished };

  // A box in `stage` that says what stands where the pointer is; null hides it.
  NAS.tip = (stage) => {
    const tip = el('div', { class: 'tip', hidden: true });
    stage.append(tip);
    return (found) => {
      stage.classList.toggle('pointing', Boolean(found));
      tip.hidden = !found;
      if (!found) return;
      const { clientWidth: width, clientHeight: height } = stage;
      const [title, ...rest] = SAID[found.kind](found, width < 600 ? FEW_LINES : LINES);
      tip.replaceChildren(el('strong', {}, title), ...rest.map((line) => el('div', {}, line)));
      const beside = found.px + 16 + tip.offsetWidth <= width ? found.px + 16 : found.px - 16 - tip.offsetWidth;
      const left = Math.max(0, Math.min(beside, width - tip.offsetWidth));
      const top = Math.max(0, Math.min(found.py - tip.offsetHeight / 2, height - tip.offsetHeight));
      tip.style.setProperty('left', `${left}px`);
      tip.style.setProperty('top', `${top}px`);
    };
  };
})();
