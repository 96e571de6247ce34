/*
 * The part of CUDA that the kernels in ../ are written in, for a C++ compiler: the same kernel sources run on the host,
 * thread by thread, so that the tests can hold them against the reference on a machine without a GPU.
 *
 * Every CUDA thread is a fiber with a stack of its own; the threads of a block (of a cluster) take turns within one thread
 * of the host, in an order that LEXVLA_EMULATION_ORDER draws, and give way only where the kernel waits: barriers, warp
 * exchanges, asynchronous copies. Device memory is host memory.
 *
 * What this shows: the arithmetic, the indexes, bounds (with AddressSanitizer), that barriers are met by all threads, that a
 * result depends on no order of threads between two barriers, and for PTX instructions (../ptx.h) that the kernels and this
 * project's reading of the PTX manual agree. What it does not show: that this reading is right, anything about the memory
 * model, launch limits, registers, or speed.
 */
#ifndef LEXVLA_CUDA_EMULATION_H
#define LEXVLA_CUDA_EMULATION_H

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __grid_constant__
// A block runs within one thread of the host, one block after another.
#define __shared__ static thread_local

#define CUDART_VERSION 13000

struct uint3 {
  unsigned x, y, z;
};

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};

struct alignas(16) float4 {
  float x, y, z, w;
};

struct alignas(16) uint4 {
  unsigned x, y, z, w;
};

extern thread_local uint3 threadIdx, blockIdx;
extern thread_local dim3 blockDim, gridDim;

namespace lexvla::emulation {

/** Runs a kernel: body(context) once per thread. `shared` bytes of dynamic shared memory per block, poisoned. */
void run(dim3 grid, dim3 block, unsigned cluster, size_t shared, void (*body)(void *), void *context);

/** The block's dynamic shared memory; of another block of the cluster by its rank. */
void *dynamic_shared();
void *dynamic_shared(unsigned rank);
unsigned cluster_rank();
unsigned cluster_size();

/** Gives way to the other threads until ready(context). Where all threads wait in vain, the process ends with a message. */
void wait(const char *what, bool (*ready)(void *), void *context);

/** Waits until all lanes of `mask` in this warp are here; `all`[lane * size] is then what each passed. size <= 64. */
void exchange(unsigned mask, const void *mine, size_t size, void *all);

/** Waits until `count` threads of this block are at barrier `name`. */
void barrier(int name, unsigned count);

/** Waits for all threads of the cluster. */
void cluster_barrier();

/** A copy (of zeros, if `from` is NULL) that is done when this thread waits for its group, no sooner. */
void defer_copy(void *to, const void *from, size_t bytes);
void commit_copies();
void finish_copies(size_t pending);

inline unsigned lane() { return threadIdx.x % 32; }

template <class T>
T lane_value(unsigned mask, T mine, unsigned from) {
  T all[32];
  exchange(mask, &mine, sizeof mine, all);
  return all[from % 32];
}

}  // namespace lexvla::emulation

inline void __syncthreads() { lexvla::emulation::barrier(0, blockDim.x * blockDim.y * blockDim.z); }
inline void __syncwarp(unsigned mask = 0xffffffffu) {
  const char nothing = 0;
  char all[32];
  lexvla::emulation::exchange(mask, &nothing, 1, all);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int lanes) {
  return lexvla::emulation::lane_value(mask, value, lexvla::emulation::lane() ^ static_cast<unsigned>(lanes));
}
template <class T>
T __shfl_sync(unsigned mask, T value, int from) {
  return lexvla::emulation::lane_value(mask, value, static_cast<unsigned>(from));
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta) {
  const unsigned lane = lexvla::emulation::lane();
  return lexvla::emulation::lane_value(mask, value, lane >= delta ? lane - delta : lane);
}
inline unsigned __ballot_sync(unsigned mask, bool predicate) {
  bool all[32];
  lexvla::emulation::exchange(mask, &predicate, sizeof predicate, all);
  unsigned votes = 0;
  for (unsigned i = 0; i < 32; ++i) votes |= (mask >> i & 1) != 0 && all[i] ? 1u << i : 0u;
  return votes;
}
inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __ffs(int x) { return __builtin_ffs(x); }
// The threads of a block are never run at once.
template <class T>
T atomicAdd(T *address, T value) {
  const T before = *address;
  *address = before + value;
  return before;
}
template <class T>
T atomicMax(T *address, T value) {
  const T before = *address;
  if (value > before) *address = value;
  return before;
}
inline unsigned __float_as_uint(float x) {
  unsigned bits;
  std::memcpy(&bits, &x, sizeof bits);
  return bits;
}
inline float __uint_as_float(unsigned bits) {
  float x;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}

