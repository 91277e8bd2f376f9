// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import Foundation

/// Reference data that some machines have beside the checkout; tests that use it are skipped elsewhere.
public enum SharedData {
    /// The checkout.
    public static let repository = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// The folder `name` beside the checkout; `nil` where there is none.
    public static func folder(_ name: String) -> URL? {
        let url = repository.deletingLastPathComponent().appendingPathComponent("shared")
            .appendingPathComponent(name)
        return FileManager.default.fileExists(atPath: url.path) ? url : nil
    }

    /// Whether the folder `name` is there, for `.enabled(if:)`.
    public static func has(_ name: String) -> Bool { folder(name) != nil }

    /// The files below the folder `name` that end in `suffix`, sorted; none where the folder is missing.
    public static func files(in name: String, suffix: String) -> [URL] {
        guard let folder = folder(name) else { return [] }
        let all = FileManager.default.enumerator(at: folder, includingPropertiesForKeys: nil)
        return (all?.allObjects ?? []).compactMap { $0 as? URL }.filter { $0.path.hasSuffix(suffix) }
            .sorted { $0.path < $1.path }
    }

    /// The bytes of a file.
    public static func bytes(of file: URL) throws -> [UInt8] { [UInt8](try Data(contentsOf: file)) }
}
