#include <algorithm>

#include "support.h"

using namespace lexvla::tests;

namespace {

const Covers covers("project_max_forward_screened"), covers_screen("screen_codebook"), covers_bytes("screen_codebook_bytes");

struct Shape {
  int64_t images, count, width, words;
};

const Shape kShapes[] = {{1, 1, 1, 1}, {2, 3, 5, 7}, {3, 70, 193, 217}, {1, 257, 64, 33}, {5, 13, 300, 65}, {67, 1, 31, 19},
    {1, 1201, 9, 40}, {1, 30, 1601, 40}, {4, 6, 256, 64}};

struct Problem {
  Shape shape;
  int32_t type;
  Elements tokens, codebook;
  std::vector<uint8_t> mask;  // empty: none
};

struct Result {
  Output<float> scores;
  Output<int32_t> winners;
  int64_t recomputed = -1;
};

std::vector<uint8_t> screen_of(const Problem &problem, int threads) {
  const lexvla_exec exec = cpu(threads);
  int64_t bytes = -1;
  REQUIRE_OK(lexvla_screen_codebook_bytes(&exec, problem.type, problem.shape.width, problem.shape.words, &bytes));
  std::vector<uint8_t> memory(bytes + 1);
  REQUIRE_OK(lexvla_screen_codebook(
      &exec, problem.type, problem.codebook.data(), problem.shape.width, problem.shape.words, bytes, memory.data() + 1));
  return memory;
}

Result run(const Problem &problem, float floor, float deviations, int threads = 1) {
  const Shape &s = problem.shape;
  Result result{Output<float>(s.images * s.words), Output<int32_t>(s.images * s.words)};
  const std::vector<uint8_t> screen = screen_of(problem, threads);
  const Input<uint8_t> mask(problem.mask);
  const lexvla_exec exec = cpu(threads);
  REQUIRE_OK(lexvla_project_max_forward_screened(&exec, problem.type, problem.tokens.data(), problem.mask.empty() ? nullptr : mask.data(),
      problem.codebook.data(), screen.data() + 1, static_cast<int64_t>(screen.size()) - 1, s.images, s.count, s.width, s.words, floor,
      deviations, result.scores.data(), result.winners.data(), &result.recomputed));
  result.scores.check_written();
  result.winners.check_written();
  return result;
}

bool masked(const Problem &problem, int64_t b, int64_t p) { return !problem.mask.empty() && problem.mask[b * problem.shape.count + p] == 0; }

/** What a vector becomes in 8 bits, as kernels.h says, in double. */
struct Bits {
  std::vector<double> numbers;
  double step, norm = 0, error = 0;
  Bits(const Elements &all, int64_t row, int64_t width) : numbers(width) {
    double largest = 0;
    for (int64_t k = 0; k < width; ++k) largest = std::max(largest, std::fabs(all[row * width + k]));
    step = largest / 127;
    for (int64_t k = 0; k < width; ++k) {
      const double x = all[row * width + k];
      numbers[k] = step > 0 ? std::nearbyint(x / step) : 0;
      norm += x * x;
      error += (x - step * numbers[k]) * (x - step * numbers[k]);
    }
    norm = std::sqrt(norm);
    error = std::sqrt(error);
  }
};

/**
 * Judges every result by the true scores: what reaches the floor is right but for rounding, what does not is truly below
 * it, and nowhere off by more than two margins of the proof, or `excess` of them where it is none.
 */
void check(const Problem &problem, const Result &result, float floor) {
  const Shape &s = problem.shape;
  int64_t wrong = 0, again = 0;
  std::vector<Bits> words;
  for (int64_t v = 0; v < s.words; ++v) words.emplace_back(problem.codebook, v, s.width);
  for (int64_t b = 0; b < s.images; ++b) {
    std::vector<Bits> tokens;
    for (int64_t p = 0; p < s.count; ++p) tokens.emplace_back(problem.tokens, b * s.count + p, s.width);
    for (int64_t v = 0; v < s.words; ++v) {
      const int64_t i = b * s.words + v, winner = result.winners[i];
      double best = -INFINITY, chosen = NAN, allowance = 0, margin = 0;
      for (int64_t p = 0; p < s.count; ++p) {
        if (masked(problem, b, p)) continue;
        double score = 0, magnitude = 0;
        for (int64_t k = 0; k < s.width; ++k) {
          const double product = problem.tokens[(b * s.count + p) * s.width + k] * problem.codebook[v * s.width + k];
          score += product;
          magnitude += std::fabs(product);
        }
        best = std::max(best, score);
        if (p == winner) chosen = score;
        allowance = std::max(allowance, sum_error(s.width, magnitude));
        margin = std::max(margin, tokens[p].error * words[v].norm + words[v].error * tokens[p].norm);
      }
      bool right;
      if (best == -INFINITY) {
        right = winner == -1 && result.scores[i] == -kInf;
      } else if (winner < 0 || winner >= s.count || masked(problem, b, winner)) {
        right = false;
      } else if (result.scores[i] >= floor) {
        right = within(result.scores[i], chosen, allowance) && chosen >= best - 2 * allowance;
        ++again;
      } else {
        right = best < floor + allowance && within(result.scores[i], best, 2.001 * margin + 1e-4 * std::fabs(best));
      }
      if (!right && wrong++ == 0) {
        MESSAGE("image ", b, " word ", v, ": score ", result.scores[i], " of token ", winner, " truly ", chosen, ", truth ", best);
      }
    }
  }
  CHECK(wrong == 0);
  CHECK(result.recomputed >= again);
}

Problem random_problem(Random &random, const Shape &s, int32_t type) {
  // Tokens of an image resemble each other, as those of a picture do.
  std::vector<float> tokens = random.normals(s.images * s.count * s.width);
  for (int64_t b = 0; b < s.images; ++b) {
    const std::vector<float> common = random.normals(s.width);
    for (int64_t i = 0; i < s.count * s.width; ++i) tokens[b * s.count * s.width + i] += common[i % s.width];
  }
  return {s, type, Elements(type, tokens), Elements(type, random.normals(s.words * s.width)), {}};
}

}  // namespace

