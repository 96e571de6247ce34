/*
 * Panels of the codebook: kTileWords words side by side, step by step, as the inner loop reads them; and where they come
 * from. See scores.h for what a step is.
 */
#ifndef LEXVLA_CPU_PANEL_H
#define LEXVLA_CPU_PANEL_H

#include "vector.h"

namespace lexvla::LEXVLA_ISA {
namespace {

constexpr int kTileVectors = 2;
constexpr int kTileWords = kTileVectors * kLanes;
constexpr int64_t kDepth = 192;      // steps; a panel is half of an L1 cache of 48 KiB
constexpr int64_t kAheadSteps = 16;  // between two prefetches
constexpr int64_t kLine = 64;        // bytes of a cache line

/** A number from -127 to 127, and one with 128 added: words and tokens of a screen. */
struct S8 {
  int8_t number;
};
struct U8 {
  uint8_t biased;
};
typedef int8_t B __attribute__((vector_size(kLanes)));
typedef B UnalignedB __attribute__((aligned(1), may_alias));

/** What a step of a token, and of a word, is in working form, four bytes each; what sums it up, and the scores it gives. */
template <class T>
struct Step {
  using Element = float;
  using Sum = F;
  using Score = float;
  static constexpr int64_t kElements = 1;
};

inline F multiply_add(F sum, F x, F w) { return sum + x * w; }
inline float step_of(const float *row, int64_t step, int64_t) { return row[step]; }

#if defined(LEXVLA_BF16_DOT)
template <>
struct Step<Bf16> {
  using Element = int32_t;  // two bfloat16, the first in the low half; 0 after the last of an odd width
  using Sum = F;
  using Score = float;
  static constexpr int64_t kElements = 2;
};

inline F multiply_add(F sum, I x, I w) {
  return _mm512_dpbf16_ps(sum, reinterpret_cast<__m512bh>(x), reinterpret_cast<__m512bh>(w));
}
inline int32_t step_of(const Bf16 *row, int64_t step, int64_t width) {
  const uint32_t low = row[2 * step].bits, high = 2 * step + 1 < width ? row[2 * step + 1].bits : 0;
  return static_cast<int32_t>(low | high << 16);
}
#else
inline float step_of(const Bf16 *row, int64_t step, int64_t) { return value(row[step]); }
#endif

#if defined(LEXVLA_VNNI)
struct QuadStep {
  using Element = int32_t;  // four numbers, the first in the lowest byte; 0 after the last
  using Sum = I;
  using Score = int32_t;
  static constexpr int64_t kElements = 4;
};
template <>
struct Step<S8> : QuadStep {};
template <>
struct Step<U8> : QuadStep {};

inline I multiply_add(I sum, I x, I w) {
  return reinterpret_cast<I>(
      _mm512_dpbusd_epi32(reinterpret_cast<__m512i>(sum), reinterpret_cast<__m512i>(x), reinterpret_cast<__m512i>(w)));
}
template <class B8>
inline int32_t quad_of(const B8 *row, int64_t step, int64_t width) {
  int32_t quad = 0;
  __builtin_memcpy(&quad, row + 4 * step, static_cast<size_t>(smaller(4, width - 4 * step)));
  return quad;
}
inline int32_t step_of(const S8 *row, int64_t step, int64_t width) { return quad_of(row, step, width); }
inline int32_t step_of(const U8 *row, int64_t step, int64_t width) { return quad_of(row, step, width); }
/** What the 128 of each token adds to a score, in units of the sum of the word's numbers. */
constexpr int32_t kBias = 128;
#else
// As floats, of which kDepth products add up exactly; then the parts as integers.
struct FloatStep {
  using Element = float;
  using Sum = F;
  using Score = int32_t;
  static constexpr int64_t kElements = 1;
};
template <>
struct Step<S8> : FloatStep {};
template <>
struct Step<U8> : FloatStep {};
static_assert(kDepth * 127 * 127 < 1 << 24, "sums of a part must be exact in float32");

inline F load(const S8 *p) { return __builtin_convertvector(*reinterpret_cast<const UnalignedB *>(p), F); }
inline float step_of(const S8 *row, int64_t step, int64_t) { return row[step].number; }
inline float step_of(const U8 *row, int64_t step, int64_t) { return static_cast<float>(row[step].biased - 128); }
constexpr int32_t kBias = 0;
#endif

template <class T>
using Element = typename Step<T>::Element;

template <class T>
constexpr int64_t steps_of(int64_t width) {
  return blocks_of(width, Step<T>::kElements);
}

/** LaneSequence<size, kLanes>::swap exchanges the off-diagonal blocks of `size` lanes of two vectors. */
template <int size, int lane, int... lanes>
struct LaneSequence : LaneSequence<size, lane - 1, lane - 1, lanes...> {};

template <int size, int... lanes>
struct LaneSequence<size, 0, lanes...> {
  static inline void swap(F &low, F &high) {
    const F a = low, b = high;
    low = __builtin_shufflevector(a, b, ((lanes & size) == 0 ? lanes : kLanes + lanes - size)...);
    high = __builtin_shufflevector(a, b, ((lanes & size) == 0 ? lanes + size : kLanes + lanes)...);
  }
};

/** Transposes kLanes vectors of kLanes lanes, by blocks of 1, 2, 4, ... */
template <int size>
inline void transpose_from(F (&rows)[kLanes]) {
  if constexpr (size < kLanes) {
    LEXVLA_UNROLL
    for (int i = 0; i < kLanes; ++i) {
      if ((i & size) == 0) LaneSequence<size, kLanes>::swap(rows[i], rows[i + size]);
    }
    transpose_from<size * 2>(rows);
  }
}

/** kLanes steps of a row, as lanes of 32 bits that are only moved. */
template <class T>
inline F load_steps(const T *row, int64_t step) {
  if constexpr (Step<T>::kElements == 1) {
    return load(row + step);
  } else {
    F pairs;
    __builtin_memcpy(&pairs, row + step * Step<T>::kElements, sizeof pairs);  // at any multiple of 2 bytes
    return pairs;
  }
}
inline void store_steps(float *to, F x) { store(to, x); }
inline void store_steps(int32_t *to, F x) { store(to, reinterpret_cast<I>(x)); }

/**
 * Steps [first, first + depth) of `words` words (kTileWords at most) as [depth][kTileWords]; what is missing is 0.
 *
 * @param codebook the row of the first word
 */
template <class T>
inline void transpose_panel(const T *codebook, int64_t width, int64_t words, int64_t first, int64_t depth, Element<T> *panel) {
  for (int64_t lane = 0; lane < kTileWords; lane += kLanes) {
    const int64_t here = smaller(words - lane, kLanes);
    int64_t k = 0;
    if (here == kLanes) {
      // Whole steps only: the last of an odd width has no second half to load.
      const int64_t whole = smaller(depth, width / Step<T>::kElements - first);
      for (; k + kLanes <= whole; k += kLanes) {
        F block[kLanes];
        LEXVLA_UNROLL
        for (int i = 0; i < kLanes; ++i) block[i] = load_steps(codebook + (lane + i) * width, first + k);
        transpose_from<1>(block);
        LEXVLA_UNROLL
        for (int i = 0; i < kLanes; ++i) store_steps(panel + (k + i) * kTileWords + lane, block[i]);
      }
    }
    for (; k < depth; ++k) {
      for (int64_t i = 0; i < kLanes; ++i) {
        panel[k * kTileWords + lane + i] = i < here ? step_of(codebook + (lane + i) * width, first + k, width) : Element<T>{};
      }
    }
  }
}

/** Places whose lines are to be fetched while a tile is multiplied. */
struct Ahead {
  const char *place[2];
};

/** The codebook as it is: a panel is transposed into the thread's own memory each time. */
template <class T>
class RowPanels {
 public:
  RowPanels(const T *codebook, int64_t width, int64_t words) : codebook_(codebook), width_(width), words_(words) {}

