#!/bin/bash
# Makes the deb and the rpm, in target/packages/. They run on glibc 2.28 and Linux 4.18, and later: RHEL 8, Debian 10,
# Ubuntu 20.04. Cargo's tools that are missing are installed; a linker for the old glibc comes from PyPI, into target/.
set -euo pipefail
cd "$(dirname "$0")/.."

OLDEST_GLIBC=$(sed -n 's/^depends = "libc6 (>= \([0-9.]*\)).*/\1/p' Cargo.toml)
readonly OLDEST_GLIBC
readonly OUT=target/packaging
readonly PACKAGES=target/packages

step() { printf '\n== %s\n' "$*"; }
die() {
    printf '%s\n' "packaging/build.sh: $*" >&2
    exit 1
}

install_tools() {
    local tool
    for tool in cargo-deb cargo-generate-rpm cargo-zigbuild; do
        command -v "$tool" >/dev/null || cargo install --locked "$tool"
    done
    if [ ! -x "$OUT/zig/bin/python" ]; then
        python3 -m venv "$OUT/zig"
        "$OUT/zig/bin/python" -m pip install --quiet ziglang
    fi
    # cargo-zigbuild asks this Python for its compiler.
    PATH="$PWD/$OUT/zig/bin:$PATH"
}

build() {
    local target
    target="$(uname -m)-unknown-linux-gnu"
    cargo zigbuild --locked --release --target "$target.$OLDEST_GLIBC"
    cp "target/$target/release/zk-supervise" "$OUT/"
}

# The newest version of glibc that a binary asks for.
newest_glibc() {
    objdump -T "$1" | grep -o 'GLIBC_[0-9.]*' | sed s/GLIBC_// | sort -Vu | tail -1
}

check_glibc() {
    local needed
    needed=$(newest_glibc "$OUT/zk-supervise")
    [ "$(printf '%s\n' "$needed" "$OLDEST_GLIBC" | sort -V | tail -1)" = "$OLDEST_GLIBC" ] ||
        die "the binary needs glibc $needed, and $OLDEST_GLIBC is promised"
    echo "it needs glibc $needed"
}

make_pages() {
    cargo run --locked --quiet --example pages -- "$OUT/pages"
    gzip -9nkf "$OUT"/pages/*.[15]
}

version() {
    cargo metadata --locked --no-deps --format-version 1 |
        python3 -c 'import json, sys; print(json.load(sys.stdin)["packages"][0]["version"])'
}

# debian/copyright in its machine-readable form, from LICENSE.
make_copyright() {
    local holder
    holder=$(sed -n 's/^Copyright (c) //p' LICENSE)
    cat <<END
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: zk-supervise

Files: *
Copyright: $holder
License: Expat
$(sed '1,/^Copyright/d' LICENSE | sed '/./,$!d' | sed 's/^$/./; s/^/ /')
END
}

main() {
    mkdir -p "$OUT" "$PACKAGES"
    step "tools"
    install_tools
    step "binary"
    build
    check_glibc
    step "pages"
    make_pages
    make_copyright >"$OUT/copyright"
    python3 packaging/changelog.py "$(version)" >"$OUT/changelog"
    step "packages"
    cargo deb --locked --no-build --no-strip --output "$PACKAGES/"
    # RHEL 8 may not read what is the default here.
    cargo generate-rpm --payload-compress xz --output "$PACKAGES/"
    ls -l "$PACKAGES"
}

main
