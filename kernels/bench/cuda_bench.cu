/*
 * The CUDA kernels at the paper's shapes: proves a result against sums in double on the host, then times it beside cuBLAS's
 * bare matrix product of the same size in the same process, and beside the memory bandwidth measured here.
 *
 *     lexvla_cuda_bench [--quick] [--only forward|backward|rows|index] [--json FILE]
 *
 * Random data; variants alternate; the figure is the median. cuBLAS is looked for at run time (libcublas.so.13 or .12) and
 * left out where it is not there. A figure is printed only after "matches"; exit code 1 if anything does not match, 77 if there is
 * no device (1 with LEXVLA_CUDA_REQUIRED=true). LEXVLA_COMMIT names the commit of the sources for FILE.
 */
#include <lexvla/kernels.h>

#include <cuda_runtime_api.h>
#include <dlfcn.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <functional>
#include <string>
#include <type_traits>
#include <vector>

#include "../core/half.h"

namespace {

constexpr int64_t kWidth = 4096, kWords = 17149, kTokens = 257;
constexpr double kUnit = 0x1p-24;  // relative error of one float32 rounding

[[noreturn]] void die(const char *what, const char *why) {
  std::fprintf(stderr, "%s: %s\n", what, why);
  std::exit(1);
}

void require(cudaError_t status, const char *what) {
  if (status != cudaSuccess) die(what, cudaGetErrorString(status));
}

void require(int32_t status) {
  if (status != LEXVLA_OK) die("lexvla", lexvla_last_error());
}

/** Device memory, freed at the end. */
template <class T>
class Array {
 public:
  explicit Array(int64_t size) : size_(size) { require(cudaMalloc(&data_, std::max<int64_t>(size, 1) * sizeof(T)), "cudaMalloc"); }
  ~Array() { cudaFree(data_); }
  Array(const Array &) = delete;
  T *data() const { return data_; }
  int64_t size() const { return size_; }
  std::vector<T> host(int64_t first, int64_t count) const {
    std::vector<T> values(count);
    require(cudaMemcpy(values.data(), data_ + first, count * sizeof(T), cudaMemcpyDeviceToHost), "cudaMemcpy");
    return values;
  }

