#!/usr/bin/env bash
# linkage_test.sh NM OBJECT...
# An object compiled for one instruction set must not define functions that the linker may merge with those of others
# (weak symbols: inline functions, templates): code for AVX-512 would then run on machines without.
set -euo pipefail
nm="$1"
shift
weak="$("$nm" -C "$@" | grep -E '^[0-9a-f]+ [WVu] ' | grep -v ' DW\.ref\.__gxx_personality_v0$' || true)"
if [[ -n "$weak" ]]; then
  echo "weak definitions in objects of one instruction set; give them internal linkage:"
  echo "$weak"
  exit 1
fi
