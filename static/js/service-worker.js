// Shows what is pushed while no page of the hub is looked at, and does what is pressed there. It keeps nothing and answers no request.

const ICON = '/static/icons/hub.svg';

/** A POST with the token that only this origin can read. */
async function post(url, fields = {}) {
  const { token } = await (await fetch('/push', { credentials: 'same-origin', headers: { Accept: 'application/json' } })).json();
  const answer = await fetch(url, {
    method: 'POST',
    headers: { Accept: 'application/json', 'X-CSRFToken': token },
    body: new URLSearchParams(fields),
    credentials: 'same-origin',
  });
  if (!answer.ok || answer.redirected) throw new Error(String(answer.status));
  return answer.json();
}

/** Pushes that need nobody any more: they go, or say quietly who sees to it. What was pressed on this device has said so already. */
async function recall({ recalls, title, body }) {
  const pushes = (await registration.getNotifications()).filter((one) => recalls.includes(one.tag));
  const others = pushes.filter((one) => !one.data.pressed);
  if (!body) { for (const one of others) one.close(); return; }
  for (const one of others) await say(one.title, body, one.data);
  if (!pushes.length) await say(title, body, { tag: recalls.at(-1), url: '/inbox' });
}

/** In place of what it said: no sound, no button. */
function say(title, body, note) {
  return registration.showNotification(title, { body, tag: note.tag, silent: true, icon: ICON, badge: ICON, data: { ...note, asks: '' } });
}

/** Safari gives a subscription up after a few pushes that show nothing, whatever page is looked at. */
const mustShow = async () => (await registration.pushManager.getSubscription())?.endpoint.startsWith('https://web.push.apple.com') ?? false;

async function show(note) {
  if (note.recalls) return recall(note);
  const windows = await clients.matchAll({ type: 'window' });
  if (!note.urgent && windows.some((one) => one.focused) && !await mustShow()) return;      // the page itself shows it
  await registration.showNotification(note.title, {
    body: note.body,
    tag: note.tag,
    renotify: note.urgent,
    requireInteraction: note.urgent,
    icon: ICON,
    badge: ICON,
    data: note,
    actions: note.asks ? [{ action: 'see', title: 'Acknowledge' }] : [],
  });
}

async function see(note) {
  let said;
  try {
    ({ said } = await post(`/push/${encodeURIComponent(note.asks)}/acknowledge`));
  } catch {
    await open(note.url);                                              // signed out, or no network: the page says what is wrong
    return;
  }
  await say(note.title, said, { ...note, pressed: true });
}

/** The page of a push, in a window that is open already if there is one. Only pages of our own are opened. */
async function open(url) {
  const to = new URL(url || '/inbox', location.origin);
  const here = to.origin === location.origin ? to.href : new URL('/inbox', location.origin).href;
  const [window] = await clients.matchAll({ type: 'window' });
  if (!window) return clients.openWindow(here);
  await window.focus().catch(() => {});                                // without a press a browser refuses
  return window.navigate(here).catch(() => clients.openWindow(here));
}

/** The browser has given the subscription up: ask again, for the key that is right now. */
async function again() {
  const { key } = await (await fetch('/push', { credentials: 'same-origin', headers: { Accept: 'application/json' } })).json();
  if (!key) return;
  const given = (await registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key })).toJSON();
  await post('/push', { endpoint: given.endpoint, ...given.keys });
}

addEventListener('install', () => skipWaiting());
addEventListener('activate', (event) => event.waitUntil(clients.claim()));
addEventListener('push', (event) => event.waitUntil(show(event.data.json())));
addEventListener('pushsubscriptionchange', (event) => event.waitUntil(again()));
addEventListener('notificationclick', (event) => {
  const { notification, action } = event;
  notification.close();
  event.waitUntil(action === 'see' ? see(notification.data) : open(notification.data.url));
});
