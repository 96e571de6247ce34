/*
 * The PTX instructions of Hopper that sm90_project_max.cu is made of, and what they do on the emulation; see ptx.h.
 * Shared memory is addressed by 32 bits: in its window on the device, from the beginning of the dynamic part on the emulation.
 */
#ifndef LEXVLA_CUDA_PTX_SM90_H
#define LEXVLA_CUDA_PTX_SM90_H

#include "ptx.h"

#if defined(__CUDACC__)
#include <cuda.h>
#endif

namespace lexvla::cuda {

/** Bytes of a line of a swizzled tile: 64 elements of 16 bits or 32 of 32. Eight lines are an atom of 1024 bytes. */
constexpr int kSwizzleBytes = 128;

/** Bytes of the depth that one product takes: 16 elements of 16 bits or 8 of 32. */
constexpr int kProductBytes = 32;

#if defined(__CUDACC__)

/** A matrix in device memory, as the tensor memory accelerator sees it. */
using TensorMap = CUtensorMap;

__device__ inline uint32_t cluster_rank() {
  uint32_t rank;
  asm volatile("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
  return rank;
}

/** Waits for all threads of the cluster; what they wrote to shared memory before is then seen. */
__device__ inline void sync_cluster() {
  __syncwarp();  // the instructions below ask for whole warps, of which one thread may come from a loop of its own
  asm volatile("barrier.cluster.arrive.release.aligned;\nbarrier.cluster.wait.acquire.aligned;" ::: "memory");
}

/** Makes a barrier in shared memory whose phases end after `arrivals` arrivals and all announced bytes. */
__device__ inline void init_barrier(uint64_t *barrier, uint32_t arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(barrier)), "r"(arrivals) : "memory");
}

/** Makes barriers that were just initialised visible to the cluster and to asynchronous copies. */
__device__ inline void fence_barriers() { asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory"); }

/** Arrives at a barrier of this block and announces bytes of copies that its phase waits for too. */
__device__ inline void arrive_expecting(uint64_t *barrier, uint32_t bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(barrier)), "r"(bytes) : "memory");
}

/** Arrives at the same barrier in the block of that rank in the cluster. */
__device__ inline void arrive_at(uint64_t *barrier, uint32_t rank) {
  asm volatile(
      "{\n.reg .b32 remote;\n"
      "mapa.shared::cluster.u32 remote, %0, %1;\n"
      "mbarrier.arrive.release.cluster.shared::cluster.b64 _, [remote];\n}" ::"r"(shared_address(barrier)),
      "r"(rank)
      : "memory");
}

/** Waits until the phase of this parity has ended. */
__device__ inline void wait_for(uint64_t *barrier, uint32_t parity) {
  asm volatile(
      "{\n.reg .pred done;\n"
      "again:\n"
      "mbarrier.try_wait.parity.acquire.cluster.shared::cta.b64 done, [%0], %1;\n"
      "@!done bra again;\n}" ::"r"(shared_address(barrier)),
      "r"(parity)
      : "memory");
}

/** Copies a box of a matrix, from this column and row on, to shared memory of this block; completes bytes at the barrier. */
__device__ inline void copy_box(char *to, const TensorMap &map, int column, int row, uint64_t *barrier) {
  asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%2, %3}], [%4];" ::"r"(
                   shared_address(to)),
               "l"(&map), "r"(column), "r"(row), "r"(shared_address(barrier))
               : "memory");
}

/** As copy_box, to the same place of every block of the cluster in `blocks`, and completes at the same barrier of each. */
__device__ inline void copy_box_to(uint16_t blocks, char *to, const TensorMap &map, int column, int row, uint64_t *barrier) {
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes.multicast::cluster [%0], [%1, {%2, %3}], [%4], %5;" ::
          "r"(shared_address(to)),
      "l"(&map), "r"(column), "r"(row), "r"(shared_address(barrier)), "h"(blocks)
      : "memory");
}

template <int kRegisters>
__device__ inline void give_registers() {
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(kRegisters));
}

template <int kRegisters>
__device__ inline void take_registers() {
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(kRegisters));
}

/** Before the first product of a group: accumulators and shared memory are ready. */
__device__ inline void begin_products() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
__device__ inline void commit_products() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
template <int kPending>
__device__ inline void wait_for_products() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(kPending) : "memory");
}

