#!/usr/bin/env python3
"""Which change of a decision would no test notice?

cargo-mutants knows every small change of `core`. To build each by itself takes a quarter of an hour, so all of them are
built into one binary here, in which a variable of the environment chooses one. The tables of `core`, and then its
hostile world, must notice each. tests/mutants.txt lists those that they need not notice, with the reasons.

Prints each mutant that survives and is not listed (+), and each listed one that does not survive (-); exits 1 if there
are any. Arguments are files, as in `tests/mutants.py src/core/guard.rs`: only their mutants are judged.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIST = ROOT / "tests/mutants.txt"
# Below target/, so that the next run finds what is built already.
CRATE = ROOT / "target/mutants"
# `core` knows nothing but `std`, so it is a crate of its own here. The world runs six times as fast when optimized.
MANIFEST = """[package]
name = "core-alone"
version = "0.0.0"
edition = "2024"

[profile.test]
debug = false
opt-level = 1

[workspace]
"""
LIBRARY = """#![allow(warnings)]
pub mod core;
pub fn mutant() -> usize {
    static CHOSEN: std::sync::OnceLock<usize> = std::sync::OnceLock::new();
    *CHOSEN.get_or_init(|| std::env::var("MUTANT").map_or(0, |text| text.parse().unwrap()))
}
"""
# One after the other, each for what the one before let live: the tests, and how many worlds.
STAGES = [(["--skip", "world"], 0), (["world"], 10), (["world"], 1000)]
# Seconds of processor time; the longest stage needs a tenth. A mutant that loops without an end is noticed by this.
LIMIT = 300


def install() -> None:
    if shutil.which("cargo-mutants") is None:
        subprocess.run(["cargo", "install", "cargo-mutants", "--locked"], check=True)


def make_crate() -> None:
    shutil.rmtree(CRATE / "src", ignore_errors=True)
    shutil.copytree(ROOT / "src/core", CRATE / "src/core")
    (CRATE / "Cargo.toml").write_text(MANIFEST)
    (CRATE / "src/lib.rs").write_text(LIBRARY)


def all_mutants(files: list[str]) -> list[dict]:
    """What cargo-mutants would do; each gets a number from 1."""
    make_crate()
    wanted = [f"--file={file}" for file in files or ["src/core/**"]]
    command = ["cargo", "mutants", "--list", "--json", "--dir", CRATE, *wanted]
    listing = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    return [mutant | {"number": number} for number, mutant in enumerate(json.loads(listing.stdout), 1)]


def place(text: str, at: dict) -> int:
    """The index into `text` of a line and a column."""
    lines = text.splitlines(keepends=True)
    return sum(map(len, lines[: at["line"] - 1])) + at["column"] - 1


def body_of(text: str, start: int) -> int:
    """Where the body of the function at `start` begins: at the first brace that is in no bracket."""
    depth = 0
    for index in range(text.index("fn ", start), len(text)):
        depth += (text[index] in "([") - (text[index] in ")]")
        if text[index] == "{" and depth == 0:
            return index
    raise ValueError("a function without a body")


def changed(body: str, start: int, end: int, replacement: str) -> str:
    """The body of a function with one change in it; the whole of it may be changed."""
    if (start, end) == (0, len(body)):
        return "{ " + replacement + " }"
    return body[:start] + " " + replacement + " " + body[end:]


def with_mutants(text: str, start: int, end: int, mutants: list[dict]) -> str:
    """A function that is each of its mutants, if that one is chosen, or else itself."""
    begin = body_of(text, start)
    head, body = re.sub(r"\bconst fn", "fn", text[start:begin]), text[begin:end]
    # Each arm of an `impl Trait` would be another type.
    boxed = re.sub(r"-> impl (.*) $", r"-> Box<dyn \1 + '_> ", head)
    arm = "{}" if boxed == head else "Box::new({})"
    lines = [boxed + "{ match crate::mutant() {"]
    for mutant in mutants:
        edges = (place(text, mutant["span"][edge]) - begin for edge in ("start", "end"))
        mutated = arm.format(changed(body, *edges, mutant["replacement"]))
        lines.append(f"/*mutant {mutant['number']}*/ {mutant['number']} => {mutated},")
    return "\n".join([*lines, f"/*mutant 0*/ _ => {arm.format(body)} }}}}"])


def write_sources(mutants: list[dict]) -> None:
    make_crate()
    for file in {mutant["file"] for mutant in mutants}:
        text = (CRATE / file).read_text()
        functions: dict[tuple[int, int], list[dict]] = {}
        for mutant in (mutant for mutant in mutants if mutant["file"] == file):
            span = mutant["function"]["span"]
            functions.setdefault((place(text, span["start"]), place(text, span["end"])), []).append(mutant)
        result = text
        for (start, end), inside in sorted(functions.items(), reverse=True):
            result = result[:start] + with_mutants(text, start, end, inside) + result[end:]
        (CRATE / file).write_text(result)


def chosen_at(file: str, line: int) -> int:
    """The mutant in whose body a line of a written source is; 0 if in none."""
    before = "\n".join((CRATE / file).read_text().split("\n")[:line])
    return int((re.findall(r"^/\*mutant (\d+)\*/", before, re.MULTILINE) or [0])[-1])


def blamed(messages: list[dict]) -> set[int]:
    """The mutants that the compiler's errors are about."""
    texts = [message["message"] for message in messages if message["reason"] == "compiler-message"]
    spans = [span for text in texts if text["level"] == "error" for span in text["spans"] if span["is_primary"]]
    return {chosen_at(span["file_name"], span["line_start"]) for span in spans} - {0}


