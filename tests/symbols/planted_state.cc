// Three kinds of writable state, and two constants that are none.

namespace planted {

int zero_at_start;
int one_at_start = 1;
thread_local int one_a_thread = 1;

extern const int kConstant = 7;
extern const char* const kName = "constant";

}  // namespace planted
