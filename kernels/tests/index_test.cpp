#include <algorithm>
#include <vector>

#include "csr.h"

using namespace lexvla::tests;

namespace {

const Covers size_covered("index_size"), build_covered("index_build"), check_covered("index_check"), search_covered("index_search");

constexpr int64_t kBlock = 8192;
#if defined(LEXVLA_TESTS_DEVICE_CALLS_H)
constexpr int32_t kImpacts[] = {LEXVLA_IMPACTS_8BIT};  // CUDA reads no index
#else
constexpr int32_t kImpacts[] = {LEXVLA_IMPACTS_8BIT, LEXVLA_IMPACTS_FLOAT32};
#endif

/** Rows in which the words are as unequal as in language: a few are nearly everywhere, most are rare. */
Csr zipf_csr(Random &random, int64_t rows, int64_t words, double mean, int64_t start = 0) {
  std::vector<int32_t> offsets{static_cast<int32_t>(start)}, ids(start, -7);
  std::vector<float> weights(start, kNaN);
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t v = 0; v < words; ++v) {
      // Ranks go up and down the vocabulary, so that neighbouring words are not alike.
      const double rank = 1 + static_cast<double>(v * 7 % words);
      if (!random.chance(std::min(0.95, mean / 6 / rank))) continue;
      ids.push_back(static_cast<int32_t>(v));
      weights.push_back(std::exp(0.7f * random.normal()));
    }
    offsets.push_back(static_cast<int32_t>(ids.size()));
  }
  return {offsets, ids, weights, rows};
}

/** An index in memory of its exact size. */
struct Index {
  std::vector<uint64_t> memory;
  int64_t bytes = 0;

  Index(const Csr &matrix, int64_t words, int32_t impacts, int threads = 1) {
    const lexvla_exec exec = cpu(threads);
    REQUIRE_OK(lexvla_index_size(
        &exec, impacts, matrix.offsets.data(), matrix.ids.data(), matrix.weights.data(), matrix.rows, words, &bytes));
    REQUIRE(bytes % 8 == 0);
    memory.assign(bytes / 8, 0xdeaddeaddeaddeadu);
    REQUIRE_OK(lexvla_index_build(&exec, impacts, matrix.offsets.data(), matrix.ids.data(), matrix.weights.data(), matrix.rows, words,
        bytes, memory.data()));
  }
};

struct Hits {
  Output<int32_t> rows;
  Output<float> scores;
  Output<int64_t> sizes;
  lexvla_index_work work;

  Hits(int64_t queries, int64_t k) : rows(queries * k), scores(queries * k), sizes(queries), work() {}

  bool operator==(const Hits &other) const {
    return rows.same_bits(other.rows) && scores.same_bits(other.scores) && sizes.same_bits(other.sizes);
  }
};

Hits search(const Index &index, const Csr &matrix, const Csr &queries, int64_t words, int64_t k, int threads = 1) {
  Hits hits(queries.rows, k);
  const lexvla_exec exec = cpu(threads);
  REQUIRE_OK(lexvla_index_search(&exec, index.memory.data(), index.bytes, matrix.offsets.data(), matrix.ids.data(),
      matrix.weights.data(), matrix.rows, words, queries.offsets.data(), queries.ids.data(), queries.weights.data(), queries.rows, k,
      hits.rows.data(), hits.scores.data(), hits.sizes.data(), &hits.work));
  hits.rows.check_written();
  hits.scores.check_written();
  hits.sizes.check_written();
  return hits;
}

Hits truth(const Csr &matrix, const Csr &queries, int64_t words, int64_t k) {
  Hits hits(queries.rows, k);
  const lexvla_exec exec = cpu(1);
  REQUIRE_OK(lexvla_reference_index_search(&exec, nullptr, 0, matrix.offsets.data(), matrix.ids.data(), matrix.weights.data(),
      matrix.rows, words, queries.offsets.data(), queries.ids.data(), queries.weights.data(), queries.rows, k, hits.rows.data(),
      hits.scores.data(), hits.sizes.data(), &hits.work));
  return hits;
}

