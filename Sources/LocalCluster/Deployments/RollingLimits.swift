// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// `maxSurge` and `maxUnavailable` of a Deployment as numbers of pods.
struct RollingLimits: Equatable {
    /// How many pods there may be beyond the wanted number.
    var surge: Int
    /// How many of the wanted pods may be unavailable.
    var unavailable: Int

    /// Percentages of `replicas` are rounded up for the surge and down for the unavailable ones; when both come to
    /// nothing one pod may be unavailable (https://kubernetes.io/docs/concepts/workloads/controllers/deployment/).
    /// With the strategy `Recreate` both are zero.
    init(deployment: KubeObject, replicas: Int) {
        guard deployment["spec", "strategy", "type"]?.string != "Recreate" else {
            surge = 0
            unavailable = 0
            return
        }
        let rolling = deployment["spec", "strategy", "rollingUpdate"]
        surge = Self.number(rolling?["maxSurge"] ?? "25%", of: replicas, roundsUp: true)
        unavailable = Self.number(rolling?["maxUnavailable"] ?? "25%", of: replicas, roundsUp: false)
        if surge == 0 && unavailable == 0 { unavailable = 1 }
        unavailable = min(unavailable, replicas)
    }

    /// A number, or a percentage of `total`; nonsense counts as zero.
    static func number(_ value: JSONValue, of total: Int, roundsUp: Bool) -> Int {
        if let number = value.int { return max(0, min(number, 1_000_000)) }
        guard let text = value.string else { return 0 }
        guard text.hasSuffix("%"), let percent = Int(text.dropLast()), (0...10_000).contains(percent) else {
            return max(0, min(Int(text) ?? 0, 1_000_000))
        }
        return (min(max(0, total), 1_000_000) * percent + (roundsUp ? 99 : 0)) / 100
    }
}
