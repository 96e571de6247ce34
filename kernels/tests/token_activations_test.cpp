#include "support.h"

using namespace lexvla::tests;

namespace {

const Covers covers("token_activations");

struct Shape {
  int64_t count, width, words;
};

const Shape kShapes[] = {{1, 1, 1}, {7, 5, 3}, {70, 193, 517}, {257, 64, 33}, {1, 300, 65}, {530, 17, 131}, {2500, 8, 9}};

struct Result {
  Output<float> activations, norms;
};

Result run(decltype(lexvla_token_activations) *function, const Shape &s, int32_t type, const Elements &tokens, const Elements &codebook,
    int threads) {
  Result result{Output<float>(s.count * s.words), Output<float>(s.count)};
  const lexvla_exec exec = cpu(threads);
  REQUIRE_OK(function(
      &exec, type, tokens.data(), codebook.data(), s.count, s.width, s.words, result.activations.data(), result.norms.data()));
  result.activations.check_written();
  result.norms.check_written();
  return result;
}

}  // namespace

TEST_CASE("token_activations: random problems of every shape and type against the reference") {
  Random random("tokens random");
  for (const int32_t type : kTypes) {
    for (const Shape &s : kShapes) {
      CAPTURE(type);
      CAPTURE(s.count);
      CAPTURE(s.width);
      CAPTURE(s.words);
      const float scale = 1 / std::sqrt(static_cast<float>(s.width));
      const Elements tokens(type, random.normals(s.count * s.width)), codebook(type, random.normals(s.words * s.width, scale));
      const Result result = run(lexvla_token_activations, s, type, tokens, codebook, 1);
      const Result truth = run(lexvla_reference_token_activations, s, type, tokens, codebook, 1);
      int64_t wrong = 0;
      for (int64_t i = 0; i < s.count; ++i) {
        // An error e of a score is a relative error e of elu1p (less where it is positive); the norm averages them.
        std::vector<double> errors(s.words);
        double worst = 0;
        for (int64_t v = 0; v < s.words; ++v) {
          double magnitude = 0;
          for (int64_t k = 0; k < s.width; ++k) magnitude += std::fabs(tokens[i * s.width + k] * codebook[v * s.width + k]);
          errors[v] = sum_error(s.width, magnitude) + 4 * kUnit;
          worst = std::max(worst, errors[v]);
        }
        wrong += !within(result.norms[i], truth.norms[i], truth.norms[i] * (worst + 3 * kUnit));
        for (int64_t v = 0; v < s.words; ++v) {
          const double a = truth.activations[i * s.words + v];
          wrong += !within(result.activations[i * s.words + v], a, a * (errors[v] + worst + 4 * kUnit));
        }
      }
      CHECK(wrong == 0);
    }
  }
}

TEST_CASE("token_activations: the maximum over tokens before activation is project_max") {
  Random random("tokens pooled");
  const Shape s{37, 21, 90};
  const Elements tokens(0, random.normals(s.count * s.width)), codebook(0, random.normals(s.words * s.width, 0.3f));
  const Result each = run(lexvla_token_activations, s, 0, tokens, codebook, 1);
  Output<float> pooled(s.words);
  Output<int32_t> winners(s.words);
  const lexvla_exec exec = cpu(1);
  REQUIRE_OK(lexvla_project_max_forward(
      &exec, 0, tokens.data(), nullptr, codebook.data(), 1, s.count, s.width, s.words, pooled.data(), winners.data()));
  for (int64_t v = 0; v < s.words; ++v) {
    double most = 0;
    for (int64_t i = 0; i < s.count; ++i) most = std::max(most, double{each.activations[i * s.words + v]} * each.norms[i]);
    const double expected = pooled[v] >= 0 ? pooled[v] + 1.0 : std::exp(double{pooled[v]});
    CHECK(within(most, expected, expected * 12 * kUnit));
  }
}

TEST_CASE("token_activations: threads, NaN, sizes of 0") {
  Random random("tokens threads");
  const Shape s{1500, 40, 70};
  std::vector<float> values = random.normals(s.count * s.width);
  values[7 * s.width + 3] = kNaN;
  const Elements tokens(1, values), codebook(1, random.normals(s.words * s.width));
  const Result one = run(lexvla_token_activations, s, 1, tokens, codebook, 1);
  for (const int threads : {2, 3, 0}) {
    const Result more = run(lexvla_token_activations, s, 1, tokens, codebook, threads);
    CHECK(one.activations.same_bits(more.activations));
    CHECK(one.norms.same_bits(more.norms));
  }
  for (int64_t i = 0; i < s.count; ++i) REQUIRE(std::isnan(one.norms[i]) == (i == 7));
  for (int64_t v = 0; v < s.words; ++v) CHECK(std::isnan(one.activations[7 * s.words + v]));

  const Elements none(0, {});
  const Result no_width = run(lexvla_token_activations, {2, 0, 4}, 0, none, none, 1);
  for (int64_t i = 0; i < 8; ++i) CHECK(no_width.activations[i] == 0.5f);
  const Result no_words = run(lexvla_token_activations, {2, 3, 0}, 0, Elements(0, random.normals(6)), none, 1);
  CHECK((no_words.norms[0] == 0 && no_words.norms[1] == 0));
}
