// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import KubeModel

/// A ServingRuntime: how one family of model server is run.
public struct ServingRuntime: Sendable, Hashable {
    /// A format that the runtime can serve.
    public struct Format: Sendable, Hashable {
        /// The format's name.
        public var name: String
        /// The only version it supports; `nil` for all.
        public var version: String?
        /// Whether the runtime may be chosen without being named.
        public var autoSelect: Bool
        /// Of several, the one with the highest priority is chosen.
        public var priority: Int
    }

    /// The whole object with defaults.
    public let object: KubeObject
    /// The formats it supports.
    public let formats: [Format]
    /// The container that serves.
    public let container: JSONValue
    /// The port that answers inference requests.
    public let port: Int
    /// The metrics mapping as it is.
    public let metrics: JSONValue

    /// The resource's names.
    public static let resourceType = ResourceType.servingRuntimes
    /// The defaults of the schema.
    static let defaults = SchemaDefaults(schema)

    /// Reads an object, after filling in the schema's defaults.
    public init(_ stored: KubeObject) {
        object = KubeObject(Self.defaults.completing(stored.json))
        let spec = object.json["spec"] ?? .emptyObject
        formats = (spec["supportedModelFormats"]?.array ?? []).compactMap { format in
            guard let name = format["name"]?.string else { return nil }
            return Format(
                name: name,
                version: format["version"]?.string,
                autoSelect: format["autoSelect"]?.bool ?? false,
                priority: format["priority"]?.int ?? 0
            )
        }
        container = spec["container"] ?? .emptyObject
        port = spec["port"]?.int ?? 8080
        metrics = spec["metrics"] ?? .emptyObject
    }

    /// Whether the runtime supports a format.
    public func supports(name: String, version: String?, automatically: Bool) -> Bool {
        formats.contains {
            $0.name == name && ($0.version == nil || version == nil || $0.version == version)
                && (!automatically || $0.autoSelect)
        }
    }

    /// The runtime to use for a model, or a sentence that says what there is instead.
    public static func choose(for model: ModelDeployment, among runtimes: [ServingRuntime]) -> RuntimeChoice {
        let format = model.model.formatName
        let known = runtimes.flatMap { runtime in runtime.formats.map(\.name) }
        let formats = Set(known).sorted().joined(separator: ", ")
        if let name = model.runtimeName {
            guard let runtime = runtimes.first(where: { $0.object.name == name }) else {
                let names = runtimes.map(\.object.name).sorted().joined(separator: ", ")
                return .none(
                    "spec.runtime.name: there is no ServingRuntime \"\(name)\"; there is: \(names.isEmpty ? "none" : names)"
                )
            }
            guard runtime.supports(name: format, version: model.model.formatVersion, automatically: false) else {
                let own = runtime.formats.map(\.name).joined(separator: ", ")
                return .none(
                    "spec.model.format: ServingRuntime \"\(name)\" does not support \"\(format)\", only: \(own)"
                )
            }
            return .found(runtime)
        }
        let fitting = runtimes.filter {
            $0.supports(name: format, version: model.model.formatVersion, automatically: true)
        }
        func priority(_ runtime: ServingRuntime) -> Int {
            runtime.formats.filter { $0.name == format }.map(\.priority).max() ?? 0
        }
        let best = fitting.min { (-priority($0), $0.object.name) < (-priority($1), $1.object.name) }
        if let best { return .found(best) }
        let manual = runtimes.filter {
            $0.supports(name: format, version: model.model.formatVersion, automatically: false)
        }
        if let first = manual.map(\.object.name).min() {
            return .none(
                "spec.runtime: ServingRuntime \"\(first)\" supports \"\(format)\" but isn't chosen by itself; "
                    + "set spec.runtime.name: \(first), or autoSelect: true in its supportedModelFormats"
            )
        }
        return .none(
            "spec.model.format: no ServingRuntime supports the format \"\(format)\"; supported formats: "
                + (formats.isEmpty ? "none, since there is no ServingRuntime" : formats)
        )
    }
}

/// What came of choosing a runtime.
public enum RuntimeChoice: Sendable, Hashable {
    /// The runtime to use.
    case found(ServingRuntime)
    /// None fits; the sentence says what there is.
    case none(String)
}
