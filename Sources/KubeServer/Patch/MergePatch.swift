// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import KubeModel

/// JSON merge patch (RFC 7396) as the API server's library has it: nulls are taken out of lists of objects, too, but where
/// a list takes the place of an object.
public enum MergePatch {
    /// `value` with `patch` merged into it; null removes a member.
    public static func apply(_ patch: JSONValue, to value: JSONValue) -> JSONValue {
        guard let members = value.object else { return withoutNulls(patch) }
        guard let changes = patch.object else { return patch }
        return .object(
            members.merging(changes) { _, current, change in
                change.isNull ? nil : apply(change, to: current ?? .null)
            }
        )
    }

    /// `value` without members that are null, at any depth; elements that are null stay.
    static func withoutNulls(_ value: JSONValue) -> JSONValue {
        switch value {
        case .object(let members):
            .object(members.filter { !$1.isNull }.mapValues(withoutNulls))
        case .array(let elements): .array(elements.map(withoutNulls))
        default: value
        }
    }
}
