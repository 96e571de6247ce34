#include "shortlist.h"

#include <algorithm>
#include <cfloat>
#include <functional>
#include <vector>

namespace lexvla {
namespace {

/**
 * What an upper bound must reach where `least` is the least product among the k best, or a lower bound of it. A little less:
 * products are rounded to float before they are ranked, and may equal one that was a little larger, or infinity; and the
 * bounds are themselves computed in double.
 */
double floor_under(double least) { return std::min<double>(least, FLT_MAX) * (1 - 0x1p-20) - 0x1p-148; }

}  // namespace

double floor_of(double *lowers, int64_t n, int64_t k) {
  std::nth_element(lowers, lowers + (k - 1), lowers + n, std::greater<double>());
  return floor_under(lowers[k - 1]);
}

struct Shortlists::List {
  std::vector<Bounded> rows;
  double floor = 0;
  /** Size at which it pays to look again for what can be dropped. */
  size_t full = 0;

  void drop(int64_t k) {
    if (rows.size() >= static_cast<size_t>(k)) {
      std::vector<double> lowers;
      lowers.reserve(rows.size());
      for (const Bounded &row : rows) lowers.push_back(row.lower);
      floor = std::max(floor, floor_of(lowers.data(), static_cast<int64_t>(lowers.size()), k));
      rows.erase(std::remove_if(rows.begin(), rows.end(), [&](const Bounded &row) { return row.upper < floor; }), rows.end());
    }
    full = 2 * rows.size() + 256;
  }
};

Shortlists::Shortlists(int threads, int64_t queries, int64_t k)
    : threads_(threads), queries_(queries), k_(k), lists_(new List[static_cast<size_t>(threads * queries)]) {}

Shortlists::~Shortlists() { delete[] lists_; }

double Shortlists::floor(int thread, int64_t query) const { return lists_[thread * queries_ + query].floor; }

void Shortlists::add(int thread, int64_t query, const Bounded *rows, int64_t n) {
  List &list = lists_[thread * queries_ + query];
  list.rows.insert(list.rows.end(), rows, rows + n);
  if (list.rows.size() >= list.full) list.drop(k_);
}

int64_t Shortlists::settle(int64_t query) {
  List &all = lists_[query];
  for (int thread = 1; thread < threads_; ++thread) {
    List &other = lists_[thread * queries_ + query];
    all.rows.insert(all.rows.end(), other.rows.begin(), other.rows.end());
    other = {};
  }
  all.drop(k_);
  // By row where bounds are equal: what is computed again is then the same for any number of threads.
  std::sort(all.rows.begin(), all.rows.end(),
      [](const Bounded &a, const Bounded &b) { return a.upper != b.upper ? a.upper > b.upper : a.row < b.row; });
  return static_cast<int64_t>(all.rows.size());
}

const Bounded *Shortlists::rows(int64_t query) const { return lists_[query].rows.data(); }

struct Best::Heap {
  struct Hit {
    float product;
    int32_t row;

    /** Whether this ranks before another: the heap then has the last of the best on top. */
    bool operator<(const Hit &other) const { return product != other.product ? product > other.product : row < other.row; }
  };
  std::vector<Hit> hits;
};

Best::Best(int64_t k) : k_(k), heap_(new Heap) {}
Best::~Best() { delete heap_; }

double Best::floor() const {
  return heap_->hits.size() < static_cast<size_t>(k_) ? 0 : floor_under(heap_->hits.front().product);
}

void Best::add(int32_t row, float product) {
  if (!(product > 0)) return;
  std::vector<Heap::Hit> &hits = heap_->hits;
  const Heap::Hit hit{product, row};
  if (hits.size() == static_cast<size_t>(k_)) {
    if (!(hit < hits.front())) return;
    std::pop_heap(hits.begin(), hits.end());
    hits.pop_back();
  }
  hits.push_back(hit);
  std::push_heap(hits.begin(), hits.end());
}

int64_t Best::write(int32_t *rows, float *products) {
  std::vector<Heap::Hit> &hits = heap_->hits;
  std::sort_heap(hits.begin(), hits.end());
  for (size_t i = 0; i < hits.size(); ++i) {
    rows[i] = hits[i].row;
    products[i] = hits[i].product;
  }
  return static_cast<int64_t>(hits.size());
}

}  // namespace lexvla
