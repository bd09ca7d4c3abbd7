#!/usr/bin/env python3
"""Checks redial's sources against the laws that can be read off the text.

    check_sources.py [ROOT]

- Layers: a file includes only what the row of its layer allows.
- Waiting: no clock, sleep, poll, thread or condition variable outside src/runtime.
- Options: every member of an options struct has a default.
- Libraries: no output, no exit, no <iostream>, no exceptions thrown.
- Nothing is left unfinished, and every file is listed in its directory's CMakeLists.txt.

Prints each offender as file:line: sentence, and exits with 1 where there is one.
"""

import pathlib
import re
import sys

# Layer -> the layers that it may include.
ALLOWED = {
    "vocabulary": {"vocabulary"},
    "decisions": {"vocabulary", "decisions"},
    "waiting": {"vocabulary", "waiting"},
    "transport": {"vocabulary", "waiting", "transport"},
    "calls": {"vocabulary", "decisions", "waiting", "transport", "calls"},
    "adapters": {"vocabulary", "decisions", "waiting", "transport", "calls", "adapters"},
    "test kit": {"vocabulary", "decisions", "waiting", "transport", "calls", "test kit"},
}
LIBRARY_FOLDERS = {
    "policies/": "decisions",
    "include/redial/policies/": "decisions",
    "src/runtime/": "waiting",
    "src/net/": "transport",
    "src/client/": "calls",
    "include/redial/asio/": "adapters",
    "src/prometheus/": "adapters",
    "include/redial/testing/": "test kit",
    "src/testing/": "test kit",
}
LIBRARY_ROOTS = ("include", "src", "policies")
PROGRAM_ROOTS = ("tests", "tools", "examples", "benchmarks")

# Headers from outside that one folder alone may include; the first pattern that fits counts.
OWNERS = [
    (re.compile(r"ares.*\.h"), ("src/net/",)),
    (re.compile(r"nlohmann/.*"), ("src/client/",)),
    (re.compile(r"g(test|mock)/.*"), ("include/redial/testing/",)),
    (re.compile(r"(poll|sys/p?select|sys/epoll|sys/eventfd|sys/timerfd)\.h"), ("src/runtime/",)),
    (re.compile(r"thread|condition_variable|future|semaphore|latch|barrier"), ("src/runtime/",)),
    (re.compile(r"iostream|absl/synchronization/.*|absl/time/clock\.h"), ()),
    (re.compile(r"boost/context/.*"), ("src/runtime/fiber/",)),
    (re.compile(r"asio(/.*|\.hpp)|boost/(asio|system)/.*|boost/throw_exception\.hpp"), ("include/redial/asio/",)),
    (re.compile(r"prometheus/.*"), ("src/prometheus/", "include/redial/prometheus.h")),
    (re.compile(r"CLI/.*|boost/.*|benchmark/.*"), ()),
]

NOT_A_MEMBER = r"(?<![\w.])(?<!->)"
WAITING = [
    ("a clock", r"\b\w+_clock\b|absl::Now\b|\bclock_gettime\b|\bgettimeofday\b|\bCLOCK_MONOTONIC\b"),
    ("a sleep", r"\bsleep_(for|until)\b|\bSleepFor\b|\b(u|nano|clock_nano)sleep\s*\(|" + NOT_A_MEMBER + r"sleep\s*\("),
    ("polling", NOT_A_MEMBER + r"(p?poll|p?select|epoll_\w+)\s*\(|\beventfd\s*\(|\btimerfd_\w+"),
    ("a thread", r"\bstd::(j?thread|async)\b|\bpthread_create\b"),
    ("a condition variable", r"\bcondition_variable\b"),
]
LIBRARY_ONLY = [
    ("throws", r"\bthrow\b(?!\s*\(\s*\))"),
    ("writes to the terminal", r"\bstd::(cout|cerr|clog)\b"),
    ("ends the program", NOT_A_MEMBER + r"(std::)?(exit|_exit|quick_exit)\s*\("),
]
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX)\b|\bDISABLED_\w+|(?i:not implemented)")
SKIP = re.compile(r"\bGTEST_SKIP\b")
OPTIONS = re.compile(r"^struct (?:REDIAL_EXPORT )?\w+Options\b")
WITHOUT_DEFAULT = re.compile(r"^  [\w:<>(),*&\s]+[\s>*&](?!const;)(\w+);\s*$")
INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>)')


def without_comments_and_strings(text):
    """Blanks comments and literals and keeps every line where it was."""
    token = re.compile(
        r'//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL
    )
    # An apostrophe between digits separates them and opens no literal.
    text = re.sub(r"(?<=[0-9a-fA-F])'(?=[0-9a-fA-F])", "", text)
    return token.sub(lambda match: re.sub(r"[^\n]", " ", match.group()), text)


