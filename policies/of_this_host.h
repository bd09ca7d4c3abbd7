// Whether an error says that this host has run out of something, and so nothing of the server.
#ifndef REDIAL_POLICIES_OF_THIS_HOST_H_
#define REDIAL_POLICIES_OF_THIS_HOST_H_

#include <cerrno>

namespace redial::internal {

inline bool IsOfThisHost(int error) {
  switch (error) {
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
    case EADDRNOTAVAIL:
      return true;
    default:
      return false;
  }
}

}  // namespace redial::internal

#endif  // REDIAL_POLICIES_OF_THIS_HOST_H_
