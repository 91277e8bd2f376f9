// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// The numbers that a program exports about itself, in the order in which they were registered.
///
/// Asking again for a metric that exists answers the same one. A family holds at most `seriesLimit` label sets; further
/// ones are counted in one series whose label values are `other`, so that untrusted label values can't fill the memory.
public final class MetricsRegistry: Sendable {
    /// The most label sets of one family (the bound on memory; a fleet of 500 models with two series each fits).
    public static let seriesLimit = 2000

    private let families = Mutex<[MetricFamily]>([])

    /// An empty registry.
    public init() {}

    /// The counter family `name`; a counter's name ends in `_total` by convention.
    public func counter(_ name: String, help: String) -> Counter { Counter(family: family(name, help, .counter)) }

    /// The gauge family `name`.
    public func gauge(_ name: String, help: String) -> Gauge { Gauge(family: family(name, help, .gauge)) }

    /// The histogram family `name` with upper bounds in ascending order, without the infinite one.
    public func histogram(_ name: String, help: String, buckets: [Double] = Histogram.latencyBuckets) -> Histogram {
        Histogram(family: family(name, help, .histogram(buckets.sorted())))
    }

    /// All families in the Prometheus text format, version 0.0.4.
    public func render() -> String {
        let families = families.withLock { $0 }
        var writer = PrometheusTextWriter()
        for family in families { family.write(to: &writer) }
        return writer.text
    }

    private func family(_ name: String, _ help: String, _ kind: MetricFamily.Kind) -> MetricFamily {
        families.withLock { families in
            if let known = families.first(where: { $0.name == name && $0.kind == kind }) { return known }
            let family = MetricFamily(name: name, help: help, kind: kind)
            families.append(family)
            return family
        }
    }
}

/// A number that only grows.
public struct Counter: Sendable {
    let family: MetricFamily

    /// Adds `amount`; negative amounts and NaN are ignored.
    public func add(_ amount: Double = 1, labels: [String: String] = [:]) {
        guard amount >= 0 else { return }
        family.update(labels) { $0.value += amount }
    }

    /// The value of one label set; 0 when nothing was added.
    public func value(labels: [String: String] = [:]) -> Double { family.read(labels)?.value ?? 0 }
}

/// A number that goes up and down.
public struct Gauge: Sendable {
    let family: MetricFamily

    /// Sets the value.
    public func set(_ value: Double, labels: [String: String] = [:]) { family.update(labels) { $0.value = value } }

    /// Adds `amount`, which may be negative.
    public func add(_ amount: Double, labels: [String: String] = [:]) { family.update(labels) { $0.value += amount } }

    /// Forgets one label set.
    public func remove(labels: [String: String]) { family.remove(labels) }

    /// The value of one label set; `nil` when it was never set.
    public func value(labels: [String: String] = [:]) -> Double? { family.read(labels)?.value }
}

/// Counts of observations by size.
public struct Histogram: Sendable {
    /// Bounds in seconds for request latencies: 1 ms to 30 s, about 25 % to 100 % apart.
    public static let latencyBuckets: [Double] = [
        0.001, 0.0025, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75,
        1, 1.5, 2, 3, 5, 10, 30,
    ]

    let family: MetricFamily

    /// Counts one observation; NaN is ignored.
    public func observe(_ value: Double, labels: [String: String] = [:]) {
        guard !value.isNaN, case .histogram(let bounds) = family.kind else { return }
        var low = 0
        var high = bounds.count
        while low < high {
            let middle = (low + high) / 2
            if bounds[middle] < value { low = middle + 1 } else { high = middle }
        }
        let index = low
        family.update(labels) { series in
            if series.counts.isEmpty { series.counts = Array(repeating: 0, count: bounds.count + 1) }
            series.counts[index] += 1
            series.value += value
        }
    }
}