 private:
  int64_t size_;
  T *data_ = nullptr;
};

/** A number that is nearly normal, by its place and a seed: the sum of four uniform ones. */
__device__ float normal(uint64_t seed, int64_t i) {
  float sum = 0;
  for (int part = 0; part < 4; ++part) {
    uint64_t x = seed * 0x9e3779b97f4a7c15u + static_cast<uint64_t>(i) * 4 + part;
    x = (x ^ x >> 31) * 0x7fb5d329728ea185u;
    x = (x ^ x >> 27) * 0x81dadef4bc2dd44du;
    sum += static_cast<float>(static_cast<uint32_t>((x ^ x >> 33) >> 16)) * 0x1p-32f - 0.5f;
  }
  return sum * 1.7320508f;
}

/** The elements of 16 bits. */
struct Bf16 {
  uint16_t bits;
};
struct Half {
  uint16_t bits;
};

__device__ void put(float *to, float x) { *to = x; }
__device__ void put(Bf16 *to, float x) { to->bits = static_cast<uint16_t>(__float_as_uint(x) >> 16); }
__device__ void put(Half *to, float x) { asm("cvt.rn.f16.f32 %0, %1;" : "=h"(to->bits) : "f"(x)); }

template <class T>
__global__ void fill(T *values, int64_t n, uint64_t seed, float scale) {
  for (int64_t i = blockIdx.x * int64_t{blockDim.x} + threadIdx.x; i < n; i += int64_t{gridDim.x} * blockDim.x) {
    put(values + i, scale * normal(seed, i));
  }
}

template <class T>
void randomise(const Array<T> &array, uint64_t seed, float scale) {
  fill<<<2048, 256>>>(array.data(), array.size(), seed, scale);
  require(cudaGetLastError(), "fill");
}

float value(float x) { return x; }
float value(Half x) { return lexvla::widened_half(x.bits); }
float value(Bf16 x) {
  const uint32_t bits = uint32_t{x.bits} << 16;
  float result;
  std::memcpy(&result, &bits, 4);
  return result;
}

bool quick = false;

/** Medians in milliseconds of several works on the default stream, in turn, after a warm-up of each. */
std::vector<double> times(const std::vector<std::function<void()>> &works) {
  cudaEvent_t start, end;
  require(cudaEventCreate(&start), "cudaEventCreate");
  require(cudaEventCreate(&end), "cudaEventCreate");
  std::vector<std::vector<double>> all(works.size());
  const int rounds = quick ? 3 : 15;
  for (int round = -2; round < rounds; ++round) {
    for (size_t i = 0; i < works.size(); ++i) {
      require(cudaEventRecord(start), "cudaEventRecord");
      works[i]();
      require(cudaEventRecord(end), "cudaEventRecord");
      require(cudaEventSynchronize(end), "the work");
      float ms = 0;
      require(cudaEventElapsedTime(&ms, start, end), "cudaEventElapsedTime");
      if (round >= 0) all[i].push_back(ms);
    }
  }
  require(cudaEventDestroy(start), "cudaEventDestroy");
  require(cudaEventDestroy(end), "cudaEventDestroy");
  std::vector<double> medians;
  for (auto &values : all) {
    std::sort(values.begin(), values.end());
    medians.push_back(values[values.size() / 2]);
  }
  return medians;
}

/** The one function of cuBLAS that a matrix product needs, in its published prototype. */
class Blas {
 public:
  Blas() {
    void *library = nullptr;
    for (const char *name : {"libcublas.so.13", "libcublas.so.12", "libcublas.so"}) {
      if (library == nullptr) library = dlopen(name, RTLD_NOW);
    }
    if (library == nullptr) return;
    const auto create = reinterpret_cast<int (*)(void **)>(dlsym(library, "cublasCreate_v2"));
    gemm_ = reinterpret_cast<Gemm *>(dlsym(library, "cublasGemmEx"));
    if (create == nullptr || gemm_ == nullptr || create(&handle_) != 0) handle_ = nullptr;
    const auto version = reinterpret_cast<int (*)(void *, int *)>(dlsym(library, "cublasGetVersion_v2"));
    if (handle_ != nullptr && version != nullptr) version(handle_, &version_);
  }
  bool is_here() const { return handle_ != nullptr; }
  /** Such as 130100; 0 where it is not here. */
  int version() const { return version_; }

  /** out[rows, ld] = x[rows, width] . z[words, width]^T, summed in float32; of floats as they are or as TF32 */
  template <class T>
  void product(const T *x, const T *z, int64_t rows, T *out, int64_t ld, bool tf32) const {
    const float one = 1, zero = 0;
    constexpr int kType = std::is_same_v<T, Bf16> ? 14 : std::is_same_v<T, Half> ? 2 : 0;  // CUDA_R_16BF, CUDA_R_16F, CUDA_R_32F
    constexpr int kNotTransposed = 0, kTransposed = 1, kDefaultAlgorithm = -1;             // cuBLAS's enums
    const int compute = tf32 ? 77 : 68;                                                    // CUBLAS_COMPUTE_32F_FAST_TF32, _32F
    const int width = static_cast<int>(kWidth);
    // cuBLAS counts columns first: out^T = z . x^T.
    const int status = gemm_(handle_, kTransposed, kNotTransposed, static_cast<int>(kWords), static_cast<int>(rows), width, &one, z, kType,
        width, x, kType, width, &zero, out, kType, static_cast<int>(ld), compute, kDefaultAlgorithm);
    if (status != 0) die("cublasGemmEx", std::to_string(status).c_str());
  }

