// Connected TCP sockets on loopback for the benchmarks, made with plain system calls.
#ifndef REDIAL_BENCHMARKS_ECHO_H_
#define REDIAL_BENCHMARKS_ECHO_H_

namespace redial::benchmarks {

struct SocketPair {
  int ours = -1;
  int theirs = -1;
};
// Blocking, with TCP_NODELAY. Ends the program if there is none to be had.
SocketPair TcpPair();

// The near end of a connection whose far end, a process of its own pinned to `cpu`, sends back what
// it gets with plain blocking calls. It ends with the connection, or with us.
int ConnectToEcho(int cpu);

}  // namespace redial::benchmarks

#endif  // REDIAL_BENCHMARKS_ECHO_H_