TEST_CASE("project_max_forward_screened: with the proof, right for every shape, type, mask and floor") {
  Random random("screened proof");
  for (const int32_t type : {LEXVLA_FLOAT32, LEXVLA_BFLOAT16}) {
    for (const Shape &s : kShapes) {
      CAPTURE(type);
      CAPTURE(s.count);
      CAPTURE(s.width);
      Problem problem = random_problem(random, s, type);
      const float likely = 2 * std::sqrt(static_cast<float>(s.width));  // within the range of the scores
      check(problem, run(problem, -kInf, kInf), -kInf);
      check(problem, run(problem, likely, kInf), likely);
      problem.mask.resize(s.images * s.count);
      for (int64_t b = 0; b < s.images; ++b) {
        for (int64_t p = 0; p < s.count; ++p) problem.mask[b * s.count + p] = b % 3 != 1 && random.chance(0.5) ? 255 : 0;
      }
      check(problem, run(problem, -kInf, kInf), -kInf);
      check(problem, run(problem, likely, kInf), likely);
    }
  }
}

TEST_CASE("project_max_forward_screened: six deviations let no winner slip, and far fewer tokens through") {
  Random random("screened likely");
  for (const int32_t type : {LEXVLA_FLOAT32, LEXVLA_BFLOAT16}) {
    const Problem problem = random_problem(random, {2, 100, 1024, 70}, type);
    const Result proof = run(problem, -kInf, kInf), likely = run(problem, -kInf, 6);
    check(problem, likely, -kInf);
    CHECK(likely.recomputed >= 2 * 70);
    CHECK(2 * likely.recomputed < proof.recomputed);
  }
}

TEST_CASE("project_max_forward_screened: tokens as a vision transformer's, few directions and a few large channels") {
  Random random("screened features");
  const Shape s{2, 120, 512, 60};
  const int64_t factors = 8;
  const std::vector<float> directions = random.normals(factors * s.width);
  for (const float outliers : {30.0f, 1000.0f}) {
    CAPTURE(outliers);
    const auto features = [&](int64_t rows) {
      std::vector<float> out = random.normals(rows * s.width, 0.3f);
      for (int64_t r = 0; r < rows; ++r) {
        const std::vector<float> weights = random.normals(factors);
        for (int64_t k = 0; k < s.width; ++k) {
          float &x = out[r * s.width + k];
          for (int64_t f = 0; f < factors; ++f) x += weights[f] * directions[f * s.width + k];
          if (k % 128 == 7) x *= outliers;
        }
      }
      return out;
    };
    // Words alike too: what the 8 bits leave out of a token is then not unrelated to the word, and only the proof holds.
    const std::vector<float> tokens = features(s.images * s.count);
    for (const bool alike : {false, true}) {
      const Problem problem{s, LEXVLA_FLOAT32, Elements(LEXVLA_FLOAT32, tokens),
          Elements(LEXVLA_FLOAT32, alike ? features(s.words) : random.normals(s.words * s.width)), {}};
      check(problem, run(problem, -kInf, kInf), -kInf);
      if (!alike) check(problem, run(problem, -kInf, 6), -kInf);
    }
  }
}

