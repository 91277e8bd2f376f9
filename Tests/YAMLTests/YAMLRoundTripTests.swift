// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeModel
import Testing
import YAML

struct YAMLRoundTripTests {
    /// Random JSON values that are hard on a writer.
    private struct Generator {
        let random: SeededRandom

        func below(_ bound: Int) -> Int { Int(random.next() % UInt64(bound)) }

        func value(depth: Int = 0) -> JSONValue {
            switch below(depth > 4 ? 6 : 9) {
            case 0: return .null
            case 1: return .bool(below(2) == 0)
            case 2: return .integer(Int64(bitPattern: random.next()) >> Int64(below(64)))
            case 3: return number()
            case 4, 5: return .string(string())
            case 6: return .array((0..<below(5)).map { _ in value(depth: depth + 1) })
            default:
                return .object(JSONObject(pairs: (0..<below(5)).map { _ in (string(), value(depth: depth + 1)) }))
            }
        }

        private func number() -> JSONValue {
            let number = Double(bitPattern: random.next())
            guard number.isFinite, abs(number) < 1e-3 || abs(number) > 1e21 else { return .double(0.5) }
            return .double(number)
        }

        func string() -> String {
            let pieces = [
                "a", "b", "1", "0", "x", "-", "- ", ": ", ":", " #", "#", " ", "  ", "\n", "\n\n", "\t", "\r", "\"",
                "'",
                "\\", "{", "}", "[", "]", ",", "?", "!", "&", "*", "|", ">", "%", "@", "`", "~", "null", "yes", "y",
                "1e3",
                "0x", "1.1", "_", "<<", "=", "---", "...", "--- ", "é", "\u{85}", "\u{2028}", "\u{feff}", "😀", "\u{0}",
                "\u{7f}", "\u{a0}", "true", "12:30", "2001-12-14", ".inf", "+", "e", "${a}", "\u{fffe}", "\u{e000}",
                "\u{301}",
            ]
            return (0..<below(6)).map { _ in pieces[below(pieces.count)] }.joined()
        }
    }

    @Test("random values read back as they were written", .timeLimit(.minutes(5)))
    func random() throws {
        let generator = Generator(random: SeededRandom(seed: 1))
        for _ in 0..<3000 {
            let value = generator.value()
            for order in [YAMLWriter.Order.sorted, .kubernetes] {
                let text = YAMLWriter(order: order).text(value)
                let read = try? YAMLReader().documents(in: text).map { try $0.json() }
                guard read == [value] else {
                    Issue.record("\(value.jsonText) was written as\n\(text)\nand read as \(String(describing: read))")
                    return
                }
            }
        }
    }

    @Test("several documents read back", .timeLimit(.minutes(5)))
    func documents() throws {
        let generator = Generator(random: SeededRandom(seed: 2))
        for _ in 0..<300 {
            let values = (0..<4).map { _ in generator.value() }
            let text = YAMLWriter().text(documents: values)
            let read = try? YAMLReader().documents(in: text).map { try $0.json() }
            #expect(read == values, "\(text)")
        }
    }

    @Test("JSON is YAML: what JSON encodes is read as the same value", .timeLimit(.minutes(5)))
    func json() throws {
        let generator = Generator(random: SeededRandom(seed: 3))
        for _ in 0..<1000 {
            let value = generator.value()
            let text = String(decoding: value.encodedPretty(), as: UTF8.self)
            // YAML 1.1 has no DEL, NEL, U+FFFE and byte order mark as they are, and breaks lines at U+2028.
            guard !text.unicodeScalars.contains(where: { [0x7f, 0x85, 0xfffe, 0xfeff, 0x2028].contains($0.value) })
            else {
                continue
            }
            let read = try? YAMLReader().documents(in: text).map { try $0.json() }
            #expect(read == [value], "\(text)")
        }
    }

    @Test("damaged texts and random bytes are read or refused, never more", .timeLimit(.minutes(5)))
    func damage() {
        let random = SeededRandom(seed: 4)
        let generator = Generator(random: random)
        let seeds = [
            "a: &x [1, *x]\n? {b: [c]}\n: |2-\n   d\n<<: {e: !!int '5'}\n--- >+\n f\n\n...\n%YAML 1.1\n---\n\"\\u00e9\\x41\": 'it''s'",
            "apiVersion: v1\nkind: List\nitems:\n- metadata: {name: a, labels: {x: 1.10}}\n  spec: [~, 0x1F, 1_000, 2001-12-14]\n",
        ]
        for round in 0..<4000 {
            var bytes: [UInt8]
            if round.isMultiple(of: 3) {
                bytes = (0..<generator.below(200)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            } else {
                bytes = Array(
                    (round.isMultiple(of: 2) ? seeds[0] : YAMLWriter().text(generator.value()) + seeds[1]).utf8
                )
                for _ in 0...generator.below(6) where !bytes.isEmpty {
                    let index = generator.below(bytes.count)
                    switch generator.below(4) {
                    case 0: bytes[index] = UInt8(truncatingIfNeeded: random.next())
                    case 1: bytes.remove(at: index)
                    case 2:
                        bytes.insert(
                            contentsOf: Array("&*!|>'\"%@[]{},:?- \n\t#".utf8).shuffledPick(generator.below(22)),
                            at: index
                        )
                    default: bytes.append(contentsOf: bytes[index...].prefix(generator.below(40)))
                    }
                }
            }
            do throws(YAMLError) {
                for document in try YAMLReader().documents(in: bytes) {
                    let value = try document.json()
                    let again = try YAMLReader().documents(in: YAMLWriter().text(value)).first?.json()
                    #expect(again == value)
                }
            } catch {
                #expect(error.line >= 1 && error.column >= 1 && !error.message.isEmpty)
            }
        }
    }
}

extension [UInt8] {
    /// The one element at `index`, as a list.
    fileprivate func shuffledPick(_ index: Int) -> [UInt8] { [self[index % count]] }
}
