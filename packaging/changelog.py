#!/usr/bin/env python3
"""Prints CHANGELOG.md as Debian has it (deb-changelog(5)). What is not released yet is the version that is named."""

import re
import subprocess
import sys
from datetime import datetime, timezone
from email.utils import format_datetime
from pathlib import Path
from textwrap import wrap

ROOT = Path(__file__).resolve().parent.parent
HEADING = re.compile(r"^## \[(?P<version>[^\]]+)\](?: - (?P<date>\d{4}-\d\d-\d\d))?$")


def maintainer() -> str:
    return re.search(r'^maintainer = "(.*)"$', (ROOT / "Cargo.toml").read_text(), re.MULTILINE).group(1)


def last_commit() -> datetime:
    command = ["git", "-C", str(ROOT), "log", "-1", "--format=%ct"]
    seconds = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return datetime.fromtimestamp(int(seconds), timezone.utc)


def items(body: str) -> list[str]:
    """The bullets, each on one line."""
    return [" ".join(item.replace("`", "").split()) for item in re.split(r"^- ", body, flags=re.MULTILINE)[1:]]


def entry(heading: re.Match[str], body: str, current: str) -> str:
    date = heading["date"]
    version = current if heading["version"] == "Unreleased" else heading["version"]
    when = datetime.fromisoformat(date).replace(tzinfo=timezone.utc) if date else last_commit()
    # Headings of the next kind of change are no part of an item.
    bullets = ["\n".join(wrap(item.split(" ### ")[0], 76, initial_indent="  * ", subsequent_indent="    ")) for item in items(body)]
    lines = "\n".join(bullets)
    return f"zk-supervise ({version}) stable; urgency=medium\n\n{lines}\n\n -- {maintainer()}  {format_datetime(when)}\n"


def main() -> None:
    parts = re.split(r"^(?=## \[)", (ROOT / "CHANGELOG.md").read_text(), flags=re.MULTILINE)[1:]
    entries = []
    for part in parts:
        first, _, body = part.partition("\n")
        if heading := HEADING.match(first):
            entries.append(entry(heading, body, sys.argv[1]))
    print("\n".join(entries), end="")


if __name__ == "__main__":
    main()
