// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import FleetAPI
import KubeAPI
import KubeModel

extension ObjectKey {
    /// The key of the model that a person named, as `iris` or `mdep/iris`.
    init(namespace: String, model argument: String) {
        self.init(namespace: namespace, name: ModelDeployment.name(inArgument: argument))
    }
}

extension KubeClient {
    /// The model that a person named; where there is none, the error says which ones may have been meant.
    func namedModel(_ key: ObjectKey) async throws(KubeError) -> KubeObject {
        do { return try await get(.modelDeployments, key) } catch {
            guard error.isNotFound else { throw error }
            var error = error
            error.message += await hint(key)
            throw error
        }
    }

    /// Where a model of that name is, or which names are near it; nothing where models can't be listed.
    private func hint(_ key: ObjectKey) async -> String {
        let everywhere = try? await list(.modelDeployments, namespace: nil).items
        guard let models = everywhere else { return "" }
        let elsewhere = models.filter { $0.name == key.name }.compactMap(\.namespace)
        if let namespace = elsewhere.first {
            return elsewhere.count == 1
                ? "; there is one in namespace \(namespace): add -n \(namespace)"
                : "; there is one in each of the namespaces \(elsewhere.joined(separator: ", ")): add -n and its name"
        }
        let names = models.filter { $0.namespace == key.namespace }.map(\.name)
        guard !names.isEmpty else { return "; there are no models in namespace \(key.namespace ?? "")" }
        let hint = Spelling.hint(key.name, names)
        return hint.isEmpty ? "; modelfleet get -n \(key.namespace ?? "") lists those that there are" : hint
    }
}
