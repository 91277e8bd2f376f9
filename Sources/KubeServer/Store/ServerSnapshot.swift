// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import KubeModel

/// Every object of a server at one moment, without the history of how they came about.
///
/// A server that starts from one is like a real one that restarts on a compacted etcd: the objects are there with their
/// versions and uids, lists and watches from earlier versions get 410 `Expired`.
public struct ServerSnapshot: Sendable {
    /// The resource version of the moment.
    public let revision: Int64
    let tables: [StoredKind: ObjectTable]

    init(revision: Int64, tables: [StoredKind: ObjectTable]) {
        self.revision = revision
        self.tables = tables
    }

    /// A snapshot of objects as they are to be stored, uids, times and managed fields included.
    ///
    /// Each counts as one of `resources`, a plural by API version and kind; built-in kinds are known. Objects of kinds
    /// that are neither built in nor named are left out. The revision is that of the newest object, at least.
    public init(
        _ objects: [KubeObject],
        revision: Int64 = 1,
        customKinds resources: [ResourceType] = []
    ) {
        let builtIn = BuiltInResources.all
        var stored: [StoredKind: [StoredObject]] = [:]
        var newest = revision
        for object in objects {
            let known = builtIn.first {
                $0.type.kind == object.kind && $0.type.apiVersion == object.apiVersion
            }
            let custom = resources.first { $0.kind == object.kind && $0.apiVersion == object.apiVersion }
                .map { StoredKind(group: $0.group, plural: $0.plural) }
            guard let kind = known?.storage ?? custom else { continue }
            stored[kind, default: []].append(StoredObject(known?.toStorage(object) ?? object, key: object.key))
            newest = max(newest, object.resourceVersion.flatMap { Int64($0) } ?? 0)
        }
        self.init(revision: newest, tables: stored.mapValues { ObjectTable($0) })
    }
}
