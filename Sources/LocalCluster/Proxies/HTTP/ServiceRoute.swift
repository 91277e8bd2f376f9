// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import FleetAPI

/// What the proxy knows of one listener beside its own targets.
struct ServiceRoute: Sendable, Equatable {
    /// Whether its clients are expected to speak HTTP/1; those that don't are relayed byte by byte all the same.
    var speaksHTTP = false
    /// How requests are shared; `nil` gives all of them to the Service's own targets.
    var rule: TrafficRule?
    /// The ready targets of each other Service that the rule names.
    var others: [String: [ServiceTarget]] = [:]

    /// Whether somebody can answer requests that no header sends elsewhere, given the Service's own targets.
    func isServed(own: [ServiceTarget]) -> Bool {
        if !own.isEmpty { return true }
        return rule?.backends.contains { $0.weight > 0 && !(others[$0.service] ?? []).isEmpty } ?? false
    }
}
