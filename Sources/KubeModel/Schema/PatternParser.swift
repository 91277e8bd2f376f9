// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// A parsed regular expression.
indirect enum PatternTree {
    /// Matches nothing of the text.
    case empty
    /// One scalar of a set.
    case one(ScalarSet)
    /// A place in the text.
    case place(PatternPlace)
    /// One after the other.
    case sequence([PatternTree])
    /// One of several.
    case choice([PatternTree])
    /// From `minimum` to `maximum` times; no upper bound where it is `nil`.
    case repeated(PatternTree, minimum: Int, maximum: Int?)
}

extension PatternTree {
    /// Whether counted repeats inside each other amount to no more than `limit` copies, which RE2 asks for.
    fileprivate func repeats(atMost limit: Int) -> Bool {
        switch self {
        case .empty, .one, .place: true
        case .sequence(let parts), .choice(let parts): parts.allSatisfy { $0.repeats(atMost: limit) }
        case .repeated(let body, let minimum, let maximum):
            maximum ?? minimum <= limit && body.repeats(atMost: limit / Swift.max(1, maximum ?? minimum))
        }
    }
}

/// Assertions about a place in the text.
enum PatternPlace: Sendable {
    /// `^`, or with the flag `m` after a line break too.
    case start
    /// `$`, or with the flag `m` before a line break too.
    case end
    /// `^` with the flag `m`.
    case lineStart
    /// `$` with the flag `m`.
    case lineEnd
    /// `\b`
    case wordBoundary
    /// `\B`
    case noWordBoundary
}

/// Reads RE2's syntax; answers `nil` for anything it doesn't know, never traps.
struct PatternParser {
    private let scalars: [Unicode.Scalar]
    private var position = 0
    private var depth = 0
    private var flags = Flags()
    /// Whether reading stopped at something that RE2 has and this parser doesn't.
    private(set) var metUnsupported = false
    /// The largest count in `{n,m}`, RE2's own limit.
    private static let maximumRepeat = 1000
    /// The deepest nesting of groups.
    private static let maximumDepth = 200

    private struct Flags {
        var ignoresCase = false
        var isMultiline = false
        var dotMatchesLineBreak = false
    }

    init(_ pattern: String) { scalars = Array(pattern.unicodeScalars) }

    private var current: Unicode.Scalar? { position < scalars.count ? scalars[position] : nil }

    private mutating func skip(_ scalar: Unicode.Scalar) -> Bool {
        guard current == scalar else { return false }
        position += 1
        return true
    }

    mutating func parse() -> PatternTree? {
        guard let tree = choice(), position == scalars.count, tree.repeats(atMost: Self.maximumRepeat) else {
            return nil
        }
        return tree
    }

    private mutating func choice() -> PatternTree? {
        depth += 1
        defer { depth -= 1 }
        guard depth <= Self.maximumDepth, let first = sequence() else { return nil }
        var branches = [first]
        while skip("|") {
            guard let next = sequence() else { return nil }
            branches.append(next)
        }
        return branches.count == 1 ? first : .choice(branches)
    }

    private mutating func sequence() -> PatternTree? {
        var parts: [PatternTree] = []
        while let scalar = current, scalar != "|", scalar != ")" {
            guard let atom = atom(), let part = repeats(of: atom) else { return nil }
            parts.append(part)
        }
        return parts.count == 1 ? parts[0] : .sequence(parts)
    }

    private mutating func repeats(of atom: PatternTree) -> PatternTree? {
        let (minimum, maximum): (Int, Int?)
        switch current {
        case "*":
            position += 1
            (minimum, maximum) = (0, nil)
        case "+":
            position += 1
            (minimum, maximum) = (1, nil)
        case "?":
            position += 1
            (minimum, maximum) = (0, 1)
        case "{":
            let start = position
            guard let (low, high) = bounds() else {
                // Not a count: a literal brace, as in RE2.
                position = start
                return atom
            }
            guard low <= Self.maximumRepeat, high ?? low <= Self.maximumRepeat, high.map({ $0 >= low }) ?? true
            else { return nil }
            (minimum, maximum) = (low, high)
        default: return atom
        }
        _ = skip("?")
        if let next = current, next == "*" || next == "+" || next == "?" { return nil }
        return .repeated(atom, minimum: minimum, maximum: maximum)
    }

