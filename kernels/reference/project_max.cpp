#include <vector>

#include "../core/packed.h"
#include "elements.h"

namespace lexvla::reference {
namespace {

constexpr int32_t kLayout = 1;        // the codebook as it is
constexpr int32_t kScreenLayout = 2;  // nothing

int64_t codebook_bytes(int32_t type, int64_t width, int64_t words) { return width * words * (type == LEXVLA_FLOAT32 ? 4 : 2); }

}  // namespace

void project_max_forward(const lexvla_exec *, int32_t type, const void *tokens, const uint8_t *mask, const void *codebook,
    int64_t images, int64_t count, int64_t width, int64_t words, float *scores, int32_t *winners) {
  for (int64_t b = 0; b < images; ++b) {
    for (int64_t v = 0; v < words; ++v) {
      double best = -INFINITY;
      int32_t winner = -1;
      for (int64_t p = 0; p < count; ++p) {
        if (mask != nullptr && mask[b * count + p] == 0) continue;
        double score = 0;
        for (int64_t k = 0; k < width; ++k) {
          score += element(tokens, type, (b * count + p) * width + k) * element(codebook, type, v * width + k);
        }
        // The first unmasked token always takes the place, so that a score of -inf has a winner too.
        if (winner < 0 || score > best || (std::isnan(score) && !std::isnan(best))) {
          best = score;
          winner = static_cast<int32_t>(p);
        }
      }
      scores[b * words + v] = static_cast<float>(best);
      if (winners != nullptr) winners[b * words + v] = winner;
    }
  }
}

void packed_codebook_bytes(const lexvla_exec *, int32_t type, int64_t width, int64_t words, int64_t *bytes) {
  *bytes = packed::total_bytes(codebook_bytes(type, width, words));
}

void pack_codebook(const lexvla_exec *, int32_t type, const void *codebook, int64_t width, int64_t words, int64_t capacity, void *packed) {
  const int64_t bytes = codebook_bytes(type, width, words);
  void *const to = packed::begin(packed, capacity, kLayout, type, width, words, bytes);
  if (bytes > 0) std::memcpy(to, codebook, bytes);
}

void project_max_forward_packed(const lexvla_exec *exec, int32_t type, const void *tokens, const uint8_t *mask, const void *packed,
    int64_t, int64_t images, int64_t count, int64_t width, int64_t words, float *scores, int32_t *winners) {
  project_max_forward(exec, type, tokens, mask, packed::data(packed, kLayout, codebook_bytes(type, width, words)), images, count, width,
      words, scores, winners);
}

void screen_codebook_bytes(const lexvla_exec *, int32_t, int64_t, int64_t, int64_t *bytes) { *bytes = packed::total_bytes(0); }

void screen_codebook(const lexvla_exec *, int32_t type, const void *, int64_t width, int64_t words, int64_t capacity, void *screen) {
  packed::begin(screen, capacity, kScreenLayout, type, width, words, 0);
}

void project_max_forward_screened(const lexvla_exec *exec, int32_t type, const void *tokens, const uint8_t *mask, const void *codebook,
    const void *screen, int64_t, int64_t images, int64_t count, int64_t width, int64_t words, float, float, float *scores,
    int32_t *winners, int64_t *recomputed) {
  packed::data(screen, kScreenLayout, 0);
  project_max_forward(exec, type, tokens, mask, codebook, images, count, width, words, scores, winners);
  if (recomputed == nullptr) return;
  *recomputed = 0;
  for (int64_t i = 0; i < images * count; ++i) *recomputed += mask == nullptr || mask[i] != 0 ? words : 0;
}

void filter_winners(const lexvla_exec *, const float *grad_scores, const int32_t *winners, int64_t images, int64_t words, float share,
    int32_t *filtered) {
  for (int64_t b = 0; b < images; ++b) {
    float largest = 0;
    for (int64_t i = b * words; i < (b + 1) * words; ++i) largest = std::fmax(largest, std::fabs(grad_scores[i]));
    for (int64_t i = b * words; i < (b + 1) * words; ++i) filtered[i] = std::fabs(grad_scores[i]) < share * largest ? -1 : winners[i];
  }
}

void project_max_backward(const lexvla_exec *, int32_t type, const float *grad_scores, const int32_t *winners, const void *tokens,
    const void *codebook, int64_t images, int64_t count, int64_t width, int64_t words, float *grad_tokens, float *grad_codebook,
    int32_t add_codebook) {
  if (grad_tokens != nullptr) {
    std::vector<double> sum(count * width);
    for (int64_t b = 0; b < images; ++b) {
      sum.assign(sum.size(), 0.0);
      for (int64_t v = 0; v < words; ++v) {
        const int64_t p = winners[b * words + v];
        if (p < 0) continue;
        for (int64_t k = 0; k < width; ++k) {
          sum[p * width + k] += double{grad_scores[b * words + v]} * element(codebook, type, v * width + k);
        }
      }
      for (int64_t i = 0; i < count * width; ++i) grad_tokens[b * count * width + i] = static_cast<float>(sum[i]);
    }
  }
  if (grad_codebook != nullptr) {
    for (int64_t v = 0; v < words; ++v) {
      for (int64_t k = 0; k < width; ++k) {
        double sum = add_codebook != 0 ? grad_codebook[v * width + k] : 0.0;
        for (int64_t b = 0; b < images; ++b) {
          const int64_t p = winners[b * words + v];
          if (p < 0) continue;
          sum += double{grad_scores[b * words + v]} * element(tokens, type, (b * count + p) * width + k);
        }
        grad_codebook[v * width + k] = static_cast<float>(sum);
      }
    }
  }
}

}  // namespace lexvla::reference
