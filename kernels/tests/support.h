/* What the kernel tests share: a seeded source of randomness, arrays that notice misuse, rules of tolerance. */
#ifndef LEXVLA_TESTS_SUPPORT_H
#define LEXVLA_TESTS_SUPPORT_H

#include <lexvla/reference.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <type_traits>
#include <vector>

#include <doctest/doctest.h>

#include "../core/half.h"

namespace lexvla::tests {

constexpr double kUnit = 0x1p-24;  // relative error of one float32 rounding
constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

/** The seed of this run: LEXVLA_TEST_SEED, or a new one; printed by main. */
uint64_t seed();

/** Notes that a test file exercises an operation of kernels.def. */
struct Covers {
  explicit Covers(const char *kernel);
};

/** Randomness of one test: the same for the same seed and name, whatever other tests run. */
class Random {
 public:
  explicit Random(const char *test) {
    uint64_t hash = seed();
    for (const char *c = test; *c != 0; ++c) hash = (hash ^ static_cast<unsigned char>(*c)) * 0x100000001b3u;
    engine_.seed(hash);
  }
  float normal() { return std::normal_distribution<float>()(engine_); }
  int64_t below(int64_t n) { return std::uniform_int_distribution<int64_t>(0, n - 1)(engine_); }
  bool chance(double p) { return std::bernoulli_distribution(p)(engine_); }
  std::vector<float> normals(int64_t n, float scale = 1) {
    std::vector<float> values(n);
    for (float &x : values) x = scale * normal();
    return values;
  }
  /** Small integers, of which sums of products are exact in float32 in any order. */
  std::vector<float> integers(int64_t n, int64_t most) {
    std::vector<float> values(n);
    for (float &x : values) x = static_cast<float>(below(2 * most + 1) - most);
    return values;
  }

 private:
  std::mt19937_64 engine_;
};

/** An array that begins one element after an aligned address and ends where its memory ends, for the sanitizer to see. */
template <class T>
class Input {
 public:
  Input() : Input(std::vector<T>()) {}
  Input(const std::vector<T> &values) : size_(values.size()), memory_(new T[values.size() + 1]) {
    std::copy(values.begin(), values.end(), memory_.get() + 1);
  }
  const T *data() const { return memory_.get() + 1; }
  int64_t size() const { return size_; }
  const T &operator[](int64_t i) const { return data()[i]; }

 private:
  int64_t size_;
  std::unique_ptr<T[]> memory_;
};

/** An output: unaligned like Input, poisoned, fenced on both sides. */
template <class T>
class Output {
 public:
  explicit Output(int64_t n) : size_(n), memory_(n + 2, poison()) {}
  Output(const std::vector<T> &initial) : Output(static_cast<int64_t>(initial.size())) {
    std::copy(initial.begin(), initial.end(), memory_.begin() + 1);
  }
  T *data() { return memory_.data() + 1; }
  int64_t size() const { return size_; }
  const T &operator[](int64_t i) const { return memory_[i + 1]; }

  /** Checks that every element was written and the fences stand. */
  void check_written() const {
    CHECK(is_poison(memory_.front()));
    CHECK(is_poison(memory_.back()));
    int64_t left = 0;
    for (int64_t i = 0; i < size_; ++i) left += is_poison((*this)[i]);
    CHECK(left == 0);
  }

  bool same_bits(const Output &other) const {
    return size_ == other.size_ && std::memcmp(memory_.data() + 1, other.memory_.data() + 1, size_ * sizeof(T)) == 0;
  }

 private:
  static T poison() {
    T value;
    const uint64_t bits = 0x7fc5dead7fc5deadu;  // as a float a NaN that nothing computes, as an int no index
    std::memcpy(&value, &bits, sizeof value);
    return value;
  }
  static bool is_poison(T value) {
    const T p = poison();
    return std::memcmp(&value, &p, sizeof p) == 0;
  }

