/*
 * project_max_forward, from a codebook as it is or packed beforehand. Tokens that are masked are left out before anything is multiplied; the maximum is taken down the
 * rows of a tile of scores, words along the lanes, while the tile is in cache.
 */
#include "../core/packed.h"
#include "rows.h"

namespace lexvla::LEXVLA_ISA {
namespace {

/** What a packed codebook of this instruction set says of itself: lanes, and whether bfloat16 is in pairs. */
#if defined(LEXVLA_BF16_DOT)
constexpr int32_t kBf16Layout = kLanes | 0x100;
#else
constexpr int32_t kBf16Layout = kLanes;
#endif

template <class T>
constexpr int32_t kLayout = sizeof(T) == sizeof(Bf16) ? kBf16Layout : kLanes;

/** Running maximum of a block of words over the tokens of one image. */
struct Running {
  float best[kBlockWords];
  int32_t winner[kBlockWords];
  int64_t image;  // -1: none yet
  int64_t first_word, words;
};

struct MaxConsumer {
  const int64_t *source;
  const int32_t *patch;
  int64_t count, all_words;
  float *scores;
  int32_t *winners;

  Running begin(int64_t first_word, int64_t words) const {
    Running running;
    running.image = -1;
    running.first_word = first_word;
    running.words = words;
    return running;
  }

  void end(const Running &running) const {
    if (running.image < 0) return;
    const int64_t at = running.image * all_words + running.first_word;
    for (int64_t j = 0; j < running.words; ++j) scores[at + j] = running.best[j];
    if (winners == nullptr) return;
    for (int64_t j = 0; j < running.words; ++j) winners[at + j] = running.winner[j];
  }

  void take(Running &running, int64_t first_row, int64_t rows, int64_t, int64_t words, const float *tile) const {
    for_images(source, first_row, rows, count, [&](int64_t image, int64_t row, int64_t size) {
      const bool fresh = image != running.image;
      if (fresh) end(running);
      running.image = image;
      const int32_t *listed = source != nullptr ? patch + first_row + row : nullptr;
      const int32_t first = source != nullptr ? 0 : static_cast<int32_t>((first_row + row) % count);
      for (int64_t j = 0; j < words; j += kTileWords) {
        maximum(running, j, fresh, tile + (j * rows + row * kTileWords), size, first, listed);
      }
    });
  }

  /** Takes `rows` rows of one image into lanes [j, j + kTileWords); row i is token listed[i], or first + i without. */
  static void maximum(Running &running, int64_t j, bool fresh, const float *tile, int64_t rows, int32_t first, const int32_t *listed) {
    F best[kTileVectors];
    I winner[kTileVectors];
    LEXVLA_UNROLL
    for (int u = 0; u < kTileVectors; ++u) {
      best[u] = fresh ? load(tile + u * kLanes) : load(running.best + j + u * kLanes);
      winner[u] = fresh ? splat(listed != nullptr ? listed[0] : first) : load(running.winner + j + u * kLanes);
    }
    for (int64_t i = fresh; i < rows; ++i) {
      const I token = splat(listed != nullptr ? listed[i] : first + static_cast<int32_t>(i));
      LEXVLA_UNROLL
      for (int u = 0; u < kTileVectors; ++u) {
        const F score = load(tile + i * kTileWords + u * kLanes);
        // Greater, or the first NaN.
        const I better = (score > best[u]) | ((score != score) & (best[u] == best[u]));
        best[u] = select(better, score, best[u]);
        winner[u] = select(better, token, winner[u]);
      }
    }
    LEXVLA_UNROLL
    for (int u = 0; u < kTileVectors; ++u) {
      store(running.best + j + u * kLanes, best[u]);
      store(running.winner + j + u * kLanes, winner[u]);
    }
  }
};

template <class T, class Panels>
void forward(const lexvla_exec &exec, const T *tokens, const uint8_t *mask, const Panels &panels, int64_t images, int64_t count,
    int64_t width, int64_t words, float *scores, int32_t *winners) {
  if (!write_empty(mask, images, count, words, scores, winners)) return;
  const Rows rows(mask, images, count);
  const MaxConsumer consumer{rows.source(), rows.patch(), count, words, scores, winners};
  rows.for_passes(steps_of<T>(width) * 4, [&](const RowGroup *groups, int64_t size) {
    score_groups(exec, tokens, rows.source(), groups, size, panels, width, words, consumer);
  });
}

template <class T>
void pack(const lexvla_exec &exec, const T *codebook, int64_t width, int64_t words, int64_t capacity, void *packed) {
  const int64_t bytes = PackedPanels<T>::bytes(width, words);
  int32_t *const to = static_cast<int32_t *>(packed::begin(packed, capacity, kLayout<T>, sizeof(T) == 4 ? LEXVLA_FLOAT32 : LEXVLA_BFLOAT16, width, words, bytes));
  const int64_t panels = blocks_of(words, kTileWords);
  parallel(job_threads(exec, panels, static_cast<double>(width) * static_cast<double>(words)), panels,
      [&](int, int64_t panel) { PackedPanels<T>::put(codebook, width, words, panel, to); });
}

template <class T>
PackedPanels<T> unpacked(const void *packed, int64_t width, int64_t words) {
  return PackedPanels<T>(packed::data(packed, kLayout<T>, PackedPanels<T>::bytes(width, words)), width);
}

}  // namespace

void project_max_forward(const lexvla_exec *exec, int32_t type, const void *tokens, const uint8_t *mask, const void *codebook,
    int64_t images, int64_t count, int64_t width, int64_t words, float *scores, int32_t *winners) {
  with_type(type, [&](auto element) {
    using T = decltype(element);
    const RowPanels<T> panels(static_cast<const T *>(codebook), width, words);
    forward(*exec, static_cast<const T *>(tokens), mask, panels, images, count, width, words, scores, winners);
  });
}

void packed_codebook_bytes(const lexvla_exec *, int32_t type, int64_t width, int64_t words, int64_t *bytes) {
  with_type(type, [&](auto element) { *bytes = packed::total_bytes(PackedPanels<decltype(element)>::bytes(width, words)); });
}

void pack_codebook(
    const lexvla_exec *exec, int32_t type, const void *codebook, int64_t width, int64_t words, int64_t capacity, void *packed) {
  with_type(type, [&](auto element) {
    pack(*exec, static_cast<const decltype(element) *>(codebook), width, words, capacity, packed);
  });
}

void project_max_forward_packed(const lexvla_exec *exec, int32_t type, const void *tokens, const uint8_t *mask, const void *packed,
    int64_t, int64_t images, int64_t count, int64_t width, int64_t words, float *scores, int32_t *winners) {
  with_type(type, [&](auto element) {
    using T = decltype(element);
    forward(*exec, static_cast<const T *>(tokens), mask, unpacked<T>(packed, width, words), images, count, width, words, scores, winners);
  });
}

}  // namespace lexvla::LEXVLA_ISA
