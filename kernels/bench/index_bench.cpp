/*
 * Exact search of the ten best among many vectors of about 1081 of 17,149 words, in two steps, so that the second, which is
 * timed, has the machine for a short while only:
 *
 *     lexvla_index_bench build  FOLDER [vectors [8|32]]  draws the vectors, indexes them with impacts of 8 bits or floats, and
 *                                                        stores both: 8.7 GB and 2.2 GB for a million, in two threads some minutes
 *     lexvla_index_bench search FOLDER [threads]         reads the index, checks it, and times queries
 *
 * The share of the vectors that have a word falls with its rank as 1/rank, up to 0.9, as in language; weights are log-normal
 * and every vector has l2-norm 1. Queries of 40 and 1081 words, uniform or as the vectors are. One query a call, each time
 * another, so that few find their lists in cache. The bound is the time in which the machine, in the same run, reads the bytes
 * of the index that a query touches, and that of 3 bytes for each posting.
 */
#include <lexvla/kernels.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>

#include "rate.h"

using namespace lexvla::bench;

namespace {

constexpr int64_t kWords = 17149, kActive = 1081, kK = 10;
constexpr int64_t kQueries = 32;

double seconds(Clock::time_point since) { return std::chrono::duration<double>(Clock::now() - since).count(); }

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void require(bool right, const char *what) {
  if (right) return;
  std::fprintf(stderr, "%s: %s\n", what, lexvla_last_error());
  std::exit(1);
}

/** A file, mapped. */
struct File {
  char *data;
  int64_t bytes;

  /** An existing one, to read. */
  explicit File(const std::string &path) {
    const int file = open(path.c_str(), O_RDONLY);
    require(file >= 0, path.c_str());
    bytes = lseek(file, 0, SEEK_END);
    data = static_cast<char *>(mmap(nullptr, static_cast<size_t>(bytes), PROT_READ, MAP_SHARED, file, 0));
    require(data != MAP_FAILED, path.c_str());
    close(file);
  }

  /** A new one of so many bytes, to write. */
  File(const std::string &path, int64_t size) : bytes(size) {
    const int file = open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC, 0644);
    require(file >= 0 && ftruncate(file, size) == 0, path.c_str());
    data = static_cast<char *>(mmap(nullptr, static_cast<size_t>(size), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0));
    require(data != MAP_FAILED, path.c_str());
    close(file);
  }

  ~File() { munmap(data, static_cast<size_t>(bytes)); }
  File(const File &) = delete;
};

/** Vectors at random, each always the same. */
class Vectors {
 public:
  Vectors() {
    double low = 0, high = static_cast<double>(kWords * kActive);
    for (int i = 0; i < 100; ++i) {
      const double scale = (low + high) / 2;
      double sum = 0;
      for (int64_t v = 0; v < kWords; ++v) sum += shares_[v] = std::min(0.9, scale / static_cast<double>(v + 1));
      (sum < kActive ? low : high) = scale;
    }
    std::mt19937_64 random(1);
    std::normal_distribution<float> normal;
    for (float &weight : weights_) weight = std::exp(0.6f * normal(random));
  }

  /** Appends the words of a vector, and unless NULL their weights. */
  void draw(int64_t number, std::vector<int32_t> *ids, std::vector<float> *weights) const {
    std::mt19937_64 random(static_cast<uint64_t>(number) * 2 + 1);
    std::uniform_real_distribution<double> chance;
    const size_t first_entry = ids->size();
    for (int64_t first = 0; first < kWords; first += kGroup) {
      // The largest share of the group decides the distances; of what they hit, a word keeps its part.
      const int64_t end = std::min(first + kGroup, kWords);
      const double of_none = 1 / std::log1p(-shares_[first]);
      for (int64_t id = first - 1;;) {
        id += 1 + static_cast<int64_t>(std::min<double>(kGroup, std::log(1 - chance(random)) * of_none));
        if (id >= end) break;
        if (chance(random) * shares_[first] < shares_[id]) ids->push_back(static_cast<int32_t>(id));
      }
    }
    if (weights != nullptr) weigh(random, ids->size() - first_entry, weights);
  }

  /** Appends a vector of so many words, each as likely as any other. */
  void draw_uniform(int64_t number, int64_t size, std::vector<int32_t> *ids, std::vector<float> *weights) const {
    std::mt19937_64 random(static_cast<uint64_t>(number) * 2);
    for (int64_t v = 0, left = size; v < kWords; ++v) {
      if (static_cast<int64_t>(random() % static_cast<uint64_t>(kWords - v)) >= left) continue;
      ids->push_back(static_cast<int32_t>(v));
      --left;
    }
    weigh(random, static_cast<size_t>(size), weights);
  }

 private:
  static constexpr int64_t kGroup = 64;

