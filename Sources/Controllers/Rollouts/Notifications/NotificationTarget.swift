// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// Who is told of a model's rollouts, as `spec.rollout.notifications` has it.
struct NotificationTarget: Sendable, Hashable {
    /// The most targets of a model.
    static let limit = 10

    /// Where.
    var address: WebAddress
    /// The Secret in the model's namespace with the key that signs; `nil` for no signature.
    var secretName: String?
    /// The events that are told; `nil` for all.
    var events: Set<String>?

    /// A target.
    init(address: WebAddress, secretName: String? = nil, events: Set<String>? = nil) {
        self.address = address
        self.secretName = secretName
        self.events = events
    }

    /// The targets of a spec; one without an HTTP address is left out (validation says so).
    static func list(_ json: JSONValue?) -> [NotificationTarget] {
        var targets: [NotificationTarget] = []
        for entry in (json?.array ?? []).prefix(limit) {
            guard let address = entry["url"]?.string.flatMap(WebAddress.init) else { continue }
            let events = entry["events"]?.array.map { Set($0.compactMap(\.string)) }
            let target = NotificationTarget(
                address: address,
                secretName: entry["secretName"]?.string.flatMap { $0.isEmpty ? nil : $0 },
                events: events.flatMap { $0.isEmpty ? nil : $0 }
            )
            if !targets.contains(target) { targets.append(target) }
        }
        return targets
    }

    /// Whether it is told of an event.
    func wants(_ event: RolloutTransition.Event) -> Bool { events?.contains(event.rawValue) ?? true }
}
