// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// The rules of APIServices (`kube-aggregator/pkg/apis/apiregistration/validation`).
enum APIServiceValidation {
    /// Notes what is wrong with an APIService.
    static func check(_ object: JSONValue, _ causes: inout FieldCauses) {
        let group = object.at("spec", "group")?.string ?? ""
        let version = object.at("spec", "version")?.string ?? ""
        let wanted = "\(version).\(group)"
        if object.at("metadata", "name") != .string(wanted) {
            causes.invalid(
                "metadata.name",
                object.at("metadata", "name") ?? "",
                "must be `spec.version+\".\"+spec.group`: \"\(wanted)\""
            )
        }
        if version.isEmpty { causes.required("spec.version") }
        priority(object, "groupPriorityMinimum", limit: 20_000, &causes)
        priority(object, "versionPriority", limit: 1000, &causes)
        let hasBundle = !(object.at("spec", "caBundle")?.string ?? "").isEmpty
        let isInsecure = object.at("spec", "insecureSkipTLSVerify") == true
        guard let service = object.at("spec", "service"), service.object != nil else {
            if hasBundle { causes.invalid("spec.caBundle", "...", "local APIServices may not have a caBundle") }
            if isInsecure {
                causes.invalid(
                    "spec.insecureSkipTLSVerify",
                    true,
                    "local APIServices may not have insecureSkipTLSVerify"
                )
            }
            return
        }
        if (service["namespace"]?.string ?? "").isEmpty { causes.required("spec.service.namespace") }
        if (service["name"]?.string ?? "").isEmpty { causes.required("spec.service.name") }
        if let port = service["port"] { causes.port("spec.service.port", port) }
        if hasBundle, isInsecure {
            causes.invalid("spec.insecureSkipTLSVerify", true, "may not be true if caBundle is present")
        }
    }

    private static func priority(_ object: JSONValue, _ name: String, limit: Int64, _ causes: inout FieldCauses) {
        let value = object.at("spec", name)?.integer ?? 0
        if value <= 0 || value > limit {
            causes.invalid("spec.\(name)", .integer(value), "must be positive and at most \(limit)")
        }
    }
}
