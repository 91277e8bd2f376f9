// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import FleetAPI
import KubeAPI
import KubeModel
import KubeRuntime

/// A model takes in what an earlier one with its name has left behind, as a Deployment does with ReplicaSets: what serves goes on, and
/// the model's own spec is rolled out like any other change.
extension ModelApply {
    /// Adopts all that is left over; what isn't the operator's beyond doubt, or has another controller, stays as it is.
    ///
    /// A fresh look says what there is and whether the model stays. Each object is written on the version that was looked at, so that of
    /// two who want it one gets it.
    /// - Returns: whether there was anything; the stores show it later.
    func adoptLeftOvers(for model: KubeObject) async throws -> Bool {
        guard let reference = OwnerReference(controller: model) else { return false }
        var found: [(type: ResourceType, object: KubeObject)] = []
        // Who serves is told by the Service: the revisions come before it.
        for type in [.deployments, .services, .horizontalPodAutoscalers] as [ResourceType] {
            let objects = try await marked(type, for: model)
            found += objects.filter { LeftOver.isOurs(type, $0, of: model) }.map { (type, $0) }
        }
        guard !found.isEmpty, try await exists(model) else { return false }
        for (type, object) in found { try await adopt(type, object, reference) }
        let numbers = found.filter { $0.type == .deployments }.map { ModelObservation.revision(of: $0.object) }
        try await adoptSpecs(Set(numbers), for: model, reference)
        let names = found.map { "\($0.type.kind) \($0.object.name)" }.joined(separator: ", ")
        let message = "\(names): left behind by an earlier ModelDeployment with this name, and taken over by this one"
        await recorder.record(model, .normal, reason: "Adopted", message: message)
        return true
    }

    /// Adopts the kept specs of the revisions that were taken in: those of others say nothing about a revision of this model.
    private func adoptSpecs(_ numbers: Set<Int>, for model: KubeObject, _ reference: OwnerReference) async throws {
        for object in try await marked(.controllerRevisions, for: model)
        where LeftOver.bearsMarks(object, of: model) && numbers.contains(ModelObservation.revision(of: object)) {
            do {
                try await adopt(.controllerRevisions, object, reference)
            } catch {
                guard error.isForbidden else { throw error }
                await tell(model, object, "can't be taken over", "\(error.message)")
            }
        }
    }

    private func marked(_ type: ResourceType, for model: KubeObject) async throws(KubeError) -> [KubeObject] {
        let marks = [FleetAPI.modelLabel: model.name, FleetAPI.managedByLabel: FleetAPI.manager]
        let options = ListOptions(labelSelector: LabelSelector(matching: marks))
        return try await client.list(type, namespace: model.namespace, options: options).items
    }

    /// Names the controller; an object that is gone needs none.
    private func adopt(_ type: ResourceType, _ object: KubeObject, _ reference: OwnerReference) async throws(KubeError)
    {
        var metadata: JSONValue = [
            "ownerReferences": .array((object.ownerReferences + [reference]).map(\.json))
        ]
        metadata["uid"] = JSONValue(object.uid)
        metadata["resourceVersion"] = JSONValue(object.resourceVersion)
        do {
            _ = try await client.patch(type, object.key, .merge(["metadata": metadata]))
        } catch {
            guard error.isNotFound else { throw error }
        }
    }
}
