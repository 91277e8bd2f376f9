// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import Scaling

/// The cluster's HorizontalPodAutoscaler over requests in work and waiting, per replica (`AverageValue`).
///
/// It syncs every 15 s. The metric is as old as the last scrape, which has a phase of its own: Prometheus's are often 15 s apart.
public struct HPAPolicy: FleetPolicy {
    /// The name in reports.
    public let name: String
    /// Scrape and sync.
    public let timing: PolicyTiming
    /// The requests per replica to hold, in thousandths.
    private let target: Int64
    private let minReplicas: Int
    private let maxReplicas: Int
    private let calculator: HPAReplicaCalculator
    private var behavior: HPABehavior
    private var outstanding: Int64?

    /// An HPA. Its `minReplicas` is at least 1.
    /// - Parameter target: the requests per replica to hold.
    public init(
        name: String = "hpa",
        target: Double,
        minReplicas: Int = 1,
        maxReplicas: Int = 10_000,
        behavior: HPABehavior = HPABehavior(),
        calculator: HPAReplicaCalculator = HPAReplicaCalculator(),
        scrapeSeconds: Double = 15
    ) {
        self.name = name
        self.target = max(1, Int64((target * 1000).rounded()))
        self.minReplicas = max(1, minReplicas)
        self.maxReplicas = maxReplicas
        self.behavior = behavior
        self.calculator = calculator
        timing = PolicyTiming(scrapeSeconds: scrapeSeconds, decisionSeconds: 15)
    }

    /// Keeps the newest value.
    public mutating func observe(_ view: FleetView) { outstanding = Int64(view.outstanding) * 1000 }

    /// One sync.
    public mutating func decide(_ view: FleetView) -> Int? {
        // An HPA leaves an object at zero replicas alone (`ScalingDisabled`).
        guard let outstanding, view.desired > 0 else { return nil }
        let status = view.ready + view.loading
        let wanted = calculator.averageValue(total: outstanding, target: target, statusReplicas: status)
        // As in `horizontal.go` the bounds come last, and the rate policies count what is written.
        let limited = behavior.normalized(wanted, current: view.desired, seconds: view.seconds).count
        let count = min(maxReplicas, max(minReplicas, limited))
        behavior.scaled(from: view.desired, to: count, seconds: view.seconds)
        return count
    }
}

/// KEDA: an HPA for one replica and more, whose every sync reads the metric anew, and a poll of its own every 30 s between none
/// and the fewest.
public struct KEDAPolicy: FleetPolicy {
    /// The name in reports.
    public let name = "keda"
    /// Scrape and sync of its HPA.
    public let timing: PolicyTiming
    /// A trigger is active above this value.
    public let activationThreshold: Double
    /// How long the trigger has to be inactive before the last replica goes.
    public let cooldownSeconds: Double
    /// The seconds between two polls.
    public let pollingSeconds: Double
    private let minReplicas: Int
    private let idlesAtZero: Bool
    private var hpa: HPAPolicy
    private var outstanding = 0.0
    private var lastActive: Double?
    private var nextPoll = 0.0

    /// A ScaledObject with KEDA's defaults.
    /// - Parameter idlesAtZero: whether it has `idleReplicaCount: 0`, below its `minReplicas`.
    public init(
        target: Double,
        minReplicas: Int = 0,
        idlesAtZero: Bool = false,
        maxReplicas: Int = 10_000,
        behavior: HPABehavior = HPABehavior(),
        activationThreshold: Double = 0,
        cooldownSeconds: Double = 300,
        pollingSeconds: Double = 30
    ) {
        hpa = HPAPolicy(target: target, minReplicas: minReplicas, maxReplicas: maxReplicas, behavior: behavior)
        timing = PolicyTiming(everySeconds: hpa.timing.decisionSeconds)
        self.minReplicas = minReplicas
        self.idlesAtZero = idlesAtZero || minReplicas == 0
        self.activationThreshold = activationThreshold
        self.cooldownSeconds = cooldownSeconds
        self.pollingSeconds = pollingSeconds
    }

    /// The metric's newest value, for the poll and the HPA.
    public mutating func observe(_ view: FleetView) {
        outstanding = Double(view.outstanding)
        hpa.observe(view)
    }

    /// The poll where it is due, else the HPA's sync.
    public mutating func decide(_ view: FleetView) -> Int? {
        if view.seconds >= nextPoll {
            nextPoll = view.seconds + pollingSeconds
            if outstanding > activationThreshold {
                lastActive = view.seconds
                if view.desired == 0 { return max(1, minReplicas) }
            } else if idlesAtZero, view.desired > 0, (lastActive ?? 0) + cooldownSeconds < view.seconds {
                return 0
            } else if !idlesAtZero, view.desired < minReplicas {
                return minReplicas
            }
        }
        return hpa.decide(view)
    }
}
