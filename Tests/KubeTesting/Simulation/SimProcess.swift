// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// A process of a simulated world: its tasks run on the world's scheduler, and stand still together while it is paused.
public final class SimProcess: TaskExecutor {
    /// The name in traces.
    public let name: String
    private let lane: Int
    private unowned let scheduler: SimScheduler
    private let living = Mutex(0)

    init(name: String, lane: Int, scheduler: SimScheduler) {
        self.name = name
        self.lane = lane
        self.scheduler = scheduler
    }

    /// Puts a job where the scheduler finds it.
    public func enqueue(_ job: consuming ExecutorJob) { scheduler.enqueue(UnownedJob(job), lane: lane) }

    /// Stops the process as SIGSTOP does: nothing of it runs, its clock goes on.
    public func pause() { scheduler.setPaused(true, lane: lane) }

    /// Lets a paused process go on.
    public func resume() { scheduler.setPaused(false, lane: lane) }

    /// How many tasks of `spawn` haven't ended.
    public var livingCount: Int { living.withLock { $0 } }

    /// Starts a task in this process.
    @discardableResult
    public func spawn(_ body: @escaping @Sendable () async -> Void) -> Task<Void, Never> {
        living.withLock { $0 += 1 }
        return Task(executorPreference: self) { [self] in
            await body()
            living.withLock { $0 -= 1 }
        }
    }
}
