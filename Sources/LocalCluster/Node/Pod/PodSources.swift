// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import KubeAPI
import KubeModel

/// A config map or secret that pods may hold copies of.
enum PodSource: Sendable, Hashable {
    /// A config map.
    case configMap(ObjectKey)
    /// A secret.
    case secret(ObjectKey)

    /// Whether `pod` names it.
    func isNamed(by pod: KubeObject) -> Bool {
        let (maps, secrets) = PodSources.names(in: pod)
        return switch self {
        case .configMap(let key): key.namespace == pod.namespace && maps.contains(key.name)
        case .secret(let key): key.namespace == pod.namespace && secrets.contains(key.name)
        }
    }
}

/// Reads the config maps and secrets that a pod names.
struct PodSources {
    /// The API.
    let client: KubeClient

    /// What is there of what `pod` names; missing ones are left out.
    func load(for pod: KubeObject) async throws(StartFailure) -> ContainerCommand.Sources {
        var sources = ContainerCommand.Sources()
        let (maps, secrets) = Self.names(in: pod)
        for name in maps.sorted() { sources.configMaps[name] = try await find(.configMaps, name, pod) }
        for name in secrets.sorted() { sources.secrets[name] = try await find(.secrets, name, pod) }
        return sources
    }

    private func find(_ type: ResourceType, _ name: String, _ pod: KubeObject) async throws(StartFailure) -> KubeObject?
    {
        do {
            return try await client.find(type, ObjectKey(namespace: pod.namespace, name: name))
        } catch {
            throw StartFailure(kind: .configuration, message: "can't read \(type) \"\(name)\": \(error.message)")
        }
    }

    /// The names of config maps and secrets that a pod's containers and volumes refer to.
    static func names(in pod: KubeObject) -> (configMaps: Set<String>, secrets: Set<String>) {
        var maps: Set<String> = []
        var secrets: Set<String> = []
        func add(_ name: JSONValue?, to names: inout Set<String>) { if let name = name?.string { names.insert(name) } }
        for container in (pod["spec", "initContainers"]?.array ?? []) + (pod["spec", "containers"]?.array ?? []) {
            for source in container["envFrom"]?.array ?? [] {
                add(source.at("configMapRef", "name"), to: &maps)
                add(source.at("secretRef", "name"), to: &secrets)
            }
            for entry in container["env"]?.array ?? [] {
                add(entry.at("valueFrom", "configMapKeyRef", "name"), to: &maps)
                add(entry.at("valueFrom", "secretKeyRef", "name"), to: &secrets)
            }
        }
        for volume in pod["spec", "volumes"]?.array ?? [] {
            add(volume.at("configMap", "name"), to: &maps)
            add(volume.at("secret", "secretName"), to: &secrets)
            for part in volume.at("projected", "sources")?.array ?? [] {
                add(part.at("configMap", "name"), to: &maps)
                add(part.at("secret", "name"), to: &secrets)
            }
        }
        return (maps, secrets)
    }
}

/// Finds programs as a shell does.
enum ExecutableSearch {
    /// The first executable file called `name` in the folders of `path`; `nil` when there is none.
    static func path(of name: String, in path: String) -> String? {
        path.split(separator: ":").map { "\($0)/\(name)" }.first { FileManager.default.isExecutableFile(atPath: $0) }
    }
}