// The text of a product of a warp group. `types` names the instruction's shape and operands, `flags` follow: of 16-bit
// operands also that neither is transposed.
#define LEXVLA_MULTIPLY_64x256(types, flags)                                                                                 \
  asm volatile(                                                                                                              \
      "{\n.reg .pred add;\nsetp.ne.b32 add, %130, 0;\nwgmma.mma_async.sync.aligned." types " {"                             \
      "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "                                               \
      "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "                                     \
      "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "                                     \
      "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63, "                                     \
      "%64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, "                                     \
      "%80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95, "                                     \
      "%96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111, "                         \
      "%112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, %127}, "                    \
      "%128, %129, add, " flags ";\n}"                                                                                       \
      :                                                                                                                      \
        "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]), "+f"(d[4]), "+f"(d[5]), "+f"(d[6]), "+f"(d[7]),                      \
        "+f"(d[8]), "+f"(d[9]), "+f"(d[10]), "+f"(d[11]), "+f"(d[12]), "+f"(d[13]), "+f"(d[14]), "+f"(d[15]),                \
        "+f"(d[16]), "+f"(d[17]), "+f"(d[18]), "+f"(d[19]), "+f"(d[20]), "+f"(d[21]), "+f"(d[22]), "+f"(d[23]),              \
        "+f"(d[24]), "+f"(d[25]), "+f"(d[26]), "+f"(d[27]), "+f"(d[28]), "+f"(d[29]), "+f"(d[30]), "+f"(d[31]),              \
        "+f"(d[32]), "+f"(d[33]), "+f"(d[34]), "+f"(d[35]), "+f"(d[36]), "+f"(d[37]), "+f"(d[38]), "+f"(d[39]),              \
        "+f"(d[40]), "+f"(d[41]), "+f"(d[42]), "+f"(d[43]), "+f"(d[44]), "+f"(d[45]), "+f"(d[46]), "+f"(d[47]),              \
        "+f"(d[48]), "+f"(d[49]), "+f"(d[50]), "+f"(d[51]), "+f"(d[52]), "+f"(d[53]), "+f"(d[54]), "+f"(d[55]),              \
        "+f"(d[56]), "+f"(d[57]), "+f"(d[58]), "+f"(d[59]), "+f"(d[60]), "+f"(d[61]), "+f"(d[62]), "+f"(d[63]),              \
        "+f"(d[64]), "+f"(d[65]), "+f"(d[66]), "+f"(d[67]), "+f"(d[68]), "+f"(d[69]), "+f"(d[70]), "+f"(d[71]),              \
        "+f"(d[72]), "+f"(d[73]), "+f"(d[74]), "+f"(d[75]), "+f"(d[76]), "+f"(d[77]), "+f"(d[78]), "+f"(d[79]),              \
        "+f"(d[80]), "+f"(d[81]), "+f"(d[82]), "+f"(d[83]), "+f"(d[84]), "+f"(d[85]), "+f"(d[86]), "+f"(d[87]),              \
        "+f"(d[88]), "+f"(d[89]), "+f"(d[90]), "+f"(d[91]), "+f"(d[92]), "+f"(d[93]), "+f"(d[94]), "+f"(d[95]),              \
        "+f"(d[96]), "+f"(d[97]), "+f"(d[98]), "+f"(d[99]), "+f"(d[100]), "+f"(d[101]), "+f"(d[102]), "+f"(d[103]),          \
        "+f"(d[104]), "+f"(d[105]), "+f"(d[106]), "+f"(d[107]), "+f"(d[108]), "+f"(d[109]), "+f"(d[110]), "+f"(d[111]),      \
        "+f"(d[112]), "+f"(d[113]), "+f"(d[114]), "+f"(d[115]), "+f"(d[116]), "+f"(d[117]), "+f"(d[118]), "+f"(d[119]),      \
        "+f"(d[120]), "+f"(d[121]), "+f"(d[122]), "+f"(d[123]), "+f"(d[124]), "+f"(d[125]), "+f"(d[126]), "+f"(d[127])       \
      : "l"(a), "l"(b), "r"(static_cast<int>(add)))
#define LEXVLA_MULTIPLY_64x8(types, flags)                                                                                   \
  asm volatile(                                                                                                              \
      "{\n.reg .pred add;\nsetp.ne.b32 add, %6, 0;\nwgmma.mma_async.sync.aligned." types                                    \
      " {%0, %1, %2, %3}, %4, %5, add, " flags ";\n}"                                                                        \
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])                                                                       \
      : "l"(a), "l"(b), "r"(static_cast<int>(add)))

