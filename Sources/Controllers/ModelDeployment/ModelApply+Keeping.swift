// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import FleetAPI
import KubeAPI
import KubeModel
import KubeRuntime

extension ModelApply {
    /// Keeps a spec. A cluster that doesn't let the operator do so loses the way back, and nothing else.
    ///
    /// | there is | then |
    /// | --- | --- |
    /// | nothing of this name | it is made |
    /// | the object of this model | it is kept already |
    /// | that of an earlier model with this name, or one that such a model left behind | it goes, and this one is made, at once or at the next try |
    /// | somebody else's | that is told, and it is tried again until it is gone |
    /// | a refusal | tried again for a moment, then told and given up |
    /// - Returns: whether nothing is left to be done.
    func keep(_ type: ResourceType, _ object: KubeObject, for model: KubeObject, now: WallTime) async throws -> Bool {
        do {
            if try await !make(type, object) {
                let live = try await client.find(type, object.key)
                if let live, live.controller?.uid == model.uid { return !live.isBeingDeleted }
                guard try await replace(live, with: object, type, for: model) else {
                    await tellUnkept(live, object, for: model, now: now)
                    return false
                }
            }
        } catch let error as KubeError {
            guard error.isForbidden || error.isNotFound else { throw error }
            // An API server that has just started refuses what it allows a moment later.
            guard error.isNotFound || unkept.lasts(model.key, now: now) else { return false }
            await tell(model, object, "can't be created", "\(error.message)")
        }
        unkept.forget(model.key)
        return true
    }

    /// Creates an object; `false` where there is one of this name.
    private func make(_ type: ResourceType, _ object: KubeObject) async throws -> Bool {
        do {
            _ = try await client.create(type, object)
            return true
        } catch {
            guard error.isAlreadyExists else { throw error }
            return false
        }
    }

    /// Makes an object in the place of what an earlier model with this name has left behind, which nobody needs: its owner is gone.
    /// Which of the two is the earlier one, a fresh look at the model says.
    private func replace(
        _ live: KubeObject?,
        with object: KubeObject,
        _ type: ResourceType,
        for model: KubeObject
    ) async throws -> Bool {
        if let live {
            guard isOfEarlier(live, model), !live.isBeingDeleted, try await exists(model) else { return false }
            try await delete(type, live.key, uid: live.uid)
        }
        return try await make(type, object)
    }

    private func isOfEarlier(_ live: KubeObject, _ model: KubeObject) -> Bool {
        guard let owner = live.controller else { return LeftOver.bearsMarks(live, of: model) }
        return owner.kind == model.kind && owner.name == model.name && owner.uid != model.uid
    }

    /// Says once what is in the way, if it stays.
    private func tellUnkept(_ live: KubeObject?, _ object: KubeObject, for model: KubeObject, now: WallTime) async {
        guard let live, unkept.isNews(model.key, now: now) else { return }
        let why =
            isOfEarlier(live, model)
            ? "the one of an earlier ModelDeployment with this name isn't gone yet; it is made once that is: look at its finalizers"
            : "there is one that is not this model's; it is made once that is deleted"
        await tell(model, object, "isn't made", why)
    }

    /// Says that a spec isn't kept.
    func tell(_ model: KubeObject, _ object: KubeObject, _ what: String, _ why: String) async {
        let message = "\(object.kind) \(object.name) \(what), so `modelfleet rollout undo` won't find it: \(why)"
        await recorder.record(model, .warning, reason: "SpecNotKept", message: message)
    }

    /// Deletes the kept specs of revisions that are in no history any more.
    func prune(_ model: KubeObject, keeping numbers: Set<Int>) async throws {
        let selector = LabelSelector(matching: [FleetAPI.modelLabel: model.name])
        let options = ListOptions(labelSelector: selector)
        for object in try await client.list(.controllerRevisions, namespace: model.namespace, options: options).items
        where object.controller?.uid == model.uid || LeftOver.bearsMarks(object, of: model) {
            let number = ModelObservation.revision(of: object)
            if number > 0, !numbers.contains(number) { try await delete(.controllerRevisions, object.key) }
        }
    }
}
