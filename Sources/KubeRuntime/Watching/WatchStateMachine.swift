// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import Ambient
public import KubeAPI
public import KubeModel

/// Decides what a watcher does next. Pure: no clock, no network.
///
///                +------------- expired (410) --------------+
///                v                                          |
///     start --> stream ------- end of the list --------> watch(from: version)
///                |  ^                                       ^ |  ended or broken: again from the last
///       refused  |  | failed: after a wait                  | |  version, at once when it lived,
///                v  |                                       | v  else after a wait
///               list (pages) ---------- ok -----------------+
///
/// A **stream** is a watch that begins with all objects and says where they end (`sendInitialEvents`); until then none of
/// its versions can be resumed from, and a break means to begin again. A server that refuses it is asked for pages from
/// then on; where it breaks twice in a row, or the server fails at it, pages are tried once, because progress is better than purity.
///
/// | what went wrong | with a stream | with pages | with a watch |
/// | --- | --- | --- | --- |
/// | 400, 405, 406, 415, 422 | pages, for good | wait, again | wait, begin anew |
/// | 401, 403, 404 and other refusals | wait, again | wait, again | wait, begin anew |
/// | 410, version too large | wait, again | whole list in one piece | begin anew, at once the first time |
/// | 500 | pages, at once | wait, again | wait, same version |
/// | 429, above 500, no connection | wait, again | wait, again | wait, same version |
/// | silence | again | | same version |
/// | ended early | wait, again | | wait, same version |
public struct WatchStateMachine: Sendable {
    /// What to do next.
    public enum Action: Sendable, Hashable {
        /// Watch, beginning with all objects.
        case stream
        /// Read the whole list; in pages, or in one piece.
        case list(inPages: Bool)
        /// Watch for changes after a version.
        case watch(from: String)
        /// Wait, then ask `resume()`.
        case wait(Duration)
    }

    /// What an event means for the watcher.
    public enum Outcome: Sendable, Hashable {
        /// Keep the event's change and go on reading.
        case keep
        /// Nothing to keep; go on reading.
        case proceed
        /// All objects were shown: forget those that were not, and go on reading.
        case listEnds
        /// Stop reading this watch, and do that.
        case leave(Action)
    }

    /// How long a watch must have lived for its end to be no failure (`client-go`: "very short watch").
    public static let shortestLife: Duration = .seconds(1)
    /// After how many broken streams in a row pages are tried.
    public static let streamTries = 2

    private let backoff: Backoff
    private let random: any RandomSource
    private var afterWait: Action = .stream
    /// The version up to which everything was seen; empty before the first list.
    public private(set) var resourceVersion = ""
    /// The failures since something last worked.
    public private(set) var failures = 0
    private var streams: Bool
    private var brokenStreams = 0
    private var isInitial = false
    private var sawEvent = false

    /// A machine that waits along `backoff` after failures; the defaults are client-go's (0.8 s to 30 s).
    /// - Parameter streams: whether to begin with a stream, where the server offers it.
    public init(
        backoff: Backoff = Backoff(initial: .milliseconds(800), maximum: .seconds(30), jitter: 0.5),
        random: any RandomSource = SystemRandom(),
        streams: Bool = true
    ) {
        self.backoff = backoff
        self.random = random
        self.streams = streams
    }

    /// The first action.
    public mutating func start() -> Action { begin() }

    /// The action after a wait.
    public mutating func resume() -> Action {
        isInitial = afterWait == .stream
        return afterWait
    }

    // MARK: Pages

    /// The list was read at `version`.
    public mutating func listed(version: String) -> Action {
        resourceVersion = version
        brokenStreams = 0
        isInitial = false
        sawEvent = false
        return .watch(from: version)
    }

    /// The list couldn't be read; `inPages` says how it was tried.
    public mutating func listFailed(_ error: KubeError, inPages: Bool = true) -> Action {
        // A token expires when the pages take longer than the server keeps history.
        if inPages, error.isExpired { return .list(inPages: false) }
        return wait(then: anew, disposition: error.disposition)
    }

    // MARK: Streams and watches

