// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// A regular expression in RE2's syntax that answers whether a text contains a match, in linear time.
///
/// Matching simulates a nondeterministic automaton, so no pattern can make it slow: the time is at most the program's
/// length times the text's. Patterns come from custom resource definitions and are not trusted.
///
/// Supported: literals, `.`, classes with ranges, negation and `[:alpha:]` names, `\d \w \s \D \W \S \b \B \A \z`,
/// `\xHH`, `\x{H…}`, `\p{L}` and other general categories, `^ $`, groups (numbered, named, `(?:…)`, flags `i m s U`),
/// `|`, and `* + ? {n,m}`, greedy or lazy. Not supported: scripts in `\p{…}`.
public struct SearchPattern: Sendable {
    /// The longest compiled program; repeats such as `{1000}` are expanded.
    static let maximumProgramLength = 20_000

    let program: [PatternInstruction]

    /// Compiles `pattern`; `nil` when it isn't valid, uses what isn't supported, or is too large.
    public init?(_ pattern: String) {
        var parser = PatternParser(pattern)
        guard let tree = parser.parse() else { return nil }
        var compiler = PatternCompiler(limit: Self.maximumProgramLength)
        guard compiler.compile(tree) else { return nil }
        program = compiler.program
    }

    /// Whether `pattern` is no regular expression in RE2's syntax at all, rather than one that isn't supported here.
    public static func isInvalid(_ pattern: String) -> Bool {
        if compiled(pattern) != nil { return false }
        var parser = PatternParser(pattern)
        return parser.parse() == nil && !parser.metUnsupported
    }

    /// Whether `text` contains a match.
    public func matches(_ text: String) -> Bool {
        var machine = PatternMachine(program: program)
        return machine.search(Array(text.unicodeScalars))
    }

    /// Compiled patterns by their text; at most 1000, as a server sees the same few again and again.
    private static let cache = Mutex<[String: SearchPattern?]>([:])

    /// The compiled pattern, from a cache where it was compiled before; `nil` when it can't be compiled.
    public static func compiled(_ pattern: String) -> SearchPattern? {
        if let known = cache.withLock({ $0[pattern] }) { return known }
        let compiled = SearchPattern(pattern)
        cache.withLock { cache in
            if cache.count >= 1000 { cache.removeAll() }
            cache[pattern] = .some(compiled)
        }
        return compiled
    }
}

/// A set of Unicode scalars.
struct ScalarSet: Sendable {
    var ranges: [ClosedRange<UInt32>] = []
    var categories: [(prefix: String, isNegated: Bool)] = []
    var subsets: [ScalarSet] = []
    var isNegated = false
    var ignoresCase = false

    func contains(_ scalar: Unicode.Scalar) -> Bool {
        if holds(scalar) { return !isNegated }
        if ignoresCase {
            for folded in [scalar.properties.lowercaseMapping, scalar.properties.uppercaseMapping] {
                if let only = folded.unicodeScalars.first, folded.unicodeScalars.count == 1, holds(only) {
                    return !isNegated
                }
            }
        }
        return isNegated
    }

    private func holds(_ scalar: Unicode.Scalar) -> Bool {
        if ranges.contains(where: { $0.contains(scalar.value) }) { return true }
        if subsets.contains(where: { $0.contains(scalar) }) { return true }
        return categories.contains { category in
            scalar.properties.generalCategory.shortName.hasPrefix(category.prefix) != category.isNegated
        }
    }

    static func of(_ ranges: ClosedRange<Unicode.Scalar>..., isNegated: Bool = false) -> ScalarSet {
        ScalarSet(ranges: ranges.map { $0.lowerBound.value...$0.upperBound.value }, isNegated: isNegated)
    }

    static let digits = of("0"..."9")
    static let word = of("0"..."9", "A"..."Z", "_"..."_", "a"..."z")
    static let space = of("\t"..."\n", "\u{c}"..."\r", " "..." ")

    /// The classes that `[:name:]` means, in ASCII.
    static func named(_ name: String) -> ScalarSet? {
        switch name {
        case "alnum": of("0"..."9", "A"..."Z", "a"..."z")
        case "alpha": of("A"..."Z", "a"..."z")
        case "ascii": of("\0"..."\u{7f}")
        case "blank": of("\t"..."\t", " "..." ")
        case "cntrl": of("\0"..."\u{1f}", "\u{7f}"..."\u{7f}")
        case "digit": digits
        case "graph": of("!"..."~")
        case "lower": of("a"..."z")
        case "print": of(" "..."~")
        case "punct": of("!"..."/", ":"..."@", "["..."`", "{"..."~")
        case "space": of("\t"..."\r", " "..." ")
        case "upper": of("A"..."Z")
        case "word": word
        case "xdigit": of("0"..."9", "A"..."F", "a"..."f")
        default: nil
        }
    }
}

extension Unicode.GeneralCategory {
    /// The two letters that Unicode uses: `Lu`, `Nd`.
    var shortName: String {
        switch self {
        case .uppercaseLetter: "Lu"
        case .lowercaseLetter: "Ll"
        case .titlecaseLetter: "Lt"
        case .modifierLetter: "Lm"
        case .otherLetter: "Lo"
        case .nonspacingMark: "Mn"
        case .spacingMark: "Mc"
        case .enclosingMark: "Me"
        case .decimalNumber: "Nd"
        case .letterNumber: "Nl"
        case .otherNumber: "No"
        case .connectorPunctuation: "Pc"
        case .dashPunctuation: "Pd"
        case .openPunctuation: "Ps"
        case .closePunctuation: "Pe"
        case .initialPunctuation: "Pi"
        case .finalPunctuation: "Pf"
        case .otherPunctuation: "Po"
        case .mathSymbol: "Sm"
        case .currencySymbol: "Sc"
        case .modifierSymbol: "Sk"
        case .otherSymbol: "So"
        case .spaceSeparator: "Zs"
        case .lineSeparator: "Zl"
        case .paragraphSeparator: "Zp"
        case .control: "Cc"
        case .format: "Cf"
        case .surrogate: "Cs"
        case .privateUse: "Co"
        case .unassigned: "Cn"
        @unknown default: "Cn"
        }
    }
}
