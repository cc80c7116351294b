#!/bin/bash
# All that must hold before a change lands: format, lints, docs, licences, scripts, and every test against real
# servers. As root on a fresh Debian or Ubuntu it installs what is missing; elsewhere it says what is.
# Arguments go to the tests: `tests/run.sh standby` runs those with "standby" in their name.
set -euo pipefail
cd "$(dirname "$0")/.."
exec </dev/null

# A directory of our own, so that whatever a failed test leaves goes with it. Kept where a test failed: the logs.
scratch=$(mktemp -d)
# Some tests run a supervisor as nobody, who must get to its files.
chmod 755 "$scratch"
trap 'rm -rf "$scratch"' EXIT

step() { printf '\n== %s\n' "$*"; }
die() {
    printf '%s\n' "tests/run.sh: $*" >&2
    exit 1
}

# The Debian packages for which no file or command is there yet.
missing_packages() {
    command -v cc >/dev/null || echo build-essential
    command -v java >/dev/null || echo default-jre-headless
    command -v ip >/dev/null || echo iproute2
    command -v nsenter >/dev/null || echo util-linux
    command -v python3 >/dev/null || echo python3
    command -v shellcheck >/dev/null || echo shellcheck
    command -v chromium >/dev/null || echo chromium
    command -v debootstrap >/dev/null || echo debootstrap
    [ -n "${ZOOKEEPER_HOME:-}" ] || [ -e /usr/share/java/zookeeper.jar ] || echo zookeeper
}

install_packages() {
    local packages
    mapfile -t packages < <(missing_packages)
    [ ${#packages[@]} -gt 0 ] || return 0
    echo "installing ${packages[*]}"
    command -v apt-get >/dev/null || die "please install: ${packages[*]} (or set ZOOKEEPER_HOME)"
    [ "$(id -u)" = 0 ] || die "please run: sudo apt-get install ${packages[*]}"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq || echo "the package lists could not be brought up to date; trying with those there are"
    if ! apt-get install -y -qq --no-install-recommends "${packages[@]}" >"$scratch/apt" 2>&1; then
        cat "$scratch/apt"
        # All but these is needed, and where one package cannot be had, none was installed.
        mapfile -t packages < <(missing_packages | grep -vxE 'shellcheck|chromium|debootstrap')
        [ ${#packages[@]} = 0 ] || apt-get install -y -qq --no-install-recommends "${packages[@]}" ||
            die "apt-get could not install ${packages[*]}"
    fi
}

install_rust() {
    # A shell that is no login shell may not know where rustup put it.
    [ ! -d "$HOME/.cargo/bin" ] || PATH="$HOME/.cargo/bin:$PATH"
    command -v cargo >/dev/null || die "no Rust here: install it from https://rustup.rs"
    cargo fmt --version >/dev/null 2>&1 || rustup component add rustfmt
    cargo clippy --version >/dev/null 2>&1 || rustup component add clippy
}

check_scripts() {
    local scripts
    mapfile -t scripts < <(find . \( -name target -o -name .git \) -prune -o \( -name '*.sh' -o -path ./.ci/run \) -print)
    if command -v shellcheck >/dev/null; then
        shellcheck "${scripts[@]}"
        echo "${#scripts[@]} scripts are clean"
    else
        for script in "${scripts[@]}"; do bash -n "$script"; done
        echo "no shellcheck here; ${#scripts[@]} scripts parse"
    fi
}

check_licences() {
    cargo metadata --locked --format-version 1 --filter-platform "$(rustc -vV | sed -n 's/^host: //p')" |
        python3 tests/licences.py
}

# The sum of a field ("passed") over all the results of cargo test.
total() {
    awk -v field="$1;" '/^test result:/ { for (i = 2; i <= NF; i++) if ($i == field) sum += $(i - 1) } END { print sum + 0 }' \
        "$scratch/log"
}

run_tests() {
    local status=0 passed failed skipped
    mkdir "$scratch/tmp"
    TMPDIR="$scratch/tmp" cargo test --locked --no-fail-fast -- "$@" 2>&1 | tee "$scratch/log" || status=$?
    passed=$(total passed) failed=$(total failed)
    # A test that finds it cannot prove anything on this machine says so, and counts as neither.
    skipped=$(grep -c '^skipped: ' "$scratch/log" || true)
    passed=$((passed - skipped)) skipped=$((skipped + $(total ignored)))
    if [ "$status" != 0 ]; then
        trap - EXIT
        echo
        echo "the logs of the tests that failed are below $scratch/tmp"
        # It may not have come as far as a result: say that something failed all the same.
        [ "$failed" -gt 0 ] || failed=1
    fi
    echo
    if [ "$skipped" -gt 0 ]; then
        echo "$passed passed, $failed failed, $skipped skipped"
    else
        echo "$passed passed, $failed failed"
    fi
    return "$status"
}

step "what is needed"
install_packages
install_rust
cargo --version
step "format"
cargo fmt --check
step "lints"
cargo clippy --locked --all-targets --quiet -- -D warnings
step "docs"
RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --quiet
step "licences"
check_licences
step "scripts"
check_scripts
step "tests"
run_tests "$@"
