// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import KubeModel

/// Which parts of an object a store keeps. A value: what it drops is gone before the object is stored.
///
/// Paths are member names; elements of arrays are passed through, so that `["spec", "containers", "image"]` means the
/// image of every container. What a controller compares or writes back must be kept.
public struct ObjectProjection: Sendable, Hashable {
    /// What becomes of one value.
    indirect enum Rule: Sendable, Hashable {
        /// It is kept whole.
        case keep
        /// It is left out.
        case drop
        /// Its members are looked at one by one.
        case members(Members)
        /// It is the resource version, which is stored beside the object.
        case version
    }

    /// The rules for the members of an object.
    struct Members: Sendable, Hashable {
        /// Rules for single members.
        var named: [String: Rule] = [:]
        /// What the names of further kept members begin with.
        var prefixes: [String] = []
        /// Whether members without a rule are kept.
        var keepsOthers: Bool

        /// The rule for one member.
        func rule(for name: String) -> Rule {
            if let rule = named[name] { return rule }
            if keepsOthers { return .keep }
            return prefixes.contains { name.hasPrefix($0) } ? .keep : .drop
        }
    }

    private(set) var rule: Rule = .keep

    /// Keeps everything.
    public static let everything = ObjectProjection()

    /// Keeps everything but `metadata.managedFields`, which is often half of an object and of no use to a controller.
    public static let withoutManagedFields = everything.dropping("metadata", "managedFields")

    /// Also drops what is at `path`.
    public func dropping(_ path: String...) -> ObjectProjection {
        changing(path) { _ in .drop }
    }

    /// Also drops all members at `path` but those named; a name that ends in `*` means all that begin so.
    public func keepingOnly(_ names: [String], at path: String...) -> ObjectProjection {
        changing(path) { rule in
            if rule == .drop { return .drop }
            let known = Self.members(of: rule)
            var members = Members(keepsOthers: false)
            for name in names {
                if name.hasSuffix("*") {
                    members.prefixes.append(String(name.dropLast()))
                } else {
                    members.named[name] = known.rule(for: name)
                }
            }
            return .members(members)
        }
    }

    /// What is left of `object`.
    public func apply(to object: KubeObject) -> KubeObject { KubeObject(Self.apply(rule, to: object.json)) }

    /// The rule with the resource version taken out, for a form that stores it beside the object.
    var ruleWithoutVersion: Rule {
        changing(["metadata", "resourceVersion"]) { $0 == .drop ? .drop : .version }.rule
    }

    private func changing(_ path: [String], _ change: (Rule) -> Rule) -> ObjectProjection {
        var projection = self
        projection.rule = Self.changed(rule, path[...], change)
        return projection
    }

    private static func changed(_ rule: Rule, _ path: ArraySlice<String>, _ change: (Rule) -> Rule) -> Rule {
        guard let name = path.first else { return change(rule) }
        guard rule != .drop else { return .drop }
        var members = members(of: rule)
        members.named[name] = changed(members.rule(for: name), path.dropFirst(), change)
        return .members(members)
    }

    private static func members(of rule: Rule) -> Members {
        if case .members(let members) = rule { members } else { Members(keepsOthers: true) }
    }

    private static func apply(_ rule: Rule, to value: JSONValue) -> JSONValue {
        guard case .members(let rules) = rule else { return value }
        switch value {
        case .object(let members):
            let kept = members.lazy.map { (key: $0.key, value: $0.value, rule: rules.rule(for: $0.key)) }
                .filter { $0.rule != .drop }
            return .object(JSONObject(pairs: kept.map { ($0.key, apply($0.rule, to: $0.value)) }))
        case .array(let elements): return .array(elements.map { apply(rule, to: $0) })
        case .null, .bool, .integer, .double, .string: return value
        }
    }
}
