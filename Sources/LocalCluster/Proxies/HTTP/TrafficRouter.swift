// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import FleetAPI
import NIOHTTP1
import Synchronization

/// Decides for each request to one listener which Service's pods get it, and whether somebody else gets a copy.
///
/// A header match comes first, then the user's place by hash, then the rotation of weights. The Services that may stand
/// in for the chosen one when it has no pod follow in order: those with a weight, the largest first, and at last the
/// Service's own pods, whatever their weight. A Service at weight 0 gets nothing.
final class TrafficRouter: Sendable {
    private struct Backend {
        var service: String
        var weight: Int
        var chooser: TargetChooser
    }

    private struct State {
        var route = ServiceRoute()
        var backends: [Backend] = []
        var rotation = WeightedRotation([])
        var choosers: [String: TargetChooser] = [:]
        var mirrorCredit = 0
    }

    /// The Service's own targets.
    let own: TargetChooser
    private let random: any RandomSource
    private let state = Mutex(State())

    /// A router without a target.
    init(random: any RandomSource) {
        self.random = random
        own = TargetChooser(random: random)
    }

    /// Takes in new targets and a new rule; requests that were routed stay where they are.
    func update(_ targets: [ServiceTarget], _ route: ServiceRoute) {
        own.update(targets)
        state.withLock { state in
            guard state.route != route || state.backends.isEmpty else { return }
            let isNewRule = state.route.rule != route.rule || state.backends.isEmpty
            state.route = route
            for service in state.choosers.keys where route.others[service] == nil { state.choosers[service] = nil }
            for (service, targets) in route.others {
                let chooser = state.choosers[service] ?? TargetChooser(random: random)
                chooser.update(targets)
                state.choosers[service] = chooser
            }
            guard isNewRule else { return }
            state.backends = [Backend(service: "", weight: route.rule?.ownWeight ?? 100, chooser: own)]
            for backend in route.rule?.backends ?? [] {
                guard let chooser = state.choosers[backend.service] else { continue }
                state.backends.append(Backend(service: backend.service, weight: backend.weight, chooser: chooser))
            }
            state.rotation = WeightedRotation(state.backends.map(\.weight))
        }
    }

    /// Whether the listener's clients are expected to speak HTTP/1.
    var speaksHTTP: Bool { state.withLock { $0.route.speaksHTTP } }

    /// Whether anybody who may get such a request has a target that isn't among `tried`.
    func hasTarget(for headers: HTTPHeaders?, except tried: Set<ServiceTarget>) -> Bool {
        candidates(for: headers, turn: false).contains { $0.hasTarget(except: tried) }
    }

    /// Whose pods are asked for a request, the first first; `headers` is `nil` for a connection that isn't HTTP.
    func order(for headers: HTTPHeaders?) -> [TargetChooser] { candidates(for: headers, turn: true) }

    private func candidates(for headers: HTTPHeaders?, turn: Bool) -> [TargetChooser] {
        state.withLock { state in
            guard let rule = state.route.rule else { return [own] }
            var order: [TargetChooser] = []
            func add(_ chooser: TargetChooser?) {
                if let chooser, !order.contains(where: { $0 === chooser }) { order.append(chooser) }
            }
            if let headers {
                add(rule.matches.first { Self.fits($0, headers) }.flatMap { state.choosers[$0.service] })
            }
            if order.isEmpty, let user = rule.stickyHeader.flatMap({ headers?.first(name: $0) }), !user.isEmpty {
                let parties = state.backends.map { (name: $0.service, weight: $0.weight) }
                add(WeightedRendezvous.choose(user: user, parties: parties).map { state.backends[$0].chooser })
            }
            if turn, order.isEmpty { add(state.rotation.next().map { state.backends[$0].chooser }) }
            for backend in state.backends.sorted(by: { $0.weight > $1.weight }) where backend.weight > 0 {
                add(backend.chooser)
            }
            add(own)
            return order
        }
    }

    /// Who gets a copy of the next request; `nil` for nobody. Of 100 calls exactly `percent` give somebody.
    func mirror() -> TargetChooser? {
        state.withLock { state in
            guard let mirror = state.route.rule?.mirror, let chooser = state.choosers[mirror.service] else {
                return nil
            }
            state.mirrorCredit += mirror.percent
            guard state.mirrorCredit >= 100 else { return nil }
            state.mirrorCredit -= 100
            return chooser
        }
    }

    /// Whether a request has the header, or the cookie, of `match`.
    static func fits(_ match: TrafficRule.Match, _ headers: HTTPHeaders) -> Bool {
        guard match.header.lowercased() == "cookie" else { return headers[match.header].contains(match.value) }
        return headers["cookie"].contains { line in
            line.split(separator: ";").contains { $0.trimmingPrefix { $0 == " " || $0 == "\t" } == match.value }
        }
    }
}
