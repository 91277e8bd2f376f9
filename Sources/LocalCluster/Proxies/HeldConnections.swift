// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import FleetAPI
import KubeAPI
import KubeModel
import Logging
import NIOCore
import Synchronization

/// The connections that wait for a ready target, and who wakes what they wait for.
///
/// A Service says by `modelfleet.dev/holds-requests` that its model may have no replica; while connections to it wait, the
/// time goes into its annotation `modelfleet.dev/wake-at`.
final class HeldConnections: Sendable {
    private struct State {
        var holding: Set<ObjectKey> = []
        var waiting: [ObjectKey: [ObjectIdentifier: @Sendable () -> Void]] = [:]
        var count = 0
    }

    /// The most connections that wait at one time, over all Services; more are closed at once.
    static let limit = 1_000
    /// How long one waits at most; then it is closed.
    static let longestWait = TimeAmount.seconds(120)
    /// How often a Service is written to at most.
    static let wakeInterval = Duration.seconds(5)
    /// How often it looks whom to wake while anything waits.
    private static let tickInterval = Duration.milliseconds(200)

    private let client: KubeClient?
    private let time: any TimeSource
    private let logger: Logger
    private let state = Mutex(State())
    private let arrivals = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))

    /// None yet.
    init(client: KubeClient?, time: any TimeSource, logger: Logger) {
        self.client = client
        self.time = time
        self.logger = logger
    }

    /// How many wait.
    var count: Int { state.withLock { $0.count } }

    /// Takes in which Services hold connections, and lets those of `served` and of Services that no longer hold go on.
    func update(holding: Set<ObjectKey>, served: Set<ObjectKey>) {
        let released = state.withLock { state in
            state.holding = holding
            return state.waiting.keys.filter { served.contains($0) || !holding.contains($0) }
        }
        for service in released { resume(service) }
    }

    /// Lets the connections to a Service go on.
    func resume(_ service: ObjectKey) {
        let waiting = state.withLock { state in
            let waiting = state.waiting.removeValue(forKey: service) ?? [:]
            state.count -= waiting.count
            return waiting.values
        }
        for resume in waiting { resume() }
    }

    /// Keeps a connection, for a limited time; `false` where its Service holds none or too many wait.
    func hold(_ channel: any Channel, of service: ObjectKey, resume: @escaping @Sendable () -> Void) -> Bool {
        let id = ObjectIdentifier(channel)
        let isHeld = state.withLock { state in
            guard state.holding.contains(service), state.count < Self.limit else { return false }
            if state.waiting[service, default: [:]].updateValue(resume, forKey: id) == nil { state.count += 1 }
            return true
        }
        guard isHeld else { return false }
        let end = channel.eventLoop.scheduleTask(in: Self.longestWait) { [self] in
            if leave(id, service) { channel.close(promise: nil) }
        }
        channel.closeFuture.whenComplete { [self] _ in
            end.cancel()
            _ = leave(id, service)
        }
        arrivals.continuation.yield()
        return true
    }

    private func leave(_ id: ObjectIdentifier, _ service: ObjectKey) -> Bool {
        state.withLock { state in
            guard state.waiting[service]?.removeValue(forKey: id) != nil else { return false }
            if state.waiting[service]?.isEmpty ?? false { state.waiting[service] = nil }
            state.count -= 1
            return true
        }
    }

    /// Wakes what is waited for, until cancelled.
    func run() async {
        var woken: [ObjectKey: WallTime] = [:]
        for await _ in arrivals.stream {
            while !Task.isCancelled {
                let services = state.withLock { $0.waiting.keys.sorted() }
                if services.isEmpty { break }
                let now = time.now()
                woken = woken.filter { now - $0.value < Self.wakeInterval }
                for service in services where woken[service] == nil {
                    woken[service] = now
                    await wake(service, now: now)
                }
                guard (try? await time.sleep(for: Self.tickInterval)) != nil else { return }
            }
        }
    }

    private func wake(_ service: ObjectKey, now: WallTime) async {
        let patch: JSONValue = ["metadata": ["annotations": [FleetAPI.wakeAnnotation: .string(now.rfc3339)]]]
        do {
            try await client?.patch(.services, service, .merge(patch))
        } catch {
            logger.warning(
                "a Service whose connections wait can't be written to; will try again",
                metadata: ["service": "\(service)", "error": "\(error)"]
            )
        }
    }
}
