// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import FleetAPI
import HTTPMessages
import HTTPTypes
import KubeModel
import KubeRuntime
import Rollouts
import Synchronization
import Telemetry
import Testing

@testable import Controllers

@Suite("Analysis feed on a scrape board", .timeLimit(.minutes(5)))
struct AnalysisFeedBoardTests {
    /// The pages of two pods, and how often they were read.
    private final class Pages: Sendable {
        struct Page {
            var good = 0
            var bad = 0
            var reads = 0
        }

        let pages = Mutex<[String: Page]>([:])

        func answer(_ address: String, _ good: Int, errors: Int) {
            pages.withLock { pages in
                pages[address, default: Page()].good += good
                pages[address, default: Page()].bad += errors
            }
        }

        var reads: [String: Int] { pages.withLock { $0.mapValues(\.reads) } }

        var exchange: ClosureExchange {
            ClosureExchange { [self] request in
                let page = pages.withLock { pages in
                    pages[request.head.authority ?? "", default: Page()].reads += 1
                    return pages[request.head.authority ?? ""] ?? Page()
                }
                let text = """
                    modelfleet_requests_total{model="m",code="200"} \(page.good)
                    modelfleet_requests_total{model="m",code="500"} \(page.bad)
                    modelfleet_outputs_total{model="m",version="1",class="3"} \(page.good)

                    """
                return HTTPResponseMessage(status: .ok, text: text)
            }
        }
    }

    private func pod(_ name: String, revision: Int, address: String) -> KubeObject {
        KubeObject([
            "apiVersion": "v1", "kind": "Pod",
            "metadata": [
                "name": .string(name), "namespace": "default", "uid": .string(name), "resourceVersion": "1",
                "labels": ["modelfleet.dev/model": "m", "modelfleet.dev/revision": .string("\(revision)")],
            ],
            "status": [
                "podIP": .string(address),
                "conditions": [["type": "Ready", "status": "True", "lastTransitionTime": "2025-12-31T00:00:00Z"]],
                "containerStatuses": [["name": "server", "restartCount": 0]],
            ],
        ])
    }

    private func deployment(_ revision: Int, runtime: String) -> KubeObject {
        var deployment = KubeObject(.deployments, namespace: "default", name: "m-r\(revision)")
        deployment.labels = [FleetAPI.modelLabel: "m", FleetAPI.revisionLabel: "\(revision)"]
        deployment.setAnnotation(FleetAPI.runtimeAnnotation, to: runtime)
        let owner = OwnerReference(apiVersion: "modelfleet.dev/v1alpha1", kind: "ModelDeployment", name: "m", uid: "u")
        deployment.json.set([owner.json], at: "metadata", "ownerReferences")
        return deployment
    }

    /// A board that reads two pods' pages, and the feed on it.
    private struct Bench {
        let time = ManualTime()
        let pages = Pages()
        let stores = FleetStores()
        let board: ScrapeBoard
        let feed: AnalysisFeed

        init() {
            board = ScrapeBoard(
                scraper: Scraper(exchange: pages.exchange, time: time),
                time: time,
                random: SeededRandom(seed: 1)
            )
            feed = AnalysisFeed(board: board)
        }

        /// Lets the board scrape until something is so; what isn't after ten minutes of its time, hundreds of scrapes, won't be.
        func run(sourceLocation: SourceLocation = #_sourceLocation, until isDone: () -> Bool) async {
            await withTaskGroup { group in
                group.addTask { await board.run() }
                let start = time.now()
                while !isDone(), time.now() - start < .seconds(600), !Task.isCancelled {
                    time.advance(by: .milliseconds(50))
                    for _ in 0..<20 { await Task.yield() }
                }
                group.cancelAll()
            }
            #expect(isDone(), sourceLocation: sourceLocation)
        }

        /// Lets the board read each of the pages again, and have them all: one that is on its way isn't on the board yet.
        func scrape(sourceLocation: SourceLocation = #_sourceLocation) async {
            func total(_ reads: [String: Int]) -> Int { reads.values.reduce(0, +) }
            let (before, scraped) = (pages.reads, Int(board.counts.scraped))
            await run(sourceLocation: sourceLocation) {
                let reads = pages.reads
                return before.allSatisfy { reads[$0.key] ?? 0 > $0.value }
                    && Int(board.counts.scraped) - scraped == total(reads) - total(before)
            }
        }
    }