 private:
  using Gemm = int(void *, int, int, int, int, int, const void *, const void *, int, int, const void *, int, int, const void *, void *,
      int, int, int, int);
  void *handle_ = nullptr;
  Gemm *gemm_ = nullptr;
  int version_ = 0;
};

/** What one measurement has to say; what is 0 is left out. */
struct Figures {
  double ms = 0, flops = 0, bytes = 0, blas_ms = 0;
  int64_t workspace = 0;
};

double bandwidth = 0;                           // bytes per second, read and written
double from_pinned = 0, from_pageable = 0;      // bytes per second, from the host to the device
std::string results, about_machine;
const char *json_file = nullptr;
bool all_match = true;

/** Writes what is known so far: a run that is stopped leaves what it has proved and timed. */
void write_json(bool complete) {
  if (json_file == nullptr) return;
  FILE *out = std::fopen(json_file, "w");
  if (out == nullptr) die(json_file, "cannot be written");
  std::fprintf(out, "{\n  %s,\n  \"complete\": %s, \"results\": [%s\n  ]\n}\n", about_machine.c_str(), complete ? "true" : "false", results.c_str());
  if (std::fclose(out) != 0) die(json_file, "was not written completely");
}

void report(const char *what, const std::string &shape, bool matches, const Figures &f) {
  all_match = all_match && matches;
  std::printf("%-28s %-12s %s", what, shape.c_str(), matches ? "matches" : "DOES NOT MATCH");
  std::string json = std::string("{\"what\": \"") + what + "\", \"shape\": \"" + shape + "\", \"matches\": " + (matches ? "true" : "false");
  const auto note = [&](const char *name, double x) {
    char text[96];
    std::snprintf(text, sizeof text, ", \"%s\": %.5g", name, x);
    json += text;
  };
  if (matches) {
    std::printf(", %9.3f ms", f.ms);
    note("ms", f.ms);
    note("workspace", static_cast<double>(f.workspace));
    if (f.flops > 0) {
      std::printf(", %6.1f TFLOP/s", f.flops / f.ms * 1e-9);
      note("tflops", f.flops / f.ms * 1e-9);
    }
    if (f.bytes > 0) {
      const double rate = f.bytes / (f.ms * 1e-3);
      std::printf(", %5.2f TB/s of compulsory traffic = %3.0f %% of a copy's", rate * 1e-12, 100 * rate / bandwidth);
      note("bytes_per_second", rate);
      note("share_of_bandwidth", rate / bandwidth);
    }
    if (f.blas_ms > 0) {
      std::printf(", %4.2f of cuBLAS's bare product (%.3f ms)", f.blas_ms / f.ms, f.blas_ms);
      note("cublas_ms", f.blas_ms);
      note("share_of_cublas", f.blas_ms / f.ms);
    }
  }
  std::printf("\n");
  std::fflush(stdout);
  results += (results.empty() ? "\n    " : ",\n    ") + json + "}";
  write_json(false);
}

/** An operation with a workspace that fits: asks what it needs, runs it once, and can be timed. */
class Operation {
 public:
  explicit Operation(std::function<int32_t(const lexvla_exec *)> call) : call_(std::move(call)) {
    exec_.device = 0;
    exec_.workspace_needed = &needed_;
    require(call_(&exec_));
    exec_.workspace_needed = nullptr;
    if (needed_ > 0) require(cudaMalloc(&exec_.workspace, needed_), "cudaMalloc");
    exec_.workspace_bytes = needed_;
    run();
    require(cudaDeviceSynchronize(), "the kernel");
  }
  ~Operation() { cudaFree(exec_.workspace); }
  Operation(const Operation &) = delete;
  void run() const { require(call_(&exec_)); }
  double milliseconds() const {
    return times({[this] { run(); }})[0];
  }
  int64_t needed() const { return needed_; }

 private:
  std::function<int32_t(const lexvla_exec *)> call_;
  lexvla_exec exec_{};
  int64_t needed_ = 0;
};

/** Sums of products in double, and of their absolute values, which bound the error. */
struct Sum {
  double value = 0, magnitude = 0;
  void add(double product) {
    value += product;
    magnitude += std::fabs(product);
  }
};

template <class T, int32_t kType, int32_t kMath = LEXVLA_MATH_FLOAT32>
class Head {
 public:
  Head(int64_t images, int64_t tokens) : images_(images), tokens_(tokens) {
    randomise(x_, 1, 1);
    randomise(z_, 2, 1 / std::sqrt(static_cast<float>(kWidth)));
  }

