// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// Collects causes with the API server's words around them, 1000 at most.
struct FieldCauses {
    private(set) var causes: [APIStatus.Cause] = []
    /// The most causes that are collected; a hostile object could otherwise make an answer of any size.
    static let maximum = 1000

    private mutating func add(_ reason: String, _ field: String, _ message: String) {
        guard causes.count < Self.maximum else { return }
        causes.append(APIStatus.Cause(reason: reason, message: message, field: field))
    }

    /// `Required value`, with a detail where there is one.
    mutating func required(_ field: String, _ detail: String = "") {
        add("FieldValueRequired", field, detail.isEmpty ? "Required value" : "Required value: \(detail)")
    }

    /// `Invalid value: VALUE: DETAIL`
    mutating func invalid(_ field: String, _ value: JSONValue, _ detail: String) {
        add("FieldValueInvalid", field, "Invalid value: \(value.jsonText): \(detail)")
    }

    /// `Duplicate value: VALUE`
    mutating func duplicate(_ field: String, _ value: JSONValue) {
        add("FieldValueDuplicate", field, "Duplicate value: \(value.jsonText)")
    }

    /// `Duplicate value: TEXT`, where the API server shows its own idea of the value.
    mutating func duplicate(_ field: String, shown text: String) {
        add("FieldValueDuplicate", field, "Duplicate value: \(text)")
    }

    /// `Unsupported value: VALUE: supported values: …`
    mutating func unsupported(_ field: String, _ value: String, _ supported: [String]) {
        let list = supported.sorted().map { "\"\($0)\"" }.joined(separator: ", ")
        add("FieldValueNotSupported", field, "Unsupported value: \"\(value)\": supported values: \(list)")
    }

    /// `Forbidden: DETAIL`
    mutating func forbidden(_ field: String, _ detail: String) {
        add("FieldValueForbidden", field, "Forbidden: \(detail)")
    }

    /// `Not found: VALUE`
    mutating func notFound(_ field: String, _ value: JSONValue) {
        add("FieldValueNotFound", field, "Not found: \(value.jsonText)")
    }

    /// A cause when a value that must stay has changed.
    mutating func immutable(_ old: JSONValue, _ new: JSONValue, _ path: String...) {
        let value = new.value(at: path)
        guard old.value(at: path) != value else { return }
        invalid(path.joined(separator: "."), value ?? .null, "field is immutable")
    }

    /// A cause when an integer is negative.
    mutating func nonNegative(_ object: JSONValue, _ path: String...) {
        guard let value = object.value(at: path), let number = value.integer, number < 0 else { return }
        invalid(path.joined(separator: "."), value, "must be greater than or equal to 0")
    }

    /// A cause when a number is no port.
    mutating func port(_ field: String, _ value: JSONValue?) {
        guard let value, let number = value.integer, !(1...65_535).contains(number) else { return }
        invalid(field, value, "must be between 1 and 65535, inclusive")
    }
}
