#include "support.h"

using namespace lexvla::tests;

namespace {

const Covers covers("project_max_forward"), covers_packed("project_max_forward_packed"), covers_pack("pack_codebook"),
    covers_bytes("packed_codebook_bytes");

struct Shape {
  int64_t images, count, width, words;
};

// Ragged, prime, smaller and larger than every tile, panel and block; 1 token; many images of few tokens.
const Shape kShapes[] = {{1, 1, 1, 1}, {2, 3, 5, 7}, {3, 70, 193, 517}, {1, 257, 64, 33}, {5, 13, 300, 65}, {67, 1, 31, 19},
    {2, 530, 17, 131}, {1, 7, 1031, 16}, {90, 29, 8, 128}, {4, 6, 256, 64}, {2, 12, 257, 63},
    {1, 1201, 9, 40}, {1, 30, 901, 40}};

struct Problem {
  Shape shape;
  int32_t type;
  Elements tokens, codebook;
  std::vector<uint8_t> mask;  // empty: none
};

struct Result {
  Output<float> scores;
  Output<int32_t> winners;
};

#if !defined(LEXVLA_TESTS_DEVICE_CALLS_H)
/** The codebook of a problem, packed; at an odd address. */
std::vector<uint8_t> packed(const Problem &problem, int threads) {
  const Shape &s = problem.shape;
  const lexvla_exec exec = cpu(threads);
  int64_t bytes = -1;
  REQUIRE_OK(lexvla_packed_codebook_bytes(&exec, problem.type, s.width, s.words, &bytes));
  std::vector<uint8_t> memory(bytes + 1);
  REQUIRE_OK(lexvla_pack_codebook(&exec, problem.type, problem.codebook.data(), s.width, s.words, bytes, memory.data() + 1));
  return memory;
}
#endif

/** The forward from the codebook as it is; on the host also checked to be the same from a packed one. */
Result run(const Problem &problem, int threads) {
  const Shape &s = problem.shape;
  Result result{Output<float>(s.images * s.words), Output<int32_t>(s.images * s.words)};
  const Input<uint8_t> mask(problem.mask);
  const lexvla_exec exec = cpu(threads);
  REQUIRE_OK(lexvla_project_max_forward(&exec, problem.type, problem.tokens.data(), problem.mask.empty() ? nullptr : mask.data(),
      problem.codebook.data(), s.images, s.count, s.width, s.words, result.scores.data(), result.winners.data()));
  result.scores.check_written();
  result.winners.check_written();
#if !defined(LEXVLA_TESTS_DEVICE_CALLS_H)
  const std::vector<uint8_t> codebook = packed(problem, threads);
  Result again{Output<float>(s.images * s.words), Output<int32_t>(s.images * s.words)};
  REQUIRE_OK(lexvla_project_max_forward_packed(&exec, problem.type, problem.tokens.data(), problem.mask.empty() ? nullptr : mask.data(),
      codebook.data() + 1, static_cast<int64_t>(codebook.size()) - 1, s.images, s.count, s.width, s.words, again.scores.data(),
      again.winners.data()));
  CHECK(result.scores.same_bits(again.scores));
  CHECK(result.winners.same_bits(again.winners));
#endif
  return result;
}

double dot(const Problem &problem, int64_t b, int64_t p, int64_t v, double *magnitude) {
  double sum = 0;
  *magnitude = 0;
  for (int64_t k = 0; k < problem.shape.width; ++k) {
    const double product = problem.tokens[(b * problem.shape.count + p) * problem.shape.width + k] *
                           problem.codebook[v * problem.shape.width + k];
    sum += product;
    *magnitude += std::fabs(product);
  }
  return sum;
}

/** The winner is judged by its true score: it may lose to another only by what rounding allows. */
void check(const Problem &problem, const Result &result) {
  const Shape &s = problem.shape;
  int64_t wrong = 0;
  for (int64_t b = 0; b < s.images; ++b) {
    for (int64_t v = 0; v < s.words; ++v) {
      const int64_t i = b * s.words + v;
      const int64_t winner = result.winners[i];
      double truth = -INFINITY, allowance = 0;
      bool any = false;
      for (int64_t p = 0; p < s.count; ++p) {
        if (!problem.mask.empty() && problem.mask[b * s.count + p] == 0) continue;
        double magnitude;
        const double score = dot(problem, b, p, v, &magnitude);
        any = true;
        truth = std::max(truth, score);
        allowance = std::max(allowance, sum_error(s.width, magnitude));
      }
      bool right;
      if (!any) {
        right = winner == -1 && result.scores[i] == -kInf;
      } else if (winner < 0 || winner >= s.count || (!problem.mask.empty() && problem.mask[b * s.count + winner] == 0)) {
        right = false;
      } else {
        double magnitude;
        const double chosen = dot(problem, b, winner, v, &magnitude);
        right = within(result.scores[i], chosen, sum_error(s.width, magnitude)) && chosen >= truth - 2 * allowance;
      }
      if (!right && wrong++ == 0) {
        MESSAGE("image ", b, " word ", v, ": score ", result.scores[i], " of token ", winner, ", truth ", truth);
      }
    }
  }
  CHECK(wrong == 0);
}

Problem random_problem(Random &random, const Shape &s, int32_t type) {
  return {s, type, Elements(type, random.normals(s.images * s.count * s.width)), Elements(type, random.normals(s.words * s.width)), {}};
}

}  // namespace