  const Element<T> *get(int64_t panel, int64_t part, int64_t depth, Element<T> *own) const {
    const int64_t first = panel * kTileWords;
    transpose_panel(codebook_ + first * width_, width_, smaller(kTileWords, words_ - first), part, depth, own);
    return own;
  }

  /** The share of tile t: two rows of the panel. */
  Ahead ahead(int64_t panel, int64_t part, int64_t t, int64_t tiles) const {
    const int64_t word = smaller(panel * kTileWords + kTileWords * t / tiles, words_ - 1);
    const int64_t column = smaller(part * Step<T>::kElements, width_);
    const T *const row = codebook_ + word * width_ + column;
    return {{reinterpret_cast<const char *>(row), reinterpret_cast<const char *>(word + 1 < words_ ? row + width_ : row)}};
  }

 private:
  const T *codebook_;
  int64_t width_, words_;
};

/** The share of tile t of a panel that lies in memory as `bytes` bytes: a run, from its beginning and from its middle. */
inline Ahead ahead_of(const void *panel, int64_t bytes, int64_t t, int64_t tiles) {
  const int64_t lines = blocks_of(bytes / kLine, tiles);
  const char *const run = static_cast<const char *>(panel) + t * lines * kLine;
  return {{run, run + lines / 2 * kLine}};
}

/** The panels of some words of a codebook as it is: transposed when they are first asked for, and kept in the thread's own memory. */
template <class T>
class KeptPanels {
 public:
  /** @param memory of `panels` panels with all their steps, of which the first is `first` */
  KeptPanels(const RowPanels<T> &rows, int64_t width, int64_t first, Element<T> *memory)
      : rows_(rows), memory_(memory), first_(first), steps_(steps_of<T>(width)) {}

