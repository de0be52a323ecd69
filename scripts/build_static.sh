#!/usr/bin/env bash
# Builds `reeve` and `reeved` linked statically at fixed addresses: what an image or a package ships. A governed call starts two
# programs, and starting the C library is a large part of starting ours: glibc asks the processor about its caches, which
# takes 0.2 ms in a virtual machine, and musl does not. So the gate is built for musl where rustup has that target
# (`rustup target add x86_64-unknown-linux-musl`), and for glibc elsewhere; the sidecar starts once and stays with glibc.
# Prints where the programs are. With REEVE_SYMBOLS=1 they keep their symbols.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
host=$(rustc -vV | sed -n 's/^host: //p')
musl="${host%-gnu}-musl"
gate="$host"
if [ -d "$(rustc --print sysroot)/lib/rustlib/$musl/lib" ]; then
  gate="$musl"
fi
# Cargo forgets the profile's own word on this for a package with another word on something else.
strip=symbols
if [ "${REEVE_SYMBOLS:-}" = 1 ]; then
  strip=none
fi
# With an explicit target these flags do not reach build scripts and procedural macros, which cannot be static.
flags="-C target-feature=+crt-static -C relocation-model=static -C strip=$strip"
RUSTFLAGS="$flags" cargo build --release --target "$host" --package reeved >&2
# Symbols of version 0 say which instance of a generic function they are, so that wrapper/link/ can name it.
flags+=" -C symbol-mangling-version=v0"
# The gate checks a signature now and then, and has no use for a second way of doing so with tables of its own.
flags+=' --cfg curve25519_dalek_backend="serial"'
RUSTFLAGS="$flags" cargo build --release --target "$gate" --package reeve >&2
target="${CARGO_TARGET_DIR:-$PWD/target}"
out="$target/static"
mkdir -p "$out"
cp "$target/$host/release/reeved" "$target/$gate/release/reeve" "$out/"
# musl has room for the thread-local storage of a program's first thread, 112 bytes; for more it maps memory at each start.
if [ "$gate" = "$musl" ] && command -v readelf >/dev/null; then
  storage=$(readelf -lW "$out/reeve" | awk '$1 == "TLS" { print $6 }')
  if [ $((storage)) -gt 112 ]; then
    echo "build_static.sh: the gate has $((storage)) bytes of thread-local storage; beyond 112 each call maps memory for it" >&2
    exit 1
  fi
fi
echo "$out"
