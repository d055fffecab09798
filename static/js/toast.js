// Short messages over the page. Errors stay until closed; the rest leave by themselves, but never while
// somebody points at them or has the focus in them.

import { word } from './words.js';

const STAY = 9000;
const area = document.querySelector('[data-toasts]');

function arm(box) {
  const close = box.querySelector('[data-close]');
  close.hidden = false;
  close.addEventListener('click', () => box.remove());
  if (box.dataset.toast === 'error' || box.dataset.toast === 'warning') return;
  let timer = 0;
  const start = () => { clearTimeout(timer); timer = setTimeout(() => box.remove(), STAY); };
  const hold = () => clearTimeout(timer);
  box.addEventListener('pointerenter', hold);
  box.addEventListener('pointerleave', start);
  box.addEventListener('focusin', hold);
  box.addEventListener('focusout', start);
  start();
}

/** Show a message with at most one button: `undo` is what it does, `act` what it is called. */
export function toast(text, { kind = 'ok', undo = null, act = word('undo') } = {}) {
  const box = document.getElementById(kind === 'ok' ? 'toast-ok' : 'toast-warning').content.firstElementChild.cloneNode(true);
  box.dataset.toast = kind;
  box.className = `toast toast-${kind}`;
  box.querySelector('.toast-text').textContent = text;
  const form = box.querySelector('form');
  form.querySelector('button').textContent = act;
  if (undo) form.addEventListener('submit', (event) => { event.preventDefault(); box.remove(); undo(); });
  else form.remove();
  while (area.children.length > 2) area.firstElementChild.remove();
  area.append(box);
  arm(box);
}

export const failed = (error) => toast(word(error instanceof TypeError ? 'failed-network' : 'failed-server'), { kind: 'error' });

for (const box of area?.querySelectorAll('[data-toast]') ?? []) arm(box);
