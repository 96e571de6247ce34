// The page: keeps query, results and the address in step. The address after # says what is asked, so that it can be kept and sent on.

import * as api from './api.js';
import {$, counted, el} from './dom.js';
import {PictureView} from './picture.js';
import {Query} from './query.js';
import {showHits, showSample} from './results.js';

const PAGE = 24;
const MOST = 192;

let about = {pictures: 0, sample: []};
let count = PAGE;
let asked = new AbortController();
let sent = null;

const query = new Query(() => search(false), fail);
const view = new PictureView(similar, () => remember(false, null));

function fail(failure) {
  if (failure.name === 'AbortError') {
    return;
  }
  const near = (failure.near ?? []).map((word) => el('button', {
    type: 'button', className: 'near', onclick: () => query.add(word),
  }, word));
  if (near.length) {
    query.drop((word) => failure.message.startsWith(`"${word}"`));
  }
  $('error').replaceChildren(el('span', {}, near.length ? `${failure.message}. Near ones:` : failure.message), ...near);
  $('error').hidden = false;
  showUnknown(undefined, {});
  $('status').textContent = '';
}

/** Words of the text that the vocabulary lacks; clicking a near one puts it in their place. */
function showUnknown(known, unknown) {
  const rows = Object.entries(unknown).map(([word, near]) => el('div', {},
    el('span', {}, `“${word}” is not in the vocabulary. Near ones:`),
    ...near.map((other) => el('button', {type: 'button', className: 'near', onclick: () => replace(word, other)}, other))));
  if (known === 0) {
    rows.push(el('div', {}, 'No word of this text is in the vocabulary: what was found goes by pieces of words at best.'));
  }
  $('unknown').replaceChildren(...rows);
  $('unknown').hidden = rows.length === 0;
}

function replace(word, other) {
  const text = query.base.text.split(/(\p{L}+)/u).map((part) => part.toLowerCase() === word ? other : part).join('');
  $('text').value = text;
  begin({text});
}

/** Asks the server for the query; a new one is a new entry in the history, a changed one is not. */
async function search(isNew) {
  asked.abort();
  asked = new AbortController();
  remember(isNew, null);
  if (query.empty) {
    welcome();
    return;
  }
  document.body.classList.add('busy');
  const start = performance.now();
  try {
    const answer = await api.post('/api/search', {...query.fields(), k: count}, asked.signal);
    $('error').hidden = true;
    showHits(answer.hits, open);
    query.show(answer.words, answer.active);
    showUnknown(answer.known, answer.unknown ?? {});
    $('more').hidden = answer.hits.length < count || count >= MOST;
    const found = answer.hits.length === 0
      ? 'No picture shares a word with this query. Add words, or switch some on.'
      : `The best ${answer.hits.length} of ${counted(about.pictures, 'picture')}`;
    $('status').textContent = answer.hits.length === 0 ? found : `${found}, in ${Math.round(performance.now() - start)} ms`;
  } catch (failure) {
    if (failure.status === 404 && query.base.upload && sent) {
      // The server keeps the last few pictures only.
      await send(sent);
    } else {
      fail(failure);
    }
  } finally {
    document.body.classList.remove('busy');
  }
}

function begin(base) {
  count = PAGE;
  query.begin(base);
  showGiven();
  search(true);
}

/** What the query began with, where it is a picture. */
function showGiven() {
  const {upload, like} = query.base;
  $('given').hidden = !upload && !like;
  if (upload || like) {
    const which = upload ? {upload} : {id: like};
    const image = el('img', {src: upload ? api.square(which) : api.thumbnail(like), alt: ''});
    $('given').replaceChildren(
      el('button', {type: 'button', className: 'given', title: 'Look at it', onclick: () => view.open(which, query.fields())}, image),
      el('div', {}, el('b', {}, upload ? 'Your picture' : 'Pictures like this one'),
        el('button', {type: 'button', className: 'quiet', onclick: () => begin({})}, 'Take it out')));
  }
}

function similar(which) {
  $('text').value = '';
  begin(which.id ? {like: which.id} : {upload: which.upload});
}

function open(id) {
  view.open({id}, query.empty ? null : query.fields());
  remember(true, id);
}

function welcome() {
  $('error').hidden = true;
  showUnknown(undefined, {});
  query.show([], 0);
  $('more').hidden = true;
  $('status').textContent = `${counted(about.pictures, 'picture')}, as words. Say what one shows, drop a picture, or choose words.`;
  if (about.sample.length) {
    showSample(about.sample, open);
  } else {
    $('results').replaceChildren(el('p', {className: 'empty'},
      'The pictures themselves are not at hand: start the server with --data to see them. Searching works without.'));
  }
}

