// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// Reads YAML texts into node trees: YAML 1.1 as libyaml parses it, within limits.
public struct YAMLReader: Sendable {
    /// The bounds on what a text may hold.
    public var limits: YAMLLimits

    /// A reader with the given limits.
    public init(limits: YAMLLimits = YAMLLimits()) { self.limits = limits }

    /// The documents of a text, in order; a text without content has none.
    ///
    /// Aliases are replaced by what they name. A key that a mapping has twice is an error that names both places.
    public func documents(in text: String) throws(YAMLError) -> [YAMLNode] { try documents(in: Array(text.utf8)) }

    /// The documents of a text in UTF-8 (or UTF-16 with a byte order mark), in order; a text without content has none.
    public func documents(in bytes: [UInt8]) throws(YAMLError) -> [YAMLNode] {
        let start = YAMLMark(line: 1, column: 1)
        guard bytes.count <= limits.bytes else {
            throw YAMLError("the text has \(bytes.count) bytes, the limit is \(limits.bytes)", at: start)
        }
        var composer = YAMLComposer(parser: try ParserHandle(bytes), limits: limits)
        var documents: [YAMLNode] = []
        while let document = try composer.nextDocument() {
            guard documents.count < limits.documents else {
                throw YAMLError("the text has more than \(limits.documents) documents", at: document.mark)
            }
            documents.append(document)
        }
        return documents
    }
}
