// A test program that links the test kit, which itself needs no test framework.

#include <iostream>

#include "redial/version.h"

int main() { std::cout << "test kit of redial " << redial::Version() << '\n'; }
