#!/usr/bin/env bash
# exports_test.sh NM LIBRARY
# Nothing but the interface leaves the library.
set -euo pipefail
foreign="$("$1" -D --defined-only "$2" | awk '{print $NF}' | grep -v '^lexvla_' || true)"
if [[ -n "$foreign" ]]; then
  echo "exported beside lexvla_*:"
  echo "$foreign"
  exit 1
fi
