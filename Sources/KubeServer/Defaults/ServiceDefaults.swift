// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// Defaults of services that need no other object; addresses and families are the server's to allocate.
enum ServiceDefaults {
    static func apply(to object: inout JSONValue) {
        object.fill("ClusterIP", at: "spec", "type")
        object.fill("None", at: "spec", "sessionAffinity")
        if object.at("spec", "sessionAffinity") == "ClientIP" {
            // Three hours, the API's constant.
            object.fill(10_800, at: "spec", "sessionAffinityConfig", "clientIP", "timeoutSeconds")
        } else {
            object.set(nil, at: "spec", "sessionAffinityConfig")
        }
        let type = object.at("spec", "type")?.string
        object.mapElements(at: "spec", "ports") { port in
            port.fill("TCP", at: "protocol")
            if port["targetPort"] == nil || port["targetPort"] == .null || port["targetPort"] == "" {
                port["targetPort"] = port["port"]
            }
        }
        if type == "NodePort" || type == "LoadBalancer" { object.fill("Cluster", at: "spec", "externalTrafficPolicy") }
        if type == "LoadBalancer" { object.fill(true, at: "spec", "allocateLoadBalancerNodePorts") }
        if type != "ExternalName" { object.fill("Cluster", at: "spec", "internalTrafficPolicy") }
    }
}
