#!/usr/bin/env bash
# What each CUDA kernel takes of a processor, as ptxas says it; needs nvcc, no GPU:
#
#     kernels/cuda/resources.sh [ARCH...]      80, 90a and 120 if none is named
#
# Prints a table: threads of a block, and for each architecture the registers of a thread, the static shared memory of a block, and
# how many blocks the registers of a processor (65,536) are enough for. Dynamic shared memory, which may allow fewer, is not
# in it. Nothing spills: the build does not let it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
[[ $# -gt 0 ]] && archs=("$@") || archs=(80 90a 120)
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
for arch in "${archs[@]}"; do
  for source in cuda/*.cu; do
    grep -q __global__ "$source" || continue
    [[ "$source" == *sm90* && "$arch" != 90a ]] && continue
    at="$work/$arch-$(basename "$source" .cu)"
    mkdir "$at"
    nvcc -std=c++17 -O3 -Iinclude -gencode "arch=compute_$arch,code=sm_$arch" --expt-relaxed-constexpr -Xptxas -v -cubin --keep --keep-dir "$at" \
      -o "$at/cubin" "$source" > "$at/log" 2>&1 || { cat "$at/log" >&2; exit 1; }
    # Mangled name and threads of each kernel, then its registers and shared memory.
    awk -v arch="$arch" '
      FILENAME ~ /\.ptx$/ && /\.entry/ { name = $0; sub(/.*\.entry /, "", name); sub(/\(.*/, "", name) }
      FILENAME ~ /\.ptx$/ && /\.maxntid/ { gsub(/,/, ""); threads[name] = $2 }
      /Compiling entry function/ { split($0, part, "\047"); now = part[2] }
      /Used [0-9]+ registers/ {
        registers = $0; sub(/.*Used /, "", registers); sub(/ .*/, "", registers)
        shared = $0
        if (sub(/ bytes smem.*/, "", shared)) sub(/.* /, "", shared); else shared = 0
        # Registers are given to a warp 256 at a time, each of four schedulers has 16384.
        of_warp = int((registers * 32 + 255) / 256) * 256
        blocks = threads[now] > 0 ? int(int(16384 / of_warp) * 4 / (threads[now] / 32)) : 0
        print now, arch, threads[now], registers, shared, blocks
      }' "$at"/*.ptx "$at/log"
  done
done | c++filt | sed -E 's/lexvla::cuda::\(anonymous namespace\):://; s/lexvla::cuda:://g; s/^void //; s/\((char|float|int|long|unsigned|Bf16|Half|Problem|CUtensorMap|Won)[^)]*\)//' \
  | awk -v archs="${archs[*]}" '
    {
      n = NF; name = $1
      for (i = 2; i <= n - 5; ++i) name = name " " $i
      if (!(name in threads)) order[++count] = name
      threads[name] = $(n - 3)
      said[name, $(n - 4)] = $(n - 2) " / " $(n - 1) " / " $n
    }
    END {
      split(archs, arch, " ")
      line = "| kernel | threads |"; rule = "|---|---:|"
      for (i = 1; i in arch; ++i) { line = line " sm_" arch[i] ": registers / shared / blocks |"; rule = rule "---:|" }
      print line; print rule
      for (k = 1; k <= count; ++k) {
        line = "| " order[k] " | " threads[order[k]] " |"
        for (i = 1; i in arch; ++i) line = line " " ((order[k], arch[i]) in said ? said[order[k], arch[i]] : "") " |"
        print line
      }
    }'
