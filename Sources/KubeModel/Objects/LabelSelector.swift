// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// Which objects are meant, by their labels. An empty selector means every object.
public struct LabelSelector: Sendable, Hashable, CustomStringConvertible {
    /// How a requirement compares.
    public enum Operator: String, Sendable, Hashable {
        /// The label has one of the values.
        case isIn = "In"
        /// The label is missing or has none of the values.
        case isNotIn = "NotIn"
        /// The label is there, with any value.
        case exists = "Exists"
        /// The label is missing.
        case doesNotExist = "DoesNotExist"
        /// The label is an integer above the value; only in the query language.
        case isGreaterThan = "Gt"
        /// The label is an integer below the value; only in the query language.
        case isLessThan = "Lt"
    }

    /// One requirement; a selector matches where all of its requirements hold.
    public struct Requirement: Sendable, Hashable {
        /// The label's key.
        public var key: String
        /// How to compare.
        public var comparison: Operator
        /// What to compare with, sorted; empty for `exists` and `doesNotExist`.
        public var values: [String]

        /// A requirement.
        public init(_ key: String, _ comparison: Operator, _ values: [String] = []) {
            self.key = key
            self.comparison = comparison
            self.values = values.sorted()
        }

        /// Whether `labels` keep to it.
        public func holds(for labels: [String: String]) -> Bool {
            let value = labels[key]
            switch comparison {
            case .isIn: return value.map(values.contains) ?? false
            case .isNotIn: return value.map { !values.contains($0) } ?? true
            case .exists: return value != nil
            case .doesNotExist: return value == nil
            case .isGreaterThan, .isLessThan:
                guard let value, let number = Int64(value), let bound = values.first.flatMap({ Int64($0) }) else {
                    return false
                }
                return comparison == .isGreaterThan ? number > bound : number < bound
            }
        }

        /// The requirement in the query language: `tier in (a,b)`.
        public var queryText: String {
            switch comparison {
            case .isIn where values.count == 1: "\(key)=\(values[0])"
            case .isNotIn where values.count == 1: "\(key)!=\(values[0])"
            case .isIn: "\(key) in (\(values.joined(separator: ",")))"
            case .isNotIn: "\(key) notin (\(values.joined(separator: ",")))"
            case .exists: key
            case .doesNotExist: "!\(key)"
            case .isGreaterThan: "\(key)>\(values.first ?? "")"
            case .isLessThan: "\(key)<\(values.first ?? "")"
            }
        }
    }

    /// The requirements, all of which must hold.
    public var requirements: [Requirement]
    /// Whether nothing matches at all, as with a selector that is `null`.
    public var matchesNothing = false

    /// Matches every object.
    public static let everything = LabelSelector(requirements: [])

    /// Matches no object.
    public static let nothing: LabelSelector = {
        var selector = LabelSelector(requirements: [])
        selector.matchesNothing = true
        return selector
    }()

    /// A selector of requirements.
    public init(requirements: [Requirement]) { self.requirements = requirements }

    /// A selector of exact values, as a Service's `spec.selector` and `matchLabels` are.
    public init(matching labels: [String: String]) {
        requirements = labels.sorted { $0.key < $1.key }.map { Requirement($0.key, .isIn, [$0.value]) }
    }

    /// Whether an object with these labels is meant.
    public func matches(_ labels: [String: String]) -> Bool {
        !matchesNothing && requirements.allSatisfy { $0.holds(for: labels) }
    }

    /// Whether every object is meant.
    public var isEmpty: Bool { requirements.isEmpty && !matchesNothing }

    /// The selector in the query language, as in `labelSelector=`.
    public var queryText: String { requirements.map(\.queryText).joined(separator: ",") }

    /// The query text.
    public var description: String { matchesNothing ? "<nothing>" : queryText }
}

/// What is wrong with a selector.
public struct SelectorError: Error, Equatable, CustomStringConvertible {
    /// One sentence that names the part that is wrong.
    public var message: String

    /// An error with a message.
    public init(_ message: String) { self.message = message }

    /// The message.
    public var description: String { message }
}
