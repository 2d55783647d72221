// base.hpp and the object model, for what links api.
#include "cmake/precompiled/base.hpp"

#include "api/objects.hpp"
