// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// How `$merge` lays a mapping over another: as users know it from patches of pods.
///
/// Mappings are merged member by member, and `null` removes a member. Lists are replaced, but for those of a pod that
/// have a key (the strategic merge patch's keys), which are merged item by item.
enum TemplateMerge {
    /// The lists that are merged item by item: the member by which items are matched, and whether matched items are
    /// merged themselves (else the later one replaces the earlier one).
    private static let keyedLists: [String: (key: String, isDeep: Bool)] = [
        "containers": ("name", true), "initContainers": ("name", true), "volumes": ("name", false),
        "env": ("name", false), "imagePullSecrets": ("name", false), "volumeMounts": ("mountPath", false),
        "ports": ("containerPort", false),
    ]

    /// `base` with the members of `overlay` laid over it.
    static func merging(_ base: JSONObject, _ overlay: JSONObject) -> JSONObject {
        var result = base
        for (name, value) in overlay {
            switch (result[name], value) {
            case (_, .null): result[name] = nil
            case (.object(let old), .object(let new)): result[name] = .object(merging(old, new))
            case (.array(let old), .array(let new)):
                if let list = keyedLists[name], let merged = merging(old, new, key: list.key, isDeep: list.isDeep) {
                    result[name] = .array(merged)
                } else {
                    result[name] = value
                }
            case (_, .object(let new)): result[name] = .object(merging(JSONObject(), new))
            default: result[name] = value
            }
        }
        return result
    }

    /// Two lists matched by `key`; `nil` when an item has no such member.
    private static func merging(
        _ base: [JSONValue],
        _ overlay: [JSONValue],
        key: String,
        isDeep: Bool
    ) -> [JSONValue]? {
        var result = base
        var positions: [JSONValue: Int] = [:]
        for (index, item) in base.enumerated() {
            guard let name = item[key] else { return nil }
            positions[name] = index
        }
        for item in overlay {
            guard let name = item[key] else { return nil }
            guard let index = positions[name] else {
                positions[name] = result.count
                result.append(item)
                continue
            }
            if isDeep, case .object(let old) = result[index], case .object(let new) = item {
                result[index] = .object(merging(old, new))
            } else {
                result[index] = item
            }
        }
        return result
    }
}
