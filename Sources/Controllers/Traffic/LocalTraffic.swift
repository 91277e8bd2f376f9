// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import FleetAPI
import KubeModel
import Rollouts

/// The local cluster's Service proxy: one annotation on the root Service, followed for each request.
struct LocalTraffic: TrafficProvider {
    let name = "Local"

    func objects(for split: TrafficSplit, namespace: String) -> [TrafficObject] { [Self.service(split, namespace)] }

    func plan(_ split: TrafficSplit, namespace: String, live: [TrafficObject: KubeObject]) -> TrafficPlan {
        let object = Self.service(split, namespace)
        guard let service = live[object] else {
            return TrafficPlan(problems: [.blocking("ServiceMissing", "there is no \(object) yet")])
        }
        let present = service.annotation(FleetAPI.trafficAnnotation)
        let rule = present.flatMap { try? TrafficRule(annotation: $0) }
        var plan = TrafficPlan(
            observed: ObservedTraffic(
                weight: rule?.backends.first { $0.service == split.canaryService }?.weight ?? 0
            )
        )
        let wanted = split.isAtRest ? nil : Self.rule(split)
        guard wanted != rule || (present == nil) != (wanted == nil) else { return plan }
        let value: JSONValue = wanted.map { .string($0.annotation) } ?? .null
        let patch = RoutePatch.metadata(service, ["annotations": [FleetAPI.trafficAnnotation: value]])
        plan.writes = [.patch(object, patch)]
        return plan
    }

    /// The rule that says `split`.
    static func rule(_ split: TrafficSplit) -> TrafficRule {
        TrafficRule(
            backends: [.init(service: split.canaryService, weight: split.weight)],
            stickyHeader: split.stickyHeader,
            mirror: split.mirrorPercent > 0
                ? .init(service: split.canaryService, percent: split.mirrorPercent) : nil,
            matches: split.matches.map { .init(header: $0.header, value: $0.value, service: split.canaryService) }
        )
    }

    private static func service(_ split: TrafficSplit, _ namespace: String) -> TrafficObject {
        TrafficObject(type: .services, key: ObjectKey(namespace: namespace, name: split.rootService))
    }
}