void check(const Csr &matrix, const Csr &queries, int64_t words, std::initializer_list<int64_t> ks) {
  for (const int32_t impacts : kImpacts) {
    const Index index(matrix, words, impacts);
    for (const int64_t k : ks) {
      CAPTURE(impacts);
      CAPTURE(k);
      const Hits expected = truth(matrix, queries, words, k);
      CHECK(search(index, matrix, queries, words, k, 1) == expected);
      CHECK(search(index, matrix, queries, words, k, 2) == expected);
    }
  }
}

/** A matrix of one entry per row, all of word 0, and a query for it. */
Csr column_of(const std::vector<float> &weights) {
  std::vector<int32_t> offsets;
  for (size_t i = 0; i <= weights.size(); ++i) offsets.push_back(static_cast<int32_t>(i));
  return {offsets, std::vector<int32_t>(weights.size()), weights, static_cast<int64_t>(weights.size())};
}

}  // namespace

TEST_CASE("index: hits are those of the reference, bit for bit") {
  Random random("index");
  for (const int64_t words : {1, 37, 517}) {
    for (const int64_t rows : {1, 2, 63, 65, 700}) {
      CAPTURE(words);
      CAPTURE(rows);
      check(random_csr(random, rows, words, 0.1, 5).magnitudes(), random_csr(random, 9, words, 0.3).magnitudes(), words, {1, 10, rows + 3});
    }
  }
}

TEST_CASE("index: blocks of rows, words of every frequency") {
  Random random("index blocks");
  const int64_t words = 120;
  for (const int64_t rows : {kBlock - 1, kBlock, kBlock + 1, 2 * kBlock + 77}) {
    CAPTURE(rows);
    check(zipf_csr(random, rows, words, 40, 3), zipf_csr(random, 20, words, 60), words, {1, 10, 200});
  }
}

TEST_CASE("index: more queries than go through the blocks together") {
  Random random("index queries");
  check(zipf_csr(random, 300, 200, 60), zipf_csr(random, 150, 200, 30), 200, {3});
}

TEST_CASE("index: ties by row, and rows whose products are equal only once they are rounded") {
  Random random("index ties");
  std::vector<float> weights = random.integers(3000, 2);
  for (float &x : weights) x = std::fabs(x);
  check(column_of(weights), row_of({0}, {0.1f}), 1, {1, 7, 1000, 3000});
  // Neighbouring floats times a third: about every third pair of products is one float.
  float next = 1;
  for (float &x : weights) x = next = std::nextafter(next, 2.0f);
  check(column_of(weights), row_of({0}, {1 / 3.0f}), 1, {1, 10, 100});
  std::reverse(weights.begin(), weights.end());
  check(column_of(weights), row_of({0}, {1 / 3.0f}), 1, {1, 10, 100});
}

TEST_CASE("index: weights from the least to the largest float") {
  Random random("index extremes");
  const int64_t words = 40;
  for (const double widest : {30.0, 149.0, 276.0}) {
    const auto extreme = [&](const Csr &matrix) {
      std::vector<float> weights(matrix.weights.data(), matrix.weights.data() + matrix.weights.size());
      for (float &x : weights) {
        x = random.chance(0.1) ? 0 : std::fabs(std::ldexp(1 + 0.9f * random.normal() / 8, static_cast<int>(random.below(static_cast<int64_t>(widest))) - 149));
        if (std::isinf(x)) x = std::numeric_limits<float>::max();
      }
      return Csr{Csr::copy(matrix.offsets), Csr::copy(matrix.ids), weights, matrix.rows};
    };
    check(extreme(random_csr(random, 500, words, 0.4)), extreme(random_csr(random, 20, words, 0.5)), words, {1, 10, 100, 500});
  }
  // Products that are rounded to 0 or to infinity.
  const float least = std::numeric_limits<float>::denorm_min(), most = std::numeric_limits<float>::max();
  check(column_of({least, 2 * least, most, most / 2, most / 4, 0, 1}), row_of({0}, {0.4f}), 1, {1, 4, 9});
  check(column_of({least, 2 * least, most, most / 2, most / 4, 0, 1}), row_of({0}, {most}), 1, {1, 4, 9});
  check(column_of({0, 0, 0}), row_of({0}, {1}), 1, {2});
}

