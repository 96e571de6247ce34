/* Threads of a kernel as fibers; see cuda_runtime_api.h beside this. */
#include "cuda_runtime_api.h"

#include <setjmp.h>
#include <ucontext.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <new>
#include <numeric>
#include <random>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif

thread_local uint3 threadIdx, blockIdx;
thread_local dim3 blockDim, gridDim;

namespace lexvla::emulation {

thread_local Runtime runtime;

namespace {

constexpr size_t kStack = size_t{256} << 10;
constexpr size_t kMostExchanged = 64;
constexpr int kBarriers = 16;

struct DeferredCopy {
  void *to;
  const void *from;
  size_t bytes;
};

struct Fiber {
  std::unique_ptr<char[]> stack{new char[kStack]};
  ucontext_t start;
  jmp_buf at;
  void *sanitizer_stack = nullptr;
  bool started = false, done = false;
  uint3 thread{};
  unsigned block = 0;  // rank in the cluster
  const char *waits_for = nullptr;
  std::vector<DeferredCopy> open_group;
  std::vector<std::vector<DeferredCopy>> groups;
};

struct Warp {
  unsigned arrived = 0, generation = 0;
  char values[2][32 * kMostExchanged];
};

struct Barrier {
  unsigned arrived = 0, generation = 0;
};

/** At a multiple of 1024, which the 128-byte swizzle asks for; ends where it ends, for the sanitizer. */
struct FreeShared {
  void operator()(char *memory) const { ::operator delete(memory, std::align_val_t{1024}); }
};

struct Block {
  std::unique_ptr<char, FreeShared> shared;
  std::vector<Warp> warps;
  Barrier barriers[kBarriers];
};

struct Machine {
  std::vector<Fiber> fibers;
  std::vector<Block> blocks;
  Barrier cluster;
  ucontext_t scheduler_start;
  jmp_buf scheduler;
  const void *scheduler_stack = nullptr;
  size_t scheduler_stack_size = 0;
  Fiber *now = nullptr;
  int64_t progress = 0;
  void (*body)(void *) = nullptr;
  void *context = nullptr;
  uint3 first_block{};
};

thread_local Machine machine;

void finish_switch([[maybe_unused]] void *own) {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(own, &machine.scheduler_stack, &machine.scheduler_stack_size);
#endif
}

void to_scheduler([[maybe_unused]] void **own) {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(own, machine.scheduler_stack, machine.scheduler_stack_size);
#endif
  _longjmp(machine.scheduler, 1);
}

void fiber_main() {
  finish_switch(nullptr);
  machine.body(machine.context);
  machine.now->done = true;
  ++machine.progress;
  to_scheduler(nullptr);
}

void resume(Fiber &fiber) {
  machine.now = &fiber;
  threadIdx = fiber.thread;
  blockIdx = machine.first_block;
  blockIdx.x += fiber.block;
  [[maybe_unused]] void *own = nullptr;
  if (_setjmp(machine.scheduler) == 0) {
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(&own, fiber.stack.get(), kStack);
#endif
    if (fiber.started) _longjmp(fiber.at, 1);
    fiber.started = true;
    getcontext(&fiber.start);
    fiber.start.uc_stack.ss_sp = fiber.stack.get();
    fiber.start.uc_stack.ss_size = kStack;
    fiber.start.uc_link = nullptr;
    makecontext(&fiber.start, fiber_main, 0);
    setcontext(&fiber.start);
  }
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(own, nullptr, nullptr);
#endif
}

uint64_t order_seed() {
  static const uint64_t seed = [] {
    const char *given = std::getenv("LEXVLA_EMULATION_ORDER");
    return given != nullptr ? std::strtoull(given, nullptr, 10) : 0;
  }();
  return seed;
}

/** Runs the threads of one cluster to their end. */
void run_cluster(dim3 block, unsigned cluster, size_t shared, std::mt19937_64 &random) {
  const unsigned threads = block.x * block.y * block.z;
  if (machine.fibers.size() < threads * cluster) machine.fibers.resize(threads * cluster);
  machine.blocks.clear();
  machine.blocks.resize(cluster);
  machine.cluster = Barrier();
  for (unsigned b = 0; b < cluster; ++b) {
    Block &state = machine.blocks[b];
    state.warps.resize((threads + 31) / 32);
    state.shared.reset(static_cast<char *>(::operator new(shared, std::align_val_t{1024})));
    std::memset(state.shared.get(), 0xdb, shared);
    for (unsigned t = 0; t < threads; ++t) {
      Fiber &fiber = machine.fibers[b * threads + t];
      fiber.started = fiber.done = false;
      fiber.block = b;
      fiber.open_group.clear();
      fiber.groups.clear();
      fiber.thread = {t % block.x, t / block.x % block.y, t / (block.x * block.y)};
    }
  }
  std::vector<unsigned> order(threads * cluster);
  std::iota(order.begin(), order.end(), 0u);
  if (order_seed() != 0) std::shuffle(order.begin(), order.end(), random);
  int idle_rounds = 0;
  for (size_t left = order.size(); left > 0;) {
    const int64_t before = machine.progress;
    left = 0;
    for (const unsigned i : order) {
      Fiber &fiber = machine.fibers[i];
      if (!fiber.done) resume(fiber);
      left += !fiber.done;
    }
    idle_rounds = machine.progress == before ? idle_rounds + 1 : 0;
    if (left > 0 && idle_rounds > 2) {
      for (const Fiber &fiber : machine.fibers) {
        if (fiber.done) continue;
        std::fprintf(stderr, "emulation: block %u: %zu threads wait for what never comes, thread %u for %s\n",
            machine.first_block.x + fiber.block, left, fiber.thread.x, fiber.waits_for);
        break;
      }
      std::abort();
    }
  }
}

struct BarrierWait {
  const Barrier *barrier;
  unsigned generation;
};

void arrive_and_wait(Barrier &barrier, unsigned count, const char *what) {
  BarrierWait waiting{&barrier, barrier.generation};
  if (++barrier.arrived == count) {
    barrier.arrived = 0;
    ++barrier.generation;
    ++machine.progress;
    return;
  }
  wait(
      what, [](void *context) {
        const BarrierWait &w = *static_cast<BarrierWait *>(context);
        return w.barrier->generation != w.generation;
      },
      &waiting);
}

}  // namespace

void wait(const char *what, bool (*ready)(void *), void *context) {
  Fiber &self = *machine.now;
  self.waits_for = what;
  while (!ready(context)) {
    if (_setjmp(self.at) == 0) to_scheduler(&self.sanitizer_stack);
    finish_switch(self.sanitizer_stack);
  }
  ++machine.progress;
}

void exchange(unsigned mask, const void *mine, size_t size, void *all) {
  const unsigned thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z), lane = thread % 32;
  Warp &warp = machine.blocks[machine.now->block].warps[thread / 32];
  struct Wait {
    const Warp *warp;
    unsigned generation;
  } waiting{&warp, warp.generation};
  char *const values = warp.values[waiting.generation % 2];
  if (size > kMostExchanged || (mask >> lane & 1) == 0 || (warp.arrived & ~mask) != 0) {
    std::fprintf(stderr, "emulation: a warp exchange with mask %08x does not fit its lanes\n", mask);
    std::abort();
  }
  std::memcpy(values + lane * size, mine, size);
  warp.arrived |= 1u << lane;
  if (warp.arrived == mask) {
    warp.arrived = 0;
    ++warp.generation;
    ++machine.progress;
  } else {
    wait(
        "warp", [](void *context) {
          const Wait &w = *static_cast<Wait *>(context);
          return w.warp->generation != w.generation;
        },
        &waiting);
  }
  std::memcpy(all, values, 32 * size);
}

