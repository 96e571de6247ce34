/* Shapes that meet every branch of the tensor-core kernels: rows at multiples of 16 bytes, tiles that images end in. */
#include <algorithm>
#include <cstdlib>

#include "csr.h"

using namespace lexvla::tests;

namespace {

struct Shape {
  int64_t images, count, width, words;
};

/** What the elements are, and how they are multiplied. */
struct Kind {
  int32_t type, math;

  /** What rounding the elements may do to a sum of products of these magnitudes. */
  double rounding(double magnitude) const { return math == LEXVLA_MATH_TF32 ? magnitude * (0x1p-10 + 0x1p-22) : 0; }
  lexvla_exec exec() const {
    lexvla_exec exec = cpu(1);
    exec.math = math;
    return exec;
  }
};

const Kind kKinds[] = {{LEXVLA_BFLOAT16, LEXVLA_MATH_FLOAT32}, {LEXVLA_FLOAT16, LEXVLA_MATH_FLOAT32}, {LEXVLA_FLOAT32, LEXVLA_MATH_TF32}};

// One image and part of a tile; images over tile ends; texts; ranges of images and groups of word tiles; depth below a
// stage, ragged, and over many stages.
const Shape kShapes[] = {{1, 257, 64, 150}, {5, 257, 104, 131}, {3, 256, 128, 257}, {300, 1, 72, 140}, {9, 100, 8, 300}, {2, 700, 40, 64},
    {1, 33, 1000, 200}, {33, 7, 136, 129},
    // A tile that is an image, on Hopper.
    {1, 257, 72, 300}, {2, 260, 64, 400}, {1, 264, 136, 520}, {3, 200, 64, 700},
    // Tiles that clusters share along the depth, alone and after whole ones; of an image, of several, of texts.
    {1, 257, 520, 150}, {1, 200, 528, 700}, {3, 300, 520, 140}, {5, 1, 1032, 130}};

}  // namespace