def build(mutants: list[dict]) -> tuple[str, list[dict]]:
    """The binary of the tests, and the mutants that are in it: a change that does not compile needs no test."""
    while True:
        write_sources(mutants)
        command = ["cargo", "test", "--lib", "--no-run", "--message-format=json"]
        result = subprocess.run(command, cwd=CRATE, capture_output=True, text=True)
        messages = [json.loads(line) for line in result.stdout.splitlines()]
        if result.returncode == 0:
            return next(filter(None, (message.get("executable") for message in messages))), mutants
        wrong = blamed(messages)
        if not wrong:
            sys.exit(f"the mutants of `core` do not build together:\n{result.stderr}")
        mutants = [mutant for mutant in mutants if mutant["number"] not in wrong]


def survives(binary: str, number: int, tests: list[str], worlds: int) -> bool:
    chosen = os.environ | {"MUTANT": str(number), "ZK_SUPERVISE_WORLD_SEEDS": str(worlds)}
    limited = ["sh", "-c", f'ulimit -t {LIMIT}; exec "$@"', "sh", binary, "-q", *tests]
    return subprocess.run(limited, env=chosen, capture_output=True).returncode == 0


def judge(binary: str, mutants: list[dict]) -> list[dict]:
    """Those that no test notices."""
    for tests, worlds in STAGES:
        if mutants and not survives(binary, 0, tests, worlds):
            sys.exit(f"the tests of `core` fail without a mutant: {binary} {' '.join(tests)}")
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            fates = pool.map(lambda mutant: survives(binary, mutant["number"], tests, worlds), mutants)
            mutants = [mutant for mutant, lives in zip(mutants, fates) if lives]
    return mutants


def listed(files: list[str]) -> Counter[str]:
    lines = [line for line in LIST.read_text().splitlines() if line and not line.startswith("#")]
    return Counter(line for line in lines if not files or line.startswith(tuple(files)))


def main(files: list[str]) -> int:
    install()
    mutants = all_mutants(files)
    if not mutants:
        sys.exit(f"no mutants in {' '.join(files)}: name files below src/core")
    binary, built = build(mutants)
    # Without their places, which move with every edit: two of one name are two lines.
    names = [re.sub(r":\d+:\d+:", ":", mutant["name"], count=1) for mutant in judge(binary, built)]
    survivors, known = Counter(names), listed(files)
    for sign, news in [("+", survivors - known), ("-", known - survivors)]:
        for name in sorted(news.elements()):
            print(sign, name)
    noticed, without = len(built) - len(names), len(mutants) - len(built)
    print(f"{len(mutants)} mutants: {noticed} are noticed, {len(names)} survive, {without} do not compile")
    return 0 if survivors == known else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
