// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import Ambient
import Synchronization

/// What is known of one replica's page.
public struct ReplicaReading: Sendable, Hashable {
    /// The last page that could be read.
    public var scrape: ReplicaScrape?
    /// Why the last scrape brought none, as a clause; `nil` when it did.
    public var failure: String?

    /// A reading.
    public init(scrape: ReplicaScrape?, failure: String? = nil) {
        self.scrape = scrape
        self.failure = failure
    }
}

/// Scrapes the replicas of all groups, each at its own time, and holds what came of it for everyone who decides.
///
/// A group is a track of a model. One scrape serves scaling, the judging of canaries, and status: they read the board and
/// wait for nobody's page.
public final class ScrapeBoard: Sendable {
    /// What is known of one replica.
    private struct Notice {
        /// The job that it is about.
        var generation: UInt64
        /// The last page that could be read.
        var scrape: ReplicaScrape?
        /// What came of the last scrape.
        var part: TrackSignals.Part
        /// What is known at `scrape` of levels that come from counters of time.
        var levels: TimedLevels
    }

    private struct State {
        var schedule: ScrapeSchedule
        var mappings: [String: MetricsMapping] = [:]
        var notices: [String: [String: Notice]] = [:]
        var scraped: UInt64 = 0
        var failed: UInt64 = 0
    }

    /// How long the board rests at most before it looks again who is due.
    private static let longestRest = Duration.milliseconds(500)
    /// How long it rests at least, so that turns are taken in batches.
    private static let shortestRest = Duration.milliseconds(20)

    private let scraper: Scraper
    private let time: any TimeSource
    private let random: any RandomSource
    private let state: Mutex<State>
    private let onPage: @Sendable (String) -> Void

    /// A board without a group. The scraper's exchange must keep to the time limits of its requests, as clients do: the
    /// board sets no alarm of its own for each of thousands of scrapes.
    /// - Parameters:
    ///   - concurrency: the most scrapes at one time over all groups.
    ///   - onPage: called with a group of which there is something new.
    public init(
        scraper: Scraper,
        time: any TimeSource,
        random: any RandomSource,
        concurrency: Int = 256,
        onPage: @escaping @Sendable (String) -> Void = { _ in }
    ) {
        self.onPage = onPage
        self.scraper = scraper
        self.time = time
        self.random = random
        state = Mutex(State(schedule: ScrapeSchedule(concurrency: concurrency)))
    }

    /// Sets which replicas a group has; those that stay keep their history and their turns.
    /// - Parameter interval: the time between two scrapes of a replica; at least 1 s.
    public func watch(_ group: String, targets: [ScrapeTarget], mapping: MetricsMapping, interval: Duration) {
        let now = time.now()
        state.withLock { state in
            // Asked at every decision, and nearly always for the same.
            if state.mappings[group] == mapping, state.schedule.has(group, targets, interval: interval) { return }
            if state.mappings[group] != mapping {
                state.mappings[group] = mapping
                state.notices[group] = nil
            }
            state.schedule.replace(group, targets: targets, interval: interval, now: now) { random.unit() }
            let pods = Set(targets.map(\.pod))
            state.notices[group] = state.notices[group]?.filter { pods.contains($0.key) }
        }
    }

    /// Forgets a group.
    public func forget(_ group: String) {
        state.withLock { state in
            state.schedule.replace(group, targets: [], interval: .zero, now: time.now()) { 0 }
            state.mappings[group] = nil
            state.notices[group] = nil
        }
    }

    /// What is known of each replica of a group, by pod.
    public func parts(of group: String) -> [String: TrackSignals.Part] {
        state.withLock { state in
            let notices = state.notices[group] ?? [:]
            let pods = state.schedule.pods(of: group)
            return Dictionary(uniqueKeysWithValues: pods.map { ($0, notices[$0]?.part ?? .pending) })
        }
    }

    /// The signals of a group.
    /// - Parameter staleAfter: how old a page may be.
    public func signals(of group: String, staleAfter: Duration) -> TrackSignals {
        TrackSignals(parts: parts(of: group), now: time.now(), staleAfter: staleAfter)
    }

    /// The last page of each replica of a group, by pod, and why the last scrape failed where it did.
    public func readings(of group: String) -> [String: ReplicaReading] {
        state.withLock { state in
            let notices = state.notices[group] ?? [:]
            return notices.mapValues { notice in
                guard case .missing(let reason) = notice.part else { return ReplicaReading(scrape: notice.scrape) }
                return ReplicaReading(scrape: notice.scrape, failure: reason)
            }
        }
    }

    /// How many scrapes ended well and how many failed.
    public var counts: (scraped: UInt64, failed: UInt64) { state.withLock { ($0.scraped, $0.failed) } }

    /// Scrapes until the task is cancelled.
    public func run() async {
        await withDiscardingTaskGroup { group in
            while !Task.isCancelled {
                let now = time.now()
                let (work, next) = state.withLock { state in
                    let jobs = state.schedule.take(now: now)
                    let work = jobs.compactMap { job in
                        state.mappings[job.group].map { ($0, job, state.schedule.isFailing(job)) }
                    }
                    return (work, state.schedule.nextDue)
                }
                for (mapping, job, isFailing) in work {
                    group.addTask { await self.scrape(job, mapping: mapping, isFailing: isFailing) }
                }
                let rest = next.map { min(max($0 - now, Self.shortestRest), Self.longestRest) } ?? Self.longestRest
                guard (try? await time.sleep(for: rest)) != nil else { break }
            }
            group.cancelAll()
        }
    }

    private func scrape(_ job: ScrapeSchedule.Job, mapping: MetricsMapping, isFailing: Bool) async {
        let result = await scraper.fetch(job.target, mapping: mapping)
        // A scrape that the end of the board cut off says nothing of its replica.
        let wasCutOff = Task.isCancelled
        // A replica is scraped once at a time: nobody else changes what is known of it meanwhile.
        let notice = wasCutOff ? nil : notice(of: result, job, mapping: mapping)
        let failed = wasCutOff ? isFailing : result.isFailure
        let now = time.now()
        let isNews = state.withLock { state in
            let isWanted = state.schedule.finish(job, wasFailing: isFailing, failed: failed, now: now)
            guard let notice else { return false }
            if failed { state.failed += 1 } else { state.scraped += 1 }
            guard isWanted, state.mappings[job.group] == mapping else { return false }
            state.notices[job.group, default: [:]][job.target.pod] = notice
            return true
        }
        if isNews { onPage(job.group) }
    }

    /// What a scrape tells of its replica, with what was known before; read outside of the lock, which all others wait for.
    private func notice(of result: ScrapeResult, _ job: ScrapeSchedule.Job, mapping: MetricsMapping) -> Notice {
        let known = state.withLock { state in
            state.mappings[job.group] == mapping ? state.notices[job.group]?[job.target.pod] : nil
        }
        let same = known?.generation == job.generation ? known : nil
        let levels = same?.levels ?? TimedLevels()
        switch result {
        case .failed(let reason):
            return Notice(generation: job.generation, scrape: same?.scrape, part: .missing(reason), levels: levels)
        case .scraped(let scrape):
            let signals = ReplicaSignals(scrape, since: same?.scrape, levels: levels)
            return Notice(
                generation: job.generation,
                scrape: scrape,
                part: .reported(signals),
                levels: signals.levels
            )
        }
    }
}
