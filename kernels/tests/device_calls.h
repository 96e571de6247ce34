/*
 * Lets the tests of the CPU kernels test the CUDA kernels, unchanged: included before everything else, it puts in the place
 * of lexvla_<name> a function that copies the arrays to a device (unaligned by one element, as they were), runs lexvla_<name>
 * there with a workspace of exactly the size it asked for, waits, and copies the outputs back, poison and fences included.
 * References, and calls on a device or with sizes that are to be refused, go through as they are.
 *
 * What the host refuses and CUDA cannot without waiting (a capacity that is too small) is read off the outputs.
 */
#ifndef LEXVLA_TESTS_DEVICE_CALLS_H
#define LEXVLA_TESTS_DEVICE_CALLS_H

#include <lexvla/kernels.h>

namespace lexvla::tests::device {

#define LEXVLA_KERNEL(name, arity) decltype(lexvla_##name) name;
#include <lexvla/kernels.def>

decltype(lexvla_last_error) last_error;

}  // namespace lexvla::tests::device

#define lexvla_project_max_forward lexvla::tests::device::project_max_forward
#define lexvla_filter_winners lexvla::tests::device::filter_winners
#define lexvla_project_max_backward lexvla::tests::device::project_max_backward
#define lexvla_activate_normalize_forward lexvla::tests::device::activate_normalize_forward
#define lexvla_activate_normalize_backward lexvla::tests::device::activate_normalize_backward
#define lexvla_token_activations lexvla::tests::device::token_activations
#define lexvla_sparsify_threshold lexvla::tests::device::sparsify_threshold
#define lexvla_sparsify_top_k lexvla::tests::device::sparsify_top_k
#define lexvla_activate_sparsify_threshold lexvla::tests::device::activate_sparsify_threshold
#define lexvla_activate_sparsify_top_k lexvla::tests::device::activate_sparsify_top_k
#define lexvla_csr_dot lexvla::tests::device::csr_dot
#define lexvla_csr_top_k lexvla::tests::device::csr_top_k
#define lexvla_index_size lexvla::tests::device::index_size
#define lexvla_index_build lexvla::tests::device::index_build
#define lexvla_index_search lexvla::tests::device::index_search
#define lexvla_last_error lexvla::tests::device::last_error

#endif
