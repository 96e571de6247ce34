#include "support.h"

#if defined(__linux__)
#include <sys/mman.h>
#include <unistd.h>
#endif

using namespace lexvla::tests;

namespace {

const Covers threshold_covered("sparsify_threshold"), top_k_covered("sparsify_top_k"),
    activate_threshold_covered("activate_sparsify_threshold"), activate_top_k_covered("activate_sparsify_top_k");

struct Csr {
  Output<int32_t> offsets, ids;
  Output<float> weights;
};

struct Shape {
  int64_t rows, words;
};

const Shape kShapes[] = {{1, 1}, {3, 5}, {2, 64}, {5, 65}, {7, 517}, {3, 17149}};

/** Counts, then comes back with exactly the capacity that was counted, then with `most`, which holds every row when it is full. */
template <class Call>
Csr run(int64_t rows, int64_t most, const Call &call) {
  Output<int32_t> counted(rows + 1);
  REQUIRE_OK(call(int64_t{0}, counted.data(), static_cast<int32_t *>(nullptr), static_cast<float *>(nullptr)));
  counted.check_written();
  const int64_t entries = counted[rows];
  Csr csr{Output<int32_t>(rows + 1), Output<int32_t>(entries), Output<float>(entries)};
  REQUIRE_OK(call(entries, csr.offsets.data(), csr.ids.data(), csr.weights.data()));
  csr.offsets.check_written();
  csr.ids.check_written();
  csr.weights.check_written();
  CHECK(csr.offsets.same_bits(counted));
  Csr roomy{Output<int32_t>(rows + 1), Output<int32_t>(most), Output<float>(most)};
  REQUIRE_OK(call(most, roomy.offsets.data(), roomy.ids.data(), roomy.weights.data()));
  CHECK(roomy.offsets.same_bits(counted));
  int64_t different = 0;
  for (int64_t i = 0; i < entries; ++i) {
    different += roomy.ids[i] != csr.ids[i] || std::memcmp(&roomy.weights[i], &csr.weights[i], 4) != 0;
  }
  CHECK(different == 0);
  if (entries > 0) {
    // One too few is refused, with the offsets there to say how many are needed.
    Csr small{Output<int32_t>(rows + 1), Output<int32_t>(entries - 1), Output<float>(entries - 1)};
    CHECK(call(entries - 1, small.offsets.data(), small.ids.data(), small.weights.data()) == LEXVLA_CAPACITY);
    CHECK(last_error().find(std::to_string(entries) + " entries are kept, capacity " + std::to_string(entries - 1)) != std::string::npos);
    CHECK(small.offsets.same_bits(counted));
  }
  return csr;
}

Csr threshold_of(decltype(lexvla_sparsify_threshold) *function, const Input<float> &values, const Shape &s, float threshold, int threads) {
  const lexvla_exec exec = cpu(threads);
  return run(s.rows, s.rows * s.words, [&](int64_t capacity, int32_t *offsets, int32_t *ids, float *weights) {
    return function(&exec, values.data(), s.rows, s.words, threshold, capacity, offsets, ids, weights);
  });
}

Csr top_k_of(decltype(lexvla_sparsify_top_k) *function, const Input<float> &values, const Shape &s, int64_t k, int threads) {
  const lexvla_exec exec = cpu(threads);
  return run(s.rows, s.rows * s.words, [&](int64_t capacity, int32_t *offsets, int32_t *ids, float *weights) {
    return function(&exec, values.data(), s.rows, s.words, k, capacity, offsets, ids, weights);
  });
}

bool same(const Csr &x, const Csr &y) {
  return x.offsets.same_bits(y.offsets) && x.ids.same_bits(y.ids) && x.weights.same_bits(y.weights);
}

/** Rows with ties, zeros of both signs, NaN, infinities and denormals among ordinary values. */
std::vector<float> rows_of(Random &random, const Shape &s) {
  std::vector<float> values = random.normals(s.rows * s.words);
  const float special[] = {0.0f, -0.0f, kNaN, -kNaN, kInf, -kInf, 0.5f, 0.5f, 1.0f, 1e-42f, -1e-42f};
  for (float &x : values) {
    if (random.chance(0.3)) x = special[random.below(11)];
  }
  return values;
}

}  // namespace

