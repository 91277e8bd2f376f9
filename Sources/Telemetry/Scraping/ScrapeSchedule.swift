// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import DequeModule
import HeapModule

/// When each replica is scraped next. A value: it knows no clock and starts nothing.
///
/// ```
/// replace(group) ──> waiting ──due──> running ──finished──> waiting (one interval after it was due)
///                       ^                │
///                       └── failed: later, up to `slowest` intervals apart
/// ```
///
/// - The first scrapes of a group's replicas are spread evenly at random over one interval, and stay spread: the next is
///   due one interval after the last was *due*. What is more than an interval behind is not made up for.
/// - At most `concurrency` run at one time. Replicas whose last scrape failed share a quarter of that, so that dead ones,
///   which take the whole time limit, delay no other.
struct ScrapeSchedule {
    /// One scrape to do.
    struct Job: Sendable, Hashable {
        /// The group.
        var group: String
        /// Where the page is.
        var target: ScrapeTarget
        /// Counts up when the replica's entry is made anew, so that a late answer isn't taken for the new one's.
        var generation: UInt64
    }

    /// What is known of one replica.
    private struct Entry {
        var job: Job
        var due: WallTime
        var interval: Duration
        var failures = 0
        var isRunning = false
        var sequence: UInt64
    }

    private struct Turn: Comparable {
        var due: WallTime
        var sequence: UInt64
        var group: String
        var pod: String

        static func < (left: Turn, right: Turn) -> Bool { (left.due, left.sequence) < (right.due, right.sequence) }
    }

    /// The shortest interval between two scrapes of a replica.
    static let shortestInterval = Duration.seconds(1)
    /// How many intervals apart the scrapes of a replica are that keeps failing.
    static let slowest = 4

    private let concurrency: Int
    private var groups: [String: [String: Entry]] = [:]
    private var turns = Heap<Turn>()
    /// Failing replicas whose turn came while their share was taken, in that order.
    private var held = Deque<Turn>()
    private var running = 0
    private var runningFailed = 0
    private var sequence: UInt64 = 0

    /// A schedule without a replica.
    init(concurrency: Int) { self.concurrency = max(4, concurrency) }

    /// When the next turn comes; `nil` when nothing waits for one.
    var nextDue: WallTime? { (hasRoomForFailing ? held.first : nil)?.due ?? turns.min?.due }

    private var hasRoomForFailing: Bool { running < concurrency && runningFailed < max(1, concurrency / 4) }

    /// Whether a group has exactly these replicas, scraped at this interval.
    func has(_ group: String, _ targets: [ScrapeTarget], interval: Duration) -> Bool {
        let interval = max(interval, Self.shortestInterval)
        let entries = groups[group]
        return entries?.count ?? 0 == targets.count
            && targets.allSatisfy { target in
                guard let entry = entries?[target.pod] else { return false }
                return entry.job.target == target && entry.interval == interval
            }
    }

    /// Sets the replicas of a group; those that stay keep their turns.
    mutating func replace(
        _ group: String,
        targets: [ScrapeTarget],
        interval: Duration,
        now: WallTime,
        spread: () -> Double
    ) {
        let interval = max(interval, Self.shortestInterval)
        let old = groups[group] ?? [:]
        var entries: [String: Entry] = [:]
        for target in targets {
            if var known = old[target.pod], known.job.target == target {
                known.interval = interval
                entries[target.pod] = known
                continue
            }
            sequence += 1
            let due = now + interval * min(max(spread(), 0), 1)
            let job = Job(group: group, target: target, generation: sequence)
            entries[target.pod] = Entry(job: job, due: due, interval: interval, sequence: sequence)
            turns.insert(Turn(due: due, sequence: sequence, group: group, pod: target.pod))
        }
        groups[group] = entries.isEmpty ? nil : entries
    }

    /// The scrapes whose turn has come, as many as may run.
    mutating func take(now: WallTime) -> [Job] {
        var jobs: [Job] = []
        while hasRoomForFailing, let turn = held.popFirst() { start(turn, &jobs) }
        while running < concurrency, let turn = turns.min, turn.due <= now {
            turns.removeMin()
            if !hasRoomForFailing, let entry = entry(turn), entry.failures > 0 {
                held.append(turn)
            } else {
                start(turn, &jobs)
            }
        }
        return jobs
    }

    private mutating func start(_ turn: Turn, _ jobs: inout [Job]) {
        guard var entry = entry(turn) else { return }
        if entry.failures > 0 { runningFailed += 1 }
        running += 1
        entry.isRunning = true
        groups[turn.group]?[turn.pod] = entry
        jobs.append(entry.job)
    }

    /// Notes the end of a scrape; answers whether its replica is still wanted.
    mutating func finish(_ job: Job, wasFailing: Bool, failed: Bool, now: WallTime) -> Bool {
        running -= 1
        if wasFailing { runningFailed -= 1 }
        guard var entry = groups[job.group]?[job.target.pod], entry.job.generation == job.generation else {
            return false
        }
        entry.isRunning = false
        entry.failures = failed ? min(entry.failures + 1, 16) : 0
        // One failure may be a hiccup; a replica that keeps failing is asked less often.
        let intervals = entry.failures > 2 ? Self.slowest : 1
        entry.due = entry.due + entry.interval * intervals
        if entry.due < now { entry.due = now + entry.interval * intervals }
        sequence += 1
        entry.sequence = sequence
        groups[job.group]?[job.target.pod] = entry
        turns.insert(Turn(due: entry.due, sequence: sequence, group: job.group, pod: job.target.pod))
        return true
    }

    /// Whether the replica's last scrape failed.
    func isFailing(_ job: Job) -> Bool { (groups[job.group]?[job.target.pod]?.failures ?? 0) > 0 }

    /// The replicas of a group.
    func pods(of group: String) -> [String] { groups[group].map { Array($0.keys) } ?? [] }

    /// The entry that a turn is for; `nil` when the replica is gone or has another turn.
    private func entry(_ turn: Turn) -> Entry? {
        guard let entry = groups[turn.group]?[turn.pod], entry.sequence == turn.sequence, !entry.isRunning else {
            return nil
        }
        return entry
    }
}