  void bench_forward(const Blas &blas) const {
    const Operation forward([this](const lexvla_exec *exec) {
      lexvla_exec with = *exec;
      with.math = kMath;
      return lexvla_project_max_forward(
          &with, kType, x_.data(), nullptr, z_.data(), images_, tokens_, kWidth, kWords, scores_.data(), winners_.data());
    });
    const bool matches = forward_matches();
    Figures f;
    if (matches) {
      const int64_t rows = images_ * tokens_, ld = (kWords + 127) / 128 * 128;
      const Array<T> product(blas.is_here() ? rows * ld : 1);
      std::vector<std::function<void()>> works{[&] { forward.run(); }};
      if (blas.is_here()) works.push_back([&] { blas.product(x_.data(), z_.data(), rows, product.data(), ld, kMath == LEXVLA_MATH_TF32); });
      const auto ms = times(works);
      f = {ms[0], 2.0 * static_cast<double>(rows * kWidth) * kWords, 0, ms.size() > 1 ? ms[1] : 0, forward.needed()};
    }
    report((std::string("project_max_forward ") + kName).c_str(), shape(), matches, f);
  }

  void bench_backward() const {
    const Array<float> g(images_ * kWords), dx(images_ * tokens_ * kWidth), dz(kWords * kWidth);
    randomise(g, 3, 1);
    const Operation backward([&](const lexvla_exec *exec) {
      return lexvla_project_max_backward(exec, kType, g.data(), winners_.data(), x_.data(), z_.data(), images_, tokens_, kWidth, kWords,
          dx.data(), dz.data(), 0);
    });
    bool matches = true;
    const auto grads = g.host(0, g.size());
    const auto winners = winners_.host(0, winners_.size());
    for (int64_t i = 0; i < 6; ++i) {
      const int64_t v = i * (kWords - 1) / 5, b = i * (images_ - 1) / 5, p = winners[b * kWords + v];
      std::vector<Sum> truth(kWidth);
      for (int64_t image = 0; image < images_; ++image) {
        add(truth, grads[image * kWords + v], x_, image * tokens_ + winners[image * kWords + v]);
      }
      matches = matches && row_matches(dz, v, truth, images_);
      truth.assign(kWidth, Sum());
      int64_t terms = 0;
      for (int64_t w = 0; w < kWords; ++w) {
        if (winners[b * kWords + w] != p) continue;
        add(truth, grads[b * kWords + w], z_, w);
        ++terms;
      }
      matches = matches && row_matches(dx, b * tokens_ + p, truth, terms);
    }
    // Bit by bit the same in a second run.
    const auto dx_first = dx.host(0, tokens_ * kWidth), dz_first = dz.host(0, 64 * kWidth);
    backward.run();
    const auto dx_again = dx.host(0, tokens_ * kWidth), dz_again = dz.host(0, 64 * kWidth);
    matches = matches && std::memcmp(dx_first.data(), dx_again.data(), dx_first.size() * 4) == 0 &&
              std::memcmp(dz_first.data(), dz_again.data(), dz_first.size() * 4) == 0;
    Figures f;
    if (matches) {
      const int64_t bytes = (x_.size() + z_.size()) * static_cast<int64_t>(sizeof(T)) + (dx.size() + dz.size()) * 4;
      f = {backward.milliseconds(), 0, static_cast<double>(bytes), 0, backward.needed()};
    }
    report((std::string("project_max_backward ") + kName).c_str(), shape(), matches, f);

    // Filtered so that about as many are left as words are in a vector.
    const Array<int32_t> left(winners_.size());
    const Operation filter([&](const lexvla_exec *exec) {
      return lexvla_filter_winners(exec, g.data(), winners_.data(), images_, kWords, 0.54f, left.data());
    });
    const Operation filtered([&](const lexvla_exec *exec) {
      return lexvla_project_max_backward(exec, kType, g.data(), left.data(), x_.data(), z_.data(), images_, tokens_, kWidth, kWords,
          dx.data(), dz.data(), 0);
    });
    const auto kept = left.host(0, left.size());
    matches = true;
    for (int64_t b = 0; b < images_; ++b) {
      float largest = 0;
      for (int64_t v = 0; v < kWords; ++v) largest = std::max(largest, std::fabs(grads[b * kWords + v]));
      for (int64_t v = b * kWords; v < (b + 1) * kWords; ++v) {
        matches = matches && kept[v] == (std::fabs(grads[v]) < 0.54f * largest ? -1 : winners[v]);
      }
    }
    const double share = static_cast<double>(std::count_if(kept.begin(), kept.end(), [](int32_t p) { return p >= 0; })) /
                         static_cast<double>(kept.size());
    std::printf("filtered to %.1f %% of the winners: ", 100 * share);
    report((std::string("  backward, filter ") + kName).c_str(), shape(), matches, {filter.milliseconds() + filtered.milliseconds(), 0, 0, 0, filtered.needed()});
  }

