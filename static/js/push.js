// Pushes on this device: switched on by a press, kept on by each visit, closed when they were read elsewhere.

import { stream } from './shared-stream.js';
import { failed } from './toast.js';
import { post } from './send.js';

const { account } = document.documentElement.dataset;
const card = document.querySelector('[data-push]');
const WANTED = 'push-wanted';        // by which account, on this device

const worker = () => navigator.serviceWorker.register('/sw.js');
const asked = async () => (await fetch('/push', { credentials: 'same-origin', headers: { Accept: 'application/json' } })).json();
const hash = async (text) => {
  const bytes = new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text)));
  return [...bytes].map((one) => one.toString(16).padStart(2, '0')).join('');
};
const same = (key, buffer) => buffer && btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '') === key;

/** Have a subscription for the hub's key of today, and let the hub know. */
async function subscribe() {
  const [{ pushManager }, { key, devices }] = await Promise.all([worker(), asked()]);
  let known = await pushManager.getSubscription();
  if (known && !same(key, known.options.applicationServerKey)) { await known.unsubscribe(); known = null; }
  known ??= await pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key });
  const { endpoint, keys } = known.toJSON();
  if (!devices.includes(await hash(endpoint))) await post('/push', { endpoint, ...keys });
  localStorage.setItem(WANTED, account);
}

async function unsubscribe() {
  localStorage.removeItem(WANTED);
  const known = await (await worker()).pushManager.getSubscription();
  if (!known) return;
  await known.unsubscribe();
  await post('/push/off', { endpoint: known.endpoint });
}

/** At each visit: what the browser or the hub has given up is asked for again, what its owner took off the list is not. */
async function keepOn() {
  const [{ pushManager }, { key, devices }] = await Promise.all([worker(), asked()]);
  const known = await pushManager.getSubscription();
  const removed = known && same(key, known.options.applicationServerKey) && !devices.includes(await hash(known.endpoint));
  await (removed ? unsubscribe() : subscribe());
}

function show(state) {
  for (const one of card.querySelectorAll('[data-push-when]')) one.hidden = one.dataset.pushWhen !== state;
}

function stateNow() {
  if (!('serviceWorker' in navigator && 'PushManager' in globalThis && 'Notification' in globalThis)) return 'never';
  if (Notification.permission === 'denied') return 'blocked';
  return Notification.permission === 'granted' && localStorage.getItem(WANTED) === account ? 'on' : 'off';
}

card?.addEventListener('click', async ({ target }) => {
  const button = target.closest('button');
  if (!button) return;
  button.disabled = true;
  try {
    if ('pushOn' in button.dataset) {
      if (await Notification.requestPermission() === 'granted') { await subscribe(); location.reload(); }
    } else {
      await unsubscribe();
      location.reload();
    }
  } catch (error) {
    failed(error);
  }
  button.disabled = false;
  show(stateNow());
});

/** What was read, here or elsewhere, need not lie on this device any more. */
async function close({ ids = [], all = false }) {
  const tags = new Set(ids.map((id) => id.replaceAll('-', '')));
  const registration = await navigator.serviceWorker.getRegistration();
  for (const one of await registration?.getNotifications() ?? []) if (all || tags.has(one.tag)) one.close();
}

if (card) show(stateNow());
if (stateNow() === 'on') {
  if (sessionStorage.getItem(WANTED) !== account) {
    keepOn().then(() => sessionStorage.setItem(WANTED, account), () => {});       // once a visit; no network is no news
  }
  stream.on('read', close).on('withdrawn', close);
}
