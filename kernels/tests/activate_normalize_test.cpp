#include "support.h"

using namespace lexvla::tests;

namespace {

const Covers forward("activate_normalize_forward"), backward("activate_normalize_backward");

const double kDenormal = std::numeric_limits<float>::denorm_min();
/** elu1p in float32 is within two units in the last place: four of kUnit. */
const double kActivationError = 4 * kUnit;

struct Shape {
  int64_t rows, words;
};

const Shape kShapes[] = {{1, 1}, {3, 4}, {2, 8}, {5, 15}, {4, 16}, {3, 17}, {7, 517}, {2, 17149}};

double elu1p(double x) { return x >= 0 ? x + 1 : std::exp(x); }

struct Truth {
  std::vector<double> activations, norms, grads, grad_errors;
};

/** Both directions in double, with the error that float32 may make of the gradient. */
Truth truth_of(const Shape &s, const Input<float> &scores, const Input<float> &norms, const Input<float> &h) {
  Truth truth;
  for (int64_t b = 0; b < s.rows; ++b) {
    double squares = 0, dot = 0, dot_magnitude = 0;
    const double n = norms[b] < LEXVLA_NORM_EPS ? double{LEXVLA_NORM_EPS} : norms[b];
    for (int64_t v = 0; v < s.words; ++v) {
      const double a = elu1p(scores[b * s.words + v]);
      squares += a * a;
      dot += h[b * s.words + v] * a / n;
      dot_magnitude += std::fabs(h[b * s.words + v] * a / n);
    }
    const double norm = std::sqrt(squares);
    truth.norms.push_back(norm);
    const bool varies = norms[b] > LEXVLA_NORM_EPS;
    for (int64_t v = 0; v < s.words; ++v) {
      const double x = scores[b * s.words + v], g = h[b * s.words + v], s_v = elu1p(x) / n;
      truth.activations.push_back(elu1p(x) / std::fmax(norm, LEXVLA_NORM_EPS));
      const double slope = x >= 0 ? 1 : std::exp(x);
      truth.grads.push_back((g - (varies ? s_v * dot : 0)) / n * slope);
      // The slope is off by kActivationError, the dot product and s by as much each, and there are a few roundings.
      truth.grad_errors.push_back(
          slope / n * (std::fabs(g) * (kActivationError + 2 * kUnit) + s_v * dot_magnitude * (3 * kActivationError + 2 * kUnit)) +
          kDenormal * (2 + (std::fabs(g) + dot_magnitude) / n));
    }
  }
  return truth;
}

struct Result {
  Output<float> activations, norms;
};

Result run_forward(const Shape &s, const Input<float> &scores, int threads) {
  Result result{Output<float>(s.rows * s.words), Output<float>(s.rows)};
  const lexvla_exec exec = cpu(threads);
  REQUIRE_OK(lexvla_activate_normalize_forward(&exec, scores.data(), s.rows, s.words, result.activations.data(), result.norms.data()));
  result.activations.check_written();
  result.norms.check_written();
  return result;
}

Output<float> run_backward(const Shape &s, const Input<float> &h, const Input<float> &scores, const Input<float> &norms, int threads) {
  Output<float> grads(s.rows * s.words);
  const lexvla_exec exec = cpu(threads);
  REQUIRE_OK(lexvla_activate_normalize_backward(&exec, h.data(), scores.data(), norms.data(), s.rows, s.words, grads.data()));
  grads.check_written();
  return grads;
}

Input<float> copy_of(const Output<float> &values) {
  std::vector<float> copy(values.size());
  for (int64_t i = 0; i < values.size(); ++i) copy[i] = values[i];
  return copy;
}

}  // namespace

