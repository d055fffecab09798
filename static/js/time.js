// Keeps "4 min ago" and "due in 2 hr" true while a page stays open. The exact time stays in the title, in the reader's zone.

import { word } from './words.js';

const root = document.documentElement;
const lang = root.lang || 'en';
const zone = root.dataset.zone || undefined;
const relative = new Intl.RelativeTimeFormat(lang, { style: 'short', numeric: 'always' });
const day = new Intl.DateTimeFormat(lang, { day: 'numeric', month: 'short', timeZone: zone });
const whole = new Intl.DateTimeFormat(lang, { day: 'numeric', month: 'long', year: 'numeric', hour: '2-digit', minute: '2-digit', hourCycle: 'h23', timeZone: zone });
const dateOnly = new Intl.DateTimeFormat('en-CA', { year: 'numeric', month: '2-digit', day: '2-digit', timeZone: zone });

const MINUTE = 60, HOUR = 3600, DAY = 86400, WEEK = 7 * DAY;

/** Relative words for an ISO time; after a week the date. */
export function ago(iso, now = Date.now()) {
  const seconds = (Date.parse(iso) - now) / 1000;
  const size = Math.abs(seconds);
  if (size < MINUTE) return word('now');
  if (size > WEEK) return day.format(new Date(iso));
  const [unit, length] = size < HOUR ? ['minute', MINUTE] : size < DAY ? ['hour', HOUR] : ['day', DAY];
  return relative.format(Math.trunc(seconds / length), unit).replace('.', '');
}

const dayTitles = new Intl.DateTimeFormat(lang, { weekday: 'long', day: 'numeric', month: 'long', timeZone: zone });

export const exact = (iso) => whole.format(new Date(iso));

/** The calendar day in the reader's zone, as '2026-11-22'. */
export const dayOf = (iso) => dateOnly.format(new Date(iso));

/** The heading over a day's rows: "Today", else "Thursday, 19 November". */
export const dayTitle = (iso) => (dayOf(iso) === dayOf(Date.now()) ? word('today') : dayTitles.format(new Date(iso)));

export function refresh(scope = document) {
  for (const time of scope.querySelectorAll('time[data-ago][datetime]')) {
    const text = ago(time.dateTime);
    if (time.textContent !== text) time.textContent = text;
  }
  for (const time of scope.querySelectorAll('time[data-due][datetime]')) countDown(time);
}

/** "due in 2 hr 10 min", "overdue by 3 days": the two largest units, as the server says it. */
function countDown(time) {
  const seconds = (Date.parse(time.dateTime) - Date.now()) / 1000;
  const over = seconds <= 0;
  const text = (over ? time.dataset.over : time.dataset.in).replace('{span}', span(Math.max(Math.abs(seconds), MINUTE)));
  if (time.textContent !== text) time.textContent = text;
  time.classList.toggle('due-over', over);
}

function span(seconds) {
  const parts = [];
  let rest = seconds;
  for (const [unit, length] of [['day', DAY], ['hour', HOUR], ['minute', MINUTE]]) {
    const count = Math.floor(rest / length);
    rest -= count * length;
    if (count && parts.length < 2) parts.push(new Intl.NumberFormat(lang, { style: 'unit', unit, unitDisplay: 'short' }).format(count).replace('.', ''));
    else if (parts.length) break;
  }
  return parts.join(' ');
}

refresh();
setInterval(() => { if (!document.hidden) refresh(); }, 20_000);
document.addEventListener('visibilitychange', () => { if (!document.hidden) refresh(); });
