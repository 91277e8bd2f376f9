// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

internal import KubeModel

/// Another field manager that owns fields which an apply wanted.
public struct ConflictingManager: Sendable, Hashable, CustomStringConvertible {
    /// Its name: `kubectl-client-side-apply`.
    public var name: String
    /// The subresource through which it set them: `scale`; `nil` for the object itself.
    public var subresource: String?
    /// The fields, as the server writes them: `.spec.replicas`.
    public var fields: [String]

    /// A manager with its fields.
    public init(name: String, subresource: String? = nil, fields: [String]) {
        self.name = name
        self.subresource = subresource
        self.fields = fields
    }

    /// `kubectl-edit (.spec.replicas, .spec.paused)`
    public var description: String {
        let through = subresource.map { " through \($0)" } ?? ""
        return "\(name)\(through) (\(fields.joined(separator: ", ")))"
    }
}

extension KubeError {
    /// The managers that own fields which an apply wanted, in the server's order; empty for any other failure.
    public var conflictingManagers: [ConflictingManager] {
        guard isConflict else { return [] }
        var managers: [ConflictingManager] = []
        for cause in causes where cause.reason == "FieldManagerConflict" {
            guard let (name, subresource) = Self.manager(in: cause.message) else { continue }
            if let known = managers.firstIndex(where: { $0.name == name && $0.subresource == subresource }) {
                managers[known].fields.append(cause.field)
            } else {
                managers.append(ConflictingManager(name: name, subresource: subresource, fields: [cause.field]))
            }
        }
        return managers
    }

    /// Reads `conflict with "NAME" with subresource "scale" using apps/v1`; both names are quoted as Go's `%q` does.
    static func manager(in message: String) -> (name: String, subresource: String?)? {
        var rest = message[...]
        guard let name = takeQuoted(after: "conflict with ", &rest) else { return nil }
        return (name, takeQuoted(after: " with subresource ", &rest))
    }

    private static func takeQuoted(after start: String, _ text: inout Substring) -> String? {
        guard text.hasPrefix(start + "\"") else { return nil }
        var result = ""
        var rest = text.dropFirst(start.count + 1)
        while let character = rest.popFirst() {
            switch character {
            case "\"":
                text = rest
                return result
            case "\\":
                guard let escaped = rest.popFirst() else { return nil }
                result.append(escaped)
            default: result.append(character)
            }
        }
        return nil
    }
}