// The runtime: two devices, whose streams do everything at once.
enum cudaError_t {
  cudaSuccess = 0,
  cudaErrorInvalidValue = 1,
  cudaErrorMemoryAllocation = 2,
  cudaErrorInsufficientDriver = 35,
  cudaErrorNoDevice = 100,
  cudaErrorInvalidDevice = 101,
  cudaErrorECCUncorrectable = 214,
  cudaErrorInvalidResourceHandle = 400,
  cudaErrorIllegalAddress = 700,
  cudaErrorLaunchTimeout = 702,
  cudaErrorAssert = 710,
  cudaErrorHardwareStackError = 714,
  cudaErrorIllegalInstruction = 715,
  cudaErrorMisalignedAddress = 716,
  cudaErrorInvalidAddressSpace = 717,
  cudaErrorInvalidPc = 718,
  cudaErrorLaunchFailure = 719,
};
enum cudaDeviceAttr {
  cudaDevAttrMultiProcessorCount = 16,
  cudaDevAttrComputeCapabilityMajor = 75,
  cudaDevAttrComputeCapabilityMinor = 76,
  cudaDevAttrMaxSharedMemoryPerBlockOptin = 97,
};
enum cudaFuncAttribute { cudaFuncAttributeMaxDynamicSharedMemorySize = 8 };
enum cudaMemcpyKind { cudaMemcpyHostToDevice = 1, cudaMemcpyDeviceToHost = 2, cudaMemcpyDefault = 4 };
enum cudaLaunchAttributeID { cudaLaunchAttributeClusterDimension = 4 };

/** A stream; the default one is null. */
struct CUstream_st {
  int device;
};
using cudaStream_t = CUstream_st *;

struct cudaLaunchAttribute {
  cudaLaunchAttributeID id;
  struct {
    struct {
      unsigned x, y, z;
    } clusterDim;
  } val;
};

struct cudaLaunchConfig_t {
  dim3 gridDim, blockDim;
  size_t dynamicSmemBytes;
  cudaStream_t stream;
  cudaLaunchAttribute *attrs;
  unsigned numAttrs;
};

namespace lexvla::emulation {

constexpr int kDevices = 2;

/** What the runtime knows of a thread of the host, and what tests make it say. */
struct Runtime {
  int device = 0;
  cudaError_t last_error = cudaSuccess;
  /** How the next work that is put on a stream fails; `lasts`: and all after it, as when a kernel has destroyed its context. */
  cudaError_t fails = cudaSuccess;
  bool lasts = false;
  /** Times that work was put on the default stream. */
  int64_t on_default_stream = 0;
};
extern thread_local Runtime runtime;

/** What a call that puts work on a stream returns. */
inline cudaError_t put_on(cudaStream_t stream) {
  cudaError_t status = runtime.fails;
  if (!runtime.lasts) runtime.fails = cudaSuccess;
  // As on a machine with two devices: a stream belongs to one of them.
  if (status == cudaSuccess && stream != nullptr && stream->device != runtime.device) status = cudaErrorInvalidResourceHandle;
  if (stream == nullptr) ++runtime.on_default_stream;
  if (status != cudaSuccess) runtime.last_error = status;
  return status;
}

}  // namespace lexvla::emulation

