// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// Knative's pod autoscaler (`pkg/autoscaler/scaling/autoscaler.go`): concurrency over a stable and a panic window.
public struct KPAPolicy: FleetPolicy {
    /// Its settings with the defaults of `config-autoscaler`.
    public struct Settings: Sendable, Hashable {
        /// The requests per replica at 100 %: `containerConcurrency`, or 100 where that is unlimited.
        public var concurrency = 100.0
        /// The share of it to aim for.
        public var targetUtilization = 0.7
        /// The seconds of the stable window.
        public var stableSeconds = 60.0
        /// The panic window as a share of the stable window.
        public var panicShare = 0.1
        /// Panic begins when the panic window asks for this many times the ready replicas.
        public var panicThreshold = 2.0
        /// The most growth in one decision, as a factor of the ready replicas.
        public var maxScaleUpRate = 1000.0
        /// The most shrinking in one decision, as a divisor of the ready replicas.
        public var maxScaleDownRate = 2.0
        /// How long a lower count has to be asked for; 0 is the default.
        public var scaleDownDelaySeconds = 0.0
        /// How long the last replica stays after the traffic has ended.
        public var scaleToZeroGraceSeconds = 30.0
        /// The fewest replicas.
        public var minReplicas = 0
        /// The fewest while anything is asked (`activation-scale`).
        public var activationScale = 1

        /// The defaults.
        public init() {}
    }

    /// The name in reports.
    public let name = "kpa"
    /// Scrapes every second, decides every 2 s.
    public let timing = PolicyTiming(scrapeSeconds: 1, decisionSeconds: 2)
    private let settings: Settings
    private var buckets: [Double] = []
    private var head = 0
    private var lastIntegral: Double?
    private var lastSeconds = 0.0
    private var panicSince: Double?
    private var maxPanicPods = 0
    private var isFirst = true
    private var delayed: [(seconds: Double, count: Int)] = []
    private var idleSince: Double?

    /// An autoscaler.
    public init(_ settings: Settings = Settings()) { self.settings = settings }

    /// One bucket: the mean concurrency of the last second.
    public mutating func observe(_ view: FleetView) {
        defer {
            lastIntegral = view.outstandingSeconds
            lastSeconds = view.seconds
        }
        guard let lastIntegral, view.seconds > lastSeconds else { return }
        record((view.outstandingSeconds - lastIntegral) / (view.seconds - lastSeconds))
    }

    /// Adds a second's mean concurrency.
    mutating func record(_ concurrency: Double) {
        let size = max(1, Int(settings.stableSeconds))
        if buckets.count < size {
            buckets.append(concurrency)
            head = buckets.count % size
        } else {
            buckets[head] = concurrency
            head = (head + 1) % size
        }
    }

    /// One tick.
    public mutating func decide(_ view: FleetView) -> Int? {
        guard !buckets.isEmpty else { return nil }
        let panicBuckets = max(1, Int((settings.stableSeconds * settings.panicShare).rounded()))
        let wanted = scale(
            stable: average(buckets.count),
            panic: average(panicBuckets),
            ready: view.ready,
            seconds: view.seconds
        )
        return toZero(wanted, view)
    }

    /// A request at zero replicas wakes the autoscaler at once.
    public mutating func wake(_ view: FleetView) -> Int? {
        idleSince = nil
        return max(1, settings.activationScale)
    }

    /// The heart: from the windows' means to a count.
    mutating func scale(stable: Double, panic: Double, ready: Int, seconds: Double) -> Int {
        if isFirst, ready > 1 {
            // A new autoscaler holds what it finds by starting in panic.
            panicSince = seconds
            maxPanicPods = ready
        }
        isFirst = false
        let pods = Double(max(1, ready))
        let target = max(0.01, settings.concurrency * settings.targetUtilization)
        let up = (settings.maxScaleUpRate * pods).rounded(.up)
        let down = (pods / settings.maxScaleDownRate).rounded(.down)
        let byStable = (stable / target).rounded(.up)
        let byPanic = (panic / target).rounded(.up)
        let stableCount = activated(Int(min(max(byStable, down), up)), asked: byStable)
        let panicCount = activated(Int(min(max(byPanic, down), up)), asked: byPanic)
        let isOver = byPanic / pods >= settings.panicThreshold
        if isOver {
            panicSince = seconds
        } else if let since = panicSince, since + settings.stableSeconds < seconds {
            panicSince = nil
            maxPanicPods = 0
        }
        var count = stableCount
        if panicSince != nil {
            maxPanicPods = max(maxPanicPods, max(stableCount, panicCount))
            count = maxPanicPods
        }
        guard settings.scaleDownDelaySeconds > 0 else { return count }
        delayed.removeAll { $0.seconds <= seconds - settings.scaleDownDelaySeconds }
        delayed.append((seconds, count))
        return delayed.map(\.count).max() ?? count
    }

    private func activated(_ count: Int, asked: Double) -> Int {
        asked > 0 ? max(count, settings.activationScale) : count
    }

    private mutating func toZero(_ count: Int, _ view: FleetView) -> Int? {
        guard count == 0, settings.minReplicas == 0 else {
            idleSince = nil
            return max(count, settings.minReplicas)
        }
        guard view.desired > 0 else { return 0 }
        let since = idleSince ?? view.seconds
        idleSince = since
        // Marked inactive after nothing came for the stable window, then the grace period.
        return view.seconds - since >= settings.scaleToZeroGraceSeconds ? 0 : 1
    }

    private func average(_ count: Int) -> Double {
        let count = min(count, buckets.count)
        var sum = 0.0
        for back in 1...max(1, count) { sum += buckets[(head - back + 2 * buckets.count) % buckets.count] }
        return sum / Double(max(1, count))
    }
}
