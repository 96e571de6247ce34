#include "dispatch.h"

namespace lexvla {
namespace {

constexpr Table kReference = {
#define LEXVLA_KERNEL(name, arity) reference::name,
#include <lexvla/kernels.def>
};

}  // namespace

const Table &table_for(const lexvla_exec &) { return kReference; }

}  // namespace lexvla

extern "C" {
int32_t lexvla_version(void) { return 0 * 10000 + 1 * 100 + 0; }
const char *lexvla_active_isa(void) { return "portable"; }
int32_t lexvla_has_cuda(void) { return 0; }
}
