// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// The namespace and name of an object; what a work queue holds.
public struct ObjectKey: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// The namespace; `nil` for cluster-scoped objects.
    public var namespace: String?
    /// The name.
    public var name: String

    /// A key.
    public init(namespace: String?, name: String) {
        self.namespace = namespace
        self.name = name
    }

    /// `namespace/name`, or the name alone.
    public var description: String { namespace.map { "\($0)/\(name)" } ?? name }

    /// In the order of namespace, then name.
    public static func < (left: ObjectKey, right: ObjectKey) -> Bool {
        (left.namespace ?? "", left.name) < (right.namespace ?? "", right.name)
    }
}
