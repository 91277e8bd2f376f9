// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeModel

extension ServerState {
    /// Judges the names of a definition and writes the outcome into its status, as a controller of the real server does.
    mutating func acceptDefinition(named name: String) {
        let key = ObjectKey(namespace: nil, name: name)
        guard let definition = store.object(.definitions, key)?.object else { return }
        var changed = definition
        let conflict = nameConflict(definition)
        let now = timestamp
        setCondition(
            &changed,
            "NamesAccepted",
            conflict == nil,
            conflict == nil ? "NoConflicts" : "KindConflict",
            conflict ?? "no conflicts found",
            now
        )
        if conflict == nil {
            changed["status", "acceptedNames"] = definition["spec", "names"]
        }
        let isEstablished = conflict == nil || DefinitionResources.isEstablished(definition)
        setCondition(
            &changed,
            "Established",
            isEstablished,
            isEstablished ? "InitialNamesAccepted" : "NotAccepted",
            isEstablished ? "the initial names have been accepted" : "not all names are accepted",
            now
        )
        var stored = changed["status", "storedVersions"]?.array ?? []
        for version in DefinitionRules.storageVersions(definition) where !stored.contains(version) {
            stored.append(version)
        }
        changed["status", "storedVersions"] = .array(stored)
        guard changed != definition,
            let resource = registry.resource(
                group: "apiextensions.k8s.io",
                version: "v1",
                plural: "customresourcedefinitions"
            )
        else { return }
        changed.json = fields(resource, "status").update(
            live: definition.json,
            new: changed.json,
            manager: "kube-apiserver",
            now: configuration.time.now()
        )
        put(.definitions, key, changed)
    }

    /// Follows a stored change of a definition: what it defines appears, changes or goes.
    mutating func definitionChanged(_ change: StoreChange) {
        let name = change.key.name
        let old = registry.custom[name] ?? []
        define(name, change.new?.object)
        if registry.custom[name] == nil, let kind = old.first?.storage { closeMailboxes(of: kind) }
    }

    /// Makes the resources of a definition known; without one they are forgotten.
    mutating func define(_ name: String, _ definition: KubeObject?) {
        registry.define(name, definition.map(DefinitionResources.resources) ?? [])
    }

    /// Deletes the objects of a definition that is being deleted, and the definition when none is left.
    mutating func removeInstances(ofDefinition name: String) {
        guard let definition = store.object(.definitions, ObjectKey(namespace: nil, name: name))?.object else { return }
        if let resource = DefinitionResources.storedResource(of: definition),
            let options = try? DeletionOptions(body: .null, query: QueryItems(""))
        {
            for stored in store.list(resource.storage, namespace: nil) ?? [] {
                _ = try? delete(resource, stored.key, options: options)
            }
        }
        finishDefinition(
            of: StoredKind(
                group: definition["spec", "group"]?.string ?? "",
                plural: definition["spec", "names", "plural"]?.string ?? ""
            )
        )
    }

    /// Removes a definition that is being deleted once its last object is gone.
    mutating func finishDefinition(of kind: StoredKind) {
        let key = ObjectKey(namespace: nil, name: "\(kind.plural).\(kind.group)")
        guard store.count(kind) == 0,
            let definition = store.object(.definitions, key)?.object, definition.isBeingDeleted
        else { return }
        var changed = definition
        changed.finalizers.removeAll { $0 == DefinitionRules.cleanupFinalizer }
        if changed.finalizers.isEmpty {
            remove(.definitions, key)
        } else if changed != definition {
            put(.definitions, key, changed)
        }
    }

    /// The condition that a definition gets when its deletion starts.
    func terminating(_ definition: inout KubeObject) {
        setCondition(
            &definition,
            "Terminating",
            true,
            "InstanceDeletionPending",
            "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon",
            timestamp
        )
    }

    private func nameConflict(_ definition: KubeObject) -> String? {
        guard let group = definition["spec", "group"]?.string, let kind = definition["spec", "names", "kind"]?.string
        else { return nil }
        let plural = definition["spec", "names", "plural"]?.string
        let isTaken = registry.all.contains {
            $0.type.group == group && $0.type.kind == kind && $0.type.plural != plural
        }
        return isTaken ? "\"\(kind)\" is already in use" : nil
    }

    private func setCondition(
        _ definition: inout KubeObject,
        _ type: String,
        _ isTrue: Bool,
        _ reason: String,
        _ message: String,
        _ now: JSONValue
    ) {
        var conditions = definition["status", "conditions"]?.array ?? []
        let status: JSONValue = isTrue ? "True" : "False"
        let index = conditions.firstIndex { $0["type"]?.string == type }
        let since = index.flatMap { conditions[$0]["status"] == status ? conditions[$0]["lastTransitionTime"] : nil }
        let condition: JSONValue = [
            "type": .string(type), "status": status, "reason": .string(reason), "message": .string(message),
            "lastTransitionTime": since ?? now,
        ]
        if let index { conditions[index] = condition } else { conditions.append(condition) }
        definition["status", "conditions"] = .array(conditions)
    }
}
