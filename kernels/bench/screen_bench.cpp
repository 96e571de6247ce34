/*
 * What the screened forward costs and changes where tokens are not independent numbers but as those of a vision transformer:
 * few directions that all tokens of a picture share, some noise, and a few channels far larger than the rest.
 *
 *     lexvla_screen_bench [images [width [words]]]
 *
 * For every kind of data and every margin: how many scores are computed again for each (image, word); in what share of them the
 * winner is not that of project_max_forward and its exact score is truly lower; how much lower at most, in standard deviations of
 * the scores; and the time, as a share of that of project_max_forward from a packed codebook.
 */
#include <lexvla/kernels.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <random>

#include "rate.h"

using namespace lexvla::bench;

namespace {

constexpr int64_t kTokens = 257, kFactors = 24;

struct Kind {
  const char *name;
  float shared;         // of a token's size the part in kFactors directions
  float outliers;       // size of four channels, in that of the others
  bool words_so_too;    // words from the same directions, with the same large channels
};

const Kind kKinds[] = {{"independent", 0, 1, false}, {"low rank", 0.95f, 1, false}, {"low rank, outliers x 30", 0.95f, 30, false},
    {"low rank, outliers x 300", 0.95f, 300, false}, {"the same, words alike", 0.95f, 30, true}, {"x 300, words alike", 0.95f, 300, true}};

void require(int32_t status) {
  if (status == LEXVLA_OK) return;
  std::fprintf(stderr, "%s\n", lexvla_last_error());
  std::exit(1);
}

std::vector<float> draw(std::mt19937 &random, const Kind &kind, bool alike, const std::vector<float> &factors, int64_t rows, int64_t width) {
  std::normal_distribution<float> normal;
  std::vector<float> out(rows * width);
  const float shared = alike ? kind.shared : 0, own = std::sqrt(1 - shared * shared);
  for (int64_t r = 0; r < rows; ++r) {
    float weights[kFactors];
    for (float &weight : weights) weight = shared * normal(random) / std::sqrt(static_cast<float>(kFactors));
    for (int64_t k = 0; k < width; ++k) {
      float x = own * normal(random);
      for (int64_t f = 0; f < kFactors; ++f) x += weights[f] * factors[f * width + k];
      out[r * width + k] = alike && k % (width / 4) == 7 ? x * kind.outliers : x;
    }
  }
  return out;
}

double dot(const float *x, const float *y, int64_t n) {
  double sum = 0;
  for (int64_t k = 0; k < n; ++k) sum += static_cast<double>(x[k]) * y[k];
  return sum;
}

}  // namespace

int main(int argc, char **argv) {
  const auto number = [&](int i, int64_t otherwise) { return argc > i ? std::atoll(argv[i]) : otherwise; };
  const int64_t images = number(1, 4), width = number(2, 1024), words = number(3, 4096);
  if (images < 1 || width < 64 || words < 1 || argc > 4) {
    std::fprintf(stderr, "usage: lexvla_screen_bench [images [width of at least 64 [words]]]\n");
    return 2;
  }
  lexvla_exec exec{};
  exec.device = LEXVLA_CPU;
  std::printf("%lld images of %lld tokens, width %lld, %lld words, instruction set %s\n", static_cast<long long>(images),
      static_cast<long long>(kTokens), static_cast<long long>(width), static_cast<long long>(words), lexvla_active_isa());
  std::printf("%-26s %10s %12s %14s %16s %8s\n", "tokens", "deviations", "again each", "lower winners", "at most lower by", "time");
  for (const Kind &kind : kKinds) {
    std::mt19937 random(1);
    std::normal_distribution<float> normal;
    std::vector<float> factors(kFactors * width);
    for (float &x : factors) x = normal(random);
    const std::vector<float> tokens = draw(random, kind, true, factors, images * kTokens, width);
    const std::vector<float> codebook = draw(random, kind, kind.words_so_too, factors, words, width);
    int64_t packed_bytes = 0, screen_bytes = 0;
    require(lexvla_packed_codebook_bytes(&exec, LEXVLA_FLOAT32, width, words, &packed_bytes));
    require(lexvla_screen_codebook_bytes(&exec, LEXVLA_FLOAT32, width, words, &screen_bytes));
    std::vector<char> packed(packed_bytes), screen(screen_bytes);
    require(lexvla_pack_codebook(&exec, LEXVLA_FLOAT32, codebook.data(), width, words, packed_bytes, packed.data()));
    require(lexvla_screen_codebook(&exec, LEXVLA_FLOAT32, codebook.data(), width, words, screen_bytes, screen.data()));
    std::vector<float> truth(images * words), scores(images * words);
    std::vector<int32_t> best(images * words), winners(images * words);
    const auto exact = [&] {
      const auto start = Clock::now();
      require(lexvla_project_max_forward_packed(&exec, LEXVLA_FLOAT32, tokens.data(), nullptr, packed.data(), packed_bytes, images, kTokens,
          width, words, truth.data(), best.data()));
      return std::chrono::duration<double>(Clock::now() - start).count();
    };
    exact();
    double sum = 0, squares = 0;
    for (const float score : truth) {
      sum += score;
      squares += static_cast<double>(score) * score;
    }
    const double n = static_cast<double>(truth.size()), deviation = std::sqrt(squares / n - sum / n * (sum / n));
    for (const float deviations : {0.0f, 3.0f, 6.0f, INFINITY}) {
      int64_t recomputed = 0, lower = 0;
      double ratio = 1e9, most = 0;
      for (int round = 0; round < 3; ++round) {
        const double theirs = exact();
        const auto start = Clock::now();
        require(lexvla_project_max_forward_screened(&exec, LEXVLA_FLOAT32, tokens.data(), nullptr, codebook.data(), screen.data(), screen_bytes,
            images, kTokens, width, words, -INFINITY, deviations, scores.data(), winners.data(), &recomputed));
        ratio = std::min(ratio, std::chrono::duration<double>(Clock::now() - start).count() / theirs);
      }
      for (int64_t i = 0; i < images * words; ++i) {
        if (winners[i] == best[i]) continue;
        const float *const word = codebook.data() + i % words * width, *const image = tokens.data() + i / words * kTokens * width;
        const double less = dot(image + best[i] * width, word, width) - dot(image + winners[i] * width, word, width);
        lower += less > 0;
        most = std::max(most, less / deviation);
      }
      std::printf("%-26s %10g %12.2f %13.4f%% %16.2e %8.2f\n", kind.name, static_cast<double>(deviations),
          static_cast<double>(recomputed) / n, 100 * static_cast<double>(lower) / n, most, ratio);
    }
  }
}