 private:
  static constexpr const char *kName =
      kMath == LEXVLA_MATH_TF32 ? "tf32" : kType == LEXVLA_BFLOAT16 ? "bf16" : kType == LEXVLA_FLOAT16 ? "f16" : "f32";
  // What rounding the elements does to a sum of products.
  static constexpr double kRounding = kMath == LEXVLA_MATH_TF32 ? 0x1p-10 + 0x1p-22 : 0;

  std::string shape() const { return "B=" + std::to_string(images_) + " P=" + std::to_string(tokens_); }

  /** A winner is judged by its true score: it may lose only by what the roundings of the sums allow. */
  bool forward_matches() const {
    bool right = true;
    for (int64_t sample = 0; sample < 4; ++sample) {
      const int64_t b = sample * (images_ - 1) / 3;
      const auto x = x_.host(b * tokens_ * kWidth, tokens_ * kWidth);
      const auto scores = scores_.host(b * kWords, kWords);
      const auto winners = winners_.host(b * kWords, kWords);
      for (int64_t i = 0; i < 100; ++i) {
        const int64_t v = i * (kWords - 1) / 99;
        const auto code = z_.host(v * kWidth, kWidth);
        double best = -INFINITY, allowance = 0, chosen = 0;
        if (winners[v] < 0 || winners[v] >= tokens_) return false;
        for (int64_t p = 0; p < tokens_; ++p) {
          Sum score;
          for (int64_t k = 0; k < kWidth; ++k) score.add(double{value(x[p * kWidth + k])} * value(code[k]));
          best = std::max(best, score.value);
          allowance = std::max(allowance, ((kWidth + 2) * kUnit + kRounding) * score.magnitude);
          if (p == winners[v]) chosen = score.value;
        }
        right = right && std::fabs(scores[v] - chosen) <= allowance && chosen >= best - 2 * allowance;
      }
    }
    return right;
  }

  static void add(std::vector<Sum> &sums, float grad, const Array<T> &matrix, int64_t row) {
    const auto values = matrix.host(row * kWidth, kWidth);
    for (int64_t k = 0; k < kWidth; ++k) sums[k].add(double{grad} * value(values[k]));
  }

  static bool row_matches(const Array<float> &matrix, int64_t row, const std::vector<Sum> &truth, int64_t terms) {
    const auto ours = matrix.host(row * kWidth, kWidth);
    bool right = true;
    for (int64_t k = 0; k < kWidth; ++k) {
      right = right && std::fabs(ours[k] - truth[k].value) <= static_cast<double>(terms + 2) * kUnit * truth[k].magnitude;
    }
    return right;
  }

