// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import FleetAPI
import HTTPMessages
import HTTPTypes
import KubeAPI
import KubeModel
import KubeServer
public import KubeTesting
import Logging
import Synchronization

/// A cluster in virtual time: the real API server, operators and workload controllers, a user and nodes that are played.
public final class World: Sendable {
    /// A broken promise.
    public struct Violation: Sendable, Hashable {
        /// The invariant, in a few words.
        public var invariant: String
        /// What was seen.
        public var message: String
    }

    struct State {
        var mirror = Mirror()
        var checks: Checks
        var violation: Violation?
        var lastWrite = Duration.zero
        var lastWrites: [String] = []
        var isTroubled = true
        var isOver = false
        var onWrite: (@Sendable (Write) -> Void)?
    }

    /// What the seed decided.
    public let scenario: Scenario
    /// What happened.
    public let trace: SimTrace
    let scheduler: SimScheduler
    let server: APIServer
    let network: SimProcess
    let profile = FaultProfile()
    let state: Mutex<State>

    /// A world that hasn't begun.
    public init(_ scenario: Scenario) {
        self.scenario = scenario
        scheduler = SimScheduler(seed: scenario.seed)
        trace = SimTrace(scheduler)
        network = scheduler.makeProcess("network")
        var configuration = APIServerConfiguration()
        configuration.time = SimClock(scheduler)
        configuration.random = SeededRandom(seed: scenario.seed ^ 0xa91)
        configuration.historyLimit = scenario.historyLimit
        server = APIServer(configuration: configuration)
        state = Mutex(State(checks: Checks(scenario)))
    }

    /// Randomness for `user`, apart from everyone else's.
    func random(for user: String) -> SeededRandom {
        let hash = user.utf8.reduce(UInt64(0xcbf2_9ce4_8422_2325)) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
        return SeededRandom(seed: scenario.seed ^ hash)
    }

    /// A client of a process that is played: no faults, no delay.
    func directClient(_ process: SimProcess) -> KubeClient {
        KubeClient(
            exchange: ObservedServer(world: self, process: process.name),
            fieldManager: process.name,
            time: SimClock(scheduler),
            random: random(for: "client " + process.name)
        )
    }

    /// A link with faults from a process under test.
    func link(_ process: SimProcess) -> SimLink {
        SimLink(
            from: process,
            to: ObservedServer(world: self, process: process.name),
            network: network,
            scheduler: scheduler,
            profile: profile,
            random: random(for: "link " + process.name),
            trace: trace
        )
    }

    func logger(_ process: String) -> Logger {
        var logger = Logger(label: process) { [trace] _ in TraceLog(process: process, trace: trace) }
        logger.logLevel = .info
        return logger
    }

    /// The world's objects at this moment.
    var mirror: Mirror { state.withLock { $0.mirror } }

    /// Whether faults still strike.
    var isTroubled: Bool { state.withLock { $0.isTroubled } }

    /// Whether everything ends.
    var isOver: Bool { state.withLock { $0.isOver } }

    /// Ends the run with a broken promise, unless one was broken before.
    func fail(_ invariant: String, _ message: String) {
        let isFirst = state.withLock { state in
            defer { state.violation = state.violation ?? Violation(invariant: invariant, message: message) }
            return state.violation == nil
        }
        guard isFirst else { return }
        trace.note("INVARIANT", "\(invariant): \(message)")
        scheduler.stop()
    }

    /// Takes in a write that took effect.
    func observe(_ write: Write) {
        let violation = state.withLock { state -> Violation? in
            state.checks.before(write, state.mirror)
            state.mirror.set(write.target, write.after)
            if !write.isHeartbeat {
                state.lastWrite = write.time
                state.lastWrites.append("\(write.process) \(write.verb) \(write.target)")
                if state.lastWrites.count > 12 { state.lastWrites.removeFirst() }
            }
            return state.checks.after(write, state.mirror)
        }
        if let violation { fail(violation.invariant, violation.message) }
        state.withLock { $0.onWrite }?(write)
    }

    /// Notes that a process begins, ends or dies.
    func noteEvent() {
        let time = scheduler.now
        state.withLock { $0.checks.leases.noteEvent(time) }
    }

    /// Whether a process holds a lease of the operators.
    func isHolder(_ process: String) -> Bool { state.withLock { $0.checks.leases.isHolder(process) } }

    /// Counts a request.
    func count(_ process: String) {
        let time = scheduler.now
        if let violation = state.withLock({ $0.checks.count(process, time) }) {
            fail(violation.invariant, violation.message)
        }
    }
}

