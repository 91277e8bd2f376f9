// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import KubeModel

/// A ModelDeployment, read from its JSON with defaults filled in; never fails, since validation is a step of its own.
public struct ModelDeployment: Sendable, Hashable {
    /// Who writes the replica count.
    public enum Engine: String, Sendable, Hashable, CaseIterable {
        /// The operator, from the metrics of the pods.
        case direct = "Direct"
        /// A HorizontalPodAutoscaler that the operator keeps.
        case horizontalPodAutoscaler = "HorizontalPodAutoscaler"
        /// Whoever writes `spec.replicas`.
        case external = "External"
    }

    /// What `spec.model` says.
    public struct Model: Sendable, Hashable {
        /// The format's name, as `onnx`.
        public var formatName: String
        /// The format's version.
        public var formatVersion: String?
        /// Where the file is.
        public var uri: String
        /// The SHA-256 of the file.
        public var sha256: String?
        /// What people call this version.
        public var version: String?
    }

    /// One level per replica.
    public struct Target: Sendable, Hashable {
        /// The signal's name.
        public var signal: String
        /// The level.
        public var value: Double
        /// The total over all replicas up to which the model counts as idle.
        public var activationValue = 0.0

        /// A level.
        public init(signal: String, value: Double, activationValue: Double = 0) {
            self.signal = signal
            self.value = value
            self.activationValue = activationValue
        }
    }

    /// A latency promise.
    public struct LatencyPromise: Sendable, Hashable {
        /// The share of requests in percent.
        public var percentile: Double
        /// The latency in milliseconds.
        public var milliseconds: Double
        /// What a late request costs, as a multiple of what it costs to serve one; `nil` is the policy's default.
        public var latePrice: Double?
    }

    /// How signals become a count.
    public enum Policy: String, Sendable, Hashable, CaseIterable {
        /// The HPA's rule over the targets.
        case targetTracking = "TargetTracking"
        /// What keeps the latency objective.
        case slo = "SLO"
        /// Thresholds and fixed factors.
        case rule = "Rule"
    }

    /// A Prometheus server to ask.
    public struct Prometheus: Sendable, Hashable {
        /// Its address.
        public var address: String
        /// PromQL by field: `queueLength`, `inFlight`, `requestRate`, `errorRate`, `latency`.
        public var queries: [String: String]
        /// How old a sample may be that a query reads, in seconds.
        public var lookbackSeconds: Int
    }

    /// The fewest replicas while nothing can be read.
    public struct Fallback: Sendable, Hashable {
        /// After how many readings in a row that failed.
        public var failureThreshold: Int
        /// The fewest replicas from then on.
        public var replicas: Int
    }

    /// A time with bounds of its own.
    public struct Schedule: Sendable, Hashable {
        /// Its name.
        public var name: String
        /// The IANA time zone of start and end.
        public var timeZone: String
        /// When it begins, as crontab(5).
        public var start: String
        /// When it ends, as crontab(5).
        public var end: String
        /// The fewest replicas meanwhile.
        public var minReplicas: Int?
        /// The most replicas meanwhile.
        public var maxReplicas: Int?
    }

    /// What `spec.scaling` says.
    public struct ScalingSpec: Sendable, Hashable {
        /// Who writes the count.
        public var engine: Engine
        /// How signals become a count.
        public var policy: Policy
        /// Whether decisions are reported and not acted on.
        public var isObserved: Bool
        /// Whether the count stays as it is.
        public var isPaused: Bool
        /// The fewest replicas of a model in use.
        public var minReplicas: Int
        /// The most replicas.
        public var maxReplicas: Int
        /// The levels to hold; the defaults where neither a target nor an objective is given.
        public var targets: [Target]
        /// The latency to keep.
        public var latency: LatencyPromise?
        /// The seconds between two decisions.
        public var intervalSeconds: Int
        /// `behavior` as it is.
        public var behavior: JSONValue
        /// The Prometheus server to ask instead of the pods.
        public var prometheus: Prometheus?
        /// The fewest replicas while nothing can be read.
        public var fallback: Fallback?
        /// Times with bounds of their own.
        public var schedules: [Schedule]
        /// After how many seconds without a request the model goes to no replica; `nil` for never.
        public var idleSeconds: Int?
    }

    /// The whole object with defaults.
    public let object: KubeObject
    /// What to serve.
    public let model: Model
    /// The runtime's name, where the spec names one.
    public let runtimeName: String?
    /// The count that something outside asks for.
    public let replicas: Int?
    /// How it scales.
    public let scaling: ScalingSpec
    /// How long a new revision may take to get ready, in seconds.
    public let progressDeadlineSeconds: Int

    /// The resource's names.
    public static let resourceType = ResourceType.modelDeployments

    /// Reads an object, after filling in the schema's defaults.
    public init(_ stored: KubeObject) {
        let object = KubeObject(Self.applyingDefaults(to: stored.json))
        self.object = object
        let spec = object.json["spec"] ?? .emptyObject
        let json = spec["model"]
        model = Model(
            formatName: json?.at("format", "name")?.string ?? "",
            formatVersion: json?.at("format", "version")?.string,
            uri: json?["uri"]?.string ?? "",
            sha256: json?["sha256"]?.string,
            version: json?["version"]?.string
        )
        runtimeName = spec.at("runtime", "name")?.string
        replicas = spec["replicas"]?.int
        progressDeadlineSeconds = spec.at("rollout", "progressDeadlineSeconds")?.int ?? 600
        scaling = Self.scaling(spec["scaling"] ?? .emptyObject)
    }
}
