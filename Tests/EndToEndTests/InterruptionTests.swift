// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import CurlHTTP
import Foundation
import HTTPMessages
import HTTPTypes
import KubeAPI
import KubeModel
import Testing

extension EndToEnd {
    @Suite(
        "Nothing is left behind",
        .serialized,
        .enabled(if: Programs.hasProcessTable, "there is no /proc here to see processes in")
    )
    struct Interruption {
        @Test("the demo, interrupted by Ctrl-C, leaves no process, no port and no file", .timeLimit(.minutes(2)))
        func demo() async throws {
            let folder = try TestFolder()
            let temporary = folder.path + "/temporary"
            try FileManager.default.createDirectory(atPath: temporary, withIntermediateDirectories: false)
            let demo = try ProgramRun(
                Programs.modelfleet(),
                ["demo", "--load-seconds", "8"],
                folder: folder.path,
                environment: ["TMPDIR": temporary + "/"]
            )
            let children: Set<ProcessTable.Entry>
            do {
                _ = try await eventually(
                    within: .seconds(60),
                    "a prediction",
                    seen: { demo.output + Self.logs(temporary) }
                ) {
                    guard demo.isRunning else { throw TestFailure("the demo ended: \(demo.output)") }
                    return demo.output.contains("prediction for") ? true : nil
                }
                children = ProcessTable.descendants(of: demo.id)
                #expect(children.count >= 3, "the cluster, the operator and a server")
                #expect(try !Self.contents(temporary).isEmpty)
                demo.send(SIGINT)
                #expect(try await demo.end(within: .seconds(30)) == 130, "\(demo.output)")
            } catch {
                demo.send(SIGKILL)
                throw error
            }
            try await Self.expectGone(children, within: .seconds(5))
            #expect(try Self.contents(temporary) == [])
            let address = try #require(demo.output.firstMatch(of: /https:\/\/127\.0\.0\.1:\d+/)?.output)
            await Self.expectRefused(String(address))
        }

        @Test("a local cluster that is killed takes its pods and its folder with it", .timeLimit(.minutes(1)))
        func killedCluster() async throws {
            let folder = try TestFolder()
            let local = try await LocalRun.start(["--operator"], folder: folder.path)
            let children: Set<ProcessTable.Entry>
            do {
                try await local.client.apply(Samples.models, Samples.model("iris", replicas: 2))
                try await local.model("iris", within: .seconds(40)) { $0.isTrue }
                children = ProcessTable.descendants(of: local.program.id)
                #expect(children.count >= 2)
                local.program.send(SIGKILL)
                #expect(try await local.program.end(within: .seconds(5)) == 128 + SIGKILL)
            } catch {
                await local.stop()
                throw error
            }
            try await Self.expectGone(children, within: .seconds(5))
            let left = try await eventually(within: .seconds(5), "no modelfleet folder") {
                try Self.contents(folder.path).allSatisfy { !$0.hasPrefix("modelfleet-") } ? [String]() : nil
            }
            #expect(left == [])
            await Self.expectRefused(local.client.baseURL)
            local.curl.shutdown()
        }

        @Test("a local cluster that is told to stop removes its kubeconfig and its pods", .timeLimit(.minutes(1)))
        func stoppedCluster() async throws {
            let folder = try TestFolder()
            let local = try await LocalRun.start(["--operator"], folder: folder.path)
            #expect(
                try FileManager.default.attributesOfItem(atPath: local.kubeconfig)[.posixPermissions] as? Int == 0o600
            )
            do {
                try await local.client.apply(Samples.models, Samples.model("iris"))
                try await local.model("iris", within: .seconds(40)) { $0.isTrue }
            } catch {
                await local.stop()
                throw error
            }
            let children = ProcessTable.descendants(of: local.program.id)
            local.program.send(SIGTERM)
            #expect(try await local.program.end(within: .seconds(20)) == 0, "\(local.program.output)")
            try await Self.expectGone(children, within: .seconds(5))
            #expect(try Self.contents(folder.path).filter { !$0.hasSuffix(".log") } == [])
            local.curl.shutdown()
        }

        /// All logs below a folder, and the processes, for a message.
        private static func logs(_ folder: String) -> String {
            let names = FileManager.default.enumerator(atPath: folder)?.compactMap { $0 as? String } ?? []
            let texts = names.filter { $0.hasSuffix(".log") }.map { name in
                "\n--- \(name)\n" + ((try? String(contentsOfFile: "\(folder)/\(name)", encoding: .utf8)) ?? "")
            }
            return texts.joined() + "\n--- files\n" + names.sorted().joined(separator: "\n")
        }

        private static func contents(_ folder: String) throws -> [String] {
            try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
        }

        private static func expectGone(_ processes: Set<ProcessTable.Entry>, within limit: Duration) async throws {
            _ = try await eventually(
                within: limit,
                "the end of all processes",
                seen: { "Running: \(processes.filter(ProcessTable.isRunning).map(\.id))" }
            ) {
                processes.contains(where: ProcessTable.isRunning) ? nil : true
            }
        }

        /// Expects that nobody listens any more.
        private static func expectRefused(_ address: String) async {
            let curl = CurlExchange(configuration: CurlConfiguration(connectTimeout: .seconds(5)))
            defer { curl.shutdown() }
            let authority = String(address.drop { $0 != "/" }.drop { $0 == "/" })
            let head = HTTPRequest(method: .get, scheme: "https", authority: authority, path: "/version")
            let error = await #expect(throws: CurlError.self) {
                _ = try await curl.exchange(HTTPRequestMessage(head: head, timeout: .seconds(5)))
            }
            #expect(error?.code == .connect, "\(address): \(error.map { "\($0)" } ?? "an answer")")
        }
    }
}