/** d[64, 256] = or += a[64, n] . b[256, n]^T by a warp group, n elements being kProductBytes; a and b as descriptor_of gives them. */
__device__ inline void multiply_64x256(Bf16, float *d, uint64_t a, uint64_t b, bool add) {
  LEXVLA_MULTIPLY_64x256("m64n256k16.f32.bf16.bf16", "1, 1, 0, 0");
}
__device__ inline void multiply_64x256(Half, float *d, uint64_t a, uint64_t b, bool add) {
  LEXVLA_MULTIPLY_64x256("m64n256k16.f32.f16.f16", "1, 1, 0, 0");
}
/** Of floats in TF32. */
__device__ inline void multiply_64x256(float, float *d, uint64_t a, uint64_t b, bool add) {
  LEXVLA_MULTIPLY_64x256("m64n256k8.f32.tf32.tf32", "1, 1");
}

/** As multiply_64x256 with eight columns: d has four elements. */
__device__ inline void multiply_64x8(Bf16, float *d, uint64_t a, uint64_t b, bool add) {
  LEXVLA_MULTIPLY_64x8("m64n8k16.f32.bf16.bf16", "1, 1, 0, 0");
}
__device__ inline void multiply_64x8(Half, float *d, uint64_t a, uint64_t b, bool add) {
  LEXVLA_MULTIPLY_64x8("m64n8k16.f32.f16.f16", "1, 1, 0, 0");
}
__device__ inline void multiply_64x8(float, float *d, uint64_t a, uint64_t b, bool add) {
  LEXVLA_MULTIPLY_64x8("m64n8k8.f32.tf32.tf32", "1, 1");
}
#undef LEXVLA_MULTIPLY_64x256
#undef LEXVLA_MULTIPLY_64x8

/** The greater; NaN if either is. */
__device__ inline float greater_or_nan(float x, float y) {
  float greater;
  asm("max.NaN.f32 %0, %1, %2;" : "=f"(greater) : "f"(x), "f"(y));
  return greater;
}

#else

struct TensorMap {
  const char *base;
  int64_t rows, width;
  int box_rows;
  int64_t element;  // bytes
  bool rounds;      // floats to TF32
};

inline uint32_t shared_address(const void *p) {
  return static_cast<uint32_t>(static_cast<const char *>(p) - static_cast<const char *>(emulation::dynamic_shared()));
}

inline uint32_t cluster_rank() { return emulation::cluster_rank(); }
inline void sync_cluster() { emulation::cluster_barrier(); }

/** The eight bytes of a barrier. */
struct EmulatedBarrier {
  uint8_t count, pending, phase, unused;
  int32_t bytes;

  void check() {
    if (pending != 0 || bytes != 0) return;
    phase ^= 1;
    pending = count;
  }
};

inline EmulatedBarrier &emulated(uint64_t *barrier, uint32_t rank) {
  return *reinterpret_cast<EmulatedBarrier *>(static_cast<char *>(emulation::dynamic_shared(rank)) + shared_address(barrier));
}

inline void init_barrier(uint64_t *barrier, uint32_t arrivals) {
  emulated(barrier, cluster_rank()) = {static_cast<uint8_t>(arrivals), static_cast<uint8_t>(arrivals), 0, 0, 0};
}
inline void fence_barriers() {}
inline void arrive_expecting(uint64_t *barrier, uint32_t bytes) {
  EmulatedBarrier &b = emulated(barrier, cluster_rank());
  b.bytes += static_cast<int32_t>(bytes);
  --b.pending;
  b.check();
}
inline void arrive_at(uint64_t *barrier, uint32_t rank) {
  EmulatedBarrier &b = emulated(barrier, rank);
  --b.pending;
  b.check();
}
inline void wait_for(uint64_t *barrier, uint32_t parity) {
  struct Wait {
    const EmulatedBarrier *barrier;
    uint32_t parity;
  } waiting{&emulated(barrier, cluster_rank()), parity};
  emulation::wait(
      "an mbarrier", [](void *context) {
        const Wait &w = *static_cast<Wait *>(context);
        return w.barrier->phase != w.parity;
      },
      &waiting);
}