  void weigh(std::mt19937_64 &random, size_t size, std::vector<float> *weights) const {
    const size_t first = weights->size();
    double squares = 0;
    for (size_t i = 0; i < size; ++i) {
      weights->push_back(weights_[random() % 65536]);
      squares += static_cast<double>(weights->back()) * weights->back();
    }
    for (size_t i = first; i < weights->size(); ++i) (*weights)[i] /= static_cast<float>(std::sqrt(squares));
  }

  double shares_[kWords];
  float weights_[65536];
};

void in_two(int64_t n, const std::function<void(int64_t)> &body) {
  std::thread other([&] { for (int64_t i = 1; i < n; i += 2) body(i); });
  for (int64_t i = 0; i < n; i += 2) body(i);
  other.join();
}

int build(const std::string &folder, int64_t rows, int32_t impacts) {
  const Vectors vectors;
  constexpr int64_t kChunk = 1000;
  const int64_t chunks = (rows + kChunk - 1) / kChunk;
  const auto rows_of = [&](int64_t chunk, const auto &body) {
    for (int64_t row = chunk * kChunk; row < std::min(rows, (chunk + 1) * kChunk); ++row) body(row);
  };
  File offsets_file(folder + "/offsets", (rows + 1) * 4);
  int32_t *const offsets = reinterpret_cast<int32_t *>(offsets_file.data);
  in_two(chunks, [&](int64_t chunk) {
    std::vector<int32_t> ids;
    rows_of(chunk, [&](int64_t row) {
      ids.clear();
      vectors.draw(row, &ids, nullptr);
      offsets[row + 1] = static_cast<int32_t>(ids.size());
    });
  });
  int64_t entries = 0;
  for (int64_t row = 0; row <= rows; ++row) {
    entries += offsets[row];
    require(entries <= INT32_MAX, "too many vectors for offsets of 32 bits");
    offsets[row] = static_cast<int32_t>(entries);
  }
  File ids_file(folder + "/ids", entries * 4), weights_file(folder + "/weights", entries * 4);
  in_two(chunks, [&](int64_t chunk) {
    std::vector<int32_t> ids;
    std::vector<float> weights;
    rows_of(chunk, [&](int64_t row) { vectors.draw(row, &ids, &weights); });
    std::memcpy(ids_file.data + int64_t{offsets[chunk * kChunk]} * 4, ids.data(), ids.size() * 4);
    std::memcpy(weights_file.data + int64_t{offsets[chunk * kChunk]} * 4, weights.data(), weights.size() * 4);
  });
  lexvla_exec exec{};
  exec.device = LEXVLA_CPU;
  const int32_t *const ids = reinterpret_cast<const int32_t *>(ids_file.data);
  const float *const weights = reinterpret_cast<const float *>(weights_file.data);
  const auto start = Clock::now();
  int64_t bytes = 0;
  require(lexvla_index_size(&exec, impacts, offsets, ids, weights, rows, kWords, &bytes) == LEXVLA_OK, "size");
  File index(folder + "/index", bytes);
  require(lexvla_index_build(&exec, impacts, offsets, ids, weights, rows, kWords, bytes, index.data) == LEXVLA_OK, "build");
  std::printf("%lld vectors, %lld entries: index of %lld bytes (%.2f an entry), built in %.1f s\n", static_cast<long long>(rows),
      static_cast<long long>(entries), static_cast<long long>(bytes), static_cast<double>(bytes) / static_cast<double>(entries), seconds(start));
  return 0;
}

struct Queries {
  std::vector<int32_t> offsets{0}, ids;
  std::vector<float> weights;
};

