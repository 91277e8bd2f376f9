// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// The table from container images to local executables; an image that isn't in it can't be "pulled".
public struct LocalImages: Sendable, Hashable {
    /// One line of the table.
    public struct Entry: Sendable, Hashable {
        /// The image it answers to: `modelfleet/server` for every tag, `modelfleet/server:1.2` for one tag.
        public var image: String
        /// The path of the executable.
        public var executable: String
        /// The image's own command line after the executable (as an image's `CMD`); a container's `args` replace it.
        public var arguments: [String]
        /// The image's own variables (as an image's `ENV`); a container's `env` replaces them.
        public var environment: [String: String]

        /// A line of the table.
        public init(
            image: String,
            executable: String,
            arguments: [String] = [],
            environment: [String: String] = [:]
        ) {
            self.image = image
            self.executable = executable
            self.arguments = arguments
            self.environment = environment
        }
    }

    /// The lines; an entry with a tag wins over one without, the earlier over the later.
    public var entries: [Entry]

    /// A table.
    public init(_ entries: [Entry] = []) { self.entries = entries }

    /// The entry for an image as a container names it; `nil` when there is none.
    ///
    /// A registry of Docker Hub (`docker.io/`, `docker.io/library/`) and a digest are ignored.
    public func entry(for image: String) -> Entry? {
        let wanted = Self.parts(of: image)
        let sameName = entries.map { ($0, Self.parts(of: $0.image)) }.filter { $0.1.name == wanted.name }
        return
            (sameName.first { $0.1.tag != nil && $0.1.tag == (wanted.tag ?? "latest") }
            ?? sameName.first { $0.1.tag == nil })?.0
    }

    /// The images of the table as a sentence's end: `a, b`; `none` when it is empty.
    public var summary: String { entries.isEmpty ? "none" : entries.map(\.image).sorted().joined(separator: ", ") }

    /// Splits `registry/name:tag@digest`; a colon before the last slash belongs to the registry's port.
    static func parts(of image: String) -> (name: String, tag: String?) {
        var name = image.split(separator: "@", maxSplits: 1).first.map(String.init) ?? image
        for prefix in ["docker.io/library/", "docker.io/"] where name.hasPrefix(prefix) {
            name.removeFirst(prefix.count)
            break
        }
        guard let colon = name.lastIndex(of: ":"), !name[colon...].contains("/") else { return (name, nil) }
        return (String(name[..<colon]), String(name[name.index(after: colon)...]))
    }
}
