// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// What names mean at one place of a template: the context, and the loop variables around the place.
struct TemplateScope {
    /// A loop variable.
    struct Variable {
        /// The element that it stands for.
        var value: JSONValue
        /// The member names that any element of the list has; a name outside them is unknown.
        var knownMembers: Set<String>
    }

    /// The context.
    let context: TemplateContext
    /// The loop variables by name.
    var variables: [String: Variable] = [:]

    /// Why a path leads nowhere.
    struct LookupError: Error {
        /// The reason, as a clause that begins with the path.
        var message: String
    }

    /// The value at a path; `nil` when it is known but nothing.
    func value(at path: [String]) throws(LookupError) -> JSONValue? {
        guard let first = path.first else { return context.value }
        var value = context.value
        var names = path[...]
        let variable = variables[first]
        if let variable {
            value = variable.value
            names = path.dropFirst()
        }
        for (index, name) in zip(names.indices, names) {
            switch value {
            case .null: return nil
            case .object(let members):
                if let member = members[name] {
                    value = member
                    continue
                }
                let isKnown =
                    if let variable { index > 1 || variable.knownMembers.contains(name) } else {
                        isFreeForm(path.prefix(through: index))
                    }
                guard !isKnown else { return nil }
                let parent = path.prefix(upTo: index).joined(separator: ".")
                let there = members.keys.joined(separator: ", ")
                throw LookupError(
                    message: "unknown path \(path.joined(separator: ".")): "
                        + (parent.isEmpty ? "there is no \(name), only " : "\(parent) has no \(name), only ") + there
                )
            default:
                let parent = path.prefix(upTo: index).joined(separator: ".")
                throw LookupError(
                    message: "unknown path \(path.joined(separator: ".")): \(parent) has the type \(value.typeName)"
                )
            }
        }
        return value == .null ? nil : value
    }

    private func isFreeForm(_ path: ArraySlice<String>) -> Bool {
        path.indices.contains { context.freeForm.contains(path.prefix(through: $0).joined(separator: ".")) }
    }
}
