/* Dispatch, threads, the last error: what belongs to no single kernel. */
#include <atomic>
#include <cstdlib>
#include <thread>

#include "support.h"

#if defined(__linux__)
#include <malloc.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#endif

using namespace lexvla::tests;

namespace {

struct Problem {
  int64_t images = 6, count = 40, width = 200, words = 300;
  std::vector<float> tokens, codebook;

  explicit Problem(const char *name) {
    Random random(name);
    tokens = random.normals(images * count * width);
    codebook = random.normals(words * width);
  }

  std::vector<float> scores(int threads) const {
    std::vector<float> out(images * words);
    const lexvla_exec exec = cpu(threads);
    if (lexvla_project_max_forward(
            &exec, 0, tokens.data(), nullptr, codebook.data(), images, count, width, words, out.data(), nullptr) != LEXVLA_OK) {
      out.clear();
    }
    return out;
  }
};

}  // namespace

TEST_CASE("runtime: version, instruction set, CUDA") {
  CHECK(lexvla_version() >= 100);
  const std::string isa = lexvla_active_isa();
  CHECK((isa == "portable" || isa == "avx2" || isa == "avx512" || isa == "avx512vnni" || isa == "avx512bf16"));
  const char *most = std::getenv("LEXVLA_MAX_ISA");
  if (most != nullptr && std::string(most) == "portable") CHECK(isa == "portable");
  CHECK((lexvla_has_cuda() == 0 || lexvla_has_cuda() == 1));
}

TEST_CASE("runtime: a cap that names no instruction set is refused") {
  // ctest runs this once more with LEXVLA_MAX_ISA=avx3.
  const char *most = std::getenv("LEXVLA_MAX_ISA");
  const std::string cap = most != nullptr ? most : "";
  const lexvla_exec exec = cpu(1);
  const int32_t status = lexvla_activate_normalize_forward(&exec, nullptr, 0, 0, nullptr, nullptr);
  if (cap.empty() || cap == "portable" || cap == "avx2" || cap == "avx512" || cap == "avx512vnni" || cap == "avx512bf16") {
    CHECK(status == LEXVLA_OK);
  } else {
    CHECK(status == LEXVLA_INVALID_ARGUMENT);
    CHECK(last_error().find("LEXVLA_MAX_ISA is '" + cap + "': portable, avx2, avx512, avx512vnni or avx512bf16") != std::string::npos);
  }
}

TEST_CASE("runtime: many callers at once, each with many threads") {
  const Problem problem("callers");
  const std::vector<float> expected = problem.scores(1);
  REQUIRE(!expected.empty());
  std::atomic<int> wrong{0};
  std::vector<std::thread> callers;
  for (int i = 0; i < 6; ++i) {
    callers.emplace_back([&, i] {
      for (int round = 0; round < 5; ++round) wrong += problem.scores(i % 4) != expected;
    });
  }
  for (std::thread &caller : callers) caller.join();
  CHECK(wrong == 0);
}

TEST_CASE("runtime: the last error is the thread's own and lasts until its next failure") {
  const lexvla_exec exec = cpu(1);
  REQUIRE(lexvla_project_max_forward(&exec, 77, nullptr, nullptr, nullptr, 0, 0, 0, 0, nullptr, nullptr) == LEXVLA_INVALID_ARGUMENT);
  std::thread other([] { CHECK(last_error().empty()); });
  other.join();
  REQUIRE(lexvla_project_max_forward(&exec, 0, nullptr, nullptr, nullptr, 0, 0, 0, 0, nullptr, nullptr) == LEXVLA_OK);
  CHECK(last_error().find("type is 77") != std::string::npos);
}

#if defined(__linux__)
TEST_CASE("runtime: a forked child computes with threads of its own") {
  const Problem problem("fork");
  const std::vector<float> expected = problem.scores(3);
  REQUIRE(!expected.empty());
  const pid_t child = fork();
  if (child == 0) _exit(problem.scores(3) == expected ? 0 : 1);
  REQUIRE(child > 0);
  int status = -1;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK((WIFEXITED(status) && WEXITSTATUS(status) == 0));
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST_CASE("runtime: memory that cannot be had is a status, not a crash") {
  const int64_t images = 6, count = 100, width = 40000, words = 2;  // 96 MB to pack, more than an arena of malloc has in reserve
  const std::vector<float> tokens(images * count * width, 1), codebook(words * width, 1);
  std::vector<float> scores(images * words);
  const pid_t child = fork();
  if (child == 0) {
    malloc_trim(0);  // what earlier tests freed
    const rlimit none{1 << 20, 1 << 20};  // less than there is already: nothing more is mapped
    if (setrlimit(RLIMIT_AS, &none) != 0) _exit(2);
    const lexvla_exec exec = cpu(2);
    const int32_t status = lexvla_project_max_forward(
        &exec, 0, tokens.data(), nullptr, codebook.data(), images, count, width, words, scores.data(), nullptr);
    _exit(status == LEXVLA_OUT_OF_MEMORY && std::strstr(lexvla_last_error(), "no memory for temporary use") != nullptr ? 0 : 1);
  }
  REQUIRE(child > 0);
  int status = -1;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK((WIFEXITED(status) && WEXITSTATUS(status) == 0));
}
#endif
#endif