TEST_CASE("project_max_forward: random problems of every shape and type") {
  Random random("forward random");
  for (const int32_t type : kTypes) {
    for (const Shape &shape : kShapes) {
      CAPTURE(type);
      CAPTURE(shape.images);
      CAPTURE(shape.count);
      CAPTURE(shape.width);
      CAPTURE(shape.words);
      const Problem problem = random_problem(random, shape, type);
      check(problem, run(problem, 1));
    }
  }
}

TEST_CASE("project_max_forward: the reference passes the same judgement") {
  Random random("forward reference");
  for (const int32_t type : kTypes) {
    Problem problem = random_problem(random, {3, 11, 23, 17}, type);
    problem.mask.assign(33, 1);
    for (int64_t p = 0; p < 11; ++p) problem.mask[11 + p] = 0;
    Result result{Output<float>(51), Output<int32_t>(51)};
    const lexvla_exec exec = cpu(1);
    REQUIRE_OK(lexvla_reference_project_max_forward(&exec, type, problem.tokens.data(), problem.mask.data(), problem.codebook.data(), 3,
        11, 23, 17, result.scores.data(), result.winners.data()));
    check(problem, result);
  }
}

TEST_CASE("project_max_forward: masks, some images without any token") {
  Random random("forward masks");
  for (const int32_t type : kTypes) {
    for (const Shape &shape : kShapes) {
      Problem problem = random_problem(random, shape, type);
      problem.mask.resize(shape.images * shape.count);
      for (int64_t b = 0; b < shape.images; ++b) {
        const double share = b % 3 == 0 ? 0.5 : b % 3 == 1 ? 0.0 : 0.05;
        for (int64_t p = 0; p < shape.count; ++p) problem.mask[b * shape.count + p] = random.chance(share) ? 255 : 0;
      }
      check(problem, run(problem, 2));
      problem.mask.assign(problem.mask.size(), 0);
      check(problem, run(problem, 1));
    }
  }
}

TEST_CASE("project_max_forward: exact arithmetic gives the reference bit by bit, ties included") {
  Random random("forward integers");
  for (const int32_t type : kTypes) {
    for (const Shape &s : kShapes) {
      const Problem problem{s, type, Elements(type, random.integers(s.images * s.count * s.width, 1)),
          Elements(type, random.integers(s.words * s.width, 2)), {}};
      const Result result = run(problem, 2);
      Output<float> scores(s.images * s.words);
      Output<int32_t> winners(s.images * s.words);
      const lexvla_exec exec = cpu(1);
      REQUIRE_OK(lexvla_reference_project_max_forward(&exec, type, problem.tokens.data(), nullptr, problem.codebook.data(), s.images,
          s.count, s.width, s.words, scores.data(), winners.data()));
      int64_t differing = 0;
      for (int64_t i = 0; i < scores.size(); ++i) differing += scores[i] != result.scores[i];
      CHECK(differing == 0);
      CHECK(winners.same_bits(result.winners));
    }
  }
}

