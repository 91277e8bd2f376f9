// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import FleetAPI
import KubeModel
import KubeTesting
import Telemetry
import Testing

@testable import Controllers

@Suite("Which pods a scale-down takes")
struct DeletionCostsTests {
    private static let now = WallTime(nanoseconds: 1_767_225_600_000_000_000)
    private static let idle = DeletionCosts.idle

    /// A pod by what its page says, how old that is, and what the pod shows.
    private struct Row {
        var queue: Int? = 0
        var inFlight: Int? = 0
        var age = 1
        var isReady = true
        var isScraped = true
        var mark: String?

        /// One that is in order and has this much in flight.
        init(_ inFlight: Int, mark: Int? = nil) {
            self.inFlight = inFlight
            self.mark = mark.map(String.init)
        }

        func with(_ change: (inout Row) -> Void) -> Row {
            var row = self
            change(&row)
            return row
        }
    }

    /// What is written for pods `p0`, `p1`, … as `p0=COST` or `p0-`.
    private func writes(_ rows: [Row], to desired: Int) throws -> [String] {
        let mapping = ServingRuntime(ServingRuntime.builtIn).mapping
        var parts: [String: TrackSignals.Part] = [:]
        var pods: [KubeObject] = []
        for (index, row) in rows.enumerated() {
            var pod = Make.pod("p\(index)", labels: [FleetAPI.modelLabel: "m"])
            pod["status"] = row.isReady ? OperatorHarness.ready("10.0.0.1") : ["phase": "Running"]
            pod.setAnnotation(DeletionCosts.annotation, to: row.mark)
            pods.append(pod)
            guard row.isScraped else { continue }
            let queue = row.queue.map { "modelfleet_queue_length \($0)\n" } ?? ""
            let inFlight = row.inFlight.map { "modelfleet_requests_in_flight \($0)\n" } ?? ""
            let page = try ExpositionParser.parse(Array((queue + inFlight).utf8), selection: mapping.selection)
            let scrape = ReplicaScrape(page: page, mapping: mapping, time: Self.now - .seconds(row.age))
            parts["p\(index)"] = .reported(ReplicaSignals(scrape, since: nil))
        }
        let costs = DeletionCosts(
            pods: pods,
            parts: parts,
            desired: desired,
            staleAfter: .seconds(30),
            now: Self.now
        )
        return costs.writes.map { write in write.pod.name + (write.cost.map { "=\($0 - Self.idle)" } ?? "-") }
    }

    @Test("the pods with the least in flight are marked, as many as go, and no other")
    func leastGo() throws {
        #expect(try writes([Row(9), Row(2), Row(5), Row(0)], to: 2) == ["p3=0", "p1=2"])
        #expect(try writes([Row(9), Row(2)], to: 2).isEmpty)
        #expect(try writes([Row(9), Row(2)], to: 5).isEmpty)
        #expect(try writes([Row(9), Row(2)], to: 0) == ["p1=2", "p0=9"])
    }

    @Test("a request that waits counts as one that runs")
    func waiting() throws {
        // In flight counts those that wait too, as our server says it.
        let rows = [Row(6).with { $0.queue = 6 }, Row(5).with { $0.queue = 0 }]
        #expect(try writes(rows, to: 1) == ["p1=5"])
    }

    @Test("what isn't known isn't zero: without a reading, with an old one, or without the signal a pod stays unmarked")
    func missing() throws {
        let unknown = [
            Row(0).with { $0.isScraped = false }, Row(0).with { $0.age = 31 }, Row(0).with { $0.inFlight = nil },
        ]
        #expect(try writes(unknown + [Row(7)], to: 1) == ["p3=7"])
        #expect(try writes(unknown, to: 0).isEmpty)
    }

    @Test("pods that aren't ready go anyway, so fewer are marked")
    func unready() throws {
        let rows = [Row(1), Row(2), Row(0).with { $0.isReady = false }]
        #expect(try writes(rows, to: 2).isEmpty)
        #expect(try writes(rows, to: 1) == ["p0=1"])
    }

    @Test("marks that hold are left, those that no longer hold are taken away first, those of others stay")
    func marks() throws {
        #expect(try writes([Row(3), Row(1, mark: Self.idle + 1)], to: 1).isEmpty)
        #expect(try writes([Row(3), Row(2, mark: Self.idle + 1)], to: 1) == ["p1=2"])
        #expect(try writes([Row(3, mark: Self.idle), Row(1)], to: 1) == ["p0-", "p1=1"])
        #expect(try writes([Row(3, mark: -7), Row(1)], to: 1) == ["p1=1"])
        #expect(try writes([Row(1), Row(1, mark: Self.idle + 1)], to: 1).isEmpty)
    }

    @Test("the writes of one decision are bounded, and so is a cost")
    func bounds() throws {
        let rows = (0..<300).map { Row($0) }
        #expect(try writes(rows, to: 1).count == DeletionCosts.writeLimit)
        #expect(try writes([Row(.max), Row(.max)], to: 1) == ["p0=\(DeletionCosts.busiest)"])
    }
}
