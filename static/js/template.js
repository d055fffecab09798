// While somebody writes a template, the preview follows: the form is posted to the preview's address a moment after the
// last key, and each part of the preview that differs is exchanged. Without this file the button "Preview" does the same.

const PAUSE = 600;
const form = document.getElementById('template');
const panel = form?.querySelector('.template-preview');
const token = document.querySelector('meta[name="csrf-token"]')?.content ?? '';
let timer = 0, asked = null;

function exchange(page) {
  for (const fresh of page.querySelectorAll('[data-part]')) {
    const old = panel.querySelector(`[data-part="${fresh.dataset.part}"]`);
    if (old && old.outerHTML !== fresh.outerHTML) old.replaceChildren(...document.adoptNode(fresh).childNodes);
  }
}

async function look() {
  asked?.abort();
  asked = new AbortController();
  panel.setAttribute('aria-busy', 'true');
  try {
    const answer = await fetch(form.dataset.preview, {
      method: 'POST',
      headers: { 'X-CSRFToken': token },
      body: new URLSearchParams(new FormData(form)),
      credentials: 'same-origin',
      signal: asked.signal,
    });
    // what cannot be had now (no network, too often) leaves the last preview, and the next key asks again
    if (answer.ok && !answer.redirected) exchange(new DOMParser().parseFromString(await answer.text(), 'text/html'));
  } catch (error) {
    if (error.name === 'AbortError') return;
  }
  panel.removeAttribute('aria-busy');
}

form?.addEventListener('input', () => {
  clearTimeout(timer);
  timer = setTimeout(look, PAUSE);
});
