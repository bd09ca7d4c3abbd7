// redial: a resilient exchange, or a wait, from the command line.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>
#include <string>
#include <vector>

#include "redial/version.h"
#include "tools/commands.h"

namespace redial::tools {
namespace {

void DescribeProbe(CLI::App& app, ProbeArguments& probe) {
  app.add_option("TARGET", probe.target, "tcp://host:port or unix:///path")->required();
  app.add_option("--send", probe.send, "text to write first; takes backslash escapes (\\r\\n)");
  app.add_option("--expect", probe.expect,
                 "text to read up to; takes backslash escapes. What came is printed");
  app.add_flag("--idempotent", probe.idempotent,
               "running the exchange twice does no harm: it may be repeated after it was sent");
  app.add_option("--deadline", probe.deadline, "bounds everything: 300ms, 5s")
      ->capture_default_str();
  app.add_option("--attempt-timeout", probe.attempt_timeout, "bounds each attempt: 300ms, 5s");
  app.add_option("--attempts", probe.attempts, "how many attempts at most")->capture_default_str();
  app.add_flag("--fail-fast", probe.fail_fast, "one attempt, and no waiting before it");
  app.add_flag("--json", probe.json,
               "print the events as JSON lines on standard output, and nothing else there");
}

void DescribeWait(CLI::App& app, WaitArguments& wait) {
  app.add_option("TARGET", wait.targets, "tcp://host:port or unix:///path; one or more")
      ->required();
  app.add_option("--deadline", wait.deadline, "how long to wait for all of them: 300ms, 5s")
      ->capture_default_str();
}

// CLI11 gives what follows a lone "--" to positionals; here it is a command of its own.
std::vector<std::string> TakeCommand(std::vector<std::string>& words) {
  if (words.empty() || words.front() != "wait") return {};
  const auto dashes = std::find(words.begin(), words.end(), "--");
  if (dashes == words.end()) return {};
  std::vector<std::string> command(dashes + 1, words.end());
  words.erase(dashes, words.end());
  return command;
}

// One line, whatever was wrong.
int Usage(const CLI::App& app, const CLI::Error& error) {
  if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version
  std::cerr << "redial: " << error.what() << " (see redial --help)\n";
  return kExitUsage;
}

int Main(int argc, char** argv) {
  CLI::App app(
      "Sockets that keep their deadlines, and policies for when they can't.\n"
      "Exit codes: 0 done, 1 the target failed, 2 bad arguments, 124 the deadline passed.",
      "redial");
  app.set_version_flag("--version", std::string("redial ") + REDIAL_VERSION);
  app.require_subcommand(1);

  CLI::App& demo = *app.add_subcommand(
      "demo", "Retry, fail fast, report: what they do with a flaky server, live");
  ProbeArguments probe;
  CLI::App& probe_app = *app.add_subcommand("probe", "One resilient exchange, and its story");
  DescribeProbe(probe_app, probe);
  WaitArguments wait;
  CLI::App& wait_app =
      *app.add_subcommand("wait", "Wait until all targets accept connections, then run a command");
  DescribeWait(wait_app, wait);
  wait_app.footer("redial wait TARGET... [--deadline D] [-- COMMAND ARG...]");

  std::vector<std::string> words(argv + 1, argv + argc);
  wait.command = TakeCommand(words);
  std::reverse(words.begin(), words.end());  // as CLI11 wants them
  try {
    app.parse(words);
  } catch (const CLI::Error& error) {
    return Usage(app, error);
  }
  if (demo.parsed()) return Demo();
  if (probe_app.parsed()) return Probe(probe);
  return WaitFor(wait);
}

}  // namespace
}  // namespace redial::tools

int main(int argc, char** argv) { return redial::tools::Main(argc, argv); }