TEST_CASE("activate_normalize: forward and backward of random rows, at several scales of the scores") {
  Random random("activate random");
  for (const Shape &s : kShapes) {
    for (const float scale : {0.01f, 1.0f, 30.0f, 1000.0f}) {
      CAPTURE(s.rows);
      CAPTURE(s.words);
      CAPTURE(scale);
      const Input<float> scores(random.normals(s.rows * s.words, scale)), h(random.normals(s.rows * s.words));
      const Result result = run_forward(s, scores, 1);
      const Input<float> norms = copy_of(result.norms);
      const Truth truth = truth_of(s, scores, norms, h);
      CHECK(first_beyond(result.norms, truth.norms, s.rows,
                [&](int64_t b) { return truth.norms[b] * (kActivationError + 2 * kUnit) + kDenormal * static_cast<double>(s.words); }) == -1);
      CHECK(first_beyond(result.activations, truth.activations, s.rows * s.words, [&](int64_t i) {
        const double n = std::fmax(truth.norms[i / s.words], LEXVLA_NORM_EPS);
        return truth.activations[i] * (2 * kActivationError + 2 * kUnit) + kDenormal * (1 + 2 / n);
      }) == -1);
      const Output<float> grads = run_backward(s, h, scores, norms, 1);
      CHECK(first_beyond(grads, truth.grads, s.rows * s.words, [&](int64_t i) { return truth.grad_errors[i]; }) == -1);

      // The reference, by the same truth but its own rounding: once, at the end.
      Output<float> reference(s.rows * s.words), reference_norms(s.rows);
      const lexvla_exec exec = cpu(1);
      REQUIRE_OK(lexvla_reference_activate_normalize_forward(
          &exec, scores.data(), s.rows, s.words, reference.data(), reference_norms.data()));
      CHECK(first_beyond(reference, truth.activations, s.rows * s.words,
                [&](int64_t i) { return truth.activations[i] * kUnit * 1.001 + kDenormal; }) == -1);
      REQUIRE_OK(lexvla_reference_activate_normalize_backward(
          &exec, h.data(), scores.data(), norms.data(), s.rows, s.words, reference.data()));
      CHECK(first_beyond(reference, truth.grads, s.rows * s.words,
                [&](int64_t i) { return std::fabs(truth.grads[i]) * kUnit * 1.001 + truth.grad_errors[i] * 1e-6 + kDenormal; }) == -1);
    }
  }
}

TEST_CASE("activate_normalize: elu1p over the whole range of floats, seen through the norm of a row of one") {
  // Every 997th float, and all around 0 and where exp underflows.
  std::vector<float> xs;
  for (uint64_t bits = 0; bits < 0xff800000u; bits += 997) {
    const uint32_t pattern = static_cast<uint32_t>(bits);
    float x;
    std::memcpy(&x, &pattern, 4);
    if (!std::isnan(x)) xs.push_back(x);
  }
  for (const float centre : {0.0f, -0.34657359f, -87.33655f, -103.2789f, -103.97208f, -106.0f}) {
    float x = centre;
    for (int i = 0; i < 2000; ++i) {
      xs.push_back(x);
      x = std::nextafter(x, -kInf);
    }
  }
  const Shape s{static_cast<int64_t>(xs.size()), 1};
  const Result result = run_forward(s, xs, 0);
  int64_t wrong = 0;
  for (int64_t b = 0; b < s.rows; ++b) {
    const double truth = elu1p(xs[b]);
    wrong += !within(result.norms[b], truth, truth * kActivationError + kDenormal);
  }
  CHECK(wrong == 0);
}

