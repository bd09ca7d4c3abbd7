#include "src/runtime/fiber/attachment.h"

namespace redial::runtime_internal {

Attachment::Attachment(Fiber& fiber, Poller& poller, absl::Span<Source* const> sources,
                       WaitNode* nodes)
    : fiber_(fiber), poller_(poller), sources_(sources), nodes_(nodes) {
  for (; attached_ < sources.size() && ready_ == kNone; ++attached_) {
    nodes_[attached_].waiter = &fiber;
    if (sources[attached_]->BeginWait(nodes_[attached_])) ready_ = static_cast<int>(attached_);
  }
  if (ready_ == kNone) Watch(poller);
  fiber.attachment = this;
  fiber.awaited = sources.empty() ? nullptr : sources[0];
}

void Attachment::Watch(Poller& poller) {
  for (size_t i = 0; i < sources_.size(); ++i) {
    if (sources_[i]->kind() == Source::Kind::kEvent) continue;
    switch (poller.Watch(*sources_[i])) {
      case Poller::Watched::kYes:
        break;
      case Poller::Watched::kAlwaysReady:
        ready_ = static_cast<int>(i);
        return;
      case Poller::Watched::kNo:
        unwatched_ = static_cast<int>(i);
        break;
    }
  }
}

int Attachment::Look() {
  if (single()) {
    attached_ = 0;
    if (sources_[0]->ConsumeAndEndWait(nodes_[0])) ready_ = 0;
    return ready_;
  }
  for (size_t i = 0; i < sources_.size() && ready_ == kNone; ++i) {
    if (sources_[i]->Consume()) ready_ = static_cast<int>(i);
  }
  return ready_;
}

int Attachment::LookAgain() {
  if (!single()) return Look();
  attached_ = 1;
  if (sources_[0]->BeginWait(nodes_[0])) ready_ = 0;
  return ready_;
}

void Attachment::Detach() {
  fiber_.attachment = nullptr;
  for (size_t i = 0; i < attached_; ++i) {
    if (sources_[i]->foreign()) poller_.Unwatch(*sources_[i]);
    sources_[i]->EndWait(nodes_[i], ready_ == static_cast<int>(i));
  }
}

}  // namespace redial::runtime_internal
