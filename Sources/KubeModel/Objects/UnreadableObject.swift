// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// An object that the API server has and that can't be read: one that is nested too deeply, say.
///
/// Of such a one only its name is known, and its version. It isn't gone: what was known of it before still holds, as the last that could be
/// read.
public struct UnreadableObject: Sendable, Hashable {
    /// The object's namespace and name.
    public var key: ObjectKey
    /// The version that couldn't be read; empty where it isn't known.
    public var resourceVersion: String
    /// Why it can't be read, as a clause.
    public var reason: String
    /// Whether it went away: then nothing holds any more.
    public var isDeleted: Bool

    /// An object that can't be read.
    public init(key: ObjectKey, resourceVersion: String, reason: String, isDeleted: Bool = false) {
        self.key = key
        self.resourceVersion = resourceVersion
        self.reason = reason
        self.isDeleted = isDeleted
    }

    /// What is left of an object of which nothing but the name and the version was read; `nil` without a name.
    init?(identity object: JSONValue?, reason: String, isDeleted: Bool = false) {
        let metadata = object?["metadata"]
        guard let name = metadata?["name"]?.string, !name.isEmpty else { return nil }
        self.init(
            key: ObjectKey(namespace: metadata?["namespace"]?.string, name: name),
            resourceVersion: metadata?["resourceVersion"]?.string ?? "",
            reason: reason,
            isDeleted: isDeleted
        )
    }

    /// Reads one object's text for its name only; `nil` where not even that can be read.
    public init?(text: [UInt8], reason: String) {
        let json = try? JSONValue(parsing: text, projection: Self.identity)
        self.init(identity: json, reason: reason)
    }

    /// Reads the text of a watch's event for the name of its object only; `nil` where that can't be read, or the event is about no object.
    public init?(event text: [UInt8], reason: String) {
        var projection = Self.identity.below(["object"])
        projection.keep(only: ["type", "object"], at: [])
        guard let json = try? JSONValue(parsing: text, projection: projection) else { return nil }
        switch json["type"]?.string {
        case "ADDED", "MODIFIED": self.init(identity: json["object"], reason: reason)
        case "DELETED": self.init(identity: json["object"], reason: reason, isDeleted: true)
        default: return nil
        }
    }

    private static var identity: JSONProjection {
        var projection = JSONProjection()
        projection.keep(only: ["metadata"], at: [])
        projection.keep(only: ["name", "namespace", "resourceVersion"], at: ["metadata"])
        return projection
    }
}
