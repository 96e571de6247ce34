#include "device_calls.h"

#undef lexvla_project_max_forward
#undef lexvla_filter_winners
#undef lexvla_project_max_backward
#undef lexvla_activate_normalize_forward
#undef lexvla_activate_normalize_backward
#undef lexvla_token_activations
#undef lexvla_sparsify_threshold
#undef lexvla_sparsify_top_k
#undef lexvla_activate_sparsify_threshold
#undef lexvla_activate_sparsify_top_k
#undef lexvla_csr_dot
#undef lexvla_csr_top_k
#undef lexvla_index_size
#undef lexvla_index_build
#undef lexvla_index_search
#undef lexvla_last_error

#include <cuda_runtime_api.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

namespace lexvla::tests::device {
namespace {

// A failure that is found here, and the library's last failure before it.
thread_local char error[256];
thread_local std::string library_then;

void require(cudaError_t status, const char *what) {
  if (status == cudaSuccess) return;
  std::fprintf(stderr, "%s: %s\n", what, cudaGetErrorString(status));
  std::abort();
}

/**
 * The machine's last device, a stream of it that waits for no other, and the first device as the current one while a call is
 * made: with two devices, as the emulation has, a call that does not change to its own fails.
 */
struct Place {
  int device = 0;
  cudaStream_t stream = nullptr;

  Place() {
    require(cudaGetDeviceCount(&device), "cudaGetDeviceCount");
    --device;
    require(cudaSetDevice(device), "cudaSetDevice");
    require(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
  }
};

const Place &place() {
  static const Place the_place;
  return the_place;
}

/** The place's device as the current one. */
struct OnDevice {
  OnDevice() { require(cudaSetDevice(place().device), "cudaSetDevice"); }
  ~OnDevice() { require(cudaSetDevice(0), "cudaSetDevice"); }
  OnDevice(const OnDevice &) = delete;
};

constexpr int64_t kFence = 256;  // bytes before and after a copy, of which nothing may change

/** LEXVLA_TEST_ALIGNED=true: all copies lie at multiples of 256 bytes, as the kernels for whole vectors ask for. */
bool aligned() {
  const char *given = std::getenv("LEXVLA_TEST_ALIGNED");
  return given != nullptr && std::string(given) == "true";
}

/** An array's copy on the device, at the same distance from a multiple of 16 bytes as the original. */
class Copy {
 public:
  Copy(const void *host, int64_t bytes) : host_(host), bytes_(host == nullptr ? 0 : bytes) {
    shift_ = aligned() ? 0 : static_cast<int64_t>(reinterpret_cast<uintptr_t>(host) % 16);
    fenced_.resize(static_cast<size_t>(bytes_ + shift_ + 2 * kFence), 0x5a);
    if (bytes_ > 0) std::memcpy(fenced_.data() + kFence + shift_, host, static_cast<size_t>(bytes_));
    const OnDevice here;
    require(cudaMalloc(&memory_, fenced_.size()), "cudaMalloc");
    require(cudaMemcpy(memory_, fenced_.data(), fenced_.size(), cudaMemcpyHostToDevice), "to the device");
  }
  ~Copy() { require(cudaFree(memory_), "cudaFree"); }
  Copy(const Copy &) = delete;

  template <class T>
  T *as() const {
    return host_ == nullptr ? nullptr : reinterpret_cast<T *>(static_cast<char *>(memory_) + kFence + shift_);
  }
  const void *host() const { return host_; }

  /** Copies back to the original; inputs come back as they were, or the kernel wrote where it must not. */
  void back() {
    std::vector<char> now(fenced_.size());
    require(cudaMemcpy(now.data(), memory_, now.size(), cudaMemcpyDeviceToHost), "from the device");
    const size_t begin = static_cast<size_t>(kFence + shift_), end = begin + static_cast<size_t>(bytes_);
    const bool fences = std::memcmp(now.data(), fenced_.data(), begin) == 0 &&
                        std::memcmp(now.data() + end, fenced_.data() + end, now.size() - end) == 0;
    const bool changed = bytes_ > 0 && std::memcmp(now.data() + begin, fenced_.data() + begin, end - begin) != 0;
    if (!fences || (changed && !output_)) {
      std::fprintf(stderr, "a kernel wrote %s\n", fences ? "to an input" : "outside an output");
      std::abort();
    }
    if (output_ && bytes_ > 0) std::memcpy(const_cast<void *>(host_), now.data() + begin, end - begin);
  }
  void set_output() { output_ = true; }

