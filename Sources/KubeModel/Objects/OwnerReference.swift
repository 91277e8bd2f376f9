// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// One entry of `metadata.ownerReferences`.
public struct OwnerReference: Sendable, Hashable {
    /// The owner's `apiVersion`.
    public var apiVersion: String
    /// The owner's kind.
    public var kind: String
    /// The owner's name.
    public var name: String
    /// The owner's uid.
    public var uid: String
    /// Whether the owner is the one that manages this object.
    public var isController: Bool
    /// Whether foreground deletion of the owner waits for this object.
    public var blocksOwnerDeletion: Bool

    /// A reference.
    public init(
        apiVersion: String,
        kind: String,
        name: String,
        uid: String,
        isController: Bool = true,
        blocksOwnerDeletion: Bool = true
    ) {
        self.apiVersion = apiVersion
        self.kind = kind
        self.name = name
        self.uid = uid
        self.isController = isController
        self.blocksOwnerDeletion = blocksOwnerDeletion
    }

    /// A reference to `owner` as the controller; `nil` when it has no uid yet.
    public init?(controller owner: KubeObject) {
        guard let uid = owner.uid else { return nil }
        self.init(apiVersion: owner.apiVersion, kind: owner.kind, name: owner.name, uid: uid)
    }

    /// Reads an entry; `nil` when a required field is missing.
    public init?(_ json: JSONValue) {
        guard let apiVersion = json["apiVersion"]?.string, let kind = json["kind"]?.string,
            let name = json["name"]?.string, let uid = json["uid"]?.string
        else { return nil }
        self.init(
            apiVersion: apiVersion,
            kind: kind,
            name: name,
            uid: uid,
            isController: json["controller"]?.bool ?? false,
            blocksOwnerDeletion: json["blockOwnerDeletion"]?.bool ?? false
        )
    }

    /// The entry as JSON; false flags are left out.
    public var json: JSONValue {
        var json: JSONValue = [
            "apiVersion": .string(apiVersion), "kind": .string(kind), "name": .string(name), "uid": .string(uid),
        ]
        if isController { json["controller"] = true }
        if blocksOwnerDeletion { json["blockOwnerDeletion"] = true }
        return json
    }
}
