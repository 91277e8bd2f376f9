// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser

/// A duration on the command line, as Kubernetes programs take it: `15s`, `1m30s`, `1500ms`, `2h`.
struct DurationArgument: ExpressibleByArgument, Hashable {
    /// The duration; above zero.
    let duration: Duration

    /// The duration of so many seconds, for defaults.
    init(seconds: Int) { duration = .seconds(seconds) }

    /// Reads numbers with their units, one after the other.
    init?(argument: String) {
        let units: [String: Duration] = [
            "ms": .milliseconds(1), "s": .seconds(1), "m": .seconds(60), "h": .seconds(3600),
        ]
        var rest = argument[...]
        var total = Duration.zero
        while !rest.isEmpty {
            let digits = rest.prefix { $0.isASCII && $0.isNumber }
            let unit = rest.dropFirst(digits.count).prefix { $0.isLetter }
            guard digits.count < 8, let number = Int(digits), let size = units[String(unit)] else { return nil }
            total += size * number
            rest = rest.dropFirst(digits.count + unit.count)
        }
        guard total > .zero else { return nil }
        duration = total
    }

    /// How help texts show a default.
    var defaultValueDescription: String { "\(duration.components.seconds)s" }
}