void barrier(int name, unsigned count) { arrive_and_wait(machine.blocks[machine.now->block].barriers[name], count, "barrier"); }

void cluster_barrier() {
  arrive_and_wait(machine.cluster, blockDim.x * blockDim.y * blockDim.z * static_cast<unsigned>(machine.blocks.size()), "cluster");
}

void defer_copy(void *to, const void *from, size_t bytes) { machine.now->open_group.push_back({to, from, bytes}); }

void commit_copies() {
  machine.now->groups.push_back(std::move(machine.now->open_group));
  machine.now->open_group.clear();
}

void finish_copies(size_t pending) {
  auto &groups = machine.now->groups;
  while (groups.size() > pending) {
    for (const DeferredCopy &copy : groups.front()) {
      if (copy.from != nullptr) {
        std::memcpy(copy.to, copy.from, copy.bytes);
      } else {
        std::memset(copy.to, 0, copy.bytes);
      }
    }
    groups.erase(groups.begin());
  }
}

void *dynamic_shared() { return machine.blocks[machine.now->block].shared.get(); }
void *dynamic_shared(unsigned rank) { return machine.blocks[rank].shared.get(); }
unsigned cluster_rank() { return machine.now->block; }
unsigned cluster_size() { return static_cast<unsigned>(machine.blocks.size()); }

void run(dim3 grid, dim3 block, unsigned cluster, size_t shared, void (*body)(void *), void *context) {
  std::mt19937_64 random(order_seed());
  machine.body = body;
  machine.context = context;
  blockDim = block;
  gridDim = grid;
  for (unsigned z = 0; z < grid.z; ++z) {
    for (unsigned y = 0; y < grid.y; ++y) {
      for (unsigned x = 0; x < grid.x; x += cluster) {
        machine.first_block = {x, y, z};
        run_cluster(block, cluster, shared, random);
      }
    }
  }
}

}  // namespace lexvla::emulation

/** LEXVLA_EMULATION_CAPABILITY names the architecture to stand for, e.g. 90; 80 if it is not set. */
cudaError_t cudaDeviceGetAttribute(int *value, cudaDeviceAttr which, int) {
  static const int capability = [] {
    const char *given = std::getenv("LEXVLA_EMULATION_CAPABILITY");
    return given != nullptr ? std::atoi(given) : 80;
  }();
  *value = which == cudaDevAttrComputeCapabilityMajor ? capability / 10
           : which == cudaDevAttrComputeCapabilityMinor ? capability % 10
           : which == cudaDevAttrMaxSharedMemoryPerBlockOptin ? 163 << 10
                                                              : 4;  // multiprocessors
  return cudaSuccess;
}