TEST_CASE("index: sizes of 0") {
  const Csr none{std::vector<int32_t>{0}, {}, {}, 0}, empty{std::vector<int32_t>{0, 0, 0}, {}, {}, 2};
  const Csr queries{std::vector<int32_t>{0, 0, 2, 2}, std::vector<int32_t>{1, 2}, std::vector<float>{1, 2}, 3};
  check(none, queries, 3, {0, 2});
  check(empty, queries, 3, {0, 2});
  check(row_of({2}, {1}), queries, 3, {0, 1, 2});
  check(row_of({2}, {1}), none, 3, {2});
  check(empty, empty, 0, {2});
  const lexvla_exec exec = cpu(1);
  int64_t bytes = 0;
  CHECK(lexvla_index_size(&exec, 0, nullptr, nullptr, nullptr, 0, 0, &bytes) == LEXVLA_OK);
}

TEST_CASE("index: bitwise the same with 1, 2 and 3 threads, and wherever it lies") {
  Random random("index threads");
  const int64_t words = 120;
  // Blocks of one query go to several threads, and so do queries.
  const Csr matrix = zipf_csr(random, 5 * kBlock + 5, words, 40), queries = zipf_csr(random, 40, words, 50), query = zipf_csr(random, 1, words, 400);
  for (const int32_t impacts : kImpacts) {
    const Index one(matrix, words, impacts, 1);
    const Hits expected = search(one, matrix, queries, words, 10);
    for (const int threads : {2, 3, 0}) {
      const Index more(matrix, words, impacts, threads);
      CHECK(more.memory == one.memory);
      const Hits hits = search(more, matrix, queries, words, 10, threads);
      CHECK(hits == expected);
      CHECK(hits.work.postings + hits.work.skipped > 0);
      CHECK(search(more, matrix, query, words, 200, threads) == search(one, matrix, query, words, 200, 1));
    }
    Index moved = one;
    moved.memory.insert(moved.memory.begin(), 0);
    Hits hits(queries.rows, 10);
    const lexvla_exec exec = cpu(2);
    REQUIRE_OK(lexvla_index_search(&exec, moved.memory.data() + 1, one.bytes, matrix.offsets.data(), matrix.ids.data(),
        matrix.weights.data(), matrix.rows, words, queries.offsets.data(), queries.ids.data(), queries.weights.data(), queries.rows, 10,
        hits.rows.data(), hits.scores.data(), hits.sizes.data(), nullptr));
    CHECK(hits == expected);
  }
}

TEST_CASE("index: computes few products again, and says what it did") {
  Random random("index work");
  const int64_t words = 300, rows = 2 * kBlock;
  const Csr matrix = zipf_csr(random, rows, words, 40), query = row_of({0, 43, 86, 100, 299}, {1, 2, 3, 4, 5});
  int64_t postings = 0;
  for (int64_t e = 0; e < matrix.ids.size(); ++e) {
    for (int64_t i = 0; i < query.ids.size(); ++i) postings += matrix.ids[e] == query.ids[i];
  }
  for (const int32_t impacts : kImpacts) {
    const lexvla_index_work work = search(Index(matrix, words, impacts), matrix, query, words, 10).work;
    CHECK(work.postings == postings);
    CHECK(work.bytes > postings);
    CHECK(work.skipped == 0);
#if defined(LEXVLA_TESTS_DEVICE_CALLS_H)
    CHECK(work.rows == rows);
    CHECK(work.bytes == matrix.ids.size() * 8);
#else
    CHECK(work.rows >= 10);
    CHECK(work.rows < rows / 50);
#endif
  }
#if !defined(LEXVLA_TESTS_DEVICE_CALLS_H)
  // The rows of one block are ten times as heavy: once it has been seen, no other can hold a hit.
  std::vector<float> weights(matrix.weights.data(), matrix.weights.data() + matrix.weights.size());
  for (int64_t e = 0; e < matrix.offsets[kBlock]; ++e) weights[e] *= 100;
  const Csr heavy{Csr::copy(matrix.offsets), Csr::copy(matrix.ids), weights, rows};
  CHECK(search(Index(heavy, words, 0), heavy, query, words, 10).work.skipped == 1);
  check(heavy, query, words, {10});
#endif
}

