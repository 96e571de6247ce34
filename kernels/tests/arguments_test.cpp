/* What is refused, and whether the message says what, where and which limit. */
#include "support.h"

using namespace lexvla::tests;

namespace {

void refused(int32_t actual, int32_t expected, const std::string &part) {
  INFO(last_error());
  CHECK(actual == expected);
  CHECK(last_error().find(part) != std::string::npos);
}

/** Valid arguments of every kernel, to be spoiled one at a time. Small enough that all arrays may be the same ones. */
struct Valid {
  lexvla_exec exec = cpu(1);
  float x[16] = {};
  float out[16] = {}, out2[16] = {};
  int32_t winners[16] = {};
  int32_t offsets[3] = {0, 2, 3}, ids[3] = {0, 2, 1};
  int64_t hits = 0;

  int32_t forward(int32_t type = 0, int64_t images = 2, int64_t count = 2, int64_t width = 2, int64_t words = 3) {
    return lexvla_project_max_forward(&exec, type, x, nullptr, x, images, count, width, words, out, winners);
  }
  int32_t backward() { return lexvla_project_max_backward(&exec, 0, x, winners, x, x, 2, 2, 2, 3, out, out2, 0); }
  int32_t dot(const int32_t *a_offsets, const int32_t *a_ids, int64_t words = 3) {
    return lexvla_csr_dot(&exec, a_offsets, a_ids, x, 2, offsets, ids, x, 2, words, out);
  }
};

}  // namespace

TEST_CASE("arguments: exec, types and sizes") {
  Valid valid;
  REQUIRE(valid.forward() == LEXVLA_OK);
  REQUIRE(valid.backward() == LEXVLA_OK);
  REQUIRE(valid.dot(valid.offsets, valid.ids) == LEXVLA_OK);

  refused(lexvla_project_max_forward(nullptr, 0, nullptr, nullptr, nullptr, 0, 0, 0, 0, nullptr, nullptr), LEXVLA_INVALID_ARGUMENT,
      "project_max_forward: exec is NULL");
  valid.exec.device = -2;
  refused(valid.forward(), LEXVLA_INVALID_ARGUMENT, "exec.device is -2");
  valid.exec.device = 0;
  if (lexvla_has_cuda() == 0) {
    refused(valid.forward(), LEXVLA_UNSUPPORTED, "no CUDA kernels: build with LEXVLA_CUDA=ON");
  } else {
    // With CUDA in the build: a device that no machine has.
    valid.exec.device = 1000;
    refused(valid.forward(), LEXVLA_UNSUPPORTED, "exec.device is 1000");
  }
  valid.exec.device = LEXVLA_CPU;
  valid.exec.threads = -1;
  refused(valid.forward(), LEXVLA_INVALID_ARGUMENT, "exec.threads is -1, at least 0");
  valid.exec.threads = 1;
  refused(valid.forward(3), LEXVLA_INVALID_ARGUMENT, "type is 3");
  refused(valid.forward(LEXVLA_FLOAT16), LEXVLA_UNSUPPORTED, "type is LEXVLA_FLOAT16 (2), which the CPU has no kernels for");
  valid.exec.math = 2;
  refused(valid.forward(), LEXVLA_INVALID_ARGUMENT, "exec.math is 2: LEXVLA_MATH_FLOAT32 (0) or LEXVLA_MATH_TF32 (1)");
  valid.exec.math = LEXVLA_MATH_TF32;  // as float32 on the CPU
  CHECK(valid.forward() == LEXVLA_OK);
  valid.exec.math = LEXVLA_MATH_FLOAT32;
  refused(valid.forward(0, -1), LEXVLA_INVALID_ARGUMENT, "images is -1, at least 0");
  refused(valid.forward(0, 2, -1), LEXVLA_INVALID_ARGUMENT, "count is -1");
  refused(valid.forward(0, 2, 2, -5), LEXVLA_INVALID_ARGUMENT, "width is -5");
  refused(valid.forward(0, 2, 2, 2, -1), LEXVLA_INVALID_ARGUMENT, "words is -1");
  refused(valid.forward(0, 2, int64_t{1} << 31), LEXVLA_INVALID_ARGUMENT, "count is 2147483648, limit 2147483647");
  refused(valid.forward(0, 2, 2, 2, int64_t{1} << 31), LEXVLA_INVALID_ARGUMENT, "words is 2147483648, limit 2147483647");
  refused(valid.forward(0, int64_t{1} << 40, 1 << 20, 8), LEXVLA_INVALID_ARGUMENT, "tokens has more than 2^63 bytes");
}

