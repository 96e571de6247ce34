/*
 * The PTX instructions that the tensor-core kernels are made of, each as a function. Beside each stands what it does on the
 * emulation (emulation/cuda_runtime_api.h), written after the PTX manual's tables of fragments: it shows that a kernel's use
 * of an instruction agrees with this reading of the manual.
 */
#ifndef LEXVLA_CUDA_PTX_H
#define LEXVLA_CUDA_PTX_H

#include "elements.h"

#if defined(__CUDACC__)
/** The block's dynamic shared memory, at a multiple of 1024 bytes. */
#define LEXVLA_DYNAMIC_SHARED(name) extern __shared__ __align__(1024) char name[]
#else
#define LEXVLA_DYNAMIC_SHARED(name) char *const name = static_cast<char *>(lexvla::emulation::dynamic_shared())
#endif

namespace lexvla::cuda {

#if defined(__CUDACC__)

__device__ inline uint32_t shared_address(const void *p) { return static_cast<uint32_t>(__cvta_generic_to_shared(p)); }

/** Starts copying 16 bytes to shared memory, or zeros where `there` is false; both at multiples of 16. */
__device__ inline void copy_16_async(void *to, const void *from, bool there) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(to)), "l"(from), "r"(there ? 16 : 0) : "memory");
}

/** Closes the group of copies that this thread has started since the group before. */
__device__ inline void commit_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }

/** Waits until at most kPending of this thread's groups are under way. */
template <int kPending>
__device__ inline void wait_for_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kPending) : "memory");
}

/**
 * Loads four matrices of eight rows of 16 bytes. Lane i gives the address of row i % 8 of matrix i / 8; matrix[m] is then the
 * four bytes lane % 4 of row lane / 4: two elements of 16 bits, or one of 32.
 */
__device__ inline void load_matrices(uint32_t (&matrix)[4], const void *row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(matrix[0]), "=r"(matrix[1]), "=r"(matrix[2]), "=r"(matrix[3])
               : "r"(shared_address(row))
               : "memory");
}

/** c[16, 8] += a[16, n] . b[n, 8], where n elements of the type are 32 bytes; fragments as mma.m16n8k16 or m16n8k8 has them. */
__device__ inline void multiply_16x8(Bf16, float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
               : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
__device__ inline void multiply_16x8(Half, float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
               : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
/** Of floats in TF32: what rounded_to_tf32 gives. */
__device__ inline void multiply_16x8(float, float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
               : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

/** The bits of a float, rounded to the eleven bits of TF32, ties away from 0. */
__device__ inline uint32_t rounded_to_tf32(uint32_t bits) {
  uint32_t rounded;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(rounded) : "f"(__uint_as_float(bits)));
  return rounded;
}

#else

/** As late as the instruction allows: at the wait. */
inline void copy_16_async(void *to, const void *from, bool there) { emulation::defer_copy(to, there ? from : nullptr, 16); }
inline void commit_copies() { emulation::commit_copies(); }
template <int kPending>
void wait_for_copies() {
  emulation::finish_copies(kPending);
}

inline void load_matrices(uint32_t (&matrix)[4], const void *row) {
  const void *rows[32];
  emulation::exchange(0xffffffffu, &row, sizeof row, rows);
  const unsigned lane = emulation::lane();
  for (unsigned m = 0; m < 4; ++m) {
    std::memcpy(&matrix[m], static_cast<const char *>(rows[m * 8 + lane / 4]) + lane % 4 * 4, 4);
  }
}

/** Element `i` of the four bytes of a fragment; of a float what TF32 has of it. */
inline float of_word(Bf16, uint32_t word, unsigned i) { return value(Bf16{static_cast<uint16_t>(word >> 16 * i)}); }
inline float of_word(Half, uint32_t word, unsigned i) { return value(Half{static_cast<uint16_t>(word >> 16 * i)}); }
inline float of_word(float, uint32_t word, unsigned) { return __uint_as_float(word & ~0x1fffu); }

inline uint32_t rounded_to_tf32(uint32_t bits) { return (bits & 0x7fffffff) > 0x7f800000 ? bits : (bits + 0x1000) & ~0x1fffu; }

template <class T>
void multiply_16x8(T, float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  constexpr unsigned kPerWord = 4 / sizeof(T), kDepth = 8 * kPerWord;
  struct Operands {
    uint32_t a[4], b[2];
  } mine{{a[0], a[1], a[2], a[3]}, {b0, b1}}, all[32];
  emulation::exchange(0xffffffffu, &mine, sizeof mine, all);
  const unsigned lane = emulation::lane();
  for (unsigned i = 0; i < 4; ++i) {
    const unsigned row = lane / 4 + i / 2 * 8, column = lane % 4 * 2 + i % 2;
    for (unsigned k = 0; k < kDepth; ++k) {
      // Element (row, k) of a and (k, column) of b, where the manual's tables put them.
      const unsigned word = k / kPerWord;
      const float x = of_word(T{}, all[row % 8 * 4 + word % 4].a[row / 8 + word / 4 * 2], k % kPerWord);
      const float y = of_word(T{}, all[column * 4 + word % 4].b[word / 4], k % kPerWord);
      c[i] = std::fma(x, y, c[i]);
    }
  }
}

#endif

}  // namespace lexvla::cuda

#endif
