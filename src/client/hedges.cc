#include "src/client/hedges.h"

#include <algorithm>

namespace redial::internal {

Hedges::Hedges(Runtime& runtime, const AttemptFunction& attempt, const std::stop_token& stop,
               std::shared_ptr<WakeTarget> wake)
    : runtime_(runtime), attempt_(attempt), stop_(stop), wake_(std::move(wake)) {}

Hedges::~Hedges() {
  for (const auto& hedge : running_) hedge->Abort();
  running_.clear();  // joins
}

absl::Status Hedges::Start(Plan plan) {
  auto hedge = std::make_unique<Hedge>(*this, std::move(plan));
  // Once it runs, nothing may fail that would leave it to itself, on this thread or on its own.
  running_.reserve(running_.size() + 1);
  {
    const StdMutexLock lock(mu_);
    ended_.reserve(running_.size() + 1);
  }
  absl::StatusOr<Task> task = runtime_.Spawn([raw = hedge.get()] { raw->Run(); });
  if (!task.ok()) return task.status();
  hedge->task_ = *std::move(task);
  running_.push_back(std::move(hedge));
  return absl::OkStatus();
}

void Hedges::Abort(int id) {
  for (const auto& hedge : running_) {
    if (hedge->id == id) hedge->Abort();
  }
}

std::unique_ptr<Hedges::Hedge> Hedges::TakeEnded() {
  const Hedge* ended = nullptr;
  {
    const StdMutexLock lock(mu_);
    if (ended_.empty()) return nullptr;
    ended = ended_.front();
    ended_.erase(ended_.begin());
  }
  const auto found = std::find_if(running_.begin(), running_.end(),
                                  [&](const auto& each) { return each.get() == ended; });
  std::unique_ptr<Hedge> hedge = std::move(*found);
  running_.erase(found);
  hedge->task_.Join();
  return hedge;
}

std::optional<Hedges::Connection> Hedges::TakeConnection() {
  const StdMutexLock lock(mu_);
  if (connections_.empty()) return std::nullopt;
  Connection first = std::move(connections_.front());
  connections_.erase(connections_.begin());
  return first;
}

void Hedges::Ended(Hedge& hedge) {
  {
    const StdMutexLock lock(mu_);
    ended_.push_back(&hedge);
  }
  wake_->Wake();  // whoever takes the hedge joins this task first
}

void Hedges::Tell(Connection connection) {
  const bool stands = connection.stands;
  {
    const StdMutexLock lock(mu_);
    connections_.push_back(std::move(connection));
  }
  if (stands) wake_->Wake();  // what is tried interests the next hedge alone
}

Hedges::Hedge::Hedge(Hedges& hedges, Plan plan)
    : id(plan.id),
      started(plan.now),
      attempt(plan.id + 1, AttemptKind::kHedge, plan.deadline, hedges.stop_, hedges.runtime_),
      hedges_(hedges),
      disruption_(plan.disruption),
      failed_(std::move(plan.failed)),
      stop_(hedges.stop_) {
  attempt.set_slot(plan.slot);
  attempt.set_stop(this);
  attempt.set_failed(&failed_);
  notes_.listener = this;
  notes_.tells_tries = true;
  notes_.beside = std::move(plan.beside);
  attempt.set_notes(&notes_);
}

void Hedges::Hedge::Run() {
  const ScopedGuest scope(this);
  thrown.Guard([&] { result = RunDisrupted(disruption_, attempt, hedges_.attempt_); });
  ended = Runtime::Current().Now();
  hedges_.Ended(*this);
}

void Hedges::Hedge::Abort() {
  aborted_.store(true, std::memory_order_release);
  abort_.Set();
  stop_.Stop();
}

void Hedges::Hedge::Connecting(std::string_view address) {
  hedges_.Tell({attempt.number(), std::string(address), /*stands=*/false});
}

void Hedges::Hedge::Connected(std::string_view address) {
  hedges_.Tell({attempt.number(), std::string(address), /*stands=*/true});
}

}  // namespace redial::internal
