#include <set>

#include "support.h"

namespace {

std::set<std::string> &covered() {
  static std::set<std::string> kernels;
  return kernels;
}

}  // namespace

lexvla::tests::Covers::Covers(const char *kernel) { covered().insert(kernel); }

TEST_CASE("every kernel of the table has a test") {
#define LEXVLA_KERNEL(name, arity) CHECK_MESSAGE(covered().count(#name) == 1, #name " has no test");
#include <lexvla/kernels.def>
}