async function send(file) {
  if (about.maxPicture && file.size > about.maxPicture) {
    fail(new Error(`This picture has ${(file.size / 1048576).toFixed(1)} MiB, the limit is ${about.maxPicture / 1048576} MiB.`));
    return;
  }
  document.body.classList.add('busy');
  $('status').textContent = 'Looking at your picture …';
  try {
    const upload = await api.upload(file);
    sent = file;
    $('text').value = '';
    begin({upload});
  } catch (failure) {
    fail(failure);
  } finally {
    document.body.classList.remove('busy');
  }
}

// ---- the address

const numbers = (map) => [...map].map(([word, value]) => `${word}:${Number(value.toFixed(3))}`).join(',');

function parsed(text) {
  const map = new Map();
  for (const part of (text ?? '').split(',')) {
    const [word, value] = part.split(':');
    if (word && Number.isFinite(Number(value))) {
      map.set(word, Math.min(10, Math.max(0, Number(value))));
    }
  }
  return map;
}

function remember(isNew, id) {
  const state = new URLSearchParams();
  if (query.base.text) {
    state.set('q', query.base.text);
  }
  if (query.base.like) {
    state.set('like', query.base.like);
  }
  if (query.factors.size) {
    state.set('f', numbers(query.factors));
  }
  if (query.added.size) {
    state.set('w', numbers(query.added));
  }
  if (id) {
    state.set('id', id);
  }
  const address = state.size ? `#${state}` : location.pathname;
  if (isNew && location.hash !== address) {
    history.pushState(null, '', address);
  } else {
    history.replaceState(null, '', address);
  }
}

async function fromAddress() {
  const state = new URLSearchParams(location.hash.slice(1));
  const text = state.get('q');
  const like = state.get('like');
  const id = state.get('id');
  count = PAGE;
  query.begin(text ? {text} : like ? {like} : {});
  query.factors = parsed(state.get('f'));
  query.added = parsed(state.get('w'));
  $('text').value = text ?? '';
  showGiven();
  await search(false);
  if (id) {
    open(id);
  } else if ($('picture').open) {
    $('picture').close();
  }
}

// ---- what people do

$('search').addEventListener('submit', (event) => {
  event.preventDefault();
  const text = $('text').value.trim();
  begin(text ? {text} : {});
});
$('choose').addEventListener('click', () => $('file').click());
$('file').addEventListener('change', () => {
  if ($('file').files[0]) {
    send($('file').files[0]);
    $('file').value = '';
  }
});
$('more').addEventListener('click', () => {
  count = Math.min(MOST, count + PAGE);
  search(false);
});
window.addEventListener('popstate', fromAddress);

let dragging = 0;
const hasFile = (event) => event.dataTransfer?.types.includes('Files');
window.addEventListener('dragenter', (event) => {
  if (hasFile(event)) {
    dragging++;
    $('drop').hidden = false;
  }
});
window.addEventListener('dragleave', (event) => {
  if (hasFile(event) && --dragging <= 0) {
    dragging = 0;
    $('drop').hidden = true;
  }
});
window.addEventListener('dragover', (event) => {
  if (hasFile(event)) {
    event.preventDefault();
  }
});
window.addEventListener('drop', (event) => {
  dragging = 0;
  $('drop').hidden = true;
  if (hasFile(event)) {
    event.preventDefault();
    const file = event.dataTransfer.files[0];
    if ($('picture').open) {
      $('picture').close();
    }
    if (file) {
      send(file);
    }
  }
});
window.addEventListener('paste', (event) => {
  const file = [...event.clipboardData.files].find((pasted) => pasted.type.startsWith('image/'));
  if (file) {
    event.preventDefault();
    send(file);
  }
});
window.addEventListener('keydown', (event) => {
  const typing = event.target instanceof HTMLInputElement && event.target.type !== 'range';
  if (event.key === '/' && !typing && !$('picture').open) {
    event.preventDefault();
    $('text').focus();
  }
});

// ---- dark and light: as the system says, until somebody chooses

const THEME = 'lexvla-theme';
const dark = window.matchMedia('(prefers-color-scheme: dark)');
const paint = () => {
  document.documentElement.dataset.theme = localStorage.getItem(THEME) ?? (dark.matches ? 'dark' : 'light');
};
dark.addEventListener('change', paint);
$('theme').addEventListener('click', () => {
  localStorage.setItem(THEME, document.documentElement.dataset.theme === 'dark' ? 'light' : 'dark');
  paint();
});
paint();

try {
  about = await api.about();
  document.title = `LexVLA: ${counted(about.pictures, 'picture')}`;
  await fromAddress();
} catch (failure) {
  fail(failure);
}
