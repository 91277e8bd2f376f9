// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import KubeModel

/// A pod's folder: the working directory of its containers, with its volumes.
///
/// There are no mounts: a volume is the folder `volumes/NAME`, and a container that mounts it at `/etc/config` finds it
/// under the relative path `etc/config`. Absolute paths in arguments aren't rewritten.
struct PodFolder: Sendable {
    /// Where it is.
    let path: String

    /// Makes the folder, its volumes, and a link for each mount.
    func prepare(pod: KubeObject, sources: ContainerCommand.Sources) throws(StartFailure) {
        do {
            try makeFolder(path)
            for volume in pod["spec", "volumes"]?.array ?? [] { try makeVolume(volume, sources: sources) }
            let containers = (pod["spec", "initContainers"]?.array ?? []) + (pod["spec", "containers"]?.array ?? [])
            for container in containers {
                for mount in container["volumeMounts"]?.array ?? [] { try link(mount) }
            }
        } catch let failure as StartFailure {
            throw failure
        } catch {
            throw StartFailure(kind: .configuration, message: "can't prepare the folder \(path): \(error)")
        }
    }

    /// The working directory of a container; a `workingDir` is taken below the pod's folder.
    func workingDirectory(of container: JSONValue) throws(StartFailure) -> String {
        guard let wanted = container["workingDir"]?.string, !wanted.isEmpty else { return path }
        let full = path + "/" + Self.inside(wanted)
        do { try makeFolder(full) } catch {
            throw StartFailure(kind: .configuration, message: "can't make the working directory \(full): \(error)")
        }
        return full
    }

    /// Removes the folder with everything in it.
    func remove() { try? FileManager.default.removeItem(atPath: path) }

    private func makeFolder(_ path: String) throws {
        try FileManager.default.createDirectory(
            atPath: path,
            withIntermediateDirectories: true,
            attributes: [.posixPermissions: 0o700]
        )
    }

    private func makeVolume(_ volume: JSONValue, sources: ContainerCommand.Sources) throws {
        guard let name = volume["name"]?.string, !name.contains("/"), !name.hasPrefix(".") else { return }
        let folder = path + "/volumes/" + name
        if let target = volume.at("hostPath", "path")?.string {
            try makeFolder(path + "/volumes")
            if !FileManager.default.fileExists(atPath: folder) {
                try FileManager.default.createSymbolicLink(atPath: folder, withDestinationPath: target)
            }
            return
        }
        try makeFolder(folder)
        if volume["emptyDir"] != nil { return }
        if let map = volume["configMap"] {
            try fill(folder, from: map["name"]?.string, of: sources.configMaps, map, kind: "configmap")
        } else if let secret = volume["secret"] {
            try fill(folder, from: secret["secretName"]?.string, of: sources.secrets, secret, kind: "secret")
        } else {
            throw StartFailure(
                kind: .configuration,
                message: "MountVolume.SetUp failed for volume \"\(name)\": the local cluster has only emptyDir, "
                    + "configMap, secret and hostPath volumes"
            )
        }
    }

    private func fill(
        _ folder: String,
        from name: String?,
        of objects: [String: KubeObject],
        _ source: JSONValue,
        kind: String
    ) throws {
        guard let name, let object = objects[name] else {
            if source["optional"]?.bool ?? false { return }
            throw StartFailure(
                kind: .configuration,
                message: "MountVolume.SetUp failed: \(kind) \"\(name ?? "")\" not found"
            )
        }
        let entries = ObjectData.bytes(of: object)
        let items = source["items"]?.array?.compactMap { item -> (String, String)? in
            guard let key = item["key"]?.string, let path = item["path"]?.string else { return nil }
            return (key, path)
        }
        for (key, file) in items ?? entries.keys.map({ ($0, $0) }) {
            guard let bytes = entries[key] else { continue }
            let target = folder + "/" + Self.inside(file)
            try makeFolder((target as NSString).deletingLastPathComponent)
            try Data(bytes).write(to: URL(fileURLWithPath: target), options: .atomic)
        }
    }

    private func link(_ mount: JSONValue) throws {
        guard let volume = mount["name"]?.string, let mountPath = mount["mountPath"]?.string else { return }
        let target = path + "/" + Self.inside(mountPath)
        guard target != path + "/", !FileManager.default.fileExists(atPath: target) else { return }
        try makeFolder((target as NSString).deletingLastPathComponent)
        let part = mount["subPath"]?.string.map { "/" + Self.inside($0) } ?? ""
        try? FileManager.default.createSymbolicLink(
            atPath: target,
            withDestinationPath: path + "/volumes/" + Self.inside(volume) + part
        )
    }

    /// A path without anything that leads out of its folder.
    private static func inside(_ path: String) -> String {
        path.split(separator: "/").filter { $0 != ".." && $0 != "." }.joined(separator: "/")
    }
}
