/* main() of the tests that run on a CUDA device, or on its emulation. */
#define DOCTEST_CONFIG_IMPLEMENT
#include "support.h"

#include <cuda_runtime_api.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>

uint64_t lexvla::tests::seed() {
  static const uint64_t value = [] {
    const char *given = std::getenv("LEXVLA_TEST_SEED");
    if (given != nullptr && given[0] != '\0') return std::strtoull(given, nullptr, 10);
    return static_cast<unsigned long long>(std::chrono::system_clock::now().time_since_epoch().count() / 1000 % 1000000000);
  }();
  return value;
}

// What has no CUDA kernel is said by its tests; coverage is the business of the tests of the CPU.
lexvla::tests::Covers::Covers(const char *) {}

int main(int argc, char **argv) {
  std::printf("seed %llu: the same again with LEXVLA_TEST_SEED=%llu\n", static_cast<unsigned long long>(lexvla::tests::seed()),
      static_cast<unsigned long long>(lexvla::tests::seed()));
  int devices = 0;
  const cudaError_t status = cudaGetDeviceCount(&devices);
  if (status != cudaSuccess || devices == 0) {
    const char *required = std::getenv("LEXVLA_CUDA_REQUIRED");
    const bool fails = required != nullptr && std::string(required) == "true";
    std::printf("%s: no CUDA device: %s\n", fails ? "failed" : "skipped", cudaGetErrorString(status));
    return fails ? 1 : 77;
  }
  int major = 0, minor = 0;
  cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, 0);
  cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, 0);
  std::printf("CUDA device 0, compute capability %d.%d\n", major, minor);
  std::fflush(stdout);
  return doctest::Context(argc, argv).run();
}
