// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// What is wrong with an object, whichever kind it is.
enum ObjectRules {
    /// What is wrong with a new object.
    static func creating(_ object: KubeObject, _ resource: APIResource) -> [APIStatus.Cause] {
        guard let custom = resource.custom else {
            let causes = BuiltInValidation.violations(creating: object.json, type: resource.type)
            return withDefinitionRules(causes, object, resource)
        }
        return BuiltInValidation.metadataViolations(object.json, type: resource.type)
            + custom.schema.violations(in: object.json)
    }

    /// What is wrong with a change. A custom resource may keep what was wrong with it before (ratcheting).
    static func updating(_ old: KubeObject, to new: KubeObject, _ resource: APIResource) -> [APIStatus.Cause] {
        guard let custom = resource.custom else {
            let causes = BuiltInValidation.violations(updating: old.json, to: new.json, type: resource.type)
            // What may not change is said after what is wrong by itself.
            let isImmutable = { (cause: APIStatus.Cause) in cause.message.hasSuffix("field is immutable") }
            let ordered = causes.filter { !isImmutable($0) } + causes.filter(isImmutable)
            return withDefinitionRules(ordered, new, resource)
        }
        let metadata = BuiltInValidation.metadataViolations(new.json, type: resource.type)
        let causes = custom.schema.violations(in: new.json)
        guard !causes.isEmpty else { return metadata }
        let before = Set(custom.schema.violations(in: old.json))
        return metadata + causes.filter { !before.contains($0) }
    }

    private static func withDefinitionRules(
        _ causes: [APIStatus.Cause],
        _ object: KubeObject,
        _ resource: APIResource
    ) -> [APIStatus.Cause] {
        guard resource.storage == .definitions else { return causes }
        let known = Set(causes)
        return causes + DefinitionRules.violations(object).filter { !known.contains($0) }
    }

    /// What is wrong with the finalizers of an object that is being deleted: none may be added.
    static func finalizers(_ old: KubeObject, to new: KubeObject) -> [APIStatus.Cause] {
        guard old.isBeingDeleted else { return [] }
        let known = Set(old.finalizers)
        let added = new.finalizers.filter { !known.contains($0) }.sorted()
        guard !added.isEmpty else { return [] }
        let list = added.map { "\"\($0)\"" }.joined(separator: ", ")
        let cause = APIStatus.Cause.forbidden(
            "metadata.finalizers",
            "no new finalizers can be added if the object is being deleted, found new finalizers []string{\(list)}"
        )
        return [cause, cause]
    }
}
