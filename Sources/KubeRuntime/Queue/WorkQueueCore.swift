// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import Ambient
internal import DequeModule
internal import HeapModule
public import KubeModel

/// How soon a key is worked on.
public enum WorkPriority: Int, Sendable, Hashable, Comparable, CaseIterable {
    /// A resync or a relist: nothing may have changed.
    case resync = 0
    /// Something changed.
    case change = 1
    /// A person, or a program on their behalf, asked for something else.
    case user = 2

    /// Resyncs are the smallest.
    public static func < (left: WorkPriority, right: WorkPriority) -> Bool { left.rawValue < right.rawValue }
}

/// A queue of keys without a clock and a lock: what `WorkQueue` decides. Every operation is O(1), or O(log n) with delays.
///
/// A key is at most once in the queue and at most once in work; one that is added while in work is queued again when that
/// ends. The number of objects therefore bounds the queue.
///
/// | the key is | add | next | done |
/// | --- | --- | --- | --- |
/// | nowhere | queued | | |
/// | queued | stays, may rise in priority | in work | |
/// | in work | marked | | nowhere, or queued when marked |
///
/// Of every `fairness` keys one is taken from the lowest line that isn't empty, so that none starves.
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

    private struct Appointment {
        var deadline: WallTime
        var serial: UInt64
        var priority: WorkPriority
    }

    /// How many keys are taken by priority before the lowest line gets a turn.
    public static let fairness: UInt64 = 16
    /// Entries that no longer count are swept once there are more of them than of the others, and more than this.
    private static let slack = 64

    private var places: [ObjectKey: Place] = [:]
    private var lines = [Deque<ObjectKey>](repeating: [], count: WorkPriority.allCases.count)
    private var delayed: Heap<Delayed> = []
    private var appointments: [ObjectKey: Appointment] = [:]
    private var failures: [ObjectKey: Int] = [:]
    private var serial: UInt64 = 0
    private var taken: UInt64 = 0
    /// The number of keys that could be worked on now.
    public private(set) var count = 0
    /// Whether no further key is handed out.
    public private(set) var isShutDown = false

    /// An empty queue.
    public init() {}

    /// The number of keys in work.
    public var inWorkCount: Int { places.count - count }

    /// The number of keys that wait for a deadline.
    public var delayedCount: Int { appointments.count }

    /// All entries that are held, also those that no longer count.
    var retainedEntries: Int { lines.reduce(delayed.count) { $0 + $1.count } }

    /// Whether a key waits to be worked on, or will again after the work in hand.
    public func isWanted(_ key: ObjectKey) -> Bool {
        switch places[key] {
        case .queued, .inWorkAndWanted: true
        case .inWork, nil: false
        }
    }

    /// Adds a key. Nothing happens after shutdown.
    public mutating func add(_ key: ObjectKey, priority: WorkPriority = .change) {
        guard !isShutDown else { return }
        switch places[key] {
        case nil:
            count += 1
            enqueue(key, priority)
        case .queued(let present): if priority > present { enqueue(key, priority) }
        case .inWork: places[key] = .inWorkAndWanted(priority)
        case .inWorkAndWanted(let present): places[key] = .inWorkAndWanted(max(present, priority))
        }
    }

    /// Adds a key once `deadline` has come; of two deadlines of one key the earlier counts.
    public mutating func add(_ key: ObjectKey, at deadline: WallTime, priority: WorkPriority = .change) {
        guard !isShutDown else { return }
        if let present = appointments[key], present.deadline <= deadline { return }
        serial += 1
        appointments[key] = Appointment(deadline: deadline, serial: serial, priority: priority)
        delayed.insert(Delayed(deadline: deadline, serial: serial, key: key, priority: priority))
        sweepDelayed()
    }

    /// Hands out the next key that is due; it stays in work until `done`.
    public mutating func next(now: WallTime) -> ObjectKey? {
        release(now: now)
        guard !isShutDown, count > 0 else { return nil }
        taken += 1
        let order = taken % Self.fairness == 0 ? Array(lines.indices) : lines.indices.reversed()
        for line in order {
            guard let priority = WorkPriority(rawValue: line), let key = pop(priority) else { continue }
            places[key] = .inWork
            count -= 1
            return key
        }
        return nil
    }

    /// The earliest deadline of a key that waits.
    public var nextDeadline: WallTime? { delayed.min?.deadline }

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
        lines = lines.map { _ in [] }
        delayed = []
        appointments = [:]
        places = places.filter { if case .queued = $0.value { false } else { true } }
        count = 0
    }

    private mutating func enqueue(_ key: ObjectKey, _ priority: WorkPriority) {
        places[key] = .queued(priority)
        lines[priority.rawValue].append(key)
        sweep(priority)
    }

    /// Takes the first key that is really queued at that priority; a key that rose has left a stale entry behind.
    private mutating func pop(_ priority: WorkPriority) -> ObjectKey? {
        while let key = lines[priority.rawValue].popFirst() {
            if places[key] == .queued(priority) { return key }
        }
        return nil
    }

    /// Throws out the stale entries of a line once there may be more of them than of keys.
    private mutating func sweep(_ priority: WorkPriority) {
        guard lines[priority.rawValue].count > 2 * count + Self.slack else { return }
        var seen: Set<ObjectKey> = []
        lines[priority.rawValue] = lines[priority.rawValue].filter { key in
            places[key] == .queued(priority) && seen.insert(key).inserted
        }
    }

    /// Throws out the deadlines that an earlier one replaced.
    private mutating func sweepDelayed() {
        guard delayed.count > 2 * appointments.count + Self.slack else { return }
        delayed = Heap(
            appointments.map { key, appointment in
                Delayed(
                    deadline: appointment.deadline,
                    serial: appointment.serial,
                    key: key,
                    priority: appointment.priority
                )
            }
        )
    }

    /// Queues every key whose deadline has come.
    private mutating func release(now: WallTime) {
        while let first = delayed.min, first.deadline <= now || appointments[first.key]?.serial != first.serial {
            _ = delayed.popMin()
            guard appointments[first.key]?.serial == first.serial else { continue }
            appointments[first.key] = nil
            add(first.key, priority: first.priority)
        }
    }
}
