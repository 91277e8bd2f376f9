// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import KubeModel

/// A pod's folder: its volumes, and for each container a folder that stands for its file system.
///
/// There are no mounts. A volume is the folder `volumes/NAME`; a container starts in its own folder, `containers/NAME`,
/// where a volume that it mounts at `/etc/config` is the relative path `etc/config`. The variable `MODELFLEET_ROOT` names
/// that folder, for what needs an absolute path. Absolute paths in commands aren't rewritten, and nothing keeps a process
/// from writing to what is mounted read-only.
struct PodFolder: Sendable {
    /// Where it is.
    let path: String

    /// Where a container's file system is.
    func root(of container: JSONValue) -> String {
        path + "/containers/" + Self.inside(container["name"]?.string ?? "")
    }

    /// Makes the volumes of a pod, or brings those that are there up to date.
    /// - Throws: `StartFailure` with what is missing.
    func prepareVolumes(
        pod: KubeObject,
        address: String,
        sources: ContainerCommand.Sources
    ) throws(StartFailure) {
        do {
            for volume in pod["spec", "volumes"]?.array ?? [] {
                guard let name = volume["name"]?.string, !name.contains("/"), !name.hasPrefix(".") else { continue }
                let folder = path + "/volumes/" + name
                if let contents = try VolumeContents(volume, pod: pod, address: address, sources: sources) {
                    try VolumeWriter(folder: folder).write(contents)
                } else if let target = volume.at("hostPath", "path")?.string {
                    try VolumeWriter.makeFolder(path + "/volumes")
                    try link(folder, to: target)
                } else {
                    try VolumeWriter.makeFolder(folder)
                }
            }
        } catch let failure as StartFailure {
            throw failure
        } catch {
            throw StartFailure(kind: .mount, message: "can't set up the volumes below \(path): \(error)")
        }
    }

    /// Gives a container that starts a fresh file system with its mounts; answers its working directory, below it.
    /// - Throws: `StartFailure` when the file system doesn't let it.
    func prepareRoot(of container: JSONValue) throws(StartFailure) -> String {
        let root = root(of: container)
        do {
            try? FileManager.default.removeItem(atPath: root)
            try VolumeWriter.makeFolder(root)
            for mount in container["volumeMounts"]?.array ?? [] { try self.mount(mount, in: root) }
            try VolumeWriter.makeFolder((messageFile(of: container) as NSString).deletingLastPathComponent)
            guard let wanted = container["workingDir"]?.string, !wanted.isEmpty else { return root }
            let folder = root + "/" + Self.inside(wanted)
            try VolumeWriter.makeFolder(folder)
            return folder
        } catch {
            throw StartFailure(kind: .configuration, message: "can't make the folder \(root): \(error)")
        }
    }

    /// Where a container's working directory is, once it has started.
    func workingDirectory(of container: JSONValue) -> String {
        let wanted = Self.inside(container["workingDir"]?.string ?? "")
        return wanted.isEmpty ? root(of: container) : root(of: container) + "/" + wanted
    }

    /// What a container left in its termination message file, its last 4096 bytes; `nil` where it left nothing.
    func terminationMessage(of container: JSONValue) -> String? {
        guard let handle = FileHandle(forReadingAtPath: messageFile(of: container)) else { return nil }
        defer { try? handle.close() }
        guard let size = try? handle.seekToEnd(), size > 0, (try? handle.seek(toOffset: size - min(size, 4096))) != nil,
            let data = try? handle.read(upToCount: 4096)
        else { return nil }
        return String(decoding: data, as: UTF8.self)
    }

    private func messageFile(of container: JSONValue) -> String {
        root(of: container) + "/" + Self.inside(container["terminationMessagePath"]?.string ?? "dev/termination-log")
    }

    /// Removes the folder with everything in it.
    func remove() { try? FileManager.default.removeItem(atPath: path) }

    private func mount(_ mount: JSONValue, in root: String) throws {
        guard let volume = mount["name"]?.string, let place = mount["mountPath"]?.string else { return }
        let target = root + "/" + Self.inside(place)
        guard target != root + "/" else { return }
        let part = mount["subPath"]?.string.map { "/" + Self.inside($0) } ?? ""
        let source = path + "/volumes/" + Self.inside(volume) + part
        // A part of a volume that isn't there yet is made, as the kubelet does.
        if !part.isEmpty, !FileManager.default.fileExists(atPath: source) { try VolumeWriter.makeFolder(source) }
        try VolumeWriter.makeFolder((target as NSString).deletingLastPathComponent)
        try link(target, to: source)
    }

    private func link(_ path: String, to target: String) throws {
        guard (try? FileManager.default.destinationOfSymbolicLink(atPath: path)) != target else { return }
        try? FileManager.default.removeItem(atPath: path)
        try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: target)
    }

    /// A path without anything that leads out of its folder.
    static func inside(_ path: String) -> String {
        path.split(separator: "/").filter { $0 != ".." && $0 != "." }.joined(separator: "/")
    }
}
