#!/usr/bin/env python3
"""Turns the C++ blocks of README.md and docs/ into translation units.

    extract.py OUTPUT_DIRECTORY MARKDOWN...

A fenced block whose info string starts with `cpp` is compiled. CONTRIBUTING.md ("Code in the
documentation") says what its form and the words after `cpp` mean. Prints one line per block,

    KIND;NAME;SOURCE;RUN;EXIT;LINK;ARGUMENTS

with KIND `program`, `test` or `code`, which tests/docs/CMakeLists.txt reads. A block that the rules
don't allow ends the configuration with a sentence.
"""

import pathlib
import re
import shlex
import sys

FENCE = re.compile(r"^(\s*)(`{3,}|~{3,})\s*(.*)$")
WORDS = {"name", "with", "link", "args", "exit", "run", "body"}
PRELUDE = '#include "tests/docs/prelude.h"\n'


class BadBlock(Exception):
    pass


def blocks(path):
    """Yields (line number, info string, lines) of each fenced block."""
    fence, info, start, lines = None, "", 0, []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        match = FENCE.match(line)
        if fence is None and match:
            fence, info, start, lines = match.group(2), match.group(3).strip(), number, []
        elif fence is not None and match and match.group(2) == fence and not match.group(3):
            yield start, info, lines
            fence = None
        elif fence is not None:
            lines.append(line)
    if fence is not None:
        raise BadBlock(f"{path}:{start}: the block is never closed")


def options(where, info):
    language, *words = shlex.split(info)
    if language in ("c++", "cc", "cxx", "C++"):
        raise BadBlock(f"{where}: write ```cpp, not ```{language}, so that the block is compiled")
    if language != "cpp":
        return None
    found = {}
    for word in words:
        key, _, value = word.partition("=")
        if key not in WORDS:
            raise BadBlock(f"{where}: unknown word '{word}' after ```cpp")
        found[key] = value
    return found


def source_of(path, start, lines, given):
    code = "\n".join(lines) + "\n"
    extra = [name for name in given.get("with", "").split(",") if name]
    includes = "".join(f'#include "tests/docs/{name}.h"\n' for name in extra)
    if "#include" not in code:
        includes = PRELUDE + includes
    location = f'#line {start + 1} "{path}"\n'
    if "body" in given:
        return f"{includes}[[maybe_unused]] static void Snippet() {{\n{location}{code}}}\n"
    return f"{includes}{location}{code}"


def kind_of(code):
    if re.search(r"^int main\(", code, re.MULTILINE):
        return "program"
    if re.search(r"^TEST(_F|_P)?\(", code, re.MULTILINE):
        return "test"
    return "code"


def write_if_changed(path, text):
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def main(arguments):
    output = pathlib.Path(arguments[0])
    output.mkdir(parents=True, exist_ok=True)
    names = set()
    for markdown in arguments[1:]:
        path = pathlib.Path(markdown)
        stem = re.sub(r"\W", "_", path.stem.lower())
        for start, info, lines in blocks(path):
            where = f"{path.name}:{start}"
            given = options(where, info) if info else None
            if given is None:
                continue
            name = given.get("name") or f"{stem}_{start}"
            if name in names:
                raise BadBlock(f"{where}: a second block with name={name}")
            names.add(name)
            kind = kind_of("\n".join(lines))
            if kind != "program" and given.keys() & {"args", "exit", "run"}:
                raise BadBlock(f"{where}: args, exit and run are for blocks with an int main()")
            source = output / f"{name}.cc"
            write_if_changed(source, source_of(path, start, lines, given))
            print(kind, name, source, given.get("run", "here"), given.get("exit", "0"),
                  given.get("link", "-"), given.get("args", ""), sep=";")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except BadBlock as bad:
        print(bad, file=sys.stderr)
        sys.exit(1)