#if !defined(LEXVLA_TESTS_DEVICE_CALLS_H)
TEST_CASE("index: what was stored is checked before it is searched") {
  Random random("index check");
  const lexvla_exec exec = cpu(2);
  const int64_t words = 50, rows = kBlock + 700;
  const Csr matrix = zipf_csr(random, rows, words, 25, 3);
  const auto status = [&](const std::vector<uint64_t> &memory, int64_t bytes, const Csr &of) {
    return lexvla_index_check(&exec, memory.data(), bytes, of.offsets.data(), of.ids.data(), of.weights.data(), of.rows, words);
  };
  for (const int32_t impacts : kImpacts) {
    CAPTURE(impacts);
    const Index index(matrix, words, impacts);
    CHECK(status(index.memory, index.bytes, matrix) == LEXVLA_OK);
    std::vector<uint64_t> longer = index.memory;
    longer.insert(longer.end(), {1, 2, 3});
    CHECK(status(longer, index.bytes + 24, matrix) == LEXVLA_OK);
    // Every byte counts: those of the head and of the directory, and of the rest some.
    const int64_t directory = 64 + 16 * 2 * words;
    for (int64_t i = 0; i < 1500; ++i) {
      const int64_t byte = i < 500 ? i % 64 : i < 1000 ? random.below(directory) : random.below(index.bytes);
      std::vector<uint64_t> harmed = index.memory;
      reinterpret_cast<uint8_t *>(harmed.data())[byte] ^= static_cast<uint8_t>(1 << random.below(8));
      CAPTURE(byte);
      REQUIRE(status(harmed, index.bytes, matrix) == LEXVLA_INVALID_ARGUMENT);
    }
    for (const int64_t bytes : {int64_t{0}, int64_t{8}, int64_t{64}, directory, index.bytes - 8}) {
      REQUIRE(status(index.memory, bytes, matrix) == LEXVLA_INVALID_ARGUMENT);
    }
    for (int64_t i = 0; i < 50; ++i) {  // a part that was never written, or twice
      std::vector<uint64_t> harmed = index.memory;
      const int64_t size = 1 + random.below(40), from = random.below(static_cast<int64_t>(harmed.size()) - size);
      const int64_t to = random.below(static_cast<int64_t>(harmed.size()) - size);
      std::copy_n(index.memory.begin() + from, size, harmed.begin() + to);
      if (harmed != index.memory) REQUIRE(status(harmed, index.bytes, matrix) == LEXVLA_INVALID_ARGUMENT);
    }
    // A matrix of the same sizes, but for one weight, two words, or the end of a row.
    std::vector<float> weights(matrix.weights.data(), matrix.weights.data() + matrix.weights.size());
    weights.back() *= 2;
    CHECK(status(index.memory, index.bytes, {Csr::copy(matrix.offsets), Csr::copy(matrix.ids), weights, rows}) == LEXVLA_INVALID_ARGUMENT);
    CHECK(last_error().find("index is of another matrix of the same size") != std::string::npos);
    std::vector<int32_t> ids(matrix.ids.data(), matrix.ids.data() + matrix.ids.size());
    ids.back() = ids.back() == words - 1 ? words - 2 : words - 1;
    if (ids.back() > ids[ids.size() - 2]) {
      CHECK(status(index.memory, index.bytes, {Csr::copy(matrix.offsets), ids, Csr::copy(matrix.weights), rows}) == LEXVLA_INVALID_ARGUMENT);
    }
    // A slice is what its copy is.
    std::vector<int32_t> offsets(matrix.offsets.data(), matrix.offsets.data() + matrix.offsets.size());
    for (int32_t &offset : offsets) offset -= 3;
    const Csr copy{offsets, std::vector<int32_t>(matrix.ids.data() + 3, matrix.ids.data() + matrix.ids.size()),
        std::vector<float>(matrix.weights.data() + 3, matrix.weights.data() + matrix.weights.size()), rows};
    CHECK(status(index.memory, index.bytes, copy) == LEXVLA_OK);
    CHECK(Index(copy, words, impacts).memory == index.memory);
  }
}

