#!/usr/bin/env python3
"""The table of what the conformance suite asserts.

    conformance.py                  writes docs/conformance.md from the comments in the suite
    conformance.py --check PROGRAM  the table is up to date, each behaviour has its source, and
                                    PROGRAM runs every one of them in every world, once

A behaviour is written as tests/conformance/body.h shows: a comment that ends with "Source: ...",
then CONFORM(Topic, Behaviour).
"""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
SUITE = ROOT / "tests/conformance"
TABLE = ROOT / "docs/conformance.md"
WORLDS = ("threads", "fibers", "simulation")
LEAST = 120
CONFORM = re.compile(r"((?:^//.*\n)*)^CONFORM\((\w+), (\w+)\)", re.MULTILINE)

PAGE = """\
# What holds in every world

The same code runs on threads, on fibers and in simulation, and so do the tests that say what it does: each of these
{count} behaviours is written down once, in `tests/conformance`, and runs in every world. The kernel's are real
sockets on loopback; the simulation's are its own, in virtual time. What ends by a limit never ends early; in the
simulation it ends at that very instant.

    ctest --preset dev -L conformance              # all
    ctest --preset dev -R 'Reading.*/simulation'   # one topic in one world

The sources are where the question was asked first, or where the answer was found: others' tests, standards, manual
pages, measurements. Where none is named, it is a promise of redial's own. This page is made from the comments in the
suite by `python3 tools/dev/conformance.py`; a test compares the two.
"""


class Problem(Exception):
    pass


def behaviours():
    """Topic -> [(behaviour, source)], in the order of files and lines."""
    found = {}
    for path in sorted(SUITE.glob("*_test.cc")):
        for comment, topic, behaviour in CONFORM.findall(path.read_text(encoding="utf-8")):
            text = " ".join(line[2:].strip() for line in comment.splitlines())
            if "Source: " not in text:
                raise Problem(f"{path.name}: {topic}.{behaviour} names no source")
            source = text.split("Source: ", 1)[1].strip().rstrip(".").replace("|", "\\|")
            found.setdefault(topic, []).append((behaviour, source))
    for topic, rows in found.items():
        names = [behaviour for behaviour, _ in rows]
        for name in names:
            if names.count(name) > 1:
                raise Problem(f"{topic}.{name} is there twice")
    return found


def page(found):
    parts = [PAGE.format(count=sum(map(len, found.values())))]
    for topic, rows in found.items():
        parts.append(f"\n## {topic}\n\n| behaviour | source |\n|---|---|\n")
        parts += [f"| `{behaviour}` | {source} |\n" for behaviour, source in rows]
    return "".join(parts)


def listed(program):
    """The suite's tests as the program has them."""
    out = subprocess.run([program, "--gtest_list_tests"], check=True, capture_output=True, text=True)
    topic, tests = "", []
    for line in out.stdout.splitlines():
        if line.startswith("  "):
            name = line.split("#")[0].strip()
            if "/" in name and "/" not in topic:
                tests.append(topic + name)
        else:
            topic = line.split("#")[0].strip()
    return tests


def check(program):
    found = behaviours()
    if not TABLE.exists() or TABLE.read_text(encoding="utf-8") != page(found):
        raise Problem(f"{TABLE.name} is out of date: python3 tools/dev/conformance.py")
    expected = {
        f"{topic}.{behaviour}/{world}"
        for topic, rows in found.items()
        for behaviour, _ in rows
        for world in WORLDS
    }
    tests = listed(program)
    for name in sorted(expected.symmetric_difference(tests)):
        raise Problem(f"{name} is {'not run' if name in expected else 'not in the table'}")
    if len(tests) != len(expected):
        raise Problem("a behaviour runs twice in one world")
    count = len(expected) // len(WORLDS)
    if count < LEAST:
        raise Problem(f"{count} behaviours; at least {LEAST} are wanted")
    print(f"{count} behaviours, each in {len(WORLDS)} worlds")


def main(arguments):
    try:
        if arguments[:1] == ["--check"] and len(arguments) == 2:
            check(arguments[1])
        elif not arguments:
            TABLE.write_text(page(behaviours()), encoding="utf-8")
        else:
            print(__doc__, file=sys.stderr)
            return 2
    except Problem as problem:
        print(f"conformance: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
