/* Rates that a machine reaches, for benchmarks that state a share of them. */
#ifndef LEXVLA_BENCH_RATE_H
#define LEXVLA_BENCH_RATE_H

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

namespace lexvla::bench {

using Clock = std::chrono::steady_clock;

constexpr int kTrials = 20;  // short ones, the best counts: other work on the machine is not its limit

/** A number that the compiler must take for used. */
static volatile float sink;

/** Operations or bytes per second of `threads` threads that each do `amount` of them in body(thread); the best trial. */
inline double best_rate(int threads, double amount, const std::function<void(int)> &body) {
  double best = 0;
  for (int trial = 0; trial < kTrials; ++trial) {
    const auto start = Clock::now();
    std::vector<std::thread> others;
    for (int t = 1; t < threads; ++t) others.emplace_back(body, t);
    body(0);
    for (std::thread &other : others) other.join();
    best = std::max(best, threads * amount / std::chrono::duration<double>(Clock::now() - start).count());
  }
  return best;
}

/** Sums a gigabyte, more than any cache here holds; each thread its own part. */
inline double read_rate(int threads) {
  const int64_t per_thread = (int64_t{1} << 30) / 8 / threads;
  std::vector<std::vector<uint64_t>> parts(threads);
  const auto fill = [&](int t) { parts[t].assign(per_thread, 0x0123456789abcdefu + t); };
  best_rate(threads, 1, fill);
  return best_rate(threads, static_cast<double>(per_thread) * 8, [&](int t) {
    typedef uint64_t U8 __attribute__((vector_size(64), aligned(8), may_alias));
    U8 sums[8] = {};
    const uint64_t *words = parts[t].data();
    for (int64_t i = 0; i + 64 <= per_thread; i += 64) {
      for (int c = 0; c < 8; ++c) sums[c] ^= *reinterpret_cast<const U8 *>(words + i + 8 * c);
    }
    uint64_t total = 0;
    for (const U8 &sum : sums) total ^= sum[0];
    sink = static_cast<float>(total);
  });
}

}  // namespace lexvla::bench

#endif
