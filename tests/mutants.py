#!/usr/bin/env python3
"""Which change of a decision would no test notice?

cargo-mutants knows every small change of `core`. To build each by itself takes a quarter of an hour, so all of them are
built into one binary here, in which a variable of the environment chooses one. The tables of `core`, and then its
hostile world, must notice each: two minutes. tests/mutants.txt lists those that they need not notice, with the reasons.

The guardian's mutants are judged likewise, but by tests of tests/cluster: the whole supervisor runs against real
servers, which takes root, a machine that does nothing else, and three quarters of an hour.

Prints each mutant that survives and is not listed (+), and each listed one that does not survive (-); exits 1 if there
are any. Arguments are files or directories, as in `tests/mutants.py src/core/guard.rs` or
`tests/mutants.py src/guardian`: only their mutants are judged. Without any, `core` is.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
LIST = ROOT / "tests/mutants.txt"
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
"""
# Read once, and first by the guardian while it may still use the heap: `prepare` has mutants.
CHOICE = """
#[allow(missing_docs)]
pub fn mutant() -> usize {
    static CHOSEN: std::sync::OnceLock<usize> = std::sync::OnceLock::new();
    *CHOSEN.get_or_init(|| std::env::var("MUTANT").map_or(0, |text| text.parse().unwrap()))
}
"""
# Seconds of processor time; the longest stage needs a tenth. A mutant that loops without an end is noticed by this.
LIMIT = 300
# Microseconds without a wait, for a guardian that nothing else on its processor can interrupt.
LIMIT_REALTIME = 500_000

# What a package is made of.
DIRECTORIES = ["src", "tests", "examples", "packaging"]

# What prlimit exits with where it finds no such file, or may not execute it.
CANNOT_RUN = {126, 127}


class Stage(NamedTuple):
    """Tests that are run together, for what the stages before let live."""

    tests: list[str]
    environment: dict[str, str]
    # Which binary they are in: the library's, or one of tests/.
    binary: str
    # Seconds that they may take, where a test can wait for what a mutant never does: five times what they need.
    patience: int | None


class Subject(NamedTuple):
    """Sources whose mutants are built and judged together."""

    sources: str
    # Below target/, so that the next run finds what is built already.
    crate: Path
    copy: Callable[[Path], None]
    # What to build: the tests, and what they start besides.
    target: list[str]
    beside: list[str]
    stages: list[Stage]


def copy_core(crate: Path) -> None:
    shutil.copytree(ROOT / "src/core", crate / "src/core")
    (crate / "Cargo.toml").write_text(MANIFEST)
    (crate / "src/lib.rs").write_text(LIBRARY + CHOICE)


def copy_package(crate: Path) -> None:
    for directory in DIRECTORIES:
        shutil.copytree(ROOT / directory, crate / directory)
    shutil.copy(ROOT / "Cargo.lock", crate)
    # Mutants are not clean; and this package is no part of the one around it.
    manifest = (ROOT / "Cargo.toml").read_text().replace('"deny"', '"allow"')
    (crate / "Cargo.toml").write_text(manifest + "\n[workspace]\n")
    library = (ROOT / "src/lib.rs").read_text()
    (crate / "src/lib.rs").write_text("#![allow(warnings)]\n" + library + CHOICE)


