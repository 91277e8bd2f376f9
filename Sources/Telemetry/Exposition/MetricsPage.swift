// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// What a metrics page says: the samples that were kept, in columns over one store of bytes.
///
/// Keeping a sample copies its line once; names and labels stay bytes until somebody asks for them as text.
public struct MetricsPage: Sendable {
    /// A text in `bytes`.
    struct TextRange: Sendable {
        /// The first byte.
        var start: UInt32
        /// After the last byte.
        var end: UInt32
        /// Whether there is a backslash in it.
        var isEscaped = false
    }

    /// Where a sample's parts are in the page.
    struct Row: Sendable {
        /// The index of its name in `names`.
        var name: UInt32
        /// The index of its first label in `labels`.
        var firstLabel: UInt32
        /// The number of its labels.
        var labelCount: UInt32
        /// Whether the page says a time.
        var hasTimestamp: Bool
        /// Milliseconds since the epoch.
        var timestamp: Int64
        /// The value.
        var value: Double
    }

    /// Where a label's name and value are in `bytes`, without quotes.
    struct LabelRange: Sendable {
        /// The name's first byte.
        var nameStart: UInt32
        /// After the name's last byte.
        var nameEnd: UInt32
        /// The value's first byte.
        var valueStart: UInt32
        /// After the value's last byte.
        var valueEnd: UInt32
        /// Whether the name or the value has a backslash.
        var isEscaped: Bool
    }

    /// What one line says of a family.
    struct FamilyRow: Sendable {
        /// The family's name.
        var name: TextRange
        /// What the line says.
        var fact: Fact
    }

    /// What a line may say of a family.
    enum Fact: Sendable {
        /// Its type.
        case type(MetricType)
        /// Its help text.
        case help(TextRange)
        /// Its unit.
        case unit(TextRange)
    }

    /// What a page says of one family.
    public struct Family: Sendable, Hashable {
        /// The type; `nil` when the page doesn't say it.
        public var type: MetricType?
        /// The help text; `nil` when there is none.
        public var help: String?
        /// The unit, in OpenMetrics.
        public var unit: String?
    }

    /// The lines that were kept, one after the other.
    var bytes: [UInt8] = []
    /// The samples.
    var rows: [Row] = []
    /// The labels of all samples.
    var labels: [LabelRange] = []
    /// The names of runs of samples; where runs alternate, a name occurs several times.
    var names: [TextRange] = []
    /// What the page says of the families that were kept, in its order.
    var familyRows: [FamilyRow] = []
    /// The names of families on the page, kept or not.
    var offered = OfferedNames()

    /// A page without a sample.
    public init() {}

    /// How many samples were kept.
    public var count: Int { rows.count }

    /// The sample at `index`, from 0 to `count`.
    public subscript(index: Int) -> MetricSample {
        let row = rows[index]
        let range = Int(row.firstLabel)..<Int(row.firstLabel + row.labelCount)
        return MetricSample(
            name: text(names[Int(row.name)]),
            labels: range.map { MetricSample.Label(name: labelName($0), value: labelValue($0)) },
            value: row.value,
            timestampMilliseconds: row.hasTimestamp ? row.timestamp : nil
        )
    }

    /// All kept samples in the page's order.
    public var samples: [MetricSample] { rows.indices.map { self[$0] } }

    /// What the page says of the families that were kept, by name. Of two lines that say the same kind of thing, the last counts.
    public var families: [String: Family] {
        var families: [String: Family] = [:]
        for row in familyRows {
            let name = text(row.name)
            switch row.fact {
            case .type(let type): families[name, default: Family()].type = type
            case .help(let range): families[name, default: Family()].help = text(range)
            case .unit(let range): families[name, default: Family()].unit = text(range)
            }
        }
        return families
    }

    /// The distinct names of families on the page, kept or not, in its order; of a very long page, the first 1,000.
    public var offeredNames: [String] { offered.names }

    // MARK: Picking samples

    /// Whether a comment on the page declares a family of this name.
    func declares(_ name: String) -> Bool { familyRows.contains { isText(name, $0.name) } }

    /// Whether a comment on the page declares a family of this name with this type.
    func declares(_ name: String, as type: MetricType) -> Bool {
        familyRows.contains { row in
            guard case .type(type) = row.fact else { return false }
            return isText(name, row.name)
        }
    }

    /// The indices of the samples with this name.
    ///
    /// Looks at each run and at each sample once: a page may alternate between names at every line.
    func indices(named name: String) -> [Int] {
        var indices: [Int] = []
        var run = UInt32.max
        var isWanted = false
        for index in rows.indices {
            if rows[index].name != run {
                run = rows[index].name
                isWanted = isText(name, names[Int(run)])
            }
            if isWanted { indices.append(index) }
        }
        return indices
    }

    /// The value of one label of one sample; `nil` when it hasn't got the label.
    func label(_ name: String, of index: Int) -> String? { position(of: name, in: index).map { labelValue($0) } }

