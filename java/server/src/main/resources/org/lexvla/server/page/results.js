// The grid of pictures.

import {thumbnail} from './api.js';
import {$, el, name, shown} from './dom.js';

/** Shows hits; {@code open(id)} is called for the one that is chosen. */
export function showHits(hits, open) {
  $('results').replaceChildren(...hits.map((hit) => card(hit, open)));
}

/** Shows pictures before anything was asked. */
export function showSample(ids, open) {
  showHits(ids.map((id) => ({id})), open);
}

function card(hit, open) {
  const label = name(hit.id);
  const image = el('img', {src: thumbnail(hit.id), alt: label, loading: 'lazy', decoding: 'async'});
  const frame = el('div', {className: 'thumb'}, image);
  image.addEventListener('error', () => {
    image.remove();
    frame.append(el('span', {className: 'missing'}, label));
  });
  const button = el('button', {type: 'button', className: 'card', 'data-id': hit.id, title: hit.id, onclick: () => open(hit.id)}, frame);
  if (hit.score !== undefined) {
    const words = hit.shares.slice(0, 3).map(({word, weight}) => {
      const share = el('span', {className: 'share'}, word);
      share.style.setProperty('--share', `${Math.round(100 * weight / hit.score)}%`);
      share.title = `${word}: ${shown(weight)} of ${shown(hit.score)}`;
      return share;
    });
    button.append(el('div', {className: 'caption'},
      el('span', {className: 'score'}, shown(hit.score)), el('span', {className: 'shares'}, ...words)));
  }
  return button;
}
