#!/usr/bin/env python3
"""Plants what read_exposition.py must notice: a check that never fails proves nothing."""

import sys

from read_exposition import problems

FINE = """\
# HELP redial_calls_total Calls.
# TYPE redial_calls_total counter
redial_calls_total{result="OK"} 3
# HELP redial_call_duration_seconds Durations.
# TYPE redial_call_duration_seconds histogram
redial_call_duration_seconds_count 2
redial_call_duration_seconds_sum 0.5
redial_call_duration_seconds_bucket{le="0.1"} 1
redial_call_duration_seconds_bucket{le="+Inf"} 2
"""
PLANTED = [
    ('redial_calls_total{result="OK"} 3\n', 'redial_calls_total{result="OK"} 3\n' * 2, "is there 2 times"),
    ("# TYPE redial_calls_total counter", "# TYPE redial_calls_total gauge", "ends like another type's"),
    ("redial_calls_total", "redial_calls", "doesn't end in _total"),
    ('{le="0.1"} 1', '{le="0.1"} 3', "aren't cumulative"),
    ('{le="+Inf"} 2', '{le="+Inf"} 4', "isn't the count"),
    ("redial_call_duration_seconds_sum 0.5\n", "", "has no sum"),
    ("# HELP redial_calls_total Calls.\n", "", "no help text"),
    ("_seconds", "_ms", "base unit"),
    ("redial_calls", "redial__Calls", "lower case"),
    ("} 3", "} -3", "is -3"),
]


def main():
    failed = []
    if list(problems(FINE)):
        failed.append(f"complains of nothing: {list(problems(FINE))}")
    for before, after, expected in PLANTED:
        assert before in FINE, before
        found = list(problems(FINE.replace(before, after)))
        if not any(expected in problem for problem in found):
            failed.append(f"{after!r} in place of {before!r} wasn't noticed: {found}")
    print("\n".join(failed + [f"{len(PLANTED)} planted, {len(failed)} unnoticed"]))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
