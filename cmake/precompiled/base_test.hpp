// base.hpp and GoogleTest.
#include "cmake/precompiled/base.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
