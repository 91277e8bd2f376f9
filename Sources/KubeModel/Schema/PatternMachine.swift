// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// One step of a compiled pattern.
enum PatternInstruction: Sendable {
    /// Takes one scalar of the set and goes on with the next instruction.
    case take(ScalarSet)
    /// Goes on at both places.
    case split(Int, Int)
    /// Goes on at a place.
    case jump(Int)
    /// Goes on when the assertion holds here.
    case check(PatternPlace)
    /// The pattern has matched.
    case accept
}

/// Turns a tree into a program of bounded length.
struct PatternCompiler {
    private(set) var program: [PatternInstruction] = []
    private let limit: Int
    /// How many nodes may still be visited: a repeat of nothing takes time without adding an instruction.
    private var visits: Int

    init(limit: Int) {
        self.limit = limit
        visits = 8 * limit
    }

    /// Compiles the whole pattern; false when the program grows too long, or takes too long to make.
    mutating func compile(_ tree: PatternTree) -> Bool {
        guard emit(tree) else { return false }
        program.append(.accept)
        return true
    }

    private mutating func emit(_ tree: PatternTree) -> Bool {
        visits -= 1
        guard program.count < limit, visits > 0 else { return false }
        switch tree {
        case .empty: return true
        case .one(let set): program.append(.take(set))
        case .place(let place): program.append(.check(place))
        case .sequence(let parts):
            for part in parts where !emit(part) { return false }
        case .choice(let branches): return emit(choice: branches)
        case .repeated(let body, let minimum, let maximum):
            for _ in 0..<minimum where !emit(body) { return false }
            guard let maximum else { return emit(loop: body) }
            var splits: [Int] = []
            for _ in minimum..<maximum {
                splits.append(program.count)
                program.append(.split(program.count + 1, 0))
                guard emit(body) else { return false }
            }
            for index in splits { program[index] = .split(index + 1, program.count) }
        }
        return true
    }

    private mutating func emit(choice branches: [PatternTree]) -> Bool {
        var jumps: [Int] = []
        for (index, branch) in branches.enumerated() {
            let isLast = index == branches.count - 1
            let split = program.count
            if !isLast { program.append(.split(split + 1, 0)) }
            guard emit(branch) else { return false }
            if !isLast {
                jumps.append(program.count)
                program.append(.jump(0))
                program[split] = .split(split + 1, program.count)
            }
        }
        for index in jumps { program[index] = .jump(program.count) }
        return true
    }

    private mutating func emit(loop body: PatternTree) -> Bool {
        let split = program.count
        program.append(.split(split + 1, 0))
        guard emit(body) else { return false }
        program.append(.jump(split))
        program[split] = .split(split + 1, program.count)
        return true
    }
}

/// Runs a program over a text, all alternatives at once.
struct PatternMachine {
    private let program: [PatternInstruction]
    private var marks: [Int]
    private var active: [Int] = []
    private var stack: [Int] = []

    init(program: [PatternInstruction]) {
        self.program = program
        marks = Array(repeating: -1, count: program.count)
    }

    /// Whether the text contains a match anywhere.
    mutating func search(_ text: [Unicode.Scalar]) -> Bool {
        var waiting: [Int] = []
        for position in 0...text.count {
            active.removeAll(keepingCapacity: true)
            for instruction in waiting where follow(instruction, at: position, in: text) { return true }
            if follow(0, at: position, in: text) { return true }
            waiting.removeAll(keepingCapacity: true)
            guard position < text.count else { return false }
            for instruction in active {
                if case .take(let set) = program[instruction], set.contains(text[position]) {
                    waiting.append(instruction + 1)
                }
            }
        }
        return false
    }

    /// Adds what is reachable from `start` without taking a scalar; true when the pattern has matched.
    private mutating func follow(_ start: Int, at position: Int, in text: [Unicode.Scalar]) -> Bool {
        stack.append(start)
        while let index = stack.popLast() {
            guard marks[index] != position else { continue }
            marks[index] = position
            switch program[index] {
            case .accept:
                stack.removeAll()
                return true
            case .take: active.append(index)
            case .jump(let target): stack.append(target)
            case .split(let first, let second):
                stack.append(second)
                stack.append(first)
            case .check(let place):
                if holds(place, at: position, in: text) { stack.append(index + 1) }
            }
        }
        return false
    }

    private func holds(_ place: PatternPlace, at position: Int, in text: [Unicode.Scalar]) -> Bool {
        let isWordBefore = position > 0 && ScalarSet.word.contains(text[position - 1])
        let isWordAfter = position < text.count && ScalarSet.word.contains(text[position])
        return switch place {
        case .start: position == 0
        case .end: position == text.count
        case .lineStart: position == 0 || text[position - 1] == "\n"
        case .lineEnd: position == text.count || text[position] == "\n"
        case .wordBoundary: isWordBefore != isWordAfter
        case .noWordBoundary: isWordBefore == isWordAfter
        }
    }
}
