// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// The common mistakes in services.
enum ServiceValidation {
    static func check(_ object: JSONValue, _ causes: inout FieldCauses) {
        let spec = object["spec"] ?? .emptyObject
        let type = spec["type"]?.string ?? ""
        let types = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"]
        if !types.contains(type) { causes.unsupported("spec.type", type, types) }
        if let affinity = spec["sessionAffinity"]?.string, !["ClientIP", "None"].contains(affinity) {
            causes.unsupported("spec.sessionAffinity", affinity, ["ClientIP", "None"])
        }
        let ports = spec["ports"]?.array ?? []
        if ports.isEmpty, spec["clusterIP"] != "None", type != "ExternalName" { causes.required("spec.ports") }
        if type == "ExternalName", spec["externalName"]?.string?.isEmpty ?? true {
            causes.required("spec.externalName")
        }
        BuiltInValidation.labels(spec["selector"], "spec.selector", &causes)
        var names: Set<String> = []
        for (index, port) in ports.enumerated() {
            let place = "spec.ports[\(index)]"
            let name = port["name"]?.string ?? ""
            if name.isEmpty {
                if ports.count > 1 { causes.required("\(place).name") }
            } else {
                for problem in NameRules.labelProblems(name) { causes.invalid("\(place).name", .string(name), problem) }
                if !names.insert(name).inserted { causes.duplicate("\(place).name", .string(name)) }
            }
            causes.port("\(place).port", port["port"] ?? 0)
            causes.port("\(place).targetPort", port["targetPort"])
            if let text = port["protocol"]?.string, !["SCTP", "TCP", "UDP"].contains(text) {
                causes.unsupported("\(place).protocol", text, ["SCTP", "TCP", "UDP"])
            }
        }
        checkDuplicates(ports, &causes)
    }

    private static func checkDuplicates(_ ports: [JSONValue], _ causes: inout FieldCauses) {
        var seen: Set<[JSONValue]> = []
        for (index, port) in ports.enumerated() {
            let number = port["port"] ?? 0
            let transport = port["protocol"] ?? "TCP"
            if seen.insert([number, transport]).inserted { continue }
            let appProtocol = port["appProtocol"]?.jsonText ?? "null"
            // The API server shows its internal value, without the defaults that depend on other fields.
            causes.duplicate(
                "spec.ports[\(index)]",
                shown: "{\"Name\":\(JSONValue.string(port["name"]?.string ?? "").jsonText),\"Protocol\":"
                    + "\(transport.jsonText),\"AppProtocol\":\(appProtocol),\"Port\":\(number.jsonText),"
                    + "\"TargetPort\":\(port["targetPort"].map { $0 == number ? "0" : $0.jsonText } ?? "0"),"
                    + "\"NodePort\":\(port["nodePort"]?.jsonText ?? "0")}"
            )
        }
    }

    /// A service keeps its address.
    static func checkUpdate(_ old: JSONValue, _ new: JSONValue, _ causes: inout FieldCauses) {
        guard new.at("spec", "type") != "ExternalName", old.at("spec", "type") != "ExternalName",
            let before = old.at("spec", "clusterIP")?.string, !before.isEmpty,
            let after = new.at("spec", "clusterIP")?.string, before != after
        else { return }
        causes.invalid("spec.clusterIPs[0]", [.string(after)], "may not change once set")
    }
}
