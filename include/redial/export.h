#ifndef REDIAL_EXPORT_H_
#define REDIAL_EXPORT_H_

// Marks what a shared redial exports; all else in it is hidden. A class with virtual functions or
// out-of-line members that users call carries it, and so does a free function:
//
//   class REDIAL_EXPORT Socket { ... };
//   REDIAL_EXPORT std::string Story(const absl::Status& status);
//
// It means the same in a static build, where it changes nothing that a program can see.
#define REDIAL_EXPORT __attribute__((visibility("default")))

#endif  // REDIAL_EXPORT_H_
