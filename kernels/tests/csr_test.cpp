#include <algorithm>
#include <cstring>

#include "csr.h"

using namespace lexvla::tests;

namespace {

const Covers dot_covered("csr_dot"), top_k_covered("csr_top_k");

Output<float> products_of(decltype(lexvla_csr_dot) *function, const Csr &a, const Csr &b, int64_t words, int threads) {
  Output<float> products(a.rows * b.rows);
  const lexvla_exec exec = cpu(threads);
  REQUIRE_OK(function(&exec, a.offsets.data(), a.ids.data(), a.weights.data(), a.rows, b.offsets.data(), b.ids.data(), b.weights.data(),
      b.rows, words, products.data()));
  products.check_written();
  return products;
}

void check_products(const Csr &a, const Csr &b, int64_t words, int threads) {
  const Output<float> products = products_of(lexvla_csr_dot, a, b, words, threads);
  const Output<float> truth = products_of(lexvla_reference_csr_dot, a, b, words, 1);
  const Output<float> size = products_of(lexvla_reference_csr_dot, a.magnitudes(), b.magnitudes(), words, 1);
  CHECK(first_beyond(products, truth, truth.size(), [&](int64_t i) {
    const int64_t j = i % b.rows;
    return sum_error(b.offsets[j + 1] - b.offsets[j], size[i]);
  }) == -1);
}

struct Hits {
  Output<int32_t> rows;
  Output<float> scores;
  int64_t size;
};

Hits hits_of(decltype(lexvla_csr_top_k) *function, const Csr &query, const Csr &matrix, int64_t words, int64_t k, int threads) {
  Hits hits{Output<int32_t>(k), Output<float>(k), -1};
  const lexvla_exec exec = cpu(threads);
  REQUIRE_OK(function(&exec, query.ids.data(), query.weights.data(), query.ids.size(), matrix.offsets.data(), matrix.ids.data(),
      matrix.weights.data(), matrix.rows, words, k, hits.rows.data(), hits.scores.data(), &hits.size));
  hits.rows.check_written();
  hits.scores.check_written();
  return hits;
}

}  // namespace

TEST_CASE("csr_dot: random matrices and slices of matrices") {
  Random random("csr dot");
  for (const int64_t words : {int64_t{1}, int64_t{37}, int64_t{517}, int64_t{17149}}) {
    for (const int64_t a_rows : {1, 3, 8, 17}) {
      CAPTURE(words);
      CAPTURE(a_rows);
      const Csr a = random_csr(random, a_rows, words, 0.1), b = random_csr(random, 23, words, 0.06, 5);
      check_products(a, b, words, 1);
      check_products(b, a, words, 2);
    }
  }
}

TEST_CASE("csr_dot: few words in rows, and most of them, with infinities and NaN") {
  Random random("csr densities");
  for (const double density : {0.002, 0.3, 0.7, 1.0}) {
    for (const int64_t words : {1, 255, 256, 700}) {
      for (const int64_t a_rows : {2, 17, 131}) {
        CAPTURE(density);
        CAPTURE(words);
        CAPTURE(a_rows);
        const auto spoiled = [&](Csr matrix) {
          std::vector<float> weights(matrix.weights.data(), matrix.weights.data() + matrix.weights.size());
          for (float &x : weights) {
            if (random.chance(0.001)) x = random.chance(0.3) ? kNaN : random.chance(0.5) ? kInf : -kInf;
          }
          return Csr{Csr::copy(matrix.offsets), Csr::copy(matrix.ids), weights, matrix.rows};
        };
        const Csr a = spoiled(random_csr(random, a_rows, words, density, 2)), b = spoiled(random_csr(random, 259, words, density));
        check_products(a, b, words, 1);
        check_products(b, a, words, 2);
        const Output<float> one = products_of(lexvla_csr_dot, a, b, words, 1);
        CHECK(one.same_bits(products_of(lexvla_csr_dot, a, b, words, 2)));
      }
    }
  }
}

