// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import KubeModel

/// One object as a store keeps it: its key and versions at hand, the rest read on demand.
public final class StoredObject: Sendable {
    enum Content: Sendable {
        case whole(KubeObject)
        case packed([UInt8], CompactDictionary)
    }

    /// Namespace and name.
    public let key: ObjectKey
    /// `metadata.resourceVersion`; empty when missing.
    public let resourceVersion: String
    /// A number that no other content in this store had or will have; the same as long as nothing that is kept changes.
    public let revision: UInt64
    let content: Content
    /// What the store's indexes find it by.
    let facets: [Facet]

    init(key: ObjectKey, resourceVersion: String, revision: UInt64, content: Content, facets: [Facet]) {
        self.key = key
        self.resourceVersion = resourceVersion
        self.revision = revision
        self.content = content
        self.facets = facets
    }

    /// A whole object outside of any store.
    convenience init(_ object: KubeObject) {
        self.init(
            key: object.key,
            resourceVersion: object.resourceVersion ?? "",
            revision: 0,
            content: .whole(object),
            facets: []
        )
    }

    /// The object, as far as the store's projection kept it. Read anew at every call.
    public var object: KubeObject {
        switch content {
        case .whole(let object): object
        case .packed(let bytes, let dictionary):
            KubeObject(CompactJSON.decode(dictionary.unpack(bytes), version: resourceVersion))
        }
    }

    /// The part of the object that `projection` keeps, without reading the rest.
    public func object(keeping projection: ObjectProjection) -> KubeObject {
        switch content {
        case .whole(let object): projection.apply(to: object)
        case .packed(let bytes, let dictionary):
            KubeObject(
                CompactJSON.decode(dictionary.unpack(bytes), version: resourceVersion, keeping: projection.rule)
            )
        }
    }

    /// The value at a path of member names, without reading the rest.
    public func value(at path: String...) -> JSONValue? {
        switch content {
        case .whole(let object): object.json.value(at: path)
        case .packed(let bytes, let dictionary):
            CompactJSON.value(at: path, in: dictionary.unpack(bytes), version: resourceVersion)
        }
    }

    /// `metadata.labels`; empty when missing.
    public var labels: [String: String] { metadata("labels").labels }

    /// `metadata.ownerReferences`; empty when missing.
    public var ownerReferences: [OwnerReference] { metadata("ownerReferences").ownerReferences }

    /// The owner that controls this object, if one does.
    public var controller: OwnerReference? { ownerReferences.first(where: \.isController) }

    private func metadata(_ name: String) -> KubeObject {
        var part = JSONValue.emptyObject
        part[name] = value(at: "metadata", name)
        return KubeObject(["metadata": part])
    }
}

/// What became of one object. The objects are read from the store's form when they are asked for.
public struct ObjectChange: Sendable {
    /// Which object.
    public let key: ObjectKey
    /// What it was; `nil` when it is new.
    public let before: StoredObject?
    /// What it is; `nil` when it is gone.
    public let after: StoredObject?

    /// A change between two stored states.
    public init(key: ObjectKey, before: StoredObject?, after: StoredObject?) {
        self.key = key
        self.before = before
        self.after = after
    }

    /// A change between two objects.
    public init(key: ObjectKey, old: KubeObject?, new: KubeObject?) {
        self.init(key: key, before: old.map { StoredObject($0) }, after: new.map { StoredObject($0) })
    }

    /// What it was; `nil` when it is new. Read at every call.
    public var old: KubeObject? { before?.object }
    /// What it is; `nil` when it is gone. Read at every call.
    public var new: KubeObject? { after?.object }
    /// The newest state that is known, also of an object that is gone. Read at every call.
    public var latest: KubeObject? { (after ?? before)?.object }

    /// The states whose owners and labels count: the new one, and the old one where it was found by other ones.
    public var states: [StoredObject] {
        guard let before else { return [after].compactMap(\.self) }
        guard let after else { return [before] }
        let isAlike = !after.facets.isEmpty && before.facets == after.facets
        return isAlike ? [after] : [before, after]
    }

    /// Whether somebody asked for something else: the object is new, gone or going, or its generation moved.
    public var isOfSpec: Bool {
        guard let before, let after else { return true }
        func facts(_ object: StoredObject) -> [JSONValue?] {
            [object.value(at: "metadata", "generation"), object.value(at: "metadata", "deletionTimestamp")]
        }
        return facts(before) != facts(after)
    }
}