  int64_t images_, tokens_;
  Array<T> x_{images_ * tokens_ * kWidth}, z_{kWords * kWidth};
  Array<float> scores_{images_ * kWords};
  Array<int32_t> winners_{images_ * kWords};
};

/** The rest of the head on random scores, each against its plain meaning on the host in the last row. */
void bench_rows(int64_t rows) {
  const std::string shape = "B=" + std::to_string(rows);
  const Array<float> scores(rows * kWords), activations(rows * kWords), norms(rows);
  randomise(scores, 5, 1);
  const Operation normalize([&](const lexvla_exec *exec) {
    return lexvla_activate_normalize_forward(exec, scores.data(), rows, kWords, activations.data(), norms.data());
  });
  const auto raw = scores.host((rows - 1) * kWords, kWords), active = activations.host((rows - 1) * kWords, kWords);
  const auto elu1p = [](double x) { return x >= 0 ? x + 1 : std::exp(x); };
  double squares = 0;
  for (const float x : raw) squares += elu1p(x) * elu1p(x);
  bool matches = true;
  for (int64_t v = 0; v < kWords; ++v) {
    const double truth = elu1p(raw[v]) / std::sqrt(squares);
    matches = matches && std::fabs(active[v] - truth) <= 10 * kUnit * truth;
  }
  const double bytes = 8.0 * static_cast<double>(rows * kWords);
  report("activate_normalize_forward", shape, matches, {normalize.milliseconds(), 0, bytes, 0, normalize.needed()});

  const Array<int32_t> offsets(rows + 1), ids(rows * kWords);
  const Array<float> weights(rows * kWords);
  for (const bool top : {false, true}) {
    const float threshold = 0.015f;
    const Operation sparsify([&](const lexvla_exec *exec) {
      return top ? lexvla_sparsify_top_k(
                       exec, activations.data(), rows, kWords, 512, ids.size(), offsets.data(), ids.data(), weights.data())
                 : lexvla_sparsify_threshold(
                       exec, activations.data(), rows, kWords, threshold, ids.size(), offsets.data(), ids.data(), weights.data());
    });
    const auto ends = offsets.host(rows - 1, 2);
    float least = threshold;
    if (top) {
      auto sorted = active;
      std::nth_element(sorted.begin(), sorted.begin() + 511, sorted.end(), std::greater<float>());
      least = sorted[511];
    }
    int64_t ties = kWords;
    if (top) ties = 512 - std::count_if(active.begin(), active.end(), [&](float x) { return x > least; });
    std::vector<int32_t> expected;
    for (int64_t v = 0; v < kWords; ++v) {
      if (active[v] > least || (active[v] == least && ties-- > 0)) expected.push_back(static_cast<int32_t>(v));
    }
    matches = ends[1] - ends[0] == static_cast<int64_t>(expected.size()) && ids.host(ends[0], ends[1] - ends[0]) == expected;
    report(top ? "sparsify_top_k 512" : "sparsify_threshold", shape, matches,
        {sparsify.milliseconds(), 0, 4.0 * static_cast<double>(rows * kWords) + 8.0 * ends[1], 0, sparsify.needed()});
  }

  // What is left is a matrix of 512 words a row.
  const Array<float> products(rows * rows);
  const Operation dot([&](const lexvla_exec *exec) {
    return lexvla_csr_dot(exec, offsets.data(), ids.data(), weights.data(), rows, offsets.data(), ids.data(), weights.data(), rows, kWords,
        products.data());
  });
  const auto ends = offsets.host(rows - 1, 2);
  double truth = 0;
  for (const float w : weights.host(ends[0], ends[1] - ends[0])) truth += double{w} * w;
  matches = std::fabs(products.host(rows * rows - 1, 1)[0] - truth) <= 514 * kUnit * truth;
  report("csr_dot 512 words", shape, matches, {dot.milliseconds(), 0, 0, 0, dot.needed()});
}

/** Rows of `each` words: one of every stretch of the vocabulary, with weights between 0 and 1. */
__global__ void fill_sparse(int64_t rows, int64_t each, uint64_t seed, int32_t *offsets, int32_t *ids, float *weights) {
  const int64_t stretch = kWords / each;
  for (int64_t i = blockIdx.x * int64_t{blockDim.x} + threadIdx.x; i < rows * each; i += int64_t{gridDim.x} * blockDim.x) {
    uint64_t x = (seed + static_cast<uint64_t>(i)) * 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 31) * 0x7fb5d329728ea185u;
    x ^= x >> 33;
    ids[i] = static_cast<int32_t>(i % each * stretch + static_cast<int64_t>((x & 0xffff) % static_cast<uint64_t>(stretch)));
    weights[i] = static_cast<float>((x >> 20 & 0xffff) + 1) * 0x1p-16f;
    if (i % each == 0) offsets[i / each] = static_cast<int32_t>(i);
    if (i == 0) offsets[rows] = static_cast<int32_t>(rows * each);
  }
}

