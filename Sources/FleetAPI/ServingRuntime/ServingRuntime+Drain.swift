// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import KubeModel

extension ServingRuntime {
    /// How a pod ends without losing a request.
    ///
    /// ```
    /// told to go ──preStopSeconds──> SIGTERM ──limitSeconds──> ended ──5 s──> killed
    /// └──────────────────────── grace period ─────────────────────────────┘
    /// ```
    public struct Drain: Sendable, Hashable {
        /// What a server needs to close what is idle and to end, beyond its drain.
        static let marginSeconds = 5
        /// The limit where none is given: that of this package's own server.
        static let defaultLimitSeconds = 25

        /// The seconds before the server gets SIGTERM.
        public var preStopSeconds: Int
        /// The seconds that it may then take.
        public var limitSeconds: Int

        /// Reads `spec.drain`; what is missing or makes no sense is the default.
        init(_ json: JSONValue?) {
            preStopSeconds = min(3600, max(0, json?["preStopSeconds"]?.int ?? 0))
            limitSeconds = min(86_400, max(0, json?["limitSeconds"]?.int ?? Self.defaultLimitSeconds))
        }

        /// The pod's `terminationGracePeriodSeconds`: the sleep before the stop counts, too.
        public var gracePeriodSeconds: Int { preStopSeconds + limitSeconds + Self.marginSeconds }

        /// The container's `lifecycle`; `nil` where it needs none.
        public var lifecycle: JSONValue? {
            preStopSeconds > 0 ? ["preStop": ["sleep": ["seconds": JSONValue(preStopSeconds)]]] : nil
        }
    }

    /// How its pods end.
    public var drain: Drain { Drain(object.json.at("spec", "drain")) }
}
