// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeModel
import Rollouts
import Telemetry
import Testing

@testable import Controllers

@Suite("Analysis feed")
struct AnalysisFeedTests {
    /// One server process: its counters, and the page that they make.
    struct Server {
        var good = 0
        var bad = 0
        var fast = 0
        var slow = 0
        var classes: [String: Int] = [:]

        mutating func answer(_ count: Int, errors: Int = 0, slow late: Int = 0) {
            good += count - errors
            bad += errors
            fast += count - late
            slow += late
        }

        var page: String {
            var text = """
                d_bucket{le="0.1"} \(fast)
                d_bucket{le="+Inf"} \(fast + slow)
                r_total{code="200"} \(good)
                r_total{code="500"} \(bad)

                """
            for (name, count) in classes { text += "o_total{class=\"\(name)\"} \(count)\n" }
            return text
        }
    }

    static let mapping = MetricsMapping(
        latency: [MetricSource("d")],
        requests: [MetricSource("r")],
        outputs: [MetricSource("o")]
    )
    static let start = WallTime(seconds: 1_000_000)

    func reading(_ page: String, at second: Int, mapping: MetricsMapping = Self.mapping) throws
        -> ReplicaReading
    {
        let parsed = try ExpositionParser.parse(Array(page.utf8), selection: mapping.selection)
        return ReplicaReading(
            scrape: ReplicaScrape(page: parsed, mapping: mapping, time: Self.start + .seconds(second))
        )
    }

    typealias Seen = (track: AnalysisTrack, pages: [String: ReplicaReading])

    func seen(
        revision: Int = 2,
        _ pages: [String: ReplicaReading],
        restarts: Int = 0,
        readyAt: Int = 0
    ) -> Seen {
        let pods = pages.keys.sorted().map {
            TrackPod(name: $0, incarnation: "\($0)/\(restarts)", readySince: Self.start + .seconds(readyAt))
        }
        return (AnalysisTrack(revision: revision, pods: pods), pages)
    }

    /// The canary's increments over a list of pages of one pod, one every 10 s.
    private func increments(_ pages: [(page: String, restarts: Int)], warmup: Int = 0) throws -> [TrackIncrement] {
        var memory = AnalysisMemory()
        return try pages.enumerated().map { index, next in
            let second = 10 * (index + 1)
            let canary = seen(["a": try reading(next.page, at: second)], restarts: next.restarts)
            return memory.look(
                canary: canary,
                stable: seen(revision: 1, [:]),
                warmup: .seconds(warmup),
                at: Self.start + .seconds(second)
            ).canary
        }
    }

    @Test("the first page is the base; then requests, errors, durations and outputs count by what they grew")
    func growth() throws {
        var server = Server()
        server.answer(1000, errors: 10, slow: 100)
        server.classes = ["cat": 5, "3": 1]
        var pages = [server.page]
        server.answer(50, errors: 2, slow: 5)
        server.classes = ["cat": 25, "3": 11, "9": 2]
        pages.append(server.page)
        let found = try increments(pages.map { ($0, 0) })
        #expect(found[0] == TrackIncrement())
        #expect(found[1].answers == HitCount(trials: 50, hits: 2))
        #expect(found[1].latency?.slower(than: 0.1) == HitCount(trials: 50, hits: 5))
        var outputs = [Int](repeating: 0, count: OutputCategories.count)
        outputs[3] += 10
        outputs[9] += 2
        outputs[OutputCategories.number(of: "cat")] += 20
        #expect(found[1].outputs == outputs)
        #expect(found[1].outputNames == OutputCategories.names(["3", "9", "cat"]))
        #expect(found[1].outputNames[3] == "3" && found[1].outputNames[OutputCategories.number(of: "cat")] == "cat")
        #expect(found[1].remarks.isEmpty)
        let strange = OutputCategories.names(["a\u{1B}[31m\n" + String(repeating: "b", count: 100)]).joined()
        #expect(strange.count == 40 && strange.hasPrefix("a [31m b"), "\(strange)")
    }

    /// How a restart shows, and what counts then. The server had 1000 requests with 10 errors.
    struct Restart: Sendable, CustomTestStringConvertible {
        var name: String
        /// What its counters say afterwards, and the restarts that the pod's status shows at each page.
        var pages: [(requests: Int, errors: Int, restarts: Int)]
        /// What counts over all of them.
        var counted: HitCount?
        var testDescription: String { name }
    }

    static let restarts: [Restart] = [
        Restart(
            name: "counters start anew, the status says so",
            pages: [(40, 4, 1)],
            counted: HitCount(trials: 40, hits: 4)
        ),
        Restart(
            name: "the page is ahead of the status",
            pages: [(40, 4, 0), (60, 5, 1)],
            counted: HitCount(trials: 60, hits: 5)
        ),
        Restart(
            name: "the status is ahead of the page: the old page isn't counted anew",
            pages: [(1000, 10, 1), (40, 4, 1)],
            counted: HitCount(trials: 40, hits: 4)
        ),
        Restart(
            name: "the counters are past the old ones already: unknown, so nothing",
            pages: [(1500, 12, 1)],
            counted: HitCount()
        ),
        Restart(
            name: "errors fell, other requests didn't: unknown, so nothing",
            pages: [(1100, 3, 1)],
            counted: HitCount()
        ),
        Restart(name: "nothing restarted", pages: [(1100, 12, 0)], counted: HitCount(trials: 100, hits: 2)),
    ]

