// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeAPI
import KubeModel

extension KubeClient {
    /// Deletes exactly this object; nothing happens when it is gone already.
    /// - Throws: a conflict too, where another took its name: what the caller knows is old.
    func deleteIfPresent(_ type: ResourceType, _ object: KubeObject, grace: Int? = nil) async throws(KubeError) {
        do {
            try await delete(
                type,
                object.key,
                options: DeleteOptions(gracePeriodSeconds: grace, uid: object.uid)
            )
        } catch {
            if !error.isNotFound { throw error }
        }
    }

    /// Merges into exactly this object; nothing happens when it is gone already.
    /// - Throws: a conflict too, where another took its name: what the caller knows is old.
    func mergeIfPresent(
        _ type: ResourceType,
        _ object: KubeObject,
        _ patch: JSONValue,
        subresource: String? = nil
    ) async throws(KubeError) {
        var patch = patch
        patch.set(JSONValue(object.uid), at: "metadata", "uid")
        do {
            try await self.patch(type, object.key, .merge(patch), subresource: subresource)
        } catch {
            if !error.isNotFound { throw error }
        }
    }
}

extension JSONValue {
    /// This object as a merge patch that makes `present` equal to it: members that are only there are removed.
    func mergePatch(removingRestOf present: JSONValue?) -> JSONValue {
        var patch = self
        for (member, _) in present?.object ?? JSONObject() where patch[member] == nil { patch[member] = .null }
        return patch
    }
}

extension KubeClient {
    /// Writes one condition of a pod beside the others, whoever writes those; nothing happens when the pod is gone.
    func setPodCondition(_ condition: JSONValue, of pod: KubeObject) async throws(KubeError) {
        var metadata = JSONValue.emptyObject
        metadata["uid"] = JSONValue(pod.uid)
        let patch: JSONValue = ["metadata": metadata, "status": ["conditions": [condition]]]
        do {
            try await self.patch(.pods, pod.key, .strategicMerge(patch), subresource: "status")
        } catch {
            if !error.isNotFound { throw error }
        }
    }
}
