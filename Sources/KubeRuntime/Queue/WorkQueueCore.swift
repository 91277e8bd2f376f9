// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import Ambient
internal import DequeModule
internal import HeapModule
public import KubeModel

/// How soon a key is worked on.
public enum WorkPriority: Int, Sendable, Hashable, Comparable {
    /// A resync or a relist: nothing may have changed.
    case resync = 0
    /// Something changed.
    case change = 1

    /// Resyncs are the smaller ones.
    public static func < (left: WorkPriority, right: WorkPriority) -> Bool { left.rawValue < right.rawValue }
}

/// A queue of keys without a clock and a lock: what `WorkQueue` decides.
///
/// A key is at most once in the queue and at most once in work; one that is added while in work is queued again when that
/// ends. The number of objects therefore bounds the queue.
///
/// | the key is | add | next | done |
/// | --- | --- | --- | --- |
/// | nowhere | queued | | |
/// | queued | stays, may rise in priority | in work | |
/// | in work | marked | | nowhere, or queued when marked |
public struct WorkQueueCore: Sendable {
    private enum Place: Hashable {
        case queued(WorkPriority)
        case inWork
        case inWorkAndWanted(WorkPriority)
    }

    private struct Delayed: Comparable {
        let deadline: WallTime
        let serial: UInt64
        let key: ObjectKey
        let priority: WorkPriority

        static func < (left: Delayed, right: Delayed) -> Bool {
            (left.deadline, left.serial) < (right.deadline, right.serial)
        }
    }

    private var places: [ObjectKey: Place] = [:]
    private var changes: Deque<ObjectKey> = []
    private var resyncs: Deque<ObjectKey> = []
    private var delayed: Heap<Delayed> = []
    private var deadlines: [ObjectKey: UInt64] = [:]
    private var failures: [ObjectKey: Int] = [:]
    private var serial: UInt64 = 0
    /// Whether no further key is handed out.
    public private(set) var isShutDown = false

    /// An empty queue.
    public init() {}

    /// The number of keys that could be worked on now.
    public var count: Int { places.values.count { if case .queued = $0 { true } else { false } } }

    /// The number of keys in work.
    public var inWorkCount: Int { places.count - count }

    /// The number of keys that wait for a deadline.
    public var delayedCount: Int { deadlines.count }

    /// Adds a key. Nothing happens after shutdown.
    public mutating func add(_ key: ObjectKey, priority: WorkPriority = .change) {
        guard !isShutDown else { return }
        switch places[key] {
        case nil: enqueue(key, priority)
        case .queued(let present): if priority > present { enqueue(key, priority) }
        case .inWork: places[key] = .inWorkAndWanted(priority)
        case .inWorkAndWanted(let present): places[key] = .inWorkAndWanted(max(present, priority))
        }
    }

    /// Adds a key once `deadline` has come; of two deadlines of one key the earlier counts.
    public mutating func add(_ key: ObjectKey, at deadline: WallTime, priority: WorkPriority = .change) {
        guard !isShutDown else { return }
        if let present = deadlines[key], let entry = delayed.unordered.first(where: { $0.serial == present }),
            entry.deadline <= deadline
        {
            return
        }
        serial += 1
        deadlines[key] = serial
        delayed.insert(Delayed(deadline: deadline, serial: serial, key: key, priority: priority))
    }

    /// Hands out the next key that is due; it stays in work until `done`.
    public mutating func next(now: WallTime) -> ObjectKey? {
        release(now: now)
        guard !isShutDown else { return nil }
        if let key = pop(\.changes, .change) ?? pop(\.resyncs, .resync) {
            places[key] = .inWork
            return key
        }
        return nil
    }

    /// The earliest deadline of a key that waits.
    public var nextDeadline: WallTime? {
        delayed.min?.deadline
    }

    /// Ends the work on a key; it is queued again when it was added meanwhile.
    public mutating func done(_ key: ObjectKey) {
        switch places[key] {
        case .inWorkAndWanted(let priority):
            places[key] = nil
            add(key, priority: priority)
        case .inWork: places[key] = nil
        case .queued, nil: break
        }
    }

    /// Counts a failure of a key, and answers how many there were in a row.
    public mutating func noteFailure(_ key: ObjectKey) -> Int {
        failures[key, default: 0] += 1
        return failures[key, default: 1]
    }

    /// Forgets the failures of a key.
    public mutating func noteSuccess(_ key: ObjectKey) { failures[key] = nil }

    /// Hands out no further key, and drops those that wait.
    public mutating func shutDown() {
        isShutDown = true
        changes = []
        resyncs = []
        delayed = []
        deadlines = [:]
        places = places.filter { if case .queued = $0.value { false } else { true } }
    }

    private mutating func enqueue(_ key: ObjectKey, _ priority: WorkPriority) {
        places[key] = .queued(priority)
        switch priority {
        case .change: changes.append(key)
        case .resync: resyncs.append(key)
        }
    }

    /// Takes the first key that is really queued at that priority; a key that rose has left a stale entry behind.
    private mutating func pop(
        _ line: WritableKeyPath<WorkQueueCore, Deque<ObjectKey>>,
        _ priority: WorkPriority
    ) -> ObjectKey? {
        while let key = self[keyPath: line].popFirst() {
            if places[key] == .queued(priority) { return key }
        }
        return nil
    }

    /// Queues every key whose deadline has come.
    private mutating func release(now: WallTime) {
        while let first = delayed.min, first.deadline <= now || deadlines[first.key] != first.serial {
            _ = delayed.popMin()
            guard deadlines[first.key] == first.serial else { continue }
            deadlines[first.key] = nil
            add(first.key, priority: first.priority)
        }
    }
}
