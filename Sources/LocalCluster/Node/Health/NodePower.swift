// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel
import Synchronization

/// Whether a node of the local cluster pretends to have lost its power: it renews nothing, reports nothing and runs nothing.
///
/// It is switched by an annotation of the Node, so that tests and people can see what a cluster does then:
/// `kubectl annotate node local-2 local.modelfleet.dev/power=off`, and `local.modelfleet.dev/power-` to switch it on again.
final class NodePower: Sendable {
    /// The annotation; `off` switches the node off.
    static let annotation = "local.modelfleet.dev/power"

    private let isOffNow = Mutex(false)

    /// Whether it is off.
    var isOff: Bool { isOffNow.withLock { $0 } }

    /// Takes in a state of the Node; whether that switched it.
    func observe(_ node: KubeObject) -> Bool {
        let isOff = node.annotations[Self.annotation] == "off"
        return isOffNow.withLock { present in
            defer { present = isOff }
            return present != isOff
        }
    }
}
