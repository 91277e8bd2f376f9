// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// A choice of samples: by name and by labels.
public struct MetricSelector: Sendable, Hashable {
    /// The metric's name.
    public var name: String
    /// Labels that a sample must have.
    public var labels: [String: String]

    /// A selector.
    public init(_ name: String, labels: [String: String] = [:]) {
        self.name = name
        self.labels = labels
    }

    /// Whether a sample with this name, up to a suffix, is chosen.
    func matches(_ sample: PrometheusSample, suffix: String = "") -> Bool {
        sample.name == name + suffix && labels.allSatisfy { sample[label: $0.key] == $0.value }
    }
}

/// Which of a server's metrics mean what; a ServingRuntime's `metrics`.
public struct MetricsMapping: Sendable, Hashable {
    /// The gauge of requests that wait.
    public var queueLength: MetricSelector?
    /// The gauge of requests that were accepted and not yet answered.
    public var inFlight: MetricSelector?
    /// The histogram of request durations.
    public var latency: MetricSelector?
    /// What a latency bound is multiplied by to get seconds: 1, 0.001, 0.000001.
    public var latencyScale: Double
    /// The counter of requests.
    public var requests: MetricSelector?
    /// The label of the requests counter that holds the answer's code.
    public var codeLabel: String
    /// The beginnings of codes that count as errors.
    public var errorCodes: [String]

    /// A mapping.
    public init(
        queueLength: MetricSelector? = nil,
        inFlight: MetricSelector? = nil,
        latency: MetricSelector? = nil,
        latencyScale: Double = 1,
        requests: MetricSelector? = nil,
        codeLabel: String = "code",
        errorCodes: [String] = ["5"]
    ) {
        self.queueLength = queueLength
        self.inFlight = inFlight
        self.latency = latency
        self.latencyScale = latencyScale
        self.requests = requests
        self.codeLabel = codeLabel
        self.errorCodes = errorCodes
    }

    /// Whether a page's sample with this name is needed.
    func needs(_ name: String) -> Bool {
        name == queueLength?.name || name == inFlight?.name || name == requests?.name
            || latency.map { name == $0.name + "_bucket" || name == $0.name + "_count" } ?? false
    }
}
