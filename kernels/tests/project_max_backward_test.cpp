#include <algorithm>

#include "support.h"

using namespace lexvla::tests;

namespace {

const Covers covers("project_max_backward"), covers_filter("filter_winners");

struct Shape {
  int64_t images, count, width, words;
};

const Shape kShapes[] = {{1, 1, 1, 1}, {2, 3, 5, 7}, {3, 70, 193, 517}, {5, 13, 300, 65}, {67, 1, 31, 19}, {2, 530, 17, 131},
    {1, 7, 1031, 16}, {4, 6, 256, 64}, {3, 5, 71, 200}, /* more rows of tokens than a cache holds a strip of */ {9, 700, 83, 40}};

struct Problem {
  Shape shape;
  int32_t type;
  Elements tokens, codebook;
  Input<float> grads;
  Input<int32_t> winners;
};

struct Result {
  Output<float> tokens, codebook;
};

using Function = decltype(lexvla_project_max_backward);

Result run(Function *function, const Problem &problem, int threads, const Input<float> *add = nullptr) {
  const Shape &s = problem.shape;
  Result result{Output<float>(s.images * s.count * s.width), Output<float>(s.words * s.width)};
  if (add != nullptr) std::copy(add->data(), add->data() + add->size(), result.codebook.data());
  const lexvla_exec exec = cpu(threads);
  REQUIRE_OK(function(&exec, problem.type, problem.grads.data(), problem.winners.data(), problem.tokens.data(), problem.codebook.data(),
      s.images, s.count, s.width, s.words, result.tokens.data(), result.codebook.data(), add != nullptr));
  result.tokens.check_written();
  result.codebook.check_written();
  return result;
}

/** Winners as they are met: a few tokens win most words, some win none, some words have no winner. */
Problem random_problem(Random &random, const Shape &s, int32_t type) {
  std::vector<int32_t> winners(s.images * s.words);
  for (int32_t &w : winners) {
    const double u = static_cast<double>(random.below(1000000)) / 1e6;
    w = random.chance(0.03) ? -1 : static_cast<int32_t>(u * u * u * static_cast<double>(s.count));
  }
  return {s, type, Elements(type, random.normals(s.images * s.count * s.width)), Elements(type, random.normals(s.words * s.width)),
      random.normals(s.images * s.words), winners};
}

/** The same problem with magnitudes only: the reference's answer to it is what the error bounds are made of. */
Result magnitudes(const Problem &problem, const Input<float> *add = nullptr) {
  std::vector<float> grads(problem.grads.size());
  for (size_t i = 0; i < grads.size(); ++i) grads[i] = std::fabs(problem.grads[i]);
  Input<float> absolute;
  if (add != nullptr) {
    std::vector<float> values(add->data(), add->data() + add->size());
    for (float &x : values) x = std::fabs(x);
    absolute = Input<float>(values);
  }
  return run(lexvla_reference_project_max_backward,
      {problem.shape, problem.type, problem.tokens.magnitudes(), problem.codebook.magnitudes(), grads,
          std::vector<int32_t>(problem.winners.data(), problem.winners.data() + problem.winners.size())},
      1, add != nullptr ? &absolute : nullptr);
}

void check(const Problem &problem, const Result &result, const Input<float> *add = nullptr) {
  const Result truth = run(lexvla_reference_project_max_backward, problem, 1, add), size = magnitudes(problem, add);
  const Shape &s = problem.shape;
  CHECK(first_beyond(result.tokens, truth.tokens, truth.tokens.size(), [&](int64_t i) { return sum_error(s.words, size.tokens[i]); }) == -1);
  CHECK(first_beyond(result.codebook, truth.codebook, truth.codebook.size(),
            [&](int64_t i) { return sum_error(s.images + 1, size.codebook[i]); }) == -1);
}

}  // namespace

TEST_CASE("project_max_backward: random problems of every shape and type") {
  Random random("backward random");
  for (const int32_t type : kTypes) {
    for (const Shape &shape : kShapes) {
      CAPTURE(type);
      CAPTURE(shape.images);
      CAPTURE(shape.count);
      CAPTURE(shape.width);
      CAPTURE(shape.words);
      const Problem problem = random_problem(random, shape, type);
      check(problem, run(lexvla_project_max_backward, problem, 1));
      const Input<float> before(random.normals(shape.words * shape.width));
      check(problem, run(lexvla_project_max_backward, problem, 2, &before), &before);
    }
  }
}

