// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import Ambient
public import KubeAPI
public import KubeModel

/// Decides what a watcher does next. Pure: no clock, no network.
///
///                 +---------- expired (410) -----------+
///                 v                                    |
///     start --> list --ok--> watch(from: version) --event--> watch
///                 ^  |            |    ^
///                 |  failed       |    +-- ended or broken: again from the last version,
///                 |  v            v        at once when it lived, else after a wait
///                 +-- wait <------+
public struct WatchStateMachine: Sendable {
    /// What to do next.
    public enum Action: Sendable, Hashable {
        /// Read the whole list.
        case list
        /// Watch for changes after a version.
        case watch(from: String)
        /// Wait, then ask `resume()`.
        case wait(Duration)
    }

    /// What an event means for the watcher.
    public enum Outcome: Sendable, Hashable {
        /// Keep the change and go on reading.
        case change(WatchEvent)
        /// Nothing to keep; go on reading.
        case proceed
        /// Stop reading this watch, and do that.
        case leave(Action)
    }

    /// How long a watch must have lived for its end to be no failure (`client-go`: "very short watch").
    public static let shortestLife: Duration = .seconds(1)

    private let backoff: Backoff
    private let random: any RandomSource
    private var afterWait: Action = .list
    /// The version up to which everything was seen; empty before the first list.
    public private(set) var resourceVersion = ""
    /// The failures since something last worked.
    public private(set) var failures = 0
    private var sawEvent = false

    /// A machine that waits along `backoff` after failures; the defaults are client-go's (0.8 s to 30 s).
    public init(
        backoff: Backoff = Backoff(initial: .milliseconds(800), maximum: .seconds(30), jitter: 0.5),
        random: any RandomSource = SystemRandom()
    ) {
        self.backoff = backoff
        self.random = random
    }

    /// The first action.
    public func start() -> Action { .list }

    /// The action after a wait.
    public func resume() -> Action { afterWait }

    /// The list was read at `version`.
    public mutating func listed(version: String) -> Action {
        resourceVersion = version
        sawEvent = false
        return .watch(from: version)
    }

    /// The list couldn't be read.
    public mutating func listFailed(_ error: KubeError) -> Action { wait(then: .list, disposition: error.disposition) }

    /// An event arrived.
    public mutating func received(_ event: WatchEvent) -> Outcome {
        switch event {
        case .added(let object), .modified(let object), .deleted(let object):
            noteProgress(object.resourceVersion)
            return .change(event)
        case .bookmark(let version, _):
            noteProgress(version)
            return .proceed
        case .error(let status):
            if status.code == 410 || status.reason == "Expired" || status.reason == "Gone" { return .leave(expired()) }
            return .leave(wait(then: .watch(from: resourceVersion), disposition: .of(status)))
        }
    }

    /// The watch couldn't begin, or broke, after it had lived for `life`.
    public mutating func watchFailed(_ error: KubeError, life: Duration) -> Action {
        if error.isExpired { return expired() }
        if sawEvent || life >= Self.shortestLife, error.status == nil { failures = 0 }
        sawEvent = false
        return wait(then: .watch(from: resourceVersion), disposition: error.disposition)
    }

    /// The server ended the watch, after it had lived for `life`; servers do so every few minutes.
    public mutating func watchEnded(life: Duration) -> Action {
        defer { sawEvent = false }
        guard sawEvent || life >= Self.shortestLife else {
            return wait(then: .watch(from: resourceVersion), disposition: .retryCall(after: nil))
        }
        failures = 0
        return .watch(from: resourceVersion)
    }

    /// Nothing arrived for too long: the connection may be dead. Reconnects at once.
    public mutating func stalled() -> Action {
        sawEvent = false
        return .watch(from: resourceVersion)
    }

    private mutating func noteProgress(_ version: String?) {
        if let version, !version.isEmpty { resourceVersion = version }
        sawEvent = true
        failures = 0
    }

    /// The version is too old: the first time lists at once, then waits.
    private mutating func expired() -> Action {
        let isFirst = failures == 0
        let action = wait(then: .list, disposition: .redoRead)
        return isFirst ? .list : action
    }

    private mutating func wait(then next: Action, disposition: ErrorDisposition) -> Action {
        failures += 1
        afterWait = next
        var delay = backoff.delay(attempt: failures, random: random)
        if case .retryCall(let after?) = disposition { delay = max(delay, after) }
        return .wait(delay)
    }
}
