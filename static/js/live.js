// Pages of the office stay true without reloading: when the stream says that something changed, the page's own
// address is fetched again and the regions marked data-live are exchanged, at most once a second. What the
// reader is doing is kept: focus, open details, ticked boxes; a region with unsent typing in it is left alone.

import { say, word } from './words.js';
import { refresh as refreshTimes } from './time.js';
import { stream } from './shared-stream.js';
import { toast } from './toast.js';

const GAP = 1_000;
const QUIET = 15_000;        // a busy office is not announced every second
let last = 0, timer = 0, running = false, again = false, saidAt = 0, warned = false;

const typed = (region) => [...region.querySelectorAll('input:not([type=checkbox], [type=radio], [type=hidden]), textarea')].some((field) => field.value !== field.defaultValue);
const chosenDiffers = (region) => [...region.querySelectorAll('select')].some((select) => [...select.options].some((option) => option.selected !== option.defaultSelected) && [...select.options].some((option) => option.defaultSelected));
const busy = (region) => typed(region) || chosenDiffers(region) || Boolean(region.querySelector('[data-sending]')) || region.contains(document.activeElement?.closest?.('select, textarea, input:not([type=checkbox], [type=radio])'));

/** A way to find the same element again in the exchanged region. */
function handle(element, region) {
  if (!element || !region.contains(element)) return null;
  if (element.id) return `#${CSS.escape(element.id)}`;
  const key = element.closest('[data-key]')?.dataset.key;
  const within = key ? `[data-key="${CSS.escape(key)}"] ` : '';
  const name = element.getAttribute('name') ? `[name="${CSS.escape(element.getAttribute('name'))}"]` : '';
  const value = name && element.getAttribute('value') ? `[value="${CSS.escape(element.getAttribute('value'))}"]` : '';
  const href = element.getAttribute('href') ? `[href="${CSS.escape(element.getAttribute('href'))}"]` : '';
  return `${within}${element.localName}${name}${value}${href}`;
}

function exchange(old, fresh) {
  const focus = handle(document.activeElement, old);
  const open = [...old.querySelectorAll('details[open][id]')].map((details) => details.id);
  const ticked = [...old.querySelectorAll('input[type=checkbox]:checked')].map((box) => handle(box, old));
  const texts = new Map([...old.querySelectorAll('[data-key]')].map((row) => [row.dataset.key, textOf(row)]));
  for (const row of fresh.querySelectorAll('[data-key]')) if (texts.get(row.dataset.key) !== textOf(row)) row.classList.add('just-changed');
  old.replaceWith(fresh);
  for (const id of open) { const details = document.getElementById(id); if (details) details.open = true; }
  for (const where of ticked) { const box = fresh.querySelector(where); if (box) box.checked = true; }
  if (focus) fresh.querySelector(focus)?.focus({ preventScroll: true });
}

/** What a row says and would send, without its clocks: time passing is no news. */
function textOf(row) {
  const copy = row.cloneNode(true);
  for (const time of copy.querySelectorAll('time')) time.remove();
  const sent = [...copy.querySelectorAll('input[type=hidden]:not([name=csrf_token])')].map((field) => field.value);
  return [copy.textContent.replace(/\s+/g, ' ').trim(), ...sent].join('|');
}

/** The clocks alone, where the words are the same. */
function setClocks(old, fresh) {
  const now = fresh.querySelectorAll('time');
  const clocks = old.querySelectorAll('time');
  if (clocks.length !== now.length) return;
  clocks.forEach((time, at) => time.replaceWith(now[at].cloneNode(true)));
}

/** The page as it is now; null without a network (the light says so, and a new connection asks again) or a session. */
async function fetchPage() {
  const answer = await fetch(location.href, { headers: { 'X-Live': '1' }, credentials: 'same-origin', cache: 'no-store' }).catch(() => null);
  if (!answer?.ok || answer.redirected) return null;
  return new DOMParser().parseFromString(await answer.text(), 'text/html');
}

async function bringUpToDate() {
  const page = await fetchPage();
  if (!page) return;
  let news = 0, held = 0;
  for (const old of document.querySelectorAll('[data-live]')) {
    const fresh = page.querySelector(`[data-live="${old.dataset.live}"]`);
    if (!fresh) continue;
    if (textOf(old) === textOf(fresh)) { setClocks(old, fresh); continue; }
    if (busy(old)) { held += 1; continue; }
    exchange(old, document.adoptNode(fresh));
    news += 1;
  }
  refreshTimes();
  if (news) document.dispatchEvent(new CustomEvent('hub:swapped'));
  announce(news, held);
}

function announce(news, held) {
  if (held && !warned) { warned = true; toast(word('held-back'), { kind: 'warning', undo: () => location.reload(), act: word('reload') }); }
  if (!news || Date.now() - saidAt < QUIET) return;
  saidAt = Date.now();
  say(word('refreshed'));
}

async function run() {
  timer = 0;
  if (document.hidden) { again = true; return; }
  if (running) { again = true; return; }
  running = true;
  again = false;
  last = Date.now();
  try {
    await bringUpToDate();
  } finally {
    running = false;
    if (again && !document.hidden) soon();
  }
}

function soon() {
  if (timer) return;
  timer = setTimeout(run, Math.max(0, last + GAP - Date.now()));
}

stream
  .on('changed', soon)
  .on('snapshot', soon)
  .on('state', ({ state, before }) => { if (state === 'live' && (before === 'reconnecting' || before === 'offline')) soon(); });
document.addEventListener('visibilitychange', () => { if (!document.hidden && again) soon(); });
// what was under way when the page was made may have ended before the page joined the stream
if (document.querySelector('[data-under-way]')) setTimeout(soon, GAP);