TEST_CASE("activate_normalize: rows that underflow, NaN, infinities") {
  const Shape s{1, 19};
  const auto row = [](float x) { return std::vector<float>(19, x); };
  for (const float x : {-kInf, -1e30f, -200.0f}) {
    const Input<float> scores(row(x));
    const Result result = run_forward(s, scores, 1);
    CHECK(result.norms[0] == 0);
    const Output<float> grads = run_backward(s, row(3), scores, copy_of(result.norms), 1);
    for (int64_t v = 0; v < 19; ++v) CHECK((result.activations[v] == 0 && grads[v] == 0));
  }
  {
    // Below the eps: the divisor is the eps, and the gradient knows no norm.
    const Input<float> scores(row(-40));
    const Result result = run_forward(s, scores, 1);
    const Input<float> norms = copy_of(result.norms);
    CHECK((result.norms[0] > 0 && result.norms[0] < LEXVLA_NORM_EPS));
    const Truth truth = truth_of(s, scores, norms, row(2));
    CHECK(first_beyond(result.activations, truth.activations, 19, [&](int64_t i) { return truth.activations[i] * 12 * kUnit; }) == -1);
    const Output<float> grads = run_backward(s, row(2), scores, norms, 1);
    CHECK(first_beyond(grads, truth.grads, 19, [&](int64_t i) { return truth.grad_errors[i]; }) == -1);
    CHECK(grads[0] > 0);
  }
  {
    std::vector<float> scores = row(1);
    scores[17] = kNaN;
    const Result result = run_forward(s, scores, 1);
    CHECK(std::isnan(result.norms[0]));
    const Output<float> grads = run_backward(s, row(1), scores, copy_of(result.norms), 1);
    for (int64_t v = 0; v < 19; ++v) CHECK((std::isnan(result.activations[v]) && std::isnan(grads[v])));
  }
  {
    std::vector<float> scores = row(1), h = row(1);
    h[4] = kNaN;  // reaches the whole row by the dot product
    const Result result = run_forward(s, scores, 1);
    const Output<float> grads = run_backward(s, h, scores, copy_of(result.norms), 1);
    for (int64_t v = 0; v < 19; ++v) CHECK(std::isnan(grads[v]));
    scores[18] = kInf;
    const Result infinite = run_forward(s, scores, 1);
    CHECK(infinite.norms[0] == kInf);
    for (int64_t v = 0; v < 19; ++v) CHECK((v == 18 ? std::isnan(infinite.activations[v]) : infinite.activations[v] == 0));
  }
}

TEST_CASE("activate_normalize: in place, threads, sizes of 0") {
  Random random("activate in place");
  const Shape s{40, 3001};
  const std::vector<float> scores = random.normals(s.rows * s.words), h = random.normals(s.rows * s.words);
  const Result one = run_forward(s, scores, 1);
  const Output<float> grads = run_backward(s, h, scores, copy_of(one.norms), 1);
  for (const int threads : {1, 2, 3, 0}) {
    const Result more = run_forward(s, scores, threads);
    CHECK(one.activations.same_bits(more.activations));
    CHECK(one.norms.same_bits(more.norms));
    CHECK(grads.same_bits(run_backward(s, h, scores, copy_of(one.norms), threads)));

    const lexvla_exec exec = cpu(threads);
    Output<float> in_place(scores), norms(s.rows);
    REQUIRE_OK(lexvla_activate_normalize_forward(&exec, in_place.data(), s.rows, s.words, in_place.data(), norms.data()));
    CHECK(in_place.same_bits(one.activations));
    Output<float> grads_in_place(h);
    const Input<float> input(scores);
    REQUIRE_OK(lexvla_activate_normalize_backward(
        &exec, grads_in_place.data(), input.data(), norms.data(), s.rows, s.words, grads_in_place.data()));
    CHECK(grads_in_place.same_bits(grads));
  }
  const Result no_words = run_forward({3, 0}, Input<float>(), 1);
  for (int64_t b = 0; b < 3; ++b) CHECK(no_words.norms[b] == 0);
  const lexvla_exec exec = cpu(0);
  CHECK(lexvla_activate_normalize_forward(&exec, nullptr, 0, 9, nullptr, nullptr) == LEXVLA_OK);
  CHECK(lexvla_activate_normalize_backward(&exec, nullptr, nullptr, nullptr, 0, 9, nullptr) == LEXVLA_OK);
}