    /// An event arrived.
    public mutating func received(_ event: WatchEvent) -> Outcome {
        switch event {
        case .added(let object), .modified(let object), .deleted(let object):
            noteProgress(object.resourceVersion)
            return .keep
        case .unreadable(let object):
            noteProgress(object.resourceVersion)
            return .keep
        case .bookmark(let version, let endsInitialList):
            let endsList = isInitial && endsInitialList
            if endsList {
                isInitial = false
                brokenStreams = 0
            }
            noteProgress(version)
            return endsList ? .listEnds : .proceed
        case .error(let status): return .leave(failed(status))
        }
    }

    /// The stream or watch couldn't begin, or broke, after it had lived for `life`.
    public mutating func watchFailed(_ error: KubeError, life: Duration) -> Action {
        if let status = error.status { return failed(status) }
        if !isInitial, sawEvent || life >= Self.shortestLife { failures = 0 }
        return broke(disposition: error.disposition)
    }

    /// The server ended the stream or watch, after it had lived for `life`; servers do so every few minutes.
    public mutating func watchEnded(life: Duration) -> Action {
        guard !isInitial, sawEvent || life >= Self.shortestLife else {
            return broke(disposition: .retryCall(after: nil))
        }
        failures = 0
        sawEvent = false
        return .watch(from: resourceVersion)
    }

    /// Nothing arrived for too long: the connection may be dead. Reconnects at once.
    public mutating func stalled() -> Action {
        sawEvent = false
        guard isInitial else { return .watch(from: resourceVersion) }
        brokenStreams += 1
        return begin()
    }

    // MARK: Deciding

    /// How to read everything: as a stream, unless the server refuses that or it keeps breaking.
    private var anew: Action { streams && brokenStreams < Self.streamTries ? .stream : .list(inPages: true) }

    private mutating func begin() -> Action {
        let action = anew
        isInitial = action == .stream
        // After one try with pages the next time is a stream's again.
        if action != .stream { brokenStreams = 0 }
        sawEvent = false
        return action
    }

    /// The server said no, to the request or in the stream.
    private mutating func failed(_ status: APIStatus) -> Action {
        if Self.isExpired(status) { return expired() }
        switch status.code {
        case 400, 405, 406, 415, 422:
            if isInitial {
                streams = false
                return begin()
            }
            return wait(then: anew, disposition: .of(status))
        case 500 where isInitial: return passOverStream()
        case 429, 500...: return broke(disposition: .of(status))
        default: return wait(then: anew, disposition: .of(status))
        }
    }

    /// 410, or a version that the server hasn't reached: it was restored from a backup.
    private static func isExpired(_ status: APIStatus) -> Bool {
        status.code == 410 || status.reason == "Expired" || status.reason == "Gone"
            || status.causes.contains { $0.reason == "ResourceVersionTooLarge" }
    }

    private mutating func broke(disposition: ErrorDisposition) -> Action {
        sawEvent = false
        guard isInitial else { return wait(then: .watch(from: resourceVersion), disposition: disposition) }
        brokenStreams += 1
        return wait(then: anew, disposition: disposition)
    }

    /// The server offers streams and fails at this one: Kubernetes does over an etcd that can't tell its progress (before 3.5.13), which no
    /// wait changes.
    private mutating func passOverStream() -> Action {
        failures += 1
        isInitial = false
        sawEvent = false
        brokenStreams = 0
        return .list(inPages: true)
    }

    private mutating func noteProgress(_ version: String?) {
        sawEvent = true
        // The objects of a stream come in no order of versions, and only its end says that they were all.
        guard !isInitial else { return }
        if let version, !version.isEmpty { resourceVersion = version }
        failures = 0
    }

    /// The version is too old: the first time begins anew at once, then waits.
    private mutating func expired() -> Action {
        if isInitial { brokenStreams += 1 }
        guard !isInitial, failures == 0 else { return wait(then: anew, disposition: .redoRead) }
        failures += 1
        return begin()
    }

    private mutating func wait(then next: Action, disposition: ErrorDisposition) -> Action {
        failures += 1
        sawEvent = false
        isInitial = false
        afterWait = next
        if case .list = next { brokenStreams = 0 }
        var delay = backoff.delay(attempt: failures, random: random)
        if case .retryCall(let after?) = disposition { delay = max(delay, after) }
        return .wait(delay)
    }
}
