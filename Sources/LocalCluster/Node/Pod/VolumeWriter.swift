// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Writes the files of a volume so that a reader sees all of the old ones or all of the new, as the kubelet does: they are in
/// a folder of their own, `..data` is a link to it that is replaced in one step, and each name is a link through `..data`.
struct VolumeWriter {
    /// The volume's folder.
    let folder: String

    /// Makes the folder hold exactly `contents`; nothing is touched where it does already.
    /// - Throws: what the file system throws.
    func write(_ contents: VolumeContents) throws {
        let manager = FileManager.default
        try Self.makeFolder(folder)
        let data = folder + "/..data"
        let present = try? manager.destinationOfSymbolicLink(atPath: data)
        if let present, Self.holds(folder + "/" + present, contents) { return }
        let version = Self.next(after: present)
        let target = folder + "/" + version
        try? manager.removeItem(atPath: target)
        try Self.makeFolder(target)
        for (path, file) in contents.files {
            let place = target + "/" + path
            try Self.makeFolder((place as NSString).deletingLastPathComponent)
            guard
                manager.createFile(
                    atPath: place,
                    contents: Data(file.bytes),
                    attributes: [.posixPermissions: file.mode & 0o777]
                )
            else { throw LocalClusterError("can't write \(place)") }
        }
        let temporary = folder + "/..data_tmp"
        try? manager.removeItem(atPath: temporary)
        try manager.createSymbolicLink(atPath: temporary, withDestinationPath: version)
        try FileCalls.replace(data, with: temporary)
        try linkNames(contents)
        if let present { try? manager.removeItem(atPath: folder + "/" + present) }
    }

    /// Gives each first part of a path a link, and takes those away that nothing is behind any more.
    private func linkNames(_ contents: VolumeContents) throws {
        let manager = FileManager.default
        let wanted = Set(contents.files.keys.compactMap { $0.split(separator: "/").first.map(String.init) })
        for name in try manager.contentsOfDirectory(atPath: folder) where !name.hasPrefix("..") {
            // Another volume may be mounted inside this one, by a link of its own.
            let target = try? manager.destinationOfSymbolicLink(atPath: folder + "/" + name)
            guard target?.hasPrefix("..data/") ?? true, !wanted.contains(name) else { continue }
            try? manager.removeItem(atPath: folder + "/" + name)
        }
        for name in wanted where (try? manager.destinationOfSymbolicLink(atPath: folder + "/" + name)) == nil {
            try manager.createSymbolicLink(atPath: folder + "/" + name, withDestinationPath: "..data/" + name)
        }
    }

    private static func next(after present: String?) -> String {
        let number = present.flatMap { $0.split(separator: "_").last }.flatMap { Int($0) } ?? 0
        return "..version_\(number &+ 1)"
    }

    private static func holds(_ folder: String, _ contents: VolumeContents) -> Bool {
        let manager = FileManager.default
        let names = (manager.enumerator(atPath: folder)?.allObjects as? [String] ?? []).filter { name in
            let type = try? manager.attributesOfItem(atPath: folder + "/" + name)[.type] as? FileAttributeType
            return type == .typeRegular
        }
        guard Set(names) == Set(contents.files.keys) else { return false }
        return contents.files.allSatisfy { path, file in
            manager.contents(atPath: folder + "/" + path).map { Array($0) } == file.bytes
        }
    }

    /// Makes a folder for this user only, with those above it.
    static func makeFolder(_ path: String) throws {
        try FileManager.default.createDirectory(
            atPath: path,
            withIntermediateDirectories: true,
            attributes: [.posixPermissions: 0o700]
        )
    }
}