int search(const std::string &folder, int threads) {
  const File offsets_file(folder + "/offsets"), ids_file(folder + "/ids"), weights_file(folder + "/weights"), index_file(folder + "/index");
  const int32_t *const offsets = reinterpret_cast<const int32_t *>(offsets_file.data);
  const int32_t *const ids = reinterpret_cast<const int32_t *>(ids_file.data);
  const float *const weights = reinterpret_cast<const float *>(weights_file.data);
  const int64_t rows = offsets_file.bytes / 4 - 1;
  // In large pages, as an index that was built in memory is.
  void *const index = std::aligned_alloc(int64_t{2} << 20, (static_cast<size_t>(index_file.bytes) + (2 << 20)) >> 21 << 21);
  madvise(index, static_cast<size_t>(index_file.bytes), MADV_HUGEPAGE);
  std::memcpy(index, index_file.data, static_cast<size_t>(index_file.bytes));
  if (threads == 0) threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  lexvla_exec exec{};
  exec.device = LEXVLA_CPU;
  const double rate = read_rate(threads);
  std::printf("%lld vectors, index of %.2f GB, instruction set %s, %d threads, memory read at %.1f GB/s\n", static_cast<long long>(rows),
      static_cast<double>(index_file.bytes) / 1e9, lexvla_active_isa(), threads, rate / 1e9);
  std::printf("%-20s %9s %9s %9s %12s %12s %12s\n", "queries", "ms", "MB", "postings", "of bytes", "of 3 B each", "rows again");
  const Vectors vectors;
  const auto run = [&](const Queries &queries, int64_t q, int with, int32_t *hit_rows, float *hit_scores, lexvla_index_work *work) {
    int64_t hits = 0;
    exec.threads = with;
    require(lexvla_index_search(&exec, index, index_file.bytes, offsets, ids, weights, rows, kWords, queries.offsets.data() + q,
                queries.ids.data(), queries.weights.data(), 1, kK, hit_rows, hit_scores, &hits, work) == LEXVLA_OK,
        "search");
  };
  for (const bool alike : {false, true}) {
    for (const int64_t size : {int64_t{40}, kActive}) {
      Queries queries;
      for (int64_t q = 0; q < kQueries; ++q) {
        const int64_t number = rows + q;  // none of the vectors
        if (alike && size == kActive) {
          vectors.draw(number, &queries.ids, &queries.weights);
        } else if (alike) {  // some of the words of a vector, as likely one as another
          std::vector<int32_t> all;
          std::vector<float> unused;
          vectors.draw(number, &all, &unused);
          std::shuffle(all.begin(), all.end(), std::mt19937_64(static_cast<uint64_t>(q)));
          std::sort(all.begin(), all.begin() + size);
          queries.ids.insert(queries.ids.end(), all.begin(), all.begin() + size);
          queries.weights.insert(queries.weights.end(), unused.begin(), unused.begin() + size);
        } else {
          vectors.draw_uniform(number, size, &queries.ids, &queries.weights);
        }
        queries.offsets.push_back(static_cast<int32_t>(queries.ids.size()));
      }
      // The first time brings the rows of the matrix from disk, and shows that one thread finds what several find.
      std::vector<double> times[kQueries];
      double bytes_of[kQueries], postings_of[kQueries];
      lexvla_index_work total{};
      for (int64_t q = 0; q < kQueries; ++q) {
        int32_t one_rows[kK], more_rows[kK];
        float one_scores[kK], more_scores[kK];
        lexvla_index_work work{};
        run(queries, q, 1, one_rows, one_scores, &work);
        run(queries, q, threads, more_rows, more_scores, nullptr);
        require(std::memcmp(one_rows, more_rows, sizeof one_rows) == 0 && std::memcmp(one_scores, more_scores, sizeof one_scores) == 0,
            "one thread finds something else");
        bytes_of[q] = static_cast<double>(work.bytes);
        postings_of[q] = static_cast<double>(work.postings);
        total.postings += work.postings;
        total.bytes += work.bytes;
        total.rows += work.rows;
      }
      for (int round = 0; round < (size == 40 ? 9 : 3); ++round) {
        for (int64_t q = 0; q < kQueries; ++q) {
          int32_t hit_rows[kK];
          float hit_scores[kK];
          const auto start = Clock::now();
          run(queries, q, threads, hit_rows, hit_scores, nullptr);
          times[q].push_back(seconds(start));
        }
      }
      // Of each query the median time, and how often the bound goes into it; of these the median query.
      std::vector<double> medians, of_bytes, of_postings;
      for (int64_t q = 0; q < kQueries; ++q) {
        medians.push_back(median(times[q]));
        of_bytes.push_back(medians[q] * rate / bytes_of[q]);
        of_postings.push_back(medians[q] * rate / (3 * postings_of[q]));
      }
      const double n = kQueries;
      char name[40];
      std::snprintf(name, sizeof name, "%lld words, %s", static_cast<long long>(size), alike ? "alike" : "uniform");
      std::printf("%-20s %9.3f %9.2f %9.0f %11.2fx %11.2fx %12.1f\n", name, median(medians) * 1e3, static_cast<double>(total.bytes) / n / 1e6,
          static_cast<double>(total.postings) / n, median(of_bytes), median(of_postings), static_cast<double>(total.rows) / n);
    }
  }
  std::free(index);
  return 0;
}

}  // namespace

int main(int argc, char **argv) {
  const std::string command = argc >= 3 ? argv[1] : "";
  const auto number = [&](int i, int64_t otherwise) { return argc > i ? std::atoll(argv[i]) : otherwise; };
  if (command == "build" && number(3, 1) > 0) {
    return build(argv[2], number(3, 1'000'000), number(4, 8) == 8 ? LEXVLA_IMPACTS_8BIT : LEXVLA_IMPACTS_FLOAT32);
  }
  if (command == "search" && number(3, 0) >= 0) return search(argv[2], static_cast<int>(number(3, 0)));
  std::fprintf(stderr, "usage: lexvla_index_bench build FOLDER [vectors [8|32]], then lexvla_index_bench search FOLDER [threads]\n");
  return 2;
}
