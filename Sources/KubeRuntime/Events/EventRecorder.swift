// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import Ambient
public import KubeAPI
public import KubeModel
public import Logging
internal import Synchronization

/// Writes core/v1 events, which `kubectl describe` shows below an object.
///
/// An event that repeats (same object and part of it, type, reason and message) raises the count of the one that is
/// there. Each object has a budget for good news and one for warnings, as large as client-go's one for both: 25 at once, then
/// one every five minutes. Failures are logged, never thrown: an event is a courtesy.
public final class EventRecorder: Sendable {
    /// How an event is meant.
    public enum EventType: String, Sendable, Hashable {
        /// For information.
        case normal = "Normal"
        /// Somebody should look.
        case warning = "Warning"
    }

    private let client: KubeClient
    private let component: String
    private let instance: String
    private let time: any TimeSource
    private let random: any RandomSource
    private let logger: Logger
    private let log: Mutex<EventLog>

    /// A recorder that writes as `component` (`modelfleet`) of `instance` (a pod's name).
    public init(
        client: KubeClient,
        component: String,
        instance: String = "",
        time: any TimeSource = SystemTime(),
        random: any RandomSource = SystemRandom(),
        logger: Logger = Logger(label: "modelfleet.events")
    ) {
        self.client = client
        self.component = component
        self.instance = instance
        self.time = time
        self.random = random
        self.logger = logger
        log = Mutex(EventLog())
    }

    /// Records an event about `object`, or about a part of it: `spec.containers{server}`. `reason` is one word in
    /// CamelCase, `message` a sentence.
    public func record(
        _ object: KubeObject,
        _ type: EventType,
        reason: String,
        message: String,
        field: String? = nil
    ) async {
        let message = Self.shortened(message)
        let identity = EventLog.Identity(
            uid: object.uid ?? "\(object.kind)/\(object.key)",
            type: type.rawValue,
            reason: reason,
            message: message,
            field: field
        )
        let now = time.now()
        switch log.withLock({ $0.record(identity, now: now) }) {
        case .drop:
            logger.debug(
                "an event was dropped: too many",
                metadata: ["object": "\(object.key)", "reason": "\(reason)"]
            )
        case .create: await create(object, type, reason, message, identity, now)
        case .repeats(let key, let count):
            let patch: JSONValue = ["count": JSONValue(count), "lastTimestamp": .string(now.rfc3339)]
            do {
                try await client.patch(.events, key, .merge(patch))
            } catch {
                guard error.isNotFound else { return note(error, object) }
                await create(object, type, reason, message, identity, now)
            }
        }
    }

    private func create(
        _ object: KubeObject,
        _ type: EventType,
        _ reason: String,
        _ message: String,
        _ identity: EventLog.Identity,
        _ now: WallTime
    ) async {
        let namespace = object.namespace ?? "default"
        let suffix = String(UInt64(bitPattern: now.nanoseconds), radix: 16) + random.nameSuffix(length: 4)
        var event = KubeObject(.events, namespace: namespace, name: "\(object.name.prefix(200)).\(suffix)")
        var involved: JSONValue = [
            "apiVersion": .string(object.apiVersion), "kind": .string(object.kind), "name": .string(object.name),
        ]
        involved["namespace"] = JSONValue(object.namespace)
        involved["uid"] = JSONValue(object.uid)
        involved["resourceVersion"] = JSONValue(object.resourceVersion)
        involved["fieldPath"] = JSONValue(identity.field)
        event["involvedObject"] = involved
        event["type"] = .string(type.rawValue)
        event["reason"] = .string(reason)
        event["message"] = .string(message)
        event["source"] = ["component": .string(component)]
        event["reportingComponent"] = .string(component)
        event["reportingInstance"] = .string(instance)
        event["firstTimestamp"] = .string(now.rfc3339)
        event["lastTimestamp"] = .string(now.rfc3339)
        event["count"] = 1
        do {
            try await client.create(.events, event)
            log.withLock { $0.created(identity, key: event.key) }
        } catch {
            note(error, object)
        }
    }

    private func note(_ error: KubeError, _ object: KubeObject) {
        // A namespace that is going away takes no new objects, and its events matter to nobody.
        let level: Logger.Level = error.isCancelled || error.isForbidden ? .debug : .warning
        logger.log(
            level: level,
            "an event couldn't be written",
            metadata: ["object": "\(object.key)", "error": "\(error)"]
        )
    }

    /// The API server refuses messages beyond 1024 bytes.
    static func shortened(_ message: String) -> String {
        guard message.utf8.count > 1024 else { return message }
        var short = ""
        var size = 0
        for character in message {
            size += character.utf8.count
            if size > 1021 { break }
            short.append(character)
        }
        return short + "…"
    }
}