TEST_CASE("project_max_backward: closed form from the index that the forward saved") {
  Random random("backward closed");
  const int64_t images = 3, count = 19, width = 41, words = 67;
  // Integers: every sum is exact, so the loops below must be met bit by bit.
  const Elements tokens(0, random.integers(images * count * width, 2)), codebook(0, random.integers(words * width, 2));
  const Input<float> grads(random.integers(images * words, 3));
  Output<float> scores(images * words);
  Output<int32_t> winners(images * words);
  const lexvla_exec exec = cpu(1);
  REQUIRE_OK(lexvla_project_max_forward(
      &exec, 0, tokens.data(), nullptr, codebook.data(), images, count, width, words, scores.data(), winners.data()));
  std::vector<double> token_truth(images * count * width), codebook_truth(words * width);
  for (int64_t b = 0; b < images; ++b) {
    for (int64_t v = 0; v < words; ++v) {
      const int64_t row = b * count + winners[b * words + v];
      for (int64_t k = 0; k < width; ++k) {
        token_truth[row * width + k] += grads[b * words + v] * codebook[v * width + k];
        codebook_truth[v * width + k] += grads[b * words + v] * tokens[row * width + k];
      }
    }
  }
  for (Function *function : {lexvla_project_max_backward, lexvla_reference_project_max_backward}) {
    Output<float> grad_tokens(images * count * width), grad_codebook(words * width);
    REQUIRE_OK(function(&exec, 0, grads.data(), winners.data(), tokens.data(), codebook.data(), images, count, width, words,
        grad_tokens.data(), grad_codebook.data(), 0));
    CHECK(first_beyond(grad_tokens, token_truth, grad_tokens.size(), [](int64_t) { return 0.0; }) == -1);
    CHECK(first_beyond(grad_codebook, codebook_truth, grad_codebook.size(), [](int64_t) { return 0.0; }) == -1);
    // Either may be left out.
    Output<float> alone(images * count * width);
    REQUIRE_OK(function(&exec, 0, grads.data(), winners.data(), tokens.data(), codebook.data(), images, count, width, words, alone.data(),
        nullptr, 0));
    CHECK(alone.same_bits(grad_tokens));
    Output<float> other(words * width);
    REQUIRE_OK(function(
        &exec, 0, grads.data(), winners.data(), tokens.data(), codebook.data(), images, count, width, words, nullptr, other.data(), 0));
    CHECK(other.same_bits(grad_codebook));
  }
}

TEST_CASE("project_max_backward: bitwise the same with 1, 2 and 3 threads") {
  Random random("backward threads");
  for (const int32_t type : kTypes) {
    const Problem problem = random_problem(random, {11, 33, 700, 257}, type);
    const Result one = run(lexvla_project_max_backward, problem, 1);
    for (const int threads : {2, 3, 3, 0}) {
      const Result more = run(lexvla_project_max_backward, problem, threads);
      CHECK(one.tokens.same_bits(more.tokens));
      CHECK(one.codebook.same_bits(more.codebook));
    }
  }
}

TEST_CASE("project_max_backward: memory at whole cache lines gives the same bits") {
  // Aligned gradients are written past the caches, others, such as all of the other tests here, are not.
  Random random("backward aligned");
  for (const int32_t type : kTypes) {
    for (const int64_t width : {int64_t{1024}, int64_t{352}, int64_t{80}}) {
      const Shape s{5, 21, width, 130};
      const Problem problem = random_problem(random, s, type);
      const Result expected = run(lexvla_project_max_backward, problem, 1);
      const int64_t room = s.words * s.width + 16;
      std::vector<float> memory(room, kNaN);
      const int64_t shift = (64 - static_cast<int64_t>(reinterpret_cast<uintptr_t>(memory.data()) % 64)) % 64 / 4;
      float *const aligned = memory.data() + shift;
      Output<float> tokens(s.images * s.count * s.width);
      const lexvla_exec exec = cpu(2);
      REQUIRE_OK(lexvla_project_max_backward(&exec, type, problem.grads.data(), problem.winners.data(), problem.tokens.data(),
          problem.codebook.data(), s.images, s.count, s.width, s.words, tokens.data(), aligned, 0));
      CHECK(tokens.same_bits(expected.tokens));
      CHECK(std::memcmp(aligned, &expected.codebook[0], s.words * s.width * 4) == 0);
      for (int64_t i = 0; i < room; ++i) CHECK((std::isnan(memory[i]) == (i < shift || i >= shift + s.words * s.width)));
    }
  }
}

TEST_CASE("project_max_backward: NaN, infinities, nothing won") {
  const lexvla_exec exec = cpu(1);
  // Two words won by token 1 of 3, one by nobody; width 2.
  const Input<float> grads({kNaN, 2, 5});
  const Input<int32_t> winners({1, 0, -1});
  const Input<float> tokens({1, 2, 3, 4, 5, 6}), codebook({1, 1, kInf, 0, 7, 7});
  Output<float> grad_tokens(6), grad_codebook(6);
  REQUIRE_OK(lexvla_project_max_backward(
      &exec, 0, grads.data(), winners.data(), tokens.data(), codebook.data(), 1, 3, 2, 3, grad_tokens.data(), grad_codebook.data(), 0));
  CHECK(grad_tokens[0] == kInf);
  CHECK(grad_tokens[1] == 0);
  CHECK((std::isnan(grad_tokens[2]) && std::isnan(grad_tokens[3])));
  CHECK((grad_tokens[4] == 0 && grad_tokens[5] == 0));
  CHECK((std::isnan(grad_codebook[0]) && std::isnan(grad_codebook[1])));
  CHECK((grad_codebook[2] == 2 && grad_codebook[3] == 4));
  CHECK((grad_codebook[4] == 0 && grad_codebook[5] == 0));
}

