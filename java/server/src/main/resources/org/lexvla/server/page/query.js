// The query: a text or a picture, whose words may be re-weighted or switched off, and words added by hand.

import {get} from './api.js';
import {$, counted, el, later, shown} from './dom.js';

const FEW = 12;
const LARGEST = 2;

/** Made with {@code changed(query)}, called whenever people change the words; and {@code failed(error)}. */
export class Query {
  constructor(changed, failed) {
    this.changed = later(120, changed);
    this.failed = failed;
    this.clear();
    this.#suggest();
    $('weaker').addEventListener('click', () => {
      this.all = !this.all;
      this.#draw();
    });
    $('reset').addEventListener('click', () => {
      this.factors.clear();
      this.#draw();
      this.changed();
    });
  }

  /** Nothing is asked. */
  clear() {
    this.begin({});
    this.added.clear();
    this.#draw();
  }

  /** Begins with {text}, {upload} or {like}; words added by hand go with the old query. */
  begin(base) {
    this.base = base;
    this.words = [];
    this.active = 0;
    this.factors = new Map();
    this.added = new Map();
    this.all = false;
  }

  get empty() {
    return Object.keys(this.base).length === 0 && this.added.size === 0;
  }

  /** As the server takes it. */
  fields() {
    const fields = {...this.base};
    if (this.factors.size) {
      fields.factors = Object.fromEntries(this.factors);
    }
    if (this.added.size) {
      fields.words = Object.fromEntries(this.added);
    }
    return fields;
  }

  /** Shows the words that the server has found in text or picture. */
  show(words, active) {
    this.words = words;
    this.active = active;
    this.#draw();
  }

  add(word, weight = this.words.length ? this.words[0].weight : 1) {
    this.added.set(word, weight);
    this.#draw();
    this.changed();
  }

  /** Takes out added words that turned out to be none. */
  drop(unwanted) {
    for (const word of [...this.added.keys()].filter(unwanted)) {
      this.added.delete(word);
    }
    this.#draw();
  }

  #draw() {
    const base = this.words.filter(({word}) => !this.added.has(word));
    const few = this.all ? base : base.slice(0, FEW);
    const chips = few.map(({word, weight}) => this.#chip(word, weight, this.factors.get(word) ?? 1, (factor) => {
      if (factor === 1) {
        this.factors.delete(word);
      } else {
        this.factors.set(word, factor);
      }
    }));
    for (const [word, weight] of this.added) {
      chips.push(this.#chip(word, 1, weight, (factor) => this.added.set(word, factor), () => {
        this.added.delete(word);
        this.#draw();
        this.changed();
      }));
    }
    // A slider that is being moved must stay the same element.
    const focused = document.activeElement?.dataset?.key;
    $('chips').replaceChildren(...chips);
    if (focused) {
      $('chips').querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
    }
    const weaker = base.length - FEW;
    $('weaker').hidden = weaker <= 0;
    $('weaker').textContent = this.all
      ? 'Fewer words'
      : counted(this.active - FEW, 'weaker word');
    $('reset').hidden = this.factors.size === 0;
  }

  /** A word with its slider; {@code remove} is given for words that were added. */
  #chip(word, weight, factor, set, remove) {
    const value = el('output', {}, shown(weight * factor));
    const slider = el('input', {
      type: 'range', min: 0, max: LARGEST, step: 0.05, value: factor,
      'aria-label': `weight of ${word}`, 'data-key': `slider ${word}`,
    });
    const chip = el('div', {className: remove ? 'chip added' : 'chip', 'data-word': word});
    const update = (now) => {
      chip.classList.toggle('off', now === 0);
      toggle.setAttribute('aria-pressed', String(now !== 0));
      slider.style.setProperty('--part', `${100 * now / LARGEST}%`);
      value.textContent = now === 0 ? 'off' : shown(weight * now);
    };
    const move = (now) => {
      set(now);
      update(now);
      $('reset').hidden = this.factors.size === 0;
      this.changed();
    };
    const toggle = el('button', {
      type: 'button', className: 'word', title: `Switch “${word}” off or on`, 'data-key': `word ${word}`,
      onclick: () => {
        const now = Number(slider.value) === 0 ? 1 : 0;
        slider.value = now;
        move(now);
      },
    }, word);
    slider.addEventListener('input', () => move(Number(slider.value)));
    chip.append(toggle, value);
    if (remove) {
      chip.append(el('button', {
        type: 'button', className: 'remove', title: `Take “${word}” out`, 'aria-label': `take ${word} out`, onclick: remove,
      }, '×'));
    }
    chip.append(slider);
    update(factor);
    return chip;
  }

  /** The input for a word, with suggestions below it. */
  #suggest() {
    const input = $('word');
    const list = $('suggestions');
    let options = [];
    let at = -1;
    let asked;
    const close = () => {
      list.hidden = true;
      input.setAttribute('aria-expanded', 'false');
      input.removeAttribute('aria-activedescendant');
      at = -1;
    };
    const take = (word) => {
      input.value = '';
      close();
      this.add(word);
    };
    const mark = (index) => {
      at = index;
      [...list.children].forEach((option, i) => option.setAttribute('aria-selected', String(i === at)));
      if (at >= 0) {
        input.setAttribute('aria-activedescendant', list.children[at].id);
        list.children[at].scrollIntoView({block: 'nearest'});
      } else {
        input.removeAttribute('aria-activedescendant');
      }
    };
    const look = later(80, async () => {
      const start = input.value.trim().toLowerCase();
      asked?.abort();
      if (!start) {
        close();
        return;
      }
      asked = new AbortController();
      try {
        const answer = await get(`/api/words?start=${encodeURIComponent(start)}`, asked.signal);
        options = answer.words;
        list.replaceChildren(...options.map((word, i) => el('li', {
          id: `suggestion-${i}`, role: 'option', 'aria-selected': 'false',
          onpointerdown: (event) => {
            event.preventDefault();
            take(word);
          },
        }, word)));
        if (!answer.spelled) {
          list.prepend(el('li', {className: 'note', role: 'presentation'}, `No word begins with “${start}”. Near ones:`));
          options = [null, ...options];
        }
        list.hidden = false;
        input.setAttribute('aria-expanded', 'true');
        at = -1;
      } catch (failure) {
        if (failure.name !== 'AbortError') {
          this.failed(failure);
        }
      }
    });
    input.addEventListener('input', look);
    input.addEventListener('blur', close);
    input.addEventListener('keydown', (event) => {
      if (event.key === 'Escape') {
        close();
      } else if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
        event.preventDefault();
        const step = event.key === 'ArrowDown' ? 1 : -1;
        let next = at;
        do {
          next = (next + step + options.length) % options.length;
        } while (options.length > 1 && options[next] === null);
        if (options.length && options[next] !== null) {
          mark(next);
        }
      } else if (event.key === 'Enter') {
        event.preventDefault();
        const typed = input.value.trim().toLowerCase();
        if (at >= 0) {
          take(options[at]);
        } else if (typed) {
          take(typed);
        }
      }
    });
  }
}
