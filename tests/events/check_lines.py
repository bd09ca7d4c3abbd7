#!/usr/bin/env python3
"""Holds the lines of ToLines to their schema, and the schema to the lines.

    check_lines.py SCHEMA PROGRAM

Runs PROGRAM, which prints lines of every kind. Each must fit; and since a schema that allows too much
fits everything, each event, field and name in it must occur among the lines, no line may have a field that
it doesn't list, and lines that were spoilt on purpose must not fit. Prints each problem, and exits with
1 where there is one.
"""

import copy
import json
import pathlib
import subprocess
import sys

import jsonschema


def strict(schema):
    """The same, without room for fields that it doesn't list."""
    schema = copy.deepcopy(schema)
    for event in schema["properties"]["event"]["enum"]:
        fields = schema["$defs"][event]["properties"]
        schema["$defs"][event]["properties"] = {**schema["properties"], **fields}
        schema["$defs"][event]["additionalProperties"] = False
    schema["$defs"]["tried"]["additionalProperties"] = False
    return schema


def validator(schema):
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def names(schema):
    """The names that the schema allows, each with the field it is for."""
    names = {("event", name) for name in schema["properties"]["event"]["enum"]}
    for field in ("kind", "code", "reason"):
        names |= {(field, name) for name in schema["$defs"][field]["enum"]}
    for field in ("phase", "sent"):
        names |= {(field, name) for name in schema["$defs"]["attempt_ended"]["properties"][field]["enum"]}
    return names


def unused(schema, lines):
    said = {(field, value) for line in lines for field, value in line.items() if isinstance(value, str)}
    for field, name in sorted(names(schema) - said):
        yield f"no line has the {field} {name}"
    for event in schema["properties"]["event"]["enum"]:
        fields = {field for line in lines if line["event"] == event for field in line}
        for field in sorted(schema["$defs"][event]["properties"].keys() - fields):
            yield f"no {event} has {field}"


def spoilt(lines):
    """Lines that must not fit, each with what is wrong with it."""
    for event, line in {line["event"]: line for line in lines}.items():
        for field in line:
            yield f"{event} without {field}", {name: line[name] for name in line if name != field}
            yield f"{event} with an object as {field}", {**line, field: {}}
        yield f"{event} as another event", {**line, "event": "tick"}
        yield f"{event} in capitals", {**line, "call": "FEDCBA9876543210"}
        yield f"{event} before its call", {**line, "elapsed_ms": -1}
    ended = next(line for line in lines if line["event"] == "attempt_ended")
    for field, value in {"kind": "third", "code": "Unavailable", "phase": "dialing", "sent": "yes", "errno": 111,
                         "attempt": 0, "bytes_sent": 1.5, "tried": [{"address": "a"}]}.items():
        yield f"attempt_ended with {field} {value!r}", {**ended, field: value}


def main(schema_file, program):
    schema = json.loads(pathlib.Path(schema_file).read_text(encoding="utf-8"))
    lenient, exact = validator(schema), validator(strict(schema))
    output = subprocess.run([program], check=True, capture_output=True).stdout.decode("utf-8")
    lines = [json.loads(line) for line in output.splitlines()]
    problems = [f"{error.message[:200]}: {line}" for line in lines
                for check in (lenient, exact) for error in check.iter_errors(line)]
    problems += unused(schema, lines)
    spoils = list(spoilt(lines))
    problems += [f"fits: {what}" for what, line in spoils if lenient.is_valid(line)]
    if not lenient.is_valid({**lines[0], "more": 1}):
        problems.append("leaves no room for fields that may come")
    if exact.is_valid({**lines[0], "more": 1}):
        problems.append("a field that isn't listed goes unnoticed")
    print("\n".join(problems + [f"{len(lines)} lines, {len(spoils)} spoilt ones, {len(problems)} problems"]))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