    @Test("scrapes what scaling doesn't, looks at both tracks, and stops when it is told to forget")
    func own() async throws {
        let bench = Bench()
        let (time, pages, stores, feed) = (bench.time, bench.pages, bench.stores, bench.feed)
        var model = OperatorHarness.model(spec: ["scaling": ["engine": "External"]])
        model["metadata", "uid"] = "u"
        model["metadata", "resourceVersion"] = "1"
        stores.models.replaceAll([model])
        stores.pods.replaceAll([
            pod("s", revision: 1, address: "10.0.0.1"), pod("c", revision: 2, address: "10.0.0.2"),
        ])
        // The canary's runtime has another port than that of the spec.
        var runtime = ServingRuntime.builtIn
        runtime.json.set("other", at: "metadata", "name")
        runtime.json.set([["name": "onnx", "autoSelect": false]], at: "spec", "supportedModelFormats")
        runtime.json.set(8081, at: "spec", "port")
        stores.runtimes.replaceAll([ServingRuntime.builtIn, runtime])
        stores.deployments.replaceAll([deployment(2, runtime: "other")])
        let key = OperatorHarness.key("m")
        func look() throws -> AnalysisLook {
            let observation = ModelObservation(key, stores: stores, scaling: nil, time: time.now())
            return feed.look(try #require(observation), canary: 2, stable: 1, warmup: .seconds(30))
        }
        pages.answer("10.0.0.1:8080", 1000, errors: 100)
        pages.answer("10.0.0.2:8081", 100, errors: 90)
        #expect(try look() == AnalysisLook(canary: TrackIncrement(), stable: TrackIncrement()))
        await bench.scrape()
        let first = try look()
        #expect(first.canary.answers == nil && first.stable.answers == nil)
        // The runtime has a histogram of durations, and the page hasn't: that is said.
        #expect(first.canary.remarks.contains { $0.hasPrefix("pod c: no latency: looked for") })
        pages.answer("10.0.0.1:8080", 90, errors: 1)
        pages.answer("10.0.0.2:8081", 45, errors: 5)
        await bench.scrape()
        let second = try look()
        #expect(second.canary.answers == HitCount(trials: 50, hits: 5))
        #expect(second.stable.answers == HitCount(trials: 91, hits: 1))
        #expect(second.canary.outputs?[3] == 45 && second.canary.outputs?.reduce(0, +) == 45)
        #expect(second.stable.outputs?[3] == 90)
        feed.forget(key)
        let (reads, start) = (pages.reads, time.now())
        await bench.run { time.now() - start > .seconds(10) }
        #expect(pages.reads == reads)
    }

    @Test("what another process has looked at meanwhile isn't counted again")
    func otherProcess() async throws {
        let bench = Bench()
        let (time, pages, stores, feed) = (bench.time, bench.pages, bench.stores, bench.feed)
        stores.pods.replaceAll([pod("c", revision: 2, address: "10.0.0.2")])
        stores.runtimes.replaceAll([ServingRuntime.builtIn])
        /// A look of this process, after the last one that status knows of.
        func look(after last: WallTime?) throws -> HitCount? {
            var model = OperatorHarness.model(spec: ["scaling": ["engine": "External"]])
            model["metadata", "uid"] = "u"
            model["metadata", "resourceVersion"] = "1"
            var rollout: JSONValue = ["phase": "Analyzing", "strategy": "Canary", "stableRevision": 1]
            rollout["lookedAt"] = last.map { .string($0.rfc3339Micro) }
            model["status"] = ["rollout": rollout]
            stores.models.replaceAll([model])
            let key = OperatorHarness.key("m")
            let observation = try #require(ModelObservation(key, stores: stores, scaling: nil, time: time.now()))
            return feed.look(observation, canary: 2, stable: 1, warmup: .zero).canary.answers
        }
        func scrape(_ count: Int) async {
            pages.answer("10.0.0.2:8080", count, errors: 0)
            await bench.scrape()
        }
        #expect(try look(after: nil) == nil)
        await scrape(100)
        #expect(try look(after: nil) == nil, "the base")
        let own = time.now()
        await scrape(7)
        #expect(try look(after: own) == HitCount(trials: 7, hits: 0))
        await scrape(50)
        let theirs = time.now()
        await scrape(3)
        #expect(try look(after: theirs) == nil, "theirs are among what was added")
        let last = time.now()
        await scrape(5)
        #expect(try look(after: last) == HitCount(trials: 5, hits: 0))
    }
}
