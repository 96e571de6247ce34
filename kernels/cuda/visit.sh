#!/usr/bin/env bash
# Everything that there is to do with the CUDA kernels on a machine with a GPU, nvcc, CMake and g++, and nothing else:
#
#     kernels/cuda/visit.sh [OUT [STAGE...]]        OUT: where results go; ./visit if it is not given
#
# Stages, in the order of what a short visit must not miss; all of them if none is named:
#
#     build         for the machine's own GPU, in kernels/build-visit, which a later call takes up again
#     correctness   every kernel against the reference; unaligned arrays, and aligned ones for the tensor cores
#     benchmark     at the paper's shapes, each result proved first, against cuBLAS where it is found   -> cuda-bench-*.json
#     sanitizer     memcheck, racecheck, initcheck, synccheck over small shapes
#     ladder        the steps that led to the Hopper kernel, each with its figure
#     profile       of the forward and the backward, by ncu where it is found                           -> profile.txt
#     sweep         the constants that were guessed, each built anew with another value                 -> sweep.txt
#     pytorch       the same shapes in eager and compiled PyTorch, where python3 has torch              -> pytorch.json
#     jvm           the benchmarks of the JVM, where there are a java and benchmarks.jar (benchmarks/README.md says how they get here
#                   without Maven; LEXVLA_JAVA and LEXVLA_BENCHMARKS_JAR name them)                      -> jvm.json
#
# Each step has a limit in time, a step that fails does not stop the next ones, and what is known is written after each:
# OUT/visit.txt is the machine and a line a step, OUT/visit.log what they said; a benchmark that is stopped leaves the JSON of what it
# had proved and timed by then, with "complete": false. LEXVLA_VISIT_SECONDS ends the visit at the first step that would begin later
# than that. A visit in three calls of ten minutes, the most telling first:
#
#     LEXVLA_VISIT_SECONDS=480 visit.sh OUT build correctness benchmark
#     LEXVLA_VISIT_SECONDS=500 visit.sh OUT build sanitizer profile ladder       (build: nothing to do where the machine is the same)
#     LEXVLA_VISIT_SECONDS=500 visit.sh OUT jvm pytorch sweep
#
# doctest (one header) is looked for in the compiler's path, in DOCTEST_INCLUDE and
# in kernels/build-doctest, as DIRECTORY/doctest/doctest.h; without it the tests are left out and the benchmark still proves
# its answers. Exit code: 0, 1 if a step failed, 77 if there is no GPU: then the build is made, for sm_90a or what
# LEXVLA_CUDA_ARCHITECTURE names, and every other stage is noted as left out.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 2
kernels="$PWD"
out="${1:-visit}"
[[ $# -gt 0 ]] && shift
all=(build correctness benchmark sanitizer ladder profile sweep pytorch jvm)
[[ $# -gt 0 ]] && stages=("$@") || stages=("${all[@]}")
for stage in "${stages[@]}"; do
  [[ " ${all[*]} " == *" $stage "* ]] || { echo "visit.sh: there is no stage '$stage': ${all[*]}" >&2; exit 2; }
done
[[ "$out" == /* ]] || out="$OLDPWD/$out"
mkdir -p "$out" || exit 1
out="$(cd "$out" && pwd)"
build="$kernels/build-visit"
mkdir -p "$build/log"

# The toolkit need not be on PATH.
command -v nvcc > /dev/null || PATH="$PATH:${CUDA_HOME:-/usr/local/cuda}/bin"
for program in nvcc cmake "${CXX:-g++}"; do
  command -v "$program" > /dev/null && continue
  echo "visit.sh: '$program' was not found on PATH${CUDA_HOME:+ or in CUDA_HOME ($CUDA_HOME)}: nothing can be built here" >&2
  exit 2
done

# cuBLAS may be the toolkit's or the one that came with Python's torch.
libraries="$(python3 -c 'import glob, os, nvidia
print(":".join(sorted({os.path.dirname(f) for p in nvidia.__path__ for f in glob.glob(p + "/**/libcublas.so.*", recursive=True)})))' 2> /dev/null)"
export LD_LIBRARY_PATH="${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}${libraries:+$libraries:}${CUDA_HOME:-/usr/local/cuda}/lib64"

query() { nvidia-smi --query-gpu="$1" --format=csv,noheader 2> /dev/null | head -n 1; }
capability="$(query compute_cap | tr -d ' .')"
# Where nvidia-smi is not there, or is not let in: what nvcc itself asks for -arch=native.
[[ "$capability" =~ ^[0-9]+$ ]] || capability="$("$(dirname "$(command -v nvcc)")/__nvcc_device_query" 2> /dev/null | grep -o -m 1 -E '^[0-9]+')"
gpu=yes
[[ -n "$capability" ]] || gpu=no
arch="${LEXVLA_CUDA_ARCHITECTURE:-${capability:-90}}"
[[ "$arch" == 90 ]] && arch=90a
# A GPU that nvidia-smi sees and CUDA does not, as when nvcc is newer than the driver, is a failure and nothing to skip.
[[ $gpu == yes ]] && export LEXVLA_CUDA_REQUIRED=true
# For the benchmarks, which write it into their results.
export LEXVLA_COMMIT="${LEXVLA_COMMIT:-$(git rev-parse HEAD 2> /dev/null || echo unknown)}"
{
  [[ $gpu == yes ]] && echo "gpu         $(query name), compute capability $capability" || echo "gpu         none: nvidia-smi and nvcc find none in this machine"
  echo "driver      $(query driver_version)"
  echo "power limit $(query power.limit), clocks $(query clocks.max.sm) / $(query clocks.max.mem)"
  echo "nvcc        $(nvcc --version 2> /dev/null | sed -n 's/.*release \(.*\)/\1/p')"
  echo "commit      $LEXVLA_COMMIT"
  echo "date        $(date -u +%FT%TZ)"
} | tee -a "$out/visit.txt"

failed=0
note() { printf '%s\n' "$1" | tee -a "$out/visit.txt"; }
step() {  # step NAME LIMIT_IN_SECONDS COMMAND...
  local name="$1" limit="$2" status word began=$SECONDS log
  shift 2
  if ((SECONDS > ${LEXVLA_VISIT_SECONDS:-100000})); then
    note "$(printf '%-22s left out: the visit has taken %d s' "$name" "$SECONDS")"
    return 1
  fi
  log="$build/log/$name.log"
  timeout -k 5 "$limit" "$@" > "$log" 2>&1
  status=$?
  case $status in
    0) word=passed ;;
    77) word=skipped ;;
    124 | 137) word="stopped after $limit s" ;;
    *) word="failed ($status)" ;;
  esac
  { echo "== $name: $word"; cat "$log"; } >> "$out/visit.log"
  [[ $status == 0 || $status == 77 ]] || { failed=1; tail -n 15 "$log"; }
  note "$(printf '%-22s %-20s %5d s   %s' "$name" "$word" $((SECONDS - began)) "$(tail -n 1 "$log" | cut -c1-80)")"
  return "$status"
}
out_of_time() {  # for what takes time before its first step
  ((SECONDS > ${LEXVLA_VISIT_SECONDS:-100000})) && note "$(printf '%-22s left out: the visit has taken %d s' "$1" "$SECONDS")"
}
find_program() {  # of the toolkit, which need not be on PATH
  command -v "$1" || ls "${CUDA_HOME:-/usr/local/cuda}/bin/$1" 2> /dev/null
}

doctest=()
tests=ON
if [[ -n "${DOCTEST_INCLUDE:-}" ]]; then
  doctest=(-DDOCTEST_INCLUDE="$DOCTEST_INCLUDE")
elif [[ -f build-doctest/doctest/doctest.h ]]; then
  doctest=(-DDOCTEST_INCLUDE="$kernels/build-doctest")
elif ! echo '#include <doctest/doctest.h>' | "${CXX:-g++}" -x c++ -E - > /dev/null 2>&1; then
  tests=OFF
fi
generator=()
command -v ninja > /dev/null && generator=(-G Ninja)
bench="$build/lexvla_cuda_bench"
test="$build/tests/kernels_cuda_test"
large="*32-bit offsets*" # more memory than a device can be given

build() {
  step configure 60 cmake -S . -B "$build" -DLEXVLA_CUDA=ON -DLEXVLA_TESTS="$tests" -DLEXVLA_CUDA_LADDER=ON -DLEXVLA_ONLY_PORTABLE=ON \
    -DCMAKE_CUDA_ARCHITECTURES="$arch" "${doctest[@]}" "${generator[@]}"
  # All at once, so that every core has something to do; what does not compile leaves the rest.
  local targets=(lexvla_kernels lexvla_cuda_bench) go_on=-k
  [[ $tests == OFF ]] || targets+=(kernels_cuda_test)
  grep -q '^CMAKE_GENERATOR:INTERNAL=Ninja' "$build/CMakeCache.txt" 2> /dev/null && go_on=-k0
  step build 400 cmake --build "$build" --parallel "$(nproc)" --target "${targets[@]}" -- "$go_on"
}

correctness() {
  [[ $tests == ON ]] || { note "correctness            left out: doctest/doctest.h was not found"; return; }
  # The tensor-core kernels first: they are what nothing but a GPU can prove.
  LEXVLA_TEST_ALIGNED=true step correctness-tensor 60 "$test" "--test-case=tensor cores*"
  step correctness 120 "$test" "--test-case-exclude=$large"
  LEXVLA_TEST_ALIGNED=true step correctness-aligned 120 "$test" "--test-case-exclude=$large"
}

benchmark() {
  # In parts, so that one which hangs leaves the others.
  local part
  for part in forward rows index; do
    step "benchmark-$part" 120 "$bench" --only "$part" --json "$out/cuda-bench-$part.json"
    cat "$build/log/benchmark-$part.log" 2> /dev/null
  done
  step benchmark-backward 150 "$bench" --only backward --json "$out/cuda-bench-backward.json"
  cat "$build/log/benchmark-backward.log" 2> /dev/null
}

sanitizer() {
  local tool sanitizer
  sanitizer="$(find_program compute-sanitizer)"
  [[ -n "$sanitizer" ]] || { note "sanitizer              left out: no compute-sanitizer on PATH or in CUDA_HOME"; return; }
  [[ $tests == ON ]] || { note "sanitizer              left out: doctest/doctest.h was not found"; return; }
  local small="--test-case=*NaN*,*closed form*,*ties*,*sizes of 0*,*negative*,*reference's entries*,*brought along*,*many queries*"
  for tool in memcheck racecheck initcheck synccheck; do
    LEXVLA_TEST_ALIGNED=true step "sanitizer-$tool" 60 "$sanitizer" --tool "$tool" --error-exitcode 1 "$test" "$small" "--test-case-exclude=$large"
  done
}

ladder() {
  step build-ladder 240 cmake --build "$build" --parallel "$(nproc)" --target cuda_ladder_steps || return
  local rung
  for rung in "$build"/ladder/cuda_ladder_*; do
    step "$(basename "$rung")" 30 "$rung"
  done
}

profile() {
  local ncu
  ncu="$(find_program ncu)"
  [[ -n "$ncu" ]] || { note "profile                left out: no ncu on PATH or in CUDA_HOME"; return; }
  local cuobjdump
  cuobjdump="$(find_program cuobjdump)"
  if [[ -n "$cuobjdump" ]]; then
    "$cuobjdump" --dump-resource-usage "$build/liblexvla_kernels.so" > "$out/profile.txt" 2>&1
  else
    : > "$out/profile.txt"
  fi
  local part
  for part in forward backward; do
    step "profile-$part" 90 "$ncu" --clock-control none --kernel-name-base demangled --kernel-name "regex:lexvla" --launch-count 6 \
      --section SpeedOfLight --section MemoryWorkloadAnalysis --section WarpStateStats --section Occupancy --section LaunchStats \
      "$bench" --quick --only "$part"
    cat "$build/log/profile-$part.log" >> "$out/profile.txt"
  done
}

# NAME|FILE|FROM|TO|PART: with FROM replaced by TO in FILE, what does PART of the benchmark say?
variants=(
  "group4|cuda/sm90_project_max.h|kGroup = 8|kGroup = 4|forward"
  "group16|cuda/sm90_project_max.h|kGroup = 8|kGroup = 16|forward"
  "stages3|cuda/sm90_project_max.h|kStages = 4|kStages = 3|forward"
  "gathered|cuda/project_max_backward.cu|kLeastBrought = 16|kLeastBrought = 1000000|backward"
  "tokens-gathered|cuda/project_max_backward.cu|words < kStretch|words >= 0|backward"
  "two-images|cuda/project_max_backward.cu|{8, 4, 2}|{2}|backward"
  "stretch256|cuda/project_max_backward.cu|kStretch = 512|kStretch = 256|backward"
  "unshared|cuda/sm90_project_max.h|kManyRounds = 8|kManyRounds = 0|forward"
  "columns64|cuda/project_max_backward.cu|kBroughtColumns = 32|kBroughtColumns = 64|backward"
)
build_variant() {  # NAME FILE FROM TO
  local at="$PWD/build-visit/sweep/$1"
  rm -rf "$at" && mkdir -p "$at" && cp -r bench core cpu cuda include ladder reference tests CMakeLists.txt "$at" || return 1
  sed -i "s/$3/$4/" "$at/$2"
  cmp -s "$2" "$at/$2" && { echo "$2 has no '$3'"; return 1; }
  cmake -S "$at" -B "$at/build" -DLEXVLA_CUDA=ON -DLEXVLA_ONLY_PORTABLE=ON -DCMAKE_CUDA_ARCHITECTURES="$arch" "${generator[@]}" &&
    cmake --build "$at/build" --parallel 4 --target lexvla_cuda_bench
}
sweep() {
  local variant name file from to part waits=()
  out_of_time sweep && return
  mkdir -p "$build/sweep"
  export -f build_variant
  export arch
  for variant in "${variants[@]}"; do
    IFS='|' read -r name file from to part <<< "$variant"
    # shellcheck disable=SC2016 # the inner bash is to expand them
    timeout -k 5 300 bash -c 'generator=("${@:5}"); build_variant "${@:1:4}"' build_variant "$name" "$file" "$from" "$to" "${generator[@]}" \
      > "$build/log/build-$name.log" 2>&1 &
    waits+=($!)
  done
  wait "${waits[@]}"
  for variant in "${variants[@]}"; do
    IFS='|' read -r name file from to part <<< "$variant"
    if [[ ! -x "$build/sweep/$name/build/lexvla_cuda_bench" ]]; then
      failed=1
      { echo "== sweep-$name: not built"; cat "$build/log/build-$name.log"; } >> "$out/visit.log"
      note "sweep-$name: not built: $(tail -n 1 "$build/log/build-$name.log" | cut -c1-80)"
      continue
    fi
    step "sweep-$name" 60 "$build/sweep/$name/build/lexvla_cuda_bench" --quick --only "$part"
    # One file for all: a line of what was changed, then the figures.
    { echo "## $name: $file, $from -> $to"; cat "$build/log/sweep-$name.log"; } >> "$out/sweep.txt"
  done
}

pytorch() {
  python3 -c 'import torch' 2> /dev/null || { note "pytorch                left out: python3 is not there or has no torch"; return; }
  step pytorch 240 python3 ../benchmarks/pytorch/head.py --json "$out/pytorch.json"
  cat "$build/log/pytorch.log" 2> /dev/null
}

jvm() {
  local java="${LEXVLA_JAVA:-$(command -v ../jre/bin/java java | head -n 1)}" jar="${LEXVLA_BENCHMARKS_JAR:-../benchmarks/target/benchmarks.jar}" setting name
  [[ -n "$java" ]] || { note "jvm                    left out: no java on PATH, as jre/bin/java or in LEXVLA_JAVA"; return; }
  [[ -f "$jar" ]] || { note "jvm                    left out: $jar is not there (mvn -Pcuda package -DskipTests makes it)"; return; }
  # All libraries that a CUDA build of Python's torch brought, for LibTorch.
  local cuda_libraries
  cuda_libraries="$(python3 -c 'import glob, os, nvidia
print(":".join(sorted({os.path.dirname(f) for p in nvidia.__path__ for f in glob.glob(p + "/**/lib*.so*", recursive=True)})))' 2> /dev/null)"
  for setting in \
    "head-64 HeadBenchmark -p dtype=bfloat16 -p batch=64" "head-1 HeadBenchmark -p dtype=bfloat16 -p batch=1" "copy CopyBenchmark" \
    "encode EncodeBenchmark -p batch=64" "head-float32 HeadBenchmark -p dtype=float32 -p batch=8" "head-half HeadBenchmark -p dtype=float16 -p batch=64"; do
    read -r name setting <<< "$setting"
    # shellcheck disable=SC2086 # several words
    LD_LIBRARY_PATH="${cuda_libraries:+$cuda_libraries:}$LD_LIBRARY_PATH" step "jvm-$name" 120 "$java" --add-opens=java.base/java.nio=ALL-UNNAMED \
      -Dorg.bytedeco.javacpp.maxPhysicalBytes=0 -Dlexvla.commit="$LEXVLA_COMMIT" -jar "$jar" compare $setting -p device=cuda --seconds 10 --out "$out/jvm.json"
    cat "$build/log/jvm-$name.log" 2> /dev/null
  done
}

for stage in "${stages[@]}"; do
  if [[ $gpu == no && $stage != build ]]; then
    note "$(printf '%-22s left out: there is no GPU in this machine' "$stage")"
  else
    "$stage"
  fi
done
echo
cat "$out/visit.txt"
[[ $failed == 0 && $gpu == no ]] && exit 77
exit $failed
