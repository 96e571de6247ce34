/* The rows that may be among a query's k best, while all that is known of their products is a lower and an upper bound. */
#ifndef LEXVLA_CORE_SHORTLIST_H
#define LEXVLA_CORE_SHORTLIST_H

#include <cstdint>

namespace lexvla {

/** A row and the bounds of its product, both above or at 0. */
struct Bounded {
  double lower, upper;
  int32_t row;
};

/** What the upper bound of a row must reach to be among the k best of n or more, of which n have these lower bounds; reorders them. */
double floor_of(double *lowers, int64_t n, int64_t k);

/**
 * One list for each thread and query; different threads may use theirs at the same time. Not complete as a class, because
 * what includes this may not include the C++ library.
 */
class Shortlists {
 public:
  /** @param k at least 1 */
  Shortlists(int threads, int64_t queries, int64_t k);
  ~Shortlists();
  Shortlists(const Shortlists &) = delete;
  Shortlists &operator=(const Shortlists &) = delete;

  int64_t k() const { return k_; }

  /** A row whose upper bound is below this cannot be among the k best; it rises as rows are added. */
  double floor(int thread, int64_t query) const;

  void add(int thread, int64_t query, const Bounded *rows, int64_t n);

  /** Joins the lists of all threads and keeps what can still be among the k best, by upper bound descending. */
  int64_t settle(int64_t query);

  /** The rows of a settled query. */
  const Bounded *rows(int64_t query) const;

 private:
  struct List;

  const int threads_;
  const int64_t queries_, k_;
  List *const lists_;
};

/** The k best of the rows whose products have been computed: positive ones, product descending, then row ascending. */
class Best {
 public:
  /** @param k at least 1 */
  explicit Best(int64_t k);
  ~Best();
  Best(const Best &) = delete;
  Best &operator=(const Best &) = delete;

  /** As Shortlists::floor. */
  double floor() const;

  void add(int32_t row, float product);

  /** Writes the best, in order, and returns how many there are; nothing is added afterwards. */
  int64_t write(int32_t *rows, float *products);

 private:
  struct Heap;

  const int64_t k_;
  Heap *const heap_;
};

}  // namespace lexvla

#endif
