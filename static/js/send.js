// A form sent without leaving the page: the same address, the same fields, an answer as JSON.

const token = document.querySelector('meta[name="csrf-token"]')?.content ?? '';

/** POST, or throw: TypeError when the network failed (nothing was sent, or nobody knows), Error for an answer that is no success. */
export async function post(url, fields = {}) {
  const answer = await fetch(url, {
    method: 'POST',
    headers: { Accept: 'application/json', 'X-CSRFToken': token },
    body: new URLSearchParams(fields),
    credentials: 'same-origin',
  });
  if (answer.redirected || !answer.ok) throw new Error(`${answer.status} ${url}`);
  return answer.json();
}
