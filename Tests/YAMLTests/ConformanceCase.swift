// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import KubeModel

@testable import YAML

/// One case of the YAML test suite.
struct ConformanceCase {
    let id: String
    let name: String
    let mustFail: Bool
    let yaml: String
    let events: String
    let documents: [JSONValue]?

    /// The file with the cases, beside the project.
    private static let file = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("shared/conformance/yaml-test-suite/cases.json")

    /// Whether the suite is there.
    static var arePresent: Bool { FileManager.default.fileExists(atPath: file.path) }

    /// All cases.
    static func all() throws -> [ConformanceCase] {
        let list = try JSONValue(parsing: Array(try Data(contentsOf: file))).array ?? []
        return list.map { record in
            ConformanceCase(
                id: record["id"]?.string ?? "",
                name: record["name"]?.string ?? "",
                mustFail: record["fail"]?.bool ?? false,
                yaml: record["yaml"]?.string ?? "",
                events: record["events"]?.string ?? "",
                documents: record["json"]?.array
            )
        }
    }

    /// What we read differently from the suite.
    enum Difference: String, CaseIterable {
        /// We accept a text that must be refused.
        case accepts
        /// We refuse a text that must be read.
        case refuses
        /// The parser's events differ.
        case events
        /// The documents as JSON differ, or can't be made.
        case json
    }

    /// How our reading differs, if it does.
    var difference: Difference? {
        let events: String
        do {
            events = try Self.events(of: yaml)
        } catch {
            return mustFail ? nil : .refuses
        }
        if mustFail { return .accepts }
        if events != self.events { return .events }
        guard let documents else { return nil }
        let ours = try? YAMLReader().documents(in: yaml).map { try $0.json() }
        return ours.map { Self.normal(.array($0)) } == Self.normal(.array(documents)) ? nil : .json
    }

    /// The events in the suite's notation.
    private static func events(of yaml: String) throws(YAMLError) -> String {
        var parser = try ParserHandle(Array(yaml.utf8))
        var lines = ""
        while true {
            let event = try parser.next()
            lines += line(event) + "\n"
            if event.kind == .streamEnd { return lines }
        }
    }

    private static func line(_ event: YAMLEvent) -> String {
        switch event.kind {
        case .streamStart: return "+STR"
        case .streamEnd: return "-STR"
        case .documentStart(let isExplicit): return isExplicit ? "+DOC ---" : "+DOC"
        case .documentEnd(let isExplicit): return isExplicit ? "-DOC ..." : "-DOC"
        case .alias(let name): return "=ALI *\(name)"
        case .sequenceStart(let properties): return "+SEQ" + (properties.style == .flow ? " []" : "") + text(properties)
        case .sequenceEnd: return "-SEQ"
        case .mappingStart(let properties): return "+MAP" + (properties.style == .flow ? " {}" : "") + text(properties)
        case .mappingEnd: return "-MAP"
        case .scalar(let text, let properties):
            let mark =
                switch properties.style {
                case .singleQuoted: "'"
                case .doubleQuoted: "\""
                case .literal: "|"
                case .folded: ">"
                default: ":"
                }
            return "=VAL" + Self.text(properties) + " " + mark + escaped(text)
        }
    }

    private static func text(_ properties: YAMLEvent.Properties) -> String {
        (properties.anchor.map { " &\($0)" } ?? "") + (properties.tag.map { " <\($0)>" } ?? "")
    }

    private static func escaped(_ text: String) -> String {
        // Scalar by scalar: \r\n is one character.
        text.unicodeScalars.reduce(into: "") { result, scalar in
            switch scalar {
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\t": result += "\\t"
            case "\r": result += "\\r"
            case "\u{8}": result += "\\b"
            case "\0": result += "\\0"
            default: result.unicodeScalars.append(scalar)
            }
        }
    }

    /// Whole doubles as integers, so that only values are compared.
    private static func normal(_ value: JSONValue) -> JSONValue {
        switch value {
        case .double(let number): Int64(exactly: number).map { .integer($0) } ?? value
        case .array(let elements): .array(elements.map(normal))
        case .object(let members): .object(members.mapValues(normal))
        default: value
        }
    }
}
