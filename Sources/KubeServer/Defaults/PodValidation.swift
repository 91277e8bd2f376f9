// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// The common mistakes in pods and pod templates.
enum PodValidation {
    static func check(_ spec: JSONValue, _ path: String, isTemplate: Bool, _ causes: inout FieldCauses) {
        let containers = spec["containers"]?.array ?? []
        if containers.isEmpty { causes.required("\(path).containers") }
        let volumes = Set((spec["volumes"]?.array ?? []).compactMap { $0["name"]?.string })
        var names: Set<String> = []
        for (list, items) in [("containers", containers), ("initContainers", spec["initContainers"]?.array ?? [])] {
            for (index, container) in items.enumerated() {
                let place = "\(path).\(list)[\(index)]"
                check(container, place, volumes: volumes, &causes)
                if let name = container["name"]?.string, !name.isEmpty, !names.insert(name).inserted {
                    causes.duplicate("\(place).name", .string(name))
                }
            }
        }
        checkVolumes(spec["volumes"]?.array ?? [], "\(path).volumes", &causes)
        let allowed = isTemplate ? ["Always"] : ["Always", "Never", "OnFailure"]
        if let policy = spec["restartPolicy"]?.string, !allowed.contains(policy) {
            causes.unsupported("\(path).restartPolicy", policy, allowed)
        }
        let policies = ["ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"]
        if let policy = spec["dnsPolicy"]?.string, !policies.contains(policy) {
            causes.unsupported("\(path).dnsPolicy", policy, policies)
        }
        if let seconds = spec["terminationGracePeriodSeconds"], let number = seconds.integer, number < 0 {
            causes.invalid("\(path).terminationGracePeriodSeconds", seconds, "must be greater than or equal to 0")
        }
    }

    private static func checkVolumes(_ volumes: [JSONValue], _ path: String, _ causes: inout FieldCauses) {
        var seen: Set<String> = []
        for (index, volume) in volumes.enumerated() {
            let name = volume["name"]?.string ?? ""
            if name.isEmpty { causes.required("\(path)[\(index)].name") }
            if !name.isEmpty, !seen.insert(name).inserted {
                causes.duplicate("\(path)[\(index)].name", .string(name))
            }
            if (volume.object?.count ?? 0) > 2 {
                let extra = volume.object?.keys.first { $0 != "name" } ?? ""
                causes.forbidden("\(path)[\(index)].\(extra)", "may not specify more than 1 volume type")
            }
            DivisorRules.check(volume: volume, "\(path)[\(index)]", &causes)
        }
    }

    private static func check(
        _ container: JSONValue,
        _ path: String,
        volumes: Set<String>,
        _ causes: inout FieldCauses
    ) {
        let name = container["name"]?.string ?? ""
        if name.isEmpty {
            causes.required("\(path).name")
        } else {
            for problem in NameRules.labelProblems(name) { causes.invalid("\(path).name", .string(name), problem) }
        }
        let image = container["image"]?.string ?? ""
        if image.isEmpty {
            causes.required("\(path).image")
        } else if image.first?.isWhitespace ?? false || image.last?.isWhitespace ?? false {
            causes.invalid("\(path).image", .string(image), "must not have leading or trailing whitespace")
        }
        let policies = ["Always", "IfNotPresent", "Never"]
        if let policy = container["imagePullPolicy"]?.string, !policies.contains(policy) {
            causes.unsupported("\(path).imagePullPolicy", policy, policies)
        }
        checkPorts(container["ports"]?.array ?? [], "\(path).ports", &causes)
        for (index, variable) in (container["env"]?.array ?? []).enumerated() {
            if variable["name"]?.string?.isEmpty ?? true { causes.required("\(path).env[\(index)].name") }
            if variable["valueFrom"] != nil, !(variable["value"]?.string ?? "").isEmpty {
                causes.invalid(
                    "\(path).env[\(index)].valueFrom",
                    "",
                    "may not be specified when `value` is not empty"
                )
            }
            DivisorRules.check(variable["valueFrom"], "\(path).env[\(index)].valueFrom", &causes)
        }
        for (index, mount) in (container["volumeMounts"]?.array ?? []).enumerated() {
            let place = "\(path).volumeMounts[\(index)]"
            if let name = mount["name"]?.string, !volumes.contains(name) {
                causes.notFound("\(place).name", .string(name))
            }
            if mount["mountPath"]?.string?.isEmpty ?? true { causes.required("\(place).mountPath") }
        }
        checkResources(container, path, &causes)
        for probe in ["livenessProbe", "readinessProbe", "startupProbe"] where container[probe]?.object != nil {
            checkProbe(container[probe] ?? .null, probe, "\(path).\(probe)", &causes)
        }
    }

