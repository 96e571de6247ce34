/*
 * project_max_forward_screened: all scores from 8 bits, each with a margin within which the true one lies; then the few
 * that may be the best are scored again. The screen's scores are integers, so they are the same in every instruction set.
 *
 * With x = s q + e (s the step, q the 8 bits, e the rest) and the same for z:
 *
 *     x . z - (s q) . (s' q') = e . z + (s q) . e'     within  |e| |z| + |s q| |e'|   always (Cauchy-Schwarz)
 *                                                      and with a deviation of (s |z| + s' |x|) / sqrt(12) at most, if the
 *                                                      elements of e and e' are independent and uniform in +- step / 2
 *
 * A token may be the best if its score plus its margin reaches every other's score less that one's margin.
 */
#include "../core/packed.h"
#include "rows.h"

namespace lexvla::LEXVLA_ISA {
namespace {

#if defined(LEXVLA_VNNI)
constexpr int32_t kScreenLayout = 0x208;
#else
constexpr int32_t kScreenLayout = 0x200 | kLanes;
#endif

/** Numbers of larger magnitude, or all smaller than the other but not 0, are not screened: their squares leave float32. */
constexpr float kLargest = 1e15f, kSmallest = 1e-15f;
/** Above every rounding of a norm, of a margin and of a screen's score, relative to what they are of. */
constexpr float kNormSlack = 1e-4f, kScoreSlack = 0x1p-20f;

/** What is known of a vector in 8 bits, bounds rounded up. */
struct Quality {
  float step;   // of the 8 bits
  float norm;   // of the vector; never 0
  float error;  // norm of what the 8 bits leave out; infinite: the vector is not screened

  /** The factor of the other vector's norm in the margin. */
  float margin(float deviations) const {
    const float likely = deviations * step * 0.288675135f;  // NaN for 0 * infinity: then the error counts
    return (likely < error && error < __builtin_inff() ? likely : error) + kScoreSlack * norm;
  }
};

inline B to_bytes(I x) { return __builtin_convertvector(x, B); }

/** Writes a row in 8 bits, plus `bias`. */
template <class T>
inline Quality quantize(const T *row, int64_t width, int32_t bias, uint8_t *out) {
  const int64_t whole = width / kLanes * kLanes;
  F most = {};
  I beyond = {};
  const auto look = [&](F x) {
    const F magnitude = select(x < F{}, -x, x);
    most = select(magnitude > most, magnitude, most);
    beyond |= ~(magnitude <= splat(kLargest));  // NaN too
  };
  for (int64_t k = 0; k < whole; k += kLanes) look(load(row + k));
  for (int64_t k = whole; k < width; ++k) look(splat(value(row[k])));
  float largest = 0;
  int32_t any_beyond = 0;
  for (int i = 0; i < kLanes; ++i) {
    largest = most[i] > largest ? most[i] : largest;
    any_beyond |= beyond[i];
  }
  const bool screened = any_beyond == 0 && (largest == 0 || largest >= kSmallest);
  const float step = screened ? largest / 127 : 0, inverse = step > 0 ? 1 / step : 0;

  F norm = {}, error = {};
  const F magic = splat(12582912.0f);  // adding 1.5 * 2^23 rounds to an integer
  const auto convert = [&](F x) {
    const F shifted = x * inverse + magic;
    const F rest = x - (shifted - magic) * step;
    norm += x * x;
    error += rest * rest;
    return reinterpret_cast<I>(shifted) - reinterpret_cast<I>(magic) + bias;
  };
  if (!screened) {
    for (int64_t k = 0; k < width; ++k) out[k] = static_cast<uint8_t>(bias);
    return {0, 1, __builtin_inff()};
  }
  for (int64_t k = 0; k < whole; k += kLanes) {
    const B bytes = to_bytes(convert(load(row + k)));
    __builtin_memcpy(out + k, &bytes, sizeof bytes);
  }
  for (int64_t k = whole; k < width; ++k) {
    F one = {};
    one[0] = value(row[k]);
    out[k] = static_cast<uint8_t>(convert(one)[0]);
  }
  float squares = 0, errors = 0;
  for (int i = 0; i < kLanes; ++i) {
    squares += norm[i];
    errors += error[i];
  }
  return {step, __builtin_sqrtf(squares) * (1 + kNormSlack) + 1e-20f, __builtin_sqrtf(errors) * (1 + kNormSlack)};
}

/** A screen in memory: for each word of each panel its step, norm, error and bias; then the panels. */
struct Screen {
  const float *step, *norm, *error;
  const int32_t *bias;
  const void *panels;

