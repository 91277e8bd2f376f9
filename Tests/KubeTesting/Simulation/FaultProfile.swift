// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import Ambient
import Synchronization

/// One kind of trouble between a process and the API server.
public enum NetworkFault: String, Sendable, Hashable, CaseIterable {
    /// A request is refused with 409, 429, 500, 503 or 504 and has no effect.
    case refused
    /// A request takes effect, and its answer is 500, 504 or lost.
    case answerLost
    /// No connection; no effect.
    case disconnected
    /// No answer until the client gives up; the request may take effect even after that.
    case silence
    /// A watch is cut between two events.
    case watchCut
    /// A watch is cut within a line.
    case watchTorn
    /// A watch stays open, and nothing arrives any more.
    case watchStalled
    /// The events of a watch arrive late.
    case watchDelayed
    /// An event of a watch arrives twice.
    case watchDuplicated
    /// A watch says 410 although its version is known.
    case watchExpired
}

/// How likely each kind of trouble is; may change while the world runs.
public final class FaultProfile: Sendable {
    /// What was injected so far.
    public let tally = FaultTally()
    private let chances = Mutex<[NetworkFault: Double]>([:])

    /// A network without trouble.
    public init() {}

    /// Sets the chances, 0 to 1, of each request (of each chunk for a watch's faults).
    public func set(_ chances: [NetworkFault: Double]) { self.chances.withLock { $0 = chances } }

    /// Draws a fault among `kinds`; `nil` for none.
    public func draw(_ kinds: [NetworkFault], _ random: any RandomSource) -> NetworkFault? {
        let chances = chances.withLock { $0 }
        guard !chances.isEmpty else { return nil }
        for kind in kinds {
            if let chance = chances[kind], chance > 0, random.unit() < chance { return kind }
        }
        return nil
    }
}

extension NetworkFault {
    /// What a watch suffers, in a few words.
    var text: String {
        switch self {
        case .watchCut: "cut between events"
        case .watchTorn: "cut within an event"
        case .watchStalled: "silent"
        case .watchDelayed: "events late"
        case .watchDuplicated: "event doubled"
        case .watchExpired: "410 in the stream"
        default: rawValue
        }
    }
}