struct Sparse {
  Sparse(int64_t rows_, int64_t each_, uint64_t seed) : rows(rows_), each(each_), offsets(rows_ + 1), ids(rows_ * each_), weights(rows_ * each_) {
    fill_sparse<<<4096, 256>>>(rows, each, seed, offsets.data(), ids.data(), weights.data());
    require(cudaGetLastError(), "fill_sparse");
  }
  /** A row, dense. */
  std::vector<float> dense(int64_t row) const {
    std::vector<float> all(kWords);
    const auto i = ids.host(row * each, each);
    const auto w = weights.host(row * each, each);
    for (int64_t e = 0; e < each; ++e) all[i[e]] = w[e];
    return all;
  }
  int64_t rows, each;
  Array<int32_t> offsets, ids;
  Array<float> weights;
};

/** Exact search of a batch of queries; hits and some other rows are computed again on the host. */
void bench_index(int64_t rows) {
  constexpr int64_t kQueries = 256, kHits = 10;
  const Sparse matrix(rows, 1081, 7);
  for (const int64_t each : {40, 1081}) {
    const Sparse queries(kQueries, each, 11);
    const Array<int32_t> hit_rows(kQueries * kHits);
    const Array<float> hit_scores(kQueries * kHits);
    const Array<int64_t> hits(kQueries);
    const Operation search([&](const lexvla_exec *exec) {
      return lexvla_index_search(exec, nullptr, 0, matrix.offsets.data(), matrix.ids.data(), matrix.weights.data(), rows, kWords,
          queries.offsets.data(), queries.ids.data(), queries.weights.data(), kQueries, kHits, hit_rows.data(), hit_scores.data(),
          hits.data(), nullptr);
    });
    bool matches = true;
    for (const int64_t q : {int64_t{0}, kQueries - 1}) {
      const auto query = queries.dense(q);
      const auto found = hit_rows.host(q * kHits, kHits);
      const auto scores = hit_scores.host(q * kHits, kHits);
      const auto score_of = [&](int64_t row) {
        const auto i = matrix.ids.host(row * matrix.each, matrix.each);
        const auto w = matrix.weights.host(row * matrix.each, matrix.each);
        double sum = 0;
        for (int64_t e = 0; e < matrix.each; ++e) sum += double{query[i[e]]} * w[e];
        return static_cast<float>(sum);
      };
      matches = matches && hits.host(q, 1)[0] == kHits;
      for (int64_t i = 0; matches && i < kHits; ++i) {
        matches = scores[i] == score_of(found[i]) &&
                  (i == 0 || scores[i - 1] > scores[i] || (scores[i - 1] == scores[i] && found[i - 1] < found[i]));
      }
      for (int64_t sample = 0; matches && sample < 500; ++sample) {
        const int64_t row = sample * (rows - 1) / 499;
        const float score = score_of(row);
        const bool is_hit = std::find(found.begin(), found.end(), static_cast<int32_t>(row)) != found.end();
        matches = is_hit || score < scores.back() || (score == scores.back() && row > found.back());
      }
    }
    const double ms = matches ? search.milliseconds() : 0;
    report(("index_search, queries of " + std::to_string(each)).c_str(), "N=" + std::to_string(rows) + " Q=256", matches,
        {ms, 0, 8.0 * static_cast<double>(rows) * matrix.each, 0, search.needed()});
    if (matches) std::printf("    %.1f microseconds a query\n", ms * 1e3 / kQueries);
  }
}

void measure_bandwidth() {
  const Array<char> from(int64_t{1} << 30), to(int64_t{1} << 30);
  require(cudaMemset(from.data(), 1, from.size()), "cudaMemset");
  const auto ms =
      times({[&] { require(cudaMemcpyAsync(to.data(), from.data(), from.size(), cudaMemcpyDeviceToDevice, nullptr), "copy"); }});
  bandwidth = 2.0 * static_cast<double>(from.size()) / (ms[0] * 1e-3);
  // What a batch in pinned memory has over one that is not, and at most.
  constexpr int64_t kBatch = int64_t{256} << 20;
  void *pinned = nullptr;
  require(cudaMallocHost(&pinned, kBatch), "cudaMallocHost");
  std::memset(pinned, 1, kBatch);
  const std::vector<char> pageable(kBatch, 1);
  const auto host = times({[&] { require(cudaMemcpyAsync(to.data(), pinned, kBatch, cudaMemcpyHostToDevice, nullptr), "copy"); },
      [&] { require(cudaMemcpyAsync(to.data(), pageable.data(), kBatch, cudaMemcpyHostToDevice, nullptr), "copy"); }});
  require(cudaFreeHost(pinned), "cudaFreeHost");
  from_pinned = static_cast<double>(kBatch) / (host[0] * 1e-3);
  from_pageable = static_cast<double>(kBatch) / (host[1] * 1e-3);
}

}  // namespace

