// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// Bounds on what a YAML text may hold; a text beyond them is refused, not cut.
public struct YAMLLimits: Sendable, Hashable {
    /// The largest text in bytes.
    public var bytes: Int
    /// The deepest nesting of sequences and mappings, with aliases followed (a recursion bound; Kubernetes objects stay
    /// below 50).
    public var depth: Int
    /// The most nodes that one text may have, aliases counted as one.
    public var nodes: Int
    /// The most documents that one text may have.
    public var documents: Int
    /// How much all aliases of one text may stand for, in bytes of text; every node counts `nodeCost` bytes more.
    /// This is what stops the "billion laughs": a short text of nested aliases that stands for gigabytes.
    public var expansion: Int

    /// What a node costs on top of its text when the expansion of aliases is measured, in bytes.
    static let nodeCost = 32

    /// Limits that any manifest keeps to: the largest CRD that we know of has 2 MB.
    public init(
        bytes: Int = 32 << 20,
        depth: Int = 128,
        nodes: Int = 2_000_000,
        documents: Int = 10_000,
        expansion: Int = 8 << 20
    ) {
        self.bytes = bytes
        self.depth = depth
        self.nodes = nodes
        self.documents = documents
        self.expansion = expansion
    }
}