 private:
  const void *host_;
  int64_t bytes_, shift_;
  bool output_ = false;
  std::vector<char> fenced_;
  void *memory_ = nullptr;
};

/** The arrays of one call. */
class Arrays {
 public:
  template <class T>
  const T *in(const T *host, int64_t elements, int64_t bytes = 0) {
    return copy_of(host, elements * (bytes != 0 ? bytes : element<T>()))->template as<const T>();
  }
  template <class T>
  T *out(T *host, int64_t elements) {
    Copy *copy = copy_of(host, elements * element<T>());
    copy->set_output();
    return copy->template as<T>();
  }

  /** Runs call(exec) on the device, first to learn its workspace, and brings the outputs back. */
  template <class Call>
  int32_t run(const lexvla_exec &from, const Call &call) {
    error[0] = 0;
    lexvla_exec exec = from;
    exec.device = place().device;
    exec.stream = place().stream;
    int64_t needed = -1;
    exec.workspace_needed = &needed;
    int32_t status = call(&exec);
    if (status != LEXVLA_OK) return status;
    exec.workspace_needed = nullptr;
    exec.workspace_bytes = needed;
    {
      const OnDevice here;
      require(cudaMalloc(&exec.workspace, static_cast<size_t>(needed > 0 ? needed : 1)), "cudaMalloc");
      require(cudaMemset(exec.workspace, 0xdb, static_cast<size_t>(needed)), "cudaMemset");
      require(cudaDeviceSynchronize(), "the arrays");  // the stream does not wait for what brought them
    }
    if (needed > 0) {
      // One byte less is refused; without any, the call takes its own.
      lexvla_exec less = exec;
      --less.workspace_bytes;
      if (call(&less) != LEXVLA_INVALID_ARGUMENT) {
        std::fprintf(stderr, "a workspace of one byte less than needed was taken\n");
        std::abort();
      }
    }
#if defined(LEXVLA_CUDA_EMULATION_H)
    const int64_t elsewhere = emulation::runtime.on_default_stream;
#endif
    status = call(&exec);
#if defined(LEXVLA_CUDA_EMULATION_H)
    if (emulation::runtime.on_default_stream != elsewhere) {
      std::fprintf(stderr, "a call put work on the default stream\n");
      std::abort();
    }
#endif
    int current = -1;
    require(cudaGetDevice(&current), "cudaGetDevice");
    if (current != 0) {
      std::fprintf(stderr, "a call made device %d the current one\n", current);
      std::abort();
    }
    require(cudaStreamSynchronize(place().stream), "the kernel");
    require(cudaFree(exec.workspace), "cudaFree");
    for (const auto &copy : copies_) copy->back();
    return status;
  }

