// Any bytes, as a set of policies and a script of events: no law is broken, whatever comes in
// whatever order. What is checked stands in tests/support/law_call.h and law_script.h.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>

#include "tests/fuzz/expect.h"
#include "tests/support/law_kit.h"
#include "tests/support/law_script.h"

namespace {

// A byte a choice; zeros when they are used up.
class Bytes final : public redial::testing::Choices {
 public:
  Bytes(const uint8_t* data, size_t size) : data_(data), left_(size) {}
  uint32_t Below(uint32_t n) override {
    if (left_ == 0) return 0;
    uint32_t byte = *data_++;
    --left_;
    if (n > 256 && left_ > 0) {
      byte = byte << 8 | *data_++;
      --left_;
    }
    return byte % n;
  }

 private:
  const uint8_t* data_;
  size_t left_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Bytes bytes(data, size);
  const std::string problem = redial::testing::PlayScript(bytes);
  if (!problem.empty()) std::fprintf(stderr, "%s\n", problem.c_str());
  REDIAL_FUZZ_EXPECT(problem.empty());
  return 0;
}