    /// Whether a sample has all of these labels with these values; an empty value stands for no label, as in Prometheus.
    func sample(_ index: Int, has wanted: [String: String]) -> Bool {
        wanted.allSatisfy { name, value in
            guard let position = position(of: name, in: index) else { return value.isEmpty }
            let range = labels[position]
            return isText(
                value,
                TextRange(start: range.valueStart, end: range.valueEnd, isEscaped: range.isEscaped)
            )
        }
    }

    /// The number in a label's value (`le`, `quantile`); `nil` where the label is missing or is no number.
    func number(ofLabel name: String, in index: Int) -> Double? {
        guard let position = position(of: name, in: index) else { return nil }
        return ExpositionNumber.parse(bytes.span, Int(labels[position].valueStart), Int(labels[position].valueEnd))
    }

    /// The labels of a sample but for one, as a key that is equal for equal label sets, in whatever order the page has them.
    func labelKey(of index: Int, without name: String) -> SeriesKey {
        let row = rows[index]
        let written = labels[Int(row.firstLabel)..<Int(row.firstLabel + row.labelCount)]
        var key: [UInt8] = []
        if let first = written.first, let last = written.last {
            key.reserveCapacity(Int(last.valueEnd - first.nameStart))
        }
        var last: LabelRange?
        for label in written where !isNamed(label, name) {
            if let last, isNamed(label, before: last) {
                let sorted = written.filter { !isNamed($0, name) }.sorted { isNamed($0, before: $1) }
                return SeriesKey(sorted.reduce(into: []) { append($1, to: &$0) })
            }
            append(label, to: &key)
            last = label
        }
        return SeriesKey(key)
    }

    /// Whether two samples have the same labels but for one, written in the same order.
    func hasSameLabels(_ first: Int, _ second: Int, without name: String) -> Bool {
        let (left, right) = (rows[first], rows[second])
        guard left.labelCount == right.labelCount else { return false }
        return (0..<Int(left.labelCount)).allSatisfy { offset in
            let (one, other) = (labels[Int(left.firstLabel) + offset], labels[Int(right.firstLabel) + offset])
            if isNamed(one, name) { return isNamed(other, name) }
            let count = Int(one.valueEnd - one.nameStart)
            return count == Int(other.valueEnd - other.nameStart)
                && ByteScan.isSame(bytes.span, Int(one.nameStart), Int(other.nameStart), count: count)
        }
    }

    private func isNamed(_ label: LabelRange, _ name: String) -> Bool {
        isText(name, TextRange(start: label.nameStart, end: label.nameEnd))
    }

    private func append(_ label: LabelRange, to key: inout [UInt8]) {
        key += bytes[Int(label.nameStart)..<Int(label.valueEnd)]
        key.append(UInt8(ascii: ","))
    }

    private func isNamed(_ label: LabelRange, before other: LabelRange) -> Bool {
        bytes[Int(label.nameStart)..<Int(label.nameEnd)]
            .lexicographicallyPrecedes(bytes[Int(other.nameStart)..<Int(other.nameEnd)])
    }

    private func position(of name: String, in index: Int) -> Int? {
        let row = rows[index]
        return (Int(row.firstLabel)..<Int(row.firstLabel + row.labelCount))
            .first { position in
                let range = labels[position]
                return isText(
                    name,
                    TextRange(start: range.nameStart, end: range.nameEnd, isEscaped: range.isEscaped)
                )
            }
    }

    // MARK: Text

    private func isText(_ text: String, _ range: TextRange) -> Bool {
        if range.isEscaped { return self.text(range) == text }
        guard text.utf8.count == Int(range.end - range.start) else { return false }
        return ByteScan.isSame(text.utf8.span, 0, bytes.span, Int(range.start), count: text.utf8.count)
    }

    private func labelName(_ position: Int) -> String {
        let range = labels[position]
        return text(TextRange(start: range.nameStart, end: range.nameEnd, isEscaped: range.isEscaped))
    }

    private func labelValue(_ position: Int) -> String {
        let range = labels[position]
        return text(TextRange(start: range.valueStart, end: range.valueEnd, isEscaped: range.isEscaped))
    }

    private func text(_ range: TextRange) -> String {
        Self.text(bytes[Int(range.start)..<Int(range.end)], isEscaped: range.isEscaped)
    }

    /// The text of `slice` with `\\`, `\"` and `\n` replaced; another backslash stands for itself, as in Prometheus.
    static func text(_ slice: ArraySlice<UInt8>, isEscaped: Bool) -> String {
        guard isEscaped else { return String(decoding: slice, as: UTF8.self) }
        var plain: [UInt8] = []
        plain.reserveCapacity(slice.count)
        var isAfterBackslash = false
        for byte in slice {
            if isAfterBackslash {
                isAfterBackslash = false
                switch byte {
                case UInt8(ascii: "\\"), UInt8(ascii: "\""): plain.append(byte)
                case UInt8(ascii: "n"): plain.append(UInt8(ascii: "\n"))
                default: plain += [UInt8(ascii: "\\"), byte]
                }
            } else if byte == UInt8(ascii: "\\") {
                isAfterBackslash = true
            } else {
                plain.append(byte)
            }
        }
        if isAfterBackslash { plain.append(UInt8(ascii: "\\")) }
        return String(decoding: plain, as: UTF8.self)
    }
}
