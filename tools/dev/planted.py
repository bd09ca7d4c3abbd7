#!/usr/bin/env python3
"""Plants faults and sees that the tests notice.

    planted.py [NAME...]

Each tests/planted/NAME.patch begins with a header:

    Fault: one sentence that says what was broken
    Target: redial_unit_tests
    Test: regular expression of ctest's test names
    Preset: dev                       (optional; dev unless given)

and is applied to a scratch copy of the last commit. There the target is built and the tests are
run: they must pass without the patch and fail with it. Prints a table, and exits with 1 where a
fault survived, a patch no longer applies or its test does not exist.
"""

import os
import pathlib
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
PATCHES = ROOT / "tests/planted"
TREE = ROOT / "build/planted/tree"
LOGS = ROOT / "build/planted/logs"
TEST_SECONDS = 120
JOBS = str(os.cpu_count())


class Problem(Exception):
    pass


class Fault:
    def __init__(self, path):
        self.path, self.name = path, path.stem
        header = path.read_text(encoding="utf-8").split("\ndiff --git", 1)[0]
        fields = dict(re.findall(r"^(Fault|Target|Test|Preset): *(.+?) *$", header, re.MULTILINE))
        absent = {"Fault", "Target", "Test"} - fields.keys()
        if absent:
            raise Problem(f"{path.name}: the header lacks {', '.join(sorted(absent))}")
        self.sentence, self.target, self.test = fields["Fault"], fields["Target"], fields["Test"]
        self.preset = fields.get("Preset", "dev")


def run(log, *command, timeout=None):
    """The exit code, or None where the time was up."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as out:
        out.write(f"$ {' '.join(command)}\n".encode())
        out.flush()
        process = subprocess.Popen(command, cwd=TREE, stdout=out, stderr=out, start_new_session=True)
        try:
            return process.wait(timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait()
            return None


def git(*arguments, cwd=ROOT):
    return subprocess.run(("git", *arguments), cwd=cwd, check=True, capture_output=True, text=True).stdout


def scratch_copy():
    commit = git("rev-parse", "HEAD").strip()
    git("worktree", "prune")
    if not TREE.exists():
        git("worktree", "add", "--detach", "--force", str(TREE), commit)
    git("reset", "--hard", "-q", commit, cwd=TREE)
    if git("status", "--porcelain", "--untracked-files=no"):
        print("dev planted: faults are planted in the last commit; what is not committed is left out")


def build(log, fault):
    return run(log, "cmake", "--build", "--preset", fault.preset, "--target", fault.target, "-j", JOBS)


def test(log, fault):
    return run(log, "ctest", "--preset", fault.preset, "-j", JOBS, "-R", fault.test, timeout=TEST_SECONDS)


def prepare(faults):
    """Builds each preset's targets without a fault, and sees that the tests pass."""
    log = LOGS / "without_fault.log"
    for preset in sorted({fault.preset for fault in faults}):
        if run(log, "cmake", "--preset", preset) != 0:
            raise Problem(f"preset {preset} cannot be configured; see {log}")
    checked = set()
    for fault in faults:
        key = (fault.preset, fault.target, fault.test)
        if key in checked:
            continue
        checked.add(key)
        if build(log, fault) != 0:
            raise Problem(f"{fault.target} does not build without a fault; see {log}")
        if test(log, fault) != 0:
            raise Problem(f"{fault.name}: its test fails, or does not exist, without the fault; see {log}")


def plant(fault):
    log = LOGS / f"{fault.name}.log"
    log.unlink(missing_ok=True)
    if run(log, "git", "apply", str(fault.path)) != 0:
        return "DOES NOT APPLY"
    try:
        if build(log, fault) != 0:
            return "DOES NOT BUILD"
        code = test(log, fault)
        return "SURVIVED" if code == 0 else "noticed (hung)" if code is None else "noticed"
    finally:
        git("checkout", "-q", "--", ".", cwd=TREE)
        git("clean", "-fdq", cwd=TREE)


def main(names):
    paths = sorted(PATCHES.glob("*.patch"))
    unknown = set(names) - {path.stem for path in paths}
    if unknown:
        raise Problem(f"no such fault in tests/planted: {', '.join(sorted(unknown))}")
    faults = [Fault(path) for path in paths if not names or path.stem in names]
    if not faults:
        raise Problem("no faults in tests/planted")
    scratch_copy()
    (LOGS / "without_fault.log").unlink(missing_ok=True)
    prepare(faults)
    failed = 0
    width = max(len(fault.name) for fault in faults)
    for fault in faults:
        started = time.monotonic()
        result = plant(fault)
        failed += not result.startswith("noticed")
        print(f"{fault.name:{width}}  {result:14}  {time.monotonic() - started:4.0f} s  {fault.sentence}", flush=True)
    print(f"planted: {len(faults)} faults, {failed} of them not noticed")
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Problem as problem:
        print(f"dev planted: {problem}", file=sys.stderr)
        sys.exit(1)