TEST_CASE("project_max_forward_screened: below the floor, the score is that of the 8 bits") {
  Random random("screened bits");
  const Problem problem = random_problem(random, {2, 5, 777, 37}, LEXVLA_FLOAT32);
  const Result result = run(problem, kInf, 0);
  CHECK(result.recomputed == 0);
  for (int64_t b = 0; b < 2; ++b) {
    for (int64_t v = 0; v < 37; ++v) {
      const Bits word(problem.codebook, v, 777);
      double best = -INFINITY;
      for (int64_t p = 0; p < 5; ++p) {
        const Bits token(problem.tokens, b * 5 + p, 777);
        double sum = 0;
        for (int64_t k = 0; k < 777; ++k) sum += token.numbers[k] * word.numbers[k];
        best = std::max(best, sum * token.step * word.step);
      }
      // A number may round the other way where it is halfway in double but not in float32: one unit of one element.
      CHECK(within(result.scores[b * 37 + v], best, 1e-5 * std::fabs(best) + 127 * word.step * 0.1));
    }
  }
}

TEST_CASE("project_max_forward_screened: equal tokens tie, and the first wins") {
  Random random("screened ties");
  const Shape s{2, 600, 50, 40};
  const std::vector<float> token = random.normals(s.width);
  std::vector<float> tokens;
  for (int64_t i = 0; i < s.images * s.count; ++i) tokens.insert(tokens.end(), token.begin(), token.end());
  const Problem problem{s, LEXVLA_FLOAT32, Elements(LEXVLA_FLOAT32, tokens), Elements(LEXVLA_FLOAT32, random.normals(s.words * s.width)), {}};
  for (const float floor : {-kInf, kInf}) {
    const Result result = run(problem, floor, 0);
    for (int64_t i = 0; i < result.winners.size(); ++i) REQUIRE(result.winners[i] == 0);
  }
}

TEST_CASE("project_max_forward_screened: NaN, infinities, huge, tiny and 0 as in project_max_forward") {
  Random random("screened special");
  for (const int32_t type : {LEXVLA_FLOAT32, LEXVLA_BFLOAT16}) {
    for (const float deviations : {6.0f, kInf}) {
      const Shape s{1, 20, 40, 36};
      std::vector<float> tokens = random.normals(s.count * s.width), codebook = random.normals(s.words * s.width);
      const auto scale = [&](std::vector<float> &all, int64_t row, float by) {
        for (int64_t k = 0; k < s.width; ++k) all[row * s.width + k] *= by;
      };
      tokens[2 * s.width + 7] = kInf;
      scale(tokens, 4, 1e20f);
      scale(tokens, 5, 1e-25f);
      scale(tokens, 6, 0);
      codebook[3 * s.width + 1] = kNaN;
      codebook[5 * s.width + 2] = -kInf;
      scale(codebook, 7, 1e-30f);
      scale(codebook, 8, 0);
      scale(codebook, 9, 1e16f);
      Problem problem{s, type, Elements(type, tokens), Elements(type, codebook), {}};
      for (const bool nan : {false, true}) {
        if (nan) {
          tokens[9 * s.width + 3] = kNaN;
          problem.tokens = Elements(type, tokens);
        }
        const Result result = run(problem, -kInf, deviations);
        Output<float> scores(s.words);
        Output<int32_t> winners(s.words);
        const lexvla_exec exec = cpu(1);
        REQUIRE_OK(lexvla_reference_project_max_forward(&exec, type, problem.tokens.data(), nullptr, problem.codebook.data(), 1, s.count,
            s.width, s.words, scores.data(), winners.data()));
        for (int64_t v = 0; v < s.words; ++v) {
          CAPTURE(v);
          double magnitude = 0;  // of the sum that won
          for (int64_t k = 0; k < s.width; ++k) {
            magnitude += std::fabs(problem.tokens[winners[v] * s.width + k] * problem.codebook[v * s.width + k]);
          }
          CHECK(within(result.scores[v], scores[v], 2 * sum_error(s.width, magnitude)));
          CHECK(result.winners[v] == winners[v]);
        }
      }
    }
  }
}

TEST_CASE("project_max_forward_screened: bitwise the same with any number of threads") {
  Random random("screened threads");
  const Problem problem = random_problem(random, {5, 33, 300, 257}, LEXVLA_BFLOAT16);
  const Result one = run(problem, 30, 6, 1);
  for (const int threads : {2, 3, 0}) {
    const Result more = run(problem, 30, 6, threads);
    CHECK(one.scores.same_bits(more.scores));
    CHECK(one.winners.same_bits(more.winners));
    CHECK(one.recomputed == more.recomputed);
  }
}