  static int64_t bytes(int64_t width, int64_t panels) { return panels * steps_of<T>(width) * kTileWords * 4; }

  /** To be said once all of them have been asked for. */
  void complete() { complete_ = true; }

  const Element<T> *get(int64_t panel, int64_t part, int64_t depth, Element<T> *) const {
    Element<T> *const own = at(panel, part);
    return complete_ ? own : rows_.get(panel, part, depth, own);
  }

  Ahead ahead(int64_t panel, int64_t part, int64_t t, int64_t tiles) const {
    if (!complete_) return rows_.ahead(panel, part, t, tiles);
    return part >= steps_ ? Ahead{{reinterpret_cast<const char *>(memory_), reinterpret_cast<const char *>(memory_)}}
                          : ahead_of(at(panel, part), smaller(kDepth, steps_ - part) * kTileWords * 4, t, tiles);
  }

 private:
  Element<T> *at(int64_t panel, int64_t part) const { return memory_ + ((panel - first_) * steps_ + part) * kTileWords; }

  const RowPanels<T> &rows_;
  Element<T> *memory_;
  int64_t first_, steps_;
  bool complete_ = false;
};

/**
 * How a packed codebook holds a step of a panel: the working form itself, but for bfloat16 without a dot product. Those
 * are widened when a panel is used, and stored as one vector of 32 bits: word j in the low half of lane j, word
 * kLanes + j in the high half.
 */
template <class T>
constexpr bool kStoredAsUsed = true;
template <>
constexpr bool kStoredAsUsed<Bf16> = Step<Bf16>::kElements == 2;
template <class T>
constexpr int64_t kStoredLanes = kStoredAsUsed<T> ? kTileWords : kLanes;

/** A codebook packed beforehand: panels one after the other, each with all its steps. */
template <class T>
class PackedPanels {
 public:
  PackedPanels(const void *stored, int64_t width) : stored_(static_cast<const int32_t *>(stored)), steps_(steps_of<T>(width)) {}

  /** Bytes of a codebook that is stored so. */
  static int64_t bytes(int64_t width, int64_t words) {
    return blocks_of(words, kTileWords) * steps_of<T>(width) * kStoredLanes<T> * 4;
  }

  const Element<T> *get(int64_t panel, int64_t part, int64_t depth, [[maybe_unused]] Element<T> *own) const {
    const int32_t *const from = at(panel, part);
    if constexpr (kStoredAsUsed<T>) {
      return reinterpret_cast<const Element<T> *>(from);
    } else {
      for (int64_t k = 0; k < depth; ++k) {
        const I both = load(from + k * kLanes);
        store(own + k * kTileWords, reinterpret_cast<F>(both << 16));
        store(own + k * kTileWords + kLanes, reinterpret_cast<F>(both & static_cast<int32_t>(0xffff0000u)));
      }
      return own;
    }
  }

  /** Stores one panel. */
  static void put(const T *codebook, int64_t width, int64_t words, int64_t panel, int32_t *stored) {
    const int64_t first = panel * kTileWords, steps = steps_of<T>(width), here = smaller(kTileWords, words - first);
    const T *const rows = codebook + first * width;
    int32_t *const to = stored + panel * steps * kStoredLanes<T>;
    if constexpr (kStoredAsUsed<T>) {
      transpose_panel(rows, width, here, 0, steps, reinterpret_cast<Element<T> *>(to));
    } else {
      float part[kDepth * kTileWords];
      for (int64_t k = 0; k < steps; k += kDepth) {
        const int64_t depth = smaller(kDepth, steps - k);
        transpose_panel(rows, width, here, k, depth, part);
        for (int64_t i = 0; i < depth; ++i) {
          const U low = reinterpret_cast<U>(load(part + i * kTileWords)) >> 16;
          const U high = reinterpret_cast<U>(load(part + i * kTileWords + kLanes));
          store(to + (k + i) * kLanes, reinterpret_cast<I>(low | high));
        }
      }
    }
  }

  /** The share of tile t: a run of the panel, from its beginning and from its middle. */
  Ahead ahead(int64_t panel, int64_t part, int64_t t, int64_t tiles) const {
    if (part >= steps_) return {{reinterpret_cast<const char *>(stored_), reinterpret_cast<const char *>(stored_)}};
    return ahead_of(at(panel, part), smaller(kDepth, steps_ - part) * kStoredLanes<T> * 4, t, tiles);
  }

 private:
  const int32_t *at(int64_t panel, int64_t part) const { return stored_ + (panel * steps_ + part) * kStoredLanes<T>; }

  const int32_t *stored_;
  int64_t steps_;
};

}  // namespace
}  // namespace lexvla::LEXVLA_ISA

#endif