TEST_CASE("arguments: the workspace query") {
  Valid valid;
  int64_t needed = -1;
  valid.exec.workspace_needed = &needed;
  valid.out[0] = 7;
  CHECK(valid.forward() == LEXVLA_OK);
  CHECK(needed == 0);
  CHECK(valid.out[0] == 7);  // nothing is computed
  refused(valid.forward(9), LEXVLA_INVALID_ARGUMENT, "type is 9");
  valid.exec.workspace_needed = nullptr;
  valid.exec.workspace_bytes = -1;
  refused(valid.forward(), LEXVLA_INVALID_ARGUMENT, "exec.workspace_bytes is -1, at least 0");
}

TEST_CASE("arguments: pointers") {
  Valid v;
  const auto forward = [&](const void *tokens, const void *codebook, float *scores) {
    return lexvla_project_max_forward(&v.exec, 0, tokens, nullptr, codebook, 2, 2, 2, 3, scores, nullptr);
  };
  refused(forward(nullptr, v.x, v.out), LEXVLA_INVALID_ARGUMENT, "tokens is NULL, but has 8 elements");
  refused(forward(v.x, nullptr, v.out), LEXVLA_INVALID_ARGUMENT, "codebook is NULL, but has 6 elements");
  refused(forward(v.x, v.x, nullptr), LEXVLA_INVALID_ARGUMENT, "scores is NULL, but has 6 elements");
  refused(forward(reinterpret_cast<char *>(v.x) + 2, v.x, v.out), LEXVLA_INVALID_ARGUMENT, "not a multiple of its element's 4 bytes");
  refused(lexvla_project_max_backward(&v.exec, 0, v.x, nullptr, v.x, v.x, 2, 2, 2, 3, v.out, nullptr, 0), LEXVLA_INVALID_ARGUMENT,
      "project_max_backward: winners is NULL");
  refused(lexvla_activate_normalize_forward(&v.exec, v.x, 2, 2, v.out, nullptr), LEXVLA_INVALID_ARGUMENT, "norms is NULL");
  refused(lexvla_activate_normalize_forward(&v.exec, v.x, 2, -2, v.out, v.out2), LEXVLA_INVALID_ARGUMENT, "words is -2");
  refused(lexvla_activate_normalize_backward(&v.exec, v.x, nullptr, v.x, 2, 2, v.out), LEXVLA_INVALID_ARGUMENT, "scores is NULL");
  refused(lexvla_token_activations(&v.exec, 0, v.x, v.x, 2, 2, 2, nullptr, v.out), LEXVLA_INVALID_ARGUMENT, "activations is NULL");
  refused(lexvla_token_activations(&v.exec, 5, v.x, v.x, 2, 2, 2, v.out2, v.out), LEXVLA_INVALID_ARGUMENT, "type is 5");
}

TEST_CASE("arguments: winners that no forward wrote") {
  Valid v;
  v.winners[4] = 2;
  refused(v.backward(), LEXVLA_INVALID_ARGUMENT, "winners[1, 1] is 2, limit 2 tokens");
  v.winners[4] = -2;
  refused(v.backward(), LEXVLA_INVALID_ARGUMENT, "winners[1, 1] is -2");
  v.winners[4] = -1;
  CHECK(v.backward() == LEXVLA_OK);
}

TEST_CASE("arguments: sparsify") {
  Valid v;
  const auto threshold = [&](float t, int64_t capacity, int32_t *offsets, int32_t *ids, float *weights) {
    return lexvla_sparsify_threshold(&v.exec, v.x, 2, 3, t, capacity, offsets, ids, weights);
  };
  refused(threshold(kNaN, 0, v.offsets, nullptr, nullptr), LEXVLA_INVALID_ARGUMENT, "threshold is NaN");
  refused(threshold(1, -1, v.offsets, nullptr, nullptr), LEXVLA_INVALID_ARGUMENT, "capacity is -1");
  refused(threshold(1, 0, nullptr, nullptr, nullptr), LEXVLA_INVALID_ARGUMENT, "offsets is NULL");
  refused(threshold(1, 3, v.offsets, v.ids, nullptr), LEXVLA_INVALID_ARGUMENT, "weights is NULL but ids is not");
  refused(threshold(1, 3, v.offsets, nullptr, v.out), LEXVLA_INVALID_ARGUMENT, "ids is NULL but weights is not");
  refused(lexvla_sparsify_top_k(&v.exec, v.x, 2, 3, -1, 0, v.offsets, nullptr, nullptr), LEXVLA_INVALID_ARGUMENT, "k is -1");
  refused(lexvla_activate_sparsify_threshold(&v.exec, v.x, 2, 3, kNaN, 0, v.offsets, nullptr, nullptr), LEXVLA_INVALID_ARGUMENT,
      "activate_sparsify_threshold: threshold is NaN");
  refused(lexvla_activate_sparsify_threshold(&v.exec, nullptr, 2, 3, 1, 0, v.offsets, nullptr, nullptr), LEXVLA_INVALID_ARGUMENT,
      "scores is NULL, but has 6 elements");
  refused(lexvla_activate_sparsify_top_k(&v.exec, v.x, 2, 3, -1, 0, v.offsets, nullptr, nullptr), LEXVLA_INVALID_ARGUMENT, "k is -1");
  refused(lexvla_activate_sparsify_top_k(&v.exec, v.x, 2, 3, 1, 3, v.offsets, v.ids, nullptr), LEXVLA_INVALID_ARGUMENT,
      "weights is NULL but ids is not");
}