    @Test("a restart counts what is certain, once", arguments: restarts)
    func restarting(_ restart: Restart) throws {
        var before = Server()
        before.answer(1000, errors: 10)
        let pages = restart.pages.map { page in
            var server = Server()
            server.answer(page.requests, errors: page.errors)
            return (page: server.page, restarts: page.restarts)
        }
        let found = try increments([(before.page, 0)] + pages)
        let sum = found.compactMap(\.answers).reduce(HitCount()) {
            HitCount(trials: $0.trials + $1.trials, hits: $0.hits + $1.hits)
        }
        #expect(sum == restart.counted)
    }

    @Test("a series that leaves the page or is new on it is no restart")
    func series() throws {
        let found = try increments([
            ("r_total{m=\"a\",code=\"200\"} 1000\nr_total{m=\"b\",code=\"200\"} 500\n", 0),
            ("r_total{m=\"a\",code=\"200\"} 1010\n", 0),
            ("r_total{m=\"a\",code=\"200\"} 1020\nr_total{m=\"a\",code=\"500\"} 3\n", 0),
        ])
        #expect(found[1].answers == HitCount(trials: 10, hits: 0))
        #expect(found[2].answers == HitCount(trials: 13, hits: 3))
    }

    @Test("errors that are the difference of two counters may fall for a moment and aren't counted twice")
    func difference() throws {
        let mapping = MetricsMapping(requests: [MetricSource("all")], successes: [MetricSource("ok")])
        var memory = AnalysisMemory()
        var sum = HitCount()
        for (index, (all, good)) in [(100, 95), (110, 105), (120, 116), (130, 125)].enumerated() {
            let second = 10 * (index + 1)
            let page = try reading("all_total \(all)\nok_total \(good)\n", at: second, mapping: mapping)
            let look = memory.look(
                canary: seen(["a": page]),
                stable: seen(revision: 1, [:]),
                warmup: .zero,
                at: Self.start + .seconds(second)
            )
            if let answers = look.canary.answers {
                sum = HitCount(trials: sum.trials + answers.trials, hits: sum.hits + answers.hits)
            }
        }
        #expect(sum == HitCount(trials: 30, hits: 0))
    }

    @Test(
        "what can't be read is missing with its reason, never zero, and is made up for",
        arguments: [
            "r_total{code=\"200\"} NaN\nr_total{code=\"500\"} 1\n", "other 3\n", "",
            "r_total{code=\"200\"} 1200\nr_total{code=\"500\"} -4\n", "r_total{code=\"200\"} +Inf\n",
        ]
    )
    func unreadable(_ page: String) throws {
        let before = "r_total{code=\"200\"} 1000\nr_total{code=\"500\"} 10\n"
        let after = "r_total{code=\"200\"} 1300\nr_total{code=\"500\"} 16\n"
        let found = try increments([(before, 0), (page, 0), (after, 0)])
        #expect(found[1].answers == nil)
        #expect(found[1].latency == nil)
        #expect(found[1].remarks.contains { $0.hasPrefix("pod a: no ") })
        #expect(found[2].answers == HitCount(trials: 306, hits: 6))
        var (state, judge) = (JudgeState(), Judge())
        judge.settings.minimumRequests = 4
        let judgement = judge.look(
            &state,
            canary: found[1],
            stable: TrackIncrement(answers: HitCount(trials: 500, hits: 0))
        )
        #expect(judgement.verdict == .noData)
        #expect(judgement.reason.contains("pod a: no "))
    }

    @Test("a counter without the label of the code says nothing of errors, and starts a new base when it is back")
    func unlabelled() throws {
        let page = "r_total{code=\"200\"} 1000\nr_total{code=\"500\"} 10\n"
        let found = try increments([(page, 0), ("r_total 1200\n", 0), (page, 0), (page, 0)])
        #expect(found.map(\.answers) == [nil, nil, HitCount(), HitCount()])
        #expect(found[1].remarks.first == "pod a: no error rate: r_total has no series with {code=\"…\"}")
    }

    @Test("another metric that is read from now on starts a new base")
    func switched() throws {
        let mapping = MetricsMapping(requests: [MetricSource("new"), MetricSource("old")])
        var memory = AnalysisMemory()
        var answers: [HitCount?] = []
        for (index, text) in [
            "old{code=\"200\"} 100\n", "new{c=\"x\",code=\"200\"} 9000\n", "new{c=\"x\",code=\"200\"} 9010\n",
        ]
        .enumerated() {
            let second = 10 * (index + 1)
            let page = try reading(text, at: second, mapping: mapping)
            let time = Self.start + .seconds(second)
            let look = memory.look(canary: seen(["a": page]), stable: seen([:]), warmup: .zero, at: time)
            answers.append(look.canary.answers)
        }
        #expect(answers == [nil, HitCount(), HitCount(trials: 10, hits: 0)])
    }

