#include <thread>

namespace planted {

void Start() {
  std::thread([] {}).join();
}

}  // namespace planted
