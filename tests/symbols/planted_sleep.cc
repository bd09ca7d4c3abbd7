#include <chrono>
#include <thread>

namespace planted {

void Sleep() { std::this_thread::sleep_for(std::chrono::seconds(1)); }

}  // namespace planted
