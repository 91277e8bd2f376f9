// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// The built-in types, read once from the compact definitions in `Schema/Definitions`.
///
/// A definition is a package line, then a line for each type and its fields:
///
///     package io.k8s.api.core.v1
///     ServicePort
///       appProtocol string; port! int32; protocol string default("TCP")
///
/// After the type's name may stand `atomic`, and `kind` where it has `apiVersion`, `kind` and `metadata`. A field is its
/// name (`!`: required), its type, and any of:
///
/// | word | meaning |
/// | --- | --- |
/// | `atomic` | has one owner as a whole |
/// | `set`, `map(a,b)` | elements are told apart by value, by members |
/// | `merge(key)`, `merge()` | strategic merge patches merge the list, by a member or by value |
/// | `retainKeys`, `replace` | the other patch strategies |
/// | `~` | always written by the API server |
/// | `default(x)` | what stands for an absent list key |
///
/// A type is a scalar's name, `[T]`, `{T}` (a map), `any`, or a type of the same package, or of another: `core.T`, `meta.T`.
enum BuiltInTypes {
    /// The type of `metadata`.
    static let objectMeta = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"

    /// Every structure by its full name.
    static let structures: [String: StructureType] = {
        var structures: [String: StructureType] = [:]
        for text in TypeDefinitions.all {
            var reader = TypeDefinitionReader()
            reader.read(text)
            for structure in reader.structures { structures[structure.name] = structure }
        }
        return structures
    }()

    /// The packages that short prefixes stand for.
    static let packages: [String: String] = [
        "core": "io.k8s.api.core.v1",
        "meta": "io.k8s.apimachinery.pkg.apis.meta.v1",
        "scale": "io.k8s.api.autoscaling.v1",
    ]

    /// The package that holds the types of an API group's version.
    static func package(group: String, version: String) -> String {
        switch group {
        case "": "io.k8s.api.core.\(version)"
        case "apiextensions.k8s.io": "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.\(version)"
        case "apiregistration.k8s.io": "io.k8s.kube-aggregator.pkg.apis.apiregistration.\(version)"
        default: "io.k8s.api.\(group.split(separator: ".").first ?? "").\(version)"
        }
    }

    /// The full name of a kind's structure; `nil` when it isn't built in.
    static func structureName(of type: ResourceType) -> String? {
        let name = package(group: type.group, version: type.version) + "." + type.kind
        return structures[name] == nil ? nil : name
    }
}

/// Reads definitions; they are our own, so what it can't read becomes a type that keeps everything (a test looks).
struct TypeDefinitionReader {
    private(set) var structures: [StructureType] = []
    private var package = ""

    mutating func read(_ text: String) {
        var name: String?
        var isAtomic = false
        var fields: [String: TypeField] = [:]
        func finish(_ reader: inout TypeDefinitionReader) {
            guard let name else { return }
            reader.structures.append(
                StructureType(name: reader.package + "." + name, fields: fields, isAtomic: isAtomic)
            )
        }
        for line in text.split(separator: "\n") {
            if line.hasPrefix("package ") {
                finish(&self)
                name = nil
                package = String(line.dropFirst("package ".count))
            } else if line.hasPrefix(" ") {
                for field in line.split(separator: ";") {
                    guard let (name, type) = self.field(field) else { continue }
                    fields[name] = type
                }
            } else {
                finish(&self)
                let words = line.split(separator: " ")
                name = words.first.map(String.init)
                isAtomic = words.contains("atomic")
                fields = words.contains("kind") ? Self.kindFields : [:]
            }
        }
        finish(&self)
    }

    /// What every kind has.
    private static let kindFields: [String: TypeField] = {
        var fields = StructuralSchema.resourceFields
        fields["metadata"]?.isAlwaysPresent = true
        return fields
    }()

    private func field(_ text: Substring) -> (String, TypeField)? {
        let words = text.split(separator: " ")
        guard words.count >= 2 else { return nil }
        var field = TypeField(shape: .anything)
        field.isRequired = words[0].hasSuffix("!")
        var identity = ListIdentity.atomic
        var isAtomic = false
        for word in words.dropFirst(2) {
            switch word {
            case "atomic": isAtomic = true
            case "set": identity = .set
            case "retainKeys": field.patch.retainsKeys = true
            case "replace": field.patch.replaces = true
            case "~": field.isAlwaysPresent = true
            default:
                if let keys = Self.argument(word, "map") {
                    identity = .keys(keys.split(separator: ",").map(String.init).sorted())
                } else if let key = Self.argument(word, "merge") {
                    field.patch.merges = true
                    field.patch.mergeKey = String(key)
                } else if let text = Self.argument(word, "default") {
                    field.defaultValue = try? JSONValue(parsing: String(text))
                }
            }
        }
        field.shape = shape(words[1])
        if case .list(let element, _) = field.shape {
            field.shape = .list(element, identity)
        } else if isAtomic {
            field.shape = .atomic(field.shape)
        }
        return (String(field.isRequired ? words[0].dropLast() : words[0]), field)
    }

    private static func argument(_ word: Substring, _ name: String) -> Substring? {
        guard word.hasPrefix(name + "("), word.hasSuffix(")") else { return nil }
        return word.dropFirst(name.count + 1).dropLast()
    }

    private func shape(_ text: Substring) -> TypeShape {
        if text.hasPrefix("["), text.hasSuffix("]") { return .list(shape(text.dropFirst().dropLast()), .atomic) }
        if text.hasPrefix("{"), text.hasSuffix("}") { return .map(shape(text.dropFirst().dropLast())) }
        if let scalar = ScalarType(rawValue: String(text)) { return .scalar(scalar) }
        if text == "any" { return .anything }
        guard let dot = text.firstIndex(of: ".") else { return .reference("\(package).\(text)") }
        let prefix = BuiltInTypes.packages[String(text[..<dot])] ?? String(text[..<dot])
        return .reference("\(prefix).\(text[text.index(after: dot)...])")
    }
}