class Checker:
    def __init__(self, root):
        self.root = root
        self.listed = self.read_layers()
        self.offenders = []

    def read_layers(self):
        listed = {}
        for line in (self.root / "tools/lint/layers.txt").read_text().splitlines():
            line = line.split("#")[0].strip()
            if line:
                layer, name = re.split(r"\s{2,}", line)
                listed[name] = layer
        return listed

    def report(self, name, line, sentence):
        self.offenders.append(f"{name}:{line}: {sentence}")

    def layer_of(self, name):
        """The layer of a library file; None for a program's, and for a public header unlisted."""
        if name in self.listed:
            return self.listed[name]
        for folder, layer in LIBRARY_FOLDERS.items():
            if name.startswith(folder):
                return layer
        if name.startswith("src/core/"):
            return self.layer_in_core(name)
        return None

    def layer_in_core(self, name):
        """A source file has its header's layer; a header that nobody listed is vocabulary."""
        if name.endswith(".h"):
            return "vocabulary"
        stem = pathlib.PurePath(name).stem
        for header in (f"include/redial/{stem}.h", f"src/core/{stem}.h"):
            if (self.root / header).is_file():
                return self.layer_of(header)
        return "decisions"

    def resolve(self, name, include):
        """The repository path of an included file of ours, or None."""
        for candidate in (f"include/{include}", include, str(pathlib.PurePath(name).parent / include)):
            if (self.root / candidate).is_file():
                return candidate
        return None

    def check_includes(self, name, lines):
        layer = self.layer_of(name)
        if layer is None:
            self.report(name, 1, "belongs to no layer; add it to tools/lint/layers.txt")
            return
        for number, line in enumerate(lines, 1):
            match = INCLUDE.match(line)
            if not match:
                continue
            included = match.group(1) or match.group(2)
            path = self.resolve(name, included) if match.group(1) else None
            if path is None:
                self.check_owner(name, number, included)
                continue
            other = self.layer_of(path)
            if path.startswith(PROGRAM_ROOTS):
                self.report(name, number, f"a library includes a program's file: {included}")
            elif other is not None and other not in ALLOWED[layer]:
                self.report(name, number, f"{layer} may not include {other}: {included}")
            elif name.startswith("include/") and not path.startswith("include/"):
                self.report(name, number, f"a public header includes a private one: {included}")

    def check_owner(self, name, number, included):
        for pattern, owners in OWNERS:
            if pattern.fullmatch(included):
                if not name.startswith(owners or ("\0",)):
                    where = " or ".join(owners) or "programs"
                    self.report(name, number, f"<{included}> is for {where} alone")
                return

    def check_code(self, name, text):
        rules = LIBRARY_ONLY if name.startswith("src/runtime/") else LIBRARY_ONLY + WAITING
        for number, line in enumerate(text.splitlines(), 1):
            if INCLUDE.match(line):
                continue
            for what, pattern in rules:
                match = re.search(pattern, line)
                if match and (what, pattern) in WAITING:
                    self.report(name, number, f"{what} outside src/runtime: {match.group().strip()}")
                elif match:
                    self.report(name, number, f"a library {what}: {match.group().strip()}")

    def check_options(self, name, text):
        """With -Wextra, g++ wants a default for every member that a designated initialiser omits."""
        inside = False
        for number, line in enumerate(text.splitlines(), 1):
            inside = inside or OPTIONS.match(line) is not None
            inside = inside and not line.startswith("};")
            match = WITHOUT_DEFAULT.match(line) if inside else None
            if match:
                self.report(name, number, f"an option without a default; write {match.group(1)} = {{}}")

    def check_unfinished(self, name, text, code):
        for number, line in enumerate(text.splitlines(), 1):
            match = UNFINISHED.search(line)
            if match:
                self.report(name, number, f"left unfinished: {match.group()}")
        if not name.startswith("tests/live/"):
            for number, line in enumerate(code.splitlines(), 1):
                if SKIP.search(line):
                    self.report(name, number, "a test outside tests/live is skipped")

    def check_listed_in_cmake(self, path, name):
        lists = path.parent / "CMakeLists.txt"
        if not lists.is_file() and any(
                f"../{path.parent.name}/{path.name}" in neighbour.read_text()
                for neighbour in path.parent.parent.glob("*/CMakeLists.txt")):
            return  # shared by its neighbours
        while not lists.is_file() and lists.parent != self.root:
            lists = lists.parent.parent / "CMakeLists.txt"
        relative = path.relative_to(lists.parent).as_posix()
        stem = relative.removesuffix(".cc")
        text = lists.read_text(encoding="utf-8")
        # redial_add_fuzzer(NAME) means NAME_fuzz.cc.
        for word in (relative, stem, stem.removesuffix("_fuzz")):
            if re.search(rf"(?<![\w/.]){re.escape(word)}(?![\w/.])", text):
                return
        self.report(name, 1, f"is in no target of {lists.relative_to(self.root)}")

    def check_file(self, path):
        name = path.relative_to(self.root).as_posix()
        if name.startswith("tests/planted/"):
            return
        text = path.read_text(encoding="utf-8")
        code = without_comments_and_strings(text)
        if name.startswith(LIBRARY_ROOTS):
            self.check_includes(name, text.splitlines())
            self.check_code(name, code)
        if name.startswith("include/"):
            self.check_options(name, code)
        self.check_unfinished(name, text, code)
        if path.suffix == ".cc":
            self.check_listed_in_cmake(path, name)

    def run(self):
        for top in LIBRARY_ROOTS + PROGRAM_ROOTS:
            for path in sorted((self.root / top).rglob("*")):
                if path.suffix in (".h", ".cc"):
                    self.check_file(path)
        for name in sorted(self.listed):
            if not (self.root / name).is_file():
                self.report("tools/lint/layers.txt", 1, f"names a file that is gone: {name}")
        return self.offenders


def main(arguments):
    root = pathlib.Path(arguments[0] if arguments else ".").resolve()
    offenders = Checker(root).run()
    print("\n".join(offenders + [f"sources: {len(offenders)} offenders"]))
    return 1 if offenders else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
