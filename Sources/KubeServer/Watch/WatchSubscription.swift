// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// One watch as its reader holds it; letting go of it ends the watch.
final class WatchSubscription: Sendable {
    /// The events that wait.
    let mailbox: WatchMailbox
    private let onEnd: @Sendable () -> Void

    /// A subscription that calls `onEnd` when the last reference to it goes away.
    init(mailbox: WatchMailbox, onEnd: @escaping @Sendable () -> Void) {
        self.mailbox = mailbox
        self.onEnd = onEnd
    }

    deinit { onEnd() }
}
