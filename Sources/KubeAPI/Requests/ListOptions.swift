// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import KubeModel

/// How fresh the answer to a list must be (`resourceVersionMatch`).
public enum ResourceVersionMatch: String, Sendable, Hashable {
    /// Exactly the given version.
    case exact = "Exact"
    /// The given version or a later one.
    case notOlderThan = "NotOlderThan"
}

/// Which objects a list holds, and how it is paged.
public struct ListOptions: Sendable, Hashable {
    /// Only objects with these labels.
    public var labelSelector: LabelSelector?
    /// Only objects with these fields.
    public var fieldSelector: FieldSelector?
    /// The most objects a page holds; `nil` for everything at once.
    public var limit: Int?
    /// The state to read; `nil` for the newest, `"0"` for whatever the server has in memory.
    public var resourceVersion: String?
    /// What `resourceVersion` means; only together with it.
    public var resourceVersionMatch: ResourceVersionMatch?

    /// Options; by default every object in pages of 500, as client-go reads them.
    public init(
        labelSelector: LabelSelector? = nil,
        fieldSelector: FieldSelector? = nil,
        limit: Int? = 500,
        resourceVersion: String? = nil,
        resourceVersionMatch: ResourceVersionMatch? = nil
    ) {
        self.labelSelector = labelSelector
        self.fieldSelector = fieldSelector
        self.limit = limit
        self.resourceVersion = resourceVersion
        self.resourceVersionMatch = resourceVersionMatch
    }

    /// The query of one page; a continued page names its token and nothing of the version.
    func query(continueToken: String? = nil) -> [QueryItem] {
        var items: [QueryItem] = []
        items.add("labelSelector", labelSelector?.queryText)
        items.add("fieldSelector", fieldSelector?.queryText)
        items.add("limit", limit.map(String.init))
        if let continueToken {
            items.add("continue", continueToken)
        } else {
            items.add("resourceVersion", resourceVersion)
            items.add("resourceVersionMatch", resourceVersionMatch?.rawValue)
        }
        return items
    }
}

/// Which changes a watch tells of.
public struct WatchOptions: Sendable, Hashable {
    /// Only objects with these labels.
    public var labelSelector: LabelSelector?
    /// Only objects with these fields.
    public var fieldSelector: FieldSelector?
    /// Changes after this version; `nil` begins with the state of now as `added` events.
    public var resourceVersion: String?
    /// Whether the server sends bookmarks between events.
    public var allowsBookmarks: Bool
    /// Whether the stream begins with the present objects and a bookmark that ends them (streaming list).
    public var sendsInitialEvents: Bool
    /// After how long the server ends the watch; `nil` for its own choice.
    public var timeout: Duration?
    /// The longest silence before the stream counts as dead; `nil` for none.
    public var idleTimeout: Duration?

    /// Options for a watch.
    public init(
        labelSelector: LabelSelector? = nil,
        fieldSelector: FieldSelector? = nil,
        resourceVersion: String? = nil,
        allowsBookmarks: Bool = true,
        sendsInitialEvents: Bool = false,
        timeout: Duration? = nil,
        idleTimeout: Duration? = nil
    ) {
        self.labelSelector = labelSelector
        self.fieldSelector = fieldSelector
        self.resourceVersion = resourceVersion
        self.allowsBookmarks = allowsBookmarks
        self.sendsInitialEvents = sendsInitialEvents
        self.timeout = timeout
        self.idleTimeout = idleTimeout
    }

    /// The query; a streaming list also says `resourceVersionMatch=NotOlderThan`, which the API server demands.
    func query() -> [QueryItem] {
        var items: [QueryItem] = []
        items.add("watch", "true")
        items.add("labelSelector", labelSelector?.queryText)
        items.add("fieldSelector", fieldSelector?.queryText)
        items.add("resourceVersion", resourceVersion)
        if allowsBookmarks { items.add("allowWatchBookmarks", "true") }
        if sendsInitialEvents {
            items.add("sendInitialEvents", "true")
            items.add("resourceVersionMatch", ResourceVersionMatch.notOlderThan.rawValue)
        }
        items.add("timeoutSeconds", timeout.map { String($0.components.seconds) })
        return items
    }
}
