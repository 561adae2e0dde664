'use strict';
// A drawing in its box: how wide its columns are, what is pointed at, and what its signs mean.
(() => {
  const NAS = (globalThis.NAS = globalThis.NAS || {});
  const { el } = NAS;
  const WIDEST = 112; // pixels of a column
  const NARROWEST = 48; // unless all shall fit
  const ZOOMS = { readable: 'Readable', fit: 'Fit', full: '100 %' };
  const HINT = 'Point at a block to read it, at a door to see what its answer needs.';
  let zoom = 'readable'; // of all drawings

  function pitchOf(graph, room) {
    const fitting = NAS.drawing.fit(graph, room);
    if (zoom === 'full') return 104;
    if (zoom === 'fit') return Math.max(3, Math.min(WIDEST, fitting));
    return Math.max(NARROWEST, Math.min(WIDEST, fitting));
  }

  function save(svg, name) {
    const copy = svg.cloneNode(true);
    copy.querySelector('.row-labels').removeAttribute('transform');
    const { width, height } = svg.viewBox.baseVal;
    copy.prepend(NAS.svg('rect', { width, height, fill: NAS.colour('page') }));
    NAS.download(`${name}.svg`, new XMLSerializer().serializeToString(copy), 'image/svg+xml');
  }

  function legend({ graph: { nodes, exits } }) {
    const doors = new Set(exits.map((exit) => exit.node));
    return NAS.legend(nodes.filter((node) => !doors.has(node.id)).map((node) => node.op));
  }

  // What the signs of a drawing mean; with its detail, what the longest bar stands for too.
  NAS.drawingSigns = (detail = null) => {
    const macs = detail ? detail.graph.nodes.map((node) => node.macs) : [];
    const total = macs.reduce((a, b) => a + b, 0);
    const longest = total ? ` (the longest: ${NAS.text.percent(Math.max(...macs) / total)})` : '';
    return el('p', { class: 'quiet signs' },
      `On a block: operator, kernel · output channels, ×n for n alike blocks in a row; the bar is its share of the MACs${longest}. `,
      'A line carries the features that a block reads; where features are concatenated, those of the blocks before it too. ',
      'A door is an exit: accuracy, latency, and the share of the images that leaves there, which also fills it. ',
      'Rows: the size of the features in pixels.');
  };

  // A drawing that fits itself to its place; `brief`: without what its signs mean.
  // {root, show(row), light(ids)}
  NAS.drawingBox = (detail, { row = null, name = 'network', brief = false } = {}) => {
    const scroll = el('div', { class: 'drawing-scroll', tabindex: -1 });
    const caption = el('p', { class: 'drawing-caption number', 'aria-live': 'polite' }, HINT);
    const buttons = Object.entries(ZOOMS).map(([id, title]) => el('button', {
      type: 'button', 'data-zoom': id, on: { click: () => choose(id) },
    }, title));
    const box = { svg: null, row, lit: null, width: 0, zoom: null };

    function keepLabels() {
      box.svg.querySelector('.row-labels').setAttribute('transform', `translate(${scroll.scrollLeft},0)`);
    }
    function draw() {
      if (!scroll.clientWidth) return;
      const part = box.svg ? scroll.scrollLeft / box.svg.viewBox.baseVal.width : 0;
      [box.width, box.zoom] = [scroll.clientWidth, zoom];
      const pitch = pitchOf(detail.graph, scroll.clientWidth);
      box.svg = NAS.drawing(detail, { row: box.row, highlight: box.lit, pitch });
      box.svg.addEventListener('point', (event) => (caption.textContent = event.detail || HINT));
      scroll.replaceChildren(box.svg);
      scroll.scrollLeft = part * box.svg.viewBox.baseVal.width;
      keepLabels();
      for (const button of buttons) button.setAttribute('aria-pressed', String(button.dataset.zoom === zoom));
    }
    function choose(id) {
      zoom = id;
      document.dispatchEvent(new CustomEvent('zoom'));
      draw();
    }
    scroll.addEventListener('scroll', () => box.svg && keepLabels(), { passive: true });
    const observer = new ResizeObserver(() => {
      if (Math.abs(scroll.clientWidth - box.width) > 1) requestAnimationFrame(draw);
    });
    observer.observe(scroll);
    const follow = () => {
      if (!root.isConnected) document.removeEventListener('zoom', follow);
      else if (box.zoom !== zoom) draw();
    };
    document.addEventListener('zoom', follow);

    const root = el('figure', { class: 'drawing-box' },
      el('div', { class: 'row tools', role: 'group', 'aria-label': 'Size of the drawing' }, buttons,
        el('button', { type: 'button', class: 'aside', on: { click: () => save(box.svg, name) } }, 'Save as SVG')),
      scroll, caption, legend(detail), !brief && NAS.drawingSigns(detail));
    return {
      root,
      show(wanted) {
        if (wanted === box.row) return;
        box.row = wanted;
        if (box.svg) draw();
      },
      light(ids) {
        box.lit = ids;
        if (box.svg) NAS.lightBlocks(box.svg, ids);
      },
    };
  };
})();
