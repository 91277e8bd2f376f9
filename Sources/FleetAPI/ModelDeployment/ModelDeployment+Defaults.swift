// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import KubeModel

extension ModelDeployment {
    /// The targets of a model that names neither a target nor an objective: a short queue, and room for one batch.
    public static let defaultTargets = [
        Target(signal: "QueueLength", value: 4), Target(signal: "InFlight", value: 16),
    ]

    /// The object with the defaults of its schema, as the API server would store it.
    public static func applyingDefaults(to json: JSONValue) -> JSONValue { defaults.completing(json) }

    private static let defaults = SchemaDefaults(schema)

    /// What people call the model's version; `unversioned` where the spec has none.
    public var versionName: String { model.version ?? "unversioned" }
}
