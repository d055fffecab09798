// The inbox, living: what arrives is put on top, what was read elsewhere fades, a swipe or a press marks.
// The page is complete without it; rows are cloned from the page's own templates, so there is one markup.

import { say, word } from './words.js';
import { ago, dayOf, dayTitle, exact } from './time.js';
import { stream } from './shared-stream.js';
import { showUnread, unreadNow } from './badge.js';
import { failed, toast } from './toast.js';
import { post } from './send.js';

const list = document.querySelector('[data-inbox]');
const { inbox: base, show } = list.dataset;
const isFirstPage = 'first' in list.dataset;
const copy = (id) => document.getElementById(id).content.firstElementChild.cloneNode(true);
const rowOf = (id) => list.querySelector(`[data-note="${CSS.escape(id)}"]`);
const slot = (row, name) => row.querySelector(`[data-slot=${name}]`);
const madeAt = (row) => Date.parse(row.querySelector('time').dateTime);
const isUnread = (row) => row.classList.contains('is-unread');

// ---- rows

function fill(row, n) {
  row.dataset.note = n.id;
  row.className = `note p-${n.priority}`;
  const link = slot(row, 'title');
  link.textContent = n.title;
  link.href = n.url;
  slot(row, 'text').textContent = n.text;
  slot(row, 'category').textContent = n.category_title;
  slot(row, 'organisation').textContent = n.organisation;
  slot(row, 'organisation').hidden = !n.organisation;
  slot(row, 'priority').replaceChildren(document.getElementById('priorities').content.querySelector(`[data-priority=${n.priority}]`).firstElementChild.cloneNode(true));
  const time = slot(row, 'time');
  time.dateTime = n.created_at;
  time.title = exact(n.created_at);
  time.textContent = ago(n.created_at);
  setRead(row, n.read);
  ask(row, n);
  return row;
}

/** What can be answered to it, by the buttons of a reloaded page. What was answered is known by the database only. */
function ask(row, n) {
  const shown = row.querySelector('.answers');
  if (!n.asks || (shown && n.answered === undefined)) return;
  const known = [...document.getElementById('asking').content.children];
  const form = known.find((one) => one.dataset.asks === n.asks && one.dataset.answered === (n.answered ?? ''))?.firstElementChild.cloneNode(true);
  if (!form) return;
  form.setAttribute('action', `${base}/${encodeURIComponent(n.id)}/answer`);
  shown?.remove();
  row.querySelector('.note-main').append(form);
}

function setRead(row, read) {
  row.classList.toggle('is-unread', !read);
  const form = row.querySelector('[data-mark]');
  form.action = `${base}/${encodeURIComponent(row.dataset.note)}/${read ? 'unread' : 'read'}`;
  const title = row.querySelector('.note-title a').textContent;
  const button = row.querySelector('[data-mark-button]');
  button.title = word(read ? 'mark-as-unread' : 'mark-as-read');
  button.setAttribute('aria-label', word(read ? 'mark-unread' : 'mark-read', { title }));
}

function dayFor(n) {
  const date = dayOf(n.created_at);
  const days = [...list.querySelectorAll('[data-day]')];
  const found = days.find((day) => day.dataset.day === date);
  if (found) return found;
  const day = copy('day');
  day.dataset.day = date;
  slot(day, 'day').textContent = dayTitle(n.created_at);
  const next = days.find((other) => other.dataset.day < date);
  if (next) next.before(day); else list.append(day);
  return day;
}

function put(n) {
  const known = rowOf(n.id);
  if (known) { fill(known, n); return null; }
  if (!isFirstPage || (show === 'unread' && n.read)) return null;
  const row = fill(copy('note'), n);
  const rows = dayFor(n).querySelector('[data-notes]');
  const after = [...rows.children].find((other) => madeAt(other) <= Date.parse(n.created_at));
  if (after) after.before(row); else rows.append(row);
  document.querySelector('[data-empty]').hidden = true;
  return row;
}

function remove(row) {
  const day = row.closest('[data-day]');
  const fold = row.closest('[data-fold]');
  row.remove();
  if (fold && !fold.querySelector('[data-note]')) fold.remove();
  if (!day.querySelector('[data-note]')) day.remove();
  document.querySelector('[data-empty]').hidden = Boolean(list.querySelector('[data-note]'));
}

// ---- what the stream says

const pill = document.querySelector('[data-arrivals]');
let unseen = 0;

function arrived(n) {
  const row = put(n);
  if (!row) return;
  row.classList.add('arrived');
  say(word('new-one', { title: n.title }));
  if (scrollY < 120) return;
  unseen += 1;
  pill.querySelector('span').textContent = word(unseen === 1 ? 'new-one' : 'new-many', { title: n.title, count: unseen });
  pill.hidden = false;
}
pill.addEventListener('click', () => {
  scrollTo({ top: 0, behavior: matchMedia('(prefers-reduced-motion: reduce)').matches ? 'auto' : 'smooth' });
  list.querySelector('.note-title a')?.focus({ preventScroll: true });
});
addEventListener('scroll', () => { if (scrollY < 120 && unseen) { unseen = 0; pill.hidden = true; } }, { passive: true });

