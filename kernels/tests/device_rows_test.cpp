/*
 * activate_sparsify on rows that are quickly emulated: the test of the CPU's, with rows of 17,149 words and every number of
 * threads, takes the emulation minutes.
 */
#include "support.h"

using namespace lexvla::tests;

TEST_CASE("device rows: activate_sparsify is activate_normalize and sparsify, bit by bit") {
  Random random("device rows");
  const int64_t rows = 4, words = 700;
  std::vector<float> values = random.normals(rows * words);
  for (int64_t v = 0; v < words; ++v) values[v] = -kInf;                    // a row of 0
  values[2 * words + 5] = kNaN;                                             // a row of NaN
  for (int64_t v = 0; v < words; v += 7) values[3 * words + v] = 1.5f;      // ties
  const Input<float> scores(values);
  Output<float> activations(rows * words), norms(rows);
  const lexvla_exec exec = cpu(1);
  REQUIRE_OK(lexvla_activate_normalize_forward(&exec, scores.data(), rows, words, activations.data(), norms.data()));
  std::vector<float> copy(rows * words);
  for (int64_t i = 0; i < activations.size(); ++i) copy[i] = activations[i];
  const Input<float> dense(copy);

  const int64_t capacity = rows * words;
  const auto same = [&](const auto &fused, const auto &plain) {
    std::vector<int32_t> offsets[2], ids[2];
    std::vector<float> weights[2];
    for (int i = 0; i < 2; ++i) {
      offsets[i].resize(rows + 1);
      ids[i].assign(capacity, -1);
      weights[i].assign(capacity, 0);
    }
    REQUIRE_OK(fused(offsets[0].data(), ids[0].data(), weights[0].data()));
    REQUIRE_OK(plain(offsets[1].data(), ids[1].data(), weights[1].data()));
    CHECK(offsets[0] == offsets[1]);
    for (int i = 0; i < 2; ++i) {
      ids[i].resize(offsets[i][rows]);
      weights[i].resize(offsets[i][rows]);
    }
    CHECK(ids[0] == ids[1]);
    CHECK(std::memcmp(weights[0].data(), weights[1].data(), weights[0].size() * 4) == 0);
    return offsets[0][rows];
  };
  for (const float threshold : {-kInf, 0.0f, 1 / std::sqrt(700.0f), 0.9f}) {
    const int32_t kept = same(
        [&](int32_t *o, int32_t *i, float *w) {
          return lexvla_activate_sparsify_threshold(&exec, scores.data(), rows, words, threshold, capacity, o, i, w);
        },
        [&](int32_t *o, int32_t *i, float *w) {
          return lexvla_sparsify_threshold(&exec, dense.data(), rows, words, threshold, capacity, o, i, w);
        });
    CHECK(kept >= words);  // the row of NaN
  }
  for (const int64_t k : {int64_t{0}, int64_t{1}, int64_t{130}, words, std::numeric_limits<int64_t>::max()}) {
    const int32_t kept = same(
        [&](int32_t *o, int32_t *i, float *w) {
          return lexvla_activate_sparsify_top_k(&exec, scores.data(), rows, words, k, capacity, o, i, w);
        },
        [&](int32_t *o, int32_t *i, float *w) { return lexvla_sparsify_top_k(&exec, dense.data(), rows, words, k, capacity, o, i, w); });
    CHECK(kept == 3 * std::min(k, words));  // all but the row of 0
  }
}
