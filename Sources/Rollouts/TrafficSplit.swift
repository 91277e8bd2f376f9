// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// How the requests of one model are shared between its two tracks: what a rollout wants of whoever routes them.
///
/// The root Service selects the stable revision, the canary Service the canary revision. A split of weight 0 without mirror and without
/// matches is the rest state: everything goes to the root Service's own endpoints.
public struct TrafficSplit: Sendable, Hashable, Codable {
    /// A request header by whose value a request goes to the canary, whatever the weights are.
    public struct Match: Sendable, Hashable, Codable {
        /// The header's name, in lower case.
        public var header: String
        /// The value that the header must have, exactly.
        public var value: String

        /// A match.
        public init(header: String, value: String) {
            self.header = header
            self.value = value
        }
    }

    /// The name of the Service that clients use; it selects the stable revision.
    public var rootService: String
    /// The name of the Service that selects the canary revision.
    public var canaryService: String
    /// The share of the requests that the canary answers, `0...100`; the rest goes to the root Service's own endpoints.
    public var weight: Int
    /// The request header by whose value a client stays on one track while the weight stays; `nil`: each request is drawn anew.
    public var stickyHeader: String?
    /// The requests that go to the canary whatever the weight is; the first match decides.
    public var matches: [Match]
    /// The share of the requests that are also sent to the canary, whose answers are dropped, `0...100`.
    public var mirrorPercent: Int

    /// A split; shares out of range are brought into it.
    public init(
        rootService: String,
        canaryService: String,
        weight: Int,
        stickyHeader: String? = nil,
        matches: [Match] = [],
        mirrorPercent: Int = 0
    ) {
        self.rootService = rootService
        self.canaryService = canaryService
        self.weight = min(max(0, weight), 100)
        self.stickyHeader = stickyHeader
        self.matches = matches
        self.mirrorPercent = min(max(0, mirrorPercent), 100)
    }

    /// Whether the canary gets nothing at all: no weight, no mirrored request, no match.
    public var isAtRest: Bool { weight == 0 && mirrorPercent == 0 && matches.isEmpty }
}
