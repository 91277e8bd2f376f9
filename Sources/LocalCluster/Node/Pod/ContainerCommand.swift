// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// The command line and environment of a container, as a pure function of its pod and of what the pod refers to.
struct ContainerCommand: Equatable {
    /// The objects that environment variables are taken from.
    struct Sources: Sendable {
        /// Config maps of the pod's namespace by name.
        var configMaps: [String: KubeObject] = [:]
        /// Secrets of the pod's namespace by name.
        var secrets: [String: KubeObject] = [:]
    }

    /// The executable.
    var executable: String
    /// The arguments.
    var arguments: [String]
    /// The whole environment.
    var environment: [String: String]

    /// Puts a container's command together.
    ///
    /// `command` replaces the image's executable and `args` its arguments, as in Kubernetes; `$(NAME)` is replaced by
    /// the variable where there is one, and `$$` stands for a dollar sign. `root` is the folder that stands for the
    /// container's file system.
    init(
        pod: KubeObject,
        container: JSONValue,
        image: LocalImages.Entry,
        address: String,
        searchPath: String,
        root: String? = nil,
        sources: Sources
    ) throws(StartFailure) {
        let own = ["PATH": searchPath, "POD_IP": address, "MODELFLEET_HOST": address, "HOSTNAME": pod.name]
        var variables = own.merging(image.environment) { _, given in given }
        variables["MODELFLEET_ROOT"] = root
        for source in container["envFrom"]?.array ?? [] {
            try Self.addAll(source, sources: sources, to: &variables)
        }
        for entry in container["env"]?.array ?? [] {
            guard let name = entry["name"]?.string else { continue }
            if let from = entry["valueFrom"], from.object != nil {
                variables[name] = try Self.value(
                    from,
                    pod: pod,
                    container: container,
                    address: address,
                    sources: sources
                )
            } else {
                variables[name] = Self.expand(entry["value"]?.string ?? "", variables)
            }
        }
        environment = variables
        let command = (container["command"]?.array ?? []).compactMap(\.string).map { Self.expand($0, variables) }
        let given = container["args"]?.array?.compactMap(\.string).map { Self.expand($0, variables) }
        executable = command.first ?? image.executable
        arguments = command.isEmpty ? given ?? image.arguments : Array(command.dropFirst()) + (given ?? [])
    }

    /// Replaces `$(NAME)`; what isn't known stays as it is.
    static func expand(_ text: String, _ variables: [String: String]) -> String {
        var result = ""
        var rest = text[...]
        while let dollar = rest.firstIndex(of: "$") {
            result += rest[..<dollar]
            let after = rest[rest.index(after: dollar)...]
            if after.first == "$" {
                result += "$"
                rest = after.dropFirst()
            } else if after.first == "(", let end = after.firstIndex(of: ")") {
                let name = String(after[after.index(after: after.startIndex)..<end])
                result += variables[name] ?? "$(\(name))"
                rest = after[after.index(after: end)...]
            } else {
                result += "$"
                rest = after
            }
        }
        return result + rest
    }

    private static func addAll(
        _ source: JSONValue,
        sources: Sources,
        to variables: inout [String: String]
    ) throws(StartFailure) {
        let prefix = source["prefix"]?.string ?? ""
        for (member, kind) in [("configMapRef", "configmap"), ("secretRef", "secret")] {
            guard let name = source.at(member, "name")?.string else { continue }
            let object = kind == "secret" ? sources.secrets[name] : sources.configMaps[name]
            guard let object else {
                if source.at(member, "optional")?.bool ?? false { continue }
                throw StartFailure(kind: .configuration, message: "\(kind) \"\(name)\" not found")
            }
            for (key, value) in ObjectData.texts(of: object) { variables[prefix + key] = value }
        }
    }

    private static func value(
        _ from: JSONValue,
        pod: KubeObject,
        container: JSONValue,
        address: String,
        sources: Sources
    ) throws(StartFailure) -> String? {
        if let path = from.at("fieldRef", "fieldPath")?.string {
            return try DownwardFields.field(path, pod: pod, address: address)
        }
        if let reference = from["resourceFieldRef"], reference.object != nil {
            return try DownwardFields.resource(reference, pod: pod, container: container)
        }
        for (member, kind, title) in [
            ("configMapKeyRef", "configmap", "ConfigMap"), ("secretKeyRef", "secret", "Secret"),
        ] {
            guard let reference = from[member], let name = reference["name"]?.string,
                let key = reference["key"]?.string
            else { continue }
            let object = kind == "secret" ? sources.secrets[name] : sources.configMaps[name]
            if let value = object.flatMap({ ObjectData.texts(of: $0)[key] }) { return value }
            if reference["optional"]?.bool ?? false { return nil }
            let message =
                object == nil
                ? "\(kind) \"\(name)\" not found"
                : "couldn't find key \(key) in \(title) \(pod.namespace ?? "")/\(name)"
            throw StartFailure(kind: .configuration, message: message)
        }
        throw StartFailure(kind: .configuration, message: "a variable's valueFrom names nothing that is supported")
    }
}