TEST_CASE("project_max_forward_screened: sizes of 0, and what is refused") {
  Random random("screened refused");
  Result result = run({{2, 0, 5, 3}, LEXVLA_FLOAT32, Elements(0, {}), Elements(0, random.normals(15)), {}}, -kInf, 6);
  for (int64_t i = 0; i < 6; ++i) CHECK((result.scores[i] == -kInf && result.winners[i] == -1));
  result = run({{2, 4, 0, 3}, LEXVLA_FLOAT32, Elements(0, {}), Elements(0, {}), {}}, -kInf, 6);
  for (int64_t i = 0; i < 6; ++i) CHECK((result.scores[i] == 0 && result.winners[i] == 0));
  run({{0, 4, 2, 3}, LEXVLA_FLOAT32, Elements(0, {}), Elements(0, random.normals(6)), {}}, -kInf, 6);
  run({{2, 1, 2, 0}, LEXVLA_FLOAT32, Elements(0, random.normals(4)), Elements(0, {}), {}}, -kInf, 6);

  const Problem problem = random_problem(random, {1, 2, 40, 70}, LEXVLA_FLOAT32);
  std::vector<uint8_t> screen = screen_of(problem, 1);
  const int64_t bytes = static_cast<int64_t>(screen.size()) - 1;
  const lexvla_exec exec = cpu(1);
  std::vector<float> scores(70);
  const auto refused = [&](int32_t status, int32_t expected, const char *part) {
    INFO(last_error());
    CHECK(status == expected);
    CHECK(last_error().find(part) != std::string::npos);
  };
  const auto forward = [&](const void *from, int64_t width, float floor, float deviations) {
    return lexvla_project_max_forward_screened(&exec, LEXVLA_FLOAT32, problem.tokens.data(), nullptr, problem.codebook.data(), from, bytes, 1,
        2, width, 70, floor, deviations, scores.data(), nullptr, nullptr);
  };
  REQUIRE(forward(screen.data() + 1, 40, 0, 6) == LEXVLA_OK);
  refused(forward(screen.data() + 1, 39, 0, 6), LEXVLA_INVALID_ARGUMENT, "70 words of width 40; asked for");
  refused(forward(nullptr, 40, 0, 6), LEXVLA_INVALID_ARGUMENT, "packed is NULL");
  refused(forward(problem.codebook.data(), 40, 0, 6), LEXVLA_INVALID_ARGUMENT, "no packed codebook");
  refused(forward(screen.data() + 1, 40, kNaN, 6), LEXVLA_INVALID_ARGUMENT, "floor is NaN");
  refused(forward(screen.data() + 1, 40, 0, -1), LEXVLA_INVALID_ARGUMENT, "deviations is -1");
  refused(forward(screen.data() + 1, 40, 0, kNaN), LEXVLA_INVALID_ARGUMENT, "deviations is nan");
  int64_t size = 0;
  refused(lexvla_screen_codebook_bytes(&exec, LEXVLA_FLOAT32, 65537, 70, &size), LEXVLA_INVALID_ARGUMENT, "width is 65537, limit 65536");
  refused(lexvla_screen_codebook(&exec, LEXVLA_FLOAT32, problem.codebook.data(), 40, 70, 9, screen.data()), LEXVLA_CAPACITY, "capacity is 9");
  // A packed codebook is no screen, nor a screen a packed codebook.
  REQUIRE_OK(lexvla_packed_codebook_bytes(&exec, LEXVLA_FLOAT32, 40, 70, &size));
  std::vector<uint8_t> packed(size);
  REQUIRE_OK(lexvla_pack_codebook(&exec, LEXVLA_FLOAT32, problem.codebook.data(), 40, 70, size, packed.data()));
  refused(lexvla_project_max_forward_screened(&exec, LEXVLA_FLOAT32, problem.tokens.data(), nullptr, problem.codebook.data(), packed.data(),
              size, 1, 2, 40, 70, 0, 6, scores.data(), nullptr, nullptr),
      LEXVLA_INVALID_ARGUMENT, "reads layout");
}

TEST_CASE("project_max_forward_screened: the reference needs no screen") {
  Random random("screened reference");
  const Problem problem = random_problem(random, {2, 3, 9, 11}, LEXVLA_FLOAT32);
  const lexvla_exec exec = cpu(1);
  int64_t bytes = 0;
  REQUIRE_OK(lexvla_reference_screen_codebook_bytes(&exec, LEXVLA_FLOAT32, 9, 11, &bytes));
  std::vector<uint8_t> screen(bytes);
  REQUIRE_OK(lexvla_reference_screen_codebook(&exec, LEXVLA_FLOAT32, problem.codebook.data(), 9, 11, bytes, screen.data()));
  Result result{Output<float>(22), Output<int32_t>(22)};
  REQUIRE_OK(lexvla_reference_project_max_forward_screened(&exec, LEXVLA_FLOAT32, problem.tokens.data(), nullptr, problem.codebook.data(),
      screen.data(), bytes, 2, 3, 9, 11, 1, 6, result.scores.data(), result.winners.data(), &result.recomputed));
  CHECK(result.recomputed == 2 * 3 * 11);
  check(problem, result, -kInf);
}