 private:
  template <class T>
  static constexpr int64_t element() {
    if constexpr (std::is_void_v<T>) {
      return 1;
    } else {
      return sizeof(T);
    }
  }
  Copy *copy_of(const void *host, int64_t bytes) {
    for (const auto &copy : copies_) {
      if (host != nullptr && copy->host() == host) return copy.get();  // in place
    }
    copies_.push_back(std::make_unique<Copy>(host, bytes));
    return copies_.back().get();
  }
  std::vector<std::unique_ptr<Copy>> copies_;
};

int64_t element_bytes(int32_t type) { return type == LEXVLA_FLOAT32 ? 4 : 2; }

/** What the host says of a CSR that does not fit. */
int32_t capacity_status(int32_t status, const int32_t *offsets, int64_t rows, int64_t capacity, const int32_t *ids) {
  if (status != LEXVLA_OK || ids == nullptr || offsets[rows] <= capacity) return status;
  library_then = lexvla_last_error();
  std::snprintf(error, sizeof error, "%d entries are kept, capacity %lld", offsets[rows], static_cast<long long>(capacity));
  return LEXVLA_CAPACITY;
}

}  // namespace

const char *last_error() { return error[0] != 0 && library_then == lexvla_last_error() ? error : lexvla_last_error(); }

int32_t project_max_forward(const lexvla_exec *exec, int32_t type, const void *tokens, const uint8_t *mask, const void *codebook,
    int64_t images, int64_t count, int64_t width, int64_t words, float *scores, int32_t *winners) {
  Arrays a;
  const void *t = a.in(tokens, images * count * width, element_bytes(type)), *c = a.in(codebook, words * width, element_bytes(type));
  const uint8_t *m = a.in(mask, images * count);
  float *s = a.out(scores, images * words);
  int32_t *w = a.out(winners, images * words);
  return a.run(*exec, [&](const lexvla_exec *on) {
    return lexvla_project_max_forward(on, type, t, m, c, images, count, width, words, s, w);
  });
}

int32_t filter_winners(const lexvla_exec *exec, const float *grad_scores, const int32_t *winners, int64_t images, int64_t words,
    float share, int32_t *filtered) {
  Arrays a;
  const float *g = a.in(grad_scores, images * words);
  const int32_t *w = a.in(winners, images * words);
  int32_t *f = a.out(filtered, images * words);
  return a.run(*exec, [&](const lexvla_exec *on) { return lexvla_filter_winners(on, g, w, images, words, share, f); });
}

int32_t project_max_backward(const lexvla_exec *exec, int32_t type, const float *grad_scores, const int32_t *winners, const void *tokens,
    const void *codebook, int64_t images, int64_t count, int64_t width, int64_t words, float *grad_tokens, float *grad_codebook,
    int32_t add_codebook) {
  Arrays a;
  const float *g = a.in(grad_scores, images * words);
  const int32_t *w = a.in(winners, images * words);
  const void *t = a.in(tokens, images * count * width, element_bytes(type)), *c = a.in(codebook, words * width, element_bytes(type));
  float *gt = a.out(grad_tokens, images * count * width), *gc = a.out(grad_codebook, words * width);
  return a.run(*exec, [&](const lexvla_exec *on) {
    return lexvla_project_max_backward(on, type, g, w, t, c, images, count, width, words, gt, gc, add_codebook);
  });
}

int32_t activate_normalize_forward(
    const lexvla_exec *exec, const float *scores, int64_t rows, int64_t words, float *activations, float *norms) {
  Arrays a;
  const float *s = a.in(scores, rows * words);
  float *x = a.out(activations, rows * words), *n = a.out(norms, rows);
  return a.run(*exec, [&](const lexvla_exec *on) { return lexvla_activate_normalize_forward(on, s, rows, words, x, n); });
}

int32_t activate_normalize_backward(const lexvla_exec *exec, const float *grad_activations, const float *scores, const float *norms,
    int64_t rows, int64_t words, float *grad_scores) {
  Arrays a;
  const float *g = a.in(grad_activations, rows * words), *s = a.in(scores, rows * words), *n = a.in(norms, rows);
  float *x = a.out(grad_scores, rows * words);
  return a.run(*exec, [&](const lexvla_exec *on) { return lexvla_activate_normalize_backward(on, g, s, n, rows, words, x); });
}

int32_t token_activations(const lexvla_exec *exec, int32_t type, const void *tokens, const void *codebook, int64_t count, int64_t width,
    int64_t words, float *activations, float *norms) {
  Arrays a;
  const void *t = a.in(tokens, count * width, element_bytes(type)), *c = a.in(codebook, words * width, element_bytes(type));
  float *x = a.out(activations, count * words), *n = a.out(norms, count);
  return a.run(*exec, [&](const lexvla_exec *on) { return lexvla_token_activations(on, type, t, c, count, width, words, x, n); });
}

namespace {

/** The four operations that make a CSR of rows: `function` with `rule`, a threshold or k. */
template <class Rule>
int32_t sparse_rows(int32_t (*function)(const lexvla_exec *, const float *, int64_t, int64_t, Rule, int64_t, int32_t *, int32_t *, float *),
    const lexvla_exec *exec, const float *values, int64_t rows, int64_t words, Rule rule, int64_t capacity, int32_t *offsets, int32_t *ids,
    float *weights) {
  Arrays a;
  const float *x = a.in(values, rows * words);
  int32_t *o = a.out(offsets, rows + 1), *i = a.out(ids, capacity);
  float *w = a.out(weights, capacity);
  const int32_t status = a.run(*exec, [&](const lexvla_exec *on) { return function(on, x, rows, words, rule, capacity, o, i, w); });
  return capacity_status(status, offsets, rows, capacity, ids);
}

}  // namespace

int32_t sparsify_threshold(const lexvla_exec *exec, const float *values, int64_t rows, int64_t words, float threshold, int64_t capacity,
    int32_t *offsets, int32_t *ids, float *weights) {
  return sparse_rows(lexvla_sparsify_threshold, exec, values, rows, words, threshold, capacity, offsets, ids, weights);
}

int32_t sparsify_top_k(const lexvla_exec *exec, const float *values, int64_t rows, int64_t words, int64_t k, int64_t capacity,
    int32_t *offsets, int32_t *ids, float *weights) {
  return sparse_rows(lexvla_sparsify_top_k, exec, values, rows, words, k, capacity, offsets, ids, weights);
}

int32_t activate_sparsify_threshold(const lexvla_exec *exec, const float *scores, int64_t rows, int64_t words, float threshold,
    int64_t capacity, int32_t *offsets, int32_t *ids, float *weights) {
  return sparse_rows(lexvla_activate_sparsify_threshold, exec, scores, rows, words, threshold, capacity, offsets, ids, weights);
}

int32_t activate_sparsify_top_k(const lexvla_exec *exec, const float *scores, int64_t rows, int64_t words, int64_t k, int64_t capacity,
    int32_t *offsets, int32_t *ids, float *weights) {
  return sparse_rows(lexvla_activate_sparsify_top_k, exec, scores, rows, words, k, capacity, offsets, ids, weights);
}

int32_t csr_dot(const lexvla_exec *exec, const int32_t *a_offsets, const int32_t *a_ids, const float *a_weights, int64_t a_rows,
    const int32_t *b_offsets, const int32_t *b_ids, const float *b_weights, int64_t b_rows, int64_t words, float *products) {
  Arrays a;
  const int64_t a_end = a_rows > 0 ? a_offsets[a_rows] : 0, b_end = b_rows > 0 ? b_offsets[b_rows] : 0;
  const int32_t *ao = a.in(a_offsets, a_rows > 0 ? a_rows + 1 : 0), *ai = a.in(a_ids, a_end);
  const int32_t *bo = a.in(b_offsets, b_rows > 0 ? b_rows + 1 : 0), *bi = a.in(b_ids, b_end);
  const float *aw = a.in(a_weights, a_end), *bw = a.in(b_weights, b_end);
  float *p = a.out(products, a_rows * b_rows);
  return a.run(*exec, [&](const lexvla_exec *on) { return lexvla_csr_dot(on, ao, ai, aw, a_rows, bo, bi, bw, b_rows, words, p); });
}

int32_t csr_top_k(const lexvla_exec *exec, const int32_t *query_ids, const float *query_weights, int64_t query_size,
    const int32_t *offsets, const int32_t *ids, const float *weights, int64_t rows, int64_t words, int64_t k, int32_t *hit_rows,
    float *hit_scores, int64_t *hits) {
  Arrays a;
  const int64_t end = rows > 0 ? offsets[rows] : 0;
  const int32_t *qi = a.in(query_ids, query_size), *o = a.in(offsets, rows > 0 ? rows + 1 : 0), *i = a.in(ids, end);
  const float *qw = a.in(query_weights, query_size), *w = a.in(weights, end);
  int32_t *hr = a.out(hit_rows, k);
  float *hs = a.out(hit_scores, k);
  int64_t *h = a.out(hits, 1);
  return a.run(
      *exec, [&](const lexvla_exec *on) { return lexvla_csr_top_k(on, qi, qw, query_size, o, i, w, rows, words, k, hr, hs, h); });
}

namespace {

/** The arrays of a CSR. */
struct Csr {
  const int32_t *offsets, *ids;
  const float *weights;

