#!/usr/bin/env bash
# Builds the native libraries for the Java modules, in the manner of Bytedeco's presets:
#
#   cppbuild.sh [-platform linux-x86_64] [-extension -gpu] install|clean kernels
#
# The result lies in native/cppbuild/<platform><extension>/{include,lib}; built again only where something changed.
# With LEXVLA_SKIP_TESTS=false the tests are built too, to be run by: ctest --test-dir native/cppbuild/<...>/build
set -euo pipefail
cd "$(dirname "$0")"

PLATFORM=
EXTENSION=
OPERATION=
PROJECTS=()

usage() {
  echo "Usage: cppbuild.sh [-platform <name>] [-extension <-gpu>] <install | clean> kernels" >&2
  exit 2
}

fail() {
  echo "cppbuild.sh: $1" >&2
  exit 1
}

while [[ $# -gt 0 ]]; do
  case "$1" in
    -platform=*) PLATFORM="${1#-platform=}" ;;
    -platform) [[ $# -ge 2 ]] || usage; PLATFORM="$2"; shift ;;
    -extension=*) EXTENSION="${1#-extension=}" ;;
    -extension) [[ $# -ge 2 ]] || usage; EXTENSION="$2"; shift ;;
    install | clean) OPERATION="$1" ;;
    kernels) PROJECTS+=("$1") ;;
    *) usage ;;
  esac
  shift
done
[[ -n "$OPERATION" && ${#PROJECTS[@]} -gt 0 ]] || usage

if [[ -z "$PLATFORM" ]]; then
  case "$(uname -s)-$(uname -m)" in
    Linux-x86_64) PLATFORM=linux-x86_64 ;;
    Linux-aarch64) PLATFORM=linux-arm64 ;;
    Darwin-arm64) PLATFORM=macosx-arm64 ;;
    Darwin-x86_64) PLATFORM=macosx-x86_64 ;;
    *) fail "no name known for $(uname -s) on $(uname -m): pass -platform" ;;
  esac
fi
case "$EXTENSION" in
  '' | -gpu) ;;
  *) fail "extension '$EXTENSION' is not known: -gpu, or none" ;;
esac

DIRECTORY="$PWD/native/cppbuild/$PLATFORM$EXTENSION"
if [[ "$OPERATION" == clean ]]; then
  rm -rf "$DIRECTORY"
  exit 0
fi

missing() {
  fail "'$1' was not found: $2 (Debian: apt-get install $3)"
}
command -v cmake > /dev/null || missing cmake "it configures the build of kernels/" cmake
command -v "${CXX:-g++}" > /dev/null || missing "${CXX:-g++}" "it compiles kernels/; CXX names another compiler" g++
command -v ninja > /dev/null || command -v make > /dev/null || missing make "it runs the build" make

TESTS=OFF
[[ "${LEXVLA_SKIP_TESTS:-true}" != false ]] || TESTS=ON
CUDA=OFF
OPTIONS=()
if [[ "$EXTENSION" == -gpu ]]; then
  CUDA=ON
  NVCC="${CUDACXX:-$(command -v nvcc || true)}"
  if [[ -z "$NVCC" ]]; then
    for place in "${CUDA_HOME:-}" "${CUDA_PATH:-}" /usr/local/cuda; do
      [[ -n "$place" && -x "$place/bin/nvcc" ]] && NVCC="$place/bin/nvcc" && break
    done
  fi
  [[ -n "$NVCC" ]] || fail "'nvcc' was not found on PATH, in CUDA_HOME, CUDA_PATH or /usr/local/cuda: install the CUDA toolkit, name its nvcc in CUDACXX, or build without CUDA (no profile cuda, no extension -gpu)"
  command -v "$NVCC" > /dev/null || fail "CUDACXX names '$NVCC', which is no program: name nvcc there, or unset it"
  # The first that knows sm_100 and sm_120.
  RELEASE="$("$NVCC" --version 2> /dev/null | sed -n 's/.*release \([0-9]*\.[0-9]*\).*/\1/p' || true)"
  [[ -n "$RELEASE" ]] || fail "'$NVCC --version' names no release of CUDA: name the nvcc of a CUDA toolkit in CUDACXX"
  ((${RELEASE%.*} * 100 + ${RELEASE#*.} >= 1208)) \
    || fail "'$NVCC' is of CUDA $RELEASE, at least 12.8 is needed: install a newer toolkit and name its nvcc in CUDACXX"
  OPTIONS+=(-DCMAKE_CUDA_COMPILER="$NVCC")
fi

GENERATOR="Unix Makefiles"
command -v ninja > /dev/null && GENERATOR=Ninja
# An existing build keeps its generator, which CMake refuses to change.
if [[ -f "$DIRECTORY/build/CMakeCache.txt" ]]; then
  GENERATOR="$(sed -n 's/^CMAKE_GENERATOR:INTERNAL=//p' "$DIRECTORY/build/CMakeCache.txt")"
fi
JOBS="${MAKEJ:-$(getconf _NPROCESSORS_ONLN)}"

# For another nvcc CMake would throw its cache away, and with it the options below.
if [[ $CUDA == ON && -f "$DIRECTORY/build/CMakeCache.txt" ]] \
  && ! grep -q -x -E "CMAKE_CUDA_COMPILER:[A-Z]*=$NVCC" "$DIRECTORY/build/CMakeCache.txt"; then
  rm -rf "$DIRECTORY/build"
fi

mkdir -p "$DIRECTORY"
cmake -S kernels -B "$DIRECTORY/build" -G "$GENERATOR" -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX="$DIRECTORY" \
  -DCMAKE_INSTALL_LIBDIR=lib -DLEXVLA_CUDA=$CUDA -DLEXVLA_TESTS=$TESTS "${OPTIONS[@]}" > "$DIRECTORY.log" 2>&1 \
  || { cat "$DIRECTORY.log" >&2; fail "CMake could not configure kernels/: see above"; }
cmake --build "$DIRECTORY/build" --parallel "$JOBS" >> "$DIRECTORY.log" 2>&1 \
  || { tail -n 60 "$DIRECTORY.log" >&2; fail "kernels/ did not compile: see above, or all of it in $DIRECTORY.log"; }
cmake --install "$DIRECTORY/build" --prefix "$DIRECTORY" >> "$DIRECTORY.log"