TEST_CASE("project_max_forward: equal tokens tie wherever they lie, and the first wins") {
  Random random("forward equal");
  const Shape s{2, 1130, 420, 40};  // tokens in every place of a tile, in three blocks, over three parts of the depth
  const std::vector<float> token = random.normals(s.width);
  std::vector<float> tokens;
  for (int64_t i = 0; i < s.images * s.count; ++i) tokens.insert(tokens.end(), token.begin(), token.end());
  Problem problem{s, LEXVLA_FLOAT32, Elements(LEXVLA_FLOAT32, tokens), Elements(LEXVLA_FLOAT32, random.normals(s.words * s.width)), {}};
  Result result = run(problem, 1);
  check(problem, result);
  for (int64_t i = 0; i < result.winners.size(); ++i) REQUIRE(result.winners[i] == 0);
  problem.mask.assign(s.images * s.count, 1);
  for (int64_t b = 0; b < s.images; ++b) {
    for (int64_t p = 0; p < 40 * b; ++p) problem.mask[b * s.count + p] = 0;
  }
  result = run(problem, 1);
  for (int64_t i = 0; i < result.winners.size(); ++i) REQUIRE(result.winners[i] == 40 * (i / s.words));
}

TEST_CASE("project_max_forward: scores that are all negative keep their maximum") {
  Random random("forward negative");
  const Shape s{2, 37, 40, 50};
  std::vector<float> tokens = random.normals(s.images * s.count * s.width), codebook = random.normals(s.words * s.width);
  for (float &x : tokens) x = std::fabs(x);
  for (float &x : codebook) x = -std::fabs(x);
  const Problem problem{s, LEXVLA_FLOAT32, Elements(LEXVLA_FLOAT32, tokens), Elements(LEXVLA_FLOAT32, codebook), {}};
  const Result result = run(problem, 1);
  check(problem, result);
  for (int64_t i = 0; i < result.scores.size(); ++i) REQUIRE(result.scores[i] < 0);
}

TEST_CASE("project_max_forward: NaN and infinities") {
  for (const int32_t type : kTypes) {
    // 20 tokens of width 1, scores are token * 1, token * -1 and token * NaN.
    const Shape s{1, 20, 1, 3};
    std::vector<float> tokens(20, 1.0f);
    tokens[3] = -kInf;
    tokens[5] = kInf;
    Problem problem{s, type, Elements(type, tokens), Elements(type, {1, -1, kNaN}), {}};
    Result result = run(problem, 1);
    CHECK(result.scores[0] == kInf);
    CHECK(result.winners[0] == 5);
    CHECK(result.scores[1] == kInf);
    CHECK(result.winners[1] == 3);
    CHECK(std::isnan(result.scores[2]));
    CHECK(result.winners[2] == 0);

    tokens[7] = kNaN;
    tokens[11] = kNaN;
    problem.tokens = Elements(type, tokens);
    result = run(problem, 1);
    for (int64_t v = 0; v < 2; ++v) {
      CHECK(std::isnan(result.scores[v]));
      CHECK(result.winners[v] == 7);
    }
    problem.mask.assign(20, 1);
    problem.mask[7] = 0;
    result = run(problem, 1);
    CHECK(result.winners[0] == 11);
    problem.mask[11] = 0;
    result = run(problem, 1);
    CHECK(result.scores[0] == kInf);
    CHECK(result.winners[0] == 5);

    // Only -inf: it has a winner all the same, the first.
    problem = {{1, 20, 1, 1}, type, Elements(type, std::vector<float>(20, -kInf)), Elements(type, {1}), {}};
    result = run(problem, 1);
    CHECK(result.scores[0] == -kInf);
    CHECK(result.winners[0] == 0);
  }
}

TEST_CASE("project_max_forward: sizes of 0") {
  Random random("forward empty");
  const Problem nothing_to_see{{2, 0, 5, 3}, LEXVLA_FLOAT32, Elements(0, {}), Elements(0, random.normals(15)), {}};
  Result result = run(nothing_to_see, 2);
  for (int64_t i = 0; i < 6; ++i) CHECK((result.scores[i] == -kInf && result.winners[i] == -1));

  const Problem no_width{{2, 4, 0, 3}, LEXVLA_BFLOAT16, Elements(1, {}), Elements(1, {}), {}};
  result = run(no_width, 2);
  for (int64_t i = 0; i < 6; ++i) CHECK((result.scores[i] == 0 && result.winners[i] == 0));

  const lexvla_exec exec = cpu(0);
  CHECK(lexvla_project_max_forward(&exec, 0, nullptr, nullptr, nullptr, 0, 5, 5, 0, nullptr, nullptr) == LEXVLA_OK);
  CHECK(lexvla_project_max_forward(&exec, 0, nullptr, nullptr, nullptr, 0, 0, 0, 7, nullptr, nullptr) == LEXVLA_OK);
}

