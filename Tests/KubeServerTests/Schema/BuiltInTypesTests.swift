// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel
import Testing

@testable import KubeServer

/// Compares our definitions with the official OpenAPI v3 documents.
@Suite struct BuiltInTypesTests {
    private static let documents = [
        "api__v1", "apis__admissionregistration.k8s.io__v1", "apis__apiextensions.k8s.io__v1",
        "apis__apiregistration.k8s.io__v1", "apis__apps__v1", "apis__authentication.k8s.io__v1",
        "apis__authorization.k8s.io__v1", "apis__autoscaling__v1", "apis__autoscaling__v2",
        "apis__coordination.k8s.io__v1", "apis__discovery.k8s.io__v1", "apis__events.k8s.io__v1",
        "apis__networking.k8s.io__v1", "apis__policy__v1", "apis__rbac.authorization.k8s.io__v1",
    ]

    /// Kinds of volume that nothing but a real cluster could mount.
    private static let omitted: Set = [
        "awsElasticBlockStore", "azureDisk", "azureFile", "cephfs", "cinder", "fc", "flexVolume", "flocker",
        "gcePersistentDisk", "gitRepo", "glusterfs", "iscsi", "photonPersistentDisk", "portworxVolume", "quobyte",
        "rbd",
        "scaleIO", "storageos", "vsphereVolume",
    ]

    @Test(
        "defines built-in fields as the official documents do",
        .enabled(if: ReferenceData.isPresent, "needs ../shared")
    )
    func officialFields() throws {
        var official: [String: JSONValue] = [:]
        for name in Self.documents {
            let schemas = try ReferenceData.json("kubernetes/openapi-v3/\(name)_openapi.json").at(
                "components",
                "schemas"
            )
            for (key, value) in schemas?.object ?? JSONObject() { official[key] = value }
        }
        var compared = 0
        var missing: [String] = []
        for (name, structure) in BuiltInTypes.structures {
            let schema = try #require(official[name], "\(name) is no official type")
            let properties = schema["properties"]?.object ?? JSONObject()
            for (field, type) in structure.fields {
                let theirs = try #require(properties[field], "\(name).\(field) is no official field")
                compare(type, theirs, "\(name).\(field)")
                let required = (schema["required"]?.array ?? []).contains(.string(field))
                #expect(type.isRequired == required, "\(name).\(field)")
                compared += 1
            }
            missing += properties.keys.filter { structure.fields[$0] == nil }.map { "\(name).\($0)" }
            #expect(structure.isAtomic == (schema["x-kubernetes-map-type"] == "atomic"), "\(name)")
        }
        #expect(compared > 1000)
        #expect(Set(missing) == Set(Self.omitted.map { "io.k8s.api.core.v1.Volume.\($0)" }))
    }

    private func compare(_ ours: TypeField, _ theirs: JSONValue, _ label: Comment) {
        let keys = theirs["x-kubernetes-list-map-keys"]?.array?.compactMap(\.string).sorted() ?? []
        if theirs["type"] == "array" {
            let identity: ListIdentity =
                switch theirs["x-kubernetes-list-type"]?.string {
                case "set": .set
                case "map": .keys(keys)
                default: .atomic
                }
            #expect(ours.shape.identity == identity, label)
        }
        let strategies = (theirs["x-kubernetes-patch-strategy"]?.string ?? "").split(separator: ",")
        #expect(ours.patch.merges == strategies.contains("merge"), label)
        #expect(ours.patch.retainsKeys == strategies.contains("retainKeys"), label)
        #expect(ours.patch.mergeKey == theirs["x-kubernetes-patch-merge-key"]?.string ?? "", label)
        let type = theirs["type"]?.string
        switch ours.shape.content {
        case .scalar(.string), .scalar(.bytes): #expect(type == "string", label)
        case .scalar(.int32), .scalar(.int64): #expect(type == "integer", label)
        case .scalar(.bool): #expect(type == "boolean", label)
        case .scalar(.double): #expect(type == "number", label)
        case .list: #expect(type == "array", label)
        case .map: #expect(type == "object", label)
        default: break
        }
        if let reference = (theirs["$ref"] ?? theirs["allOf"]?[0]?["$ref"])?.string,
            case .structure(let structure) = ours.shape.content
        {
            #expect(reference.hasSuffix("/" + structure.name), label)
        }
    }

