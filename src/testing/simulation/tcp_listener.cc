#include "src/testing/simulation/tcp_listener.h"

#include <algorithm>

#include "src/testing/simulation/sim_host.h"

namespace redial::testing::internal {

bool TcpListener::full() const {
  return handshakes_.size() + accepted_.size() > static_cast<size_t>(options_.backlog);
}

void TcpListener::Complete(TcpEnd& end) {
  std::erase(handshakes_, &end);
  accepted_.push_back(&end);
  readable_.Set();
}

void TcpListener::Drop(TcpEnd& end) {
  std::erase(handshakes_, &end);
  std::erase(accepted_, &end);
  end.set_listener(nullptr);
  end.set_held(false);
}

TcpEnd* TcpListener::Accept() {
  if (accepted_.empty()) return nullptr;
  TcpEnd* const end = accepted_.front();
  accepted_.pop_front();
  end->set_listener(nullptr);
  // Edge-triggered, and more may wait.
  if (!accepted_.empty()) readable_.Set();
  return end;
}

void TcpListener::Close() {
  if (closed_) return;
  closed_ = true;
  host_.Unlisten(*this);
  while (!handshakes_.empty()) handshakes_.back()->Forget();
  while (!accepted_.empty()) {
    TcpEnd& end = *accepted_.front();
    if (end.known()) end.sender().SendOnce(PacketKind::kReset);
    end.Forget();
  }
  readable_.Set();
}

void TcpListener::Forget() {
  closed_ = true;
  host_.Unlisten(*this);
  while (!handshakes_.empty()) handshakes_.back()->Forget();
  while (!accepted_.empty()) accepted_.front()->Forget();
  readable_.Set();
}

}  // namespace redial::testing::internal
