// The number of unread notifications: in the tab's title, beside the inbox, on the app's icon. One truth for all of them.

const root = document.documentElement;
let unread = Number(root.dataset.unreadNow || 0);
const plainTitle = document.title.replace(/^\(\d+\) /, '');

export const unreadNow = () => unread;

export function showUnread(count) {
  unread = Math.max(0, count);
  root.dataset.unreadNow = String(unread);
  document.title = unread ? `(${unread}) ${plainTitle}` : plainTitle;
  for (const badge of document.querySelectorAll('[data-unread]')) {
    badge.hidden = !unread;
    badge.querySelector('[data-unread-count]').textContent = unread < 100 ? String(unread) : '99+';
  }
  for (const button of document.querySelectorAll('[data-read-all-button]')) button.disabled = !unread;
  if (navigator.setAppBadge) (unread ? navigator.setAppBadge(unread) : navigator.clearAppBadge()).catch(() => { /* not installed, or not allowed */ });
}
