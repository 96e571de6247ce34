// Small pieces that all parts of the page use. Text is only ever set as text, never as markup.

/** The element with an id. */
export const $ = (id) => document.getElementById(id);

/** A new element with properties and children; strings become text. */
export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith('aria-') || name.startsWith('data-') || name === 'role') {
      element.setAttribute(name, value);
    } else if (name.startsWith('on')) {
      element.addEventListener(name.slice(2), value);
    } else {
      element[name] = value;
    }
  }
  element.append(...children);
  return element;
}

/** A number as people read weights and scores: three digits that count. */
export function shown(value) {
  return value >= 0.0995 ? value.toFixed(2) : value.toFixed(3);
}

/** A number with what it counts: "1 picture", "1,200 pictures". */
export function counted(number, one) {
  return `${number.toLocaleString('en')} ${one}${number === 1 ? '' : 's'}`;
}

/** Words with bars as long as their weights; clicking one calls {@code chosen(word)} if given. */
export function bars(container, words, chosen) {
  const largest = words.length ? words[0].weight : 1;
  container.replaceChildren(...words.map(({word, weight}) => {
    const bar = el('i');
    bar.style.width = `${Math.max(0, 100 * weight / largest)}%`;
    const row = [bar, el('b', {}, word), el('span', {}, shown(weight))];
    return chosen
      ? el('button', {type: 'button', className: 'bar', title: `Where is “${word}”?`, onclick: () => chosen(word)}, ...row)
      : el('div', {className: 'bar'}, ...row);
  }));
}

/** The last part of an id, which is what people call a picture. */
export function name(id) {
  return id.slice(id.lastIndexOf('/') + 1);
}

/** Calls a function when it was not asked again for some milliseconds. */
export function later(milliseconds, call) {
  let timer = 0;
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => call(...values), milliseconds);
  };
}
