// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import KubeModel

/// The type of one kind: what pruning, strict field validation, strategic merge and server-side apply go by.
public struct TypeSchema: Sendable {
    /// The shape of the whole object.
    let root: TypeShape
    /// Whether strategic merge patches are possible: built-in kinds only.
    public let isStrategic: Bool

    /// The schema of a built-in kind; `nil` when it isn't one.
    public static func builtIn(_ type: ResourceType) -> TypeSchema? {
        guard let name = BuiltInTypes.structureName(of: type) else { return nil }
        return TypeSchema(root: .reference(name), isStrategic: true)
    }

    /// The schema of a custom kind; without one everything is kept.
    public static func custom(_ schema: StructuralSchema?) -> TypeSchema {
        var shape: TypeShape = .anything
        if let schema { shape = schema.typeShape(isResource: true) }
        guard case .structure(let structure) = shape else {
            let fields = StructuralSchema.resourceFields
            let open = StructureType(name: "", fields: fields, element: .anything)
            return TypeSchema(root: .structure(open), isStrategic: false)
        }
        return TypeSchema(root: .structure(structure), isStrategic: false)
    }
}

extension StructuralSchema {
    /// The members of every object.
    static let resourceFields: [String: TypeField] = [
        "apiVersion": TypeField(shape: .scalar(.string)),
        "kind": TypeField(shape: .scalar(.string)),
        "metadata": TypeField(shape: .reference(BuiltInTypes.objectMeta)),
    ]

    /// The shape for server-side apply.
    func typeShape(isResource: Bool) -> TypeShape {
        let shape = plainShape(isResource: isResource)
        return mapType == "atomic" ? .atomic(shape) : shape
    }

    private func plainShape(isResource: Bool) -> TypeShape {
        switch type {
        case .object:
            var fields: [String: TypeField] = [:]
            for (name, schema) in properties {
                fields[name] = TypeField(
                    shape: schema.typeShape(isResource: schema.isEmbeddedResource),
                    isRequired: required.contains(name),
                    defaultValue: schema.defaultValue
                )
            }
            if isResource { fields.merge(Self.resourceFields) { $1 } }
            if fields.isEmpty, let additionalProperties {
                return .map(additionalProperties.typeShape(isResource: additionalProperties.isEmbeddedResource))
            }
            let open: TypeShape? = preservesUnknownFields ? .anything : nil
            let element = additionalProperties?.typeShape(isResource: false) ?? open
            return .structure(StructureType(name: "", fields: fields, element: element))
        case .array:
            let element = items?.typeShape(isResource: items?.isEmbeddedResource ?? false) ?? .anything
            switch listType {
            case "set": return .list(element, .set)
            case "map" where !listMapKeys.isEmpty: return .list(element, .keys(listMapKeys.sorted()))
            default: return .list(element, .atomic)
            }
        case .string: return .scalar(.string)
        case .integer: return .scalar(.int64)
        case .number: return .scalar(.double)
        case .boolean: return .scalar(.bool)
        case nil: return isIntOrString ? .scalar(.unchecked) : .anything
        }
    }
}