  int64_t size_;
  std::vector<T> memory_;
};

/** The element types that tokens and codebook may have where these tests run. */
#if defined(LEXVLA_TESTS_DEVICE_CALLS_H)
constexpr int32_t kTypes[] = {LEXVLA_FLOAT32, LEXVLA_BFLOAT16, LEXVLA_FLOAT16};
#else
constexpr int32_t kTypes[] = {LEXVLA_FLOAT32, LEXVLA_BFLOAT16};
#endif

/** Floats as the elements of a lexvla_type, and their exact values as such. */
class Elements {
 public:
  Elements(int32_t type, std::vector<float> values) : type_(type), values_(std::move(values)) {
    if (type == LEXVLA_FLOAT16) {
      std::vector<uint16_t> halves;
      for (float &x : values_) {
        halves.push_back(cut_to_half(x));
        x = widened_half(halves.back());
      }
      halves_ = Input<uint16_t>(halves);
    } else if (type == LEXVLA_BFLOAT16) {
      std::vector<uint16_t> halves(values_.size());
      for (size_t i = 0; i < halves.size(); ++i) {
        uint32_t bits;
        std::memcpy(&bits, &values_[i], 4);
        // Cut off, and a NaN kept one: which bfloat16 it becomes does not matter, only that values_ is exactly it.
        bits = std::isnan(values_[i]) ? 0x7fc00000u : bits & 0xffff0000u;
        halves[i] = static_cast<uint16_t>(bits >> 16);
        std::memcpy(&values_[i], &bits, 4);
      }
      halves_ = Input<uint16_t>(halves);
    } else {
      floats_ = Input<float>(values_);
    }
  }
  const void *data() const {
    return type_ == LEXVLA_FLOAT32 ? static_cast<const void *>(floats_.data()) : static_cast<const void *>(halves_.data());
  }
  double operator[](int64_t i) const { return values_[i]; }
  /** The same with every element's absolute value: what bounds are made of. */
  Elements magnitudes() const {
    std::vector<float> absolute(values_);
    for (float &x : absolute) x = std::fabs(x);
    return Elements(type_, absolute);
  }

 private:
  int32_t type_;
  std::vector<float> values_;
  Input<float> floats_;
  Input<uint16_t> halves_;
};

inline lexvla_exec cpu(int32_t threads) {
  lexvla_exec exec{};
  exec.device = LEXVLA_CPU;
  exec.threads = threads;
  return exec;
}

inline std::string last_error() { return lexvla_last_error(); }

/** Checks one float against a truth: both NaN, the same infinity, or no further apart than the tolerance. */
inline bool within(double actual, double truth, double tolerance) {
  if (std::isnan(truth) || std::isnan(actual)) return std::isnan(truth) && std::isnan(actual);
  if (std::isinf(truth) || std::isinf(actual)) return truth == actual;
  return std::fabs(actual - truth) <= tolerance;
}

/** The first index at which within() fails, or -1. tolerance(i) gives the allowance. */
template <class Actual, class Truth, class Tolerance>
int64_t first_beyond(const Actual &actual, const Truth &truth, int64_t n, Tolerance tolerance) {
  for (int64_t i = 0; i < n; ++i) {
    if (!within(actual[i], truth[i], tolerance(i))) return i;
  }
  return -1;
}

/**
 * The error that a float32 sum of n products may have, whatever the order: each of the n products and sums is rounded
 * once, and the result once more.
 *
 * @param magnitude sum of the absolute values of the products
 */
inline double sum_error(int64_t n, double magnitude) {
  return static_cast<double>(n + 2) * kUnit * magnitude * (1 + 1e-3) + std::numeric_limits<float>::denorm_min();
}

}  // namespace lexvla::tests

#define REQUIRE_OK(call)                                    \
  do {                                                      \
    const int32_t status_ = (call);                         \
    INFO(::lexvla::tests::last_error());                    \
    REQUIRE(status_ == LEXVLA_OK);                          \
  } while (false)

#endif
