'use strict';
(() => {
  NAS.view({ id: 'trials', title: 'Trials', mount(root) { root.textContent = 'to come'; }, update() {} });
})();
