// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Recorded pages and cases beside the checkout; tests that need them are skipped where they are missing.
enum ReferenceData {
    static let checkout = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()
    static let folder = checkout.deletingLastPathComponent().appending(path: "shared/kubernetes/metrics")
    static var isPresent: Bool { FileManager.default.fileExists(atPath: folder.path()) }

    /// The pages of real servers.
    static let servers = ["go-process-2015", "kserve-python", "sglang", "torchserve", "triton", "vllm"]

    /// The bytes of a server's page.
    static func page(_ server: String) throws -> [UInt8] {
        Array(try Data(contentsOf: folder.appending(path: "servers/\(server).prom")))
    }

    /// The cases of a conformance file.
    static func cases(_ file: String) throws -> [[String: Any]] {
        let data = try Data(contentsOf: folder.appending(path: file))
        return try JSONSerialization.jsonObject(with: data) as? [[String: Any]] ?? []
    }

    /// The page of a case.
    static func input(_ entry: [String: Any]) -> [UInt8] {
        if let text = entry["input"] as? String { return Array(text.utf8) }
        return Array((entry["inputBase64"] as? String).flatMap { Data(base64Encoded: $0) } ?? Data())
    }
}
