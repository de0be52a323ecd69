#!/usr/bin/env bash
# Fuzzes each parser for a time (default 30 minutes each), starting from the kept corpus and the recorded command lines.
#
#     scripts/fuzz.sh [SECONDS] [TARGET...]
#
# Needs `cargo install cargo-fuzz` and a C++ compiler. What it finds goes to fuzz/artifacts; the corpus, reduced to what covers
# something, stays in fuzz/corpus/TARGET.tar.gz.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
seconds=${1:-1800}
shift || true
targets=("$@")
[ "${#targets[@]}" -gt 0 ] || targets=(kubectl aws gh psql psql_script governance record)
export RUSTC_BOOTSTRAP=1 # libFuzzer's instrumentation is behind unstable flags; nothing else is built with them
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p fuzz/corpus
for target in "${targets[@]}"; do
  kept=fuzz/corpus/$target.tar.gz
  mkdir -p "$work/$target" "$work/$target.reduced"
  python3 scripts/fuzz_seeds.py "$target" "$work/$target"
  [ ! -e "$kept" ] || tar -xzf "$kept" -C "$work/$target"
  cargo fuzz run --sanitizer none "$target" "$work/$target" -- \
    -max_total_time="$seconds" -max_len=4096 -timeout=5 -rss_limit_mb=1024 -print_final_stats=1
  cargo fuzz run --sanitizer none "$target" "$work/$target.reduced" "$work/$target" -- -merge=1 -max_len=4096
  tar -czf "$kept" -C "$work/$target.reduced" .
done
