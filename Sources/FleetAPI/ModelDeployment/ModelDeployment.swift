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
    }

    /// A latency promise.
    public struct LatencyPromise: Sendable, Hashable {
        /// The share of requests in percent.
        public var percentile: Double
        /// The latency in milliseconds.
        public var milliseconds: Double
    }

    /// What `spec.scaling` says.
    public struct ScalingSpec: Sendable, Hashable {
        /// Who writes the count.
        public var engine: Engine
        /// The fewest replicas.
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

    private static func scaling(_ json: JSONValue) -> ScalingSpec {
        let minimum = max(1, json["minReplicas"]?.int ?? 1)
        var targets = (json["targets"]?.array ?? []).compactMap { target -> Target? in
            guard let signal = target["signal"]?.string, let value = target["value"]?.double else { return nil }
            return Target(signal: signal, value: value)
        }
        var latency: LatencyPromise?
        if let objective = json.at("objective", "latency"), let milliseconds = objective["milliseconds"]?.double {
            latency = LatencyPromise(percentile: objective["percentile"]?.double ?? 95, milliseconds: milliseconds)
        }
        if targets.isEmpty && latency == nil { targets = defaultTargets }
        return ScalingSpec(
            engine: json["engine"]?.string.flatMap(Engine.init(rawValue:)) ?? .direct,
            minReplicas: minimum,
            maxReplicas: max(minimum, json["maxReplicas"]?.int ?? 5),
            targets: targets,
            latency: latency,
            intervalSeconds: min(15, max(1, json["intervalSeconds"]?.int ?? 2)),
            behavior: json["behavior"] ?? .emptyObject
        )
    }
}
