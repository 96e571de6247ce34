/*
 * The CUDA kernels at the paper's shapes: proves a result against sums in double on the host, then times it beside cuBLAS's
 * bare matrix product of the same size in the same process, and beside the memory bandwidth measured here.
 *
 *     lexvla_cuda_bench [--quick] [--json FILE]
 *
 * Random data; variants alternate; the figure is the median. cuBLAS is looked for at run time (libcublas.so.13 or .12) and
 * left out where it is not there. A figure is printed only after "matches"; exit code 1 if anything does not match.
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
#include <vector>

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

__device__ void put(float *to, float x) { *to = x; }
__device__ void put(uint16_t *to, float x) { *to = static_cast<uint16_t>(__float_as_uint(x) >> 16); }

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
float value(uint16_t x) {
  const uint32_t bits = uint32_t{x} << 16;
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
  }
  bool is_here() const { return handle_ != nullptr; }

  /** out[rows, ld] = x[rows, width] . z[words, width]^T, of bfloat16 or float32, summed in float32 */
  template <class T>
  void product(const T *x, const T *z, int64_t rows, T *out, int64_t ld) const {
    const float one = 1, zero = 0;
    constexpr int kType = sizeof(T) == 2 ? 14 : 0;                                             // CUDA_R_16BF, CUDA_R_32F
    constexpr int kNotTransposed = 0, kTransposed = 1, kComputeFloat32 = 68, kDefaultAlgorithm = -1;  // cuBLAS's enums
    const int width = static_cast<int>(kWidth);
    // cuBLAS counts columns first: out^T = z . x^T.
    const int status = gemm_(handle_, kTransposed, kNotTransposed, static_cast<int>(kWords), static_cast<int>(rows), width, &one, z, kType,
        width, x, kType, width, &zero, out, kType, static_cast<int>(ld), kComputeFloat32, kDefaultAlgorithm);
    if (status != 0) die("cublasGemmEx", std::to_string(status).c_str());
  }

 private:
  using Gemm = int(void *, int, int, int, int, int, const void *, const void *, int, int, const void *, int, int, const void *, void *,
      int, int, int, int);
  void *handle_ = nullptr;
  Gemm *gemm_ = nullptr;
};

/** What one measurement has to say; what is 0 is left out. */
struct Figures {
  double ms = 0, flops = 0, bytes = 0, blas_ms = 0;
  int64_t workspace = 0;
};

double bandwidth = 0;  // bytes per second, read and written
std::string results;
bool all_match = true;

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

template <class T>
class Head {
 public:
  Head(int64_t images, int64_t tokens) : images_(images), tokens_(tokens) {
    randomise(x_, 1, 1);
    randomise(z_, 2, 1 / std::sqrt(static_cast<float>(kWidth)));
  }

  void bench_forward(const Blas &blas) const {
    const Operation forward([this](const lexvla_exec *exec) {
      return lexvla_project_max_forward(
          exec, kType, x_.data(), nullptr, z_.data(), images_, tokens_, kWidth, kWords, scores_.data(), winners_.data());
    });
    const bool matches = forward_matches();
    Figures f;
    if (matches) {
      const int64_t rows = images_ * tokens_, ld = (kWords + 127) / 128 * 128;
      const Array<T> product(blas.is_here() ? rows * ld : 1);
      std::vector<std::function<void()>> works{[&] { forward.run(); }};
      if (blas.is_here()) works.push_back([&] { blas.product(x_.data(), z_.data(), rows, product.data(), ld); });
      const auto ms = times(works);
      f = {ms[0], 2.0 * static_cast<double>(rows * kWidth) * kWords, 0, ms.size() > 1 ? ms[1] : 0, forward.needed()};
    }
    report(sizeof(T) == 2 ? "project_max_forward bf16" : "project_max_forward f32", shape(), matches, f);
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
    report(sizeof(T) == 2 ? "project_max_backward bf16" : "project_max_backward f32", shape(), matches, f);
  }

 private:
  static constexpr int32_t kType = sizeof(T) == 2 ? LEXVLA_BFLOAT16 : LEXVLA_FLOAT32;

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
          allowance = std::max(allowance, (kWidth + 2) * kUnit * score.magnitude);
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

void measure_bandwidth() {
  const Array<char> from(int64_t{1} << 30), to(int64_t{1} << 30);
  require(cudaMemset(from.data(), 1, from.size()), "cudaMemset");
  const auto ms =
      times({[&] { require(cudaMemcpyAsync(to.data(), from.data(), from.size(), cudaMemcpyDeviceToDevice, nullptr), "copy"); }});
  bandwidth = 2.0 * static_cast<double>(from.size()) / (ms[0] * 1e-3);
}

}  // namespace

int main(int argc, char **argv) {
  const char *json_file = nullptr;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--quick") == 0) {
      quick = true;
    } else if (std::strcmp(argv[i], "--json") == 0 && i + 1 < argc) {
      json_file = argv[++i];
    } else {
      std::fprintf(stderr, "usage: lexvla_cuda_bench [--quick] [--json FILE]\n");
      return 2;
    }
  }
  int devices = 0, driver = 0, runtime = 0;
  const cudaError_t found = cudaGetDeviceCount(&devices);
  if (found != cudaSuccess || devices == 0) {
    std::printf("skipped: no CUDA device: %s\n", cudaGetErrorString(found));
    return 77;
  }
  cudaDeviceProp device;
  require(cudaGetDeviceProperties(&device, 0), "cudaGetDeviceProperties");
  require(cudaDriverGetVersion(&driver), "cudaDriverGetVersion");
  require(cudaRuntimeGetVersion(&runtime), "cudaRuntimeGetVersion");
  const Blas blas;
  measure_bandwidth();
  std::printf("%s, compute capability %d.%d, driver %d, runtime %d, copy %.2f TB/s, cuBLAS %s\n", device.name, device.major, device.minor,
      driver, runtime, bandwidth * 1e-12, blas.is_here() ? "found" : "not found: no baseline");
  for (const int64_t images : {1, 4, 8, 64, 256}) {
    const Head<uint16_t> head(images, kTokens);
    head.bench_forward(blas);
    head.bench_backward();
  }
  for (const int64_t texts : {1, 256}) {
    const Head<uint16_t> head(texts, 1);
    head.bench_forward(blas);
    head.bench_backward();
  }
  {
    const Head<float> head(8, kTokens);
    head.bench_forward(blas);
    head.bench_backward();
  }
  bench_rows(256);
  if (json_file != nullptr) {
    FILE *out = std::fopen(json_file, "w");
    if (out == nullptr) die(json_file, "cannot be written");
    char date[32];
    const std::time_t now = std::time(nullptr);
    std::strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", std::gmtime(&now));
    std::fprintf(out,
        "{\n  \"device\": \"%s\", \"compute_capability\": \"%d.%d\", \"driver\": %d, \"runtime\": %d, \"date\": \"%s\",\n"
        "  \"copy_bytes_per_second\": %.5g, \"width\": %lld, \"words\": %lld, \"cublas\": %s,\n  \"results\": [%s\n  ]\n}\n",
        device.name, device.major, device.minor, driver, runtime, date, bandwidth, static_cast<long long>(kWidth),
        static_cast<long long>(kWords), blas.is_here() ? "true" : "false", results.c_str());
    if (std::fclose(out) != 0) die(json_file, "was not written completely");
  }
  return all_match ? 0 : 1;
}
