/* What the forms of project_max_forward share: which rows are scored, and whose they are. */
#ifndef LEXVLA_CPU_ROWS_H
#define LEXVLA_CPU_ROWS_H

#include "scores.h"

namespace lexvla::LEXVLA_ISA {
namespace {

/** Packed tokens of one pass; more images are done in several. */
constexpr int64_t kPackedBytes = int64_t{64} << 20;
/** Rows that a task should have to make up for fetching its words: two pictures of 257 tokens. */
constexpr int64_t kGroupRows = 512;
/** The rows to score: all unmasked tokens of all images, in groups of whole images. */
class Rows {
 public:
  Rows(const uint8_t *mask, int64_t images, int64_t count)
      : source_memory_(mask != nullptr ? larger(images * count, 1) * 8 : 8),
        patch_memory_(mask != nullptr ? larger(images * count, 1) * 4 : 4),
        group_memory_(larger(images, 1) * static_cast<int64_t>(sizeof(RowGroup))),
        source_(mask != nullptr ? static_cast<int64_t *>(source_memory_.data()) : nullptr),
        patch_(static_cast<int32_t *>(patch_memory_.data())),
        groups_(static_cast<RowGroup *>(group_memory_.data())) {
    int64_t rows = 0;
    for (int64_t b = 0; b < images; ++b) {
      const int64_t before = rows;
      if (mask == nullptr) {
        rows += count;
      } else {
        for (int64_t p = 0; p < count; ++p) {
          if (mask[b * count + p] == 0) continue;
          source_[rows] = b * count + p;
          patch_[rows++] = static_cast<int32_t>(p);
        }
      }
      if (rows == before) continue;
      if (size_ == 0 || groups_[size_ - 1].rows >= kGroupRows) groups_[size_++] = {before, 0};
      groups_[size_ - 1].rows += rows - before;
    }
  }

  /** Row -> image * count + token; NULL where that is the row itself. */
  const int64_t *source() const { return source_; }
  /** Row -> token; only where source() is not NULL. */
  const int32_t *patch() const { return patch_; }

  /** Calls body(groups, size) for groups whose packed tokens, `row_bytes` each, fit kPackedBytes; at least one at a time. */
  template <class Body>
  void for_passes(int64_t row_bytes, const Body &body) const {
    for (int64_t first = 0; first < size_;) {
      int64_t end = first + 1;
      while (end < size_ && (groups_[end].first + groups_[end].rows - groups_[first].first) * row_bytes <= kPackedBytes) ++end;
      body(groups_ + first, end - first);
      first = end;
    }
  }

 private:
  Buffer source_memory_, patch_memory_, group_memory_;
  int64_t *source_;
  int32_t *patch_;
  RowGroup *groups_;
  int64_t size_ = 0;
};

/** Writes the results of the images without tokens; returns whether there are any other results. */
inline bool write_empty(const uint8_t *mask, int64_t images, int64_t count, int64_t words, float *scores, int32_t *winners) {
  bool others = false;
  for (int64_t b = 0; b < images; ++b) {
    bool any = mask == nullptr && count > 0;
    for (int64_t p = 0; !any && mask != nullptr && p < count; ++p) any = mask[b * count + p] != 0;
    others |= any;
    if (any) continue;
    for (int64_t v = 0; v < words; ++v) scores[b * words + v] = -__builtin_inff();
    for (int64_t v = 0; winners != nullptr && v < words; ++v) winners[b * words + v] = -1;
  }
  return others && words > 0;
}

/** Calls body(image, row, size) for each run of rows of one image in [first_row, first_row + rows); row counts from first_row. */
template <class Body>
inline void for_images(const int64_t *source, int64_t first_row, int64_t rows, int64_t count, const Body &body) {
  for (int64_t row = 0; row < rows;) {
    const int64_t image = (source != nullptr ? source[first_row + row] : first_row + row) / count;
    int64_t end = row + 1;
    if (source == nullptr) {
      end = smaller((image + 1) * count - first_row, rows);
    } else {
      while (end < rows && source[first_row + end] < (image + 1) * count) ++end;
    }
    body(image, row, end - row);
    row = end;
  }
}

}  // namespace
}  // namespace lexvla::LEXVLA_ISA

#endif
