// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOHTTP1

/// One request on its way through the proxy: whom it may go to, where it is, and how far it got.
final class ProxiedRequest {
    /// How it is sent on.
    let plan: ForwardedRequest
    /// The pod connection that carries it.
    var upstream: UpstreamConnection?
    /// Its copy.
    var mirror: MirroredRequest?
    /// Whether its connection had carried another request before.
    var isReused = false
    /// Whether its last part was passed on.
    var isComplete = false
    /// Whether its pod asked for its body.
    var isAskedToGoOn = false
    /// Whether any part of its body was passed on.
    var hasSentBody = false
    /// Whether the head of its final answer was passed to the client.
    var hasAnswer = false
    /// Whether the body of its answer is passed on.
    var hasAnswerBody = false
    /// Whether the client's connection ends with it.
    var endsConnection = false
    /// Whether the pod's connection may carry another request.
    var isUpstreamKeptAlive = false
    /// Whether it must have a connection of its own: the one it had was closed under it.
    var needsFreshConnection = false
    /// Its place among those that wait for a pod.
    var hold: HeldConnections.Hold?
    private var order: [TargetChooser] = []
    private var tried: Set<ServiceTarget> = []
    private var taken: (chooser: TargetChooser, target: ServiceTarget)?

    /// A request that was sent nowhere yet.
    init(_ plan: ForwardedRequest) { self.plan = plan }

    /// Starts to choose among the pods of `order`, of the first chooser first.
    func choose(among order: [TargetChooser]) {
        self.order = order
        tried = []
    }

    /// The next pod to try; `nil` when all were.
    func nextTarget() -> ServiceTarget? {
        release()
        for chooser in order {
            guard let target = chooser.take(except: tried) else { continue }
            taken = (chooser, target)
            return target
        }
        return nil
    }

    /// Leaves out the pod that was chosen: it took no connection.
    func passOver() {
        if let target = taken?.target { tried.insert(target) }
        release()
    }

    /// The pods that took no connection.
    var refusing: Set<ServiceTarget> { tried }

    /// Whether it may be sent once more now that its connection ended without a byte of an answer.
    var mayBeRepeated: Bool { isReused && !hasAnswer && !hasSentBody && plan.isReplayable }

    /// Gives its pod free for others' counting.
    func release() {
        if let taken { taken.chooser.release(taken.target) }
        taken = nil
    }
}
