// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

extension SLOSizing {
    /// Requests a second that one replica gets done.
    var replicaRate: Double { concurrency / max(serviceSeconds, 1e-9) }

    /// The replicas for a flow of `rate`; forgives a thousandth, so that rounding asks for nobody.
    func replicas(for rate: Double) -> Int {
        Int(min(max(0, rate / max(replicaRate, 1e-9) - 1e-3).rounded(.up), 1e9))
    }

    /// The rate to expect while requests wait: never less than what arrives right now, since a slow forecast may not have
    /// seen yet why they wait. A queue that is still on time gives the time to ask for the mean of 16 s.
    private var drainRate: Double { max(expectedRate, isQueueLate ? provenRate : recentRate) }

    /// The rate to expect one cold start from now while requests wait. A rise goes on until it is seen to end: who drains a
    /// queue for the load of now while the load rises keeps it, and everybody in it is late.
    private var surgeRate: Double { isQueueLate ? max(drainRate, risingRate) : drainRate }

    /// The requests that will wait when a replica that is started now gets ready, if the expected rate comes.
    ///
    /// Walks through the horizon, in which the rate goes straight from the one of now to the one of then: loading replicas
    /// join when they are expected. What may wait and still be on time doesn't count.
    var backlog: Double {
        var queue = waiting
        var time = 0.0
        var capacity = Double(ready) * replicaRate
        let slope = (surgeRate - drainRate) / max(horizonSeconds, 1e-9)
        for arrival in loading.sorted(by: { $0.inSeconds < $1.inSeconds }) + [
            Loading(count: 0, inSeconds: horizonSeconds)
        ] {
            let until = min(horizonSeconds, max(time, arrival.inSeconds))
            let rate = drainRate + slope * (time + until) / 2
            queue = max(0, queue + (rate - capacity) * (until - time))
            time = until
            capacity += Double(arrival.count) * replicaRate
        }
        return max(0, queue - tolerated)
    }

    /// The requests that may wait and still be on time.
    var tolerated: Double { tolerated(by: ready) }

    /// The requests that may wait for `count` replicas and still be on time.
    func tolerated(by count: Int) -> Double { Double(count) * replicaRate * slackSeconds }

    /// Whether so many wait that those who come now will be late.
    var isQueueLate: Bool { waiting > tolerated }

    /// Whether more wait than is just noise for `count` replicas. They show what is too little long before anybody is late.
    func isQueueNotable(for count: Int) -> Bool { waiting > Self.notableShare * tolerated(by: count) }

    /// Which share of what may wait is more than noise.
    private static let notableShare = 0.25

    /// How long to take to drain a backlog.
    ///
    /// Replicas for it cost their cold start and the drain itself, so fewer for longer is cheaper; but all that arrives
    /// meanwhile is late. The sum is smallest at the square root below.
    private func drainSeconds(_ backlog: Double) -> Double {
        let seconds = (backlog * horizonSeconds / (latePrice * max(surgeRate, 1e-9))).squareRoot()
        return max(1, min(horizonSeconds, seconds))
    }

    /// What each consideration asks for, in the order of the trace.
    var proposals: [ScaleProposal] {
        let backlog = isQueueNotable(for: ready) ? backlog : 0
        let drain = drainSeconds(backlog)
        let byBacklog = backlog > 0 ? replicas(for: surgeRate + backlog / drain) : 0
        let text = TargetTracking.text
        return [
            proposal(
                "Forecast",
                replicas(for: safeRate),
                safeRate,
                forecastNote
            ),
            proposal(
                "QueueModel",
                neededByQueue,
                expectedRate,
                "so that at \(text(expectedRate)) requests/s no more than \(text(lateShare * 100)) % wait longer than "
                    + "\(text(slackSeconds)) s"
            ),
            proposal(
                "Backlog",
                byBacklog,
                backlog,
                "\(text(backlog)) requests will wait when a new replica is ready, to be drained in \(text(drain)) s"
            ),
        ]
    }

    /// What is planned for. Of a model that nobody uses it says the same at each look: what the plans differ in then is no news.
    private var forecastNote: String {
        let text = TargetTracking.text
        let (recent, planned) = (text(recentRate), text(safeRate))
        if recent == "0", planned == "0" { return "no request in the last 16 s, and none is planned for" }
        return "\(recent) requests/s in the last 16 s, ready in \(text(horizonSeconds)) s for \(planned) "
            + "(\(plan)), at \(text(replicaRate)) per replica"
    }

    private func proposal(_ source: String, _ replicas: Int, _ value: Double, _ note: String) -> ScaleProposal {
        ScaleProposal(
            source: source,
            replicas: replicas,
            value: value,
            target: replicaRate,
            age: nil,
            isIncomplete: isIncomplete,
            note: note
        )
    }

    /// What the flow of requests needs, before any memory and any bound; a backlog is drained once and isn't remembered.
    var needed: Int { serviceSeconds > 0 ? max(replicas(for: safeRate), neededByQueue) : current }

    /// What the steady noise needs.
    var neededByQueue: Int { serviceSeconds > 0 ? neededByQueue(at: expectedRate) : current }

    /// What the steady noise of a load of `rate` requests a second needs.
    func neededByQueue(at rate: Double) -> Int {
        QueueModel(rate: rate, serviceSeconds: serviceSeconds, variability: variability)
            .replicas(concurrency: concurrency, waitSeconds: slackSeconds, late: lateShare)
    }
}
