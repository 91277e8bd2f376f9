// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeAPI
import KubeModel

extension KubeClient {
    /// Deletes exactly this object; nothing happens when it is gone already or another took its name.
    func deleteIfPresent(_ type: ResourceType, _ object: KubeObject, grace: Int? = nil) async throws(KubeError) {
        do {
            try await delete(
                type,
                object.key,
                options: DeleteOptions(gracePeriodSeconds: grace, uid: object.uid)
            )
        } catch {
            if !error.isNotFound && !error.isConflict { throw error }
        }
    }
}
