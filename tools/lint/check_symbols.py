#!/usr/bin/env python3
"""Holds compiled objects to redial's laws, by their symbols.

    check_symbols.py pure OBJECT...      no clock, sleep, socket or thread is asked for
    check_symbols.py state OBJECT...     no writable global state
    check_symbols.py exports LIBRARY     a shared library exports redial's names alone

Prints each offender with its object and exits with 1 where there is one.
"""

import os
import re
import subprocess
import sys

# What src/core and policies must not ask of the system: time, waiting, sockets and threads come in
# from outside, so that decisions are the same on a thread, in a fiber and in a simulation.
IMPURE = {
    "a clock": [
        r"(__)?clock(_gettime|_getres)?", r"gettimeofday", r"time", r"ftime", r"timespec_get",
        r"std::chrono::.*::now\(\)", r"absl(::\w+)*::Now\(\)", r"absl(::\w+)*::GetCurrentTimeNanos.*",
    ],
    "a sleep or a wait": [
        r"(clock_)?nanosleep", r"u?sleep", r"p?poll", r"__p?poll_chk", r"p?select",
        r"epoll_\w+", r"eventfd", r"timerfd_\w+", r"pause", r"sig(timed)?wait(info)?",
        r"std::this_thread::.*sleep.*", r"absl(::\w+)*::SleepFor.*", r"AbslInternalSleepFor.*",
        r"std(::\w+)*::condition_variable(_any)?::.*", r"pthread_cond_\w*wait", r"sem_\w*wait",
        r"std::__atomic_futex_unsigned_base::.*", r"syscall",
    ],
    "a socket": [
        r"socket(pair)?", r"connect", r"bind", r"listen", r"accept4?", r"shutdown",
        r"(get|set)sockopt", r"getsockname", r"getpeername", r"send(to|m?msg)?",
        r"(__)?recv(from|m?msg)?(_chk)?", r"getaddrinfo", r"getnameinfo", r"gethostby\w+", r"ares_\w+",
    ],
    "a thread or a process": [
        r"pthread_create", r"std::j?thread::.*", r"thrd_create", r"v?fork", r"clone3?",
        r"posix_spawnp?",
    ],
}

# What single objects may ask for all the same, each with its reason.
IMPURITIES_ALLOWED = [
    # membarrier(2): it asks for no time and waits for nobody.
    (r".*/redial_core_objects\.dir/barrier\.cc\.o", r"syscall"),
]

# Writable globals that are allowed, as patterns of their demangled names, each with its reason.
STATE_ALLOWED = [
    # The address by which a shared library tells itself from others.
    r"__dso_handle",
    # The compiler's pointer to its exception personality, in a section that could be read-only.
    r"DW\.ref\.__gxx_personality_v0",
    # Abseil's headers include <iostream>.
    r"std::__ioinit",
    # Per thread: which runtime it is in, what wakes it, and where its seeds stand.
    r"redial::(\w+::)?\(anonymous namespace\)::(current_runtime|thread_guest|parker|sequence)",
    r"(guard variable for )?redial::runtime_internal::Parker::Renew\(\)::closer",
    # The address of the stateless runtime of threads.
    r"(guard variable for )?redial::Runtime::Threads\(\)::runtime",
    # Per thread: the worker that it is of. The handler of SIGSEGV that was there before ours.
    r"redial::runtime_internal::\(anonymous namespace\)::(worker_of_this_thread|running_fiber|previous)",
    r"(guard variable for )?redial::runtime_internal::ReportOverflows\(\)::installed",
    # That c-ares was initialised, which it wants once in a process.
    r"(guard variable for )?redial::internal::\(anonymous namespace\)::LibraryReady\(\)::kReady",
    # Per thread: its latest refusals, which those that say the same share, and that the thread ends.
    r"(guard variable for )?redial::internal::\(anonymous namespace\)::Shared\(.*\)::refusals",
    r"redial::internal::\(anonymous namespace\)::thread_ends",
    # Per thread: its look at the kernel's clock. Whether the processor's counter can be relied on.
    r"redial::runtime_internal::\(anonymous namespace\)::clock_of_this_thread",
    r"(guard variable for )?redial::runtime_internal::\(anonymous namespace\)::Look\(\)::invariant",
    # How often the process was forked, and that it counts.
    r"redial::runtime_internal::fork_generation",
    r"(guard variable for )?redial::runtime_internal::ForkGeneration\(\)::registered",
    # Per thread: its slot, and what gives it back at the thread's end. Which are taken, who forks, and
    # that a fork is heard of: a number that no other thread of the process has is the process's own.
    r"redial::internal::slot_of_this_thread",
    r"redial::internal::\(anonymous namespace\)::(slots|forking|forks_of_this_thread)",
    r"redial::internal::\(anonymous namespace\)::RegisterOnce\(\)::registered",
    r"(guard variable for )?redial::internal::AssignThreadSlot\(\)::at_end",
    # The kernel's network: const and stateless, a pointer to its virtual table and nothing else.
    r"redial::internal::\(anonymous namespace\)::forever",
]

