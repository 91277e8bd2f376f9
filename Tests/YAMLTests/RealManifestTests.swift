// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import KubeModel
import Testing
import YAML

struct RealManifestTests {
    private static let folder = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("shared/kubernetes")

    /// Whether the manifests are there.
    private static var arePresent: Bool { FileManager.default.fileExists(atPath: folder.path) }

    @Test(
        "manifests and CRDs of other projects are read, written and read again",
        .timeLimit(.minutes(5)),
        .enabled(if: arePresent, "skipped: the manifests aren't beside the project")
    )
    func roundTrip() throws {
        let names = try #require(FileManager.default.enumerator(atPath: Self.folder.path))
            .compactMap { $0 as? String }.filter { $0.hasSuffix(".yaml") }
        #expect(names.count > 30)
        for name in names.sorted() {
            let data = try Data(contentsOf: Self.folder.appendingPathComponent(name))
            // The largest CRDs only take time; what is in them is in the others too. A placeholder isn't YAML.
            guard data.count < 100_000, !String(decoding: data, as: UTF8.self).contains("%[1]s") else { continue }
            let text = String(decoding: data, as: UTF8.self)
            let values = try JSONValue.documents(yaml: text)
            #expect(!values.isEmpty, "\(name)")
            #expect(try JSONValue.documents(yaml: YAMLWriter().text(documents: values)) == values, "\(name)")
        }
    }
}
