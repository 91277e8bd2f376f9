// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import FleetAPI
import KubeModel

/// What the metrics APIs say of themselves.
enum MetricsDiscovery {
    /// Totals that HPAs scale by.
    static let external = "external.metrics.k8s.io"
    /// Values of objects.
    static let custom = "custom.metrics.k8s.io"
    /// The versions of `custom`, the preferred one first.
    static let customVersions = ["v1beta2", "v1beta1"]

    /// The names of the APIServices.
    static let apiServices = ["v1beta1.\(external)"] + customVersions.map { "\($0).\(custom)" }

    /// The document at `/apis`, `/apis/GROUP` or `/apis/GROUP/VERSION`; `nil` for a path without one.
    static func document(_ path: ArraySlice<String>) -> JSONValue? {
        let groups = [(external, ["v1beta1"]), (custom, customVersions)]
        guard let name = path.first else {
            return ["kind": "APIGroupList", "apiVersion": "v1", "groups": .array(groups.map(group))]
        }
        guard let found = groups.first(where: { $0.0 == name }) else { return nil }
        guard let version = path.dropFirst().first else {
            var json = group(found)
            json["kind"] = "APIGroup"
            json["apiVersion"] = "v1"
            return json
        }
        guard found.1.contains(version) else { return nil }
        return [
            "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": .string("\(name)/\(version)"),
            "resources": .array(name == external ? externalResources : customResources),
        ]
    }

    private static func group(_ group: (name: String, versions: [String])) -> JSONValue {
        let versions = group.versions.map { version -> JSONValue in
            ["groupVersion": .string("\(group.name)/\(version)"), "version": .string(version)]
        }
        return [
            "name": .string(group.name), "versions": .array(versions), "preferredVersion": versions.first ?? .null,
        ]
    }

    private static let externalResources = ServedMetric.ofModels.map { metric in
        resource(metric.rawValue, kind: "ExternalMetricValueList")
    }

    private static let customResources =
        ServedMetric.allCases.map { resource("pods/\($0.rawValue)", kind: "MetricValueList") }
        + ServedMetric.ofModels.map {
            resource("\(ResourceType.modelDeployments.qualifiedName)/\($0.rawValue)", kind: "MetricValueList")
        }

    private static func resource(_ name: String, kind: String) -> JSONValue {
        ["name": .string(name), "singularName": "", "namespaced": true, "kind": .string(kind), "verbs": ["get"]]
    }
}