/// A write that took effect.
struct Write {
    var process: String
    var verb: String
    var target: APITarget
    var subresource: String?
    /// The `resourceVersion` that the request insisted on.
    var precondition: String?
    var before: KubeObject?
    var after: KubeObject?
    var time: Duration
    /// Whether its sender had given up before it took effect.
    var isLate = false

    /// Whether it says only that somebody is alive, or is an event, which is a courtesy.
    var isHeartbeat: Bool { target.resource == "leases.coordination.k8s.io" }
}

/// The API server as one process reaches it: each write is looked at when it takes effect.
struct ObservedServer: HTTPExchange {
    let world: World
    let process: String

    func exchange(_ request: HTTPRequestMessage) async throws -> HTTPResponseMessage {
        world.count(process)
        let method = request.head.method
        let path = String(request.path)
        guard method != .get, let target = APITarget(path: path) else {
            return await world.server.exchange(request)
        }
        let response = await world.server.exchange(request)
        let code = response.head.status.code
        if code == 409 || code == 429 { world.profile.tally.note("server: \(code) of its own") }
        let bytes = try await response.body.collect(upTo: 16 << 20)
        let answer = (try? JSONValue(parsing: bytes)) ?? .null
        guard code < 300 else {
            let why = answer["message"]?.string ?? ""
            world.trace.note(process, "\(method.rawValue) \(path) -> \(code) \(why)")
            return response
        }
        guard let name = target.name ?? answer.at("metadata", "name")?.string else { return response }
        let object = target.object(named: name)
        // What was written is mostly the answer. A scale says something else, and what is being deleted may be gone with it.
        let isWhole =
            method != .delete && [nil, "status"].contains(target.subresource)
            && answer.at("metadata", "deletionTimestamp") == nil
        let after = isWhole ? KubeObject(answer) : await read(object)
        let sent = try? JSONValue(parsing: await request.body.collect(upTo: 16 << 20))
        var write = Write(
            process: process,
            verb: method.rawValue,
            target: object,
            subresource: target.subresource,
            precondition: method == .delete
                ? sent?.at("preconditions", "resourceVersion")?.string
                : sent?.at("metadata", "resourceVersion")?.string,
            before: world.mirror.object(object.resource, object.key),
            after: after,
            time: world.scheduler.now
        )
        if method == .post { write.precondition = nil }
        write.isLate = SimLink.lateField.map { request.head.headerFields[$0] != nil } ?? false
        if !write.isHeartbeat { world.trace.note(process, "\(method.rawValue) \(path) -> \(code) \(Self.text(write))") }
        world.observe(write)
        return response
    }

    private func read(_ target: APITarget) async -> KubeObject? {
        let head = HTTPRequest(method: .get, scheme: "http", authority: "localhost", path: target.objectPath)
        let response = await world.server.exchange(HTTPRequestMessage(head: head))
        guard response.head.status.code == 200,
            let bytes = try? await response.body.collect(upTo: 16 << 20), let json = try? JSONValue(parsing: bytes)
        else { return nil }
        return KubeObject(json)
    }

    /// What is worth knowing of a written object.
    private static func text(_ write: Write) -> String {
        guard let object = write.after else { return "\(write.target.name ?? "") is gone" }
        var words = [object.name, "v\(object.resourceVersion ?? "?")"]
        switch write.target.resource {
        case "deployments.apps", "replicasets.apps":
            words.append("replicas \(object.wanted), ready \(object["status", "readyReplicas"]?.int ?? 0)")
        case "services": words.append("selects r\(object["spec", "selector", FleetAPI.revisionLabel]?.string ?? "?")")
        case "pods": words.append("\(object["status", "phase"]?.string ?? "") ready \(object.isReadyPod)")
        case "modeldeployments.modelfleet.dev": words.append("generation \(object.generation ?? 0)")
        case "events": words.append("\(object["reason"]?.string ?? ""): \(object["message"]?.string ?? "")")
        default: break
        }
        if object.isBeingDeleted { words.append("being deleted") }
        return words.joined(separator: " ")
    }
}

/// Writes the log lines of processes under test into the trace.
private struct TraceLog: LogHandler {
    let process: String
    let trace: SimTrace
    var logLevel = Logger.Level.info
    var metadata: Logger.Metadata = [:]

    init(process: String, trace: SimTrace) {
        self.process = process
        self.trace = trace
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let all = self.metadata.merging(event.metadata ?? [:]) { $1 }.sorted { $0.key < $1.key }
        let text = all.map { "\($0.key)=\($0.value)" }.joined(separator: " ")
        trace.note(process, "[\(event.level)] \(event.message) \(text)")
    }
}