TEST_CASE("sparsify_threshold: exactly the reference, for ordinary and special values") {
  Random random("threshold");
  for (const Shape &s : kShapes) {
    const Input<float> values(rows_of(random, s));
    for (const float threshold : {-kInf, -0.5f, 0.0f, 1e-42f, 0.5f, 3.0f, kInf}) {
      const Csr truth = threshold_of(lexvla_reference_sparsify_threshold, values, s, threshold, 1);
      CHECK(same(threshold_of(lexvla_sparsify_threshold, values, s, threshold, 1), truth));
      // The rule itself, said once more.
      int64_t entry = 0;
      for (int64_t i = 0; i < s.rows * s.words; ++i) {
        const bool kept = std::isnan(values[i]) || (values[i] != 0 && values[i] >= threshold);
        if (!kept) continue;
        REQUIRE(entry < truth.ids.size());
        REQUIRE(truth.ids[entry] == i % s.words);
        REQUIRE(std::memcmp(&truth.weights[entry], &values[i], 4) == 0);
        REQUIRE((truth.offsets[i / s.words] <= entry && entry < truth.offsets[i / s.words + 1]));
        ++entry;
      }
      CHECK(entry == truth.ids.size());
    }
  }
}

TEST_CASE("sparsify_top_k: exactly the reference, for ordinary and special values") {
  Random random("top k");
  for (const Shape &s : kShapes) {
    const Input<float> values(rows_of(random, s));
    for (const int64_t k : {int64_t{0}, int64_t{1}, int64_t{2}, int64_t{7}, s.words / 3, s.words - 1, s.words, s.words + 5,
             std::numeric_limits<int64_t>::max()}) {
      CAPTURE(k);
      CAPTURE(s.words);
      const Csr truth = top_k_of(lexvla_reference_sparsify_top_k, values, s, k, 1);
      CHECK(same(top_k_of(lexvla_sparsify_top_k, values, s, k, 1), truth));
    }
  }
}

TEST_CASE("sparsify_top_k: ties keep the lowest ids, nothing but positive values and NaN is kept") {
  for (const auto function : {lexvla_sparsify_top_k, lexvla_reference_sparsify_top_k}) {
    const Input<float> values({1, 2, 2, -3, 2, 0, 2, /* second row */ -1, -0.0f, kNaN, 5, kNaN, 5, -kInf});
    const Csr csr = top_k_of(function, values, {2, 7}, 3, 1);
    REQUIRE(csr.ids.size() == 6);
    const int32_t expected[] = {1, 2, 4, 2, 3, 4};
    for (int64_t i = 0; i < 6; ++i) CHECK(csr.ids[i] == expected[i]);
    const Csr all = top_k_of(function, values, {2, 7}, 7, 1);
    CHECK((all.offsets[1] == 5 && all.offsets[2] == 9));
    const Csr equal = top_k_of(function, std::vector<float>(100, 0.25f), {1, 100}, 42, 1);
    for (int64_t i = 0; i < 42; ++i) CHECK(equal.ids[i] == i);
  }
}

TEST_CASE("sparsify: threads, sizes of 0") {
  Random random("sparsify threads");
  const Shape s{60, 40000};
  const Input<float> values(random.normals(s.rows * s.words));
  const Csr threshold = threshold_of(lexvla_sparsify_threshold, values, s, 1.5f, 1), top = top_k_of(lexvla_sparsify_top_k, values, s, 99, 1);
  CHECK(top.ids.size() == 60 * 99);
  for (const int threads : {2, 3, 0}) {
    CHECK(same(threshold, threshold_of(lexvla_sparsify_threshold, values, s, 1.5f, threads)));
    CHECK(same(top, top_k_of(lexvla_sparsify_top_k, values, s, 99, threads)));
  }
  for (const Shape &empty : {Shape{0, 5}, Shape{4, 0}}) {
    CHECK(threshold_of(lexvla_sparsify_threshold, Input<float>(), empty, 1, 1).offsets[empty.rows] == 0);
    CHECK(top_k_of(lexvla_sparsify_top_k, Input<float>(), empty, 3, 1).offsets[empty.rows] == 0);
  }
}

TEST_CASE("activate_sparsify: the bits of activating and sparsifying one after the other, dense activations nowhere") {
  Random random("activate sparsify");
  for (const Shape &s : kShapes) {
    for (const float scale : {0.1f, 1.0f, 30.0f}) {
      std::vector<float> values = random.normals(s.rows * s.words, scale);
      for (float &x : values) {
        if (random.chance(0.05)) x = random.chance(0.5) ? -kInf : -120.0f;  // activations of 0
      }
      if (s.rows > 2) {
        for (int64_t v = 0; v < s.words; ++v) values[v] = -kInf;           // a row of 0
        values[2 * s.words + s.words / 2] = kNaN;                          // a row of NaN
      }
      const Input<float> scores(values);
      Output<float> activations(s.rows * s.words), norms(s.rows);
      const lexvla_exec exec = cpu(1);
      REQUIRE_OK(lexvla_activate_normalize_forward(&exec, scores.data(), s.rows, s.words, activations.data(), norms.data()));
      std::vector<float> copy(activations.size());
      for (int64_t i = 0; i < activations.size(); ++i) copy[i] = activations[i];
      const Input<float> dense(copy);
      const float standard = static_cast<float>(1 / std::sqrt(static_cast<double>(s.words)));
      for (const int threads : {1, 2, 3}) {
        for (const float threshold : {-kInf, 0.0f, standard, 0.9f}) {
          CHECK(same(threshold_of(lexvla_activate_sparsify_threshold, scores, s, threshold, threads),
              threshold_of(lexvla_sparsify_threshold, dense, s, threshold, 1)));
        }
        for (const int64_t k : {int64_t{0}, int64_t{1}, s.words / 3, s.words, std::numeric_limits<int64_t>::max()}) {
          CHECK(same(top_k_of(lexvla_activate_sparsify_top_k, scores, s, k, threads), top_k_of(lexvla_sparsify_top_k, dense, s, k, 1)));
        }
      }
    }
  }
}

