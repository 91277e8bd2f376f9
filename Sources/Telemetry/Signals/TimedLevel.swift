// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient

/// A level that comes from a counter of time, over intervals in which no request may end.
///
/// Such a counter grows only when a request ends, by all the time that it took: a replica that works on one long request for
/// minutes looks idle, and then as if it had worked on many.
///
/// | in the interval | the level |
/// | --- | --- |
/// | requests ended | their time, over the interval; or over the time since requests ended before, as far as one takes so long |
/// | none ended | what it was when requests last ended, for as long as they are known to take |
/// | none ended, for longer | 0 |
/// | none was ever seen to end | unknown for as long as they are known to take, then 0 |
///
/// How long they are known to take is three times the mean of the last that ended: until then nearly all have. After an interval
/// in which some ended it is one interval at least, and always a quarter of an hour at most.
struct TimedLevel: Sendable, Hashable {
    /// The longest time for which a level is kept, whatever a server says of its durations.
    static let longestKept = 900.0
    /// For how many mean durations a level is kept.
    static let keptMeans = 3.0

    /// The level when requests last ended; `nil` before any was seen to end.
    private var last: Double?
    /// When the page arrived from which on none has ended.
    private var since: WallTime
    /// How long a request takes on average, in seconds; `nil` where that isn't known.
    private var mean: Double?

    /// Nothing seen yet.
    /// - Parameters:
    ///   - first: when the first page arrived.
    ///   - mean: the seconds that a request took on average until then.
    init(first: WallTime, mean: Double?) {
        since = first
        self.mean = mean
    }

    /// The level after one more interval; `nil` where it is unknown.
    /// - Parameters:
    ///   - growth: the seconds that the counter grew by; `nil` when no request ended.
    ///   - mean: the seconds that a request took on average, of those that ended; `nil` where that isn't known.
    mutating func add(growth: Double?, mean newest: Double?, from before: WallTime, to now: WallTime) -> Double? {
        let waited = (now - since).inSeconds
        guard let growth else {
            let isNext = last != nil && before <= since
            return isNext || waited <= min(Self.longestKept, Self.keptMeans * (mean ?? 0)) ? last : 0
        }
        let interval = (now - before).inSeconds
        mean = newest ?? mean
        // An idle hour before them is no part of the time in which they were worked on.
        let level = growth / max(interval, min(waited, mean ?? waited))
        (last, since) = (level, now)
        return level
    }

    /// Why the level is unknown, as a clause.
    var unknown: String {
        let seconds = PrometheusTextWriter.number(((mean ?? 0) * 10).rounded() / 10)
        return "no request has ended since the first page, and one takes \(seconds) s on average"
    }
}

/// The levels of one replica that come from counters of time; `nil` where a level is a gauge, or before the second page.
struct TimedLevels: Sendable, Hashable {
    /// Requests that wait.
    var queueLength: TimedLevel?
    /// Requests that were accepted and not yet answered.
    var inFlight: TimedLevel?
}