int main(int argc, char **argv) {
  std::string only;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--quick") == 0) {
      quick = true;
    } else if (std::strcmp(argv[i], "--only") == 0 && i + 1 < argc) {
      only = argv[++i];
    } else if (std::strcmp(argv[i], "--json") == 0 && i + 1 < argc) {
      json_file = argv[++i];
    } else {
      std::fprintf(stderr, "usage: lexvla_cuda_bench [--quick] [--only forward|backward|rows|index] [--json FILE]\n");
      return 2;
    }
  }
  int devices = 0, driver = 0, runtime = 0;
  const cudaError_t found = cudaGetDeviceCount(&devices);
  if (found != cudaSuccess || devices == 0) {
    const char *required = std::getenv("LEXVLA_CUDA_REQUIRED");
    const bool fails = required != nullptr && std::strcmp(required, "true") == 0;
    std::printf("%s: no CUDA device: %s\n", fails ? "failed" : "skipped", cudaGetErrorString(found));
    return fails ? 1 : 77;
  }
  cudaDeviceProp device;
  require(cudaGetDeviceProperties(&device, 0), "cudaGetDeviceProperties");
  require(cudaDriverGetVersion(&driver), "cudaDriverGetVersion");
  require(cudaRuntimeGetVersion(&runtime), "cudaRuntimeGetVersion");
  const Blas blas;
  measure_bandwidth();
  std::printf("%s, compute capability %d.%d, driver %d, runtime %d, copy %.2f TB/s, from the host %.1f GB/s pinned and %.1f pageable, cuBLAS %s\n", device.name, device.major, device.minor,
      driver, runtime, bandwidth * 1e-12, from_pinned * 1e-9, from_pageable * 1e-9, blas.is_here() ? "found" : "not found: no baseline");
  char date[32], about[1024];
  const std::time_t now = std::time(nullptr);
  std::strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", std::gmtime(&now));
  const char *commit = std::getenv("LEXVLA_COMMIT");
  std::snprintf(about, sizeof about,
      "\"device\": \"%s\", \"compute_capability\": \"%d.%d\", \"driver\": %d, \"runtime\": %d, \"date\": \"%s\", \"commit\": \"%.40s\",\n"
      "  \"copy_bytes_per_second\": %.5g, \"pinned_bytes_per_second\": %.5g, \"pageable_bytes_per_second\": %.5g, \"width\": %lld, "
      "\"words\": %lld, \"cublas\": %d",
      device.name, device.major, device.minor, driver, runtime, date, commit == nullptr ? "unknown" : commit, bandwidth, from_pinned, from_pageable, static_cast<long long>(kWidth),
      static_cast<long long>(kWords), blas.version());
  about_machine = about;
  const auto wanted = [&](const char *what) { return only.empty() || only == what; };
  const auto bench = [&](const auto &head) {
    if (wanted("forward") || wanted("backward")) head.bench_forward(blas);
    if (wanted("backward")) head.bench_backward();
  };
  if (wanted("forward") || wanted("backward")) {
    for (const int64_t images : {256, 64, 1, 4, 8}) bench(Head<Bf16, LEXVLA_BFLOAT16>(images, kTokens));
    for (const int64_t texts : {1, 256}) bench(Head<Bf16, LEXVLA_BFLOAT16>(texts, 1));
    bench(Head<Half, LEXVLA_FLOAT16>(64, kTokens));
    bench(Head<float, LEXVLA_FLOAT32, LEXVLA_MATH_TF32>(64, kTokens));
    bench(Head<float, LEXVLA_FLOAT32>(8, kTokens));
  }
  if (wanted("rows")) bench_rows(256);
  if (wanted("index")) bench_index(quick ? 100000 : 1000000);
  write_json(true);
  return all_match ? 0 : 1;
}
