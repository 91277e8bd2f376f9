// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import ExtensionServer
import FleetAPI
import HTTPMessages
import HTTPTypes
import KubeModel

/// Serves what the operator reads as `external.metrics.k8s.io/v1beta1` (totals of models with engine
/// `HorizontalPodAutoscaler`) and as `custom.metrics.k8s.io` (values of pods, and the same totals).
///
/// It asks nobody who the caller is: what listens on the network must, before it hands a request over.
struct MetricsAPI: HTTPExchange {
    /// What this process knows.
    let readings: MetricsReadings
    /// What this process is to the others: while it waits for another to end, its readings are of no use.
    let membership: Membership
    /// The other processes; `nil` where there are none, or none can be reached.
    let peers: MetricsPeers?

    /// Answers discovery and the values of a metric; anything else with a `Status`.
    func exchange(_ request: HTTPRequestMessage) async throws -> HTTPResponseMessage {
        do throws(APIStatus) {
            let json = try await answer(request)
            return HTTPResponseMessage(status: .ok, contentType: "application/json", bytes: json.encoded())
        } catch {
            return ExtensionServer.response(error)
        }
    }

    private func answer(_ request: HTTPRequestMessage) async throws(APIStatus) -> JSONValue {
        let query = try MetricsQuery(request)
        if case .document(let document) = query { return document }
        let asked = request.head.headerFields[ExtensionServer.peerMark]
        if let asked, asked != membership.identity {
            throw MetricsPeers.unavailable(
                "\(asked) has the readings and is gone: another process answers in its place"
            )
        }
        var items = membership.isWaiting ? [] : try readings.items(query)
        // Another process asks for its own answer: nothing is an answer then, too.
        if asked != nil { return query.list(items) }
        if let peers, items.isEmpty || !query.isAboutOne {
            items += try await peers.items(request, isAboutOne: query.isAboutOne)
        }
        guard !items.isEmpty else { throw query.nothing }
        return query.list(Self.newest(items))
    }

    /// One item a model or pod, in the order of their names: while a model changes hands, two processes may have read it.
    private static func newest(_ items: [JSONValue]) -> [JSONValue] {
        var found: [String: JSONValue] = [:]
        for item in items {
            let name =
                item.at("metricLabels", FleetAPI.modelLabel)?.string ?? item.at("describedObject", "name")?.string ?? ""
            let isOlder = (item["timestamp"]?.string ?? "") < (found[name]?["timestamp"]?.string ?? "")
            if !isOlder { found[name] = item }
        }
        return found.sorted { $0.key < $1.key }.map(\.value)
    }
}
