#define DOCTEST_CONFIG_IMPLEMENT
#include "support.h"

#include <chrono>
#include <cstdio>
#include <cstdlib>

#if defined(__linux__)
#include <malloc.h>
#endif

uint64_t lexvla::tests::seed() {
  static const uint64_t value = [] {
    const char *given = std::getenv("LEXVLA_TEST_SEED");
    if (given != nullptr && given[0] != '\0') return std::strtoull(given, nullptr, 10);
    return static_cast<unsigned long long>(std::chrono::system_clock::now().time_since_epoch().count() / 1000 % 1000000000);
  }();
  return value;
}

int main(int argc, char **argv) {
#if defined(__linux__)
  // What is freed goes back to the system at once: the test of memory that cannot be had then finds none left over.
  mallopt(M_MMAP_THRESHOLD, 1 << 20);
#endif
  std::printf("seed %llu: the same again with LEXVLA_TEST_SEED=%llu\n", static_cast<unsigned long long>(lexvla::tests::seed()),
      static_cast<unsigned long long>(lexvla::tests::seed()));
  const char *isa = std::getenv("LEXVLA_TEST_ISA");
  if (isa != nullptr && std::strcmp(isa, lexvla_active_isa()) != 0) {
    std::printf("skipped: this machine has no %s, the best it has is %s\n", isa, lexvla_active_isa());
    return 77;
  }
  std::printf("instruction set %s\n", lexvla_active_isa());
  std::fflush(stdout);
  return doctest::Context(argc, argv).run();
}
