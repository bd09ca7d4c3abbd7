#!/usr/bin/env python3
"""Reads an exposition with Prometheus's own parser and holds it to Prometheus's conventions.

    read_exposition.py PROGRAM PAGE

Runs PROGRAM, which prints the exposition. Beside what makes the parser give up: no series twice, no
family twice, a help text for each, counters and only they end in _total, histograms are cumulative and
end with +Inf, durations are in seconds; and the tables of PAGE name every family of redial's with its
type, and no other.
Prints each problem as a sentence, and exits with 1 where there is one.
"""

import collections
import pathlib
import re
import subprocess
import sys

from prometheus_client.parser import text_string_to_metric_families

NAME = re.compile(r"redial(_[a-z0-9]+)+")
OTHER_UNITS = re.compile(r"_(ms|us|ns|millis|milliseconds|microseconds|nanoseconds|minutes|percent|kb)(_|$)")


def histogram_problems(family):
    series = collections.defaultdict(dict)
    for sample in family.samples:
        labels = {name: value for name, value in sample.labels.items() if name != "le"}
        part = sample.name.removeprefix(family.name)
        if part == "_bucket":
            series[tuple(sorted(labels.items()))].setdefault("buckets", []).append(
                (float(sample.labels["le"]), sample.value))
        else:
            series[tuple(sorted(labels.items()))][part] = sample.value
    for labels, parts in series.items():
        buckets = parts.get("buckets", [])
        where = f"{family.name}{dict(labels)}"
        if buckets != sorted(buckets) or [n for _, n in buckets] != sorted(n for _, n in buckets):
            yield f"{where}: the buckets aren't cumulative"
        if not buckets or buckets[-1] != (float("inf"), parts.get("_count")):
            yield f"{where}: the bucket of +Inf isn't the count"
        if "_sum" not in parts:
            yield f"{where} has no sum"


def problems(text):
    """What is wrong with the exposition, a sentence each."""
    declared = collections.Counter(re.findall(r"^# TYPE (\S+)", text, re.MULTILINE))
    for name, times in declared.items():
        if times > 1:
            yield f"{name} is declared {times} times"
    seen = collections.Counter()
    for family in text_string_to_metric_families(text):
        # The parser takes _total off a counter's name.
        if not NAME.fullmatch(family.name):
            yield f"{family.name} isn't a name of redial's: lower case, words apart"
        if OTHER_UNITS.search(family.name):
            yield f"{family.name} isn't in a base unit"
        if not family.documentation.endswith("."):
            yield f"{family.name} has no help text, or no sentence"
        if family.type == "counter" and f"{family.name}_total" not in declared:
            yield f"{family.name} is a counter that doesn't end in _total"
        if family.type != "counter" and re.search(r"_(total|count|sum|bucket)$", family.name):
            yield f"{family.name} is a {family.type} whose name ends like another type's"
        if family.type == "histogram":
            yield from histogram_problems(family)
        for sample in family.samples:
            seen[sample.name, tuple(sorted(sample.labels.items()))] += 1
            if family.type == "counter" and not sample.value >= 0:
                yield f"{sample.name} is {sample.value}"
    for (name, labels), times in seen.items():
        if times > 1:
            yield f"{name}{dict(labels)} is there {times} times"


def documented(page):
    """The types of the families that the page's tables name. `…_x_total` has its beginning from the name before."""
    types = {}
    for names, kind in re.findall(r"^\| (`redial_[^|]*) \| (\w+) \|", page, re.MULTILINE):
        words = []
        for name in re.findall(r"`([^`]+)`", names):
            ending = name.removeprefix("…_").split("_")
            words = words[:-len(ending)] + ending if name.startswith("…") else ending
            types["_".join(words)] = kind
    return types


def undocumented(text, page):
    """Where the exposition and the page differ, a sentence each."""
    types = documented(page)
    exposed = dict(re.findall(r"^# TYPE (\S+) (\S+)", text, re.MULTILINE))
    for name, kind in exposed.items():
        if name.startswith("redial_9_lives"):
            continue
        if name not in types:
            yield f"{name} isn't documented"
        elif types[name] != kind:
            yield f"{name} is a {kind}, documented as a {types[name]}"
    for name in types:
        if name not in exposed:
            yield f"{name} is documented, and isn't there"


def main(program, page):
    text = subprocess.run([program], check=True, capture_output=True, text=True).stdout
    found = list(problems(text)) + list(undocumented(text, pathlib.Path(page).read_text(encoding="utf-8")))
    if text.count("\n") < 100:
        found.append("the exposition is too short to show anything")
    print("\n".join(found + [f"{len(text.splitlines())} lines, {len(found)} problems"]))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
