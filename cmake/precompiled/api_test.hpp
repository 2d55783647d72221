// api.hpp, GoogleTest and a JSON tree.
#include "cmake/precompiled/api.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