inline void copy_box_to(uint16_t blocks, char *to, const TensorMap &map, int column, int row, uint64_t *barrier) {
  for (uint32_t rank = 0; rank < emulation::cluster_size(); ++rank) {
    if ((blocks >> rank & 1) == 0) continue;
    char *const there = static_cast<char *>(emulation::dynamic_shared(rank)) + shared_address(to);
    for (int line = 0; line < map.box_rows; ++line) {
      for (int chunk = 0; chunk < kSwizzleBytes / 16; ++chunk) {
        char *const at = there + line * kSwizzleBytes + (chunk ^ line % 8) * 16;
        const int64_t first = column + chunk * (16 / map.element);
        std::memset(at, 0, 16);
        if (row + line < map.rows && first < map.width) std::memcpy(at, map.base + ((row + line) * map.width + first) * map.element, 16);
        for (int i = 0; map.rounds && i < 4; ++i) {
          uint32_t bits;
          std::memcpy(&bits, at + i * 4, 4);
          bits = rounded_to_tf32(bits);
          std::memcpy(at + i * 4, &bits, 4);
        }
      }
    }
    EmulatedBarrier &b = emulated(barrier, rank);
    b.bytes -= map.box_rows * kSwizzleBytes;
    b.check();
  }
}
inline void copy_box(char *to, const TensorMap &map, int column, int row, uint64_t *barrier) {
  copy_box_to(static_cast<uint16_t>(1u << cluster_rank()), to, map, column, row, barrier);
}

template <int kRegisters>
void give_registers() {}
template <int kRegisters>
void take_registers() {}

/** A warp group is in step where it waits; its products are done by then. */
inline void sync_group() { emulation::barrier(1 + static_cast<int>(threadIdx.x) / 128, 128); }
inline void begin_products() { sync_group(); }
inline void commit_products() {}
template <int kPending>
void wait_for_products() {
  sync_group();
}

/** Element `k` of line `line` of what a descriptor names. */
template <class T>
float described(uint64_t descriptor, unsigned line, unsigned k) {
  const uint32_t start = static_cast<uint32_t>(descriptor & 0x3fff) << 4, group = static_cast<uint32_t>(descriptor >> 32 & 0x3fff) << 4;
  const uint32_t plain = start + line / 8 * group + line % 8 * kSwizzleBytes + k * static_cast<uint32_t>(sizeof(T));
  const uint32_t at = plain ^ (plain >> 7 & 7) << 4;
  uint32_t word = 0;
  std::memcpy(&word, static_cast<const char *>(emulation::dynamic_shared()) + at, sizeof(T));
  return of_word(T{}, word, 0);
}

/** d[64, columns] = or += a[64, n] . b[columns, n]^T; a thread has two of every eight columns. */
template <class T>
void multiply_64(int columns, float *d, uint64_t a, uint64_t b, bool add) {
  constexpr unsigned kDepth = kProductBytes / sizeof(T);
  const unsigned thread = threadIdx.x % 128;
  float x[2][kDepth];
  for (unsigned half = 0; half < 2; ++half) {
    for (unsigned k = 0; k < kDepth; ++k) x[half][k] = described<T>(a, thread / 32 * 16 + thread % 32 / 4 + half * 8, k);
  }
  for (unsigned column = 0; column < static_cast<unsigned>(columns) / 4; ++column) {
    float y[kDepth];
    for (unsigned k = 0; k < kDepth; ++k) y[k] = described<T>(b, column / 2 * 8 + thread % 4 * 2 + column % 2, k);
    for (unsigned half = 0; half < 2; ++half) {
      float &sum = d[column / 2 * 4 + half * 2 + column % 2];
      if (!add) sum = 0;
      for (unsigned k = 0; k < kDepth; ++k) sum = std::fma(x[half][k], y[k], sum);
    }
  }
}
template <class T>
void multiply_64x256(T, float *d, uint64_t a, uint64_t b, bool add) {
  multiply_64<T>(256, d, a, b, add);
}
template <class T>
void multiply_64x8(T, float *d, uint64_t a, uint64_t b, bool add) {
  multiply_64<T>(8, d, a, b, add);
}

inline float greater_or_nan(float x, float y) { return x != x || x > y ? x : y; }

#endif

/** A tile of lines of kSwizzleBytes at a multiple of 1024 bytes, swizzled, for wgmma; + 2 is kProductBytes further along the line. */
__device__ inline uint64_t descriptor_of(const char *tile) {
  constexpr uint64_t kAtom = 8 * kSwizzleBytes;
  return (shared_address(tile) & 0x3ffff) >> 4 | uint64_t{1} << 16 | (kAtom >> 4) << 32 | uint64_t{1} << 62;
}

}  // namespace lexvla::cuda

#endif
