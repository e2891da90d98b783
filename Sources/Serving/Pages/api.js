// Talks to the server. All addresses are below the page's own, which holds the token.

export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

// Told when the server does not answer, and when it does again.
export const connection = { onLost: () => {}, onBack: () => {} };

// A request that gets no answer is sent again, until it gets one: nothing that was done on the page is lost while the
// server is away.
async function ask(path, options) {
  for (let isFirst = true; ; isFirst = false) {
    try {
      const response = await fetch(`api/${path}`, options);
      const body = response.ok ? await response.json() : await response.json().catch(() => ({}));
      if (!isFirst) connection.onBack();
      if (!response.ok) throw new Refused(response.status, body.error?.message ?? response.statusText);
      return body;
    } catch (error) {
      if (error instanceof Refused) throw error;
      connection.onLost();
    }
    await new Promise((done) => { setTimeout(done, 1000); });
  }
}

export const get = (path) => ask(path);

export const post = (path, body) => ask(path, {
  method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body),
});
