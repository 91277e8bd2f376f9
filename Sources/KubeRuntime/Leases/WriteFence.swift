// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import Ambient
public import KubeModel
internal import Synchronization

/// What the work in hand is about; a fence with several lanes tells by it which lease a write needs.
public enum WriteScope {
    /// The object whose reconcile or decision is in hand; `nil` outside of any.
    @TaskLocal public static var key: ObjectKey?
}

/// A write was refused before it was sent: the lease for it isn't provably ours.
public struct WriteRefused: Error, Hashable, CustomStringConvertible {
    /// What the write was about.
    public var key: ObjectKey?

    /// Says why.
    public var description: String {
        "the write\(key.map { " for \($0)" } ?? "") was not sent: this process doesn't hold the lease for it any more"
    }
}

/// Lets writes through only while a lease is provably held, and bounds how long each may take.
///
///     last renewal sent        writes begin until            writes end by     another may lead from
///     |------------------------|-----------------------------|-----------------|
///     0                        renew deadline                half the gap      lease duration
///
/// The clock must go on while the process is stopped or the machine sleeps. A process that wakes after its time finds the
/// fence closed before its first write, whatever it believed when it fell asleep.
public final class WriteFence: Sendable {
    /// The permission for one write.
    public struct Permit: Sendable, Hashable {
        /// The lane it was given for.
        public let lane: Int
        /// How long the write may take.
        public let allowance: Duration
        /// When it has ended for certain, answered or not.
        public let endsBy: WallTime
    }

    private struct Lane {
        var beginsUntil: WallTime?
        var endsBy: WallTime?
        var goneBy: WallTime?
        var inFlight = 0
        /// Until when a write without an answer may still take effect.
        var unresolvedUntil: WallTime?
    }

    private let lane: @Sendable (ObjectKey?) -> Int?
    private let lanes = Mutex<[Int: Lane]>([:])

    /// A closed fence; `lane` names the lease that a write needs, by default the only one.
    public init(lane: @escaping @Sendable (ObjectKey?) -> Int? = { _ in 0 }) { self.lane = lane }

    /// Lets writes of a lane begin until one time and take until another.
    /// - Parameter goneBy: when nothing of a write without an answer is under way any more, at a server that heard of it late
    ///   included: the end of the lease; `endsBy` by default.
    public func open(_ lane: Int = 0, beginsUntil: WallTime, endsBy: WallTime, goneBy: WallTime? = nil) {
        lanes.withLock { lanes in
            lanes[lane, default: Lane()].goneBy = max(beginsUntil, endsBy, goneBy ?? endsBy)
            lanes[lane, default: Lane()].beginsUntil = beginsUntil
            lanes[lane, default: Lane()].endsBy = max(beginsUntil, endsBy)
        }
    }

    /// Whether writes of a lane may begin at `time`.
    public func isOpen(lane: Int, at time: WallTime) -> Bool {
        lanes.withLock { lanes in lanes[lane]?.beginsUntil.map { time < $0 } ?? false }
    }

    /// Lets no further write of a lane begin.
    public func close(_ lane: Int = 0) {
        lanes.withLock { lanes in
            lanes[lane]?.beginsUntil = nil
            lanes[lane]?.endsBy = nil
        }
    }

    /// Whether a write about `key` could begin now.
    public func isOpen(for key: ObjectKey?, now: WallTime) -> Bool {
        guard let number = lane(key) else { return false }
        return lanes.withLock { lanes in lanes[number]?.beginsUntil.map { now < $0 } ?? false }
    }

    /// Whether no write of a lane is in flight, nor one without an answer that may still take effect.
    public func isQuiet(_ lane: Int = 0, now: WallTime) -> Bool {
        lanes.withLock { lanes in
            guard let lane = lanes[lane] else { return true }
            return lane.inFlight == 0 && lane.unresolvedUntil.map { $0 <= now } ?? true
        }
    }

    /// Asks to begin a write; `end` must follow.
    public func begin(_ key: ObjectKey?, now: WallTime) throws(WriteRefused) -> Permit {
        guard let number = lane(key) else { throw WriteRefused(key: key) }
        let permit = lanes.withLock { lanes -> Permit? in
            guard let lane = lanes[number], let limit = lane.beginsUntil, let end = lane.endsBy, now < limit else {
                return nil
            }
            lanes[number]?.inFlight += 1
            return Permit(lane: number, allowance: end - now, endsBy: lane.goneBy ?? end)
        }
        guard let permit else { throw WriteRefused(key: key) }
        return permit
    }

    /// Notes the end of a write; without an answer it may still take effect until its time is up.
    public func end(_ permit: Permit, wasAnswered: Bool) {
        lanes.withLock { lanes in
            guard var lane = lanes[permit.lane] else { return }
            lane.inFlight = max(0, lane.inFlight - 1)
            if !wasAnswered { lane.unresolvedUntil = max(lane.unresolvedUntil ?? permit.endsBy, permit.endsBy) }
            lanes[permit.lane] = lane
        }
    }
}
