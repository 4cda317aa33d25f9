// One launch: runs the kernel body on every core as a fiber and lets the scheduler execute what the bodies record.
#pragma once
#include "core_impl.h"
#include "fiber.h"
#include "kernel_globals.h"
#include "scheduler.h"

namespace ascendc_sim {

class Simulation {
public:
    using Kernel = std::function<void()>;

    Simulation(Machine& machine, Policy policy, const Kernel& kernel) : machine_(machine) {
        for (int block = 0; block < machine.options.num_blocks; ++block) {
            if (!kChip.split) {
                AddCore(block, CoreType::Mix, 0, kernel);
                continue;
            }
            const BlockKind kind = machine.options.block_kind;
            if (kind != BlockKind::Vector) AddCore(block, CoreType::Cube, 0, kernel);
            if (kind != BlockKind::Cube) AddCore(block, CoreType::Vector, 0, kernel);
            if (kind == BlockKind::Mixed) AddCore(block, CoreType::Vector, 1, kernel);
        }
        scheduler_ = std::make_unique<Scheduler>(machine, cores_, policy);
        instance_ = this;
    }

    void Run() {
        while (ResumeFibers() || scheduler_->Step()) {
        }
        if (!scheduler_->AllExecuted()) scheduler_->ReportDeadlock();
        scheduler_->ReportLeftFlags();
        for (Core& core : cores_) ReportLeftFlags(core);
    }

    const std::deque<Core>& Cores() const { return cores_; }
    const Scheduler& Executor() const { return *scheduler_; }

    static void SuspendCurrent() { instance_->fibers_[instance_->current_].Suspend(); }

private:
    void AddCore(int block, CoreType type, int sub_block, const Kernel& kernel) {
        cores_.emplace_back(machine_, block, type, sub_block);
        fibers_.emplace_back(kernel);
    }

    // Lets every body run that does not wait for a value; false if none could.
    bool ResumeFibers() {
        bool resumed = false;
        for (size_t i = 0; i < fibers_.size(); ++i) {
            if (fibers_[i].Done() || !scheduler_->Executed(int(i), cores_[i].awaited)) continue;
            current_ = i;
            g_core = &cores_[i];
            g_coreType = int32_t(cores_[i].type);
            fibers_[i].Resume();
            resumed = true;
        }
        return resumed;
    }

    static void ReportLeftFlags(Core& core) {
        for (const auto& [key, count] : core.outstanding_flags) {
            if (count == 0) continue;
            const int id = key % 64, to = key / 64 % kNumPipes, from = key / 64 / kNumPipes;
            core.Report("flag_left_set", Format("flag %s_%s %d is still set at the end", kPipeNames[from], kPipeNames[to], id));
        }
    }

    inline static Simulation* instance_ = nullptr;
    Machine& machine_;
    std::deque<Core> cores_;
    std::deque<Fiber> fibers_;
    std::unique_ptr<Scheduler> scheduler_;
    size_t current_ = 0;
};

void Core::Yield() { Simulation::SuspendCurrent(); }

}  // namespace ascendc_sim
