// The words that scripts say, translated by the server; and the one place that speaks to screen readers.

const words = JSON.parse(document.querySelector('meta[name="hub-words"]')?.content || '{}');

/** The sentence for a key, with {name} filled in. An unknown key shows itself, so that it is noticed. */
export function word(key, values = {}) {
  return (words[key] ?? key).replace(/\{(\w+)\}/g, (all, name) => values[name] ?? all);
}

let clearing = 0;

/** Say a sentence politely: after what the reader is hearing, never in the middle of it. */
export function say(text) {
  const region = document.querySelector('[data-say]');
  if (!region) return;
  region.textContent = '';
  requestAnimationFrame(() => { region.textContent = text; });
  clearTimeout(clearing);
  clearing = setTimeout(() => { region.textContent = ''; }, 8000);
}
