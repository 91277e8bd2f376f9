// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// Defaults of pods and pod templates.
enum PodDefaults {
    /// A pod spec with its defaults; a pod itself gets a few more than a template.
    static func podSpec(_ spec: JSONValue, isTemplate: Bool) -> JSONValue {
        var spec = spec
        spec.fill("Always", at: "restartPolicy")
        spec.fill(30, at: "terminationGracePeriodSeconds")
        spec.fill("ClusterFirst", at: "dnsPolicy")
        spec.fill(.emptyObject, at: "securityContext")
        spec.fill("default-scheduler", at: "schedulerName")
        let isHostNetwork = spec["hostNetwork"]?.bool ?? false
        for name in ["containers", "initContainers"] {
            spec.mapElements(at: name) { container(&$0, isHostNetwork: isHostNetwork, isTemplate: isTemplate) }
        }
        spec.mapElements(at: "volumes", body: volume)
        if let account = spec["serviceAccountName"], spec["serviceAccount"] == nil { spec["serviceAccount"] = account }
        if let account = spec["serviceAccount"], spec["serviceAccountName"] == nil {
            spec["serviceAccountName"] = account
        }
        if !isTemplate {
            spec.fill(true, at: "enableServiceLinks")
            spec.fill(0, at: "priority")
            spec.fill("PreemptLowerPriority", at: "preemptionPolicy")
            tolerations(&spec)
        }
        return spec
    }

    /// Pods tolerate a missing node for five minutes (admission plugin DefaultTolerationSeconds).
    private static func tolerations(_ spec: inout JSONValue) {
        var list = spec["tolerations"]?.array ?? []
        for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
            let isTolerated = list.contains {
                ($0["key"]?.string == key || $0["key"] == nil) && ["NoExecute", nil].contains($0["effect"]?.string)
            }
            if isTolerated { continue }
            list.append([
                "key": .string(key), "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300,
            ])
        }
        spec["tolerations"] = .array(list)
    }

    private static func container(_ container: inout JSONValue, isHostNetwork: Bool, isTemplate: Bool) {
        container.fill("/dev/termination-log", at: "terminationMessagePath")
        container.fill("File", at: "terminationMessagePolicy")
        let image = container["image"]?.string ?? ""
        container.fill(.string(isLatest(image) ? "Always" : "IfNotPresent"), at: "imagePullPolicy")
        container.mapElements(at: "ports") { port in
            port.fill("TCP", at: "protocol")
            if isHostNetwork, let number = port["containerPort"] { port.fill(number, at: "hostPort") }
        }
        resources(&container, isTemplate: isTemplate)
        for name in ["livenessProbe", "readinessProbe", "startupProbe"] where container[name]?.object != nil {
            probe(&container, name)
        }
        for hook in ["postStart", "preStop"] where container.at("lifecycle", hook, "httpGet") != nil {
            container.fill("/", at: "lifecycle", hook, "httpGet", "path")
            container.fill("HTTP", at: "lifecycle", hook, "httpGet", "scheme")
        }
        container.mapElements(at: "env") { variable in
            if variable.at("valueFrom", "fieldRef") != nil {
                variable.fill("v1", at: "valueFrom", "fieldRef", "apiVersion")
            }
            if variable.at("valueFrom", "resourceFieldRef") != nil {
                variable.fill("0", at: "valueFrom", "resourceFieldRef", "divisor")
            }
        }
    }

    /// Requests default to limits, and quantities get their canonical form.
    private static func resources(_ container: inout JSONValue, isTemplate: Bool) {
        for kind in ["limits", "requests"] {
            guard let amounts = container.at("resources", kind)?.object else { continue }
            container.set(.object(amounts.mapValues(canonical)), at: "resources", kind)
        }
        // A template says what its author said; the pods made of it get the requests.
        guard !isTemplate, let limits = container.at("resources", "limits")?.object else { return }
        for (name, limit) in limits { container.fill(limit, at: "resources", "requests", name) }
    }

    private static func canonical(_ value: JSONValue) -> JSONValue { CanonicalQuantity.of(value) }

    private static func probe(_ container: inout JSONValue, _ name: String) {
        container.fill(1, at: name, "timeoutSeconds")
        container.fill(10, at: name, "periodSeconds")
        container.fill(1, at: name, "successThreshold")
        container.fill(3, at: name, "failureThreshold")
        if container.at(name, "httpGet") != nil {
            container.fill("/", at: name, "httpGet", "path")
            container.fill("HTTP", at: name, "httpGet", "scheme")
        }
        if container.at(name, "grpc") != nil { container.fill("", at: name, "grpc", "service") }
    }

    private static func volume(_ volume: inout JSONValue) {
        for source in ["configMap", "secret", "projected", "downwardAPI"] where volume[source] != nil {
            volume.fill(420, at: source, "defaultMode")  // 0644
        }
        if volume["hostPath"] != nil { volume.fill("", at: "hostPath", "type") }
        if volume.object?.count == 1 { volume["emptyDir"] = .emptyObject }
    }

    /// Whether an image reference has the tag `latest`, or none and no digest.
    static func isLatest(_ image: String) -> Bool {
        if image.contains("@") { return false }
        let name = image.split(separator: "/", omittingEmptySubsequences: false).last ?? ""
        guard let colon = name.lastIndex(of: ":") else { return true }
        return name[name.index(after: colon)...] == "latest"
    }

    /// `Guaranteed`, `Burstable` or `BestEffort`, by the resources of all containers.
    static func qualityOfService(_ spec: JSONValue?) -> String {
        let containers = (spec?["containers"]?.array ?? []) + (spec?["initContainers"]?.array ?? [])
        var isGuaranteed = true
        var hasAny = false
        for container in containers {
            for name in ["cpu", "memory"] {
                let limit = container.at("resources", "limits", name)
                let request = container.at("resources", "requests", name)
                if limit != nil || request != nil { hasAny = true }
                if limit == nil || request != limit { isGuaranteed = false }
            }
        }
        return !hasAny ? "BestEffort" : isGuaranteed ? "Guaranteed" : "Burstable"
    }
}