TEST_CASE("project_max_backward: sizes of 0") {
  Random random("backward empty");
  for (const Shape &s : {Shape{0, 4, 3, 5}, Shape{2, 4, 0, 5}, Shape{2, 4, 3, 0}, Shape{2, 0, 3, 5}}) {
    Problem problem = random_problem(random, s, LEXVLA_FLOAT32);
    if (s.count == 0) problem.winners = Input<int32_t>(std::vector<int32_t>(s.images * s.words, -1));
    const Result result = run(lexvla_project_max_backward, problem, 2);
    check(problem, result);
    for (int64_t i = 0; i < result.tokens.size(); ++i) CHECK((s.words > 0 || result.tokens[i] == 0));
    for (int64_t i = 0; i < result.codebook.size(); ++i) CHECK(result.codebook[i] == 0);
  }
}

TEST_CASE("filter_winners: leaves out what is small in its image, and no gradient misses more than the contract says") {
  Random random("filter");
  const lexvla_exec exec = cpu(2);
  const Shape s{5, 13, 40, 700};
  Problem problem = random_problem(random, s, LEXVLA_FLOAT32);
  std::vector<float> grads(problem.grads.data(), problem.grads.data() + problem.grads.size());
  for (int64_t i = 0; i < problem.grads.size(); ++i) grads[i] *= std::exp(4 * random.normal());  // of very different sizes
  for (int64_t v = 0; v < s.words; ++v) grads[2 * s.words + v] = 0;                              // nothing is smaller than nothing
  problem.grads = Input<float>(grads);
  const std::vector<int32_t> all_winners(problem.winners.data(), problem.winners.data() + problem.winners.size());
  const Result all = run(lexvla_project_max_backward, problem, 1), size = magnitudes(problem);
  for (const float share : {0.0f, 0x1p-9f, 0.1f, 1.0f}) {
    CAPTURE(share);
    Output<int32_t> filtered(s.images * s.words), expected(s.images * s.words);
    for (const auto &[function, out] : {std::make_pair(lexvla_filter_winners, &filtered), std::make_pair(lexvla_reference_filter_winners, &expected)}) {
      REQUIRE_OK(function(&exec, problem.grads.data(), all_winners.data(), s.images, s.words, share, out->data()));
    }
    CHECK(filtered.same_bits(expected));
    std::vector<int32_t> winners(s.images * s.words);
    std::vector<float> left_out(s.images * s.words);
    int64_t left = 0;
    for (int64_t i = 0; i < filtered.size(); ++i) {
      winners[i] = filtered[i];
      const float largest = std::fabs(*std::max_element(&grads[i / s.words * s.words], &grads[i / s.words * s.words] + s.words,
          [](float x, float y) { return std::fabs(x) < std::fabs(y); }));
      const bool small = std::fabs(grads[i]) < share * largest;
      CHECK(winners[i] == (small ? -1 : all_winners[i]));
      left_out[i] = small ? share * largest : 0;
      left += small;
    }
    CHECK((left > 0) == (share > 0));
    // The bound of the contract is the gradient of what is left out, at its most.
    problem.winners = Input<int32_t>(winners);
    const Result kept = run(lexvla_project_max_backward, problem, 1);
    const Result most = run(lexvla_reference_project_max_backward,
        {s, problem.type, problem.tokens.magnitudes(), problem.codebook.magnitudes(), left_out, all_winners}, 1);
    CHECK(first_beyond(kept.tokens, all.tokens, all.tokens.size(),
              [&](int64_t i) { return most.tokens[i] * (1 + 1e-6) + 2 * sum_error(s.words, size.tokens[i]); }) == -1);
    CHECK(first_beyond(kept.codebook, all.codebook, all.codebook.size(),
              [&](int64_t i) { return most.codebook[i] * (1 + 1e-6) + 2 * sum_error(s.images, size.codebook[i]); }) == -1);
  }
}

TEST_CASE("filter_winners: NaN, in place, sizes of 0, what is refused") {
  const lexvla_exec exec = cpu(1);
  const Input<float> grads({kNaN, 1, -4, 0.5f, kInf, 7});
  Output<int32_t> winners(std::vector<int32_t>{3, 2, 1, 0, 5, -1});
  REQUIRE_OK(lexvla_filter_winners(&exec, grads.data(), winners.data(), 2, 3, 0.5f, winners.data()));
  const int32_t expected[] = {3, -1, 1, -1, 5, -1};
  for (int64_t i = 0; i < 6; ++i) CHECK(winners[i] == expected[i]);
  CHECK(lexvla_filter_winners(&exec, nullptr, nullptr, 0, 3, 0.5f, nullptr) == LEXVLA_OK);
  for (const float share : {-0.1f, 1.5f, kNaN}) {
    CHECK(lexvla_filter_winners(&exec, grads.data(), winners.data(), 2, 3, share, winners.data()) == LEXVLA_INVALID_ARGUMENT);
    CHECK(last_error().find("share is ") != std::string::npos);
  }
}