#if !defined(LEXVLA_TESTS_DEVICE_CALLS_H)
TEST_CASE("csr_dot: a product has the same bits whoever is beside it, and however it is come by") {
  Random random("csr neighbours");
  for (const double density : {0.05, 0.6, 1.0}) {
    CAPTURE(density);
    const int64_t words = 700, a_rows = 70, b_rows = 300;
    const Csr a = random_csr(random, a_rows, words, density), b = random_csr(random, b_rows, words, density);
    const Output<float> all = products_of(lexvla_csr_dot, a, b, words, 2);
    for (const int64_t i : {int64_t{0}, int64_t{33}, a_rows - 1}) {
      const auto row = [&](const Csr &matrix, int64_t r) {
        const int64_t begin = matrix.offsets[r], end = matrix.offsets[r + 1];
        return row_of({matrix.ids.data() + begin, matrix.ids.data() + end}, {matrix.weights.data() + begin, matrix.weights.data() + end});
      };
      const Output<float> alone = products_of(lexvla_csr_dot, row(a, i), b, words, 1);
      for (int64_t j = 0; j < b_rows; ++j) REQUIRE(std::memcmp(&alone[j], &all[i * b_rows + j], sizeof(float)) == 0);
      const Output<float> single = products_of(lexvla_csr_dot, row(a, i), row(b, b_rows - 1), words, 1);
      CHECK(std::memcmp(&single[0], &all[i * b_rows + b_rows - 1], sizeof(float)) == 0);
    }
  }
}
#endif

TEST_CASE("csr_dot: a vocabulary too large to lay out densely") {
  Random random("csr large");
  const int64_t words = int64_t{1} << 30;
  const Csr a{std::vector<int32_t>{0, 3, 4}, std::vector<int32_t>{5, 1 << 20, (1 << 30) - 1, 7}, random.normals(4), 2};
  const Csr b{std::vector<int32_t>{0, 2, 2, 4}, std::vector<int32_t>{5, (1 << 30) - 1, 7, 1 << 20}, random.normals(4), 3};
  check_products(a, b, words, 2);
}

TEST_CASE("csr_dot: infinities and NaN count only where both rows have the word") {
  const Csr a = row_of({1, 4, 9}, {1, 2, kInf});
  for (const auto function : {lexvla_csr_dot, lexvla_reference_csr_dot}) {
    CHECK(products_of(function, a, row_of({0, 2, 4}, {kInf, kNaN, 3}), 10, 1)[0] == 6);
    CHECK(products_of(function, a, row_of({0, 9}, {-kInf, 2}), 10, 1)[0] == kInf);
    CHECK(std::isnan(products_of(function, a, row_of({1, 9}, {kNaN, 2}), 10, 1)[0]));
    CHECK(std::isnan(products_of(function, a, row_of({9}, {0}), 10, 1)[0]));
    const Output<float> disjoint = products_of(function, a, row_of({0, 2}, {-3, -kInf}), 10, 1);
    CHECK((disjoint[0] == 0 && !std::signbit(disjoint[0])));
  }
}

TEST_CASE("csr_dot: threads, sizes of 0") {
  Random random("csr threads");
  const Csr a = random_csr(random, 40, 3000, 0.1), b = random_csr(random, 700, 3000, 0.06);
  const Output<float> one = products_of(lexvla_csr_dot, a, b, 3000, 1);
  for (const int threads : {2, 3, 0}) CHECK(one.same_bits(products_of(lexvla_csr_dot, a, b, 3000, threads)));
  const lexvla_exec exec = cpu(1);
  CHECK(lexvla_csr_dot(&exec, nullptr, nullptr, nullptr, 0, b.offsets.data(), b.ids.data(), b.weights.data(), b.rows, 3000, nullptr) ==
        LEXVLA_OK);
  // Rows without entries need neither ids nor weights, nor words.
  const Input<int32_t> zeros({0, 0, 0});
  Output<float> products(4);
  REQUIRE_OK(lexvla_csr_dot(&exec, zeros.data(), nullptr, nullptr, 2, zeros.data(), nullptr, nullptr, 2, 0, products.data()));
  for (int64_t i = 0; i < 4; ++i) CHECK(products[i] == 0);
}

