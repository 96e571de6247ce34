/* token_activations: the scores go straight to where the activations will be, then each row is activated in place. */
#include "scores.h"

namespace lexvla::LEXVLA_ISA {

Body<decltype(lexvla_activate_normalize_forward)> activate_normalize_forward;

namespace {

constexpr int64_t kPackedBytes = int64_t{64} << 20;
constexpr int64_t kGroupRows = kBlockRows;

struct StoreConsumer {
  float *scores;
  int64_t all_words;

  struct Nothing {};
  Nothing begin(int64_t, int64_t) const { return {}; }
  void end(Nothing) const {}

  void take(Nothing, int64_t first_row, int64_t rows, int64_t first_word, int64_t words, const float *tile) const {
    for (int64_t panel = 0; panel < words; panel += kTileWords) {
      const int64_t here = smaller(kTileWords, words - panel);
      for (int64_t i = 0; i < rows; ++i) {
        float *out = scores + (first_row + i) * all_words + first_word + panel;
        for (int64_t j = 0; j < here; ++j) out[j] = tile[(panel * rows + i * kTileWords) + j];
      }
    }
  }
};

template <class T>
void scores(const lexvla_exec &exec, const T *tokens, const T *codebook, int64_t count, int64_t width, int64_t words, float *out) {
  const int64_t pass = larger(kPackedBytes / (4 * larger(width, 1)) / kGroupRows, 1);  // groups
  const Buffer memory(pass * sizeof(RowGroup));
  RowGroup *const groups = static_cast<RowGroup *>(memory.data());
  for (int64_t first = 0; first < count; first += pass * kGroupRows) {
    int64_t size = 0;
    for (int64_t row = first; row < count && size < pass; row += kGroupRows, ++size) {
      groups[size] = {row, smaller(kGroupRows, count - row)};
    }
    score_groups(exec, tokens, nullptr, groups, size, RowPanels<T>(codebook, width, words), width, words, StoreConsumer{out, words});
  }
}

}  // namespace

void token_activations(const lexvla_exec *exec, int32_t type, const void *tokens, const void *codebook, int64_t count, int64_t width,
    int64_t words, float *activations, float *norms) {
  with_type(type, [&](auto element) {
    using T = decltype(element);
    scores(*exec, static_cast<const T *>(tokens), static_cast<const T *>(codebook), count, width, words, activations);
  });
  activate_normalize_forward(exec, activations, count, words, activations, norms);
}

}  // namespace lexvla::LEXVLA_ISA
