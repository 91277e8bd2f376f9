// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// One line of an exposition page: a name, labels and a value.
public struct PrometheusSample: Sendable, Hashable {
    /// One label.
    public struct Label: Sendable, Hashable {
        /// The label's name.
        public var name: String
        /// The label's value, unescaped.
        public var value: String

        /// A label.
        public init(name: String, value: String) {
            self.name = name
            self.value = value
        }
    }

    /// The metric's name with any suffix (`_bucket`, `_sum`).
    public var name: String
    /// The labels in the page's order.
    public var labels: [Label]
    /// The value; may be NaN or infinite.
    public var value: Double
    /// Milliseconds since the epoch, where the page says a time.
    public var timestampMilliseconds: Int64?

    /// A sample.
    public init(name: String, labels: [Label] = [], value: Double, timestampMilliseconds: Int64? = nil) {
        self.name = name
        self.labels = labels
        self.value = value
        self.timestampMilliseconds = timestampMilliseconds
    }

    /// The value of a label; `nil` when the sample hasn't got it.
    public subscript(label name: String) -> String? { labels.first { $0.name == name }?.value }
}

/// What a page in the Prometheus text format says.
public struct PrometheusPage: Sendable, Hashable {
    /// The samples that were kept, in the page's order.
    public var samples: [PrometheusSample]
    /// The types of families by name: `counter`, `gauge`, `histogram`, `summary`, `untyped`.
    public var types: [String: String]
    /// The help texts of families by name.
    public var help: [String: String]

    /// A page.
    public init(samples: [PrometheusSample] = [], types: [String: String] = [:], help: [String: String] = [:]) {
        self.samples = samples
        self.types = types
        self.help = help
    }
}

/// Bounds on a page; one beyond them is refused, not cut.
public struct PrometheusLimits: Sendable, Hashable {
    /// The largest page in bytes (a vLLM server with all its histograms has about 60 kB).
    public var bytes: Int
    /// The most samples.
    public var samples: Int
    /// The most labels of one sample.
    public var labels: Int

    /// Limits with room for the largest pages that were seen, times ten.
    public init(bytes: Int = 8 << 20, samples: Int = 100_000, labels: Int = 64) {
        self.bytes = bytes
        self.samples = samples
        self.labels = labels
    }
}

/// What is wrong with a page, and in which line.
public struct PrometheusTextError: Error, Hashable, CustomStringConvertible {
    /// The line, from 1.
    public var line: Int
    /// What is wrong.
    public var message: String

    /// One line with the number.
    public var description: String { "text format parsing error in line \(line): \(message)" }
}
