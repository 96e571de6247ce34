#include "buffer.h"

#include <new>

namespace lexvla {
namespace {

constexpr std::align_val_t kAlignment{64};

}  // namespace

Buffer::Buffer(int64_t bytes) : data_(::operator new(static_cast<std::size_t>(bytes), kAlignment)) {}
Buffer::~Buffer() { ::operator delete(data_, kAlignment); }
void *Buffer::data() const { return data_; }

}  // namespace lexvla