TEST_CASE("activate_sparsify: the reference's entries, but for those that rounding moves over the threshold") {
  Random random("activate sparsify reference");
  const Shape s{5, 5000};
  const Input<float> scores(random.normals(s.rows * s.words));
  const float threshold = static_cast<float>(1 / std::sqrt(5000.0));
  const Csr truth = threshold_of(lexvla_reference_activate_sparsify_threshold, scores, s, threshold, 1);
  const Csr ours = threshold_of(lexvla_activate_sparsify_threshold, scores, s, threshold, 1);
  const Csr best_truth = top_k_of(lexvla_reference_activate_sparsify_top_k, scores, s, 400, 1);
  const Csr best = top_k_of(lexvla_activate_sparsify_top_k, scores, s, 400, 1);
  // elu1p and the norm are within two units in the last place each, and the quotient is rounded: 10 of kUnit.
  const double error = 10 * kUnit;
  for (int64_t b = 0; b < s.rows; ++b) {
    std::vector<double> expected(s.words, 0), kept(s.words, 0);
    for (int64_t i = truth.offsets[b]; i < truth.offsets[b + 1]; ++i) expected[truth.ids[i]] = truth.weights[i];
    for (int64_t i = ours.offsets[b]; i < ours.offsets[b + 1]; ++i) kept[ours.ids[i]] = ours.weights[i];
    int64_t wrong = 0;
    for (int64_t v = 0; v < s.words; ++v) {
      const double larger = std::fmax(expected[v], kept[v]);
      const bool at_the_threshold = std::fabs(larger - threshold) <= error * threshold;
      wrong += !(std::fabs(expected[v] - kept[v]) <= error * larger || at_the_threshold);
    }
    CHECK(wrong == 0);
    // The sum of the 400 best is the same whichever of two nearly equal ones is taken.
    double sum_truth = 0, sum = 0;
    for (int64_t i = best_truth.offsets[b]; i < best_truth.offsets[b + 1]; ++i) sum_truth += best_truth.weights[i];
    for (int64_t i = best.offsets[b]; i < best.offsets[b + 1]; ++i) sum += best.weights[i];
    CHECK(best.offsets[b + 1] - best.offsets[b] == 400);
    CHECK(std::fabs(sum - sum_truth) <= error * sum_truth);
  }
}

#if defined(__linux__)
TEST_CASE("sparsify: more entries than 32-bit offsets count") {
  // 2^31 values and a few, all kept: 8 GiB of addresses over and over the same 16 MiB of memory.
  const int64_t words = 65536, rows = 32769, bytes = rows * words * 4, piece = int64_t{16} << 20;
  const int file = memfd_create("ones", 0);
  REQUIRE(file >= 0);
  REQUIRE(ftruncate(file, piece) == 0);
  char *const base = static_cast<char *>(mmap(nullptr, bytes + piece, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
  REQUIRE(base != MAP_FAILED);
  for (int64_t at = 0; at < bytes; at += piece) {
    REQUIRE(mmap(base + at, piece, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file, 0) == base + at);
  }
  std::fill_n(reinterpret_cast<float *>(base), piece / 4, 1.0f);
  std::vector<int32_t> offsets(rows + 1);
  const lexvla_exec exec = cpu(0);
  CHECK(lexvla_sparsify_threshold(&exec, reinterpret_cast<const float *>(base), rows, words, 1, 0, offsets.data(), nullptr, nullptr) ==
        LEXVLA_CAPACITY);
  CHECK(last_error().find("rows 0 to 32767 keep 2147483648 entries, limit 2147483647 of 32-bit offsets") != std::string::npos);
  CHECK(lexvla_sparsify_threshold(&exec, reinterpret_cast<const float *>(base), 32767, words, 1, 0, offsets.data(), nullptr, nullptr) ==
        LEXVLA_OK);
  CHECK(offsets[32767] == 32767 * words);
  munmap(base, bytes + piece);
  close(file);
}
#endif
