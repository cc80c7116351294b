#!/usr/bin/env python3
"""Checks the licence of every crate that is compiled in, from `cargo metadata` on stdin.

A crate passes if its SPDX expression can be met with the licences below alone.
"""

import json
import re
import sys

# What may be shipped in one binary under our own licence, MIT, by naming the authors and no more.
ALLOWED = {
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
}


def is_met(expression: str) -> bool:
    """Whether an SPDX expression holds; `/` is what crates wrote for OR before 2018."""
    tokens = re.findall(r"\(|\)|/|[\w.+-]+(?:\s+WITH\s+[\w.+-]+)?", expression)
    words = {"(": "(", ")": ")", "/": "or", "OR": "or", "AND": "and"}
    python = [words.get(token, str(" ".join(token.split()) in ALLOWED)) for token in tokens]
    try:
        return bool(eval(" ".join(python)))  # nothing but parentheses, `and`, `or`, True and False
    except SyntaxError:
        return False


def main() -> int:
    metadata = json.load(sys.stdin)
    used = {node["id"] for node in metadata["resolve"]["nodes"]}
    packages = [package for package in metadata["packages"] if package["id"] in used]
    refused = [
        f"  {package['name']} {package['version']}: {package.get('license') or 'no licence named'}"
        for package in packages
        if not is_met(package.get("license") or "")
    ]
    if refused:
        print("crates whose licence is not in tests/licences.py:", *sorted(refused), sep="\n")
        return 1
    print(f"{len(packages)} crates, all under licences that may be shipped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
