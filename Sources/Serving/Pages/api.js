// Talks to the server. All addresses are below the page's own, which holds the token.

export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

async function answer(response) {
  const body = await response.json();
  if (!response.ok) throw new Refused(response.status, body.error?.message ?? response.statusText);
  return body;
}

export const get = async (path) => answer(await fetch(`api/${path}`));

export const post = async (path, body) => answer(await fetch(`api/${path}`, {
  method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body),
}));
