/*
 * csr_dot: all products of 256 rows with 256 others, of 17,149 words, at several densities, one thread. Walking both rows; one row
 * laid out densely and looked up; 64 rows laid out, so that an entry of the other side multiplies four vectors of them; the same
 * a stretch of words at a time, which stays in cache: the library's. At last both sides laid out as a dense product's, with
 * register tiles: from where on is that faster? Laying out, and taking away again, is in all times.
 */
#include "panels.h"

using namespace ladder;

namespace {

constexpr int64_t kRows = 256, kColumns = 17149, kSide = 64, kDepth = 192;
static_assert(kRows % kSide == 0 && kRows <= kTiles * kTileRows && kRows % kTileWords == 0 && kDepth % kLanes == 0);

/** Rows of some words each, ids ascending. */
struct Csr {
  std::vector<int32_t> offsets{0}, ids;
  std::vector<float> weights;

  Csr(double density, uint32_t seed) {
    std::mt19937 random(seed);
    std::bernoulli_distribution has(density);
    std::normal_distribution<float> normal;
    for (int64_t row = 0; row < kRows; ++row) {
      for (int32_t id = 0; id < kColumns; ++id) {
        if (!has(random)) continue;
        ids.push_back(id);
        weights.push_back(normal(random));
      }
      offsets.push_back(static_cast<int32_t>(ids.size()));
    }
  }

