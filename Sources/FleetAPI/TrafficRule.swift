// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

internal import KubeModel

/// How requests to a Service are shared with other Services of its namespace: the value of `modelfleet.dev/traffic`.
///
/// The operator writes it where the traffic provider is `Local`, and the local cluster's Service proxy follows it:
/// ```json
/// {"backends": [{"service": "churn-canary", "weight": 10}], "sticky": {"header": "x-user-id"},
///  "mirror": {"service": "churn-canary", "percent": 100},
///  "matches": [{"header": "x-beta", "value": "1", "service": "churn-canary"}]}
/// ```
public struct TrafficRule: Sendable, Hashable {
    /// A Service with its share.
    public struct Backend: Sendable, Hashable {
        /// The Service's name.
        public var service: String
        /// Its share of the requests, 0 to 100 per cent; at 0 it gets none.
        public var weight: Int

        /// A Service with its share.
        public init(service: String, weight: Int) {
            self.service = service
            self.weight = weight
        }
    }

    /// A Service that gets copies of requests; its answers are dropped.
    public struct Mirror: Sendable, Hashable {
        /// The Service's name.
        public var service: String
        /// The share of the requests that is copied, 0 to 100 per cent.
        public var percent: Int

        /// A Service that gets copies.
        public init(service: String, percent: Int) {
            self.service = service
            self.percent = percent
        }
    }

    /// Requests with a header of this value go to a Service, whatever the weights are.
    public struct Match: Sendable, Hashable {
        /// The header's name; `cookie` looks for a cookie, and `value` is then `NAME=VALUE`.
        public var header: String
        /// The whole value.
        public var value: String
        /// The Service's name.
        public var service: String

        /// A match.
        public init(header: String, value: String, service: String) {
            self.header = header
            self.value = value
            self.service = service
        }
    }

    /// The most backends and matches that a rule may have.
    public static let longestList = 64

    /// The other Services with their shares; what is left of 100 goes to the Service's own endpoints.
    public var backends: [Backend]
    /// The header that names a user: those who send it stay with one backend as long as the weights allow.
    public var stickyHeader: String?
    /// Who gets copies.
    public var mirror: Mirror?
    /// Requests with a place of their own; the first that fits wins.
    public var matches: [Match]

    /// A rule; without arguments all requests go to the Service's own endpoints.
    public init(
        backends: [Backend] = [],
        stickyHeader: String? = nil,
        mirror: Mirror? = nil,
        matches: [Match] = []
    ) {
        self.backends = backends
        self.stickyHeader = stickyHeader
        self.mirror = mirror
        self.matches = matches
    }

    /// The share that is left for the Service's own endpoints, 0 to 100.
    public var ownWeight: Int { max(0, 100 - backends.reduce(0) { $0 + $1.weight }) }

    /// The names of all Services in the rule, each once, sorted.
    public var services: [String] {
        var names = Set(backends.map(\.service) + matches.map(\.service))
        if let mirror { names.insert(mirror.service) }
        return names.sorted()
    }

    /// Reads an annotation.
    /// - Throws: `TrafficRuleError` with what is wrong, for a person.
    public init(annotation: String) throws(TrafficRuleError) {
        let json: JSONValue
        do {
            json = try JSONValue(parsing: annotation)
        } catch {
            throw TrafficRuleError("is no JSON: \(error)")
        }
        guard json.object != nil else { throw TrafficRuleError("is no JSON object") }
        backends = []
        matches = []
        for (index, entry) in try Self.list(json, "backends").enumerated() {
            let place = "backends[\(index)]"
            let backend = Backend(
                service: try Self.text(entry, "service", place),
                weight: try Self.percent(entry, "weight", place)
            )
            guard !backends.contains(where: { $0.service == backend.service }) else {
                throw TrafficRuleError("\(place).service: \"\(backend.service)\" is named twice")
            }
            backends.append(backend)
        }
        let sum = backends.reduce(0) { $0 + $1.weight }
        guard sum <= 100 else { throw TrafficRuleError("the weights add up to \(sum), at most 100 is possible") }
        for (index, entry) in try Self.list(json, "matches").enumerated() {
            let place = "matches[\(index)]"
            matches.append(
                Match(
                    header: try Self.text(entry, "header", place),
                    value: try Self.text(entry, "value", place),
                    service: try Self.text(entry, "service", place)
                )
            )
        }
        if let sticky = json["sticky"] { stickyHeader = try Self.text(sticky, "header", "sticky") }
        if let mirror = json["mirror"] {
            self.mirror = Mirror(
                service: try Self.text(mirror, "service", "mirror"),
                percent: try Self.percent(mirror, "percent", "mirror")
            )
        }
    }

    /// The annotation's text; equal rules have equal texts.
    public var annotation: String {
        var json = JSONValue.emptyObject
        if !backends.isEmpty {
            json["backends"] = .array(
                backends.map { ["service": .string($0.service), "weight": JSONValue($0.weight)] }
            )
        }
        if let stickyHeader { json["sticky"] = ["header": .string(stickyHeader)] }
        if let mirror { json["mirror"] = ["service": .string(mirror.service), "percent": JSONValue(mirror.percent)] }
        if !matches.isEmpty {
            json["matches"] = .array(
                matches.map {
                    ["header": .string($0.header), "value": .string($0.value), "service": .string($0.service)]
                }
            )
        }
        return json.jsonText
    }

    private static func list(_ json: JSONValue, _ key: String) throws(TrafficRuleError) -> [JSONValue] {
        guard let value = json[key] else { return [] }
        guard let list = value.array else { throw TrafficRuleError("\(key) is no list") }
        guard list.count <= longestList else { throw TrafficRuleError("\(key) has more than \(longestList) entries") }
        return list
    }

    private static func text(_ json: JSONValue, _ key: String, _ place: String) throws(TrafficRuleError) -> String {
        guard let text = json[key]?.string, !text.isEmpty else {
            throw TrafficRuleError("\(place).\(key) must be a text")
        }
        return text
    }

    private static func percent(_ json: JSONValue, _ key: String, _ place: String) throws(TrafficRuleError) -> Int {
        guard let number = json[key]?.int, (0...100).contains(number) else {
            throw TrafficRuleError("\(place).\(key) must be a whole number from 0 to 100")
        }
        return number
    }
}

/// What is wrong with an annotation `modelfleet.dev/traffic`.
public struct TrafficRuleError: Error, Hashable, CustomStringConvertible {
    /// For a person, in one line.
    public let description: String

    init(_ description: String) { self.description = description }
}
