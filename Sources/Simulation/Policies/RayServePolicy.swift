// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// Ray Serve's autoscaling by ongoing requests (`serve/autoscaling_policy.py`).
public struct RayServePolicy: FleetPolicy {
    /// Its settings with the defaults of `AutoscalingConfig`.
    public struct Settings: Sendable, Hashable {
        /// The ongoing requests per replica to hold.
        public var targetOngoingRequests = 2.0
        /// How often replicas and handles report.
        public var metricsIntervalSeconds = 10.0
        /// The seconds that are averaged over.
        public var lookBackSeconds = 30.0
        /// How long more has to be asked for without a break.
        public var upscaleDelaySeconds = 30.0
        /// How long less has to be asked for without a break.
        public var downscaleDelaySeconds = 600.0
        /// The share of the way up that is taken at once.
        public var upscalingFactor = 1.0
        /// The share of the way down that is taken at once.
        public var downscalingFactor = 1.0
        /// The fewest replicas.
        public var minReplicas = 1
        /// Whether there may be none while nothing is asked. (The real one has this with `min_replicas` 0 only.)
        public var scalesToZero = false
        /// The most replicas.
        public var maxReplicas = 10_000

        /// The defaults.
        public init() {}
    }

    /// `CONTROL_LOOP_INTERVAL_S`.
    static let loopSeconds = 0.1
    /// The name in reports.
    public let name = "ray-serve"
    /// Requests are recorded every 0.5 s; the control loop turns every 0.1 s.
    public let timing = PolicyTiming(scrapeSeconds: 0.5, decisionSeconds: 0.1)
    private let settings: Settings
    private var samples: [Double] = []
    private var head = 0
    private var published: Double?
    private var nextPublication = 0.0
    private var counter = 0

    /// An autoscaler.
    public init(_ settings: Settings = Settings()) { self.settings = settings }

    /// One recording; every `metricsIntervalSeconds` the mean over the look-back is sent to the controller.
    public mutating func observe(_ view: FleetView) {
        let size = max(1, Int(settings.lookBackSeconds / timing.scrapeSeconds))
        if samples.count < size {
            samples.append(Double(view.outstanding))
        } else {
            samples[head] = Double(view.outstanding)
            head = (head + 1) % size
        }
        guard view.seconds >= nextPublication else { return }
        nextPublication = view.seconds + settings.metricsIntervalSeconds
        published = samples.reduce(0, +) / Double(samples.count)
    }

    /// One turn of the control loop.
    public mutating func decide(_ view: FleetView) -> Int? {
        guard let published else { return nil }
        return decide(ongoing: published, running: view.ready, target: view.desired)
    }

    /// At zero replicas the handle pushes its metrics with the first request, and the controller doesn't wait for the delay.
    public mutating func wake(_ view: FleetView) -> Int? { fromZero(target: view.desired) }

    private func fromZero(target: Int) -> Int {
        let least = settings.scalesToZero ? settings.minReplicas : 0
        return max(1, Int(settings.upscalingFactor.rounded(.up)), least, target)
    }

    /// A decision from the mean of ongoing requests, the running replicas and the count that is asked for.
    mutating func decide(ongoing: Double, running: Int, target: Int) -> Int {
        if running == 0 {
            return ongoing > 0 ? fromZero(target: target) : target
        }
        let current = Double(running)
        let desired = ongoing / settings.targetOngoingRequests
        let factor = desired > current ? settings.upscalingFactor : settings.downscalingFactor
        var scaled = Int((current + factor * (desired - current)).rounded(.up))
        if desired.rounded(.up) < current, scaled == running { scaled -= 1 }
        let least = settings.scalesToZero && ongoing <= 0 ? 0 : settings.minReplicas
        return delayed(max(least, min(settings.maxReplicas, scaled)), target: target)
    }

    private mutating func delayed(_ wanted: Int, target: Int) -> Int {
        if wanted > target {
            counter = max(counter, 0) + 1
            guard counter > Int(settings.upscaleDelaySeconds / Self.loopSeconds) else { return target }
            counter = 0
            return wanted
        }
        guard wanted < target else {
            counter = 0
            return target
        }
        counter = min(counter, 0) - 1
        guard counter < -Int(settings.downscaleDelaySeconds / Self.loopSeconds) else { return target }
        counter = 0
        // The last replica goes only from one to none.
        return target == 1 ? wanted : max(1, wanted)
    }
}