TEST_CASE("arguments: CSR that is none") {
  Valid v;
  const int32_t descending[] = {0, 2, 1}, negative[] = {-1, 0, 1}, good[] = {0, 2, 3};
  const int32_t unsorted[] = {2, 0, 1}, twice[] = {1, 1, 0}, large[] = {0, 3, 1}, below[] = {-1, 2, 1}, last[] = {0, 1, 7};
  refused(v.dot(descending, v.ids), LEXVLA_INVALID_ARGUMENT, "a: row 1 is from 2 to 1");
  refused(v.dot(negative, v.ids), LEXVLA_INVALID_ARGUMENT, "a: row 0 is from -1 to 0");
  refused(v.dot(good, unsorted), LEXVLA_INVALID_ARGUMENT, "a: row 0: id 0 follows 2 at entry 1");
  refused(v.dot(good, twice), LEXVLA_INVALID_ARGUMENT, "a: row 0: id 1 follows 1 at entry 1: sort the ids and merge equal ones");
  refused(v.dot(good, large), LEXVLA_INVALID_ARGUMENT, "a: row 0: id 3 at entry 1, limit 3 words");
  refused(v.dot(good, below), LEXVLA_INVALID_ARGUMENT, "a: row 0: id -1 at entry 0, limit 3 words");
  refused(v.dot(good, last), LEXVLA_INVALID_ARGUMENT, "a: row 1: id 7 at entry 0, limit 3 words");
  refused(v.dot(good, nullptr), LEXVLA_INVALID_ARGUMENT, "a: row 0 has entries, but ids or weights is NULL");
  refused(v.dot(nullptr, v.ids), LEXVLA_INVALID_ARGUMENT, "a is NULL, but has 3 elements");
  refused(lexvla_csr_dot(&v.exec, good, v.ids, v.x, 2, good, unsorted, v.x, 2, 3, v.out), LEXVLA_INVALID_ARGUMENT, "b: row 0");

  const auto top = [&](const int32_t *query, int64_t size, int64_t k, int64_t *hits) {
    return lexvla_csr_top_k(&v.exec, query, v.x, size, v.offsets, v.ids, v.x, 2, 3, k, v.winners, v.out, hits);
  };
  REQUIRE(top(v.ids, 2, 2, &v.hits) == LEXVLA_OK);
  refused(top(v.ids, 3, 2, &v.hits), LEXVLA_INVALID_ARGUMENT, "query: id 1 follows 2 at entry 2");
  refused(top(large, 2, 2, &v.hits), LEXVLA_INVALID_ARGUMENT, "query: id 3 at entry 1, limit 3 words");
  refused(top(v.ids, 2, -1, &v.hits), LEXVLA_INVALID_ARGUMENT, "k is -1");
  refused(top(v.ids, 2, 2, nullptr), LEXVLA_INVALID_ARGUMENT, "hits is NULL");
}

TEST_CASE("arguments: the reference refuses the same") {
  Valid v;
  refused(lexvla_reference_project_max_forward(&v.exec, 9, v.x, nullptr, v.x, 1, 1, 1, 1, v.out, nullptr), LEXVLA_INVALID_ARGUMENT,
      "reference project_max_forward: type is 9");
  const int32_t unsorted[] = {2, 0, 1};
  refused(lexvla_reference_csr_dot(&v.exec, v.offsets, unsorted, v.x, 2, v.offsets, v.ids, v.x, 2, 3, v.out), LEXVLA_INVALID_ARGUMENT,
      "reference csr_dot: a: row 0");
}
