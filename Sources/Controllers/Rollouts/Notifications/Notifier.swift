// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import FleetAPI
import Foundation
import HTTPMessages
import HTTPTypes
import KubeAPI
import KubeModel
import KubeRuntime
import Logging
import ServiceLifecycle
import Synchronization
import TransportSecurity

/// Tells webhooks of rollouts, in the background, from what status says.
///
/// A notification is a POST of JSON. With a Secret, `X-ModelFleet-Signature: sha256=<hex>` is the HMAC-SHA-256 of the body's bytes.
/// `X-ModelFleet-Delivery` is the same for each attempt at one transition.
final class Notifier: Service {
    /// The most notifications that are sent at one time.
    static let concurrency = 16
    /// The longest time for an answer.
    static let timeout = Duration.seconds(10)
    /// The waits between attempts.
    static let backoff = Backoff(initial: .seconds(1), maximum: .seconds(300))
    /// The most bytes of an answer; nothing of it is read but the status.
    static let answerLimit = 64 << 10
    /// How often it looks what is due.
    static let tick = Duration.milliseconds(250)
    /// The attempt from which on a failure is told with the model: after some seven seconds.
    static let toldAttempt = 4
    /// The entry of a Secret that holds the key; of a Secret with one entry, that one.
    static let secretEntry = "key"

    private let client: KubeClient
    private let exchange: any HTTPExchange
    private let time: any TimeSource
    private let random: any RandomSource
    private let recorder: EventRecorder?
    private let logger: Logger
    private let isOurs: @Sendable (ObjectKey) -> Bool
    private let onTold: @Sendable (ObjectKey) -> Void
    private let ledger = Mutex(NotificationLedger())
    /// How many notifications are on their way.
    private let running = Mutex(0)

    /// A notifier with nothing to tell.
    /// - Parameters:
    ///   - client: reads the Secrets.
    ///   - exchange: sends the notifications.
    ///   - recorder: where it is told that a target isn't reached.
    ///   - isOurs: whether a model is this process's to tell of; others are forgotten.
    ///   - onTold: called with a model of which `told` grew, so that its status gets it.
    init(
        client: KubeClient,
        exchange: any HTTPExchange,
        time: any TimeSource,
        random: any RandomSource,
        recorder: EventRecorder? = nil,
        logger: Logger,
        isOurs: @escaping @Sendable (ObjectKey) -> Bool = { _ in true },
        onTold: @escaping @Sendable (ObjectKey) -> Void
    ) {
        self.client = client
        self.exchange = exchange
        self.time = time
        self.random = random
        self.recorder = recorder
        self.logger = logger
        self.isOurs = isOurs
        self.onTold = onTold
    }

    /// Takes in a model as it is stored: only what is stored is told.
    func note(_ stored: KubeObject) {
        guard let uid = stored.uid else { return }
        let targets = NotificationTarget.list(stored["spec", "rollout", "notifications"])
        let rollout = stored["status", "rollout"]
        let transitions =
            targets.isEmpty ? [] : (rollout?["transitions"]?.array ?? []).compactMap(RolloutTransition.init)
        let notified = rollout?["notified"]?.int ?? transitions.first.map { $0.number - 1 } ?? 0
        let now = time.now()
        ledger.withLock {
            $0.note(
                stored.key,
                uid: uid,
                targets: targets,
                transitions: transitions,
                notified: notified,
                now: now
            )
        }
    }

    /// The number up to which everybody was told of a model's transitions; `nil` where nothing is open.
    func told(_ model: ObjectKey) -> Int? { ledger.withLock { $0.told(model) } }

    /// Forgets a model that is gone.
    func forget(_ model: ObjectKey) { ledger.withLock { $0.forget(model) } }

    /// Tells until cancelled or shut down. What is on its way then is told again by the next process.
    func run() async throws {
        await cancelOnShutdown {
            await withDiscardingTaskGroup { group in
                while !Task.isCancelled {
                    for delivery in self.take(room: Self.concurrency - self.running.withLock { $0 }) {
                        self.running.withLock { $0 += 1 }
                        group.addTask {
                            await self.deliver(delivery)
                            self.running.withLock { $0 -= 1 }
                        }
                    }
                    guard (try? await self.time.sleep(for: Self.tick)) != nil else { break }
                }
                group.cancelAll()
            }
        }
    }

    private func take(room: Int) -> [NotificationLedger.Delivery] {
        let now = time.now()
        let taken = ledger.withLock { $0.isEmpty ? [] : $0.take(room, now: now) }
        return taken.filter { delivery in
            if isOurs(delivery.model) { return true }
            forget(delivery.model)
            return false
        }
    }

    private func deliver(_ delivery: NotificationLedger.Delivery) async {
        let failure = await send(delivery)
        // A send that was cancelled says nothing of the target.
        guard !Task.isCancelled else { return }
        let result: NotificationLedger.Result
        switch failure {
        case nil: result = .told
        case .gone: result = .givenUp
        case .again(_, let after):
            let wait = Self.backoff.delay(attempt: delivery.attempt, random: random)
            result = .failed(retryAfter: max(wait, min(after ?? .zero, Self.backoff.maximum)))
        }
        log(delivery, failure)
        let now = time.now()
        let isNews = ledger.withLock { ledger in
            let before = ledger.told(delivery.model)
            ledger.finish(delivery, result, now: now)
            return ledger.told(delivery.model) != before
        }
        if isNews { onTold(delivery.model) }
        if let failure { await record(delivery, failure) }
    }

