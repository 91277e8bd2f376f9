// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// In which form a client wants its answer.
enum AnswerForm: Sendable, Hashable {
    /// The object itself.
    case object
    /// A `meta.k8s.io/v1` Table.
    case table
    /// The metadata alone.
    case metadata
    /// Aggregated discovery, `apidiscovery.k8s.io/v2`.
    case discovery
}

/// A parsed `Accept` header.
struct AcceptHeader: Sendable {
    /// One media range with its parameters.
    struct Range: Sendable {
        /// `application/json`
        var type: String
        /// `as`, `g`, `v` and the like.
        var parameters: [String: String]
    }

    /// The media types that answers have, and what stands for them.
    private static let types = ["application/json", "application/yaml", "application/*", "*/*"]

    /// The ranges in the client's order.
    let ranges: [Range]

    /// Parses the header; a missing one accepts anything.
    init(_ text: String?) {
        ranges = (text ?? "*/*").split(separator: ",").map { range in
            let parts = range.split(separator: ";").map { String($0.drop { $0 == " " }) }
            var parameters: [String: String] = [:]
            for part in parts.dropFirst() {
                let pair = part.split(separator: "=", maxSplits: 1).map(String.init)
                if pair.count == 2 { parameters[pair[0]] = pair[1] }
            }
            return Range(type: (parts.first ?? "*/*").lowercased(), parameters: parameters)
        }
    }

    /// The first form the client names that this server has; `nil` when there is none (406).
    func form(isDiscovery: Bool = false) -> AnswerForm? {
        for range in ranges {
            guard Self.types.contains(range.type) else { continue }
            switch (range.parameters["as"], range.parameters["g"], range.parameters["v"]) {
            case (nil, _, _): return .object
            case ("Table", "meta.k8s.io", "v1") where !isDiscovery: return .table
            case ("PartialObjectMetadata", "meta.k8s.io", "v1") where !isDiscovery: return .metadata
            case ("PartialObjectMetadataList", "meta.k8s.io", "v1") where !isDiscovery: return .metadata
            case ("APIGroupDiscoveryList", "apidiscovery.k8s.io", "v2") where isDiscovery: return .discovery
            default: continue
            }
        }
        return nil
    }

    /// Whether the client wants YAML before JSON.
    var prefersYAML: Bool {
        ranges.first { Self.types.contains($0.type) }?.type == "application/yaml"
    }
}
