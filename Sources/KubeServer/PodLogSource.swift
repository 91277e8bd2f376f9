// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import Ambient
public import HTTPMessages
public import KubeModel

/// What a client asks of the log of one container (the query of `pods/log`).
public struct PodLogRequest: Sendable {
    /// The pod.
    public var pod: KubeObject
    /// The container; the server has checked that the pod has it.
    public var container: String
    /// Whether the stream goes on with what is written later.
    public var follow: Bool
    /// Whether the log of the instance before the last restart is wanted.
    public var previous: Bool
    /// Whether each line starts with its RFC 3339 time.
    public var timestamps: Bool
    /// Only the last so many lines.
    public var tailLines: Int?
    /// Only the first so many bytes.
    public var limitBytes: Int?
    /// Only lines written since.
    public var since: WallTime?

    /// A request for a whole log.
    public init(
        pod: KubeObject,
        container: String,
        follow: Bool = false,
        previous: Bool = false,
        timestamps: Bool = false,
        tailLines: Int? = nil,
        limitBytes: Int? = nil,
        since: WallTime? = nil
    ) {
        self.pod = pod
        self.container = container
        self.follow = follow
        self.previous = previous
        self.timestamps = timestamps
        self.tailLines = tailLines
        self.limitBytes = limitBytes
        self.since = since
    }
}

/// Who keeps the containers' logs: the node.
public protocol PodLogSource: Sendable {
    /// The log as text; throws the status that the client gets when there is none.
    func log(_ request: PodLogRequest) async throws(APIStatus) -> StreamingBody
}
