// A part of a benchmark that plays in a process of its own: this program again, started afresh, so
// that neither its memory nor its threads are those of another part.
//
//   Part server({.role = "server", .cpu = 1});
//   const std::string port = server.Ask("port");
//
// Used by one thread.
#ifndef REDIAL_BENCHMARKS_PART_H_
#define REDIAL_BENCHMARKS_PART_H_

#include <sys/types.h>

#include <string>

namespace redial::benchmarks {

struct PartOptions {
  std::string role = {};
  int cpu = 0;  // where it is pinned
  int port = 0;
  int connections = 0;
  int control = -1;  // the part's end of the line to who started it
};

class Part {
 public:
  explicit Part(PartOptions options);
  Part(const Part&) = delete;
  Part& operator=(const Part&) = delete;
  ~Part();  // ends it

  // Sends a line and waits for one. Ends the program where the part has died.
  std::string Ask(const std::string& line);
  void Tell(const std::string& line);
  // Its resident memory, in bytes.
  double Memory() const;

 private:
  pid_t pid_ = -1;
  int control_ = -1;
};

// In the part: plays the role until the other end of the line is gone.
int PlayPart(const PartOptions& options);

// One line from or to a descriptor. Reading gives an empty one at the end.
std::string ReadLine(int fd);
void WriteLine(int fd, const std::string& line);

[[noreturn]] void Die(const char* what);

// The roles.
void ServeEcho(const PartOptions& options);
void PlayLoad(const PartOptions& options);

}  // namespace redial::benchmarks

#endif  // REDIAL_BENCHMARKS_PART_H_
