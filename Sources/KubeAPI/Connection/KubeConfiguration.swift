// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

internal import HTTPMessages
internal import KubeModel
internal import YAML

/// Kubeconfig files, merged as `kubectl` merges them: of entries with one name the first wins, and so does the first
/// `current-context`; relative paths belong to the file that they stand in.
public struct KubeConfiguration: Sendable, Hashable {
    /// One named entry with the file it stands in.
    struct Entry: Sendable, Hashable {
        let json: JSONValue
        let file: String
    }

    /// The files that were read, in order.
    public private(set) var files: [String] = []
    /// The context that is used when none is named.
    public private(set) var currentContext: String?
    private(set) var contexts: [String: Entry] = [:]
    private(set) var clusters: [String: Entry] = [:]
    private(set) var users: [String: Entry] = [:]

    /// The names of all contexts, sorted.
    public var contextNames: [String] { contexts.keys.sorted() }

    /// A configuration without an entry.
    public init() {}

    /// Finds and reads the configuration, and resolves a context to a connection.
    ///
    /// | explicit path | `KUBECONFIG` | what is read |
    /// | --- | --- | --- |
    /// | given | any | that file, which must exist |
    /// | none | set | its files, separated by colons; those that don't exist are passed over |
    /// | none | unset or empty | `~/.kube/config` |
    ///
    /// - Throws: `ConfigurationError`
    public static func load(
        environment: [String: String],
        explicitPath: String? = nil,
        context: String? = nil,
        system: HostSystem = .real
    ) throws -> ClusterConnection {
        try read(environment: environment, explicitPath: explicitPath, system: system)
            .connection(context: context, environment: environment, system: system)
    }

    /// Finds and reads the configuration.
    /// - Throws: `ConfigurationError`
    public static func read(
        environment: [String: String],
        explicitPath: String? = nil,
        system: HostSystem = .real
    ) throws -> KubeConfiguration {
        var configuration = KubeConfiguration()
        let paths = searchPath(environment: environment, explicitPath: explicitPath)
        for path in paths {
            let bytes: [UInt8]?
            do { bytes = try system.readFile(path) } catch {
                throw ConfigurationError(
                    "cannot read the kubeconfig \(path): \(error); check the path and its permissions"
                )
            }
            if let bytes {
                try configuration.merge(text: String(decoding: bytes, as: UTF8.self), file: path)
            } else if explicitPath != nil {
                throw ConfigurationError("the kubeconfig \(path) doesn't exist; check the path")
            }
        }
        guard !configuration.files.isEmpty else {
            throw ConfigurationError(
                "found no kubeconfig at \(paths.joined(separator: ", ")); "
                    + "set KUBECONFIG or name a file with --kubeconfig"
            )
        }
        return configuration
    }

    static func searchPath(environment: [String: String], explicitPath: String?) -> [String] {
        if let explicitPath, !explicitPath.isEmpty { return [explicitPath] }
        let listed = (environment["KUBECONFIG"] ?? "").split(separator: ":").map(String.init)
        var seen: Set<String> = []
        let unique = listed.filter { seen.insert($0).inserted }
        return unique.isEmpty ? ["\(environment["HOME"] ?? "")/.kube/config"] : unique
    }

    /// Adds one file's entries; those that are there already stay.
    /// - Throws: `ConfigurationError` when the text isn't a kubeconfig.
    public mutating func merge(text: String, file: String) throws {
        let documents: [JSONValue]
        do { documents = try JSONValue.documents(yaml: text) } catch {
            throw ConfigurationError("the kubeconfig \(file) isn't valid YAML: \(error)")
        }
        files.append(file)
        guard let root = documents.first, !root.isNull else { return }
        guard case .object = root, root["kind"]?.string ?? "Config" == "Config" else {
            throw ConfigurationError("\(file) isn't a kubeconfig: its kind should be Config")
        }
        if currentContext == nil, let name = root["current-context"]?.string, !name.isEmpty { currentContext = name }
        try Self.add(root["contexts"], "context", file, to: &contexts)
        try Self.add(root["clusters"], "cluster", file, to: &clusters)
        try Self.add(root["users"], "user", file, to: &users)
    }

    private static func add(
        _ list: JSONValue?,
        _ member: String,
        _ file: String,
        to entries: inout [String: Entry]
    ) throws {
        for (index, item) in (list?.array ?? []).enumerated() {
            guard let name = item["name"]?.string else {
                throw ConfigurationError("\(file): \(member)s[\(index)] has no name")
            }
            if entries[name] == nil { entries[name] = Entry(json: item[member] ?? .emptyObject, file: file) }
        }
    }
}
