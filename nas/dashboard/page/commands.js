'use strict';
// Commands to copy, quoted for a POSIX shell.
(() => {
  const NAS = (globalThis.NAS = globalThis.NAS || {});
  const { el, quoted } = NAS;

  // What to do next with a network: [[label, command]]; file: of its config once it is exported.
  function commands({ run: id, n }, file) {
    const { head } = NAS.state.runs.get(id);
    const place = quoted(`${head.name}:${n}`);
    return [
      ['Train it in full', `nas train ${place}${head.out}`],
      ['Train the exported config', `nas train ${quoted(file)}`],
      ['Export for other programs', `nas export ${place} --format onnx${head.out}`],
    ];
  }

  // Copies a text; where the browser forbids it, selects it for Ctrl-C.
  async function copy(code, button) {
    try {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = 'Copied';
    } catch {
      getSelection().selectAllChildren(code);
      button.textContent = document.execCommand('copy') ? 'Copied' : 'Press Ctrl-C';
    }
    setTimeout(() => (button.textContent = 'Copy'), 2000);
  }

  function line([label, command]) {
    const code = el('code', {}, command);
    const button = el('button', { type: 'button', 'aria-label': `Copy: ${label}` }, 'Copy');
    button.addEventListener('click', () => copy(code, button));
    return el('div', { class: 'command' }, el('span', { class: 'quiet' }, label), code, button);
  }

  NAS.commands = { of: commands, lines: (...given) => commands(...given).map(line) };
})();
