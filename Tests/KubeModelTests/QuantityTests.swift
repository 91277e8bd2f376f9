// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeModel
import Testing

@Suite("Quantities")
struct QuantityTests {
    @Test(
        "are written canonically",
        arguments: [
            ("0", "0"), ("0.5", "500m"), ("1024Mi", "1Gi"), ("1.5Gi", "1536Mi"), ("1000k", "1M"), ("12e6", "12e6"),
            ("0.1n", "1n"), ("100m", "100m"), ("1000m", "1"), ("1.", "1"), (".5", "500m"), ("-1.5", "-1500m"),
            ("+2", "2"), ("512Mi", "512Mi"), ("1Ki", "1Ki"), ("1023", "1023"), ("1025Ki", "1025Ki"),
            ("0.5Ki", "512"), ("1e3", "1e3"), ("1E3", "1e3"), ("1E", "1E"), ("1e-3", "1e-3"), ("12345e1", "123450"),
            ("1.5e3", "1500"), ("2048", "2048"), ("9223372036854775807", "9223372036854775807"),
            ("9223372036854775808", "9223372036854775807"), ("100E", "9223372036854775807"),
            ("1e100", "9223372036854775807"),
            ("1e-100", "1e-9"), ("0.0000000001", "1n"), ("00001.1000", "1100m"), ("0Mi", "0"), ("1.1Ki", "1126400m"),
        ]
    )
    func canonical(text: String, expected: String) { #expect(Quantity(text)?.description == expected) }

    @Test(
        "refuse what is no quantity",
        arguments: [
            "", "a", "1a", "1 Gi", " 1", "1gi", "1K", "1KI", "Gi", ".", "-", "1e", "1e+", "1.2.3", "1mi", "0x1", "1,5",
            "1ee3", "--1", "1e3k", "١",
        ]
    )
    func invalid(text: String) { #expect(Quantity(text) == nil) }

    @Test("compare and add by amount, however they are written")
    func arithmetic() throws {
        let half = try #require(Quantity("500m"))
        let one = try #require(Quantity("1"))
        #expect(half < one)
        #expect(half + half == one)
        #expect((one - half).description == "500m")
        #expect(Quantity("1Gi") == Quantity("1073741824"))
        #expect(Quantity("1Gi") == Quantity("1048576Ki"))
        #expect(try #require(Quantity("1G")) < (try #require(Quantity("1Gi"))))
        #expect(Quantity("1e3") == Quantity("1k"))
    }

    @Test("whole and thousandth values round up")
    func values() {
        #expect(Quantity("100m")?.value == 1)
        #expect(Quantity("1.5Gi")?.value == 1_610_612_736)
        #expect(Quantity("0.0001")?.milliValue == 1)
        #expect(Quantity("-100m")?.value == -1)
        #expect(Quantity("500m")?.double == 0.5)
    }

    @Test("random texts never trap; the canonical text is a fixed point")
    func fuzz() {
        let random = SeededRandom(seed: 5)
        let alphabet = Array("0123456789.-+eEkKMGTPinum")
        for _ in 0..<50_000 {
            let text = String(
                (0..<Int(random.next() % 24)).map { _ in alphabet[Int(random.next() % UInt64(alphabet.count))] }
            )
            guard let quantity = Quantity(text) else { continue }
            let again = Quantity(quantity.description)
            #expect(again == quantity, "\(text)")
            #expect(again?.description == quantity.description, "\(text)")
        }
        for digits in [30, 60, 120, 250] {
            #expect(Quantity("0." + String(repeating: "9", count: digits))?.description == "1")
            #expect(Quantity(String(repeating: "9", count: digits) + "Ei")?.value == .max)
        }
    }
}

@Suite("Numbers or texts")
struct IntOrStringTests {
    @Test(
        "scale to a total",
        arguments: [
            (IntOrString.int(3), 10, true, 3), (.string("25%"), 10, true, 3), (.string("25%"), 10, false, 2),
            (.string("0%"), 10, true, 0), (.string("100%"), 7, false, 7), (.string("x"), 10, true, nil),
            (.string("-5%"), 10, true, nil), (.string("9223372036854775807%"), 10, true, nil),
        ] as [(IntOrString, Int, Bool, Int?)]
    )
    func scaled(value: IntOrString, total: Int, up: Bool, expected: Int?) {
        #expect(value.scaled(of: total, roundingUp: up) == expected)
    }
}
