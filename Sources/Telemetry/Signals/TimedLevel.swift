// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient

/// How many requests ended in an interval, and how long they took.
struct EndedRequests: Sendable, Hashable {
    /// How many; more than 0.
    var count: Double
    /// The seconds that one took on average.
    var meanSeconds: Double
}

/// A level that comes from a counter of time, over intervals in which no request may end.
///
/// Such a counter grows only when a request ends, by all the time that it took: a replica that works on one long request for
/// minutes looks idle, and then as if it had worked on many. So the level is an average over a window: the time of all
/// requests that ended in it, over its length.
///
/// | the window reaches back | so that |
/// | --- | --- |
/// | three times as long as a request takes on average | 95 of 100 requests end within it, with an exponential spread |
/// | one interval at least | short requests count at once |
/// | a quarter of an hour at most | no claim of a server blinds it for longer |
/// | to the first page at most | after a start it isn't thinned by what nobody saw |
///
/// Its length doesn't depend on when requests end, so that the mean of the level is that of the requests, however few or
/// many end at once (Little's law). A window from one end to the next, or a level that is kept until the next end, isn't so.
///
/// | seen to end since the first page | the level |
/// | --- | --- |
/// | requests, also in the window | the average |
/// | requests, none in the window | 0 |
/// | requests, and a request takes longer on average than the first page is ago | unknown: most that run didn't end yet |
/// | none | unknown until a whole window has passed, then 0 |
struct TimedLevel: Sendable, Hashable {
    /// The longest window in seconds, whatever a server says of its durations.
    static let longestWindow = 900.0
    /// How many mean durations a window holds.
    static let windowMeans = 3.0
    /// How many requests the mean duration is of, about: older ones count ever less.
    static let remembered = 16.0
    /// Requests that ended in so small a part of the window are one entry: what is held has a bound.
    static let finestPart = 1.0 / 60

    /// What requests took that ended in a stretch of time, taken for evenly spread over it.
    private struct Entry: Sendable, Hashable {
        var from: WallTime
        var to: WallTime
        var seconds: Double

        /// The part of its seconds that lies behind `start`.
        func seconds(since start: WallTime) -> Double {
            guard from < start else { return seconds }
            return seconds * max(0, (to - start).inSeconds / (to - from).inSeconds)
        }
    }

    /// When the first page arrived.
    private let first: WallTime
    /// How long a request takes on average, in seconds, `longestWindow` at most; `nil` where that isn't known.
    private var mean: Double?
    /// Whether a request was seen to end.
    private var hasSeenEnd = false
    /// What ended in the window, the oldest first; no two neighbours are within `finestPart` of it.
    private var entries: [Entry] = []

    /// Nothing seen yet.
    /// - Parameters:
    ///   - first: when the first page arrived.
    ///   - mean: the seconds that a request took on average until then.
    init(first: WallTime, mean: Double?) {
        self.first = first
        self.mean = mean.map { min($0, Self.longestWindow) }
    }

    /// How many entries it holds: some 120 at most, a few hundred while durations grow.
    var entryCount: Int { entries.count }

    /// The level after one more interval; `nil` where it is unknown.
    /// - Parameters:
    ///   - growth: the seconds that the counter grew by; `nil` when no request ended.
    ///   - ended: the requests that ended; `nil` where their durations aren't known.
    mutating func add(growth: Double?, ended: EndedRequests?, from before: WallTime, to now: WallTime) -> Double? {
        if let ended { learn(ended) }
        let taken = mean ?? 0
        let reach = min(Self.longestWindow, Self.windowMeans * taken)
        let window = max((now - before).inSeconds, reach)
        let start = now - .seconds(window)
        entries.removeAll { $0.to <= start }
        if let growth {
            hasSeenEnd = true
            if growth > 0 { append(Entry(from: before, to: now, seconds: growth), window: window) }
        }
        let seen = (now - first).inSeconds
        guard hasSeenEnd ? seen >= taken : seen > reach else { return nil }
        return entries.reduce(0) { $0 + $1.seconds(since: start) } / min(window, seen)
    }

    /// Why the level is unknown, as a clause.
    var unknown: String {
        let mean = mean ?? 0
        let seconds = PrometheusTextWriter.number((mean * 10).rounded() / 10)
        let average = "\(seconds) s\(mean < Self.longestWindow ? "" : " or more") on average"
        return hasSeenEnd
            ? "seen for less time than a request takes, \(average)"
            : "no request has ended since the first page, and one takes \(average)"
    }

    private mutating func learn(_ ended: EndedRequests) {
        let newest = min(ended.meanSeconds, Self.longestWindow)
        let known = mean ?? newest
        mean = known + (newest - known) * ended.count / (ended.count + Self.remembered)
    }

    private mutating func append(_ entry: Entry, window: Double) {
        if let last = entries.last, (entry.to - last.from).inSeconds <= window * Self.finestPart {
            entries[entries.count - 1].to = entry.to
            entries[entries.count - 1].seconds += entry.seconds
        } else {
            entries.append(entry)
        }
    }
}

/// The levels of one replica that come from counters of time; `nil` where a level is a gauge, or before the second page.
struct TimedLevels: Sendable, Hashable {
    /// Requests that wait.
    var queueLength: TimedLevel?
    /// Requests that were accepted and not yet answered.
    var inFlight: TimedLevel?
}
