// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// One event of a watch.
public enum WatchEvent: Sendable, Hashable {
    /// The object appeared (in the selection that is watched).
    case added(KubeObject)
    /// The object changed.
    case modified(KubeObject)
    /// The object went away (or left the selection); its last state.
    case deleted(KubeObject)
    /// The object appeared, changed or went away, and can't be read.
    case unreadable(UnreadableObject)
    /// Everything up to this resource version was sent; `endsInitialList` closes a streamed list.
    case bookmark(resourceVersion: String, endsInitialList: Bool)
    /// The watch failed, for example with 410 `Expired`.
    case error(APIStatus)
}
