// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// The scalar types of built-in kinds, as Go's API types have them.
enum ScalarType: String, Sendable {
    /// Text.
    case string
    /// A 32-bit integer.
    case int32
    /// A 64-bit integer.
    case int64
    /// A number.
    case double
    /// `true` or `false`.
    case bool
    /// A quantity: text, or a number that is read as text.
    case quantity
    /// An integer or text.
    case intOrString
    /// RFC 3339 with whole seconds.
    case time
    /// RFC 3339 with microseconds.
    case microTime
    /// Base64.
    case bytes
    /// Any JSON, owned as a whole.
    case raw
    /// A set of fields, as `managedFields` holds it.
    case fields
    /// Any scalar, as custom resources have it where an integer or a text may be.
    case unchecked
}

/// How elements of a list are told apart.
enum ListIdentity: Sendable, Hashable {
    /// Not at all: the list has one owner.
    case atomic
    /// By value.
    case set
    /// By the values of members.
    case keys([String])
}

/// How values of one type are built, merged and owned.
indirect enum TypeShape: Sendable {
    /// One value.
    case scalar(ScalarType)
    /// Named members.
    case structure(StructureType)
    /// A structure of the built-in types, by its full name; types may contain themselves.
    case reference(String)
    /// Members of any name.
    case map(TypeShape)
    /// Elements.
    case list(TypeShape, ListIdentity)
    /// A value that has one owner, whatever its type.
    case atomic(TypeShape)
    /// Any JSON: objects are granular, lists are not.
    case anything

    /// The shape with a reference followed.
    var resolved: TypeShape {
        guard case .reference(let name) = self else { return self }
        return BuiltInTypes.structures[name].map { .structure($0) } ?? .anything
    }

    /// Whether the value has one owner as a whole.
    var isAtomic: Bool {
        switch resolved {
        case .atomic: true
        case .structure(let structure): structure.isAtomic
        case .list(_, .atomic): true
        case .scalar: true
        default: false
        }
    }

    /// The shape with references followed and the mark of atomicity taken off.
    var content: TypeShape {
        if case .atomic(let shape) = resolved { shape.content } else { resolved }
    }

    /// The shape of the member `name`; `nil` when there may be none of that name.
    func member(_ name: String) -> TypeShape? {
        switch content {
        case .structure(let structure): structure.fields[name]?.shape ?? structure.element
        case .map(let element): element
        case .anything: .anything
        default: nil
        }
    }

    /// Whether `name` is declared, rather than one of any.
    func declares(_ name: String) -> Bool {
        if case .structure(let structure) = content { structure.fields[name] != nil } else { false }
    }

    /// The shape of elements.
    var element: TypeShape {
        if case .list(let element, _) = content { element } else { .anything }
    }

    /// How elements are told apart.
    var identity: ListIdentity {
        if case .list(_, let identity) = content { identity } else { .atomic }
    }
}

/// How a strategic merge patch treats a field.
struct PatchStrategy: Sendable, Hashable {
    /// Whether lists are merged rather than replaced.
    var merges = false
    /// The member that identifies elements; empty for lists of scalars.
    var mergeKey = ""
    /// Whether `$retainKeys` is honoured.
    var retainsKeys = false
    /// Whether objects are replaced rather than merged.
    var replaces = false
}

/// One declared member of a structure.
struct TypeField: Sendable {
    /// The type.
    var shape: TypeShape
    /// Whether the member must be present.
    var isRequired = false
    /// Whether the API server always writes it, as an empty object if need be.
    var isAlwaysPresent = false
    /// How strategic merge patches treat it.
    var patch = PatchStrategy()
    /// The value that stands for an absent list key.
    var defaultValue: JSONValue?
}

/// A type with named members.
final class StructureType: Sendable {
    /// The full name, as in OpenAPI documents; empty for custom resources' parts.
    let name: String
    /// The declared members.
    let fields: [String: TypeField]
    /// The type of members that aren't declared; `nil` where there may be none.
    let element: TypeShape?
    /// Whether the value has one owner as a whole.
    let isAtomic: Bool

    init(name: String, fields: [String: TypeField], element: TypeShape? = nil, isAtomic: Bool = false) {
        self.name = name
        self.fields = fields
        self.element = element
        self.isAtomic = isAtomic
    }
}