TEST_CASE("tensor cores: scores within the rounding of sums, winners by their true score") {
  Random random("tensor cores");
  for (const Shape &s : kShapes) {
    for (const Kind &kind : kKinds) {
      // Masks have nothing to do with types.
      const bool masked = kind.type == kKinds[(&s - kShapes) % 3].type;
      CAPTURE(kind.type);
      CAPTURE(s.images);
      CAPTURE(s.count);
      CAPTURE(s.width);
      CAPTURE(s.words);
      const Elements tokens(kind.type, random.normals(s.images * s.count * s.width));
      const Elements codebook(kind.type, random.normals(s.words * s.width));
      std::vector<uint8_t> mask(s.images * s.count, 1);
      for (uint8_t &m : mask) m = !masked || random.chance(0.7);
      for (int64_t p = 0; masked && p < s.count; ++p) mask[(s.images - 1) * s.count + p] = 0;
      const Input<uint8_t> given(mask);
      Output<float> scores(s.images * s.words);
      Output<int32_t> winners(s.images * s.words);
      const lexvla_exec exec = kind.exec();
      REQUIRE_OK(lexvla_project_max_forward(&exec, kind.type, tokens.data(), masked ? given.data() : nullptr, codebook.data(),
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
            allowance = std::max(allowance, sum_error(s.width, magnitude) + kind.rounding(magnitude));
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
    for (const Kind &kind : kKinds) {
      CAPTURE(kind.type);
      const Elements tokens(kind.type, random.integers(s.images * s.count * s.width, 1));
      const Elements codebook(kind.type, random.integers(s.words * s.width, 1));
      Output<float> scores(s.images * s.words), truth(s.images * s.words);
      Output<int32_t> winners(s.images * s.words), true_winners(s.images * s.words);
      const lexvla_exec exec = kind.exec();
      REQUIRE_OK(lexvla_project_max_forward(&exec, kind.type, tokens.data(), nullptr, codebook.data(), s.images, s.count, s.width,
          s.words, scores.data(), winners.data()));
      REQUIRE_OK(lexvla_reference_project_max_forward(&exec, kind.type, tokens.data(), nullptr, codebook.data(), s.images, s.count,
          s.width, s.words, truth.data(), true_winners.data()));
      CHECK(scores.same_bits(truth));
      CHECK(winners.same_bits(true_winners));
    }
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
  for (const Kind &kind : kKinds) {
    CAPTURE(kind.type);
    const Elements tokens(kind.type, values), codebook(kind.type, codes);
    Output<float> scores(s.images * s.words);
    Output<int32_t> winners(s.images * s.words);
    const lexvla_exec exec = kind.exec();
    REQUIRE_OK(lexvla_project_max_forward(&exec, kind.type, tokens.data(), nullptr, codebook.data(), s.images, s.count, s.width,
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
}

TEST_CASE("tensor cores: TF32 rounds to nearest, what does not fit keeps float32") {
  // 1 + 2^-11 is half way between two numbers of TF32: what is beyond goes up, what is not goes down.
  const int64_t width = 64;
  std::vector<float> values(width, 0.0f);
  values[0] = 1 + 0x1p-11f + 0x1p-23f;
  values[1] = 1 + 0x1p-11f - 0x1p-23f;
  std::vector<float> codes(2 * width, 0.0f);
  codes[0] = codes[width + 1] = 1;
  const Elements tokens(LEXVLA_FLOAT32, values), codebook(LEXVLA_FLOAT32, codes);
  Output<float> scores(2);
  lexvla_exec exec = cpu(1);
  const auto run = [&](int64_t of_width) {
    REQUIRE_OK(lexvla_project_max_forward(
        &exec, LEXVLA_FLOAT32, tokens.data(), nullptr, codebook.data(), 1, 1, of_width, of_width == width ? 2 : 1, scores.data(), nullptr));
  };
  run(width);
  CHECK((scores[0] == values[0] && scores[1] == values[1]));
  exec.math = LEXVLA_MATH_TF32;
  run(width);
  const char *const aligned = std::getenv("LEXVLA_TEST_ALIGNED");
  if (aligned != nullptr && std::string(aligned) == "true") {
    CHECK((scores[0] == 1 + 0x1p-10f && scores[1] == 1));
  } else {
    CHECK((scores[0] == values[0] && scores[1] == values[1]));
  }
  run(width - 1);
  CHECK(scores[0] == values[0]);
}

TEST_CASE("tensor cores: codebook gradients from tokens brought along are those that are gathered, bit by bit") {
  Random random("brought");
  // More words than a block owns; ragged slices of columns; one token more and less than is brought along.
  for (const Shape &s : {Shape{3, 257, 40, 1030}, Shape{5, 16, 72, 130}, Shape{1, 17, 32, 9}, Shape{2, 15, 40, 20}}) {
    for (const Kind &kind : kKinds) {
      for (const bool add : {false, true}) {
        CAPTURE(kind.type);
        CAPTURE(s.count);
        std::vector<int32_t> chosen(s.images * s.words);
        for (int32_t &w : chosen) w = random.chance(0.1) ? -1 : static_cast<int32_t>(random.below(s.count));
        const Elements tokens(kind.type, random.normals(s.images * s.count * s.width));
        const Elements codebook(kind.type, random.normals(s.words * s.width));
        const Input<float> grads(random.normals(s.images * s.words));
        const Input<int32_t> winners(chosen);
        Output<float> grad_codebook(add ? random.normals(s.words * s.width) : std::vector<float>(s.words * s.width, kNaN));
        std::vector<float> expected(s.words * s.width);
        for (int64_t i = 0; add && i < s.words * s.width; ++i) expected[i] = grad_codebook[i];
        for (int64_t b = 0; b < s.images; ++b) {
          for (int64_t v = 0; v < s.words; ++v) {
            const int64_t p = chosen[b * s.words + v];
            for (int64_t k = 0; p >= 0 && k < s.width; ++k) {
              float &sum = expected[v * s.width + k];
              sum = std::fma(grads[b * s.words + v], static_cast<float>(tokens[(b * s.count + p) * s.width + k]), sum);
            }
          }
        }
        const lexvla_exec exec = kind.exec();
        REQUIRE_OK(lexvla_project_max_backward(&exec, kind.type, grads.data(), winners.data(), tokens.data(), codebook.data(), s.images,
            s.count, s.width, s.words, nullptr, grad_codebook.data(), add));
        CHECK(std::memcmp(&grad_codebook[0], expected.data(), expected.size() * 4) == 0);
      }
    }
  }
}

TEST_CASE("tensor cores: token gradients from a codebook brought along, however unequally tokens win") {
  Random random("brought tokens");
  // 8, 4 and 2 images that share the codebook, and none; ragged groups of images, slices of columns, stretches of words.
  for (const Shape &s : {Shape{9, 5, 40, 1100}, Shape{5, 150, 24, 512}, Shape{5, 257, 40, 1300}, Shape{2, 900, 24, 600}}) {
    for (const Kind &kind : kKinds) {
      CAPTURE(kind.type);
      CAPTURE(s.count);
      std::vector<int32_t> chosen(s.images * s.words);
      for (int64_t b = 0; b < s.images; ++b) {
        for (int64_t v = 0; v < s.words; ++v) {
          const double u = static_cast<double>(random.below(1000000)) / 1e6, count = static_cast<double>(s.count);
          int32_t &winner = chosen[b * s.words + v];
          if (b % 5 == 0) winner = static_cast<int32_t>(u * count);                              // all about as often
          if (b % 5 == 1) winner = static_cast<int32_t>(s.count - 1);                            // one wins everything
          if (b % 5 == 2) winner = u < 0.05 ? -1 : static_cast<int32_t>(u * u * u * u * count);  // a few win most, some words none
          if (b % 5 == 3) winner = v >= 512 && v < 1024 ? -1 : static_cast<int32_t>((s.words - 1 - v) % s.count);
          if (b % 5 == 4) winner = u < 0.97 ? -1 : static_cast<int32_t>(u * count);              // as after a filter
        }
      }
      const Input<int32_t> winners(chosen);
      for (const bool exact : {true, false}) {
        const auto values = [&](int64_t n) { return exact ? random.integers(n, 2) : random.normals(n); };
        const Elements tokens(kind.type, values(s.images * s.count * s.width)), codebook(kind.type, values(s.words * s.width));
        const Input<float> grads(values(s.images * s.words));
        std::vector<float> sizes(grads.data(), grads.data() + grads.size());
        for (float &x : sizes) x = std::fabs(x);
        const Input<float> absolute(sizes);
        const int64_t n = s.images * s.count * s.width;
        Output<float> grad_tokens(n), again(n), truth(n), size(n);
        const lexvla_exec exec = kind.exec();
        const auto run = [&](auto function, const Elements &codes, const Input<float> &of, int64_t first, int64_t images, float *out) {
          REQUIRE_OK(function(&exec, kind.type, of.data() + first * s.words, winners.data() + first * s.words, tokens.data(), codes.data(),
              images, s.count, s.width, s.words, out, nullptr, 0));
        };
        run(lexvla_project_max_backward, codebook, grads, 0, s.images, grad_tokens.data());
        run(lexvla_reference_project_max_backward, codebook, grads, 0, s.images, truth.data());
        run(lexvla_reference_project_max_backward, codebook.magnitudes(), absolute, 0, s.images, size.data());
        grad_tokens.check_written();
        CHECK(first_beyond(grad_tokens, truth, n, [&](int64_t i) { return exact ? 0.0 : sum_error(s.words, size[i]); }) == -1);
        // In whatever company, the same bits.
        for (int64_t b = 0; b < s.images; b += 2) {
          run(lexvla_project_max_backward, codebook, grads, b, std::min<int64_t>(2, s.images - b), again.data() + b * s.count * s.width);
        }
        CHECK(again.same_bits(grad_tokens));
      }
    }
  }
}

TEST_CASE("tensor cores: products of sparse rows, laid out densely where there are enough") {
  Random random("tensor cores csr");
  const int64_t words = 210;
  for (const double density : {0.001, 0.1, 0.5}) {
    CAPTURE(density);
    // Slices; more than a tile of both; infinities where a product must be walked.
    Csr a = random_csr(random, 131, words, 0.1, 3), b = random_csr(random, 140, words, density, 5);
    std::vector<float> weights(b.weights.data(), b.weights.data() + b.weights.size());
    if (density == 0.5) weights[weights.size() / 2] = kInf;
    b.weights = Input<float>(weights);
    Output<float> products(a.rows * b.rows), plain(a.rows * b.rows), truth(a.rows * b.rows), size(a.rows * b.rows);
    const auto multiply = [&](auto function, int32_t math, const Csr &x, const Csr &y, Output<float> &out) {
      lexvla_exec exec = cpu(1);
      exec.math = math;
      REQUIRE_OK(function(&exec, x.offsets.data(), x.ids.data(), x.weights.data(), x.rows, y.offsets.data(), y.ids.data(), y.weights.data(),
          y.rows, words, out.data()));
    };
    multiply(lexvla_csr_dot, LEXVLA_MATH_TF32, a, b, products);
    multiply(lexvla_csr_dot, LEXVLA_MATH_FLOAT32, a, b, plain);
    multiply(lexvla_reference_csr_dot, LEXVLA_MATH_FLOAT32, a, b, truth);
    multiply(lexvla_reference_csr_dot, LEXVLA_MATH_FLOAT32, a.magnitudes(), b.magnitudes(), size);
    products.check_written();
    CHECK(first_beyond(products, truth, truth.size(), [&](int64_t i) { return sum_error(words, size[i]) + kKinds[2].rounding(size[i]); }) == -1);
    CHECK(products.same_bits(plain) == (density == 0.001));
  }
}
