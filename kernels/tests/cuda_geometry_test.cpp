/* Which thread of the CUDA kernels has which element, and where it lies in shared memory: arithmetic, tested as such. */
#include <set>
#include <utility>

#include "../cuda/score_tile.h"
#include "../cuda/sm80_tile.h"
#include "../cuda/sm90_project_max.h"
#include "support.h"

using namespace lexvla::cuda;

TEST_CASE("geometry: the threads of a score tile have every element once") {
  std::set<std::pair<int, int>> seen;
  for (int thread = 0; thread < kTileThreads; ++thread) {
    for (int i = 0; i < kPerThread; ++i) {
      for (int j = 0; j < kPerThread; ++j) seen.emplace(tile_token(thread, i), tile_word(thread, j));
    }
  }
  CHECK(seen.size() == kTileTokens * kTileWords);
  CHECK(*seen.begin() == std::make_pair(0, 0));
  CHECK(*seen.rbegin() == std::make_pair(kTileTokens - 1, kTileWords - 1));
}

TEST_CASE("geometry: a thread's tokens of a score tile ascend, so that of equal scores the first stays") {
  for (int thread = 0; thread < kTileThreads; ++thread) {
    for (int i = 1; i < kPerThread; ++i) CHECK(tile_token(thread, i) > tile_token(thread, i - 1));
  }
}

TEST_CASE("geometry: sm80, the accumulators of all threads are the tile, rows ascending within a thread") {
  std::set<std::pair<int, int>> seen;
  for (int thread = 0; thread < sm80::kThreads; ++thread) {
    int before = -1;
    for (int n = 0; n < sm80::kWarpRows / 8; ++n) {
      for (int i = 0; i < 2; ++i) {
        CHECK(sm80::row_of(thread, n, i) > before);
        before = sm80::row_of(thread, n, i);
      }
      for (int m = 0; m < sm80::kWarpWords / 16; ++m) {
        for (int i = 0; i < 4; ++i) seen.emplace(sm80::word_of(thread, m, i), sm80::row_of(thread, n, i));
      }
    }
  }
  CHECK(seen.size() == sm80::kWords * sm80::kRows);
  CHECK(*seen.rbegin() == std::make_pair(sm80::kWords - 1, sm80::kRows - 1));
}

TEST_CASE("geometry: sm80, chunks of a stage do not collide, in memory or in banks") {
  std::set<int> places;
  for (int line = 0; line < sm80::kRows; ++line) {
    for (int chunk = 0; chunk < sm80::kLineBytes / sm80::kChunk; ++chunk) places.insert(sm80::chunk_at(line, chunk));
  }
  CHECK(places.size() == static_cast<size_t>(sm80::kOperandBytes / sm80::kChunk));
  CHECK(*places.rbegin() == sm80::kOperandBytes - sm80::kChunk);
  // An 8 x 8 matrix is read as the same chunk of eight consecutive lines: 8 * 16 bytes, which are all 32 banks.
  for (int line = 0; line < sm80::kRows; line += 8) {
    for (int chunk = 0; chunk < 4; ++chunk) {
      std::set<int> banks;
      for (int i = 0; i < 8; ++i) banks.insert(sm80::chunk_at(line + i, chunk) % 128);
      CHECK(banks.size() == 8);
    }
  }
  // Eight consecutive threads store the four chunks of two lines.
  for (int line = 0; line < sm80::kRows; line += 2) {
    std::set<int> banks;
    for (int i = 0; i < 8; ++i) banks.insert(sm80::chunk_at(line + i / 4, i % 4) % 128);
    CHECK(banks.size() == 8);
  }
}

TEST_CASE("geometry: sm90, the accumulators of a warp group are its tile") {
  std::set<std::pair<int, int>> seen;
  for (int thread = 0; thread < 128; ++thread) {
    for (int i = 0; i < 128; ++i) {
      seen.emplace(sm90::word_of(thread, i), sm90::row_of(thread, i));
      // What send_best adds to the constants of its loops.
      CHECK(sm90::row_of(thread, i) == i / 4 * 8 + i % 2 + sm90::row_of(thread, 0));
    }
  }
  CHECK(seen.size() == 64 * sm90::kRows);
  CHECK(*seen.rbegin() == std::make_pair(63, sm90::kRows - 1));
}

