#include "pool.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <initializer_list>
#include <mutex>
#include <system_error>
#include <thread>

#if defined(__linux__)
#include <sched.h>
#endif
#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#include <signal.h>
#endif

namespace lexvla {
namespace {

/** Below this, waking a thread costs more than it brings: about 20 microseconds of arithmetic. */
constexpr double kWorkPerThread = 1e6;

struct Job {
  void (*body)(void *, int, int64_t);
  void *context;
  int64_t tasks;
  std::atomic<int64_t> next{0};
  std::mutex failed;
  std::exception_ptr failure;

  void run(int slot) noexcept {
    for (;;) {
      const int64_t task = next.fetch_add(1, std::memory_order_relaxed);
      if (task >= tasks) return;
      try {
        body(context, slot, task);
      } catch (...) {
        const std::lock_guard<std::mutex> lock(failed);
        if (!failure) failure = std::current_exception();
        next.store(tasks, std::memory_order_relaxed);
      }
    }
  }
};

class Pool {
 public:
  /** Held for the length of a job. */
  std::mutex busy;

  void run(int threads, Job &job) {
    grow(threads - 1);
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      job_ = &job;
      seats_ = std::min(threads - 1, workers_);
      next_slot_ = 1;
    }
    wake_.notify_all();
    job.run(0);
    std::unique_lock<std::mutex> lock(mutex_);
    seats_ = 0;  // who has not come yet need not come any more
    done_.wait(lock, [&] { return seated_ == 0; });
    job_ = nullptr;
  }

 private:
  void grow(int wanted) {
    while (workers_ < wanted) {
      try {
        BlockedSignals blocked;
        std::thread([this] { serve(); }).detach();
      } catch (const std::system_error &) {
        return;  // the system gives no more threads: fewer do the same work
      }
      ++workers_;
    }
  }

  void serve() {
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
      wake_.wait(lock, [&] { return seats_ > 0; });
      --seats_;
      ++seated_;
      const int slot = next_slot_++;
      Job &job = *job_;
      lock.unlock();
      job.run(slot);
      lock.lock();
      if (--seated_ == 0) done_.notify_one();
    }
  }

  /** A new thread inherits the mask: signals of the process, such as the JVM's or an interrupt, go to its own threads. */
  class BlockedSignals {
#if defined(__unix__) || defined(__APPLE__)
   public:
    BlockedSignals() {
      sigset_t all;
      sigfillset(&all);
      for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP}) sigdelset(&all, fault);
      pthread_sigmask(SIG_BLOCK, &all, &before_);
    }
    ~BlockedSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

   private:
    sigset_t before_;
#endif
  };

  std::mutex mutex_;
  std::condition_variable wake_, done_;
  Job *job_ = nullptr;
  int workers_ = 0, seats_ = 0, seated_ = 0, next_slot_ = 1;
};

std::atomic<Pool *> current_pool{nullptr};

/**
 * The pool is never destroyed: its threads wait for ever and end with the process, whatever the order in which static
 * objects go. A forked child has none of the threads, so it forgets the pool and makes its own.
 */
Pool &pool() {
  static std::once_flag once;
  std::call_once(once, [] {
    current_pool = new Pool;
#if defined(__unix__) || defined(__APPLE__)
    pthread_atfork(nullptr, nullptr, [] { current_pool = new Pool; });
#endif
  });
  return *current_pool.load();
}

int cores() {
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
#endif
  return std::max(1u, std::thread::hardware_concurrency());
}

}  // namespace

int job_threads(const lexvla_exec &exec, int64_t tasks, double work) {
  const int64_t allowed = exec.threads > 0 ? exec.threads : cores();
  const int64_t worth = static_cast<int64_t>(std::min(work / kWorkPerThread, 1e6)) + 1;
  return static_cast<int>(std::max<int64_t>(1, std::min({allowed, worth, tasks, int64_t{1024}})));
}

void run_job(int threads, int64_t tasks, void (*body)(void *, int, int64_t), void *context) {
  Job job;
  job.body = body;
  job.context = context;
  job.tasks = tasks;
  if (threads > 1) {
    Pool &shared = pool();
    const std::unique_lock<std::mutex> alone(shared.busy, std::try_to_lock);
    if (alone.owns_lock()) {
      shared.run(threads, job);
    } else {
      job.run(0);
    }
  } else {
    job.run(0);
  }
  if (job.failure) std::rethrow_exception(job.failure);
}

}  // namespace lexvla
