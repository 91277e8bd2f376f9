// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import Foundation
import HTTPMessages
import HTTPTypes
import KubeAPI
import KubeModel
import Testing

@testable import LocalCluster

@Suite("Logs through the API, with real processes", .serialized)
struct PodLogTests {
    @Test("Whole, the last lines, with times, of one container", .timeLimit(.minutes(5)))
    func query() async throws {
        try await TestCluster().run { client in
            let pod = TestCluster.pod(
                "talker",
                ["main": "echo one; echo two >&2; printf three", "side": "echo other"],
                policy: "Never"
            )
            try await client.create(.pods, pod)
            try await until("it has ended") { try await client.get(.pods, pod.key).podPhase == "Succeeded" }
            #expect(try await client.log("talker", "?container=main") == "one\ntwo\nthree\n")
            #expect(try await client.log("talker", "?container=side") == "other\n")
            #expect(try await client.log("talker", "?container=main&tailLines=2") == "two\nthree\n")
            #expect(try await client.log("talker", "?container=main&tailLines=0").isEmpty)
            #expect(try await client.log("talker", "?container=main&limitBytes=6") == "one\ntw")
            #expect(try await client.log("talker", "?container=main&follow=true") == "one\ntwo\nthree\n")
            let timed = try await client.log("talker", "?container=main&timestamps=true&tailLines=1")
            let words = timed.split(separator: " ")
            #expect(words.count == 2 && words.last == "three\n")
            #expect(words.first.flatMap { WallTime(rfc3339: String($0)) } != nil)
            #expect(try await client.log("talker", "").contains("a container name must be specified"))
            #expect(try await client.log("talker", "?container=none").contains("not valid"))
            #expect(try await client.log("talker", "?container=main&previous=true").contains("not found"))
        }
    }

    @Test("A followed log brings lines as they come and ends with the container", .timeLimit(.minutes(5)))
    func follow() async throws {
        let gate = NSTemporaryDirectory() + "modelfleet-gate-\(UInt64.random(in: 0 ... .max))"
        defer { try? FileManager.default.removeItem(atPath: gate) }
        try await TestCluster().run { client in
            let script = "echo before; while [ ! -e \(gate) ]; do sleep 0.02; done; echo after"
            let pod = TestCluster.pod("talker", ["main": script], policy: "Never")
            try await client.create(.pods, pod)
            try await client.untilReady(pod)
            let head = HTTPRequest(
                method: .get,
                scheme: "http",
                authority: "localhost",
                path: "/api/v1/namespaces/default/pods/talker/log?follow=true"
            )
            let response = try await client.exchange.exchange(HTTPRequestMessage(head: head))
            var text = ""
            for try await part in response.body {
                if text.isEmpty { #expect(FileManager.default.createFile(atPath: gate, contents: nil)) }
                text += String(decoding: part, as: UTF8.self)
            }
            #expect(text == "before\nafter\n")
        }
    }

    @Test("The log of the instance before stays, also while the next one is waited for", .timeLimit(.minutes(5)))
    func previous() async throws {
        let mark = NSTemporaryDirectory() + "modelfleet-mark-\(UInt64.random(in: 0 ... .max))"
        defer { try? FileManager.default.removeItem(atPath: mark) }
        try await TestCluster().run { client in
            let crashing = TestCluster.pod("crashing", ["main": "echo from $$$$; exit 1"])
            let second = "if [ -e \(mark) ]; then echo second; sleep 600; else > \(mark); echo first; exit 1; fi"
            let recovering = TestCluster.pod("recovering", ["main": second])
            for pod in [crashing, recovering] { try await client.create(.pods, pod) }
            try await until("it waits to be restarted") {
                let status = try await client.get(.pods, crashing.key)["status", "containerStatuses"]?[0]
                return status?.at("state", "waiting", "reason")?.string == "CrashLoopBackOff"
            }
            let status = try await client.get(.pods, crashing.key)["status", "containerStatuses"]?[0]
            #expect(status?["restartCount"]?.int == 1)
            let last = try await client.log("crashing")
            #expect(last.hasPrefix("from "))
            #expect(try await client.log("crashing", "?previous=true") == last)
            try await until("it has started again") { try await client.log("recovering") == "second\n" }
            #expect(try await client.log("recovering", "?previous=true") == "first\n")
        }
    }

    @Test("A log of short lines takes no more memory than one of long ones", arguments: [1, 10, 1000])
    func memory(length: Int) {
        let log = ContainerLog(limit: 64 << 10, time: ManualTime())
        for _ in 0..<10_000 { log.append([UInt8](repeating: 0x78, count: length) + [0x0a]) }
        let lines = log.lines(from: 0).lines
        #expect(lines.allSatisfy { $0.bytes.count == length })
        let bytes = lines.reduce(0) { $0 + $1.bytes.capacity + 64 }
        #expect(bytes <= 64 << 10 && bytes > 40 << 10)
    }
}
