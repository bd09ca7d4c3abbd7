#include <sys/socket.h>

namespace planted {

int Open() { return socket(AF_INET, SOCK_STREAM, 0); }

}  // namespace planted