/** Everything that the server knows of the newest rows: what is missing there has been withdrawn. */
function snapshot({ notifications }) {
  if (!isFirstPage) return;
  const ids = new Set(notifications.map((n) => n.id));
  const oldest = notifications.length ? Math.min(...notifications.map((n) => Date.parse(n.created_at))) : 0;
  for (const row of list.querySelectorAll('[data-note]')) {
    if (!ids.has(row.dataset.note) && madeAt(row) >= oldest) remove(row);
  }
  for (const n of notifications) put(n);
}

stream
  .on('notification', arrived)
  .on('snapshot', snapshot)
  .on('read', ({ ids = [], all = false }) => {
    for (const row of all ? list.querySelectorAll('[data-note]') : ids.map(rowOf)) if (row) setRead(row, true);
  })
  .on('unread', ({ ids = [] }) => { for (const row of ids.map(rowOf)) if (row) setRead(row, false); })
  .on('withdrawn', ({ ids = [] }) => { for (const row of ids.map(rowOf)) if (row) remove(row); });

// ---- marking

async function mark(row, read, { withUndo = false } = {}) {
  if (isUnread(row) !== read) return;
  const before = unreadNow();
  setRead(row, read);
  showUnread(before + (read ? -1 : 1));
  try {
    const { unread } = await post(`${base}/${encodeURIComponent(row.dataset.note)}/${read ? 'read' : 'unread'}`);
    if (stream.state !== 'live') showUnread(unread);        // otherwise the stream, which is in order, has the last word
    if (withUndo) toast(word(read ? 'marked-read' : 'marked-unread'), { undo: () => mark(row, !read) });
    else say(word(read ? 'marked-read' : 'marked-unread'));
  } catch (error) {
    setRead(row, !read);
    showUnread(before);
    failed(error);
  }
}

async function markAll() {
  const rows = [...list.querySelectorAll('.note.is-unread')];
  const before = unreadNow();
  for (const row of rows) setRead(row, true);
  showUnread(0);
  try {
    await post(`${base}/read-all`);
    toast(word('all-read'));
  } catch (error) {
    for (const row of rows) setRead(row, false);
    showUnread(before);
    failed(error);
  }
}

document.addEventListener('submit', (event) => {
  if (event.target.matches('[data-mark]')) {
    event.preventDefault();
    const row = event.target.closest('[data-note]');
    mark(row, isUnread(row));
  } else if (event.target.matches('[data-read-all]')) {
    event.preventDefault();
    markAll();
  }
});

// ---- swiping: to the right, far enough, with a finger or a pen

const FAR = 88;
let swipe = null;

list.addEventListener('pointerdown', (event) => {
  const face = event.target.closest('.note-face');
  if (!face || event.pointerType === 'mouse' || event.target.closest('button')) return;
  swipe = { face, row: face.parentElement, id: event.pointerId, x: event.clientX, y: event.clientY, on: false, dx: 0 };
});
list.addEventListener('pointermove', (event) => {
  if (!swipe || event.pointerId !== swipe.id) return;
  const dx = event.clientX - swipe.x;
  if (!swipe.on) {
    if (Math.abs(event.clientY - swipe.y) > 12) { swipe = null; return; }
    if (dx < 12) return;
    swipe.on = true;
    swipe.row.classList.add('swiping');
    swipe.face.setPointerCapture(event.pointerId);
  }
  swipe.dx = Math.max(0, dx - 12);
  const shown = swipe.dx < FAR ? swipe.dx : FAR + (swipe.dx - FAR) / 4;      // beyond the mark it resists
  swipe.face.style.transform = `translateX(${shown}px)`;
});
function settle(event) {
  if (!swipe || event.pointerId !== swipe.id) return;
  const { face, row, on, dx } = swipe;
  swipe = null;
  if (!on) return;
  row.classList.add('settling');
  face.style.transform = '';
  setTimeout(() => row.classList.remove('swiping', 'settling'), 240);
  // the finger's own click would open the notification
  addEventListener('click', (click) => { if (face.contains(click.target)) { click.preventDefault(); click.stopPropagation(); } }, { capture: true, once: true, signal: AbortSignal.timeout(300) });
  if (event.type === 'pointerup' && dx >= FAR) mark(row, isUnread(row), { withUndo: true });
}
list.addEventListener('pointerup', settle);
list.addEventListener('pointercancel', settle);

// ---- older rows, in place

document.addEventListener('click', async (event) => {
  const link = event.target.closest('[data-older]');
  if (!link || event.metaKey || event.ctrlKey || event.shiftKey) return;
  event.preventDefault();
  if (link.classList.contains('working')) return;
  link.classList.add('working');
  try {
    const answer = await fetch(link.href, { credentials: 'same-origin' });
    if (!answer.ok || answer.redirected) throw new Error(String(answer.status));
    const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
    let first = null;
    for (const day of page.querySelectorAll('[data-day]')) {
      const rows = [...day.querySelectorAll('[data-notes] > li')].filter((row) => !rowOf((row.querySelector('[data-note]') ?? row).dataset.note));
      if (!rows.length) continue;
      const here = list.querySelector(`[data-day="${day.dataset.day}"] [data-notes]`);
      if (here) here.append(...rows.map((row) => document.adoptNode(row)));
      else list.append(document.adoptNode(day));
      first ??= rows[0];
    }
    const next = page.querySelector('[data-older]');
    if (next) link.href = next.getAttribute('href'); else link.remove();
    first?.querySelector('summary, .note-title a').focus();
  } catch (error) {
    failed(error);
  } finally {
    link.classList.remove('working');
  }
});
