// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// Which members of a JSON text aren't kept; what is dropped costs little more than being looked at.
///
/// A path is a list of member names from the top; arrays don't count, so `["items", "metadata", "managedFields"]` drops the
/// managed fields of every object of a list.
public struct JSONProjection: Sendable, Hashable {
    /// One name of a path with what follows.
    struct Node: Sendable, Hashable {
        var name: [UInt8]
        var isDropped = false
        /// Whether members that aren't among the children are dropped.
        var dropsOthers = false
        var children: [Int] = []
    }

    /// The nodes; the first one stands for the top.
    private(set) var nodes = [Node(name: [])]

    /// Keeps everything.
    public static let everything = JSONProjection()

    /// Drops the members at the given paths.
    public init(dropping paths: [[String]] = []) {
        for path in paths { drop(path) }
    }

    /// Drops the member at `path` with all that is in it; an empty path drops nothing.
    public mutating func drop(_ path: [String]) {
        guard !path.isEmpty else { return }
        nodes[node(at: path)].isDropped = true
    }

    /// Drops every member of the object at `path` but the ones with these names.
    public mutating func keep(only names: [String], at path: [String]) {
        nodes[node(at: path)].dropsOthers = true
        for name in names { _ = node(at: path + [name]) }
    }

    /// The same rules for something that is found below `path`.
    public func below(_ path: [String]) -> JSONProjection {
        var result = JSONProjection()
        result.copy(self, from: 0, to: result.node(at: path))
        return result
    }

    private mutating func copy(_ other: JSONProjection, from source: Int, to target: Int) {
        nodes[target].isDropped = other.nodes[source].isDropped
        nodes[target].dropsOthers = other.nodes[source].dropsOthers
        for child in other.nodes[source].children {
            nodes.append(Node(name: other.nodes[child].name))
            nodes[target].children.append(nodes.count - 1)
            copy(other, from: child, to: nodes.count - 1)
        }
    }

    private mutating func node(at path: [String]) -> Int {
        var place = 0
        for name in path {
            let bytes = Array(name.utf8)
            if let known = nodes[place].children.first(where: { nodes[$0].name == bytes }) {
                place = known
            } else {
                nodes.append(Node(name: bytes))
                nodes[place].children.append(nodes.count - 1)
                place = nodes.count - 1
            }
        }
        return place
    }
}
