// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// The JSON merge patch (RFC 7396) that turns one value into another.
enum MergeDifference {
    /// The patch from `old` to `new`; `nil` where they are equal. Members that `new` lacks are taken away, at any depth.
    static func patch(from old: JSONValue, to new: JSONValue) -> JSONValue? {
        guard old != new else { return nil }
        guard case .object(let before) = old, case .object(let after) = new else { return new }
        var patch = JSONObject()
        for (key, value) in after {
            guard let present = before[key] else {
                patch[key] = value
                continue
            }
            if let difference = Self.patch(from: present, to: value) { patch[key] = difference }
        }
        for key in before.keys where after[key] == nil { patch[key] = .null }
        return patch.isEmpty ? nil : .object(patch)
    }
}
