'use strict';
// Where images leave a network under a policy, and which.
(() => {
  const NAS = (globalThis.NAS = globalThis.NAS || {});
  const { el, text } = NAS;
  const PAUSE_MS = 500; // a slider in motion asks for nothing
  const MOST = 48; // pictures kept
  const known = new Map(); // key -> promise of an address

  function picture({ run, n }, exit, row) {
    const key = JSON.stringify([run, NAS.state.runs.get(run).head.made, n, exit, row]);
    if (!known.has(key)) {
      const asked = NAS.source.picture(run, n, exit, row);
      known.set(key, asked);
      asked.catch(() => known.get(key) === asked && known.delete(key));
    }
    if (known.size > MOST) {
      const [oldest, address] = known.entries().next().value;
      known.delete(oldest);
      address.then((url) => url && url.startsWith('blob:') && URL.revokeObjectURL(url), () => {});
    }
    return known.get(key);
  }

  // A bar per exit, its share of the images, and the threshold under which they go on.
  function table(detail, policy) {
    const most = Math.max(...policy.shares);
    const rows = detail.exits.map((exit, k) => [
      exit.exit, [NAS.facts.bar(most ? policy.shares[k] / most : 0), ' ', text.percent(policy.shares[k])],
      NAS.facts.threshold(policy, k), text.percent(exit.accuracy), text.ms(exit.latency_ms), text.macs(exit.macs),
    ]);
    return NAS.facts.table(
      [['Exit'], ['Images that leave'], ['If confidence ≥', 1], ['Accuracy, all images', 1], ['Latency', 1], ['MACs', 1]], rows, { class: 'leaving-table' });
  }

  // The images, once they are in sight and the policy has stood for a moment. {root, show(...)}
  NAS.leaving = () => {
    const shares = el('div', {});
    const images = el('div', { class: 'grid leaving' });
    const root = el('div', {}, shares, el('h3', {}, 'Images that leave there'), images);
    let wanted = null;
    let timer = null;
    let seen = false;
    const observer = new IntersectionObserver((found) => {
      seen = found[found.length - 1].isIntersecting;
      if (seen) soon();
    }, { rootMargin: '200px' });
    observer.observe(images);

    function soon() {
      clearTimeout(timer);
      timer = setTimeout(() => seen && wanted && !wanted.asked && load(wanted), PAUSE_MS);
    }

    async function load(asked) {
      asked.asked = true;
      const { selection, detail, policy } = asked;
      for (let k = 0; k < detail.exits.length; k += 1) {
        if (!policy.shares[k]) continue;
        let shown;
        try {
          const url = await picture(selection, k + 1, policy.row);
          const easy = detail.exits.length === 1 ? '' : k === 0 ? 'the easy ones' : k === detail.exits.length - 1 ? 'the hard ones' : '';
          shown = url && el('figure', {}, el('figcaption', {}, `Exit ${k + 1}${easy ? `: ${easy}` : ''}`),
            el('img', { src: url, alt: `Held-out images that leave at exit ${k + 1}`, loading: 'lazy' }));
        } catch (error) {
          if (asked === wanted) images.replaceChildren(el('p', { class: 'quiet' }, `${error.message}.`.replace(/\.\.$/, '.')));
          return;
        }
        if (asked !== wanted || !root.isConnected) return;
        if (images.querySelector('p')) images.replaceChildren();
        if (shown) images.append(shown);
      }
    }

    return {
      root,
      show(selection, detail, policy) {
        if (wanted && wanted.detail === detail && wanted.policy === policy) return;
        wanted = { selection, detail, policy, asked: false };
        shares.replaceChildren(table(detail, policy));
        images.replaceChildren(el('p', { class: 'quiet' }, '…'));
        soon();
      },
    };
  };
})();
