// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import FleetAPI
import KubeModel
import Scaling
import Telemetry

/// Tells the board what to scrape, and reads the signals of a model from it or from Prometheus.
struct ModelSignals: Sendable {
    /// How old a page may be.
    static let staleAfter = Duration.seconds(30)

    /// The pages.
    let board: ScrapeBoard
    /// The answers of Prometheus servers.
    let poller: PrometheusPoller
    private let mappings = RuntimeMappings()

    /// Signals from the pages of `board` and the answers of `poller`.
    init(board: ScrapeBoard, poller: PrometheusPoller) {
        self.board = board
        self.poller = poller
    }

    /// The signals of the serving revision, with the demand that other revisions of the model carry. Each is read by the runtime that it
    /// was rendered with. One that only gets copies of requests is watched all the same: the judge compares what it shows.
    func read(
        _ observation: ModelObservation,
        serving: Int,
        watched: inout [ScrapeGroup: [ScrapeTarget]]
    ) -> TrackSignals {
        let key = observation.stored.key
        if let prometheus = observation.model.scaling.prometheus {
            for group in watched.keys { board.forget(group.name) }
            watched = [:]
            return read(observation, serving: serving, from: prometheus)
        }
        let interval = Duration.seconds(observation.model.scaling.intervalSeconds)
        var groups: [ScrapeGroup: [ScrapeTarget]] = [:]
        for deployment in observation.deployments {
            let revision = ModelObservation.revision(of: deployment)
            let pods = observation.pods(of: revision)
            // Nothing to scrape, nothing to remember: most models of a large fleet may be like that.
            guard !pods.isEmpty, let runtime = observation.runtime(of: revision) else { continue }
            let targets = Self.targets(pods, runtime: runtime)
            guard !targets.isEmpty else { continue }
            let group = ScrapeGroup(key, revision: revision)
            groups[group] = targets
            board.watch(group.name, targets: targets, mapping: mappings.mapping(of: runtime), interval: interval)
        }
        for group in watched.keys where groups[group] == nil { board.forget(group.name) }
        watched = groups
        var signals = board.signals(of: ScrapeGroup(key, revision: serving).name, staleAfter: Self.staleAfter)
        for group in groups.keys.sorted()
        where group.revision != serving && !observation.getsOnlyCopies(group.revision) {
            let other = board.signals(of: group.name, staleAfter: Self.staleAfter)
            signals = signals.adding(demandOf: other, counting: observation.carries(group.revision))
        }
        return signals
    }

    private func read(
        _ observation: ModelObservation,
        serving: Int,
        from prometheus: ModelDeployment.Prometheus
    ) -> TrackSignals {
        func signals(_ revision: Int, _ pods: [String]) -> TrackSignals {
            poller.signals(
                prometheus,
                of: ScrapeGroup(observation.stored.key, revision: revision),
                isServing: revision == serving,
                model: observation,
                pods: pods
            )
        }
        var sum = signals(serving, readyPods(observation.pods(of: serving)))
        for revision in observation.deployments.map(ModelObservation.revision)
        where revision != serving && !observation.getsOnlyCopies(revision) {
            let pods = readyPods(observation.pods(of: revision))
            if !pods.isEmpty {
                sum = sum.adding(demandOf: signals(revision, pods), counting: observation.carries(revision))
            }
        }
        return sum
    }

    /// Stops scraping for a model.
    func forget(_ watched: [ScrapeGroup: [ScrapeTarget]]) {
        for group in watched.keys { board.forget(group.name) }
    }

    private func readyPods(_ pods: [KubeObject]) -> [String] { pods.filter(PodDiagnosis.isReady).map(\.name) }

    /// Where the pages of the ready pods are, in the order of their names.
    static func targets(_ pods: [KubeObject], runtime: ServingRuntime) -> [ScrapeTarget] {
        let endpoint = runtime.metricsEndpoint
        return pods.sorted { $0.name < $1.name }.compactMap { pod in
            guard PodDiagnosis.isReady(pod), let address = pod["status", "podIP"]?.string, !address.isEmpty else {
                return nil
            }
            let host = address.contains(":") ? "[\(address)]" : address
            return ScrapeTarget(pod: pod.name, authority: "\(host):\(endpoint.port)", path: endpoint.path)
        }
    }
}