    private static func checkPorts(_ ports: [JSONValue], _ path: String, _ causes: inout FieldCauses) {
        var names: Set<String> = []
        for (index, port) in ports.enumerated() {
            let place = "\(path)[\(index)]"
            if let number = port["containerPort"], number != 0 {
                causes.port("\(place).containerPort", number)
            } else {
                causes.required("\(place).containerPort")
            }
            if let host = port["hostPort"], host != 0 { causes.port("\(place).hostPort", host) }
            if let text = port["protocol"]?.string, !["SCTP", "TCP", "UDP"].contains(text) {
                causes.unsupported("\(place).protocol", text, ["SCTP", "TCP", "UDP"])
            }
            guard let name = port["name"]?.string, !name.isEmpty else { continue }
            if name.utf8.count > 15 {
                causes.invalid("\(place).name", .string(name), "must be no more than 15 characters")
            }
            if !names.insert(name).inserted { causes.duplicate("\(place).name", .string(name)) }
        }
    }

    private static func checkResources(_ container: JSONValue, _ path: String, _ causes: inout FieldCauses) {
        for (name, request) in container.at("resources", "requests")?.object ?? JSONObject() {
            guard let limit = container.at("resources", "limits", name), limit != request,
                let low = number(request), let high = number(limit), low > high
            else { continue }
            causes.invalid(
                "\(path).resources.requests",
                request,
                "must be less than or equal to \(name) limit of \(limit.string ?? limit.jsonText)"
            )
        }
    }

    /// A canonical quantity as a number, to compare.
    private static func number(_ value: JSONValue) -> Double? {
        guard let text = value.string else { return value.double }
        let digits = text.prefix { "0123456789.+-".contains($0) }
        let factors: [String: Double] = [
            "": 1, "n": 1e-9, "u": 1e-6, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18,
            "Ki": 1024, "Mi": 1_048_576, "Gi": 1_073_741_824, "Ti": 1_099_511_627_776,
        ]
        guard let factor = factors[String(text.dropFirst(digits.count))], let mantissa = Double(digits) else {
            return nil
        }
        return mantissa * factor
    }

    private static func checkProbe(
        _ probe: JSONValue,
        _ kind: String,
        _ path: String,
        _ causes: inout FieldCauses
    ) {
        let handlers = ["exec", "grpc", "httpGet", "tcpSocket"].filter { probe[$0] != nil }
        if handlers.isEmpty { causes.required(path, "must specify a handler type") }
        for handler in handlers.dropFirst() {
            causes.forbidden("\(path).\(handler)", "may not specify more than 1 handler type")
        }
        for name in ["initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"] {
            if let value = probe[name], let number = value.integer, number < 0 {
                causes.invalid("\(path).\(name)", value, "must be greater than or equal to 0")
            }
        }
        if kind != "readinessProbe", let value = probe["successThreshold"], value != 1 {
            causes.invalid("\(path).successThreshold", value, "must be 1")
        }
        for handler in ["httpGet", "tcpSocket"] {
            if let port = probe.at(handler, "port") { causes.port("\(path).\(handler).port", port) }
        }
    }

    /// Only images, deadlines and additional tolerations of a pod may change.
    static func checkUpdate(_ old: JSONValue, _ new: JSONValue, _ causes: inout FieldCauses) {
        func fixed(_ object: JSONValue) -> JSONValue {
            var spec = object["spec"] ?? .emptyObject
            for list in ["containers", "initContainers"] { spec.mapElements(at: list) { $0["image"] = nil } }
            for name in ["activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds", "nodeName"] {
                spec[name] = nil
            }
            return spec
        }
        let nodeChanged = old.at("spec", "nodeName") != nil && old.at("spec", "nodeName") != new.at("spec", "nodeName")
        guard fixed(old) != fixed(new) || nodeChanged else { return }
        causes.forbidden(
            "spec",
            "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
                + "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
                + "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
        )
    }
}
