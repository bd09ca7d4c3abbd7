#!/usr/bin/env python3
"""Plants one offence of each kind in a small tree; check_sources.py must name every one."""

import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools/lint"))
import check_sources  # noqa: E402

UNFINISHED = "TO" + "DO"

TREE = {
    "tools/lint/layers.txt": """\
vocabulary  include/redial/time.h
transport   include/redial/socket.h
vocabulary  include/redial/gone.h
""",
    "include/redial/time.h": '#include "redial/socket.h"\n',
    "include/redial/asio/fine.h": '#include <asio/buffer.hpp>\n#include "redial/socket.h"\n',
    "include/redial/unlisted.h": "// Nothing to see.\n",
    "include/redial/socket.h": """\
#include "redial/time.h"
#include "src/net/private.h"
struct SocketOptions {
  int backlog = 1;
  std::vector<std::string> servers;  // none
  absl::Status Validate() const;
};
struct Result {
  int error;
};
""",
    "src/net/private.h": '#include <ares.h>\n#include <asio/buffer.hpp>\n#include "tests/unit/helper.h"\n',
    "tests/unit/helper.h": "#include <iostream>\n",
    "src/core/CMakeLists.txt": "set(sources waits.cc)\n",
    "src/core/waits.cc": """\
#include <thread>
// steady_clock in a comment is nobody's business, and usleep( in a string neither.
const char* kText = "usleep(1)";
auto now = std::chrono::steady_clock::now();
void Wait() { ::poll(nullptr, 0, 1'000); }
void Sleep() { std::this_thread::sleep_for(std::chrono::seconds(1)); }
void Fine(Queue& queue) { queue.poll(); }
""",
    "src/runtime/CMakeLists.txt": "set(sources waits.cc)\n",
    "src/runtime/waits.cc": "#include <poll.h>\nint Wait() { return ppoll(0, 0, 0, 0); }\n",
    "policies/CMakeLists.txt": "set(sources prints.cc)\n",
    "policies/prints.cc": """\
#include <iostream>
#include <nlohmann/json.hpp>
void Print() { std::cout << 1; }
void Throw() { throw 1; }
void End() { exit(1); }
""",
    "tests/unit/CMakeLists.txt": "set(sources other_test.cc)\n",
    "tests/unit/skipped_test.cc": f"TEST(Unit, Skips) {{ GTEST_SKIP(); }}\n// {UNFINISHED}: more\n",
}

EXPECTED = f"""\
include/redial/socket.h:2: a public header includes a private one: src/net/private.h
include/redial/socket.h:5: an option without a default; write servers = {{}}
include/redial/time.h:1: vocabulary may not include transport: redial/socket.h
include/redial/unlisted.h:1: belongs to no layer; add it to tools/lint/layers.txt
src/core/waits.cc:1: <thread> is for src/runtime/ alone
src/core/waits.cc:4: a clock outside src/runtime: steady_clock
src/core/waits.cc:5: polling outside src/runtime: poll(
src/core/waits.cc:6: a sleep outside src/runtime: sleep_for
src/net/private.h:2: <asio/buffer.hpp> is for include/redial/asio/ alone
src/net/private.h:3: a library includes a program's file: tests/unit/helper.h
policies/prints.cc:1: <iostream> is for programs alone
policies/prints.cc:2: <nlohmann/json.hpp> is for src/client/ alone
policies/prints.cc:3: a library writes to the terminal: std::cout
policies/prints.cc:4: a library throws: throw
policies/prints.cc:5: a library ends the program: exit(
tests/unit/skipped_test.cc:2: left unfinished: {UNFINISHED}
tests/unit/skipped_test.cc:1: a test outside tests/live is skipped
tests/unit/skipped_test.cc:1: is in no target of tests/unit/CMakeLists.txt
tools/lint/layers.txt:1: names a file that is gone: include/redial/gone.h
"""


def main():
    with tempfile.TemporaryDirectory() as directory:
        root = pathlib.Path(directory)
        for name, text in TREE.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text, encoding="utf-8")
        found = "".join(f"{line}\n" for line in check_sources.Checker(root).run())
    if found != EXPECTED:
        print(f"expected:\n{EXPECTED}\nfound:\n{found}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