    /// Tells who looks at the model, and sees no log of the operator, what a target misses. Its path may be a secret.
    private func record(_ delivery: NotificationLedger.Delivery, _ failure: Failure) async {
        let attempt = delivery.attempt
        let what = "the notification \(delivery.transition.event.rawValue) for \(delivery.target.address.authority)"
        let message: String
        switch failure {
        case .gone: message = "\(what) is given up: it answers 410 (Gone); take it out of spec.rollout.notifications"
        case .again(let reason, _):
            // What passes within some seconds isn't worth it; then ever more seldom, as in the log.
            guard attempt >= Self.toldAttempt, attempt.nonzeroBitCount == 1 else { return }
            message = "\(what) isn't delivered: \(PrintableText.line(reason)); it is tried again for a day"
        }
        var model = KubeObject(.modelDeployments, namespace: delivery.model.namespace, name: delivery.model.name)
        model["metadata", "uid"] = .string(delivery.uid)
        await recorder?.record(model, .warning, reason: "NotificationFailed", message: message)
    }

    private enum Failure: Sendable {
        case gone
        case again(String, after: Duration?)
    }

    /// Sends one notification; answers why it didn't arrive.
    private func send(_ delivery: NotificationLedger.Delivery) async -> Failure? {
        let sent: Failure?? = await withTimeLimit(Self.timeout + .seconds(1), time) { () async -> Failure? in
            let body = Self.body(delivery)
            var fields = HTTPFields()
            if let name = HTTPField.Name("X-ModelFleet-Event") { fields[name] = delivery.transition.event.rawValue }
            if let name = HTTPField.Name("X-ModelFleet-Delivery") { fields[name] = delivery.id }
            if let secret = delivery.target.secretName {
                do {
                    let key = try await self.key(secret, namespace: delivery.model.namespace)
                    let code = try HMACSHA256.hex(of: body, key: key)
                    if let name = HTTPField.Name("X-ModelFleet-Signature") { fields[name] = "sha256=\(code)" }
                } catch {
                    return .again("it can't be signed with Secret \"\(secret)\": \(error)", after: nil)
                }
            }
            let address = delivery.target.address
            let request = address.post(
                body,
                fields: fields,
                timeout: Self.timeout,
                answerLimit: Self.answerLimit
            )
            do {
                let response = try await self.exchange.exchange(request)
                let status = response.head.status.code
                if (200..<300).contains(status) { return nil }
                if status == 410 { return .gone }
                let after = response.head.headerFields[.retryAfter].flatMap { Int($0) }
                return .again("status \(status)", after: after.map { .seconds(max(0, min($0, 86_400))) })
            } catch {
                return .again("\(error)", after: nil)
            }
        }
        return sent ?? .again("no answer within \(Self.timeout.inSeconds) s", after: nil)
    }

    private func log(_ delivery: NotificationLedger.Delivery, _ failure: Failure?) {
        var metadata: Logger.Metadata = [
            "model": "\(delivery.model)", "event": "\(delivery.transition.event.rawValue)",
            "target": "\(delivery.target.address.authority)", "attempt": "\(delivery.attempt)",
        ]
        switch failure {
        case nil: logger.debug("a rollout notification was delivered", metadata: metadata)
        case .gone:
            logger.warning("a rollout notification is given up: the target says that it is gone", metadata: metadata)
        case .again(let reason, _):
            metadata["reason"] = "\(reason.prefix(500))"
            // The first failure, and then ever more seldom.
            let isWorthSaying = delivery.attempt.nonzeroBitCount == 1
            logger.log(
                level: isWorthSaying ? .warning : .debug,
                "a rollout notification didn't arrive; it is tried again",
                metadata: metadata
            )
        }
    }

    /// What a target gets.
    static func body(_ delivery: NotificationLedger.Delivery) -> [UInt8] {
        var json = delivery.transition.json
        json["id"] = .string(delivery.id)
        json["namespace"] = .string(delivery.model.namespace ?? "")
        json["model"] = .string(delivery.model.name)
        return json.encoded()
    }

    private struct NoKey: Error, CustomStringConvertible {
        var description: String
    }

    private func key(_ secret: String, namespace: String?) async throws -> [UInt8] {
        let found = try await client.find(.secrets, ObjectKey(namespace: namespace, name: secret))
        guard let found else {
            throw NoKey(description: "there is no such Secret; create it with the entry \"\(Self.secretEntry)\"")
        }
        return try Self.key(in: found)
    }

    /// The key in a Secret.
    static func key(in secret: KubeObject) throws -> [UInt8] {
        let data = secret["data"]?.object ?? JSONObject()
        let value = data[secretEntry] ?? (data.count == 1 ? data.map(\.value).first : nil)
        guard let text = value?.string, let bytes = Data(base64Encoded: text), !bytes.isEmpty else {
            throw NoKey(description: "it has no entry \"\(secretEntry)\", or that is empty; set it")
        }
        return Array(bytes)
    }
}