CORE = Subject(
    "src/core",
    ROOT / "target/mutants/core",
    copy_core,
    ["--lib"],
    [],
    [
        Stage(["--skip", "world"], {}, "lib", None),
        Stage(["world"], {"ZK_SUPERVISE_WORLD_SEEDS": "10"}, "lib", None),
        Stage(["world"], {"ZK_SUPERVISE_WORLD_SEEDS": "1000"}, "lib", None),
    ],
)
# They wait more than they work, but too many at once would fail for want of a processor.
TOGETHER = {"RUST_TEST_THREADS": "6"}
# First what needs few seconds, and notices most.
GUARDIAN = Subject(
    "src/guardian",
    ROOT / "target/mutants/guardian",
    copy_package,
    ["--lib", "--test", "cluster"],
    ["--example", "witness"],
    [
        Stage(["guardian::"], {}, "lib", 30),
        Stage(
            [
                "--exact",
                "child::the_child_inherits_nothing_of_the_supervisor_but_its_outputs",
                "child::the_child_runs_where_and_with_what_the_file_says",
                "loss::a_second_signal_ends_the_grace_period",
            ],
            TOGETHER,
            "cluster",
            30,
        ),
        Stage(
            [
                "--exact",
                "alarm::a_tree_that_cannot_be_killed_delays_the_release_and_raises_the_alarm",
                "alarm::what_is_killed_after_its_lease_is_no_alarm_yet",
                "loss::a_child_that_needs_its_grace_period_gets_it_and_the_supervisor_exits_0",
                "loss::no_descendant_outlives_the_supervisor_whatever_it_did",
                "processes::signals_that_have_no_meaning_are_said_and_ignored",
                "reload::a_child_from_before_is_neither_killed_nor_waited_for",
                "reload::a_file_that_was_changed_is_taken_over_and_the_command_does_not_notice",
                "reload::a_newer_program_is_tried_before_it_takes_over",
                "service::the_service_manager_is_told_how_things_are",
                "service::a_term_of_a_supervisor_that_was_killed_as_a_whole_is_given_back",
                "processes::an_elector_that_is_killed_again_and_again_is_replaced_and_the_child_does_not_notice",
                "processes::an_elector_that_is_stopped_is_replaced_within_the_lease",
                "startup::a_child_that_is_killed_is_started_again_in_its_term",
                "startup::a_host_that_allows_too_few_descriptors_is_refused_with_what_to_do",
            ],
            TOGETHER,
            "cluster",
            90,
        ),
        Stage(
            [
                "--exact",
                "loss::a_master_in_a_black_hole_stops_its_tree_by_itself_in_time",
                "processes::a_guardian_that_is_killed_takes_its_tree_along_and_the_term_is_released",
                "processes::a_guardian_that_is_stopped_is_killed_by_its_elector_and_the_term_is_released",
                "processes::an_unprivileged_supervisor_ends_its_tree_and_vouches_only_for_what_it_sees",
                "processes::what_an_earlier_supervisor_left_is_said_and_killed_before_any_campaign",
                "processes::without_any_elector_the_guardian_stops_the_child_within_the_lease",
            ],
            TOGETHER,
            "cluster",
            180,
        ),
    ],
)
# Of the guardian's sources this one holds the lines of its log only: the tests name those that matter.
EXCLUDED = "src/guardian/story.rs"


def install() -> None:
    if shutil.which("cargo-mutants") is None:
        subprocess.run(["cargo", "install", "cargo-mutants", "--locked"], check=True)


def make_crate(subject: Subject) -> None:
    for directory in DIRECTORIES:
        shutil.rmtree(subject.crate / directory, ignore_errors=True)
    subject.crate.mkdir(parents=True, exist_ok=True)
    subject.copy(subject.crate)


def all_mutants(subject: Subject, files: list[str]) -> list[dict]:
    """What cargo-mutants would do; each gets a number from 1."""
    make_crate(subject)
    wanted = [f"--file={file}/**" if (ROOT / file).is_dir() else f"--file={file}" for file in files]
    command = ["cargo", "mutants", "--list", "--json", "--dir", subject.crate, f"--exclude={EXCLUDED}", *wanted]
    listing = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    # A constant has no body in which one of several could be chosen.
    inside = [mutant for mutant in json.loads(listing.stdout) if mutant["function"]]
    return [mutant | {"number": number} for number, mutant in enumerate(inside, 1)]


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


def write_sources(subject: Subject, mutants: list[dict]) -> None:
    make_crate(subject)
    for file in {mutant["file"] for mutant in mutants}:
        text = (subject.crate / file).read_text()
        functions: dict[tuple[int, int], list[dict]] = {}
        for mutant in (mutant for mutant in mutants if mutant["file"] == file):
            span = mutant["function"]["span"]
            functions.setdefault((place(text, span["start"]), place(text, span["end"])), []).append(mutant)
        result = text
        for (start, end), inside in sorted(functions.items(), reverse=True):
            result = result[:start] + with_mutants(text, start, end, inside) + result[end:]
        (subject.crate / file).write_text(result)


def chosen_at(file: Path, line: int) -> int:
    """The mutant in whose body a line of a written source is; 0 if in none."""
    before = "\n".join(file.read_text().split("\n")[:line])
    return int((re.findall(r"^/\*mutant (\d+)\*/", before, re.MULTILINE) or [0])[-1])


def blamed(subject: Subject, messages: list[dict]) -> set[int]:
    """The mutants that the compiler's errors are about."""
    texts = [message["message"] for message in messages if message["reason"] == "compiler-message"]
    spans = [span for text in texts if text["level"] == "error" for span in text["spans"] if span["is_primary"]]
    return {chosen_at(subject.crate / span["file_name"], span["line_start"]) for span in spans} - {0}


def name_of(target: dict) -> str:
    return "lib" if "lib" in target["kind"] else target["name"]


