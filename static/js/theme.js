// Light, dark, or as the device does. The cookie lets the server send the right page at once (no flash);
// localStorage tells the other tabs, and remembers when the cookie was lost.

const root = document.documentElement;
const sheet = document.getElementById('dark');
const NIGHT = '(prefers-color-scheme: dark)';
const MEDIA = { dark: 'all', light: 'not all', auto: NIGHT };
const GROUND = { light: '#f5f6f8', dark: '#0e1117' };

function remembered() {
  try { return localStorage.getItem('theme'); } catch { return null; }   // storage may be forbidden: the cookie still works
}

function apply(theme) {
  root.dataset.theme = theme;
  sheet.media = MEDIA[theme];
  for (const button of document.querySelectorAll('[data-theme-form] [name=theme]')) {
    button.setAttribute('aria-pressed', String(button.value === theme));
  }
  for (const meta of document.querySelectorAll('meta[name=theme-color]')) {
    meta.content = GROUND[theme] ?? (meta.media === NIGHT ? GROUND.dark : GROUND.light);
  }
}

function keep(theme) {
  const secure = location.protocol === 'https:' ? '; secure' : '';
  document.cookie = `theme=${theme}; path=/; max-age=31536000; samesite=lax${secure}`;
  try { localStorage.setItem('theme', theme); } catch { /* the cookie is enough */ }
}

document.addEventListener('submit', (event) => {
  const form = event.target.closest?.('[data-theme-form]');
  const theme = event.submitter?.value;
  if (!form || !(theme in MEDIA)) return;
  event.preventDefault();
  keep(theme);
  apply(theme);
});
addEventListener('storage', (event) => { if (event.key === 'theme' && event.newValue in MEDIA) apply(event.newValue); });

const before = remembered();
if (before in MEDIA && before !== root.dataset.theme) { keep(before); apply(before); }
