// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import KubeTesting
import Simulation
import Testing

@Suite("Traces")
struct TraceTests {
    /// What zlib wrote at level 0, with the fixed code and with codes of its own.
    static let packed = [
        "stored": "H4sIAAAAAAAEAwEMAPP/Y291bnQKMQoyCjMK3DsDKQwAAAA=",
        "fixed": "H4sIAAAAAAACA0vOL80r4TLkMuIyRoIAcqlYVBYAAAA=",
        "dynamic":
            "H4sIAAAAAAACA93OuY1DMQDE0JzVaI6vox7n3mTdv1WHY+IBfP193v8MFioW3uShpoeJggdepFR08yCjgycJHXRRJLTxQ0wOvRENtHCJyKYP5qCJQwa57kI2usX4kEnzEy9fJv89PVYBAAA=",
    ]

    static func unpacked(_ name: String) throws -> String {
        let bytes = [UInt8](Data(base64Encoded: packed[name] ?? "") ?? Data())
        return String(decoding: try Gunzip.unpack(bytes), as: UTF8.self)
    }

    @Test("gzip files of all three kinds of blocks unpack to what was packed")
    func gzipUnpacks() throws {
        #expect(try Self.unpacked("stored") == "count\n1\n2\n3\n")
        #expect(try Self.unpacked("fixed") == "count\n1\n2\n3\n3\n3\n3\n3\n3\n")
        let numbers = (0..<120).map { String($0 * 7 % 50) }
        #expect(try Self.unpacked("dynamic") == "count\n" + numbers.joined(separator: "\n") + "\n")
    }

    @Test("a damaged or cut gzip file is refused, whichever byte it is, and never crashes")
    func damagedFilesAreRefused() throws {
        let whole = [UInt8](Data(base64Encoded: Self.packed["dynamic"] ?? "") ?? Data())
        for length in 0..<whole.count {
            #expect(throws: Gunzip.Failure.self) { try Gunzip.unpack(Array(whole[..<length])) }
        }
        for position in 10..<whole.count {
            var broken = whole
            broken[position] ^= 0x10
            // Bits between the data's end and the checksum mean nothing; anywhere else the change is noticed.
            if let bytes = try? Gunzip.unpack(broken) { #expect(bytes == Array(try Self.unpacked("dynamic").utf8)) }
        }
        #expect(throws: Gunzip.Failure.self) { try Gunzip.unpack(whole, limit: 20) }
    }

    @Test("counts, rates and request times are told apart by their header")
    func kindsAreToldApart() throws {
        let counts = try ArrivalTrace(name: "a.count60s.csv", csv: Array("count\n5\n0\n7\n".utf8))
        #expect(counts.rows == .counts([5, 0, 7]) && counts.binSeconds == 60 && counts.seconds == 180)
        let rates = try ArrivalTrace(name: "r.csv", csv: Array("t_s,rate_rps,client_cv\n0,2,1.5\n600,4,2.5\n".utf8))
        #expect(rates.rows == .rates([2, 4], variation: 2) && rates.requests == 3600)
        let times = try ArrivalTrace(name: "t.csv", csv: Array("t_s,tokens\n7.5,1\n5,2\n\n6,3\n".utf8))
        #expect(times.rows == .times([0, 1, 2.5]))
        let stamps = "timestamp\n2026-01-01T00:00:00Z\n\"2026-01-01T00:00:02.5Z\"\n"
        #expect(try ArrivalTrace(name: "s.csv", csv: Array(stamps.utf8)).rows == .times([0, 2.5]))
        let bare = try ArrivalTrace(name: "b.csv", csv: Array("3\n4\n".utf8), interval: 10)
        #expect(bare.rows == .counts([3, 4]) && bare.binSeconds == 10)
    }

    @Test(
        "what can't be a trace is refused with its line",
        arguments: [
            ("count\n5\n-1\n", "line 3"), ("count\n5\nx\n", "line 3"), ("t_s,rate_rps\n0,1\n0,2\n", "ascending"),
            ("count\n", "no request"), ("t_s\n0\n9e9\n", "400 days"), ("", "no request"),
        ]
    )
    func nonsenseIsRefused(text: String, part: String) {
        let error = #expect(throws: TraceError.self) { try ArrivalTrace(name: "x.csv", csv: Array(text.utf8)) }
        #expect(error?.description.contains(part) == true)
    }

    @Test("a load that is multiplied has that many times the requests")
    func loadsScale() {
        let trace = ArrivalTrace(name: "x", rows: .counts(Array(repeating: 10, count: 600)), binSeconds: 1)
        for factor in [0.25, 1, 3.3, 50] {
            let plan = trace.plan(scaledBy: factor)
            let arrived = DemandProfile(plan, seed: 1).requests
            #expect(abs(Double(arrived) / (6000 * factor) - 1) < 0.06)
            #expect(DemandProfile(plan, seed: 1).counts == DemandProfile(plan, seed: 1).counts)
        }
    }

    @Test("a load that is multiplied is as long as it was, though its last minute is a short one")
    func lengthStays() {
        let trace = ArrivalTrace(name: "x", rows: .counts(Array(repeating: 2, count: 90)), binSeconds: 1)
        let plan = trace.plan(scaledBy: 25)
        #expect(plan.seconds == 90 && abs(plan.requests - 4500) < 1e-6)
        #expect(abs(Double(DemandProfile(plan, seed: 1).requests) / 4500 - 1) < 0.06)
    }

    @Test("the window of a long trace holds its busiest interval")
    func windowsHoldThePeak() {
        var counts = Array(repeating: 1.0, count: 3000)
        counts[2900] = 50
        let trace = ArrivalTrace(name: "x", rows: .counts(counts), binSeconds: 60)
        let window = trace.benchmarkWindow(hours: 6)
        #expect(window.seconds == 21_600 && window.requests == 359 + 50)
    }

    @Test("the traces beside the checkout are read whole", .enabled(if: SharedData.has("traces")))
    func sharedTracesAreRead() throws {
        let requests = [
            "azure-llm-2023-conv": 19_366.0, "mooncake-fast25-conversation": 12_031, "nab-tweets-crm": 53_261,
            "nab-elb-request-count": 249_327,
        ]
        for file in SharedData.files(in: "traces", suffix: ".csv.gz") {
            let name = String(file.lastPathComponent.split(separator: ".")[0])
            guard let expected = requests[name] else { continue }
            let trace = try ArrivalTrace(name: file.lastPathComponent, csv: SharedData.bytes(of: file))
            #expect(trace.requests == expected, "\(name)")
        }
    }
}
