// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import Ambient

/// One entry of `status.conditions` (`metav1.Condition`).
public struct Condition: Sendable, Hashable {
    /// What a condition says.
    public enum Status: String, Sendable, Hashable, Codable {
        /// It is so.
        case isTrue = "True"
        /// It isn't so.
        case isFalse = "False"
        /// Nobody knows yet.
        case unknown = "Unknown"
    }

    /// What the condition is about: `Ready`.
    public var type: String
    /// Whether it is so.
    public var status: Status
    /// Why, as one word in CamelCase for machines.
    public var reason: String
    /// Why, as a sentence for people.
    public var message: String
    /// The `metadata.generation` that this was found for.
    public var observedGeneration: Int64?
    /// When the status last changed; `ConditionSet` keeps it.
    public var lastTransitionTime: WallTime?

    /// A condition.
    public init(
        type: String,
        status: Status,
        reason: String,
        message: String = "",
        observedGeneration: Int64? = nil,
        lastTransitionTime: WallTime? = nil
    ) {
        self.type = type
        self.status = status
        self.reason = reason
        self.message = message
        self.observedGeneration = observedGeneration
        self.lastTransitionTime = lastTransitionTime
    }

    /// Whether the status is `True`.
    public var isTrue: Bool { status == .isTrue }

    /// Reads an entry; `nil` without a type. A status that is no status reads as `Unknown`.
    public init?(_ json: JSONValue) {
        guard let type = json["type"]?.string else { return nil }
        self.init(
            type: type,
            status: json["status"]?.string.flatMap(Status.init(rawValue:)) ?? .unknown,
            reason: json["reason"]?.string ?? "",
            message: json["message"]?.string ?? "",
            observedGeneration: json["observedGeneration"]?.integer,
            lastTransitionTime: json["lastTransitionTime"]?.string.flatMap(WallTime.init(rfc3339:))
        )
    }

    /// The entry as JSON.
    public var json: JSONValue {
        var json: JSONValue = [
            "type": .string(type), "status": .string(status.rawValue), "reason": .string(reason),
            "message": .string(message),
        ]
        json["observedGeneration"] = observedGeneration.map(JSONValue.integer)
        json["lastTransitionTime"] = lastTransitionTime.map { .string($0.rfc3339) }
        return json
    }
}

/// The conditions of an object: one of each type, in the order in which they first came.
///
/// `lastTransitionTime` moves only when the status of a condition changes, never with its reason or message.
public struct ConditionSet: Sendable, Hashable {
    private var entries: [Condition] = []

    /// A set without a condition.
    public init() {}

    /// Reads `status.conditions`; of two with one type the later wins.
    public init(_ json: JSONValue?) {
        for condition in (json?.array ?? []).compactMap(Condition.init) {
            if let index = entries.firstIndex(where: { $0.type == condition.type }) {
                entries[index] = condition
            } else {
                entries.append(condition)
            }
        }
    }

    /// Reads an object's `status.conditions`.
    public init(_ object: KubeObject) { self.init(object["status", "conditions"]) }

    /// The conditions.
    public var conditions: [Condition] { entries }

    /// The condition of a type.
    public subscript(type: String) -> Condition? { entries.first { $0.type == type } }

    /// Whether the condition of a type is there and `True`.
    public func isTrue(_ type: String) -> Bool { self[type]?.isTrue ?? false }

    /// Sets a condition; `now` becomes its transition time when its status is a new one. Answers whether anything changed.
    @discardableResult
    public mutating func set(_ condition: Condition, now: WallTime) -> Bool {
        var condition = condition
        guard let index = entries.firstIndex(where: { $0.type == condition.type }) else {
            condition.lastTransitionTime = condition.lastTransitionTime ?? now
            entries.append(condition)
            return true
        }
        let present = entries[index]
        condition.lastTransitionTime =
            present.status == condition.status ? present.lastTransitionTime ?? now : now
        guard condition != present else { return false }
        entries[index] = condition
        return true
    }

    /// Removes the condition of a type.
    public mutating func remove(_ type: String) { entries.removeAll { $0.type == type } }

    /// The list for `status.conditions`.
    public var json: JSONValue { .array(entries.map(\.json)) }

    /// Writes `status.conditions` of an object.
    public func write(to object: inout KubeObject) { object["status", "conditions"] = json }
}
