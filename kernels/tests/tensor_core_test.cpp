/* Shapes that meet every branch of the tensor-core kernels: rows at multiples of 16 bytes, tiles that images end in. */
#include "support.h"

using namespace lexvla::tests;

namespace {

struct Shape {
  int64_t images, count, width, words;
};

// One image and part of a tile; images over tile ends; texts; ranges of images and groups of word tiles; depth below a
// stage, ragged, and over many stages.
const Shape kShapes[] = {{1, 257, 64, 150}, {5, 257, 104, 131}, {3, 256, 128, 257}, {300, 1, 72, 140}, {9, 100, 8, 300}, {2, 700, 40, 64},
    {1, 33, 1000, 200}, {33, 7, 136, 129},
    // A tile that is an image, on Hopper.
    {1, 257, 72, 300}, {2, 260, 64, 400}, {1, 264, 136, 520}, {3, 200, 64, 700}};

}  // namespace

TEST_CASE("tensor cores: scores of bfloat16 within the rounding of sums, winners by their true score") {
  Random random("tensor cores");
  for (const Shape &s : kShapes) {
    for (const bool masked : {false, true}) {
      CAPTURE(s.images);
      CAPTURE(s.count);
      CAPTURE(s.width);
      CAPTURE(s.words);
      const Elements tokens(LEXVLA_BFLOAT16, random.normals(s.images * s.count * s.width));
      const Elements codebook(LEXVLA_BFLOAT16, random.normals(s.words * s.width));
      std::vector<uint8_t> mask(s.images * s.count, 1);
      for (uint8_t &m : mask) m = !masked || random.chance(0.7);
      for (int64_t p = 0; masked && p < s.count; ++p) mask[(s.images - 1) * s.count + p] = 0;
      const Input<uint8_t> given(mask);
      Output<float> scores(s.images * s.words);
      Output<int32_t> winners(s.images * s.words);
      const lexvla_exec exec = cpu(1);
      REQUIRE_OK(lexvla_project_max_forward(&exec, LEXVLA_BFLOAT16, tokens.data(), masked ? given.data() : nullptr, codebook.data(),
          s.images, s.count, s.width, s.words, scores.data(), winners.data()));
      scores.check_written();
      winners.check_written();
      int64_t wrong = 0;
      for (int64_t b = 0; b < s.images; ++b) {
        for (int64_t v = 0; v < s.words; ++v) {
          const int64_t winner = winners[b * s.words + v];
          const float score = scores[b * s.words + v];
          double best = -INFINITY, allowance = 0, chosen = -INFINITY;
          for (int64_t p = 0; p < s.count; ++p) {
            if (mask[b * s.count + p] == 0) continue;
            double sum = 0, magnitude = 0;
            for (int64_t k = 0; k < s.width; ++k) {
              const double product = tokens[(b * s.count + p) * s.width + k] * codebook[v * s.width + k];
              sum += product;
              magnitude += std::fabs(product);
            }
            best = std::max(best, sum);
            allowance = std::max(allowance, sum_error(s.width, magnitude));
            if (p == winner) chosen = sum;
          }
          const bool none = best == -INFINITY;
          wrong += none ? winner != -1 || score != -kInf : !(std::fabs(score - chosen) <= allowance && chosen >= best - 2 * allowance);
        }
      }
      CHECK(wrong == 0);
    }
  }
}

TEST_CASE("tensor cores: exact sums give the reference bit by bit, ties included, in every image of every tile") {
  Random random("tensor cores exact");
  for (const Shape &s : kShapes) {
    const Elements tokens(LEXVLA_BFLOAT16, random.integers(s.images * s.count * s.width, 1));
    const Elements codebook(LEXVLA_BFLOAT16, random.integers(s.words * s.width, 1));
    Output<float> scores(s.images * s.words), truth(s.images * s.words);
    Output<int32_t> winners(s.images * s.words), true_winners(s.images * s.words);
    const lexvla_exec exec = cpu(1);
    REQUIRE_OK(lexvla_project_max_forward(&exec, LEXVLA_BFLOAT16, tokens.data(), nullptr, codebook.data(), s.images, s.count, s.width,
        s.words, scores.data(), winners.data()));
    REQUIRE_OK(lexvla_reference_project_max_forward(&exec, LEXVLA_BFLOAT16, tokens.data(), nullptr, codebook.data(), s.images, s.count,
        s.width, s.words, truth.data(), true_winners.data()));
    CHECK(scores.same_bits(truth));
    CHECK(winners.same_bits(true_winners));
  }
}

TEST_CASE("tensor cores: NaN and infinities, among tokens that a tile only fills up with") {
  Random random("tensor cores NaN");
  const Shape s{4, 130, 64, 140};
  std::vector<float> values = random.normals(s.images * s.count * s.width);
  values[(1 * s.count + 129) * s.width + 7] = kNaN;
  values[(2 * s.count + 5) * s.width] = kInf;
  std::vector<float> codes = random.normals(s.words * s.width);
  for (float &x : codes) x = std::fabs(x) + 0.5f;
  codes[139 * s.width] = kNaN;
  const Elements tokens(LEXVLA_BFLOAT16, values), codebook(LEXVLA_BFLOAT16, codes);
  Output<float> scores(s.images * s.words);
  Output<int32_t> winners(s.images * s.words);
  const lexvla_exec exec = cpu(1);
  REQUIRE_OK(lexvla_project_max_forward(&exec, LEXVLA_BFLOAT16, tokens.data(), nullptr, codebook.data(), s.images, s.count, s.width,
      s.words, scores.data(), winners.data()));
  for (int64_t v = 0; v < s.words; ++v) {
    for (int64_t b = 0; b < s.images; ++b) {
      const float score = scores[b * s.words + v];
      const int32_t winner = winners[b * s.words + v];
      if (v == 139) {
        CHECK((std::isnan(score) && winner == 0));
      } else if (b == 1) {
        CHECK((std::isnan(score) && winner == 129));
      } else if (b == 2) {
        CHECK((score == kInf && winner == 5));
      } else {
        CHECK(std::isfinite(score));
      }
    }
  }
}
