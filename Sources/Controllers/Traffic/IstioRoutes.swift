// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel
import Rollouts

/// The HTTP routes of one VirtualService as a split wants them, from those that are there.
struct IstioRoutes: Sendable {
    /// The routes as they are.
    let present: [JSONValue]
    /// The routes as they should be.
    private(set) var routes: [JSONValue] = []
    /// The canary's live share in each route that leads to the model, in per cent.
    private(set) var shares: [Int] = []
    /// The model's weight in each route that leads to others' backends too, or 100 where it doesn't.
    private(set) var totals: [Int] = []
    /// Whether a route has the root Service more than once: then nobody knows afterwards what each of them had.
    private(set) var isAmbiguous = false

    private let split: TrafficSplit
    private let namespace: String
    private let subset: String?

    /// Decides.
    init(_ virtual: KubeObject, _ split: TrafficSplit, namespace: String, subset: String?) {
        self.split = split
        self.namespace = namespace
        self.subset = subset
        present = virtual["spec", "http"]?.array ?? []
        for route in present {
            let ways = route["route"]?.array ?? []
            if !ways.isEmpty, ways.allSatisfy(isCanary) { continue }  // One of ours, made anew below.
            guard let root = ways.first(where: isRoot) else {
                routes.append(withoutMirror(route))
                continue
            }
            if !split.matches.isEmpty { routes.append(matched(route, like: root)) }
            routes.append(shared(route, like: root))
        }
    }

    /// A route with the weights of the split.
    private mutating func shared(_ route: JSONValue, like root: JSONValue) -> JSONValue {
        let ways = route["route"]?.array ?? []
        // The only destination has all, whatever its weight is.
        let whole = ways.count == 1 ? 100 : 0
        let rootWeight = ways.filter(isRoot).reduce(0) { $0 + Self.weight($1, or: whole) }
        let canaryWeight = ways.filter(isCanary).reduce(0) { $0 + Self.weight($1, or: whole) }
        shares.append(WeightShare.percent(root: rootWeight, canary: canaryWeight))
        guard ways.count(where: isRoot) == 1 else {
            totals.append(100)
            if !split.isAtRest { isAmbiguous = true }
            var route = withoutMirror(route)
            if ways.contains(where: isCanary) { route["route"] = .array(ways.filter { !isCanary($0) }) }
            return route
        }
        let hasOthers = ways.contains { !isRoot($0) && !isCanary($0) }
        totals.append(hasOthers ? rootWeight + canaryWeight : 100)
        let share = WeightShare(total: rootWeight + canaryWeight, percent: split.weight, hasOthers: hasOthers)
        var wanted: [JSONValue] = []
        for var way in ways where !isCanary(way) {
            guard isRoot(way) else {
                wanted.append(way)
                continue
            }
            if split.weight == 0 {
                if ways.contains(where: isCanary) { way["weight"] = hasOthers ? JSONValue(share.root) : nil }
                wanted.append(way)
            } else {
                way["weight"] = JSONValue(share.root)
                wanted.append(way)
                wanted.append(canary(like: root, weight: share.canary))
            }
        }
        var route = withoutMirror(route)
        route["route"] = .array(wanted)
        if split.mirrorPercent > 0 {
            let mirror: JSONValue = [
                "destination": canary(like: root, weight: nil)["destination"] ?? .emptyObject,
                "percentage": ["value": JSONValue(split.mirrorPercent)],
            ]
            route["mirrors"] = .array((route["mirrors"]?.array ?? []) + [mirror])
        }
        return route
    }

    /// A route of ours before `route`, for its requests that have one of the split's headers.
    private func matched(_ route: JSONValue, like root: JSONValue) -> JSONValue {
        var ours = withoutMirror(route)
        ours["name"] = nil
        ours["route"] = [canary(like: root, weight: nil)]
        let originals = route["match"]?.array ?? []
        ours["match"] = .array(
            (originals.isEmpty ? [.emptyObject] : originals).flatMap { original in
                split.matches.map { match in
                    var original = original
                    var headers = original["headers"] ?? .emptyObject
                    headers[match.header] =
                        HeaderPattern.isCookie(match.header)
                        ? ["regex": .string(HeaderPattern.cookie(match.value))] : ["exact": .string(match.value)]
                    original["headers"] = headers
                    return original
                }
            }
        )
        return ours
    }

    /// The canary as a destination; what others set beside the root's host (headers, the port) holds for it too.
    private func canary(like root: JSONValue, weight: Int?) -> JSONValue {
        var way = root
        var destination = root["destination"] ?? .emptyObject
        let host = destination["host"]?.string ?? split.rootService
        destination["host"] = .string(split.canaryService + host.dropFirst(split.rootService.count))
        destination["subset"] = subset.map { .string($0) }
        way["destination"] = destination
        way["weight"] = weight.map { JSONValue($0) }
        return way
    }

    private func withoutMirror(_ route: JSONValue) -> JSONValue {
        guard let mirrors = route["mirrors"]?.array else { return route }
        let kept = mirrors.filter { !isCanary($0) }
        guard kept.count < mirrors.count else { return route }
        var route = route
        route["mirrors"] = kept.isEmpty ? nil : .array(kept)
        return route
    }

    private static func weight(_ way: JSONValue, or whole: Int) -> Int { WeightShare.weight(way["weight"]) ?? whole }

    private func isRoot(_ way: JSONValue) -> Bool { isService(way, split.rootService) }

    private func isCanary(_ way: JSONValue) -> Bool { isService(way, split.canaryService) }

    /// Whether a destination is a Service of the namespace, by its short or longer names.
    private func isService(_ way: JSONValue, _ name: String) -> Bool {
        guard let host = way["destination"]?["host"]?.string, host.hasPrefix(name) else { return false }
        let rest = host.dropFirst(name.count)
        return rest.isEmpty || rest == ".\(namespace)" || rest.hasPrefix(".\(namespace).svc")
    }
}