TEST_CASE("index: lists that would lead a search outside its arrays are refused for that, not by their checksum") {
  const lexvla_exec exec = cpu(1);
  // Word 0 is in every row: bits; word 1 in three: ids; word 2 in none.
  std::vector<int32_t> offsets{0}, ids;
  for (int32_t row = 0; row < 100; ++row) {
    ids.push_back(0);
    if (row % 40 == 7) ids.push_back(1);
    offsets.push_back(static_cast<int32_t>(ids.size()));
  }
  const Csr matrix{offsets, ids, std::vector<float>(ids.size(), 1), 100};
  const Index index(matrix, 3, LEXVLA_IMPACTS_8BIT);
  const auto refused = [&](int64_t word, uint64_t value, const std::string &part) {
    std::vector<uint64_t> harmed = index.memory;
    harmed[word] = value;
    CHECK(lexvla_index_check(&exec, harmed.data(), index.bytes, matrix.offsets.data(), matrix.ids.data(), matrix.weights.data(), 100, 3) ==
          LEXVLA_INVALID_ARGUMENT);
    INFO(last_error());
    CHECK(last_error().find(part) != std::string::npos);
  };
  // Head: 8 words; then begin, and count with most, of each of the three lists; then the lists.
  const uint64_t one = 0x3f800000u, first = 8 + 2 * 3, second = first + (16 + 100 + 7) / 8;
  REQUIRE(index.memory[8] == first * 8);
  REQUIRE(index.memory[10] == second * 8);
  refused(1, 2 | uint64_t{7} << 32, "its head says");
  refused(5, 8, "its head says 8 bytes");
  refused(8, first * 8 + 8, "word 0 in block 0 does not follow the one before it");
  refused(8, UINT64_MAX - 7, "word 0 in block 0 does not follow the one before it");
  refused(9, 101 | one << 32, "word 0 in block 0 has more rows than the block");
  refused(9, UINT32_MAX | one << 32, "word 0 in block 0 has more rows than the block");
  refused(9, 92 | one << 32, "word 1 in block 0 does not follow");
  refused(9, 100 | uint64_t{0x7fc00000u} << 32, "word 0 in block 0 has a largest weight that is no weight");
  refused(9, 100 | uint64_t{0xbf800000u} << 32, "word 0 in block 0 has a largest weight that is no weight");
  refused(13, 9 | one << 32, "word 2 in block 0 ends beyond the index");
  refused(first, 0x7fffffffffffffffu, "word 0 in block 0 names rows that its block has not");
  refused(first + 1, UINT64_MAX, "word 0 in block 0 names rows that its block has not");
  refused(first + 1, 0x00000017ffffffffu, "word 0 in block 0 names rows that its block has not");
  refused(second, 7 | 47 << 16 | uint64_t{100} << 32, "word 1 in block 0 names rows that its block has not");
  refused(second, 7 | 7 << 16 | uint64_t{87} << 32, "word 1 in block 0 names rows that its block has not");
  refused(second + 1, index.memory[second + 1] ^ 1, "its bytes are not those that were written");
}

