#!/usr/bin/env bash
# Builds `reeve` and `reeved` linked statically at fixed addresses: what an image or a package ships. A governed call starts two
# programs, and loading and relocating the C library is a large part of starting ours. Prints where the programs are.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
target=$(rustc -vV | sed -n 's/^host: //p')
# With an explicit target these flags do not reach build scripts and procedural macros, which cannot be static.
RUSTFLAGS="-C target-feature=+crt-static -C relocation-model=static" \
  cargo build --release --target "$target" --package reeve --package reeved >&2
echo "${CARGO_TARGET_DIR:-$PWD/target}/$target/release"
