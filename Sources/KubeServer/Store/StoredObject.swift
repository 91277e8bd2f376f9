// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// One version of one object as the store keeps it: its JSON text, written once and sent as it is ever after.
///
/// The text takes a fraction of the memory of the value, and lists and watches copy it instead of encoding it again.
/// What selections ask of most objects, name and labels, is kept beside it.
final class StoredObject: Sendable {
    /// Namespace and name.
    let key: ObjectKey
    /// What orders objects of a kind: the text `namespace/name`.
    let place: String
    /// The labels.
    let labels: [String: String]
    /// The version that the text is written in.
    let apiVersion: String
    /// The kind.
    let kind: String
    /// The members other than `apiVersion` and `kind`, up to the closing brace: `"metadata":{…},"spec":{…}}`.
    private let members: [UInt8]

    /// The deepest nesting that reads back: deeper than a request's body may be, as the server adds managed fields.
    static let maximumDepth = 600
    private static let limits = JSONLimits(depth: maximumDepth)

    /// Keeps `object`.
    init(_ object: KubeObject, key: ObjectKey) {
        self.key = key
        place = key.description
        labels = object.labels
        apiVersion = object.apiVersion
        kind = object.kind
        var rest = object.json
        rest["apiVersion"] = nil
        rest["kind"] = nil
        members = Array(rest.encoded().dropFirst())
    }

    /// The object as a value; read from the text each time.
    var object: KubeObject {
        // What was written here reads back, as deeper objects are refused.
        KubeObject((try? JSONValue(parsing: text(apiVersion: apiVersion), limits: Self.limits)) ?? .emptyObject)
    }

    /// The length of the text in bytes, about.
    var size: Int { members.count + apiVersion.utf8.count + kind.utf8.count + 32 }

    /// The JSON text in a version of the same members.
    func text(apiVersion: String) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(size)
        append(to: &bytes, apiVersion: apiVersion)
        return bytes
    }

    /// Appends the JSON text in a version of the same members.
    func append(to bytes: inout [UInt8], apiVersion: String) {
        bytes.append(contentsOf: #"{"kind":""#.utf8)
        bytes.append(contentsOf: kind.utf8)
        bytes.append(contentsOf: #"","apiVersion":""#.utf8)
        bytes.append(contentsOf: apiVersion.utf8)
        bytes.append(contentsOf: members.count > 1 ? #"","#.utf8 : #"""#.utf8)
        bytes.append(contentsOf: members)
    }

    /// Appends the JSON text without `kind` and `apiVersion`, as built-in objects stand in lists.
    func appendItem(to bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: "{"))
        bytes.append(contentsOf: members)
    }

    /// Whether both have the same text.
    func isSame(as other: StoredObject) -> Bool {
        members == other.members && apiVersion == other.apiVersion && kind == other.kind
    }
}
