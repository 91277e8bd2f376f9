// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import KubeModel

/// OpenAPI v3 documents as `/openapi/v3/apis/GROUP/VERSION` answers them: what kubectl needs to explain and validate.
public enum OpenAPIDocument {
    /// The document of one group and version (`apps/v1`, `v1`).
    ///
    /// It holds the schemas that the resources refer to, and a path for each verb with its action and kind, the
    /// parameter `fieldValidation` included, by which kubectl decides to leave validation to the server.
    public static func json(
        groupVersion: String,
        builtIns: [OpenAPIResource],
        customs: [OpenAPICustomResource] = []
    ) -> JSONValue {
        var schemas = OpenAPISchemas()
        var paths: [(String, JSONValue)] = []
        for resource in builtIns {
            guard let name = BuiltInTypes.structureName(of: resource.type) else { continue }
            schemas.add(name, kind: resource.type)
            schemas.addList(of: name, resource.type)
            let scale = "io.k8s.api.autoscaling.v1.Scale"
            if resource.subresources.contains("scale") { schemas.add(scale, kind: nil) }
            let builder = OpenAPIPaths(
                type: resource.type,
                verbs: resource.verbs,
                subresources: resource.subresources,
                schemaName: name
            )
            paths += builder.all
        }
        for resource in customs {
            schemas.add(resource)
            let builder = OpenAPIPaths(
                type: resource.type,
                verbs: resource.verbs,
                subresources: resource.subresources,
                schemaName: resource.schemaName,
                isCustom: true
            )
            paths += builder.all
        }
        for name in ["DeleteOptions", "Preconditions", "ListMeta", "ObjectMeta"] {
            schemas.add("io.k8s.apimachinery.pkg.apis.meta.v1.\(name)", kind: nil)
        }
        return [
            "openapi": "3.0.0", "info": ["title": "Kubernetes", "version": "unversioned"],
            "paths": .object(JSONObject(pairs: paths)), "components": ["schemas": schemas.json],
        ]
    }
}

/// Gathers schemas and what they refer to.
struct OpenAPISchemas {
    private var schemas: [String: JSONValue] = [:]
    static let prefix = "#/components/schemas/"

    var json: JSONValue { .object(JSONObject(pairs: schemas.map { ($0.key, $0.value) })) }

    /// Adds a structure, and all that it refers to.
    mutating func add(_ name: String, kind: ResourceType?) {
        var waiting = [name]
        while let next = waiting.popLast() {
            guard schemas[next] == nil else { continue }
            guard let structure = BuiltInTypes.structures[next] else {
                schemas[next] = ["type": "object"]
                continue
            }
            schemas[next] = Self.json(structure, references: &waiting)
        }
        if let kind { schemas[name]?["x-kubernetes-group-version-kind"] = Self.kind(kind, kind.kind) }
    }

    /// Adds the list type of a kind.
    mutating func addList(of name: String, _ type: ResourceType) {
        schemas[name + "List"] = [
            "type": "object", "required": ["items"], "description": .string("A list of \(type.kind) objects."),
            "properties": [
                "apiVersion": ["type": "string"], "kind": ["type": "string"],
                "items": ["type": "array", "items": ["$ref": .string(Self.prefix + name)]],
                "metadata": Self.reference("io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta"),
            ],
            "x-kubernetes-group-version-kind": Self.kind(type, type.kind + "List"),
        ]
    }

    /// Adds a custom resource and its list.
    mutating func add(_ resource: OpenAPICustomResource) {
        let schema = resource.schema ?? StructuralSchema.anything
        var json = schema.json
        json["type"] = "object"
        json.set(["type": "string", "description": .string(Self.apiVersionWords)], at: "properties", "apiVersion")
        json.set(["type": "string", "description": .string(Self.kindWords)], at: "properties", "kind")
        json.set(
            Self.reference("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"),
            at: "properties",
            "metadata"
        )
        json["x-kubernetes-group-version-kind"] = Self.kind(resource.type, resource.type.kind)
        schemas[resource.schemaName] = json
        addList(of: resource.schemaName, resource.type)
    }

