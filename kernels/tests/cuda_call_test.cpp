/* How a call finds its device and its stream, and whom it blames for a failure: with the emulation, whose runtime fails on demand. */
#include <cuda_runtime_api.h>

#include <vector>

#include "support.h"

// Straight to the library.
#undef lexvla_index_search
#undef lexvla_project_max_forward

using namespace lexvla::tests;

namespace {

using lexvla::emulation::runtime;

/** A search and a projection: between them every kind of work that is put on a stream. */
struct Arrays {
  float values[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, scores[6] = {}, hit_scores[2] = {};
  int32_t offsets[2] = {0, 1}, ids[1] = {1}, winners[6] = {}, hit_rows[2] = {};
  int64_t hits[2] = {};

  int32_t search(const lexvla_exec &exec) {
    return lexvla_index_search(
        &exec, nullptr, 0, offsets, ids, values, 1, 3, offsets, ids, values, 1, 2, hit_rows, hit_scores, hits, nullptr);
  }
  int32_t project(const lexvla_exec &exec) {
    return lexvla_project_max_forward(&exec, LEXVLA_FLOAT32, values, nullptr, values, 2, 2, 2, 3, scores, winners);
  }
};

lexvla_exec on(int32_t device, cudaStream_t stream) {
  lexvla_exec exec{};
  exec.device = device;
  exec.stream = stream;
  return exec;
}

/** A stream of a device; the first is current before and after. */
struct Stream {
  cudaStream_t handle = nullptr;
  explicit Stream(int device) {
    cudaSetDevice(device);
    cudaStreamCreateWithFlags(&handle, cudaStreamNonBlocking);
    cudaSetDevice(0);
  }
  ~Stream() { cudaStreamDestroy(handle); }
  Stream(const Stream &) = delete;
};

/** The text of a failure begins like this, and names its operation no second time. */
void said(int32_t status, const std::string &begin) {
  INFO(last_error());
  CHECK(status == LEXVLA_CUDA_ERROR);
  CHECK(last_error().find(begin) == 0);
  const std::string operation = begin.substr(0, begin.find(':'));
  CHECK(last_error().find(operation, operation.size()) == std::string::npos);
}

}  // namespace

TEST_CASE("call: on the device and the stream of exec, whatever the current device is, which it stays") {
  Arrays arrays;
  for (const int device : {0, 1}) {
    const Stream stream(device);
    for (const int current : {0, 1}) {
      cudaSetDevice(current);
      const int64_t before = runtime.on_default_stream;
      CHECK(arrays.search(on(device, stream.handle)) == LEXVLA_OK);
      CHECK(arrays.project(on(device, stream.handle)) == LEXVLA_OK);
      CHECK(runtime.on_default_stream == before);
      CHECK(runtime.device == current);
      // What cannot be done leaves it, too.
      runtime.fails = cudaErrorInvalidValue;
      CHECK(arrays.project(on(device, stream.handle)) == LEXVLA_CUDA_ERROR);
      CHECK(runtime.device == current);
    }
    cudaSetDevice(0);
    // A stream of another device is an error of this call.
    said(arrays.project(on(1 - device, stream.handle)), "project_max_forward: forward_kernel: emulated");
    CHECK(arrays.project(on(1 - device, nullptr)) == LEXVLA_OK);
  }
  int64_t needed = -1;
  lexvla_exec asks = on(lexvla::emulation::kDevices, nullptr);
  asks.workspace_needed = &needed;
  CHECK(arrays.project(asks) == LEXVLA_UNSUPPORTED);
  CHECK(last_error().find("exec.device is 2, this machine has 2 CUDA devices: ordinals are from 0") != std::string::npos);
}

TEST_CASE("call: a failure is told once, by the call that it belongs to") {
  Arrays arrays;
  const Stream stream(1);
  const lexvla_exec exec = on(1, stream.handle);
  runtime.fails = cudaErrorInvalidValue;
  said(arrays.project(exec), "project_max_forward: forward_kernel: emulated");
  CHECK(arrays.project(exec) == LEXVLA_OK);
  runtime.fails = cudaErrorInvalidValue;
  said(arrays.search(exec), "index_search: cudaMallocAsync: emulated");
  CHECK(arrays.search(exec) == LEXVLA_OK);
  runtime.fails = cudaErrorMemoryAllocation;
  CHECK(arrays.search(exec) == LEXVLA_OUT_OF_MEMORY);
  CHECK(last_error().find("bytes of memory on device 1 for temporary use: fewer images per call need less") != std::string::npos);
  CHECK(arrays.search(exec) == LEXVLA_OK);
}

TEST_CASE("call: what earlier work did is not this call's failure, whichever step of it meets it") {
  Arrays arrays;
  const Stream stream(1);
  lexvla_exec exec = on(1, stream.handle);
  std::vector<char> memory(1 << 20);
  void *aligned = memory.data() + (256 - reinterpret_cast<uintptr_t>(memory.data()) % 256) % 256;
  const std::string blame = " not started, because earlier work on device 1 failed while it ran: emulated (emulated): start the process again";

  runtime.fails = cudaErrorIllegalAddress;
  said(arrays.project(exec), "project_max_forward: forward_kernel" + blame);
  runtime.fails = cudaErrorIllegalAddress;
  said(arrays.search(exec), "index_search: cudaMallocAsync" + blame);
  exec.workspace = aligned;
  exec.workspace_bytes = memory.size() - 256;
  runtime.fails = cudaErrorLaunchTimeout;
  said(arrays.search(exec), "index_search: cudaMemsetAsync" + blame);

  // A context that is lost stays so, and every call says whose fault it was.
  runtime.fails = cudaErrorIllegalAddress;
  runtime.lasts = true;
  said(arrays.project(exec), "project_max_forward: forward_kernel" + blame);
  said(arrays.project(exec), "project_max_forward: not started, because earlier work on device 1 failed: emulated (emulated)");
  runtime = {};
  CHECK(arrays.project(exec) == LEXVLA_OK);
  CHECK(arrays.search(exec) == LEXVLA_OK);
}