  static int64_t padded(int64_t words) { return blocks_of(words, kTileWords) * kTileWords; }
  static int64_t bytes(int64_t width, int64_t words) { return 16 * padded(words) + PackedPanels<S8>::bytes(width, words); }
  Screen(const void *memory, int64_t words)
      : step(static_cast<const float *>(memory)),
        norm(step + padded(words)),
        error(norm + padded(words)),
        bias(reinterpret_cast<const int32_t *>(error + padded(words))),
        panels(bias + padded(words)) {}
};

template <class T>
void make_screen(const lexvla_exec &exec, const T *codebook, int64_t width, int64_t words, void *memory) {
  const Screen screen(memory, words);
  const int64_t panels = blocks_of(words, kTileWords), work_bytes = larger(kTileWords * width, 1);
  const int threads = job_threads(exec, panels, 4.0 * static_cast<double>(width) * static_cast<double>(words));
  const Buffer rows_memory(threads * work_bytes);
  parallel(threads, panels, [&](int slot, int64_t panel) {
    uint8_t *const rows = static_cast<uint8_t *>(rows_memory.data()) + slot * work_bytes;
    for (int64_t i = 0; i < kTileWords; ++i) {
      const int64_t v = panel * kTileWords + i;
      Quality quality{0, 1, 0};
      int32_t sum = 0;
      if (v < words) {
        quality = quantize(codebook + v * width, width, 0, rows + i * width);
        for (int64_t k = 0; k < width; ++k) sum += static_cast<int8_t>(rows[i * width + k]);
      }
      const_cast<float *>(screen.step)[v] = quality.step;
      const_cast<float *>(screen.norm)[v] = quality.norm;
      const_cast<float *>(screen.error)[v] = quality.error;
      const_cast<int32_t *>(screen.bias)[v] = kBias * sum;
    }
    // As if the codebook began with this panel.
    const int64_t here = smaller(kTileWords, words - panel * kTileWords);
    int32_t *const to = static_cast<int32_t *>(const_cast<void *>(screen.panels)) + panel * steps_of<S8>(width) * kStoredLanes<S8>;
    PackedPanels<S8>::put(reinterpret_cast<const S8 *>(rows), width, here, 0, to);
  });
}

/** x . z in float32, always in the same order. */
template <class T>
inline float exact(const T *x, const T *z, int64_t width) {
  constexpr int kChains = 4;
  F sum[kChains] = {};
  int64_t k = 0;
  for (; k + kChains * kLanes <= width; k += kChains * kLanes) {
    LEXVLA_UNROLL
    for (int i = 0; i < kChains; ++i) sum[i] += load(x + k + i * kLanes) * load(z + k + i * kLanes);
  }
  for (; k + kLanes <= width; k += kLanes) sum[0] += load(x + k) * load(z + k);
  const F lanes = (sum[0] + sum[1]) + (sum[2] + sum[3]);
  float total = 0;
  for (int i = 0; i < kLanes; ++i) total += lanes[i];
  for (; k < width; ++k) total += value(x[k]) * value(z[k]);
  return total;
}

/** The state of a block of words over the tokens of one image. */
struct Screening {
  float low[kBlockWords];       // the best score is not below this
  float screened[kBlockWords];  // best score of the screen, and whose
  int32_t screened_winner[kBlockWords];
  float best[kBlockWords];  // best of those scored again
  int32_t winner[kBlockWords];  // -1: none yet
  int64_t image;  // -1: none yet
  int64_t first_word, words, recomputed;
};

template <class T>
struct ScreenConsumer {
  const T *tokens, *codebook;
  const int64_t *source;
  int64_t count, width, all_words;
  const Quality *qualities;  // of each token
  Screen screen;
  float floor, deviations;
  float *scores;
  int32_t *winners;
  int64_t *recomputed;

