// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// The rules for names, labels and annotations, with the API server's words.
enum NameRules {
    private static let alphanumeric = "must start and end with an alphanumeric character"
    private static let labelPattern = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
    private static let subdomainPattern = labelPattern + "(\\." + labelPattern + ")*"
    private static let serviceLabelPattern = "[a-z]([-a-z0-9]*[a-z0-9])?"
    private static let qualifiedPattern = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"

    private static func matches(_ text: String, _ pattern: String) -> Bool {
        SearchPattern.compiled("^(\(pattern))$")?.matches(text) ?? true
    }

    /// Why `text` is no DNS-1123 subdomain; empty when it is one.
    static func subdomainProblems(_ text: String) -> [String] {
        var problems: [String] = []
        if text.utf8.count > 253 { problems.append("must be no more than 253 characters") }
        if !matches(text, subdomainPattern) {
            problems.append(
                "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and "
                    + "\(alphanumeric) (e.g. 'example.com', regex used for validation is '\(subdomainPattern)')"
            )
        }
        return problems
    }

    /// Why `text` is no DNS-1123 label; empty when it is one.
    static func labelProblems(_ text: String) -> [String] {
        var problems: [String] = []
        if text.utf8.count > 63 { problems.append("must be no more than 63 characters") }
        if !matches(text, labelPattern) {
            problems.append(
                "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "
                    + "\(alphanumeric) (e.g. 'my-name',  or '123-abc', regex used for validation is '\(labelPattern)')"
            )
        }
        return problems
    }

    /// Why `text` is no DNS-1035 label, as services are named; empty when it is one.
    static func serviceNameProblems(_ text: String) -> [String] {
        var problems: [String] = []
        if text.utf8.count > 63 { problems.append("must be no more than 63 characters") }
        if !matches(text, serviceLabelPattern) {
            problems.append(
                "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic "
                    + "character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for "
                    + "validation is '\(serviceLabelPattern)')"
            )
        }
        return problems
    }

    /// Why `text` is no path segment name, as RBAC objects are named; empty when it is one.
    static func pathSegmentProblems(_ text: String) -> [String] {
        if text == "." || text == ".." { return ["may not be '\(text)'"] }
        return ["/", "%"].filter { text.contains($0) }.map { "may not contain '\($0)'" }
    }

    /// Why `text` is no label or annotation key; empty when it is one.
    static func keyProblems(_ text: String) -> [String] {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        let words =
            "must consist of alphanumeric characters, '-', '_' or '.', and \(alphanumeric) (e.g. 'MyName',  or "
            + "'my.name',  or '123-abc', regex used for validation is '\(qualifiedPattern)')"
        var problems: [String] = []
        let name: String
        switch parts.count {
        case 1: name = parts[0]
        case 2:
            name = parts[1]
            if parts[0].isEmpty {
                problems.append("prefix part must be non-empty")
            } else {
                problems += subdomainProblems(parts[0]).map { "prefix part " + $0 }
            }
        default:
            return [
                "a qualified name \(words) with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
            ]
        }
        if name.isEmpty {
            problems.append("name part must be non-empty")
        } else if name.utf8.count > 63 {
            problems.append("name part must be no more than 63 bytes")
        }
        if !matches(name, qualifiedPattern) { problems.append("name part " + words) }
        return problems
    }

    /// Why `text` is no label value; empty when it is one.
    static func labelValueProblems(_ text: String) -> [String] {
        var problems: [String] = []
        if text.utf8.count > 63 { problems.append("must be no more than 63 bytes") }
        let pattern = "(\(qualifiedPattern))?"
        if !matches(text, pattern) {
            problems.append(
                "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and "
                    + "\(alphanumeric) (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
                    + "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
            )
        }
        return problems
    }
}
