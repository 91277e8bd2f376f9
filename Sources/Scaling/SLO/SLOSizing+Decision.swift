// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

extension SLOSizing {
    /// The decision.
    public func decision() -> ScaleDecision {
        let proposals = serviceSeconds > 0 ? proposals : []
        var decision = ScaleDecision(
            current: current,
            desired: current,
            reason: ScaleReason(
                "MissingData",
                "hold: no answered request was seen yet, so a replica's rate isn't known"
            ),
            proposals: proposals,
            steps: proposals.map {
                ScaleStep(rule: $0.source, before: current, after: $0.replicas ?? current, note: $0.note)
            }
        )
        if let winner = proposals.max(by: { ($0.replicas ?? 0) < ($1.replicas ?? 0) }), let count = winner.replicas {
            let code = count == current ? "WithinTolerance" : winner.source
            decision.desired = count
            decision.reason = ScaleReason(code, "\(winner.note): needs \(count)")
        }
        if decision.desired < current, heldReplicas > decision.desired {
            let held = min(current, heldReplicas)
            apply("Hold", &decision, held, "keep what was needed within one cold start: starting anew costs as much")
        }
        steady(&decision)
        serve(&decision)
        if isIncomplete, decision.desired < current {
            apply("MissingData", &decision, current, "hold: signals are missing, and missing is not zero")
        }
        let bounded = min(maxReplicas, max(minReplicas, decision.desired))
        if bounded != decision.desired {
            let isLow = bounded > decision.desired
            apply(
                "Bounds",
                &decision,
                bounded,
                isLow
                    ? "never below minReplicas \(minReplicas)"
                    : "\(decision.reason.message); limited by maxReplicas \(maxReplicas)"
            )
            decision.reason.code = isLow ? "MinReplicas" : "MaxReplicas"
        }
        return decision
    }

    /// A clause that says that a request's work alone takes as long as the objective allows; `nil` where it doesn't.
    ///
    /// That no count keeps it is said only where a request with nothing beside it misses it, too: a plan leaves a quarter of the slots in use,
    /// however tight the objective.
    func hopelessness(of objective: LatencyObjective) -> String? {
        let text = TargetTracking.text
        func clause(_ seconds: Double, _ how: String) -> String? {
            let work = seconds * 1000
            guard work >= objective.milliseconds else { return nil }
            return
                "the objective of \(text(objective.milliseconds)) ms is no longer than a request's work (\(text(work.rounded())) ms\(how))"
        }
        if let clause = clause(leastSeconds, " at least") { return clause + ": no count keeps it" }
        return clause(serviceSeconds, concurrency > 1 ? " with \(text(concurrency)) at once in a replica" : "")
    }

    /// Goes down only as far as is safe for what arrives and waits now, whatever is expected.
    private func serve(_ decision: inout ScaleDecision) {
        guard decision.desired < current, serviceSeconds > 0 else { return }
        if isQueueNotable(for: decision.desired) {
            let text = TargetTracking.text(waiting)
            apply("Draining", &decision, current, "keep all until the \(text) waiting requests are done")
        }
        let arriving = min(current, max(replicas(for: burstRate), neededByQueue(at: recentRate)))
        if arriving > decision.desired {
            let text = TargetTracking.text(max(burstRate, recentRate))
            apply("Arriving", &decision, arriving, "keep what the \(text) requests/s of now need")
        }
    }

    /// Spares changes that are hardly worth one: a small rise has to be needed for a quarter of the time that a change settles in, and a
    /// surplus goes when keeping it has cost as much as a change (break-even, as for a cold start). What was asked for to drain a
    /// backlog goes with the backlog: it isn't needed again before the next one. A backlog's are many; a few that the flow
    /// hasn't needed for long are those of a slow fall, and go together.
    private func steady(_ decision: inout ScaleDecision) {
        let isFew = Double(decision.desired - current) < Self.fewShare * Double(current) + 1
        if decision.desired > current, isFew, leastNeed <= current, !isQueueLate {
            apply("SecondLook", &decision, current, "a small rise has to be needed for a while first")
        }
        let known = min(current, max(largestNeed, decision.desired))
        let kept = Double(current - known) > Self.fewShare * Double(current) ? known : current
        if kept > max(minReplicas, decision.desired), surplusSeconds < changeSeconds {
            apply("Together", &decision, kept, "a surplus is kept until it has cost as much as a change")
        }
    }

    /// Which share of all replicas is few.
    private static let fewShare = 0.15

    /// The replicas beyond what is needed now; those that are held count, since they cost as much as the others.
    var surplus: Int { max(0, current - max(minReplicas, needed)) }

    /// What a change of the count may cost, in replica-seconds: as much as two fifths of all replicas while it settles.
    private var changeSeconds: Double { 0.4 * Double(current) * Self.settling(holdSeconds) }

    /// How many seconds a change settles in, for replicas that are ready after `coldStart` seconds: as long, but where that is less than a
    /// minute four times as long, up to a minute.
    ///
    /// A change moves connections, endpoints and nodes, however soon a replica is ready. On the training loads with a cold start of 15 s
    /// (seeds 5 to 8) this halves the changes (4,076 to 1,797) for 1.8 % of the cost; 45 s and 90 s instead of a minute lie on the same line.
    static func settling(_ coldStart: Double) -> Double { max(coldStart, min(60, 4 * coldStart)) }

    private func apply(_ rule: String, _ decision: inout ScaleDecision, _ after: Int, _ note: String) {
        guard after != decision.desired else { return }
        decision.steps.append(ScaleStep(rule: rule, before: decision.desired, after: after, note: note))
        decision.desired = after
        decision.reason = ScaleReason(rule, note)
    }
}
