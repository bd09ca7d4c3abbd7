#!/usr/bin/env python3
"""Turns the example that opens each public header into a function that is compiled.

    header_examples.py OUTPUT INCLUDE_DIRECTORY [FOLDER...]

An example is the indented part (`//   code`) of the comment above the include guard. What it takes
for granted (a runtime, a deadline, a client) stands in header_context.h. The headers of each FOLDER
are left out.
"""

import pathlib
import re
import sys

import extract

EXAMPLE_LINE = re.compile(r"^//   (.*)$")
# Headers that have nothing to show.
WITHOUT_EXAMPLE = {"redial/export.h"}


def examples(lines):
    """Yields (line number, lines) for each example above the include guard."""
    start, code = 0, []
    for number, line in enumerate(lines, 1):
        match = EXAMPLE_LINE.match(line)
        is_table = match is not None and match.group(1).startswith("|")
        if match and not is_table:
            start = start or number
            code.append(match.group(1))
        elif code and line.rstrip() == "//":
            code.append("")
        else:
            if code:
                yield start, code
            start, code = 0, []
        if line.startswith("#ifndef"):
            return


def main(output, include, *left_out):
    include = pathlib.Path(include)
    includes, functions = [], []
    for path in sorted(include.glob("redial/**/*.h")):
        name = path.relative_to(include).as_posix()
        if name.startswith(left_out):
            continue
        found = list(examples(path.read_text(encoding="utf-8").splitlines()))
        if not found and name not in WITHOUT_EXAMPLE:
            raise extract.BadBlock(f"{name}: opens with no example (//   code) above the include guard")
        includes.append(f'#include "{name}"\n')
        for start, code in found:
            located = f'#line {start} "{path}"\n' + "\n".join(code) + "\n"
            if not any(line.startswith("TEST(") for line in code):
                number = len(functions)
                located = f"[[maybe_unused]] Anything Example{number}() {{\n{located}return {{}};\n}}\n"
            functions.append(located)
    text = "".join(includes) + '\n#include "tests/docs/header_context.h"\n\nnamespace header_examples {\n'
    text += "\n".join(functions) + "}  // namespace header_examples\n"
    extract.write_if_changed(pathlib.Path(output), text)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except extract.BadBlock as bad:
        print(bad, file=sys.stderr)
        sys.exit(1)
