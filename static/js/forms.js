// Forms work without this file. It keeps a form from being sent twice, shows that it is working, reveals a
// password, counts what is chosen, and closes the menu.

import { word } from './words.js';
import './toast.js';

// one press, one request: the button stays enabled until the browser has read its name and value
document.addEventListener('submit', (event) => {
  const form = event.target;
  if (event.defaultPrevented || !form.matches('[data-once]')) return;
  if (form.dataset.sending) { event.preventDefault(); return; }
  form.dataset.sending = 'yes';
  const button = event.submitter;
  if (!button) return;
  button.setAttribute('aria-disabled', 'true');
  button.classList.add('working');
});
addEventListener('pageshow', () => {
  for (const form of document.querySelectorAll('[data-sending]')) delete form.dataset.sending;
  for (const button of document.querySelectorAll('.working')) { button.classList.remove('working'); button.removeAttribute('aria-disabled'); }
});

for (const button of document.querySelectorAll('[data-reveal]')) {
  const input = document.getElementById(button.dataset.reveal);
  button.hidden = false;
  button.addEventListener('click', () => {
    const shown = input.type === 'text';
    input.type = shown ? 'password' : 'text';
    button.setAttribute('aria-label', word(shown ? 'show-password' : 'hide-password'));
    button.setAttribute('aria-pressed', String(!shown));
    input.focus();
  });
}

// choosing many
const picks = () => [...document.querySelectorAll('input[name=item]')];
export function count() {
  const boxes = picks();
  const chosen = boxes.filter((box) => box.checked).length;
  const label = document.querySelector('[data-pick-count]');
  if (label) label.textContent = word('chosen', { count: chosen });
  const all = document.querySelector('[data-pick-all]');
  if (!all) return;
  all.hidden = !boxes.length;
  all.checked = chosen > 0 && chosen === boxes.length;
  all.indeterminate = chosen > 0 && chosen < boxes.length;
}
document.addEventListener('change', (event) => {
  if (event.target.matches('[data-pick-all]')) for (const box of picks()) box.checked = event.target.checked;
  if (event.target.matches('[data-pick-all], input[name=item]')) count();
});
document.addEventListener('hub:swapped', count);
count();

// the menu closes as menus do
const menu = document.querySelector('[data-menu]');
if (menu) {
  document.addEventListener('click', (event) => { if (menu.open && !menu.contains(event.target)) menu.open = false; });
  menu.addEventListener('keydown', (event) => {
    if (event.key === 'Escape' && menu.open) { menu.open = false; menu.querySelector('summary').focus(); }
  });
  menu.addEventListener('focusout', (event) => { if (event.relatedTarget && !menu.contains(event.relatedTarget)) menu.open = false; });
}