    static let apiVersionWords = "The API group and version of this object."
    static let kindWords = "The kind of this object."

    static func kind(_ type: ResourceType, _ kind: String) -> JSONValue {
        [["group": .string(type.group), "version": .string(type.version), "kind": .string(kind)]]
    }

    static func reference(_ name: String) -> JSONValue {
        ["allOf": [["$ref": .string(prefix + name)]], "default": [:]]
    }

    private static func json(_ structure: StructureType, references: inout [String]) -> JSONValue {
        var properties: [(String, JSONValue)] = []
        for (name, field) in structure.fields {
            var json = json(field.shape, references: &references, isProperty: true)
            if field.isAlwaysPresent { json["default"] = .emptyObject }
            if let value = field.defaultValue { json["default"] = value }
            json["description"] = TypeDescriptions.field(name, of: structure.name).map(JSONValue.string)
            var strategies: [String] = []
            if field.patch.merges { strategies.append("merge") }
            if field.patch.retainsKeys { strategies.append("retainKeys") }
            if field.patch.replaces { strategies.append("replace") }
            if !strategies.isEmpty {
                json["x-kubernetes-patch-strategy"] = .string(strategies.joined(separator: ","))
            }
            if !field.patch.mergeKey.isEmpty { json["x-kubernetes-patch-merge-key"] = .string(field.patch.mergeKey) }
            properties.append((name, json))
        }
        var json: JSONValue = ["type": "object"]
        json["description"] = TypeDescriptions.type(structure.name).map(JSONValue.string)
        if !properties.isEmpty { json["properties"] = .object(JSONObject(pairs: properties)) }
        let required = structure.fields.filter(\.value.isRequired).map(\.key).sorted()
        if !required.isEmpty { json["required"] = .array(required.map(JSONValue.string)) }
        if structure.isAtomic { json["x-kubernetes-map-type"] = "atomic" }
        return json
    }

    private static func json(_ shape: TypeShape, references: inout [String], isProperty: Bool) -> JSONValue {
        switch shape {
        case .scalar(let scalar): return json(scalar)
        case .reference(let name):
            references.append(name)
            return isProperty ? ["allOf": [["$ref": .string(prefix + name)]]] : ["$ref": .string(prefix + name)]
        case .map(let element):
            let below = json(element, references: &references, isProperty: false)
            return ["type": "object", "additionalProperties": below]
        case .list(let element, let identity):
            var json: JSONValue = ["type": "array"]
            json["items"] = Self.json(element, references: &references, isProperty: false)
            switch identity {
            case .atomic: json["x-kubernetes-list-type"] = "atomic"
            case .set: json["x-kubernetes-list-type"] = "set"
            case .keys(let keys):
                json["x-kubernetes-list-type"] = "map"
                json["x-kubernetes-list-map-keys"] = .array(keys.map(JSONValue.string))
            }
            return json
        case .atomic(let inner):
            var json = json(inner, references: &references, isProperty: isProperty)
            json["x-kubernetes-map-type"] = "atomic"
            return json
        case .structure(let structure): return json(structure, references: &references)
        case .anything: return [:]
        }
    }

    private static func json(_ scalar: ScalarType) -> JSONValue {
        switch scalar {
        case .string: ["type": "string"]
        case .int32, .int64: ["type": "integer", "format": .string(scalar.rawValue)]
        case .double: ["type": "number", "format": "double"]
        case .bool: ["type": "boolean"]
        case .quantity: ["oneOf": [["type": "string"], ["type": "number"]]]
        case .intOrString: ["oneOf": [["type": "integer"], ["type": "string"]], "format": "int-or-string"]
        case .time, .microTime: ["type": "string", "format": "date-time"]
        case .bytes: ["type": "string", "format": "byte"]
        case .raw, .fields: ["type": "object"]
        case .unchecked: [:]
        }
    }
}
