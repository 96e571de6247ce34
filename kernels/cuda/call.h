/*
 * One call of an operation on CUDA: its device, stream and workspace. A launcher begins with a Call that names the
 * temporary arrays it needs, returns if it was only asked for their size, and launches its kernels through it. Nothing
 * here or in a launcher waits for the device, and nothing but the fallback for a missing workspace allocates.
 */
#ifndef LEXVLA_CUDA_CALL_H
#define LEXVLA_CUDA_CALL_H

#include <initializer_list>

#include "device.h"

namespace lexvla::cuda {

/** Blocks of a launch of which each walks over tasks blockIdx.x, blockIdx.x + gridDim.x, ...: enough for any device. */
inline dim3 grid_of(int64_t tasks) { return dim3(static_cast<unsigned>(tasks < 1 ? 1 : tasks > (1 << 20) ? 1 << 20 : tasks)); }

class Call {
 public:
  /**
   * @param exec  whose device and stream are used
   * @param bytes of each temporary array; they follow each other in the workspace, each at a multiple of 256 bytes
   */
  explicit Call(const lexvla_exec &exec, std::initializer_list<int64_t> bytes = {});
  ~Call();
  Call(const Call &) = delete;
  Call &operator=(const Call &) = delete;

  /** Whether exec only asked how much workspace the call needs; it has been answered, nothing is to be launched. */
  bool only_asked() const { return only_asked_; }

  /** The temporary array of this index. */
  template <class T>
  T *array(int index) const {
    return reinterpret_cast<T *>(workspace_ + offsets_[index]);
  }

  cudaStream_t stream() const { return stream_; }
  int32_t device() const { return device_; }

  /**
   * Puts a kernel on the stream; fails with its name if it cannot be. Dynamic shared memory above 48 KiB is asked for here.
   *
   * @param name of the kernel in the code, not of the operation, which the entry point puts before it
   */
  template <class... Parameters, class... Arguments>
  void launch(const char *name, void (*kernel)(Parameters...), dim3 grid, dim3 block, size_t shared, Arguments... arguments) const {
    launch_clusters(name, kernel, 1, grid, block, shared, arguments...);
  }

  /** As launch, with clusters of this many consecutive blocks (Hopper and later; 1: none). */
  template <class... Parameters, class... Arguments>
  void launch_clusters(const char *name, void (*kernel)(Parameters...), unsigned cluster, dim3 grid, dim3 block, size_t shared,
      Arguments... arguments) const {
    if (shared > 48 * 1024) {
      require(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared)), name);
    }
    cudaLaunchAttribute attribute{};
    attribute.id = cudaLaunchAttributeClusterDimension;
    attribute.val.clusterDim.x = cluster;
    attribute.val.clusterDim.y = 1;
    attribute.val.clusterDim.z = 1;
    cudaLaunchConfig_t config{};
    config.gridDim = grid;
    config.blockDim = block;
    config.dynamicSmemBytes = shared;
    config.stream = stream_;
    config.attrs = &attribute;
    config.numAttrs = cluster > 1 ? 1 : 0;
    require(cudaLaunchKernelEx(&config, kernel, static_cast<Parameters>(arguments)...), name);
  }

 private:
  static constexpr int kMostArrays = 8;

  CurrentDevice current_;
  cudaStream_t stream_;
  int32_t device_;
  bool only_asked_;
  bool owns_ = false;
  char *workspace_ = nullptr;
  int64_t offsets_[kMostArrays] = {};
};

}  // namespace lexvla::cuda

#endif
