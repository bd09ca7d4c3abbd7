// An `Acceptor` over a kernel socket.
#ifndef REDIAL_SRC_NET_KERNEL_ACCEPTOR_H_
#define REDIAL_SRC_NET_KERNEL_ACCEPTOR_H_

#include <sys/types.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "redial/address.h"
#include "redial/descriptor.h"
#include "redial/network.h"
#include "redial/stream.h"
#include "src/core/mutex.h"

namespace redial::internal {

// A path in the file system that a listener made, which is removed when the listener goes; not if
// somebody has put another socket there since. Used by one thread.
class BoundPath {
 public:
  BoundPath() = default;
  // Remembers what stands at `path` now.
  explicit BoundPath(const std::string& path);
  BoundPath(BoundPath&& other) noexcept;
  BoundPath& operator=(BoundPath&&) = delete;
  ~BoundPath();

 private:
  std::string path_;  // empty: nothing to remove
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

// Safe between threads; several may accept at once.
class KernelAcceptor final : public Acceptor {
 public:
  // Takes over `fd`, which must be listening and non-blocking.
  KernelAcceptor(int fd, const Address& local, BoundPath path)
      : path_(std::move(path)), descriptor_(fd), local_(local) {}

  Result TryAccept() override;
  void Close() override { descriptor_.Close(); }
  void Poke() override { descriptor_.Poke(); }
  Address local() const override { return local_; }

 private:
  BoundPath path_;  // goes after the descriptor: nobody finds a path that nobody listens on
  StdMutex turn_;   // a descriptor lets in one reader at a time
  Descriptor descriptor_;
  const Address local_;
};

// Binds and listens. `options` are valid.
absl::StatusOr<std::unique_ptr<Acceptor>> ListenOnKernel(const Address& address,
                                                         const ListenOptions& options);

}  // namespace redial::internal

#endif  // REDIAL_SRC_NET_KERNEL_ACCEPTOR_H_