TEST_CASE("project_max_forward: bitwise the same with 1, 2 and 3 threads, with and without winners") {
  Random random("forward threads");
  for (const int32_t type : kTypes) {
    for (const Shape &shape : {Shape{5, 33, 300, 257}, Shape{400, 3, 40, 70}, Shape{3, 350, 210, 700}}) {
      Problem problem = random_problem(random, shape, type);
      const Result one = run(problem, 1);
      for (const int threads : {2, 3, 3, 0}) {
        const Result more = run(problem, threads);
        CHECK(one.scores.same_bits(more.scores));
        CHECK(one.winners.same_bits(more.winners));
      }
      Output<float> scores(one.scores.size());
      const lexvla_exec exec = cpu(1);
      REQUIRE_OK(lexvla_project_max_forward(&exec, type, problem.tokens.data(), nullptr, problem.codebook.data(), shape.images,
          shape.count, shape.width, shape.words, scores.data(), nullptr));
      CHECK(one.scores.same_bits(scores));
    }
  }
}

TEST_CASE("project_max_forward: an image has the same result in any batch") {
  // More images than one pass packs, so that passes, groups and blocks meet.
  Random random("forward batch");
  const Shape s{9, 130, 20000, 5};
  const Problem batch = random_problem(random, s, LEXVLA_FLOAT32);
  const Result together = run(batch, 2);
  for (int64_t b : {int64_t{0}, int64_t{8}, random.below(9)}) {
    Output<float> scores(s.words);
    Output<int32_t> winners(s.words);
    const lexvla_exec exec = cpu(1);
    REQUIRE_OK(lexvla_project_max_forward(&exec, LEXVLA_FLOAT32, static_cast<const float *>(batch.tokens.data()) + b * s.count * s.width,
        nullptr, batch.codebook.data(), 1, s.count, s.width, s.words, scores.data(), winners.data()));
    for (int64_t v = 0; v < s.words; ++v) {
      CHECK(scores[v] == together.scores[b * s.words + v]);
      CHECK(winners[v] == together.winners[b * s.words + v]);
    }
  }
}

TEST_CASE("project_max_forward: tiny numbers, which a dot product of bfloat16 may take as 0") {
  const Shape s{1, 3, 37, 5};
  Random random("forward tiny");
  for (const int32_t type : kTypes) {
    const Problem problem{s, type, Elements(type, random.normals(s.count * s.width, 0x1p-130f)),
        Elements(type, random.normals(s.words * s.width)), {}};
    const Result result = run(problem, 1);
    for (int64_t v = 0; v < s.words; ++v) {
      double truth = -INFINITY, magnitude;
      for (int64_t p = 0; p < s.count; ++p) truth = std::max(truth, dot(problem, 0, p, v, &magnitude));
      // kernels.h: at most 2^-126 is lost of each element and each sum.
      double factors = 0;
      for (int64_t k = 0; k < s.width; ++k) factors += std::fabs(problem.codebook[v * s.width + k]);
      const double lost = std::string(lexvla_active_isa()) == "avx512bf16" && type == LEXVLA_BFLOAT16 ? 0x1p-126 * (factors + s.width) : 0;
      // Sums of denormals are exact; the products are rounded to them.
      CHECK(std::fabs(result.scores[v] - truth) <= lost + static_cast<double>(s.width) * 0x1p-149);
    }
  }
}

