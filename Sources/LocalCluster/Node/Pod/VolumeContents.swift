// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import KubeModel

/// The files of a volume that is made of objects, as a pure function of what they hold.
struct VolumeContents: Equatable {
    /// One file.
    struct File: Equatable {
        /// What it holds.
        var bytes: [UInt8]
        /// Its permission bits.
        var mode: Int
    }

    /// The files by their paths below the volume's folder.
    private(set) var files: [String: File] = [:]

    private let pod: KubeObject
    private let address: String
    private let sources: ContainerCommand.Sources

    /// The files of `volume`; `nil` for one that isn't made of objects (`emptyDir`, `hostPath`).
    /// - Throws: `StartFailure` with the kubelet's words where something is missing or unsupported.
    init?(
        _ volume: JSONValue,
        pod: KubeObject,
        address: String,
        sources: ContainerCommand.Sources
    ) throws(StartFailure) {
        self.pod = pod
        self.address = address
        self.sources = sources
        if volume["emptyDir"]?.object != nil || volume["hostPath"]?.object != nil { return nil }
        do throws(StartFailure) {
            for kind in ["configMap", "secret", "downwardAPI"] {
                guard let source = volume[kind], source.object != nil else { continue }
                try add(source, kind, mode: source["defaultMode"]?.int ?? 0o644)
                return
            }
            guard let projected = volume["projected"], projected.object != nil else {
                throw StartFailure(
                    kind: .mount,
                    message: "the local cluster has only emptyDir, configMap, secret, downwardAPI, projected and "
                        + "hostPath volumes"
                )
            }
            for part in projected["sources"]?.array ?? [] {
                for (kind, source) in part.object ?? JSONObject() {
                    try add(source, kind, mode: projected["defaultMode"]?.int ?? 0o644)
                }
            }
        } catch {
            let name = volume["name"]?.string ?? ""
            throw StartFailure(
                kind: .mount,
                message: "MountVolume.SetUp failed for volume \"\(name)\" : \(error.message)"
            )
        }
    }

    private mutating func add(_ source: JSONValue, _ kind: String, mode: Int) throws(StartFailure) {
        switch kind {
        case "configMap":
            try add(source, name: source["name"]?.string, of: sources.configMaps, "configmap", "config", mode)
        case "secret":
            let name = source["secretName"]?.string ?? source["name"]?.string
            try add(source, name: name, of: sources.secrets, "secret", "secret", mode)
        case "downwardAPI":
            for item in source["items"]?.array ?? [] {
                guard let path = item["path"]?.string else { continue }
                let text: String
                if let field = item.at("fieldRef", "fieldPath")?.string {
                    text = try DownwardFields.field(field, pod: pod, address: address)
                } else {
                    text = try DownwardFields.resource(
                        item["resourceFieldRef"] ?? .emptyObject,
                        pod: pod,
                        container: .emptyObject
                    )
                }
                files[PodFolder.inside(path)] = File(bytes: Array(text.utf8), mode: item["mode"]?.int ?? mode)
            }
        default:
            throw StartFailure(kind: .mount, message: "the local cluster has no \(kind) for projected volumes")
        }
    }

    private mutating func add(
        _ source: JSONValue,
        name: String?,
        of objects: [String: KubeObject],
        _ kind: String,
        _ word: String,
        _ mode: Int
    ) throws(StartFailure) {
        let isOptional = source["optional"]?.bool ?? false
        guard let name, let object = objects[name] else {
            if isOptional { return }
            throw StartFailure(kind: .mount, message: "\(kind) \"\(name ?? "")\" not found")
        }
        let entries = ObjectData.bytes(of: object)
        guard let items = source["items"]?.array, !items.isEmpty else {
            for (key, bytes) in entries { files[PodFolder.inside(key)] = File(bytes: bytes, mode: mode) }
            return
        }
        for item in items {
            guard let key = item["key"]?.string, let path = item["path"]?.string else { continue }
            if let bytes = entries[key] {
                files[PodFolder.inside(path)] = File(bytes: bytes, mode: item["mode"]?.int ?? mode)
            } else if !isOptional {
                throw StartFailure(kind: .mount, message: "references non-existent \(word) key: \(key)")
            }
        }
    }

    /// Two contents are equal when their files are.
    static func == (left: VolumeContents, right: VolumeContents) -> Bool { left.files == right.files }
}
