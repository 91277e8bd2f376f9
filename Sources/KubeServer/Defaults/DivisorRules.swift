// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// In which units a pod may be told of its resources, as the API server has it (`validateContainerResourceDivisor`).
enum DivisorRules {
    private static let bytes = [
        "1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei",
    ]

    /// Checks the `resourceFieldRef` of `source`, a variable's `valueFrom` or a file's item.
    static func check(_ source: JSONValue?, _ path: String, _ causes: inout FieldCauses) {
        guard let reference = source?["resourceFieldRef"], let resource = reference["resource"]?.string,
            let divisor = Quantity(reference["divisor"]), divisor != Quantity(0),
            let (word, allowed) = units(of: resource), !allowed.contains(divisor.description)
        else { return }
        let list = word == "cpu" ? "1m and 1" : allowed.joined(separator: ", ")
        causes.invalid(
            "\(path).resourceFieldRef.divisor",
            .string(resource),
            "only divisor's values \(list) are supported with the \(word) resource"
        )
    }

    /// Checks the files of a `downwardAPI` or `projected` volume.
    static func check(volume: JSONValue, _ path: String, _ causes: inout FieldCauses) {
        check(items: volume["downwardAPI"], "\(path).downwardAPI", &causes)
        for (index, source) in (volume.at("projected", "sources")?.array ?? []).enumerated() {
            check(items: source["downwardAPI"], "\(path).projected.sources[\(index)].downwardAPI", &causes)
        }
    }

    private static func check(items volume: JSONValue?, _ path: String, _ causes: inout FieldCauses) {
        for (index, item) in (volume?["items"]?.array ?? []).enumerated() {
            check(item, "\(path).items[\(index)]", &causes)
        }
    }

    /// The word for a resource in messages, and the units that it can be told in; `nil` where any will do.
    private static func units(of resource: String) -> (word: String, allowed: [String])? {
        switch resource {
        case "limits.cpu", "requests.cpu": ("cpu", ["1m", "1"])
        case "limits.memory", "requests.memory": ("memory", bytes)
        case "limits.ephemeral-storage", "requests.ephemeral-storage": ("local ephemeral storage", bytes)
        case _ where resource.hasPrefix("limits.hugepages-") || resource.hasPrefix("requests.hugepages-"):
            ("hugepages", bytes)
        default: nil
        }
    }
}