def build(subject: Subject, mutants: list[dict]) -> tuple[dict[str, str], list[dict]]:
    """The binaries of the tests, and the mutants that are in it: a change that does not compile needs no test."""
    while True:
        write_sources(subject, mutants)
        command = ["cargo", "test", *subject.target, "--no-run", "--message-format=json"]
        result = subprocess.run(command, cwd=subject.crate, capture_output=True, text=True)
        messages = [json.loads(line) for line in result.stdout.splitlines()]
        if result.returncode == 0:
            if subject.beside:
                subprocess.run(["cargo", "build", "--quiet", *subject.beside], cwd=subject.crate, check=True)
            tests = [message for message in messages if message.get("profile", {}).get("test")]
            return {name_of(test["target"]): test["executable"] for test in tests}, mutants
        wrong = blamed(subject, messages)
        if not wrong:
            sys.exit(f"the mutants of {subject.sources} do not build together:\n{result.stderr}")
        mutants = [mutant for mutant in mutants if mutant["number"] not in wrong]


def survives(binary: str, number: int, stage: Stage) -> bool:
    """Whether the tests pass. What they start in their process group, and what they write, ends with them."""
    limits = [f"--cpu={LIMIT}", f"--rttime={LIMIT_REALTIME}"]
    with TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        # Some tests run a supervisor as nobody, who must get to its files.
        os.chmod(scratch, 0o755)
        chosen = os.environ | stage.environment | {"MUTANT": str(number), "TMPDIR": scratch}
        command = ["prlimit", *limits, binary, "-q", *stage.tests]
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        tests = subprocess.Popen(command, env=chosen, cwd=scratch, start_new_session=True, **quiet)
        try:
            code = tests.wait(stage.patience)
        except subprocess.TimeoutExpired:
            return False
        finally:
            end_group(tests)
    # What could not be run has noticed nothing.
    if code in CANNOT_RUN or not Path(binary).exists():
        sys.exit(f"{binary} cannot be run")
    return code == 0


def end_group(process: subprocess.Popen) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def judge(subject: Subject, binaries: dict[str, str], mutants: list[dict]) -> list[dict]:
    """Those that no test notices."""
    for stage in subject.stages:
        if not survives(binaries[stage.binary], 0, stage):
            sys.exit(f"these tests fail without a mutant: {binaries[stage.binary]} {' '.join(stage.tests)}")
    for stage in subject.stages:
        binary = binaries[stage.binary]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            fates = pool.map(lambda mutant: survives(binary, mutant["number"], stage), mutants)
            survivors = [mutant for mutant, lives in zip(mutants, fates) if lives]
            # Tests on real servers fail, too, where the mutant beside takes all the processor: again, and alone.
            noticed = [mutant for mutant in mutants if mutant not in survivors] if stage.binary != "lib" else []
            mutants = survivors + [mutant for mutant in noticed if survives(binary, mutant["number"], stage)]
            print(f"{len(mutants)} are left after {stage.tests[-1]}", file=sys.stderr)
    return mutants


def listed(files: list[str]) -> Counter[str]:
    lines = [line for line in LIST.read_text().splitlines() if line and not line.startswith("#")]
    return Counter(line for line in lines if line.startswith(tuple(files)))


def subject_of(files: list[str]) -> Subject:
    for subject in [CORE, GUARDIAN]:
        if all(file.startswith(subject.sources) for file in files):
            return subject
    sys.exit(f"name files below {CORE.sources}, or below {GUARDIAN.sources}")


def main(arguments: list[str]) -> int:
    install()
    files = arguments or [CORE.sources]
    subject = subject_of(files)
    mutants = all_mutants(subject, files)
    if not mutants:
        sys.exit(f"no mutants in {' '.join(files)}")
    binaries, built = build(subject, mutants)
    # Without their places, which move with every edit: two of one name are two lines.
    names = [re.sub(r":\d+:\d+:", ":", mutant["name"], count=1) for mutant in judge(subject, binaries, built)]
    survivors, known = Counter(names), listed(files)
    for sign, news in [("+", survivors - known), ("-", known - survivors)]:
        for name in sorted(news.elements()):
            print(sign, name)
    noticed, without = len(built) - len(names), len(mutants) - len(built)
    print(f"{len(mutants)} mutants: {noticed} are noticed, {len(names)} survive, {without} do not compile")
    if not arguments:
        print(f"{GUARDIAN.sources} needs real servers and three quarters of an hour: tests/mutants.py {GUARDIAN.sources}")
    return 0 if survivors == known else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
