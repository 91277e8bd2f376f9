// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import KubeModel

/// Recorded answers and conformance cases beside the checkout; absent in a plain clone.
enum ReferenceData {
    /// The folder `shared` next to the repository.
    static let root: URL = {
        var url = URL(fileURLWithPath: #filePath)
        for _ in 0..<5 { url.deleteLastPathComponent() }
        return url.appendingPathComponent("shared")
    }()

    /// Whether the folder is there.
    static var isPresent: Bool { FileManager.default.fileExists(atPath: root.path) }

    /// What tests say that skip.
    static let comment = "needs ../shared"

    /// A JSON file below the folder.
    static func json(_ path: String) throws -> JSONValue {
        let data = try Data(contentsOf: root.appendingPathComponent(path))
        return try JSONValue(parsing: Array(data))
    }

    /// The steps of a recorded scenario.
    static func steps(_ name: String) throws -> [JSONValue] {
        try json("kubernetes/recorded/api/\(name).json")["steps"]?.array ?? []
    }
}