  template <class Body>
  void each(int64_t row, const Body &body) const {
    for (int32_t e = offsets[row]; e < offsets[row + 1]; ++e) body(ids[e], weights[e]);
  }
};

/** What is laid out; all 0 between two uses. */
struct Memory {
  Array<float> row{kColumns}, rows{kColumns * kSide}, sums{kRows * kSide};
  Array<float> left{kRows * kDepth}, right{kTiles * kTileRows * kDepth}, panel{kDepth * kTileWords}, tile{kTiles * kTileRows * kRows};
};

void walked(const Csr &a, const Csr &b, Memory &, float *out) {
  for (int64_t i = 0; i < kRows; ++i) {
    for (int64_t j = 0; j < kRows; ++j) {
      float sum = 0;
      for (int32_t e = a.offsets[i], f = b.offsets[j]; e < a.offsets[i + 1] && f < b.offsets[j + 1];) {
        const int32_t x = a.ids[e], y = b.ids[f];
        if (x == y) sum += a.weights[e] * b.weights[f];
        e += x <= y;
        f += y <= x;
      }
      out[i * kRows + j] = sum;
    }
  }
}

void looked_up(const Csr &a, const Csr &b, Memory &memory, float *out) {
  float *const row = memory.row.data();
  for (int64_t i = 0; i < kRows; ++i) {
    a.each(i, [&](int32_t id, float weight) { row[id] = weight; });
    for (int64_t j = 0; j < kRows; ++j) {
      int32_t e = b.offsets[j];
      F sums = {};
      for (; e + kLanes <= b.offsets[j + 1]; e += kLanes) {
        const __m512i at = _mm512_loadu_si512(b.ids.data() + e);
        sums += load(b.weights.data() + e) * reinterpret_cast<F>(_mm512_i32gather_ps(at, row, 4));
      }
      float sum = 0;
      for (int lane = 0; lane < kLanes; ++lane) sum += sums[lane];
      for (; e < b.offsets[j + 1]; ++e) sum += b.weights[e] * row[b.ids[e]];
      out[i * kRows + j] = sum;
    }
    a.each(i, [&](int32_t id, float) { row[id] = 0; });
  }
}

/** 64 rows of a at a time, `stretch` words at a time. */
void laid_out(const Csr &a, const Csr &b, int64_t stretch, Memory &memory, float *out) {
  float *const rows = memory.rows.data(), *const sums = memory.sums.data();
  int32_t a_next[kSide], b_next[kRows];
  for (int64_t first = 0; first < kRows; first += kSide) {
    std::fill(sums, sums + kRows * kSide, 0.0f);
    std::copy(a.offsets.begin() + first, a.offsets.begin() + first + kSide, a_next);
    std::copy(b.offsets.begin(), b.offsets.begin() + kRows, b_next);
    for (int64_t begin = 0; begin < kColumns; begin += stretch) {
      const int64_t limit = begin + stretch;
      for (int64_t i = 0; i < kSide; ++i) {
        for (int32_t e = a_next[i]; e < a.offsets[first + i + 1] && a.ids[e] < limit; ++e) rows[(a.ids[e] - begin) * kSide + i] = a.weights[e];
      }
      for (int64_t j = 0; j < kRows; ++j) {
        F sum[4];
#pragma GCC unroll 4
        for (int u = 0; u < 4; ++u) sum[u] = load(sums + j * kSide + u * kLanes);
        int32_t e = b_next[j];
        for (; e < b.offsets[j + 1] && b.ids[e] < limit; ++e) {
          const float *const row = rows + (b.ids[e] - begin) * kSide;
          const F weight = splat(b.weights[e]);
#pragma GCC unroll 4
          for (int u = 0; u < 4; ++u) sum[u] += weight * load(row + u * kLanes);
        }
#pragma GCC unroll 4
        for (int u = 0; u < 4; ++u) store(sums + j * kSide + u * kLanes, sum[u]);
        b_next[j] = e;
      }
      for (int64_t i = 0; i < kSide; ++i) {
        for (; a_next[i] < a.offsets[first + i + 1] && a.ids[a_next[i]] < limit; ++a_next[i]) rows[(a.ids[a_next[i]] - begin) * kSide + i] = 0;
      }
    }
    for (int64_t j = 0; j < kRows; ++j) {
      for (int64_t i = 0; i < kSide; ++i) out[(first + i) * kRows + j] = sums[j * kSide + i];
    }
  }
}

/** Words [begin, limit) of all rows, kDepth to a row. */
void lay_out(const Csr &matrix, int64_t begin, int64_t limit, int32_t *next, float *out) {
  std::fill(out, out + kRows * kDepth, 0.0f);
  for (int64_t i = 0; i < kRows; ++i, out += kDepth) {
    for (; next[i] < matrix.offsets[i + 1] && matrix.ids[next[i]] < limit; ++next[i]) out[matrix.ids[next[i]] - begin] = matrix.weights[next[i]];
  }
}

/** sums of 14 rows and a panel += b . panel */
__attribute__((noinline)) void add_tile(const float *b, const float *panel, float *sums) {
  F sum[kTileRows][2];
#pragma GCC unroll 14
  for (int i = 0; i < kTileRows; ++i) {
    sum[i][0] = load(sums + i * kTileWords);
    sum[i][1] = load(sums + i * kTileWords + kLanes);
  }
  for (int64_t k = 0; k < kDepth; ++k, panel += kTileWords) {
    const F w0 = load(panel), w1 = load(panel + kLanes);
#pragma GCC unroll 14
    for (int i = 0; i < kTileRows; ++i) {
      const F x = splat(b[i * kDepth + k]);
      sum[i][0] += x * w0;
      sum[i][1] += x * w1;
    }
  }
#pragma GCC unroll 14
  for (int i = 0; i < kTileRows; ++i) {
    store(sums + i * kTileWords, sum[i][0]);
    store(sums + i * kTileWords + kLanes, sum[i][1]);
  }
}

/** Both sides laid out kDepth words at a time, the one as panels; register tiles as in step 5. */
void dense(const Csr &a, const Csr &b, Memory &memory, float *out) {
  float *const sums = memory.tile.data();
  std::fill(sums, sums + kTiles * kTileRows * kRows, 0.0f);
  std::vector<int32_t> a_next(a.offsets), b_next(b.offsets);
  for (int64_t begin = 0; begin < kColumns; begin += kDepth) {
    lay_out(a, begin, begin + kDepth, a_next.data(), memory.left.data());
    lay_out(b, begin, begin + kDepth, b_next.data(), memory.right.data());
    for (int64_t first = 0; first < kRows; first += kTileWords) {
      for (int64_t lane = 0; lane < kTileWords; lane += kLanes) {
        for (int64_t k = 0; k < kDepth; k += kLanes) {
          transpose(memory.left.data() + (first + lane) * kDepth + k, kDepth, memory.panel.data() + k * kTileWords + lane);
        }
      }
      for (int64_t t = 0; t < kTiles; ++t) {
        add_tile(memory.right.data() + t * kTileRows * kDepth, memory.panel.data(), sums + (first * kTiles + t * kTileWords) * kTileRows);
      }
    }
  }
  for (int64_t i = 0; i < kRows; ++i) {
    for (int64_t j = 0; j < kRows; ++j) {
      out[i * kRows + j] = sums[(i / kTileWords * kTiles * kTileRows + j) * kTileWords + i % kTileWords];
    }
  }
}

/** Prints the time of product(memory, out); 1 if it is wrong. */
template <class Product>
int time(const char *name, double density, const std::vector<double> &truth, const std::vector<double> &magnitude, Memory &memory, const Product &product) {
  std::vector<float> out(kRows * kRows);
  std::vector<double> times;
  double total = 0;
  while (total < 0.5 || times.size() < 3) {
    std::fill(out.begin(), out.end(), NAN);
    const auto start = std::chrono::steady_clock::now();
    product(memory, out.data());
    times.push_back(seconds(start));
    total += times.back();
  }
  std::sort(times.begin(), times.end());
  std::printf("12 %-40s %5.1f %% of words  %8.2f ms\n", name, 100 * density, 1e3 * times[times.size() / 2]);
  for (int64_t i = 0; i < kRows * kRows; ++i) {
    if (!(std::fabs(out[i] - truth[i]) <= kColumns * 0x1p-24 * magnitude[i])) {
      std::printf("12 %s: product %d is %g, truth %g\n", name, static_cast<int>(i), out[i], truth[i]);
      return 1;
    }
  }
  return 0;
}

}  // namespace

