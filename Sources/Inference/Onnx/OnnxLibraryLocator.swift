// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

internal import Foundation

/// Where ONNX Runtime's shared library may lie.
struct OnnxLibraryLocator {
    /// The variable that names the library's file.
    static let variable = "MODELFLEET_ONNXRUNTIME"

    #if canImport(Darwin)
        /// Names that the system's loader looks up in its own path.
        static let systemNames = ["libonnxruntime.dylib"]
        private static let prefix = "libonnxruntime."
    #else
        /// Names that the system's loader looks up in its own path.
        static let systemNames = ["libonnxruntime.so.1", "libonnxruntime.so"]
        private static let prefix = "libonnxruntime.so"
    #endif

    /// What to do when there is none.
    static let advice =
        "run scripts/setup-python.sh (or: python3 -m venv .venv && .venv/bin/pip install --no-deps onnxruntime), "
        + "or set \(variable) to the file libonnxruntime.so"

    /// The environment variables.
    var environment: [String: String]
    /// The folders from which a `.venv` is looked for, upwards.
    var startingPoints: [String]

    /// A locator that starts at the current folder and at the executable's.
    init(environment: [String: String]) {
        self.environment = environment
        let executable = Bundle.main.executableURL?.resolvingSymlinksInPath().deletingLastPathComponent().path
        startingPoints = [FileManager.default.currentDirectoryPath] + (executable.map { [$0] } ?? [])
    }

    /// A locator for tests.
    init(environment: [String: String], startingPoints: [String]) {
        self.environment = environment
        self.startingPoints = startingPoints
    }

    /// What to try, in order. The variable, where set, is the only answer: a wrong one must not go unnoticed.
    var candidates: [String] {
        if let file = environment[Self.variable], !file.isEmpty { return [file] }
        return Self.systemNames + startingPoints.flatMap(libraries(above:))
    }

    private func libraries(above start: String) -> [String] {
        var found: [String] = []
        var folder = URL(fileURLWithPath: start).standardizedFileURL
        for _ in 0..<64 {
            found += libraries(inEnvironment: folder.path + (folder.path == "/" ? "" : "/") + ".venv")
            let parent = folder.deletingLastPathComponent()
            if parent.path == folder.path { break }
            folder = parent
        }
        return found
    }

    private func libraries(inEnvironment venv: String) -> [String] {
        let files = FileManager.default
        let pythons = ((try? files.contentsOfDirectory(atPath: venv + "/lib")) ?? []).filter { $0.hasPrefix("python3") }
        return pythons.sorted().flatMap { python -> [String] in
            let folder = "\(venv)/lib/\(python)/site-packages/onnxruntime/capi"
            return ((try? files.contentsOfDirectory(atPath: folder)) ?? [])
                .filter { $0.hasPrefix(Self.prefix) }.sorted().reversed().map { "\(folder)/\($0)" }
        }
    }
}
