// One picture: its words, the words of some of its patches, and where in it a text is.

import {post, square} from './api.js';
import {$, bars, el, name, shown} from './dom.js';

const FRAMED = 1 / 20;

/** Made with {@code similar(which)}, called for pictures like this one, and {@code closed()}. */
export class PictureView {
  #which = {};
  #columns = 1;
  #chosen = new Set();
  #heat = null;
  #sought = null;
  #cursor = -1;
  #drag = null;
  #whole = null;
  #asked = new AbortController();

  constructor(similar, closed) {
    const dialog = $('picture');
    $('close').addEventListener('click', () => dialog.close());
    dialog.addEventListener('close', () => {
      this.#asked.abort();
      closed();
    });
    dialog.addEventListener('click', (event) => {
      if (event.target === dialog) {
        dialog.close();
      }
    });
    $('similar').addEventListener('click', () => {
      const which = this.#which;
      dialog.close();
      similar(which);
    });
    $('where').addEventListener('submit', (event) => {
      event.preventDefault();
      const text = $('sought').value.trim();
      if (text) {
        this.#seek({text});
      } else {
        this.#forget();
      }
    });
    $('sought').addEventListener('input', () => $('sought').value || this.#forget());
    $('clear').addEventListener('click', () => this.#choose([]));
    for (const [id, list] of [['as-cloud', false], ['as-list', true]]) {
      $(id).addEventListener('click', () => {
        $('as-cloud').setAttribute('aria-pressed', String(!list));
        $('as-list').setAttribute('aria-pressed', String(list));
        $('cloud').hidden = list;
        $('list').hidden = !list;
      });
    }
    $('cloud').addEventListener('click', (event) => {
      if (event.target instanceof SVGTextElement) {
        this.#seekWord(event.target.textContent);
      }
    });
    this.#listenToGrid($('grid'));
    new ResizeObserver(() => this.#draw()).observe($('stage'));
  }

  /** Opens {id} or {upload}; {@code query} says what was searched, or is null. */
  async open(which, query) {
    this.#asked.abort();
    this.#asked = new AbortController();
    this.#which = which;
    this.#chosen = new Set();
    this.#heat = null;
    this.#sought = null;
    this.#cursor = -1;
    this.#whole = null;
    $('name').textContent = which.id ? name(which.id) : 'Your picture';
    $('name').title = which.id ?? '';
    $('sought').value = '';
    $('found').textContent = '';
    $('square').src = square(which);
    $('square').alt = which.id ? name(which.id) : 'the picture that you have sent';
    $('why').hidden = true;
    $('cloud').replaceChildren(el('p', {className: 'wait'}, 'Looking …'));
    $('list').replaceChildren();
    $('active').textContent = '';
    if (!$('picture').open) {
      $('picture').showModal();
    }
    this.#draw();
    await this.#try(async () => {
      const answer = await post('/api/picture', {...which, query}, this.#asked.signal);
      this.#columns = answer.columns;
      this.#whole = answer;
      this.#tell(answer, 'Words of the picture');
      if (answer.shares) {
        $('why').hidden = false;
        $('score').textContent = shown(answer.score);
        if (answer.shares.length) {
          bars($('shares'), answer.shares, (word) => this.#seekWord(word));
        } else {
          $('shares').replaceChildren(el('p', {className: 'hint'}, 'It shares no word with the query.'));
        }
      }
      this.#draw();
    });
  }

  async #try(work) {
    try {
      await work();
    } catch (failure) {
      if (failure.name !== 'AbortError') {
        $('found').replaceChildren(el('span', {className: 'bad'}, failure.message));
        $('cloud').querySelector('.wait')?.remove();
      }
    }
  }

  #tell(answer, title) {
    $('whose').textContent = title;
    // The server’s drawing, read as XML: it holds text and nothing that runs.
    const drawing = new DOMParser().parseFromString(answer.cloud, 'image/svg+xml').documentElement;
    $('cloud').replaceChildren(answer.words.length
      ? document.importNode(drawing, true)
      : el('p', {className: 'wait'}, 'No word is above the model’s threshold.'));
    bars($('list'), answer.words, (word) => this.#seekWord(word));
    $('active').textContent = `${answer.active} active ${answer.active === 1 ? 'word' : 'words'}; the larger, the heavier.`
      + ' Click one to see where it is.';
  }

  #seekWord(word) {
    $('sought').value = word;
    this.#seek({word});
  }

  async #seek(what) {
    this.#sought = what;
    const which = this.#which;
    await this.#try(async () => {
      const answer = await post('/api/heat', {...which, ...what}, this.#asked.signal);
      // Somebody may have asked for something else meanwhile, or for nothing.
      if (what !== this.#sought) {
        return;
      }
      this.#heat = answer.heat;
      const said = what.text ?? what.word;
      // The vector of a single word scores little, however much the word weighs.
      const who = what.text ? `“${said}”`
        : `“${said}” weighs ${answer.weight ? shown(answer.weight) : 'nothing'} here; its vector in the text codebook`;
      const shares = answer.shares.slice(0, 4).map(({word, weight}) => `${word} ${shown(weight)}`).join(' + ');
      $('found').textContent = answer.shares.length
        ? `${who} scores ${shown(answer.score)}: ${shares}${answer.shares.length > 4 ? ' + …' : ''}`
        : `${who} shares no word with this picture; what stands out is only the least unlike.`;
      this.#draw();
    });
  }

  #forget() {
    this.#heat = null;
    this.#sought = null;
    $('found').textContent = '';
    this.#draw();
  }

  async #choose(patches) {
    const chosen = new Set(patches);
    this.#chosen = chosen;
    $('clear').hidden = patches.length === 0;
    this.#draw();
    if (patches.length === 0) {
      if (this.#whole) {
        this.#tell(this.#whole, 'Words of the picture');
      }
      return;
    }
    const which = this.#which;
    await this.#try(async () => {
      const answer = await post('/api/region', {...which, patches}, this.#asked.signal);
      if (chosen === this.#chosen) {
        this.#tell(answer, patches.length === 1 ? 'Words of one patch' : `Words of ${patches.length} patches`);
      }
    });
  }

  #listenToGrid(grid) {
    const patchAt = (event) => {
      const box = grid.getBoundingClientRect();
      const along = (position, size) =>
        Math.min(this.#columns - 1, Math.max(0, Math.floor(this.#columns * position / size)));
      return {x: along(event.clientX - box.left, box.width), y: along(event.clientY - box.top, box.height)};
    };
    grid.addEventListener('pointerdown', (event) => {
      if (event.button !== 0) {
        return;
      }
      try {
        grid.setPointerCapture(event.pointerId);
      } catch {
        // The pointer has gone already; a drag then ends at the edge of the picture.
      }
      const at = patchAt(event);
      this.#drag = {from: at, to: at, adds: event.shiftKey || event.ctrlKey || event.metaKey};
      this.#draw();
    });
    grid.addEventListener('pointermove', (event) => {
      if (this.#drag) {
        this.#drag.to = patchAt(event);
        this.#draw();
      }
    });
    grid.addEventListener('pointercancel', () => {
      this.#drag = null;
      this.#draw();
    });
    grid.addEventListener('pointerup', () => {
      const drag = this.#drag;
      if (!drag) {
        return;
      }
      this.#drag = null;
      const patches = this.#between(drag.from, drag.to);
      if (patches.length === 1) {
        // A click takes a patch in or out.
        const chosen = new Set(this.#chosen);
        if (!chosen.delete(patches[0])) {
          chosen.add(patches[0]);
        }
        this.#choose([...chosen]);
      } else {
        this.#choose(drag.adds ? [...new Set([...this.#chosen, ...patches])] : patches);
      }
    });
    grid.addEventListener('keydown', (event) => {
      const steps = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]};
      if (steps[event.key]) {
        event.preventDefault();
        const n = this.#columns;
        const at = this.#cursor < 0 ? Math.floor(n / 2) * (n + 1) : this.#cursor;
        const [dx, dy] = this.#cursor < 0 ? [0, 0] : steps[event.key];
        const x = Math.min(n - 1, Math.max(0, at % n + dx));
        const y = Math.min(n - 1, Math.max(0, Math.floor(at / n) + dy));
        this.#cursor = y * n + x;
        this.#draw();
      } else if ((event.key === ' ' || event.key === 'Enter') && this.#cursor >= 0) {
        event.preventDefault();
        const chosen = new Set(this.#chosen);
        if (!chosen.delete(this.#cursor)) {
          chosen.add(this.#cursor);
        }
        this.#choose([...chosen]);
      } else if (event.key === 'Escape' && this.#chosen.size) {
        event.preventDefault();
        this.#choose([]);
      }
    });
    grid.addEventListener('blur', () => {
      this.#cursor = -1;
      this.#draw();
    });
  }

  #between(from, to) {
    const patches = [];
    for (let y = Math.min(from.y, to.y); y <= Math.max(from.y, to.y); y++) {
      for (let x = Math.min(from.x, to.x); x <= Math.max(from.x, to.x); x++) {
        patches.push(y * this.#columns + x);
      }
    }
    return patches;
  }

  #draw() {
    const grid = $('grid');
    const side = grid.clientWidth;
    if (!side) {
      return;
    }
    const scale = window.devicePixelRatio || 1;
    grid.width = side * scale;
    grid.height = side * scale;
    const pen = grid.getContext('2d');
    pen.scale(scale, scale);
    const n = this.#columns;
    const patch = side / n;
    if (this.#heat) {
      this.#veil(pen, patch);
    }
    const dragged = this.#drag ? this.#between(this.#drag.from, this.#drag.to) : [];
    const chosen = new Set([...(this.#drag && !this.#drag.adds && dragged.length > 1 ? [] : this.#chosen), ...dragged]);
    pen.fillStyle = 'rgba(255, 255, 255, .16)';
    for (const p of chosen) {
      pen.fillRect(p % n * patch, Math.floor(p / n) * patch, patch, patch);
    }
    this.#frame(pen, chosen, patch, ['rgba(0, 0, 0, .55)', '#fff'], [4.5, 2]);
    if (this.#cursor >= 0) {
      this.#frame(pen, new Set([this.#cursor]), patch, ['#000', '#ffd23f'], [5, 2.5]);
    }
  }

  /** Cold patches fade, hot ones keep their colour; the hottest are framed. */
  #veil(pen, patch) {
    const n = this.#columns;
    const low = Math.min(...this.#heat);
    const high = Math.max(...this.#heat);
    this.#heat.forEach((value, p) => {
      const heat = high > low ? (value - low) / (high - low) : 0;
      pen.fillStyle = `rgba(244, 242, 246, ${0.86 * (1 - heat * heat)})`;
      const left = Math.floor(p % n * patch);
      const top = Math.floor(Math.floor(p / n) * patch);
      pen.fillRect(left, top, Math.floor((p % n + 1) * patch) - left, Math.floor((Math.floor(p / n) + 1) * patch) - top);
    });
    const order = this.#heat.map((value, p) => p).sort((a, b) => this.#heat[b] - this.#heat[a]);
    const top = order.slice(0, Math.max(1, Math.round(order.length * FRAMED))).filter((p) => this.#heat[p] > low);
    this.#frame(pen, new Set(top), patch, ['#d61f69'], [2.5]);
  }

  /** Lines where a patch of the set meets one that is not, so that neighbours share one frame. */
  #frame(pen, patches, patch, colours, widths) {
    const n = this.#columns;
    const path = new Path2D();
    for (const p of patches) {
      const x = p % n;
      const y = Math.floor(p / n);
      const edge = (outside, x0, y0, x1, y1) => {
        if (outside) {
          path.moveTo(x0 * patch, y0 * patch);
          path.lineTo(x1 * patch, y1 * patch);
        }
      };
      edge(x === 0 || !patches.has(p - 1), x, y, x, y + 1);
      edge(x === n - 1 || !patches.has(p + 1), x + 1, y, x + 1, y + 1);
      edge(y === 0 || !patches.has(p - n), x, y, x + 1, y);
      edge(y === n - 1 || !patches.has(p + n), x, y + 1, x + 1, y + 1);
    }
    pen.lineCap = 'round';
    colours.forEach((colour, i) => {
      pen.strokeStyle = colour;
      pen.lineWidth = widths[i];
      pen.stroke(path);
    });
  }
}
