// Every page: times, theme, forms; and for who is signed in the connection light and the unread badges.

import './theme.js';
import './time.js';
import './forms.js';
import { say, word } from './words.js';
import { toast } from './toast.js';
import { exact } from './time.js';
import { stream } from './shared-stream.js';
import { showUnread } from './badge.js';

const PATIENCE = 4_000;      // a broken connection that heals at once is not news to a screen reader

function light() {
  const lamp = document.querySelector('[data-light]');
  if (!lamp) return;
  let announced = 'live';
  let timer = 0;
  const show = ({ state, heardAt }) => {
    lamp.hidden = false;
    lamp.title = word(`${state}-note`) + (state !== 'live' && heardAt ? ` ${word('last-heard', { time: exact(heardAt) })}` : '');
    if (lamp.dataset.state === state && lamp.dataset.shown) return;
    if (state === 'signed-out') toast(word('signed-out-note'), { kind: 'warning', undo: () => location.reload(), act: word('sign-in') });
    lamp.dataset.state = state;
    lamp.dataset.shown = 'yes';
    lamp.querySelector('[data-light-word]').textContent = word(state);
    clearTimeout(timer);
    timer = setTimeout(() => {
      if (state === announced || state === 'connecting') return;
      announced = state;
      say(`${word(state)}. ${word(`${state}-note`)}`);
    }, PATIENCE);
  };
  stream.on('state', show);
}

// the answer to a form that could not be used stands at the form's address, where there is nothing to read
const { address } = document.documentElement.dataset;
if (address) history.replaceState(null, '', address);

if (document.documentElement.dataset.account) {
  light();
  stream.on('count', showUnread);
  stream.start();
  // asked for on the page of preferences, and by who has it switched on
  if (document.querySelector('[data-push]') || globalThis.Notification?.permission === 'granted') import('./push.js');
} else if ('serviceWorker' in navigator) {
  // whoever signed out on this device is not shown there what is told to them
  navigator.serviceWorker.getRegistration().then((one) => one?.pushManager?.getSubscription()).then((one) => one?.unsubscribe());
}