inline const char *cudaGetErrorString(cudaError_t) { return "emulated"; }
inline const char *cudaGetErrorName(cudaError_t) { return "emulated"; }
inline cudaError_t cudaPeekAtLastError() { return lexvla::emulation::runtime.last_error; }
inline cudaError_t cudaGetLastError() {
  const cudaError_t status = lexvla::emulation::runtime.last_error;
  if (!lexvla::emulation::runtime.lasts) lexvla::emulation::runtime.last_error = cudaSuccess;
  return status;
}
inline cudaError_t cudaGetDeviceCount(int *count) { return *count = lexvla::emulation::kDevices, cudaSuccess; }
inline cudaError_t cudaGetDevice(int *ordinal) { return *ordinal = lexvla::emulation::runtime.device, cudaSuccess; }
inline cudaError_t cudaSetDevice(int ordinal) {
  if (ordinal < 0 || ordinal >= lexvla::emulation::kDevices) return lexvla::emulation::runtime.last_error = cudaErrorInvalidDevice;
  return lexvla::emulation::runtime.device = ordinal, cudaSuccess;
}
constexpr unsigned cudaStreamNonBlocking = 1;
inline cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned) {
  *stream = new CUstream_st{lexvla::emulation::runtime.device};
  return cudaSuccess;
}
inline cudaError_t cudaStreamSynchronize(cudaStream_t) { return cudaSuccess; }
inline cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  delete stream;
  return cudaSuccess;
}
cudaError_t cudaDeviceGetAttribute(int *value, cudaDeviceAttr which, int ordinal);
inline cudaError_t cudaMalloc(void **memory, size_t bytes) {
  *memory = ::operator new(bytes, std::align_val_t{256});
  return cudaSuccess;
}
inline cudaError_t cudaFree(void *memory) {
  ::operator delete(memory, std::align_val_t{256});
  return cudaSuccess;
}
inline cudaError_t cudaMallocAsync(void **memory, size_t bytes, cudaStream_t stream) {
  const cudaError_t status = lexvla::emulation::put_on(stream);
  if (status != cudaSuccess) return status;
  cudaMalloc(memory, bytes);
  std::memset(*memory, 0xdb, bytes);
  return cudaSuccess;
}
inline cudaError_t cudaFreeAsync(void *memory, cudaStream_t stream) {
  cudaFree(memory);
  return lexvla::emulation::put_on(stream);
}
inline cudaError_t cudaMemcpy(void *to, const void *from, size_t bytes, cudaMemcpyKind) {
  if (bytes > 0) std::memcpy(to, from, bytes);
  return cudaSuccess;
}
inline cudaError_t cudaMemset(void *memory, int value, size_t bytes) {
  if (bytes > 0) std::memset(memory, value, bytes);
  return cudaSuccess;
}
inline cudaError_t cudaMemsetAsync(void *memory, int value, size_t bytes, cudaStream_t stream) {
  const cudaError_t status = lexvla::emulation::put_on(stream);
  return status != cudaSuccess ? status : cudaMemset(memory, value, bytes);
}
inline cudaError_t cudaDeviceSynchronize() { return cudaSuccess; }
template <class... Parameters>
cudaError_t cudaFuncSetAttribute(void (*)(Parameters...), cudaFuncAttribute, int) {
  return cudaSuccess;
}

template <class... Parameters>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t *config, void (*kernel)(Parameters...), Parameters... arguments) {
  const cudaError_t status = lexvla::emulation::put_on(config->stream);
  if (status != cudaSuccess) return status;
  const auto call = [&] { kernel(arguments...); };
  lexvla::emulation::run(
      config->gridDim, config->blockDim, config->numAttrs > 0 ? config->attrs[0].val.clusterDim.x : 1, config->dynamicSmemBytes,
      [](void *context) { (*static_cast<const decltype(call) *>(context))(); }, const_cast<void *>(static_cast<const void *>(&call)));
  return cudaSuccess;
}

#endif
