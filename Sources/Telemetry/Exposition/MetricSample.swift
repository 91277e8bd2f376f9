// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// One sample of a metrics page: a name, labels and a value.
public struct MetricSample: Sendable, Hashable {
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
