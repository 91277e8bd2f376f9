// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
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
        for volume in pod["spec", "volumes"]?.array ?? [] {
            try prepare(volume, pod: pod, address: address, sources: sources)
        }
    }

    /// Brings the volumes of a pod that runs up to date; one whose objects went missing stays as it was.
    func refreshVolumes(pod: KubeObject, address: String, sources: ContainerCommand.Sources) {
        for volume in pod["spec", "volumes"]?.array ?? [] {
            try? prepare(volume, pod: pod, address: address, sources: sources)
        }
    }

    private func prepare(
        _ volume: JSONValue,
        pod: KubeObject,
        address: String,
        sources: ContainerCommand.Sources
    ) throws(StartFailure) {
        guard let name = volume["name"]?.string, !name.contains("/"), !name.hasPrefix(".") else { return }
        let folder = path + "/volumes/" + name
        do {
            if let contents = try VolumeContents(volume, pod: pod, address: address, sources: sources) {
                try VolumeWriter(folder: folder).write(contents)
            } else if let target = volume.at("hostPath", "path")?.string {
                try VolumeWriter.makeFolder(path + "/volumes")
                try link(folder, to: target)
            } else {
                try VolumeWriter.makeFolder(folder)
            }
        } catch let failure as StartFailure {
            throw failure
        } catch {
            throw StartFailure(
                kind: .mount,
                message: "can't set up the volume \(name) at \(folder): \(Self.reason(error))"
            )
        }
    }

    /// Gives a container that starts a fresh file system with its mounts; answers its working directory, below it.
    /// - Throws: `StartFailure` when the file system doesn't let it.
    func prepareRoot(of container: JSONValue) throws(StartFailure) -> String {
        let root = root(of: container)
        do {
            try? FileManager.default.removeItem(atPath: root)
            try VolumeWriter.makeFolder(root)
            try mountVolumes(of: container, in: root)
            try VolumeWriter.makeFolder((messageFile(of: container) as NSString).deletingLastPathComponent)
            guard let wanted = container["workingDir"]?.string, !wanted.isEmpty else { return root }
            let folder = root + "/" + Self.inside(wanted)
            try VolumeWriter.makeFolder(folder)
            return folder
        } catch let failure as StartFailure {
            throw failure
        } catch {
            throw StartFailure(kind: .configuration, message: "can't make the folder \(root): \(Self.reason(error))")
        }
    }

    private static func reason(_ error: any Error) -> String { SystemError(error)?.description ?? "\(error)" }

    /// What a container left in its termination message file, its last 4096 bytes; `nil` where it left nothing, or no
    /// regular file.
    func terminationMessage(of container: JSONValue) -> String? {
        guard let bytes = FileCalls.tail(messageFile(of: container), 4096), !bytes.isEmpty else { return nil }
        return String(decoding: bytes, as: UTF8.self)
    }

    private func messageFile(of container: JSONValue) -> String {
        root(of: container) + "/" + Self.inside(container["terminationMessagePath"]?.string ?? "dev/termination-log")
    }

    /// Removes the folder with everything in it.
    func remove() { try? FileManager.default.removeItem(atPath: path) }

    /// Links what a container mounts into its folder, the outer ones first.
    private func mountVolumes(of container: JSONValue, in root: String) throws {
        let mounts = (container["volumeMounts"]?.array ?? []).compactMap(VolumeMount.init)
            .sorted { ($0.parts.count, $0.place) < ($1.parts.count, $1.place) }
        for (index, mount) in mounts.enumerated() {
            let outer = mounts[..<index].last { mount.parts.starts(with: $0.parts) }
            let target = root + "/" + mount.place
            try check(mount, at: target, inside: outer)
            let source = path + "/volumes/" + mount.source
            // A part of a volume that isn't there yet is made, as the kubelet does.
            if mount.isPart, !FileManager.default.fileExists(atPath: source) { try VolumeWriter.makeFolder(source) }
            try VolumeWriter.makeFolder((target as NSString).deletingLastPathComponent)
            try link(target, to: source)
        }
    }

    /// Refuses a mount that would change files outside the pod's folder, or hide files that are there: a link can't do that.
    private func check(_ mount: VolumeMount, at target: String, inside outer: VolumeMount?) throws(StartFailure) {
        let manager = FileManager.default
        var parent = (target as NSString).deletingLastPathComponent
        while !manager.fileExists(atPath: parent) { parent = (parent as NSString).deletingLastPathComponent }
        let place = outer.map { ", inside the mount of \($0.source) at /\($0.place)," } ?? ""
        let what = "the mount of \(mount.source) at /\(mount.place)\(place) can't be made"
        let real = (parent as NSString).resolvingSymlinksInPath
        guard (real + "/").hasPrefix((path as NSString).resolvingSymlinksInPath + "/") else {
            throw StartFailure(
                kind: .mount,
                message: "\(what): it would be a link in \(real), which isn't the pod's; give it a path of its own"
            )
        }
        guard manager.fileExists(atPath: target), (try? manager.destinationOfSymbolicLink(atPath: target)) == nil else {
            return
        }
        throw StartFailure(kind: .mount, message: "\(what): something is there; remove it or give it another path")
    }

    /// Makes a link, in place of another link.
    /// - Throws: what the file system throws, also where something that isn't a link is there.
    private func link(_ path: String, to target: String) throws {
        let present = try? FileManager.default.destinationOfSymbolicLink(atPath: path)
        if present == target { return }
        if present != nil { try FileManager.default.removeItem(atPath: path) }
        try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: target)
    }

    /// A path without anything that leads out of its folder.
    static func inside(_ path: String) -> String {
        path.split(separator: "/").filter { $0 != ".." && $0 != "." }.joined(separator: "/")
    }
}

/// One entry of a container's `volumeMounts`.
private struct VolumeMount {
    /// The path in the container's file system, without a slash at its start.
    let place: String
    /// Its parts.
    let parts: [Substring]
    /// The volume, and the part of it, that is mounted.
    let source: String
    /// Whether only a part of the volume is mounted.
    let isPart: Bool

    /// Reads an entry; `nil` where there is nothing to mount, or the whole file system would be hidden.
    init?(_ json: JSONValue) {
        guard let volume = json["name"]?.string, let path = json["mountPath"]?.string else { return nil }
        place = PodFolder.inside(path)
        parts = place.split(separator: "/")
        guard !parts.isEmpty else { return nil }
        let part = PodFolder.inside(json["subPath"]?.string ?? "")
        isPart = !part.isEmpty
        source = PodFolder.inside(volume) + (part.isEmpty ? "" : "/" + part)
    }
}
