// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import HTTPTypes
import KubeAPI
import KubeModel
import KubeRuntime

/// Says of each APIService whether its server answers: the condition `Available` (kube-aggregator's
/// `available_controller.go`, Kubernetes 1.36).
struct APIServiceReconciler: Reconciler {
    /// The API, which hands on to the servers.
    let client: KubeClient
    /// APIServices.
    let apiServices: ObjectStore
    /// Services.
    let services: ObjectStore
    /// Endpoint slices.
    let slices: ObjectStore
    /// The clock.
    let time: any TimeSource

    /// The time between two looks at a server that answers.
    static let interval = Duration.seconds(30)
    /// The same for one that doesn't.
    static let shortInterval = Duration.seconds(2)

    func reconcile(_ key: ObjectKey) async throws -> ReconcileOutcome {
        guard let found = apiServices.object(key), !found.isBeingDeleted else { return .awaitChange }
        let verdict = await verdict(found)
        var conditions = ConditionSet(found)
        let before = conditions.json
        conditions.set(verdict, now: time.now())
        if conditions.json != before {
            try await client.patch(
                .apiServices,
                key,
                .merge(["status": ["conditions": conditions.json]]),
                subresource: "status"
            )
        }
        guard found["spec", "service"]?.object != nil else { return .awaitChange }
        return .requeue(after: verdict.status == .isTrue ? Self.interval : Self.shortInterval)
    }

    private func verdict(_ found: KubeObject) async -> Condition {
        func condition(_ status: Condition.Status, _ reason: String, _ message: String) -> Condition {
            Condition(type: "Available", status: status, reason: reason, message: message)
        }
        guard let reference = found["spec", "service"], reference.object != nil else {
            return condition(.isTrue, "Local", "Local APIServices are always available")
        }
        let name = reference["name"]?.string ?? ""
        let namespace = reference["namespace"]?.string ?? ""
        let port = reference["port"]?.integer ?? 443
        guard let service = services.object(ObjectKey(namespace: namespace, name: name)) else {
            return condition(.isFalse, "ServiceNotFound", "service/\(name) in \"\(namespace)\" is not present")
        }
        if service["spec", "type"] != "ExternalName" {
            let entry = (service["spec", "ports"]?.array ?? []).first { $0["port"]?.integer == port }
            guard let entry else {
                return condition(
                    .isFalse,
                    "ServicePortError",
                    "service/\(name) in \"\(namespace)\" is not listening on port \(port)"
                )
            }
            guard hasEndpoint(namespace, name, portName: entry["name"]?.string ?? "") else {
                return condition(
                    .isFalse,
                    "MissingEndpoints",
                    "endpoints for service/\(name) in \"\(namespace)\" have no addresses with port name \""
                        + "\(entry["name"]?.string ?? "")\""
                )
            }
        }
        let path = "/apis/\(found["spec", "group"]?.string ?? "")/\(found["spec", "version"]?.string ?? "")"
        do {
            var client = client
            client.timeout = .seconds(5)  // kube-aggregator's discovery client.
            client.retries = 0
            _ = try await client.raw(.get, path)
        } catch {
            return condition(
                .isFalse,
                "FailedDiscoveryCheck",
                "failing or missing response from \(path): \(error.message)"
            )
        }
        return condition(.isTrue, "Passed", "all checks passed")
    }

    private func hasEndpoint(_ namespace: String, _ service: String, portName: String) -> Bool {
        slices.all(namespace: namespace).contains { slice in
            guard slice.labels[EndpointSlicePlan.serviceLabel] == service else { return false }
            let hasPort = (slice["ports"]?.array ?? []).contains { ($0["name"]?.string ?? "") == portName }
            let isReady = (slice["endpoints"]?.array ?? []).contains { endpoint in
                endpoint.at("conditions", "ready") != false && endpoint["addresses"]?.array?.isEmpty == false
            }
            return hasPort && isReady
        }
    }
}