  Screening begin(int64_t first_word, int64_t words) const {
    Screening state;
    state.image = -1;
    state.first_word = first_word;
    state.words = words;
    state.recomputed = 0;
    return state;
  }

  void end(const Screening &state) const {
    if (recomputed != nullptr) __atomic_fetch_add(recomputed, state.recomputed, __ATOMIC_RELAXED);
    write(state);
  }

  void write(const Screening &state) const {
    if (state.image < 0) return;
    const int64_t at = state.image * all_words + state.first_word;
    for (int64_t j = 0; j < state.words; ++j) {
      const bool again = state.winner[j] >= 0;
      scores[at + j] = again ? state.best[j] : state.screened[j];
      if (winners != nullptr) winners[at + j] = again ? state.winner[j] : state.screened_winner[j];
    }
  }

  void take(Screening &state, int64_t first_row, int64_t rows, int64_t first_word, int64_t words, int32_t *tile) const {
    for_images(source, first_row, rows, count, [&](int64_t image, int64_t row, int64_t size) {
      if (image != state.image) {
        write(state);
        state.image = image;
        for (int64_t j = 0; j < kBlockWords; ++j) {
          state.low[j] = state.screened[j] = -__builtin_inff();
          state.screened_winner[j] = static_cast<int32_t>(token_of(first_row + row) % count);
          state.winner[j] = -1;
        }
      }
      for (int64_t j = 0; j < words; j += kTileWords) {
        int32_t *const panel = tile + (j * rows + row * kTileWords);
        for (int u = 0; u < kTileVectors; ++u) bound(state, j + u * kLanes, first_word, first_row + row, size, panel + u * kLanes);
        again(state, j, first_word, first_row + row, size, reinterpret_cast<const float *>(panel));
      }
    });
  }

  int64_t token_of(int64_t row) const { return source != nullptr ? source[row] : row; }

  /** Turns the screen's sums of `size` rows into the most that each score may be, in place, and learns the least of the best. */
  void bound(Screening &state, int64_t j, int64_t first_word, int64_t first_row, int64_t size, int32_t *sums) const {
    const int64_t v = first_word + j;
    const F step = load(screen.step + v), norm = load(screen.norm + v);
    const I bias = load(screen.bias + v);
    float margins[kLanes];
    for (int i = 0; i < kLanes; ++i) margins[i] = Quality{step[i], norm[i], screen.error[v + i]}.margin(deviations);
    const F margin_of_words = load(margins);
    F low = load(state.low + j), best = load(state.screened + j);
    I winner = load(state.screened_winner + j);
    for (int64_t i = 0; i < size; ++i) {
      const int64_t token = token_of(first_row + i);
      const Quality &quality = qualities[token];
      const F score = __builtin_convertvector(load(sums + i * kTileWords) - bias, F) * (step * quality.step);
      const F margin = norm * splat(quality.margin(deviations)) + margin_of_words * quality.norm;
      const F least = score - margin;  // NaN, of infinities, is not above anything
      low = select(least > low, least, low);
      const I better = score > best;
      best = select(better, score, best);
      winner = select(better, splat(static_cast<int32_t>(token % count)), winner);
      store(reinterpret_cast<float *>(sums + i * kTileWords), score + margin);
    }
    store(state.low + j, low);
    store(state.screened + j, best);
    store(state.screened_winner + j, winner);
  }