TEST_CASE("index: what is refused") {
  const auto refused = [](int32_t actual, int32_t expected, const std::string &part) {
    INFO(last_error());
    CHECK(actual == expected);
    CHECK(last_error().find(part) != std::string::npos);
  };
  const lexvla_exec exec = cpu(1);
  const Csr matrix = row_of({0, 2}, {1, 2});
  int64_t bytes = 0;
  const auto size = [&](const Csr &rows, int32_t impacts = 0, int64_t words = 3) {
    return lexvla_index_size(&exec, impacts, rows.offsets.data(), rows.ids.data(), rows.weights.data(), rows.rows, words, &bytes);
  };
  REQUIRE(size(matrix) == LEXVLA_OK);
  refused(size(matrix, 2), LEXVLA_INVALID_ARGUMENT, "impacts is 2: LEXVLA_IMPACTS_8BIT (0)");
  refused(size(matrix, 0, (1 << 22) + 1), LEXVLA_INVALID_ARGUMENT, "words is 4194305, limit 4194304");
  refused(size(row_of({2, 0}, {1, 2})), LEXVLA_INVALID_ARGUMENT, "rows: row 0: id 0 follows 2");
  refused(size(row_of({0, 3}, {1, 2})), LEXVLA_INVALID_ARGUMENT, "rows: row 0: id 3 at entry 1, limit 3 words");
  refused(size(row_of({0, 2}, {1, kNaN})), LEXVLA_INVALID_ARGUMENT, "row 0: the weight of id 2 is nan");
  refused(size(row_of({0, 2}, {-1, 1})), LEXVLA_INVALID_ARGUMENT, "row 0: the weight of id 0 is -1, an index takes finite weights of at least 0");
  refused(size(row_of({0, 2}, {kInf, 1})), LEXVLA_INVALID_ARGUMENT, "the weight of id 0 is inf");

  REQUIRE(size(matrix) == LEXVLA_OK);
  std::vector<uint64_t> memory(bytes / 8 + 1);
  const auto build = [&](int64_t given, void *at) {
    return lexvla_index_build(&exec, 0, matrix.offsets.data(), matrix.ids.data(), matrix.weights.data(), 1, 3, given, at);
  };
  refused(build(bytes - 8, memory.data()), LEXVLA_CAPACITY, "needs " + std::to_string(bytes) + ": ask index_size");
  refused(build(8, memory.data()), LEXVLA_CAPACITY, "ask index_size");
  refused(build(0, nullptr), LEXVLA_CAPACITY, "ask index_size");
  refused(build(bytes, reinterpret_cast<char *>(memory.data()) + 4), LEXVLA_INVALID_ARGUMENT, "not a multiple of its element's 8 bytes");
  REQUIRE(build(bytes, memory.data()) == LEXVLA_OK);

  Hits hits(1, 2);
  const auto search = [&](const Csr &rows, const Csr &query, int64_t given, int64_t words = 3, int64_t k = 2) {
    return lexvla_index_search(&exec, memory.data(), given, rows.offsets.data(), rows.ids.data(), rows.weights.data(), rows.rows, words,
        query.offsets.data(), query.ids.data(), query.weights.data(), 1, k, hits.rows.data(), hits.scores.data(), hits.sizes.data(),
        nullptr);
  };
  REQUIRE(search(matrix, matrix, bytes) == LEXVLA_OK);
  refused(search(matrix, row_of({0, 3}, {1, 2}), bytes), LEXVLA_INVALID_ARGUMENT, "queries: row 0: id 3 at entry 1, limit 3 words");
  refused(search(matrix, row_of({0, 2}, {1, kNaN}), bytes), LEXVLA_INVALID_ARGUMENT, "queries: row 0: the weight of id 2 is nan");
  refused(search(matrix, row_of({0, 2}, {1, -2}), bytes), LEXVLA_INVALID_ARGUMENT, "csr_top_k takes all");
  refused(search(matrix, matrix, bytes, 3, -1), LEXVLA_INVALID_ARGUMENT, "k is -1");
  refused(search(matrix, matrix, bytes - 8), LEXVLA_INVALID_ARGUMENT, "index was built with");
  refused(search(matrix, matrix, 8), LEXVLA_INVALID_ARGUMENT, "index of 8 bytes is none");
  refused(search(matrix, matrix, bytes, 4), LEXVLA_INVALID_ARGUMENT, "index is of 1 rows, 3 words and 2 entries, the matrix has 1, 4 and 2");
  refused(search(row_of({0}, {1}), matrix, bytes), LEXVLA_INVALID_ARGUMENT, "pass the one that it was built from");
  memory[1] += 1;
  refused(search(matrix, matrix, bytes), LEXVLA_INVALID_ARGUMENT, "index has version 3, this library reads 2");
  memory[0] = 0;
  refused(search(matrix, matrix, bytes), LEXVLA_INVALID_ARGUMENT, "it does not begin as index_build begins it");
}
#endif

TEST_CASE("index: many queries of few words, and of words that all have") {
  Random random("index passes");
  const int64_t words = 90;
  const Csr matrix = zipf_csr(random, 70, words, 20, 2);
  check(matrix, zipf_csr(random, 300, words, 5, 7), words, {4});  // more than a pass of CUDA takes, a slice
  check(matrix, random_csr(random, 300, words, 1.0).magnitudes(), words, {4});
}
