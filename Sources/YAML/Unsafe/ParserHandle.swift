// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import CYAML

/// The owner of one libyaml event parser and of the copy of the text that it reads.
///
/// Both are on the heap, because libyaml keeps pointers into them, and both are freed with the owner. No pointer leaves
/// a function: events are copied into Swift values and deleted at once.
@safe struct ParserHandle: ~Copyable {
    private let parser: UnsafeMutablePointer<yaml_parser_t>
    private let input: UnsafeMutableBufferPointer<UInt8>
    private var hasEnded = false

    /// A parser at the start of a copy of `bytes` (UTF-8, or UTF-16 with a byte order mark).
    /// - Throws: when there is no memory.
    init(_ bytes: [UInt8]) throws(YAMLError) {
        unsafe parser = .allocate(capacity: 1)
        unsafe parser.initialize(to: yaml_parser_t())
        unsafe input = .allocate(capacity: max(bytes.count, 1))
        _ = unsafe input.initialize(fromContentsOf: bytes)
        guard unsafe yaml_parser_initialize(parser) == 1 else {
            throw YAMLError("not enough memory to read it", at: YAMLMark(line: 1, column: 1))
        }
        unsafe yaml_parser_set_input_string(parser, input.baseAddress, bytes.count)
    }

    deinit {
        unsafe yaml_parser_delete(parser)
        unsafe parser.deallocate()
        unsafe input.deallocate()
    }

    /// The next event; `streamEnd` again and again after the last one.
    /// - Throws: what is wrong with the text. Nothing follows an error: the next call answers `streamEnd`.
    mutating func next() throws(YAMLError) -> YAMLEvent {
        guard !hasEnded else { return YAMLEvent(kind: .streamEnd, mark: YAMLMark(line: 1, column: 1)) }
        var event = unsafe yaml_event_t()
        guard unsafe yaml_parser_parse(parser, &event) == 1 else {
            hasEnded = true
            throw failure()
        }
        defer { unsafe yaml_event_delete(&event) }
        let result = unsafe YAMLEvent(kind: Self.kind(of: event), mark: YAMLMark(event.start_mark))
        if result.kind == .streamEnd { hasEnded = true }
        return result
    }

    private static func kind(of event: yaml_event_t) -> YAMLEvent.Kind {
        switch unsafe event.type {
        case YAML_STREAM_START_EVENT: return .streamStart
        case YAML_DOCUMENT_START_EVENT:
            return unsafe .documentStart(isExplicit: event.data.document_start.implicit == 0)
        case YAML_DOCUMENT_END_EVENT: return unsafe .documentEnd(isExplicit: event.data.document_end.implicit == 0)
        case YAML_ALIAS_EVENT: return unsafe .alias(text(event.data.alias.anchor) ?? "")
        case YAML_SCALAR_EVENT: return unsafe scalar(event)
        case YAML_SEQUENCE_START_EVENT:
            let data = unsafe event.data.sequence_start
            let style: YAMLStyle = unsafe data.style == YAML_FLOW_SEQUENCE_STYLE ? .flow : .block
            return unsafe .sequenceStart(
                properties: .init(anchor: text(data.anchor), tag: text(data.tag), style: style)
            )
        case YAML_SEQUENCE_END_EVENT: return .sequenceEnd
        case YAML_MAPPING_START_EVENT:
            let data = unsafe event.data.mapping_start
            let style: YAMLStyle = unsafe data.style == YAML_FLOW_MAPPING_STYLE ? .flow : .block
            return unsafe .mappingStart(
                properties: .init(anchor: text(data.anchor), tag: text(data.tag), style: style)
            )
        case YAML_MAPPING_END_EVENT: return .mappingEnd
        default: return .streamEnd
        }
    }

    private static func scalar(_ event: yaml_event_t) -> YAMLEvent.Kind {
        let data = unsafe event.data.scalar
        let bytes = unsafe UnsafeBufferPointer(start: data.value, count: data.value == nil ? 0 : Int(data.length))
        let style: YAMLStyle =
            switch unsafe data.style {
            case YAML_SINGLE_QUOTED_SCALAR_STYLE: .singleQuoted
            case YAML_DOUBLE_QUOTED_SCALAR_STYLE: .doubleQuoted
            case YAML_LITERAL_SCALAR_STYLE: .literal
            case YAML_FOLDED_SCALAR_STYLE: .folded
            default: .plain
            }
        return unsafe .scalar(
            String(decoding: bytes, as: UTF8.self),
            properties: .init(anchor: text(data.anchor), tag: text(data.tag), style: style)
        )
    }

    /// A copy of a C string.
    private static func text(_ pointer: UnsafeMutablePointer<yaml_char_t>?) -> String? {
        guard let pointer = unsafe pointer else { return nil }
        return unsafe String(cString: pointer)
    }

    /// What libyaml says is wrong, as an error of ours.
    private func failure() -> YAMLError {
        var problem = unsafe parser.pointee.problem.map { unsafe String(cString: $0) } ?? "it can't be read"
        // Nine times out of ten it is a tab.
        if problem.hasSuffix("cannot start any token") { problem += " (a tab, or @, ` or % outside of quotes)" }
        switch unsafe parser.pointee.error {
        case YAML_MEMORY_ERROR:
            return unsafe YAMLError("not enough memory to read it", at: YAMLMark(parser.pointee.mark))
        case YAML_READER_ERROR:
            return YAMLError(problem, at: place(ofByte: unsafe Int(clamping: parser.pointee.problem_offset)))
        default:
            var message = problem
            if let context = unsafe parser.pointee.context {
                message += unsafe " \(String(cString: context))"
                let begin = unsafe YAMLMark(parser.pointee.context_mark)
                if unsafe begin.line != Int(clamping: parser.pointee.problem_mark.line) + 1 {
                    message += " that begins on line \(begin.line)"
                }
            }
            return unsafe YAMLError(message, at: YAMLMark(parser.pointee.problem_mark))
        }
    }

    /// The line and column of a byte of the text, for errors below the level of characters.
    private func place(ofByte offset: Int) -> YAMLMark {
        var mark = YAMLMark(line: 1, column: 1)
        for index in 0..<min(offset, unsafe input.count) {
            let byte = unsafe input[index]
            if byte == UInt8(ascii: "\n") {
                mark.line += 1
                mark.column = 1
            } else if byte & 0xc0 != 0x80 {
                mark.column += 1
            }
        }
        return mark
    }
}

@available(*, unavailable)
extension ParserHandle: Sendable {}

extension YAMLMark {
    /// libyaml counts lines and columns from 0.
    fileprivate init(_ mark: yaml_mark_t) {
        self.init(line: Int(clamping: mark.line) + 1, column: Int(clamping: mark.column) + 1)
    }
}
