// Talks to the server. Errors are Error objects whose message is for people; `near` has words that may have been meant.

async function ask(address, options) {
  let response;
  try {
    response = await fetch(address, options);
  } catch (failure) {
    if (failure.name === 'AbortError') {
      throw failure;
    }
    throw new Error('The server does not answer. Is it still running?');
  }
  let answer;
  try {
    answer = await response.json();
  } catch (failure) {
    if (failure.name === 'AbortError') {
      throw failure;
    }
    throw new Error(`The server’s answer cannot be read (status ${response.status}).`);
  }
  if (!response.ok) {
    const error = new Error(answer.error ?? `status ${response.status}`);
    error.near = answer.near ?? [];
    error.status = response.status;
    throw error;
  }
  return answer;
}

/** Waits a little and asks again when the server is busy. */
async function patiently(address, options) {
  for (let attempt = 0; ; attempt++) {
    try {
      return await ask(address, options);
    } catch (failure) {
      if (failure.status !== 503 || attempt === 4) {
        throw failure;
      }
      await new Promise((resolve) => setTimeout(resolve, 500 * (attempt + 1)));
    }
  }
}

export function get(address, signal) {
  return patiently(address, {signal});
}

export function post(address, body, signal) {
  return patiently(address, {
    method: 'POST',
    headers: {'Content-Type': 'application/json'},
    body: JSON.stringify(body),
    signal,
  });
}

/** Sends a picture; its name on the server from now on. */
export async function upload(file) {
  const type = file.type.startsWith('image/') ? file.type : 'image/unknown';
  return (await patiently('/api/uploads', {method: 'POST', headers: {'Content-Type': type}, body: file})).upload;
}

let version = '';

/** What the server serves. Asked first: addresses of pictures carry its version. */
export async function about() {
  const answer = await get('/api/about');
  version = answer.version;
  return answer;
}

export function thumbnail(id) {
  return `/api/thumbnail?id=${encodeURIComponent(id)}&v=${version}`;
}

/** What the model sees of a picture: {id} or {upload}. */
export function square(which) {
  const [key, value] = Object.entries(which)[0];
  return `/api/square?${key}=${encodeURIComponent(value)}&v=${version}`;
}
