// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// A choice of samples: by name and by labels.
public struct MetricSelector: Sendable, Hashable {
    /// The metric's name, as its `# TYPE` line has it.
    public var name: String
    /// Labels that a sample must have.
    public var labels: [String: String]
    /// Labels of samples that are left out: those that have all of one entry.
    public var except: [[String: String]]

    /// A selector.
    public init(_ name: String, labels: [String: String] = [:], except: [[String: String]] = []) {
        self.name = name
        self.labels = labels
        self.except = except
    }
}

/// One way in which a server exports a signal.
public struct MetricSource: Sendable, Hashable {
    /// What the metric's value is.
    public enum Kind: Sendable, Hashable {
        /// The signal itself: a gauge, a counter of requests, a histogram or summary of durations.
        case direct
        /// A counter of time that requests spend so; how fast it grows is how many there are on average (Little's law).
        case time
    }

    /// The samples.
    public var selector: MetricSelector
    /// What the value is.
    public var kind: Kind
    /// What a time is multiplied by to get seconds (1, 0.001, 0.000001), or a ratio to get 0 to 1.
    public var scale: Double
    /// For durations that are only summed up: the counter of what was summed.
    public var count: MetricSelector?

    /// A source.
    public init(_ selector: MetricSelector, kind: Kind = .direct, scale: Double = 1, count: MetricSelector? = nil) {
        self.selector = selector
        self.kind = kind
        self.scale = scale
        self.count = count
    }

    /// A source without labels.
    public init(_ name: String, kind: Kind = .direct, scale: Double = 1, count: String? = nil) {
        self.init(MetricSelector(name), kind: kind, scale: scale, count: count.map { MetricSelector($0) })
    }
}

/// Which of a server's metrics mean what; a ServingRuntime's `metrics`.
///
/// Each signal has an ordered list of sources, since servers rename their metrics: the first one that is on the page counts.
public struct MetricsMapping: Sendable, Hashable {
    /// Requests that wait.
    public let queueLength: [MetricSource]
    /// Requests that were accepted and not yet answered.
    public let inFlight: [MetricSource]
    /// How full the key-value cache is.
    public let cacheUsage: [MetricSource]
    /// Request durations.
    public let latency: [MetricSource]
    /// The counter of requests, however they ended.
    public let requests: [MetricSource]
    /// The counter of requests that ended well.
    public let successes: [MetricSource]
    /// The counter of requests that ended in an error.
    public let errors: [MetricSource]
    /// The label of the requests counter that holds the answer's code.
    public let codeLabel: String
    /// The beginnings of codes that count as errors.
    public let errorCodes: [String]
    /// The counter of the process's CPU seconds; `process_cpu_seconds_total` by default, as most client libraries have it.
    public let cpuSeconds: [MetricSource]
    /// Whether `inFlight` leaves out the requests that wait.
    public let inFlightIsRunning: Bool
    /// The counter of outputs by category: predicted classes, finish reasons.
    public let outputs: [MetricSource]
    /// The label of the outputs counter that holds the category.
    public let outputLabel: String
    /// The samples of a page that are needed.
    public let selection: MetricSelection

    /// A mapping.
    public init(
        queueLength: [MetricSource] = [],
        inFlight: [MetricSource] = [],
        cacheUsage: [MetricSource] = [],
        latency: [MetricSource] = [],
        requests: [MetricSource] = [],
        successes: [MetricSource] = [],
        errors: [MetricSource] = [],
        codeLabel: String = "code",
        errorCodes: [String] = ["5"],
        cpuSeconds: [MetricSource] = [MetricSource("process_cpu_seconds")],
        inFlightIsRunning: Bool = false,
        outputs: [MetricSource] = [],
        outputLabel: String = "class"
    ) {
        self.queueLength = queueLength
        self.inFlight = inFlight
        self.cacheUsage = cacheUsage
        self.latency = latency
        self.requests = requests
        self.successes = successes
        self.errors = errors
        self.codeLabel = codeLabel
        self.errorCodes = errorCodes
        self.cpuSeconds = cpuSeconds
        self.inFlightIsRunning = inFlightIsRunning
        self.outputs = outputs
        self.outputLabel = outputLabel
        let all = queueLength + inFlight + cacheUsage + latency + requests + successes + errors + cpuSeconds + outputs
        let names = all.flatMap { [$0.selector.name] + ($0.count.map { [$0.name] } ?? []) }
        selection = MetricSelection(names: Set(names.flatMap(Self.samples)))
    }

    /// The names that samples of a metric may have: a counter gets `_total` in OpenMetrics, a histogram has three parts.
    ///
    /// Comments are kept under the same names, and OpenMetrics declares `x_total` as `x`.
    private static func samples(of name: String) -> [String] {
        [name, name + "_total", name + "_bucket", name + "_sum", name + "_count"]
            + (family(of: name).map { [$0] } ?? [])
    }

    /// The name under which OpenMetrics declares a counter's sample `name`; `nil` where it doesn't end in `_total`.
    static func family(of name: String) -> String? {
        name.hasSuffix("_total") && name != "_total" ? String(name.dropLast("_total".count)) : nil
    }
}
