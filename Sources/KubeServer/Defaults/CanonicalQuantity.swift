// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// Quantities as the API server writes them: `1000m` as `1`, `0.5Gi` as `512Mi`.
enum CanonicalQuantity {
    /// The canonical form of a quantity; what isn't one stays as it is.
    static func of(_ value: JSONValue) -> JSONValue { Quantity(value).map { .string($0.description) } ?? value }
}
