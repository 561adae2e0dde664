'use strict';
// Plotly in the page's colours, with buttons that save the plot as PNG or SVG.
(() => {
  const NAS = (globalThis.NAS = globalThis.NAS || {});
  const dark = matchMedia('(prefers-color-scheme: dark)');

  NAS.colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  NAS.runColour = (id) => NAS.colour(`c${NAS.runIndex(id)}`);
  NAS.symbols = ['circle', 'diamond', 'square', 'triangle-up', 'cross', 'x', 'pentagon'];
  NAS.dashes = ['solid', 'dash', 'dot', 'dashdot', 'longdash', 'longdashdot', 'solid'];

  function axis(given) {
    return {
      automargin: true,
      exponentformat: 'SI',
      gridcolor: NAS.colour('line'),
      linecolor: NAS.colour('line'),
      zerolinecolor: NAS.colour('line'),
      ...given,
      title: { standoff: 10, ...(typeof (given || {}).title === 'string' ? { text: given.title } : (given || {}).title) },
    };
  }

  function themed(layout) {
    const text = NAS.colour('text');
    const { xaxis, yaxis, ...rest } = layout;
    return {
      autosize: true,
      font: { color: text, family: 'system-ui, DejaVu Sans, sans-serif', size: 13 },
      paper_bgcolor: 'rgba(0,0,0,0)',
      plot_bgcolor: 'rgba(0,0,0,0)',
      margin: { l: 56, r: 16, t: 12, b: 48 },
      hoverlabel: { align: 'left', bgcolor: NAS.colour('panel'), bordercolor: NAS.colour('line'), font: { color: text } },
      legend: { orientation: 'h', y: -0.25, x: 0 },
      modebar: { bgcolor: 'rgba(0,0,0,0)', color: NAS.colour('quiet'), activecolor: NAS.colour('accent') },
      ...rest,
      xaxis: axis(xaxis),
      yaxis: axis(yaxis),
    };
  }

  const ICON = { width: 24, height: 24, path: 'M5 20h14v-2H5v2zM19 9h-4V3H9v6H5l7 7 7-7z' };
  function save(format) {
    return {
      name: `Save as ${format.toUpperCase()}`,
      icon: ICON,
      click: (div) => NAS.savePlot(div, format),
    };
  }

  // Plotly reads some HTML in names and labels; in a text of a run nothing is to be read.
  NAS.plain = (text) =>
    String(text).replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');

  // The part of a plot that is on the screen; what a canvas adds must not widen it.
  function seen(div) {
    const { xaxis, yaxis } = div._fullLayout;
    if (!div.extraTraces || !xaxis) return {};
    const held = (given, { range }) => ({ ...given, autorange: false, range: [...range] });
    return { selections: [], xaxis: held(div.layout.xaxis, xaxis), yaxis: held(div.layout.yaxis, yaxis) };
  }

  // The plot of a div as a file; its paper is the page's, so that it reads on any background. What
  // lies on a canvas under it (`div.extraTraces()`) is in the file too.
  NAS.savePlot = async (div, format) => {
    const width = Math.max(div.clientWidth, 600);
    const layout = { ...div.layout, ...seen(div), paper_bgcolor: NAS.colour('page') };
    const url = await Plotly.toImage(
      { data: [...(div.extraTraces ? div.extraTraces() : []), ...div.data], layout },
      { format, width, height: div.clientHeight, scale: format === 'png' ? 2 : 1 },
    );
    NAS.download(`${div.dataset.name || 'nas'}.${format}`, url);
  };

  // Save text, a blob or an address under a name.
  NAS.download = (name, content, type = 'text/plain') => {
    const isUrl = typeof content === 'string' && /^(data|blob):/.test(content);
    const url = isUrl ? content : URL.createObjectURL(new Blob([content], { type }));
    const link = NAS.el('a', { href: url, download: name });
    document.body.append(link);
    link.click();
    link.remove();
    if (!isUrl) setTimeout(() => URL.revokeObjectURL(url), 10_000);
  };

  // Plotly's own saving is replaced by ours; its button that sends a plot's data to a service goes.
  const UNWANTED = ['toImage', 'autoScale2d', 'sendChartToCloud', 'sendDataToCloud'];

  // Draw, or draw anew, the traces in a div. `name`: of the saved file; `remove`: buttons.
  NAS.plot = (div, traces, layout, { name = 'nas', config = {}, remove = ['zoomIn2d', 'zoomOut2d'] } = {}) => {
    div.dataset.name = name;
    return Plotly.react(div, traces, themed({ uirevision: name, ...layout }), {
      responsive: true,
      displaylogo: false,
      modeBarButtonsToRemove: [...UNWANTED, ...remove],
      modeBarButtonsToAdd: [save('png'), save('svg')],
      ...config,
      showSendToCloud: false,
      plotlyServerURL: '',
    });
  };

  dark.addEventListener('change', () => NAS.emit('state'));
})();
