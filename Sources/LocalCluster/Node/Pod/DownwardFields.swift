// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// What a pod may be told of itself, in variables and in files.
enum DownwardFields {
    private static let plain = [
        "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName",
    ]

    /// The value of a `fieldRef`.
    /// - Throws: `StartFailure` for a field that may not be named.
    static func field(_ path: String, pod: KubeObject, address: String) throws(StartFailure) -> String {
        switch path {
        case "status.podIP", "status.podIPs": return address
        case "status.hostIP", "status.hostIPs": return "127.0.0.1"
        case "metadata.labels": return lines(pod.labels)
        case "metadata.annotations": return lines(pod.annotations)
        default: break
        }
        for (prefix, values) in [("metadata.labels", pod.labels), ("metadata.annotations", pod.annotations)]
        where path.hasPrefix(prefix + "['") && path.hasSuffix("']") {
            return values[String(path.dropFirst(prefix.count + 2).dropLast(2))] ?? ""
        }
        guard plain.contains(path) else {
            throw StartFailure(kind: .configuration, message: "unsupported fieldPath: \(path)")
        }
        return pod.json.value(at: path.split(separator: ".").map(String.init))?.string ?? ""
    }

    /// The value of a `resourceFieldRef`: a whole number of divisors, rounded up. A limit that isn't set is what the node
    /// has, and nothing enforces it: zero here.
    /// - Throws: `StartFailure` for a resource that may not be named, or a divisor that is none.
    static func resource(
        _ reference: JSONValue,
        pod: KubeObject,
        container: JSONValue
    ) throws(StartFailure) -> String {
        var container = container
        if let name = reference["containerName"]?.string {
            let all = (pod["spec", "containers"]?.array ?? []) + (pod["spec", "initContainers"]?.array ?? [])
            container = all.first { $0["name"]?.string == name } ?? container
        }
        let path = reference["resource"]?.string ?? ""
        let parts = path.split(separator: ".", maxSplits: 1).map(String.init)
        guard parts.count == 2, parts[0] == "limits" || parts[0] == "requests" else {
            throw StartFailure(kind: .configuration, message: "unsupported container resource : \(path)")
        }
        let amount = Quantity(container.at("resources", parts[0], parts[1])) ?? Quantity(0)
        let divisor = Quantity(reference["divisor"]).flatMap { $0 == Quantity(0) ? nil : $0 } ?? Quantity(1)
        return String(amount.count(of: divisor))
    }

    /// One line an entry, sorted: `key="value"`, with quotes, backslashes and control characters escaped.
    private static func lines(_ entries: [String: String]) -> String {
        entries.sorted { $0.key < $1.key }.map { key, value in
            var text = ""
            for character in value.unicodeScalars {
                switch character {
                case "\"", "\\": text += "\\\(character)"
                case "\n": text += "\\n"
                case "\r": text += "\\r"
                case "\t": text += "\\t"
                default: text.unicodeScalars.append(character)
                }
            }
            return "\(key)=\"\(text)\""
        }.joined(separator: "\n")
    }
}