int main() {
  int wrong = 0;
  Memory memory;
  for (const double density : {0.002, 0.01, 1081.0 / kColumns, 0.25, 0.5, 1.0}) {
    const Csr a(density, 1), b(density, 2);
    std::vector<double> truth(kRows * kRows), magnitude(kRows * kRows), row(kColumns);
    for (int64_t i = 0; i < kRows; ++i) {
      a.each(i, [&](int32_t id, float weight) { row[id] = weight; });
      for (int64_t j = 0; j < kRows; ++j) {
        b.each(j, [&](int32_t id, float weight) {
          truth[i * kRows + j] += row[id] * weight;
          magnitude[i * kRows + j] += std::fabs(row[id] * weight);
        });
      }
      std::fill(row.begin(), row.end(), 0.0);
    }
    // A row of b should have 16 entries in a stretch; at least 128 words, 32 KB, at most 1.25 MB.
    const int64_t stretch = std::clamp<int64_t>(static_cast<int64_t>(16 / density), 128, 5120);
    wrong += time("both rows walked", density, truth, magnitude, memory, [&](Memory &m, float *out) { walked(a, b, m, out); });
    wrong += time("a row laid out, looked up", density, truth, magnitude, memory, [&](Memory &m, float *out) { looked_up(a, b, m, out); });
    wrong += time("64 rows laid out", density, truth, magnitude, memory, [&](Memory &m, float *out) { laid_out(a, b, kColumns, m, out); });
    wrong += time("64 rows laid out, a stretch at a time", density, truth, magnitude, memory, [&](Memory &m, float *out) { laid_out(a, b, stretch, m, out); });
    wrong += time("both sides laid out, dense", density, truth, magnitude, memory, [&](Memory &m, float *out) { dense(a, b, m, out); });
  }
  return wrong != 0;
}
