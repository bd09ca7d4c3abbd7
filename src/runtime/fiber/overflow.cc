#include "src/runtime/fiber/overflow.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <string_view>

#include "src/runtime/fiber/worker.h"

namespace redial::runtime_internal {
namespace {

constexpr size_t kSignalStack = size_t{32} * 1024;

// The handler that was there before; written once, before ours can run.
constinit struct sigaction previous{};

// Constant where nothing set it: a handler may not construct it.
constinit thread_local const RunningFiber* running_fiber = nullptr;

// Text put together without memory from the heap, which a signal handler may not ask for.
class Line {
 public:
  Line& Add(std::string_view text) {
    const size_t n = std::min(text.size(), text_.size() - size_);
    std::memcpy(text_.data() + size_, text.data(), n);
    size_ += n;
    return *this;
  }
  Line& Add(uint64_t number) {
    std::array<char, 20> digits;
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
    return Add(std::string_view(digits.data(), static_cast<size_t>(end - digits.data())));
  }
  void Write() const {
    [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, text_.data(), size_);
  }

 private:
  std::array<char, 512> text_;
  size_t size_ = 0;
};

void Report(std::string_view name, uint64_t id, size_t size, std::string_view option) {
  Line line;
  line.Add("redial: ");
  if (name.empty()) {
    line.Add("fiber ").Add(id);
  } else {
    // Cut short rather than the sentence after it.
    line.Add("fiber \"").Add(name.substr(0, 256)).Add("\"");
  }
  line.Add(" ran over the end of its stack of ").Add(size);
  line.Add(" bytes (").Add(option).Add(")\n").Write();
}

void PassOn(int signal, siginfo_t* info, void* context) {
  if ((previous.sa_flags & SA_SIGINFO) != 0) {
    previous.sa_sigaction(signal, info, context);
    return;
  }
  if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) {
    previous.sa_handler(signal);
    return;
  }
  // What faulted faults again on return, and is dealt with as if this had never been called; what
  // was sent by a process is sent again.
  ::sigaction(signal, &previous, nullptr);
  if (info->si_code <= 0) ::raise(signal);
}

void HandleFault(int signal, siginfo_t* info, void* context) {
  const Fiber* const fiber = Worker::CurrentFiber();
  if (fiber != nullptr && info->si_code > 0 && fiber->stack.GuardHolds(info->si_addr)) {
    Report(fiber->name, fiber->id, fiber->stack.size, "FiberOptions.stack_size");
  }
  const RunningFiber* const simulated = running_fiber;
  if (simulated != nullptr && info->si_code > 0 && simulated->stack.GuardHolds(info->si_addr)) {
    Report(*simulated->name, 0, simulated->stack.size, "SimulationOptions.stack_size");
  }
  PassOn(signal, info, context);
}

bool Install() {
  struct sigaction action{};
  action.sa_sigaction = &HandleFault;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  ::sigemptyset(&action.sa_mask);
  return ::sigaction(SIGSEGV, nullptr, &previous) == 0 &&
         ::sigaction(SIGSEGV, &action, nullptr) == 0;
}

}  // namespace

void SetRunningFiber(const RunningFiber* fiber) { running_fiber = fiber; }

void ReportOverflows() { [[maybe_unused]] static const bool installed = Install(); }

SignalStack::SignalStack() {
  stack_t current{};
  if (::sigaltstack(nullptr, &current) != 0 || (current.ss_flags & SS_DISABLE) == 0) return;
  const size_t least = static_cast<size_t>(std::max(::sysconf(_SC_MINSIGSTKSZ), 0L));
  const size_t size = kSignalStack + least;
  memory_.reset(new (std::nothrow) char[size]);
  if (memory_ == nullptr) return;  // then an overflow kills without a word
  stack_t ours{};
  ours.ss_sp = memory_.get();
  ours.ss_size = size;
  if (::sigaltstack(&ours, nullptr) != 0) memory_.reset();
}

SignalStack::~SignalStack() {
  if (memory_ == nullptr) return;
  stack_t none{};
  none.ss_flags = SS_DISABLE;
  ::sigaltstack(&none, nullptr);
}

}  // namespace redial::runtime_internal
