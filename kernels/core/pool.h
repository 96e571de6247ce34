/*
 * Threads of the CPU kernels. A job is a number of independent tasks; which thread runs which task never shows in the
 * result, because every output element belongs to one task and a task does not know its thread but for scratch memory.
 */
#ifndef LEXVLA_CORE_POOL_H
#define LEXVLA_CORE_POOL_H

#include <lexvla/kernels.h>

namespace lexvla {

/**
 * Threads worth using for a job, the caller's included: as exec says, but no more than there are tasks, nor than pay for
 * being woken.
 *
 * @param work float operations of the whole job, roughly
 */
int job_threads(const lexvla_exec &exec, int64_t tasks, double work);

/**
 * Runs body(context, slot, task) for every task in [0, tasks), on at most `threads` threads; slot in [0, threads) names
 * the thread. Returns when all are done. If a body throws, the rest is skipped and the first exception is thrown here.
 * While another caller's job has the pool, the calling thread runs its tasks alone.
 */
void run_job(int threads, int64_t tasks, void (*body)(void *context, int slot, int64_t task), void *context);

/** run_job with a callable body(slot, task). */
template <class Body>
inline void parallel(int threads, int64_t tasks, const Body &body) {
  run_job(
      threads, tasks, [](void *context, int slot, int64_t task) { (*static_cast<const Body *>(context))(slot, task); },
      const_cast<Body *>(&body));
}

}  // namespace lexvla

#endif
