// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// One step of reading a YAML text, copied out of the parser.
struct YAMLEvent: Sendable, Hashable {
    /// What the step is.
    enum Kind: Sendable, Hashable {
        /// The text begins.
        case streamStart
        /// The text has ended.
        case streamEnd
        /// A document begins, with `---` or without.
        case documentStart(isExplicit: Bool)
        /// A document ends, with `...` or without.
        case documentEnd(isExplicit: Bool)
        /// `*name`
        case alias(String)
        /// A scalar.
        case scalar(String, properties: Properties)
        /// A sequence begins.
        case sequenceStart(properties: Properties)
        /// A sequence ends.
        case sequenceEnd
        /// A mapping begins.
        case mappingStart(properties: Properties)
        /// A mapping ends.
        case mappingEnd
    }

    /// What a node may have besides its content.
    struct Properties: Sendable, Hashable {
        /// The name after `&`.
        var anchor: String?
        /// The tag in its long form.
        var tag: String?
        /// How the node is written.
        var style: YAMLStyle
    }

    /// What the step is.
    var kind: Kind
    /// Where it begins.
    var mark: YAMLMark
}