TEST_CASE("geometry: sm90, the order of tiles has every tile once, a group of words before the next") {
  for (const int word_tiles : {1, 7, 8, 9, 45}) {
    for (const int row_tiles : {1, 2, 257}) {
      std::set<std::pair<int, int>> seen;
      int group = 0;
      for (int place = 0; place < word_tiles * row_tiles; ++place) {
        const sm90::Tile tile = sm90::tile_at(place, word_tiles, row_tiles);
        REQUIRE((tile.words >= 0 && tile.words < word_tiles && tile.rows >= 0 && tile.rows < row_tiles));
        seen.emplace(tile.words, tile.rows);
        CHECK(tile.words / sm90::kGroup >= group);
        group = tile.words / sm90::kGroup;
      }
      CHECK(seen.size() == static_cast<size_t>(word_tiles * row_tiles));
    }
  }
}

TEST_CASE("geometry: sm90, every tile's depth is computed once, in pieces where few tiles are left") {
  for (const int64_t images : {1, 3, 4, 8, 64, 256}) {
    for (const int64_t count : {1, 200, 257, 264, 700}) {
      for (const int64_t width : {64, 520, 4096}) {
        for (const int64_t words : {140, 17149}) {
          for (const int64_t clusters : {2, 66}) {
            const sm90::Plan plan = sm90::plan_of(images, count, width, words, 2, clusters);
            const int steps = static_cast<int>((width + 63) / 64);
            REQUIRE(plan.word_tiles * plan.row_tiles < 100000);
            std::set<std::pair<int, int>> tiles;
            int64_t all_steps = 0, wrong = 0;
            for (int place = 0; place < plan.works(); ++place) {
              const sm90::Work work = sm90::work_at(place, static_cast<int>(plan.word_tiles), static_cast<int>(plan.row_tiles),
                  static_cast<int>(plan.whole), static_cast<int>(plan.pieces), steps);
              tiles.emplace(work.tile.words, work.tile.rows);
              all_steps += work.end - work.begin;
              // The pieces of a tile follow each other and are the depth.
              const bool begins = !work.is_piece || (place - plan.whole) % plan.pieces == 0;
              wrong += work.end <= work.begin || work.is_piece != (place >= plan.whole) || (work.begin == 0) != begins;
            }
            CHECK(wrong == 0);
            CHECK(tiles.size() == static_cast<size_t>(plan.word_tiles * plan.row_tiles));
            CHECK(all_steps == steps * plan.word_tiles * plan.row_tiles);
            CHECK(plan.shared_tiles() * plan.pieces <= clusters);
            CHECK(plan.row_tiles * (plan.by_image ? count : sm90::kRows) >= images * count);
          }
        }
      }
    }
  }
  // One image of the paper's on an H100: a round, and a tile that sixteen clusters share.
  const sm90::Plan one = sm90::plan_of(1, 257, 4096, 17149, 2, 66);
  CHECK((one.by_image && one.whole == 66 && one.shared_tiles() == 1 && one.pieces == 16));
  const sm90::Plan many = sm90::plan_of(256, 257, 4096, 17149, 2, 66);
  CHECK((!many.by_image && many.shared_tiles() == 0 && many.part_sums() == 0));
}

TEST_CASE("geometry: sm90, keys order as candidates do and give them back") {
  std::vector<Candidate> candidates;
  for (const float score : {0.0f, -0.0f, 1.0f, -1.0f, 1e-45f, -1e-45f, 3e38f, -3e38f, lexvla::tests::kInf, -lexvla::tests::kInf,
           lexvla::tests::kNaN, -lexvla::tests::kNaN}) {
    for (const int32_t token : {0, 1, 256, std::numeric_limits<int32_t>::max()}) candidates.push_back({score, token});
  }
  const auto bits_of = [](float x) {
    uint32_t bits;
    std::memcpy(&bits, &x, 4);
    return bits;
  };
  for (const Candidate &x : candidates) {
    const uint64_t key = sm90::key_of(x.score, bits_of(x.score), x.token);
    CHECK(key > 0);
    CHECK(sm90::token_of(key) == x.token);
    const uint32_t bits = sm90::score_bits_of(key);
    float score;
    std::memcpy(&score, &bits, 4);
    CHECK((score == x.score || (std::isnan(score) && std::isnan(x.score))));
    for (const Candidate &y : candidates) {
      const bool equal = x.token == y.token && (x.score == y.score || (std::isnan(x.score) && std::isnan(y.score)));
      CHECK((key > sm90::key_of(y.score, bits_of(y.score), y.token)) == (!equal && precedes(x, y)));
    }
  }
  CHECK(sm90::token_of(0) == -1);
  CHECK(sm90::score_bits_of(0) == bits_of(-lexvla::tests::kInf));
}