TEST_CASE("csr_top_k: hits are judged by their true score, the order is complete") {
  Random random("csr top k");
  for (const int64_t rows : {1, 7, 300, 1000}) {
    const int64_t words = 517;
    const Csr query = row_of({0, 3, 100, 101, 250, 516}, random.normals(6));
    const Csr matrix = random_csr(random, rows, words, 0.05, 3);
    const Output<float> truth = products_of(lexvla_reference_csr_dot, query, matrix, words, 1);
    const Output<float> size = products_of(lexvla_reference_csr_dot, query.magnitudes(), matrix.magnitudes(), words, 1);
    std::vector<double> ranked;
    double allowance = 0;
    for (int64_t j = 0; j < rows; ++j) {
      if (truth[j] > 0) ranked.push_back(truth[j]);
      allowance = std::max(allowance, sum_error(6, size[j]));
    }
    std::sort(ranked.rbegin(), ranked.rend());
    for (const int64_t k : {int64_t{1}, int64_t{10}, rows + 3}) {
      const Hits hits = hits_of(lexvla_csr_top_k, query, matrix, words, k, 1);
      REQUIRE(hits.size == std::min<int64_t>(k, static_cast<int64_t>(ranked.size())));
      for (int64_t i = 0; i < hits.size; ++i) {
        CHECK(within(hits.scores[i], truth[hits.rows[i]], sum_error(6, size[hits.rows[i]])));
        CHECK(truth[hits.rows[i]] >= ranked[i] - 2 * allowance);
        if (i > 0) {
          CHECK((hits.scores[i - 1] > hits.scores[i] || (hits.scores[i - 1] == hits.scores[i] && hits.rows[i - 1] < hits.rows[i])));
        }
      }
      for (int64_t i = hits.size; i < k; ++i) CHECK((hits.rows[i] == -1 && hits.scores[i] == 0));
    }
  }
}

TEST_CASE("csr_top_k: ties by row, NaN first, nothing at or below 0") {
  // Products 1, 3, 0, NaN, 3, -2, 3, inf, NaN; exact, so the order is too.
  const Csr matrix{std::vector<int32_t>{0, 1, 2, 2, 3, 4, 5, 6, 7, 8}, std::vector<int32_t>{2, 2, 2, 2, 2, 2, 2, 2},
      std::vector<float>{1, 3, kNaN, 3, -2, 3, kInf, kNaN}, 9};
  const Csr query = row_of({1, 2}, {5, 1});
  for (const auto function : {lexvla_csr_top_k, lexvla_reference_csr_top_k}) {
    for (int64_t k = 0; k <= 12; ++k) {
      const int32_t expected[] = {3, 8, 7, 1, 4, 6, 0};
      const Hits hits = hits_of(function, query, matrix, 3, k, 1);
      CHECK(hits.size == std::min<int64_t>(k, 7));
      for (int64_t i = 0; i < hits.size; ++i) CHECK(hits.rows[i] == expected[i]);
    }
    CHECK(hits_of(function, row_of({}, {}), matrix, 3, 4, 1).size == 0);
    CHECK(hits_of(function, query, Csr{std::vector<int32_t>{0}, {}, {}, 0}, 3, 4, 1).size == 0);
  }
}

TEST_CASE("csr_top_k: bitwise the same with 1, 2 and 3 threads") {
  Random random("csr top k threads");
  const Csr query = random_csr(random, 1, 2000, 0.1), matrix = random_csr(random, 5000, 2000, 0.05);
  const Hits one = hits_of(lexvla_csr_top_k, query, matrix, 2000, 50, 1);
  for (const int threads : {2, 3, 0}) {
    const Hits more = hits_of(lexvla_csr_top_k, query, matrix, 2000, 50, threads);
    CHECK((one.rows.same_bits(more.rows) && one.scores.same_bits(more.scores) && one.size == more.size));
  }
}