#if !defined(LEXVLA_TESTS_DEVICE_CALLS_H)
TEST_CASE("pack_codebook: what is refused") {
  Random random("pack refusals");
  const Problem problem = random_problem(random, {1, 2, 40, 70}, LEXVLA_FLOAT32);
  const lexvla_exec exec = cpu(1);
  std::vector<uint8_t> memory = packed(problem, 1);
  const int64_t bytes = static_cast<int64_t>(memory.size()) - 1;
  std::vector<float> scores(70);
  const auto refused = [&](int32_t status, int32_t expected, const char *part) {
    INFO(last_error());
    CHECK(status == expected);
    CHECK(last_error().find(part) != std::string::npos);
  };
  const auto forward = [&](const void *from, int64_t size, int32_t type, int64_t width, int64_t words) {
    return lexvla_project_max_forward_packed(
        &exec, type, problem.tokens.data(), nullptr, from, size, 1, 2, width, words, scores.data(), nullptr);
  };
  REQUIRE(forward(memory.data() + 1, bytes, LEXVLA_FLOAT32, 40, 70) == LEXVLA_OK);
  // Moved, it is still whole.
  const std::vector<float> before = scores;
  std::vector<uint8_t> elsewhere(bytes + 65);
  uint8_t *const moved = elsewhere.data() + (reinterpret_cast<uintptr_t>(memory.data() + 1) - reinterpret_cast<uintptr_t>(elsewhere.data())) % 64;
  std::memcpy(moved, memory.data() + 1, bytes);
  REQUIRE(forward(moved, bytes, LEXVLA_FLOAT32, 40, 70) == LEXVLA_OK);
  CHECK(scores == before);

  refused(forward(nullptr, bytes, LEXVLA_FLOAT32, 40, 70), LEXVLA_INVALID_ARGUMENT, "packed is NULL");
  refused(forward(problem.codebook.data(), 4 * 40 * 70, LEXVLA_FLOAT32, 40, 70), LEXVLA_INVALID_ARGUMENT, "no packed codebook");
  std::memmove(moved + 1, moved, bytes);
  refused(forward(moved + 1, bytes, LEXVLA_FLOAT32, 40, 70), LEXVLA_INVALID_ARGUMENT, "packed has been moved");
  std::memmove(moved, moved + 1, bytes);
  refused(forward(moved, 10, LEXVLA_FLOAT32, 40, 70), LEXVLA_INVALID_ARGUMENT, "no packed codebook");
  refused(forward(moved, 200, LEXVLA_FLOAT32, 40, 70), LEXVLA_INVALID_ARGUMENT, "packed has 200 bytes");
  refused(forward(moved, bytes, LEXVLA_FLOAT32, 39, 70), LEXVLA_INVALID_ARGUMENT,
      "type 0, 70 words of width 40; asked for is type 0, 70 words of width 39");
  refused(forward(moved, bytes, LEXVLA_FLOAT32, 40, 69), LEXVLA_INVALID_ARGUMENT, "asked for is type 0, 69 words");
  refused(forward(moved, bytes, LEXVLA_BFLOAT16, 40, 70), LEXVLA_INVALID_ARGUMENT, "asked for is type 1");
  refused(lexvla_reference_project_max_forward_packed(&exec, LEXVLA_FLOAT32, problem.tokens.data(), nullptr, moved, bytes, 1, 2,
              40, 70, scores.data(), nullptr),
      LEXVLA_INVALID_ARGUMENT, "reads layout");
  refused(lexvla_pack_codebook(&exec, LEXVLA_FLOAT32, problem.codebook.data(), 40, 70, 100, moved), LEXVLA_CAPACITY,
      "capacity is 100 bytes, needed are ");
  refused(lexvla_pack_codebook(&exec, LEXVLA_FLOAT32, problem.codebook.data(), 40, 70, bytes, nullptr), LEXVLA_INVALID_ARGUMENT,
      "packed is NULL");
  refused(lexvla_pack_codebook(&exec, LEXVLA_FLOAT32, nullptr, 40, 70, bytes, moved), LEXVLA_INVALID_ARGUMENT, "codebook is NULL");
  refused(lexvla_packed_codebook_bytes(&exec, LEXVLA_FLOAT32, 40, 70, nullptr), LEXVLA_INVALID_ARGUMENT, "bytes is NULL");
  int64_t size = 0;
  refused(lexvla_packed_codebook_bytes(&exec, 5, 40, 70, &size), LEXVLA_INVALID_ARGUMENT, "type is 5");
  refused(lexvla_packed_codebook_bytes(&exec, LEXVLA_FLOAT32, INT64_MAX, 70, &size), LEXVLA_INVALID_ARGUMENT, "width is");
}

TEST_CASE("pack_codebook: the reference packs and reads its own") {
  Random random("pack reference");
  const Problem problem = random_problem(random, {2, 3, 9, 11}, LEXVLA_BFLOAT16);
  const lexvla_exec exec = cpu(1);
  int64_t bytes = 0;
  REQUIRE_OK(lexvla_reference_packed_codebook_bytes(&exec, LEXVLA_BFLOAT16, 9, 11, &bytes));
  std::vector<uint8_t> memory(bytes);
  REQUIRE_OK(lexvla_reference_pack_codebook(&exec, LEXVLA_BFLOAT16, problem.codebook.data(), 9, 11, bytes, memory.data()));
  Result result{Output<float>(22), Output<int32_t>(22)};
  REQUIRE_OK(lexvla_reference_project_max_forward_packed(&exec, LEXVLA_BFLOAT16, problem.tokens.data(), nullptr, memory.data(), bytes, 2,
      3, 9, 11, result.scores.data(), result.winners.data()));
  check(problem, result);
}
#endif
