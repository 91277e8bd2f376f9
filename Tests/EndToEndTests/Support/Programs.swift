// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Foundation

/// The programs that were built together with these tests, and the project's folder.
enum Programs {
    /// `modelfleet`
    static func modelfleet() throws -> String { try built("modelfleet") }

    /// `modelfleet-server`
    static func server() throws -> String { try built("modelfleet-server") }

    /// The model server of these tests.
    static func modelServer() throws -> String { try built("test-model-server") }

    /// `fixture-server`, which shows what a test tells it to.
    static func fixtureServer() throws -> String { try built("fixture-server") }

    /// The root of the checkout.
    static let project = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().path

    /// The example's model file.
    static let exampleModel = project + "/manifests/examples/models/iris.onnx"

    /// Real `kubectl`, where one is installed.
    static let kubectl: String? = installed("kubectl")

    /// Real `prometheus`, where one is installed.
    static let prometheus: String? = installed("prometheus")

    private static func installed(_ name: String) -> String? {
        (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map { "\($0)/\(name)" }
            .first { FileManager.default.isExecutableFile(atPath: $0) }
    }

    /// Whether `/proc` tells which process is whose child.
    static let hasProcessTable = FileManager.default.fileExists(atPath: "/proc/self/stat")

    /// A program in the folder of the test bundle, or in one above it.
    private static func built(_ name: String) throws -> String {
        var folder = URL(fileURLWithPath: CommandLine.arguments[0]).resolvingSymlinksInPath()
        for _ in 0..<6 {
            folder = folder.deletingLastPathComponent()
            let candidate = folder.appendingPathComponent(name).path
            let kind = try? FileManager.default.attributesOfItem(atPath: candidate)[.type] as? FileAttributeType
            if kind == .typeRegular, FileManager.default.isExecutableFile(atPath: candidate) {
                return candidate
            }
        }
        throw TestFailure(
            "the program \(name) is not beside the test bundle \(CommandLine.arguments[0]); build it with "
                + "`swift build --build-tests`"
        )
    }
}

/// Why a test can't go on.
struct TestFailure: Error, CustomStringConvertible {
    /// The sentence.
    var description: String

    /// A failure with its sentence.
    init(_ description: String) { self.description = description }
}

/// Asks until there is an answer; fails, with what was seen last, when `limit` has passed.
func eventually<Answer>(
    within limit: Duration,
    _ what: String,
    seen: () -> String = { "" },
    pause: Duration = .milliseconds(50),
    _ probe: () async throws -> Answer?
) async throws -> Answer {
    let deadline = ContinuousClock.now.advanced(by: limit)
    while true {
        if let answer = try await probe() { return answer }
        guard ContinuousClock.now < deadline else {
            throw TestFailure("after \(limit) still not: \(what). \(seen())")
        }
        try await Task.sleep(for: pause)
    }
}
