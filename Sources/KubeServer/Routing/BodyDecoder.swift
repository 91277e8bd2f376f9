// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel
import YAML

/// Reads the bodies of writes.
enum BodyDecoder {
    /// The media types of whole objects, as the server lists them.
    static let accepted = ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"]

    /// An object of `resource` with what was wrong with its fields.
    struct Decoded {
        /// The object, without unknown fields.
        var object: KubeObject
        /// Sentences about unknown and doubled fields.
        var warnings: [String]
    }

    /// Reads a whole object of `resource`, or of another kind where a subresource speaks one.
    static func object(
        _ request: ServerRequest,
        _ resource: APIResource,
        validation: WriteOptions.Validation
    ) throws(APIStatus) -> Decoded {
        var duplicates: [String] = []
        let json = try parsed(request, kind: resource.type.kind, duplicates: &duplicates)
        return try checked(json, resource, complaints: duplicates.map(duplicate), validation: validation)
    }

    /// A field that a body has twice, in words.
    static func duplicate(_ field: String) -> String { "duplicate field \"\(field)\"" }

    /// A field that the type doesn't have, in words.
    static func unknown(_ field: String) -> String { "unknown field \"\(field)\"" }

    /// Checks the kind and the fields of an object.
    /// - Parameters:
    ///   - complaints: What is wrong with the fields of the body already.
    ///   - refusal: How fields that can't be decoded are refused: by default as of a whole object, with 400.
    static func checked(
        _ json: JSONValue,
        _ resource: APIResource,
        complaints: [String] = [],
        validation: WriteOptions.Validation,
        refusal: ((_ why: String) -> APIStatus)? = nil
    ) throws(APIStatus) -> Decoded {
        let refusal = refusal ?? { handled(resource.type, $0) }
        let json = try naming(resource, in: json)
        let schema = TypeSchema.of(resource)
        if let failure = resource.isCustom
            ? TypeSchema.metadataFailure(in: json) : schema.decodingFailure(in: json, kind: resource.type.kind)
        {
            throw refusal(failure)
        }
        let pruned = schema.pruning(json)
        let complaints = complaints + pruned.unknownFields.map(unknown)
        if validation == .strict, !complaints.isEmpty {
            throw refusal("strict decoding error: " + complaints.joined(separator: ", "))
        }
        return Decoded(object: KubeObject(pruned.value), warnings: validation == .warn ? complaints : [])
    }

    /// The object with the kind and version of its resource, where it names no others.
    private static func naming(_ resource: APIResource, in json: JSONValue) throws(APIStatus) -> JSONValue {
        let type = resource.type
        guard json.object != nil else {
            throw .badRequest(
                "the object provided is unrecognized (must be of type \(type.kind)): couldn't get version/kind; "
                    + "json parse error: json: cannot unmarshal \(json.typeName) into Go value of type struct "
                    + "{ APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; Kind string "
                    + "\"json:\\\"kind,omitempty\\\"\" } (\(GoWording.summary(json.encoded())))"
            )
        }
        if resource.isCustom, (json["kind"]?.string ?? "").isEmpty {
            throw .badRequest(
                "the object provided is unrecognized (must be of type \(type.kind)): Object 'Kind' is missing in "
                    + "'\(json.jsonText)' (\(GoWording.summary(json.encoded())))"
            )
        }
        let kind = json["kind"]?.string ?? type.kind
        let version = json["apiVersion"]?.string ?? type.apiVersion
        if !resource.isCustom, version != type.apiVersion || kind != type.kind {
            throw otherKind(json, kind: kind, version: version, as: type)
        }
        if version != type.apiVersion {
            throw .badRequest(
                "the API version in the data (\(version)) does not match the expected API version (\(type.apiVersion))"
            )
        }
        if kind != type.kind {
            throw .badRequest(
                "\(kind) in version \"\(type.version)\" cannot be handled as a \(type.kind): "
                    + "the kind of the object doesn't match the resource"
            )
        }
        var named = json
        named["kind"] = .string(type.kind)
        named["apiVersion"] = .string(type.apiVersion)
        return named
    }

    /// Parses the body as JSON or YAML.
    static func parsed(
        _ request: ServerRequest,
        kind: String,
        duplicates: inout [String]
    ) throws(APIStatus) -> JSONValue {
        switch request.contentType {
        case "", "application/json":
            do { return try JSONValue(parsing: request.body, duplicates: &duplicates) } catch {
                throw .badRequest(
                    "the object provided is unrecognized (must be of type \(kind)): couldn't get version/kind; "
                        + "json parse error: \(GoWording.text(error, request.body)) (\(GoWording.summary(request.body)))"
                )
            }
        case "application/yaml": return try yaml(request.body)
        case ProtobufBody.mediaType: return try ProtobufBody.json(request.body)
        default: throw .unsupportedMediaType(accepted: accepted)
        }
    }

    /// Parses one YAML document.
    static func yaml(_ bytes: [UInt8]) throws(APIStatus) -> JSONValue {
        do {
            return try JSONValue.documents(yaml: String(decoding: bytes, as: UTF8.self)).first ?? .null
        } catch {
            throw .badRequest("error decoding YAML: \(error)")
        }
    }

    /// An object of another kind: what is wrong with it as one of that kind comes first.
    private static func otherKind(_ json: JSONValue, kind: String, version: String, as type: ResourceType) -> APIStatus
    {
        let parts = version.split(separator: "/", maxSplits: 1).map(String.init)
        let own = ResourceType(
            group: parts.count == 2 ? parts[0] : "",
            version: parts.last ?? "",
            kind: kind,
            plural: "",
            isNamespaced: true
        )
        let why: String
        if let schema = TypeSchema.builtIn(own) {
            let group = type.group.isEmpty ? "core" : type.group.prefix { $0 != "." }
            why =
                schema.decodingFailure(in: json, kind: kind)
                ?? "converting (\(own.version).\(kind)) to (\(group).\(type.kind)): unknown conversion"
        } else {
            why =
                "no kind \"\(kind)\" is registered for version \"\(version)\" in scheme "
                + "\"pkg/api/legacyscheme/scheme.go:30\""
        }
        return .badRequest("\(kind) in version \"\(own.version)\" cannot be handled as a \(type.kind): \(why)")
    }

    private static func handled(_ type: ResourceType, _ why: String) -> APIStatus {
        .badRequest("\(type.kind) in version \"\(type.version)\" cannot be handled as a \(type.kind): \(why)")
    }
}
