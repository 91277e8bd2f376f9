// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeModel

/// Something that happened to a rollout, as `status.rollout.transitions` keeps it and a notification tells it.
struct RolloutTransition: Sendable, Hashable {
    /// What happened.
    enum Event: String, Sendable, Hashable, CaseIterable {
        /// A new revision begins to be rolled out.
        case started = "Started"
        /// The next step begins.
        case stepStarted = "StepStarted"
        /// The rollout waits, for a time or for a person.
        case paused = "Paused"
        /// It goes on after a pause in the same step.
        case resumed = "Resumed"
        /// All steps are done; the canary takes over.
        case promoting = "Promoting"
        /// The canary is given up; the traffic goes back.
        case rollingBack = "RollingBack"
        /// The canary is the stable revision now.
        case promoted = "Promoted"
        /// The canary is gone, since it was worse or didn't get ready.
        case rolledBack = "RolledBack"
        /// The canary is gone, since a person or the spec said so.
        case aborted = "Aborted"
        /// The canary is gone, since the spec changed again.
        case superseded = "Superseded"
        /// Nothing goes on by itself.
        case failed = "Failed"
    }

    /// Counts up by one from 1 over the model's life.
    var number: Int
    /// What happened.
    var event: Event
    /// The revision that it is about.
    var revision: Int
    /// Its model version; `nil` where the spec has none.
    var version: String?
    /// The stable revision then; `nil` where there was none.
    var stableRevision: Int?
    /// The step, from 0; `nil` where there are none.
    var step: Int?
    /// The canary's share of the traffic that is wanted, in percent.
    var weight: Int?
    /// What a person should know, one sentence.
    var message: String
    /// When.
    var time: WallTime

    /// As status keeps it.
    var json: JSONValue {
        var json: JSONValue = [
            "number": JSONValue(number), "event": .string(event.rawValue), "revision": JSONValue(revision),
            "message": .string(message), "time": .string(time.rfc3339),
        ]
        if let version { json["version"] = .string(version) }
        if let stableRevision { json["stableRevision"] = JSONValue(stableRevision) }
        if let step { json["step"] = JSONValue(step) }
        if let weight { json["weight"] = JSONValue(weight) }
        return json
    }

    /// Reads what status keeps; `nil` where it is none, or of a later version of the operator.
    init?(_ json: JSONValue) {
        guard let number = json["number"]?.int, let event = json["event"]?.string.flatMap(Event.init(rawValue:)),
            let revision = json["revision"]?.int, let time = json["time"]?.string.flatMap(WallTime.init(rfc3339:))
        else { return nil }
        self.number = number
        self.event = event
        self.revision = revision
        self.time = time
        version = json["version"]?.string
        stableRevision = json["stableRevision"]?.int
        step = json["step"]?.int
        weight = json["weight"]?.int
        message = json["message"]?.string ?? ""
    }

    /// A transition.
    init(
        number: Int,
        _ event: Event,
        revision: Int,
        version: String? = nil,
        stableRevision: Int? = nil,
        step: Int? = nil,
        weight: Int? = nil,
        message: String = "",
        time: WallTime
    ) {
        self.number = number
        self.event = event
        self.revision = revision
        self.version = version
        self.stableRevision = stableRevision
        self.step = step
        self.weight = weight
        self.message = message
        self.time = time
    }
}