    @Test(
        "errors and slow answers of the warm-up count on neither track, and the judge passes a canary that warms up slowly"
    )
    func warmup() throws {
        var (canary, stable) = (Server(), Server())
        var memory = AnalysisMemory()
        var (state, judge) = (JudgeState(), Judge())
        judge.settings.errorMargin = 0.05
        var verdict = Judgement.Verdict.noData
        for second in stride(from: 0, through: 600, by: 10) {
            let time = Self.start + .seconds(second)
            let look = memory.look(
                canary: seen(["a": try reading(canary.page, at: second)]),
                stable: seen(revision: 1, ["s": try reading(stable.page, at: second)], readyAt: -3600),
                warmup: .seconds(30),
                at: time
            )
            if second <= 30 { #expect(look.canary.answers == nil) }
            verdict = judge.look(&state, canary: look.canary, stable: look.stable).verdict
            #expect(verdict != .worse)
            // Half of the answers of the first 30 s fail, and all are slow.
            canary.answer(100, errors: second < 30 ? 50 : 1, slow: second < 30 ? 100 : 5)
            stable.answer(900, errors: 9, slow: 45)
        }
        #expect(verdict == .notWorse)
    }

    @Test(
        "a track of forty pods beside one of one pod: each track is the sum of its pods, new pods begin at their base"
    )
    func sizes() throws {
        var memory = AnalysisMemory()
        var servers = [Server](repeating: Server(), count: 40)
        var canary = Server()
        var (ours, theirs) = (HitCount(), HitCount())
        func add(_ sum: inout HitCount, _ next: HitCount?) {
            guard let next else { return }
            sum = HitCount(trials: sum.trials + next.trials, hits: sum.hits + next.hits)
        }
        for second in stride(from: 10, through: 100, by: 10) {
            // Ten pods leave and ten come at half-time; those that come have counted before.
            if second == 50 {
                for index in 0..<10 {
                    servers[index] = Server()
                    servers[index].answer(5000, errors: 5000)
                }
            }
            let names = servers.indices.map { second >= 50 && $0 < 10 ? "new\($0)" : "s\($0)" }
            let pages = try zip(names, servers).map { ($0, try reading($1.page, at: second)) }
            let look = memory.look(
                canary: seen(["a": try reading(canary.page, at: second)]),
                stable: seen(revision: 1, Dictionary(uniqueKeysWithValues: pages)),
                warmup: .zero,
                at: Self.start + .seconds(second)
            )
            add(&ours, look.canary.answers)
            add(&theirs, look.stable.answers)
            for index in servers.indices { servers[index].answer(10, errors: index == 39 ? 1 : 0) }
            canary.answer(10, errors: 1)
        }
        #expect(ours == HitCount(trials: 90, hits: 9))
        // 40 pods over nine intervals, without the interval in which ten pods were new.
        #expect(theirs == HitCount(trials: 40 * 90 - 100, hits: 9))
    }

    @Test("another canary revision starts without the memory of the one before")
    func revisions() throws {
        var memory = AnalysisMemory()
        var server = Server()
        server.answer(100, errors: 100)
        for (revision, second) in [(2, 10), (2, 20), (3, 30), (3, 40)] {
            let look = memory.look(
                canary: seen(revision: revision, ["a": try reading(server.page, at: second)]),
                stable: seen(revision: 1, [:]),
                warmup: .zero,
                at: Self.start + .seconds(second)
            )
            #expect(look.canary.answers == (second == 10 || second == 30 ? nil : HitCount(trials: 10, hits: 0)))
            server.answer(10)
        }
    }

    @Test("pods without a page are said once, however many they are")
    func unread() {
        var memory = AnalysisMemory()
        let pods = (0..<7).map { TrackPod(name: "p\($0)", readySince: Self.start) }
        let pages = Dictionary(
            uniqueKeysWithValues: pods.map { pod in
                (pod.name, ReplicaReading(scrape: nil, failure: "no answer within 1 s"))
            }
        )
        let look = memory.look(
            canary: (AnalysisTrack(revision: 2, pods: pods), pages),
            stable: seen(revision: 1, [:]),
            warmup: .zero,
            at: Self.start
        )
        #expect(look.canary == TrackIncrement(remarks: ["pod p0: no answer within 1 s (and 6 more pods)"]))
    }

    @Test("reads of a pod's object what the analysis needs")
    func pods() throws {
        let json = try JSONValue(
            parsing: Array(
                """
                {"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","namespace":"n","uid":"u"},"status":{
                "conditions":[{"type":"Ready","status":"True","lastTransitionTime":"2026-01-01T00:00:30Z"}],
                "containerStatuses":[{"name":"c","restartCount":2},{"name":"d","restartCount":1}]}}
                """.utf8
            )
        )
        let pod = TrackPod(KubeObject(json))
        #expect(pod == TrackPod(name: "a", incarnation: "u/3", readySince: WallTime(rfc3339: "2026-01-01T00:00:30Z")))
    }
}