WRITABLE_SECTION = re.compile(r"^\.(data|bss|tdata|tbss)(?!\.rel\.ro)(\.|$)")


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def undefined(path):
    for line in run("nm", "-C", "--undefined-only", path).splitlines():
        if " U " in line:
            yield line.split(" U ", 1)[1].split("@")[0]


def check_pure(objects):
    rules = [
        (kind, re.compile(pattern)) for kind, patterns in IMPURE.items() for pattern in patterns
    ]
    for path in objects:
        where = os.path.normpath(path)  # CMake gives some as "folder/./file"
        allowed = [
            re.compile(pattern) for name, pattern in IMPURITIES_ALLOWED if re.fullmatch(name, where)
        ]
        for symbol in undefined(path):
            if any(pattern.fullmatch(symbol) for pattern in allowed):
                continue
            for kind, pattern in rules:
                if pattern.fullmatch(symbol):
                    yield f"{path}: asks for {kind}: {symbol}"
                    break


def check_state(objects):
    allowed = [re.compile(pattern) for pattern in STATE_ALLOWED]
    for path in objects:
        for line in run("objdump", "-t", "-C", path).splitlines():
            # address, seven flag characters, section, size, [visibility], name
            match = re.match(r"^[0-9a-f]+ (.{7}) (\S+)\s+([0-9a-f]+)\s+(?:\.hidden )?(.+)$", line)
            if not match:
                continue
            flags, section, size, name = match.groups()
            if "d" in flags or "f" in flags or int(size, 16) == 0:
                continue
            if not WRITABLE_SECTION.match(section):
                continue
            if any(pattern.fullmatch(name) for pattern in allowed):
                continue
            yield f"{path}: keeps writable global state in {section}: {name}"


def check_exports(libraries):
    ours = re.compile(r"(vtable for |typeinfo for |typeinfo name for |VTT for |.*thunk to )?redial::.*")
    # The standard library's templates: weak, and the same in whichever library they are found first.
    common = re.compile(r"(vtable for |typeinfo for |typeinfo name for |\w+ )?std::.*")
    for path in libraries:
        for line in run("nm", "-D", "-C", "--defined-only", path).splitlines():
            _, kind, name = line.split(" ", 2)
            name = name.split("@")[0]
            if not ours.fullmatch(name) and not (kind in "uVW" and common.fullmatch(name)):
                yield f"{path}: exports {name}"


CHECKS = {"pure": check_pure, "state": check_state, "exports": check_exports}


def main(arguments):
    if len(arguments) < 2 or arguments[0] not in CHECKS:
        print(__doc__, file=sys.stderr)
        return 2
    offenders = list(CHECKS[arguments[0]](arguments[1:]))
    for offender in offenders:
        print(offender)
    print(f"{arguments[0]}: {len(arguments) - 1} looked at, {len(offenders)} offenders")
    return 1 if offenders else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