    @Test("resolves every reference between types")
    func references() {
        func check(_ shape: TypeShape, _ label: Comment) {
            switch shape {
            case .reference(let name): #expect(BuiltInTypes.structures[name] != nil, "\(label): \(name)")
            case .map(let inner), .atomic(let inner), .list(let inner, _): check(inner, label)
            default: break
            }
        }
        for structure in BuiltInTypes.structures.values {
            for (name, field) in structure.fields { check(field.shape, "\(structure.name).\(name)") }
        }
        #expect(BuiltInTypes.structures.count > 200)
    }

    @Test("names unknown fields by their paths")
    func unknownFields() throws {
        let schema = try #require(TypeSchema.builtIn(.deployments))
        let object: JSONValue = [
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": ["name": "d", "lables": [:]],
            "spec": ["replicsa": 3, "template": ["spec": ["containers": [["name": "c", "img": "x"]]]]],
        ]
        let (value, unknown) = schema.pruning(object)
        #expect(unknown == ["metadata.lables", "spec.replicsa", "spec.template.spec.containers[0].img"])
        #expect(value.at("spec", "replicsa") == nil)
    }

    @Test("explains values of a wrong type as Go's decoder does")
    func decodingFailures() throws {
        let schema = try #require(TypeSchema.builtIn(.configMaps))
        let object: JSONValue = ["apiVersion": "v1", "kind": "ConfigMap", "data": ["a": 5]]
        #expect(
            schema.decodingFailure(in: object, kind: "ConfigMap")
                == "json: cannot unmarshal number into Go struct field ConfigMap.data of type string"
        )
        let secrets = try #require(TypeSchema.builtIn(.secrets))
        #expect(
            secrets.decodingFailure(in: ["data": ["a": "1"]], kind: "Secret")
                == "illegal base64 data at input byte 0"
        )
    }

    @Test("makes documents in which every reference leads somewhere")
    func documents() throws {
        let verbs = ["get", "list", "create", "update", "patch", "delete", "deletecollection", "watch"]
        let custom = ResourceType(
            group: "modelfleet.dev",
            version: "v1alpha1",
            kind: "Widget",
            plural: "widgets",
            isNamespaced: true
        )
        let document = OpenAPIDocument.json(
            groupVersion: "apps/v1",
            builtIns: [OpenAPIResource(type: .deployments, verbs: verbs, subresources: ["status", "scale"])],
            customs: [OpenAPICustomResource(type: custom, schema: nil, verbs: verbs, subresources: ["status"])]
        )
        let schemas = try #require(document.at("components", "schemas")?.object)
        func references(_ value: JSONValue) -> [String] {
            switch value {
            case .object(let members):
                return members.flatMap { name, member in
                    name == "$ref" ? [member.string].compactMap(\.self) : references(member)
                }
            case .array(let elements): return elements.flatMap(references)
            default: return []
            }
        }
        for reference in Set(references(document)) {
            #expect(schemas[String(reference.dropFirst("#/components/schemas/".count))] != nil, "\(reference)")
        }
        let path = "/apis/apps/v1/namespaces/{namespace}/deployments/{name}"
        let patch = try #require(document.at("paths", path, "patch"))
        #expect(patch["x-kubernetes-action"] == "patch")
        #expect(patch["parameters"]?.array?.contains { $0["name"] == "fieldValidation" } ?? false)
        #expect(schemas["dev.modelfleet.v1alpha1.Widget"] != nil)
    }
}
