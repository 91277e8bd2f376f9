// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeAPI
import KubeModel

/// Fields of ours that another field manager wrote: server-side apply refused without force.
struct OwnershipConflict: Hashable {
    /// The fields by the manager's name.
    let fields: [String: [String]]
    /// A sentence for an event: whose fields were taken back, and what to do about it.
    let message: String

    /// Reads a conflict that the API server answered; `nil` where it isn't one about fields.
    init?(_ error: KubeError, _ type: ResourceType, _ body: KubeObject) {
        let causes = error.causes.filter { $0.reason == "FieldManagerConflict" }
        guard !causes.isEmpty else { return nil }
        var fields: [String: [String]] = [:]
        for cause in causes { fields[Self.manager(in: cause.message), default: []].append(cause.field) }
        self.fields = fields
        let parts = fields.sorted { $0.key < $1.key }.map { manager, paths in
            let shown = paths.sorted().prefix(3).joined(separator: ", ")
            return "\(manager) set \(shown)\(paths.count > 3 ? " and \(paths.count - 3) more" : "")"
        }
        message =
            "\(type.kind) \(body.name): \(parts.joined(separator: "; ")); the operator set it back, "
            + "change the ModelDeployment instead"
    }

    /// The name in `conflict with "kubectl-edit" using apps/v1`.
    private static func manager(in message: String) -> String {
        let parts = message.split(separator: "\"", omittingEmptySubsequences: false)
        return parts.count > 2 ? String(parts[1]) : "another manager"
    }
}
