// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// Compares two answers after their volatile parts are made equal.
enum AnswerComparison {
    /// Members whose values no two servers share.
    private static let volatile: Set<String> = [
        "uid", "resourceVersion", "creationTimestamp", "deletionTimestamp", "time", "lastTransitionTime", "continue",
        "clusterIP", "storageVersionHash",
    ]

    /// Where the answers differ, as `path: expected … got …`.
    static func differences(expected: JSONValue, got: JSONValue) -> [String] {
        var found: [String] = []
        compare(normalised(expected), normalised(got), "", &found)
        return found
    }

    private static func normalised(_ value: JSONValue) -> JSONValue {
        switch value {
        case .array(let elements): return .array(elements.map(normalised))
        case .string(let text): return .string(withoutNumbers(text))
        case .object(let members):
            var result = JSONObject()
            for (key, value) in members {
                if key == "clusterIPs", value != ["None"] {
                    result[key] = ["*"]
                } else if volatile.contains(key), value.string != nil, value != "None" {
                    result[key] = "*"
                } else if key == "name", value.string?.hasPrefix("gen-") == true {
                    result[key] = "gen-*"
                } else if key == "cells", let cells = value.array {
                    result[key] = .array(cells.map { normalised(withoutAge($0)) })
                } else {
                    result[key] = normalised(value)
                }
            }
            return .object(result)
        default: return value
        }
    }

    /// Ages in tables, which depend on the moment of the request.
    private static func withoutAge(_ cell: JSONValue) -> JSONValue {
        guard let text = cell.string, text.wholeMatch(of: #/([0-9]+[smhd])+/#) != nil else { return cell }
        return "AGE"
    }

    /// Uids and versions inside messages.
    private static func withoutNumbers(_ text: String) -> String {
        var text = text
        text.replace(#/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/#, with: "UID")
        text.replace(#/current: [0-9]+/#, with: "current: N")
        text.replace(#/(127\.96|10\.0)\.[0-9]+\.[0-9]+/#, with: "ADDRESS")
        return text
    }

    private static func compare(_ expected: JSONValue, _ got: JSONValue, _ path: String, _ found: inout [String]) {
        switch (expected, got) {
        case (.object(let left), .object(let right)):
            for key in Set(left.keys).union(right.keys).sorted() {
                let place = "\(path).\(key)"
                switch (left[key], right[key]) {
                case (let a?, let b?): compare(a, b, place, &found)
                case (let a?, nil): found.append("\(place): expected \(short(a)), got nothing")
                case (nil, let b?): found.append("\(place): expected nothing, got \(short(b))")
                case (nil, nil): break
                }
            }
        case (.array(let left), .array(let right)):
            if left.count != right.count {
                found.append("\(path): expected \(left.count) elements, got \(right.count)")
            }
            for (index, pair) in zip(left, right).enumerated() {
                compare(pair.0, pair.1, "\(path)[\(index)]", &found)
            }
        default:
            if expected != got { found.append("\(path): expected \(short(expected)), got \(short(got))") }
        }
    }

    private static func short(_ value: JSONValue) -> String { String(value.jsonText.prefix(400)) }
}
