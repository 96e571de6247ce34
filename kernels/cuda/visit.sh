#!/usr/bin/env bash
# Everything that there is to do with the CUDA kernels on a machine with a GPU, nvcc, CMake and g++, and nothing else:
#
#     kernels/cuda/visit.sh [OUT]          OUT: where build and results go; ./visit if it is not given
#
# Builds for the machine's own GPU, holds every kernel against the reference, has compute-sanitizer look at small shapes,
# times against cuBLAS, and prints a table last. A step that fails does not stop the next ones. Results are OUT/*.json and
# OUT/*.log. Without network doctest must lie in the compiler's path or in DOCTEST_INCLUDE (a directory that has
# doctest/doctest.h); without it the tests are left out and the benchmark still proves its answers.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
out="${1:-visit}"
mkdir -p "$out" || exit 1
out="$(cd "$out" && pwd)"
build="$out/build"

steps=()
failed=0
step() {  # step NAME LIMIT_IN_SECONDS COMMAND...
  local name="$1" limit="$2" status began=$SECONDS
  shift 2
  echo "== $name"
  timeout "$limit" "$@" > "$out/$name.log" 2>&1
  status=$?
  local word
  case $status in
    0) word=passed ;;
    77) word=skipped ;;
    124) word="stopped after $limit s" ;;
    *) word="failed ($status)" ;;
  esac
  [[ $status == 0 || $status == 77 ]] || { failed=1; tail -n 15 "$out/$name.log"; }
  steps+=("$(printf '%-22s %-20s %5d s   %s' "$name" "$word" $((SECONDS - began)) "$(tail -n 1 "$out/$name.log" | cut -c1-80)")")
  return $status
}

query() { nvidia-smi --query-gpu="$1" --format=csv,noheader 2> /dev/null | head -n 1; }
capability="$(query compute_cap | tr -d ' .')"
arch="${LEXVLA_CUDA_ARCHITECTURE:-${capability:-90}}"
[[ "$arch" == 90 ]] && arch=90a
commit="$(git rev-parse HEAD 2> /dev/null || echo unknown)"
{
  echo "gpu         $(query name)"
  echo "driver      $(query driver_version)"
  echo "power limit $(query power.limit), clocks $(query clocks.max.sm) / $(query clocks.max.mem)"
  echo "nvcc        $(nvcc --version 2> /dev/null | sed -n 's/.*release \(.*\)/\1/p')"
  echo "commit      $commit"
  echo "date        $(date -u +%FT%TZ)"
} | tee "$out/machine.txt"

tests=ON
options=()
if [[ -n "${DOCTEST_INCLUDE:-}" ]]; then
  options+=(-DDOCTEST_INCLUDE="$DOCTEST_INCLUDE")
elif ! echo '#include <doctest/doctest.h>' | "${CXX:-g++}" -x c++ -E - > /dev/null 2>&1; then
  tests=OFF
fi
command -v ninja > /dev/null && options+=(-G Ninja)
step configure 60 cmake -S . -B "$build" -DLEXVLA_CUDA=ON -DLEXVLA_TESTS=$tests -DCMAKE_CUDA_ARCHITECTURES="$arch" "${options[@]}"
step build 300 cmake --build "$build" --parallel "$(nproc)" --target lexvla_kernels lexvla_cuda_bench
bench="$build/lexvla_cuda_bench"
test="$build/tests/kernels_cuda_test"
if [[ $tests == ON ]]; then
  step build-tests 240 cmake --build "$build" --parallel "$(nproc)" --target kernels_cuda_test
  export LEXVLA_CUDA_REQUIRED=true
  step correctness 120 "$test" "--test-case-exclude=*32-bit offsets*"
  # At multiples of 16 bytes: what the tensor-core kernels take.
  LEXVLA_TEST_ALIGNED=true step correctness-aligned 120 "$test" "--test-case-exclude=*32-bit offsets*"
  sanitizer="$(command -v compute-sanitizer || ls "${CUDA_HOME:-/usr/local/cuda}"/bin/compute-sanitizer 2> /dev/null)"
  if [[ -n "$sanitizer" ]]; then
    small="--test-case=*NaN*,*closed form*,*ties*,*sizes of 0*,*negative*,*equal tokens*,*reference's entries*"
    for tool in memcheck racecheck initcheck synccheck; do
      LEXVLA_TEST_ALIGNED=true step "sanitizer-$tool" 60 "$sanitizer" --tool "$tool" --error-exitcode 1 "$test" "$small" "--test-case-exclude=*32-bit offsets*"
    done
  else
    steps+=("sanitizer              left out: no compute-sanitizer on PATH or in CUDA_HOME")
  fi
else
  steps+=("correctness            left out: doctest/doctest.h was not found")
fi
step benchmark 180 "$bench" --json "$out/cuda-bench.json"
[[ -f "$out/benchmark.log" ]] && cat "$out/benchmark.log"

echo
cat "$out/machine.txt"
printf '%s\n' "${steps[@]}" | tee "$out/steps.txt"
exit $failed
