#!/usr/bin/env python3
"""Plants what read_exposition.py must notice: a check that never fails proves nothing."""

import sys

from read_exposition import problems, undocumented

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
PAGE = """\
| name | type | meaning |
|---|---|---|
| `redial_calls_total` | counter | calls |
| `redial_call_duration_seconds` | histogram | durations |
| `redial_chaos_delays_total`, `…_errors_total` | counter | faults |
| `redial_chaos_enabled` | gauge | 1 while it is on |
"""
DOCUMENTED = FINE + """\
# TYPE redial_chaos_delays_total counter
# TYPE redial_chaos_errors_total counter
# TYPE redial_chaos_enabled gauge
"""
PLANTED_IN_PAGE = [
    ("`redial_chaos_enabled`", "`redial_chaos_on`", "redial_chaos_enabled isn't documented"),
    ("`redial_chaos_enabled`", "`redial_chaos_on`", "redial_chaos_on is documented, and isn't there"),
    ("…_errors_total", "…_stalls_total", "redial_chaos_errors_total isn't documented"),
    ("| gauge |", "| counter |", "is a gauge, documented as a counter"),
    ("| `redial_calls_total`", "`redial_calls_total`", "redial_calls_total isn't documented"),
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
    if list(undocumented(DOCUMENTED, PAGE)):
        failed.append(f"finds this undocumented: {list(undocumented(DOCUMENTED, PAGE))}")
    for before, after, expected in PLANTED_IN_PAGE:
        assert before in PAGE, before
        found = list(undocumented(DOCUMENTED, PAGE.replace(before, after)))
        if not any(expected in problem for problem in found):
            failed.append(f"{after!r} in place of {before!r} wasn't noticed: {found}")
    planted = len(PLANTED) + len(PLANTED_IN_PAGE)
    print("\n".join(failed + [f"{planted} planted, {len(failed)} unnoticed"]))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