    /// `{n}`, `{n,}` or `{n,m}`.
    private mutating func bounds() -> (Int, Int?)? {
        guard skip("{"), let low = number() else { return nil }
        if skip("}") { return (low, low) }
        guard skip(",") else { return nil }
        if skip("}") { return (low, nil) }
        guard let high = number(), skip("}") else { return nil }
        return (low, high)
    }

    private mutating func number() -> Int? {
        var value: Int?
        while let scalar = current, ("0"..."9").contains(scalar), (value ?? 0) <= 100_000 {
            value = (value ?? 0) * 10 + Int(scalar.value - 48)
            position += 1
        }
        return value
    }

    private mutating func atom() -> PatternTree? {
        guard let scalar = current else { return nil }
        position += 1
        switch scalar {
        case "(": return group()
        case "[": return bracket()
        case ".":
            return .one(flags.dotMatchesLineBreak ? ScalarSet(isNegated: true) : .of("\n"..."\n", isNegated: true))
        case "^": return .place(flags.isMultiline ? .lineStart : .start)
        case "$": return .place(flags.isMultiline ? .lineEnd : .end)
        case "*", "+", "?": return nil
        case "\\": return escape()
        default: return literal(scalar)
        }
    }

    private func literal(_ scalar: Unicode.Scalar) -> PatternTree {
        .one(ScalarSet(ranges: [scalar.value...scalar.value], ignoresCase: flags.ignoresCase))
    }

    private mutating func group() -> PatternTree? {
        let outer = flags
        if skip("?") {
            if skip("P") || current == "<" {
                guard skip("<") else { return nil }
                while let scalar = current, scalar != ">" {
                    guard scalar == "_" || scalar.properties.isAlphabetic || scalar.properties.numericType != nil
                    else { return nil }
                    position += 1
                }
                guard skip(">") else { return nil }
            } else {
                guard let isGroup = readFlags() else { return nil }
                if !isGroup { return .empty }
            }
        }
        guard let tree = choice(), skip(")") else { return nil }
        flags = outer
        return tree
    }

    /// Flags after `(?`; true at `:` (a group follows), false at `)` (they hold from here on).
    private mutating func readFlags() -> Bool? {
        var value = true
        while let scalar = current {
            position += 1
            switch scalar {
            case "i": flags.ignoresCase = value
            case "m": flags.isMultiline = value
            case "s": flags.dotMatchesLineBreak = value
            case "U": break
            case "-": value = false
            case ":": return true
            case ")": return false
            default: return nil
            }
        }
        return nil
    }

    private mutating func escape() -> PatternTree? {
        guard let scalar = current else { return nil }
        switch scalar {
        case "b", "B", "A", "z":
            position += 1
            switch scalar {
            case "b": return .place(.wordBoundary)
            case "B": return .place(.noWordBoundary)
            case "A": return .place(.start)
            default: return .place(.end)
            }
        case "Q":
            position += 1
            var parts: [PatternTree] = []
            while let next = current {
                position += 1
                if next == "\\", skip("E") { break }
                parts.append(literal(next))
            }
            return .sequence(parts)
        default:
            if let set = classEscape() { return .one(set) }
            guard let value = scalarEscape() else { return nil }
            return literal(value)
        }
    }

    /// `\d` and its like, or `\p{…}`; leaves the position where it was when there is none.
    private mutating func classEscape() -> ScalarSet? {
        guard let scalar = current else { return nil }
        var set: ScalarSet
        switch scalar {
        case "d", "D": set = .digits
        case "w", "W": set = .word
        case "s", "S": set = .space
        case "p", "P": return category()
        default: return nil
        }
        position += 1
        set.isNegated = scalar.properties.isUppercase
        return set
    }

