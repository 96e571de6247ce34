/*
 * What this machine can do at most, for the share that a kernel reaches of it: multiply-adds on numbers that never leave
 * the registers, in float32, by the dot products of bfloat16 and of int8, and bytes read from memory. One line of JSON, in
 * operations (a multiply-add is two) and bytes per second of all threads together; what the machine has no instruction for is
 * left out. A dot product of bfloat16 may be slower than float32: not every machine that has the instruction is fast at it.
 *
 *     lexvla_machine_peak [threads]            0 or nothing: one per core
 */
#include "rate.h"

#include <cstdio>
#include <cstdlib>
#include <string>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

using namespace lexvla::bench;

namespace {

constexpr int kChains = 24;  // independent sums: more than latency times issue width, fewer than the registers of AVX-512
constexpr int64_t kSteps = 300'000;

/**
 * kSteps rounds of step(sum) on every one of `chains` sums, then `use` on each. All loops over the sums are unrolled: the array
 * is then no memory but registers.
 */
#define LEXVLA_EACH(chains, statement) \
  _Pragma("GCC unroll 32") for (int c = 0; c < (chains); ++c) { statement; }
#define LEXVLA_CHAINS(chains, vector, constraint, zero, step, use) \
  vector sums[chains];                                             \
  LEXVLA_EACH(chains, sums[c] = (zero))                            \
  for (int64_t i = 0; i < kSteps; ++i) {                           \
    LEXVLA_EACH(chains, sums[c] = (step); __asm__("" : constraint(sums[c]))) \
  }                                                                \
  LEXVLA_EACH(chains, use)

#if defined(__x86_64__)
__attribute__((target("avx512f"))) void float32_avx512(int) {
  const __m512 x = _mm512_set1_ps(0.999f), y = _mm512_set1_ps(0.001f);
  LEXVLA_CHAINS(kChains, __m512, "+v", y, _mm512_fmadd_ps(sums[c], x, y), sink = _mm512_cvtss_f32(sums[c]))
}

__attribute__((target("avx512bf16,avx512f"))) void bfloat16_avx512(int) {
  const __m512bh x = reinterpret_cast<__m512bh>(_mm512_set1_epi32(0x3a833a83));  // 0.001 twice
  LEXVLA_CHAINS(kChains, __m512, "+v", _mm512_setzero_ps(), _mm512_dpbf16_ps(sums[c], x, x), sink = _mm512_cvtss_f32(sums[c]))
}

__attribute__((target("avx512vnni,avx512f"))) void int8_avx512(int) {
  const __m512i x = _mm512_set1_epi8(3);
  LEXVLA_CHAINS(kChains, __m512i, "+v", x, _mm512_dpbusd_epi32(sums[c], x, x), sink = _mm512_cvtss_f32(_mm512_castsi512_ps(sums[c])))
}

__attribute__((target("avx2,fma"))) void float32_avx2(int) {
  const __m256 x = _mm256_set1_ps(0.999f), y = _mm256_set1_ps(0.001f);
  LEXVLA_CHAINS(kChains / 2, __m256, "+x", y, _mm256_fmadd_ps(sums[c], x, y), sink = _mm256_cvtss_f32(sums[c]))
}
#else
typedef float F4 __attribute__((vector_size(16)));

void float32_portable(int) {
  const F4 x = F4{} + 0.999f, y = F4{} + 0.001f;
  F4 sums[kChains];
  LEXVLA_EACH(kChains, sums[c] = y)
  for (int64_t i = 0; i < kSteps; ++i) {
    LEXVLA_EACH(kChains, sums[c] = sums[c] * x + y)
  }
  LEXVLA_EACH(kChains, sink = sums[c][0])
}
#endif

std::string json;

void note(const char *name, double rate) {
  char text[64];
  std::snprintf(text, sizeof text, ", \"%s\": %.4g", name, rate);
  json += text;
}

}  // namespace

int main(int argc, char **argv) {
  int threads = argc > 1 ? std::atoi(argv[1]) : 0;
  if (threads < 0 || argc > 2) {
    std::fprintf(stderr, "usage: lexvla_machine_peak [threads]\n");
    return 2;
  }
  if (threads == 0) threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  json = "{\"threads\": " + std::to_string(threads);
#if defined(__x86_64__)
  const double chains = static_cast<double>(kSteps) * kChains;
  if (__builtin_cpu_supports("avx512f")) {
    note("float32", best_rate(threads, chains * 16 * 2, float32_avx512));
  } else if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    note("float32", best_rate(threads, chains / 2 * 8 * 2, float32_avx2));
  }
  if (__builtin_cpu_supports("avx512bf16")) note("bfloat16_dot", best_rate(threads, chains * 32 * 2, bfloat16_avx512));
  if (__builtin_cpu_supports("avx512vnni")) note("int8_dot", best_rate(threads, chains * 64 * 2, int8_avx512));
#else
  note("float32", best_rate(threads, static_cast<double>(kSteps) * kChains * 4 * 2, float32_portable));
#endif
  note("read", read_rate(threads));
  std::printf("%s}\n", json.c_str());
}
