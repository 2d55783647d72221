// ProgramRunner: how credential plugins are run; by the node's own processes, or in memory for tests and the
// simulation.
//
// Thread: the loop. Stops: cancelling the awaiting task kills the program. What fails: as base::run_process(). Source:
// base/process.hpp.
#pragma once

#include "base/process.hpp"

namespace keelson::agent {

class ProgramRunner {
 public:
  virtual ~ProgramRunner() = default;
  virtual base::Task<Result<base::ProcessResult>> run(base::ProcessRequest request) = 0;
};

class ProcessRunner final : public ProgramRunner {
 public:
  ProcessRunner(base::Loop& loop, base::Clock& clock) : loop_(loop), clock_(clock) {}
  base::Task<Result<base::ProcessResult>> run(base::ProcessRequest request) override {
    return base::run_process(loop_, clock_, std::move(request));
  }

 private:
  base::Loop& loop_;
  base::Clock& clock_;
};

}  // namespace keelson::agent
