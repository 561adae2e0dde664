'use strict';
// How the operation of a block looks: a colour, a pattern and letters, so that none is needed alone.
(() => {
  const NAS = (globalThis.NAS = globalThis.NAS || {});

  // What the space calls it, its family, and how it is written: in full, and in a few letters.
  const FAMILIES = [
    [/^conv$/, 'convolution', 'c0', 'plain', () => ['conv', 'C']],
    [/^bottleneck/, 'bottleneck', 'c5', 'rising', () => ['bottleneck', 'B']],
    [/^(sepconv|depthwise)/, 'depthwise separable', 'c2', 'dots', () => ['separable', 'DS']],
    [/^mbconv(\d*)/, 'inverted bottleneck (MBConv)', 'c2', 'rows', (m) => [`MBConv ${m[1]}`, `MB${m[1]}`]],
    [/^shuffle(\d*)/, 'shuffle unit', 'c4', 'columns', (m) => [`shuffle ${m[1]}g`, `SH${m[1]}`]],
    [/^grouped([\d-]*)/, 'grouped convolution', 'c4', 'columns', (m) => [`grouped ${m[1]}`, 'GR']],
    [/^factorized/, 'factorized convolution', 'c3', 'falling', () => ['factorized', 'F']],
    [/^residual/, 'residual block', 'c1', 'rising', () => ['residual', 'R']],
    [/^dense/, 'dense layer', 'c5', 'grid', () => ['dense', 'D']],
    [/^branches/, 'parallel branches', 'c3', 'rows', () => ['branches', 'BR']],
    [/^pool/, 'pooling', 'c6', 'plain', () => ['pool', 'P']],
    [/^(linear|head)/, 'classifier', 'c6', 'rising', () => ['classifier', 'L']],
    [/^side head/, 'classifier in training alone', 'c6', 'falling', () => ['side head', 'AX']],
    [/^(average|mean)/, 'average', 'c6', 'dots', () => ['average', 'AV']],
  ];

  // {family, colour (a variable of the style), pattern, name, letters} of an operation.
  NAS.lookOf = (op) => {
    for (const [wanted, family, colour, pattern, written] of FAMILIES) {
      const match = wanted.exec(op);
      if (match) {
        const [name, letters] = written(match);
        return { family, colour, pattern, name: name.trim(), letters };
      }
    }
    return { family: op, colour: 'c6', pattern: 'grid', name: op, letters: op.slice(0, 2).toUpperCase() };
  };

  const line = (d, colour) => NAS.svg('path', { d, stroke: colour, 'stroke-width': 1.4, fill: 'none' });
  const PATTERNS = {
    rising: (c) => line('M-1,1 l2,-2 M0,6 l6,-6 M5,7 l2,-2', c),
    falling: (c) => line('M-1,5 l2,2 M0,0 l6,6 M5,-1 l2,2', c),
    rows: (c) => line('M0,3 h6', c),
    columns: (c) => line('M3,0 v6', c),
    grid: (c) => line('M0,3 h6 M3,0 v6', c),
    dots: (c) => NAS.svg('circle', { cx: 3, cy: 3, r: 1.5, fill: c }),
  };

  // Definitions of the patterns, drawn in one colour over a fill; ids begin with `prefix`.
  NAS.patterns = (prefix, colour) =>
    NAS.svg('defs', {}, Object.entries(PATTERNS).map(([name, draw]) =>
      NAS.svg('pattern', {
        id: `${prefix}-${name}`, width: 6, height: 6, patternUnits: 'userSpaceOnUse',
      }, draw(colour))));

  // A rectangle in the colour and pattern of a look.
  NAS.patterned = (look, prefix, box) => {
    const filled = [NAS.svg('rect', { ...box, fill: NAS.colour(look.colour) })];
    if (look.pattern !== 'plain') filled.push(NAS.svg('rect', { ...box, fill: `url(#${prefix}-${look.pattern})` }));
    return filled;
  };

  // What the operations of a drawing look like, as a list.
  NAS.legend = (ops) => {
    const looks = new Map(ops.map((op) => [NAS.lookOf(op).family, NAS.lookOf(op)]));
    const prefix = `key${(NAS.legend.count = (NAS.legend.count || 0) + 1)}`;
    return NAS.el('ul', { class: 'legend' }, [...looks.values()].map((look, i) => NAS.el('li', {},
      NAS.svg('svg', { width: 18, height: 14, 'aria-hidden': 'true' },
        NAS.patterns(`${prefix}-${i}`, NAS.colour('page')),
        NAS.patterned(look, `${prefix}-${i}`, { width: 18, height: 14, rx: 3 })),
      `${look.family} (${look.letters.replace(/\d+$/, '')})`)));
  };
})();