    private mutating func category() -> ScalarSet? {
        let start = position
        var isNegated = current == "P"
        position += 1
        var name = ""
        if skip("{") {
            if skip("^") { isNegated.toggle() }
            while let scalar = current, scalar != "}" {
                name.unicodeScalars.append(scalar)
                position += 1
            }
            guard skip("}") else {
                position = start
                return nil
            }
        } else if let scalar = current {
            name.unicodeScalars.append(scalar)
            position += 1
        }
        guard let first = name.first, "LMNPSZC".contains(first), name.count <= 2 else {
            position = start
            metUnsupported = true
            return nil
        }
        return ScalarSet(categories: [(prefix: name, isNegated: isNegated)])
    }

    /// An escape that stands for one scalar.
    private mutating func scalarEscape() -> Unicode.Scalar? {
        guard let scalar = current else { return nil }
        position += 1
        switch scalar {
        case "a": return "\u{7}"
        case "f": return "\u{c}"
        case "t": return "\t"
        case "n": return "\n"
        case "r": return "\r"
        case "v": return "\u{b}"
        case "x": return hexadecimal()
        case "0"..."7": return octal(scalar)
        default:
            // Punctuation stands for itself; other letters and digits are unknown escapes.
            guard scalar.value < 128, !ScalarSet.word.contains(scalar) || scalar == "_" else { return nil }
            return scalar
        }
    }

    private mutating func octal(_ first: Unicode.Scalar) -> Unicode.Scalar? {
        // A single other digit is a backreference, which RE2 doesn't have either.
        guard first == "0" || current.map({ ("0"..."7").contains($0) }) == true else { return nil }
        var value = first.value - 48
        var count = 0
        while count < 2, let scalar = current, ("0"..."7").contains(scalar) {
            value = value * 8 + scalar.value - 48
            position += 1
            count += 1
        }
        return Unicode.Scalar(value)
    }

    private mutating func hexadecimal() -> Unicode.Scalar? {
        let isBraced = skip("{")
        var value: UInt32 = 0
        var count = 0
        while count < (isBraced ? 6 : 2), let scalar = current, let digit = Character(scalar).hexDigitValue {
            value = value * 16 + UInt32(digit)
            position += 1
            count += 1
        }
        guard count > 0, isBraced ? skip("}") : count == 2 else { return nil }
        return Unicode.Scalar(value)
    }

    private mutating func bracket() -> PatternTree? {
        var set = ScalarSet(ignoresCase: flags.ignoresCase)
        set.isNegated = skip("^")
        var isFirst = true
        while let scalar = current, isFirst || scalar != "]" {
            isFirst = false
            if scalar == "[", position + 1 < scalars.count, scalars[position + 1] == ":" {
                guard let named = namedClass() else { return nil }
                set.subsets.append(named)
                continue
            }
            if scalar == "\\" {
                position += 1
                if let subset = classEscape() {
                    set.subsets.append(subset)
                    continue
                }
                position -= 1
            }
            guard let low = bracketScalar() else { return nil }
            var high = low
            if current == "-", position + 1 < scalars.count, scalars[position + 1] != "]" {
                position += 1
                guard let upper = bracketScalar(), upper.value >= low.value else { return nil }
                high = upper
            }
            set.ranges.append(low.value...high.value)
        }
        guard skip("]") else { return nil }
        return .one(set)
    }

    private mutating func bracketScalar() -> Unicode.Scalar? {
        guard let scalar = current else { return nil }
        position += 1
        return scalar == "\\" ? scalarEscape() : scalar
    }

    /// `[:name:]` or `[:^name:]` inside a bracket.
    private mutating func namedClass() -> ScalarSet? {
        position += 2
        let isNegated = skip("^")
        var name = ""
        while let scalar = current, scalar != ":", name.utf8.count < 8 {
            name.unicodeScalars.append(scalar)
            position += 1
        }
        guard skip(":"), skip("]"), var set = ScalarSet.named(name) else { return nil }
        set.isNegated = isNegated
        return set
    }
}
