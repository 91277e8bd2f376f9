// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeModel

/// What keeps pods off a node unless they tolerate it.
struct Taint: Sendable, Hashable {
    /// What it does.
    enum Effect: String, Sendable, Hashable {
        /// New pods aren't given to the node.
        case noSchedule = "NoSchedule"
        /// New pods are given to it only where nothing else is left.
        case preferNoSchedule = "PreferNoSchedule"
        /// Pods that run there are evicted, too.
        case noExecute = "NoExecute"
    }

    /// The node doesn't answer any more.
    static let unreachable = "node.kubernetes.io/unreachable"
    /// The node says that it isn't ready.
    static let notReady = "node.kubernetes.io/not-ready"
    /// The node was cordoned.
    static let unschedulable = "node.kubernetes.io/unschedulable"
    /// An administrator says that the node is down for good.
    static let outOfService = "node.kubernetes.io/out-of-service"

    /// Its key.
    var key: String
    /// Its value; mostly empty.
    var value = ""
    /// What it does.
    var effect: Effect
    /// When it was put on, where that is known.
    var added: WallTime?

    /// Whether two taints are the same but for value and time.
    func isLike(_ other: Taint) -> Bool { key == other.key && effect == other.effect }

    /// How the API writes it.
    var json: JSONValue {
        var json: JSONValue = ["key": .string(key), "effect": .string(effect.rawValue)]
        if !value.isEmpty { json["value"] = .string(value) }
        if let added { json["timeAdded"] = .string(added.rfc3339) }
        return json
    }

    /// The taints of a node; unknown effects are left out.
    static func all(of node: KubeObject) -> [Taint] {
        (node["spec", "taints"]?.array ?? []).compactMap { json in
            guard let key = json["key"]?.string, let effect = json["effect"]?.string.flatMap(Effect.init) else {
                return nil
            }
            let added = json["timeAdded"]?.string.flatMap(WallTime.init(rfc3339:))
            return Taint(key: key, value: json["value"]?.string ?? "", effect: effect, added: added)
        }
    }
}

/// What a pod says it can bear.
struct Toleration: Sendable, Hashable {
    private let key: String
    private let value: String
    private let isExists: Bool
    private let effect: String
    /// How long a `NoExecute` taint is borne; `nil` for ever.
    let limit: Duration?

    /// Reads one entry of `spec.tolerations`.
    init(_ json: JSONValue) {
        key = json["key"]?.string ?? ""
        value = json["value"]?.string ?? ""
        isExists = json["operator"]?.string == "Exists"
        effect = json["effect"]?.string ?? ""
        limit = json["tolerationSeconds"]?.int.map { .seconds(min(max(0, $0), 1_000_000_000)) }
    }

    /// The tolerations of a pod.
    static func all(of pod: KubeObject) -> [Toleration] {
        (pod["spec", "tolerations"]?.array ?? []).map(Toleration.init)
    }

    /// Whether it covers `taint`: an empty key with `Exists` covers all, an empty effect all effects.
    func covers(_ taint: Taint) -> Bool {
        guard effect.isEmpty || effect == taint.effect.rawValue, key.isEmpty || key == taint.key else { return false }
        return isExists || (!key.isEmpty && value == taint.value)
    }
}