  /** Scores again what may be the best of an image and reach the floor. */
  void again(Screening &state, int64_t j, int64_t first_word, int64_t first_row, int64_t size, const float *most) const {
    const int64_t here = smaller(kTileWords, state.words - j);
    F needed[kTileVectors];
    for (int u = 0; u < kTileVectors; ++u) {
      const F low = load(state.low + j + u * kLanes);
      needed[u] = select(low > splat(floor), low, splat(floor));
    }
    for (int64_t i = 0; i < size; ++i) {
      I may[kTileVectors], either = {};
      for (int u = 0; u < kTileVectors; ++u) {
        may[u] = ~(load(most + i * kTileWords + u * kLanes) < needed[u]);  // NaN may
        either |= may[u];
      }
      if (!any(either)) continue;
      const int64_t token = token_of(first_row + i);
      for (int64_t lane = 0; lane < here; ++lane) {
        if (may[lane / kLanes][lane % kLanes] == 0) continue;
        const float score = exact(tokens + token * width, codebook + (first_word + j + lane) * width, width);
        ++state.recomputed;
        float &best = state.best[j + lane];
        int32_t &winner = state.winner[j + lane];
        if (winner < 0 || score > best || (score != score && best == best)) {
          best = score;
          winner = static_cast<int32_t>(token % count);
        }
      }
    }
  }
};

template <class T>
void screened(const lexvla_exec &exec, const T *tokens, const uint8_t *mask, const T *codebook, const void *memory, int64_t images,
    int64_t count, int64_t width, int64_t words, float floor, float deviations, float *scores, int32_t *winners, int64_t *recomputed) {
  const void *const data = packed::data(memory, kScreenLayout, Screen::bytes(width, words));
  if (recomputed != nullptr) *recomputed = 0;
  if (!write_empty(mask, images, count, words, scores, winners)) return;
  const int64_t all = images * count;
  const Buffer bytes_memory(larger(all * width, 1)), quality_memory(all * static_cast<int64_t>(sizeof(Quality)));
  uint8_t *const bytes = static_cast<uint8_t *>(bytes_memory.data());
  Quality *const qualities = static_cast<Quality *>(quality_memory.data());
  parallel(job_threads(exec, all, 8.0 * static_cast<double>(all) * static_cast<double>(width)), all,
      [&](int, int64_t i) { qualities[i] = quantize(tokens + i * width, width, 128, bytes + i * width); });

  const Rows rows(mask, images, count);
  const Screen screen(data, words);
  const PackedPanels<S8> panels(screen.panels, width);
  const ScreenConsumer<T> consumer{tokens, codebook, rows.source(), count, width, words, qualities, screen, floor, deviations, scores,
      winners, recomputed};
  rows.for_passes(steps_of<U8>(width) * 4, [&](const RowGroup *groups, int64_t size) {
    score_groups(exec, reinterpret_cast<const U8 *>(bytes), rows.source(), groups, size, panels, width, words, consumer);
  });
}

}  // namespace

void screen_codebook_bytes(const lexvla_exec *, int32_t, int64_t width, int64_t words, int64_t *bytes) {
  *bytes = packed::total_bytes(Screen::bytes(width, words));
}

void screen_codebook(
    const lexvla_exec *exec, int32_t type, const void *codebook, int64_t width, int64_t words, int64_t capacity, void *screen) {
  void *const to = packed::begin(screen, capacity, kScreenLayout, type, width, words, Screen::bytes(width, words));
  with_type(type, [&](auto element) {
    make_screen(*exec, static_cast<const decltype(element) *>(codebook), width, words, to);
  });
}

void project_max_forward_screened(const lexvla_exec *exec, int32_t type, const void *tokens, const uint8_t *mask, const void *codebook,
    const void *screen, int64_t, int64_t images, int64_t count, int64_t width, int64_t words, float floor, float deviations,
    float *scores, int32_t *winners, int64_t *recomputed) {
  with_type(type, [&](auto element) {
    using T = decltype(element);
    screened(*exec, static_cast<const T *>(tokens), mask, static_cast<const T *>(codebook), screen, images, count, width, words, floor,
        deviations, scores, winners, recomputed);
  });
}

}  // namespace lexvla::LEXVLA_ISA
