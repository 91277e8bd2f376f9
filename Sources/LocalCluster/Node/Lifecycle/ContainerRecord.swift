// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeModel

/// How an instance of a container ended.
struct ContainerEnd: Sendable, Hashable {
    /// The exit code.
    var code: Int
    /// `Completed`, `Error` or `StartError`.
    var reason: String
    /// A sentence for people; mostly empty.
    var message = ""
    /// When it started.
    var started: WallTime?
    /// When it ended.
    var ended: WallTime
}

/// A probe's description and its course so far.
struct ProbeRecord: Sendable, Hashable {
    /// What it is for.
    var kind: ProbeKind
    /// The wait before the first question.
    var delay: Duration
    /// The time between questions.
    var period: Duration
    /// The longest wait for an answer.
    var timeout: Duration
    /// How many answers in a row make it pass.
    var successThreshold: Int
    /// How many in a row make it fail.
    var failureThreshold: Int
    /// The grace of a kill that it causes, where it says so.
    var grace: Int?
    /// When to ask next.
    var next: WallTime
    /// Whether an answer is awaited.
    var isAsked = false
    private var passes = 0
    private var fails = 0

    /// Reads the description; `nil` when the container has no such probe.
    init?(_ kind: ProbeKind, container: JSONValue, start: WallTime) {
        guard let json = container[kind.member], json.object != nil else { return nil }
        func number(_ member: String, _ standard: Int, _ least: Int) -> Int {
            min(max(least, json[member]?.int ?? standard), 1_000_000)
        }
        self.kind = kind
        delay = .seconds(number("initialDelaySeconds", 0, 0))
        period = .seconds(number("periodSeconds", 10, 1))
        timeout = .seconds(number("timeoutSeconds", 1, 1))
        successThreshold = number("successThreshold", 1, 1)
        failureThreshold = number("failureThreshold", 3, 1)
        grace = json["terminationGracePeriodSeconds"]?.int
        next = start + delay
    }

    /// Takes in an answer; `true` or `false` once a threshold is reached, else `nil`.
    mutating func answer(_ passed: Bool, now: WallTime) -> Bool? {
        isAsked = false
        next = now + period
        passes = passed ? passes + 1 : 0
        fails = passed ? 0 : fails + 1
        if passed { return passes >= successThreshold ? true : nil }
        return fails >= failureThreshold ? false : nil
    }

    /// Takes in that it couldn't be asked: that counts neither way.
    mutating func skip(now: WallTime) {
        isAsked = false
        next = now + period
    }
}

/// One container of a pod: what it is and how it fares.
struct ContainerRecord: Sendable, Hashable {
    /// Where it stands.
    enum State: Sendable, Hashable {
        /// It isn't running and may be started at a time; `nil` when nothing starts it by itself.
        case waiting(reason: String, message: String, until: WallTime?)
        /// It is being started.
        case starting
        /// It runs.
        case running(since: WallTime)
        /// It ended for good.
        case ended(ContainerEnd)
    }

    /// A stop that is under way.
    struct Stop: Sendable, Hashable {
        /// When the time for the hook, for its turn and for ending by itself is up.
        var killAt: WallTime
        /// Whether the hook before the stop is still running.
        var runsHook: Bool
        /// Whether it waits for the containers that it serves to end first.
        var isOrdered: Bool
        /// Whether it was asked to end.
        var isAsked = false
        /// Whether it was killed.
        var isKilled = false
    }

    /// The description.
    let spec: JSONValue
    /// Whether it must end before the others start.
    let isInit: Bool
    /// Where it stands.
    var state: State
    /// Counts its starts, from 0.
    var instance = 0
    /// Counts its restarts, as they happen.
    var restarts = 0
    /// Whether the next start is a restart: an instance has ended since the last one.
    var owesRestart = false
    /// How its last instance ended.
    var lastEnd: ContainerEnd?
    /// Instances in a row that ended, for the wait before the next start.
    var failures = 0
    /// Failures in a row to find its image.
    var imageFailures = 0
    /// Whether its process runs and the hook after the start, too; until that ends it counts as starting.
    var awaitsHook = false
    /// Failures in a row to set its volumes up.
    var mountFailures = 0
    /// The stop that is under way.
    var stop: Stop?
    /// Its probes.
    var probes: [ProbeRecord] = []
    /// Whether its startup probe has passed or there is none.
    var hasStarted = false
    /// Whether it may get requests.
    var isReady = false

    /// A container that hasn't run.
    init(spec: JSONValue, isInit: Bool) {
        self.spec = spec
        self.isInit = isInit
        state = .waiting(reason: isInit ? "PodInitializing" : "ContainerCreating", message: "", until: nil)
    }

    /// Takes over what an earlier run of the node reported: the count of restarts, and that the last instance is lost.
    mutating func restore(_ status: JSONValue, now: WallTime) {
        restarts = max(0, status["restartCount"]?.int ?? 0)
        guard let started = status.at("state", "running", "startedAt")?.string else { return }
        owesRestart = true
        let since = WallTime(rfc3339: started)
        lastEnd = ContainerEnd(code: 255, reason: "Unknown", started: since, ended: now)
    }

    /// Counts a start, if it is a restart.
    mutating func countStart() {
        if owesRestart { restarts += 1 }
        owesRestart = false
    }

    /// Its name.
    var name: String { spec["name"]?.string ?? "" }
    /// Its image.
    var image: String { spec["image"]?.string ?? "" }
    /// Whether it is an init container that keeps running beside the others.
    var isSidecar: Bool { isInit && spec["restartPolicy"]?.string == "Always" }
    /// Whether the next init container, or the others, may start.
    var isDone: Bool { isSidecar ? hasStarted : end?.code == 0 }
    /// Whether a start of it was ever tried on this node.
    var hasBegun: Bool { isLive || instance > 0 }
    /// Its place in the pod, for events: `spec.containers{server}`.
    var field: String { "spec.\(isInit ? "initContainers" : "containers"){\(name)}" }
    /// Whether it has a process or is about to.
    var isLive: Bool {
        switch state {
        case .starting, .running: true
        case .waiting, .ended: false
        }
    }
    /// When it started, if it runs.
    var runningSince: WallTime? { if case .running(let since) = state { since } else { nil } }
    /// How it ended, if it did for good.
    var end: ContainerEnd? { if case .ended(let end) = state { end } else { nil } }
}
