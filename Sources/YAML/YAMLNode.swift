// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// How a node is written in its text.
public enum YAMLStyle: Sendable, Hashable {
    /// A scalar without quotes; the only one whose text decides its type.
    case plain
    /// A scalar in `'…'`.
    case singleQuoted
    /// A scalar in `"…"`.
    case doubleQuoted
    /// A block scalar that keeps its line breaks (`|`).
    case literal
    /// A block scalar whose lines are joined (`>`).
    case folded
    /// A sequence or mapping, one entry a line.
    case block
    /// A sequence in `[…]` or a mapping in `{…}`.
    case flow
}

/// One node of a YAML document, with its place; aliases are already replaced by what they name.
public struct YAMLNode: Sendable, Hashable {
    /// What the node holds.
    public enum Content: Sendable, Hashable {
        /// A scalar's text, with escapes and line folding undone; not yet typed.
        case scalar(String)
        /// The items in order.
        case sequence([YAMLNode])
        /// The entries in order.
        case mapping([YAMLEntry])
    }

    /// What the node holds.
    public var content: Content
    /// Where the node begins; of an alias, where the node that it names begins.
    public var mark: YAMLMark
    /// The explicit tag in its long form (`tag:yaml.org,2002:str`), `!` for the non-specific one, `nil` for none.
    public var tag: String?
    /// How the node is written.
    public var style: YAMLStyle

    /// A node.
    public init(_ content: Content, mark: YAMLMark, tag: String? = nil, style: YAMLStyle) {
        self.content = content
        self.mark = mark
        self.tag = tag
        self.style = style
    }

    /// The scalar's text, when it is one.
    public var scalar: String? { if case .scalar(let text) = content { text } else { nil } }

    /// The items, when it is a sequence.
    public var sequence: [YAMLNode]? { if case .sequence(let items) = content { items } else { nil } }

    /// The entries, when it is a mapping.
    public var mapping: [YAMLEntry]? { if case .mapping(let entries) = content { entries } else { nil } }

    /// The value of the first entry whose key is the scalar `key`; `nil` without one.
    public subscript(key: String) -> YAMLNode? { mapping?.first { $0.key.scalar == key }?.value }

    /// Whether the node is a merge key (`<<` without quotes).
    var isMergeKey: Bool {
        content == .scalar("<<") && ((style == .plain && tag == nil) || tag == YAMLTag.merge)
    }
}

/// One entry of a mapping.
public struct YAMLEntry: Sendable, Hashable {
    /// The key: mostly a scalar, though YAML allows any node.
    public var key: YAMLNode
    /// The value.
    public var value: YAMLNode

    /// An entry.
    public init(key: YAMLNode, value: YAMLNode) {
        self.key = key
        self.value = value
    }
}

/// The tags of YAML's own types (yaml.org, "Language-Independent Types").
enum YAMLTag {
    /// What these tags begin with.
    static let prefix = "tag:yaml.org,2002:"
    /// `!!str`
    static let string = "tag:yaml.org,2002:str"
    /// `!!bool`
    static let bool = "tag:yaml.org,2002:bool"
    /// `!!int`
    static let integer = "tag:yaml.org,2002:int"
    /// `!!float`
    static let float = "tag:yaml.org,2002:float"
    /// `!!null`
    static let null = "tag:yaml.org,2002:null"
    /// `!!timestamp`
    static let timestamp = "tag:yaml.org,2002:timestamp"
    /// `!!binary`
    static let binary = "tag:yaml.org,2002:binary"
    /// `!!merge`
    static let merge = "tag:yaml.org,2002:merge"

    /// The tag as people write it: `!!int`.
    static func short(_ tag: String) -> String {
        tag.hasPrefix(prefix) ? "!!" + tag.dropFirst(prefix.count) : tag
    }
}