  Csr(Arrays &a, const int32_t *host_offsets, const int32_t *host_ids, const float *host_weights, int64_t rows) {
    const int64_t end = rows > 0 ? host_offsets[rows] : 0;
    offsets = a.in(host_offsets, rows > 0 ? rows + 1 : 0);
    ids = a.in(host_ids, end);
    weights = a.in(host_weights, end);
  }
};

}  // namespace

int32_t index_size(const lexvla_exec *exec, int32_t impacts, const int32_t *offsets, const int32_t *ids, const float *weights, int64_t rows,
    int64_t words, int64_t *bytes) {
  Arrays a;
  const Csr m(a, offsets, ids, weights, rows);
  int64_t *b = a.out(bytes, 1);
  return a.run(*exec, [&](const lexvla_exec *on) { return lexvla_index_size(on, impacts, m.offsets, m.ids, m.weights, rows, words, b); });
}

int32_t index_build(const lexvla_exec *exec, int32_t impacts, const int32_t *offsets, const int32_t *ids, const float *weights,
    int64_t rows, int64_t words, int64_t bytes, void *index) {
  Arrays a;
  const Csr m(a, offsets, ids, weights, rows);
  void *i = a.out(index, bytes);
  return a.run(
      *exec, [&](const lexvla_exec *on) { return lexvla_index_build(on, impacts, m.offsets, m.ids, m.weights, rows, words, bytes, i); });
}

int32_t index_search(const lexvla_exec *exec, const void *index, int64_t bytes, const int32_t *offsets, const int32_t *ids,
    const float *weights, int64_t rows, int64_t words, const int32_t *query_offsets, const int32_t *query_ids, const float *query_weights,
    int64_t queries, int64_t k, int32_t *hit_rows, float *hit_scores, int64_t *hits, lexvla_index_work *work) {
  Arrays a;
  const void *i = a.in(index, bytes, 1);
  const Csr m(a, offsets, ids, weights, rows), q(a, query_offsets, query_ids, query_weights, queries);
  int32_t *hr = a.out(hit_rows, queries * k);
  float *hs = a.out(hit_scores, queries * k);
  int64_t *h = a.out(hits, queries);
  lexvla_index_work *w = a.out(work, 1);
  return a.run(*exec, [&](const lexvla_exec *on) {
    return lexvla_index_search(
        on, i, bytes, m.offsets, m.ids, m.weights, rows, words, q.offsets, q.ids, q.weights, queries, k, hr, hs, h, w);
  });
}

}  // namespace lexvla::tests::device
