// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient

/// What a probe is for.
enum ProbeKind: String, Sendable, Hashable, CaseIterable {
    /// Whether the container has started.
    case startup
    /// Whether it may get requests.
    case readiness
    /// Whether it must be restarted.
    case liveness

    /// The member of a container that describes the probe.
    var member: String { rawValue + "Probe" }
    /// The word that begins an event's message.
    var title: String { rawValue.prefix(1).uppercased() + rawValue.dropFirst() }
}

/// Why a container couldn't be started.
struct StartFailure: Sendable, Hashable, Error {
    /// What was wrong.
    enum Kind: Sendable, Hashable {
        /// The image isn't in the table.
        case image
        /// Something that its environment names is missing.
        case configuration
        /// A volume can't be set up.
        case mount
        /// The process couldn't be started.
        case process
    }

    /// What was wrong.
    var kind: Kind
    /// A sentence for people.
    var message: String
}

/// What happened to a pod; `instance` counts a container's starts, so that late news of an earlier one is told apart.
enum PodInput: Sendable, Hashable {
    /// The node took the pod.
    case begin
    /// A process was started.
    case started(container: String, instance: Int)
    /// A process couldn't be started.
    case failed(container: String, instance: Int, StartFailure)
    /// A process ended; `message` is what it left to say.
    case exited(container: String, instance: Int, ProcessExit, message: String)
    /// A probe was answered; `message` says what was wrong when it wasn't passed.
    case probed(container: String, instance: Int, ProbeKind, passed: Bool, message: String)
    /// A probe couldn't be asked; `message` says why.
    case unanswered(container: String, instance: Int, ProbeKind, message: String)
    /// The hook after the start has run; `wrong` says what was wrong when it failed.
    case postStarted(container: String, instance: Int, wrong: String?)
    /// The hook before the stop has run.
    case hookEnded(container: String, instance: Int)
    /// A config map or secret that the pod names has changed.
    case sourcesChanged
    /// The pod is being deleted, with so many seconds of grace.
    case delete(grace: Int)
    /// A deadline may have come.
    case timePassed
}

/// What the node has to do.
enum PodAction: Sendable, Hashable {
    /// Start a container.
    case start(container: String, instance: Int)
    /// Ask a probe.
    case probe(container: String, instance: Int, ProbeKind)
    /// Run the hook after the start.
    case runPostStart(container: String, instance: Int)
    /// Run the hook before the stop.
    case runPreStop(container: String, instance: Int)
    /// Signal a container's process group.
    case signal(container: String, instance: Int, ProcessSignal)
    /// Record an event.
    case event(isWarning: Bool, reason: String, message: String, field: String? = nil)
    /// Everything has ended after a deletion: the pod can go.
    case finished
}
