/* Which implementations a call gets. */
#ifndef LEXVLA_CORE_DISPATCH_H
#define LEXVLA_CORE_DISPATCH_H

#include "table.h"

namespace lexvla {

/** The implementations for where exec says; exec has passed its check. */
const Table &table_for(const lexvla_exec &exec);

}  // namespace lexvla

#endif
