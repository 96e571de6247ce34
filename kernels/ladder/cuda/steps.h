/*
 * What the steps on CUDA share: the problem, its answer in double, the clock. Pictures of 256 tokens of bfloat16 against the
 * words of the paper, of each word and picture the best score. On the emulation (../../cuda/emulation) the problem is a small
 * one, its answer is checked, and nothing is timed.
 */
#ifndef LEXVLA_LADDER_CUDA_STEPS_H
#define LEXVLA_LADDER_CUDA_STEPS_H

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <random>
#include <vector>

#include "../../cuda/elements.h"

namespace ladder {

using lexvla::cuda::Bf16;

constexpr int kTokens = 256;
#if defined(__CUDACC__)
constexpr int kImages = 16, kWidth = 4096, kWords = 17152;
#else
constexpr int kImages = 2, kWidth = 128, kWords = 256;
#endif

inline void require(cudaError_t status, const char *what) {
  if (status == cudaSuccess) return;
  std::printf("%s: %s\n", what, cudaGetErrorString(status));
  std::exit(1);
}

/** A score as an unsigned number of the same order, greater than 0; for atomicMax. */
__host__ __device__ inline unsigned ordered(unsigned bits) { return (bits & 0x80000000u) != 0 ? ~bits : bits | 0x80000000u; }

/** Takes a score into account. */
__device__ inline void send(unsigned *best, int64_t image, int64_t word, float score) {
  atomicMax(best + image * kWords + word, ordered(__float_as_uint(score)));
}

struct Problem {
  std::vector<Bf16> tokens, codebook;
  Bf16 *device_tokens = nullptr, *device_codebook = nullptr;
  unsigned *best = nullptr;

  Problem() : tokens(int64_t{kImages} * kTokens * kWidth), codebook(int64_t{kWords} * kWidth) {
    std::minstd_rand random(1);
    const auto draw = [&](std::vector<Bf16> &values, float scale) {
      for (Bf16 &x : values) {
        // The sum of two uniform numbers: random enough for the power that a GPU draws.
        const float value = scale * (static_cast<float>(random() & 0xffff) + static_cast<float>(random() & 0xffff) - 65535.0f) / 32768.0f;
        uint32_t bits;
        std::memcpy(&bits, &value, 4);
        x.bits = static_cast<uint16_t>(bits >> 16);
      }
    };
    draw(tokens, 1);
    draw(codebook, 1.0f / 64);
    require(cudaMalloc(reinterpret_cast<void **>(&device_tokens), tokens.size() * 2), "cudaMalloc");
    require(cudaMalloc(reinterpret_cast<void **>(&device_codebook), codebook.size() * 2), "cudaMalloc");
    require(cudaMalloc(reinterpret_cast<void **>(&best), int64_t{kImages} * kWords * 4), "cudaMalloc");
    require(cudaMemcpy(device_tokens, tokens.data(), tokens.size() * 2, cudaMemcpyHostToDevice), "tokens");
    require(cudaMemcpy(device_codebook, codebook.data(), codebook.size() * 2, cudaMemcpyHostToDevice), "codebook");
  }

  static double wide(Bf16 x) {
    const uint32_t bits = uint32_t{x.bits} << 16;
    float value;
    std::memcpy(&value, &bits, 4);
    return value;
  }

  /** Whether the best scores of some words and of the first and last picture are right, but for the rounding of float sums. */
  bool is_answered() const {
    std::vector<unsigned> found(int64_t{kImages} * kWords);
    require(cudaMemcpy(found.data(), best, found.size() * 4, cudaMemcpyDeviceToHost), "scores");
    for (const int b : {0, kImages - 1}) {
      for (int sample = 0; sample < 32; ++sample) {
        const int64_t v = int64_t{sample} * (kWords - 1) / 31;
        double truth = -INFINITY, rounding = 0;
        for (int64_t p = 0; p < kTokens; ++p) {
          double sum = 0, magnitude = 0;
          for (int64_t k = 0; k < kWidth; ++k) {
            const double product = wide(tokens[(b * kTokens + p) * kWidth + k]) * wide(codebook[v * kWidth + k]);
            sum += product;
            magnitude += std::fabs(product);
          }
          truth = std::max(truth, sum);
          rounding = std::max(rounding, (kWidth + 2) * 0x1p-24 * magnitude);
        }
        const unsigned key = found[b * kWords + v], bits = (key & 0x80000000u) != 0 ? key & 0x7fffffffu : ~key;
        float score;
        std::memcpy(&score, &bits, 4);
        if (!(std::fabs(score - truth) <= rounding)) {
          std::printf("picture %d, word %d: score %g, truth %g\n", b, static_cast<int>(v), score, truth);
          return false;
        }
      }
    }
    return true;
  }
};

/** Puts a kernel on the default stream. */
template <class... Parameters, class... Arguments>
void launch(void (*kernel)(Parameters...), dim3 grid, unsigned threads, size_t shared, Arguments... arguments) {
  if (shared > 48 * 1024) {
    require(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared)), "shared memory");
  }
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = threads;
  config.dynamicSmemBytes = shared;
  require(cudaLaunchKernelEx(&config, kernel, static_cast<Parameters>(arguments)...), "launch");
}

/** Runs a step, checks its answer, then times it; 77 without a GPU of at least this major compute capability. */
inline int climb(const char *name, int capability, const std::function<void(const Problem &)> &step) {
  int devices = 0, major = 0;
  if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) {
    std::printf("%s: skipped: no CUDA device\n", name);
    return 77;
  }
  require(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, 0), "cudaDeviceGetAttribute");
  if (major < capability || (capability == 9 && major != 9)) {
    std::printf("%s: skipped: needs compute capability %d.x, this is %d.x\n", name, capability, major);
    return 77;
  }
  const Problem problem;
  const auto run = [&] {
    require(cudaMemsetAsync(problem.best, 0, int64_t{kImages} * kWords * 4, nullptr), "cudaMemsetAsync");
    step(problem);
  };
  run();
  require(cudaDeviceSynchronize(), "the kernel");
  if (!problem.is_answered()) return 1;
#if defined(__CUDACC__)
  cudaEvent_t start, end;
  require(cudaEventCreate(&start), "cudaEventCreate");
  require(cudaEventCreate(&end), "cudaEventCreate");
  std::vector<float> times;
  float total = 0;
  while (times.size() < 5 || (total < 1000 && times.size() < 50)) {
    require(cudaEventRecord(start), "cudaEventRecord");
    run();
    require(cudaEventRecord(end), "cudaEventRecord");
    require(cudaEventSynchronize(end), "the kernel");
    times.emplace_back();
    require(cudaEventElapsedTime(&times.back(), start, end), "cudaEventElapsedTime");
    total += times.back();
  }
  std::sort(times.begin(), times.end());
  const double ms = times[times.size() / 2];
  std::printf("%-56s matches, %9.3f ms, %6.1f TFLOP/s\n", name, ms, 2.0 * kImages * kTokens * kWidth * kWords / ms * 1e-9);
#else
  std::printf("%-56s matches\n", name);
#endif
  return 0;
}

}  // namespace ladder

#endif
