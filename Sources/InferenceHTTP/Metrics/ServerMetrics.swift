// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import Ambient
public import Inference
internal import Synchronization

/// What the server counts, and its Prometheus page.
public final class ServerMetrics: InferenceObserver {
    private struct State {
        var duration = Histogram(bounds: Histogram.latencyBounds)
        var batchSize = Histogram(bounds: Histogram.sizeBounds)
        var codes: [Int: Int] = [:]
        var outputs = OutputTally()
        var loadDuration: Duration?
        var open = 0
        var lastArrival: WallTime?
    }

    private let model: ServedModel
    private let state = Mutex(State())

    /// Metrics of one model.
    public init(model: ServedModel) { self.model = model }

    /// A batch was run.
    public func batchEnded(requests: Int, rows: Int, duration: Duration) {
        state.withLock { $0.batchSize.observe(Double(rows)) }
    }

    /// A request for a prediction has arrived; its body may still be on the way.
    public func requestBegan(at time: WallTime) {
        state.withLock { state in
            state.open += 1
            state.lastArrival = time
        }
    }

    /// A request for a prediction was answered with an HTTP status.
    ///
    /// What was refused without asking the model is no latency of it: a full queue refuses in no time, and would make the
    /// server look the faster the fuller it is.
    public func requestEnded(code: Int, duration: Duration) {
        state.withLock { state in
            state.open -= 1
            state.codes[code, default: 0] += 1
            if code / 100 == 2 || code == 500 || code == 504 { state.duration.observe(duration / .seconds(1)) }
        }
    }

    /// A request for a prediction was answered with these outputs.
    public func answered(with outputs: [NamedTensor]) {
        let categories = OutputTally.categories(of: outputs)
        guard !categories.isEmpty else { return }
        state.withLock { $0.outputs.add(categories) }
    }

    /// The model was fetched, loaded and warmed up.
    public func modelLoaded(in duration: Duration) { state.withLock { $0.loadDuration = duration } }

    /// How a drain stands that began at `start`.
    /// - Parameter unsent: the requests whose answer isn't sent yet, where somebody knows.
    public func drain(_ rule: DrainRule, since start: WallTime, now: WallTime, unsent: Int = 0) -> DrainRule.Verdict {
        let (open, last, p99) = state.withLock { state in
            // Of fewer than a hundred requests the slowest may well be faster than one in a hundred.
            (
                max(state.open, unsent), state.lastArrival,
                state.duration.total >= 100 ? state.duration.quantile(0.99) : nil
            )
        }
        return rule.verdict(elapsed: now - start, open: open, sinceArrival: last.map { now - $0 }, p99: p99)
    }

    /// The requests that have arrived and aren't answered, those whose body is still on the way included.
    public var openRequests: Int { state.withLock { $0.open } }

    /// The page in the text format 0.0.4.
    public func page() -> String {
        let state = state.withLock { $0 }
        let labels =
            "model=\"\(PrometheusNumber.escaped(model.name))\",version=\"\(PrometheusNumber.escaped(model.version))\""
        var lines: [String] = []
        func begin(_ name: String, _ type: String, _ help: String) {
            lines.append("# HELP \(name) \(help)")
            lines.append("# TYPE \(name) \(type)")
        }
        begin("modelfleet_queue_length", "gauge", "Requests that wait for the model.")
        lines.append("modelfleet_queue_length{\(labels)} \(model.queueLength)")
        begin("modelfleet_requests_in_flight", "gauge", "Requests that were taken in and aren't answered yet.")
        lines.append("modelfleet_requests_in_flight{\(labels)} \(model.inFlight)")
        begin("modelfleet_model_ready", "gauge", "1 while the model is loaded and takes new work, otherwise 0.")
        lines.append("modelfleet_model_ready{\(labels)} \(model.isReady ? 1 : 0)")
        begin(
            "modelfleet_request_duration_seconds",
            "histogram",
            "Time from a prediction request's arrival to its answer, where the model was asked."
        )
        lines += state.duration.lines(name: "modelfleet_request_duration_seconds", labels: labels)
        begin("modelfleet_requests_total", "counter", "Prediction requests answered, by HTTP status.")
        for (code, count) in state.codes.sorted(by: { $0.key < $1.key }) {
            lines.append("modelfleet_requests_total{\(labels),code=\"\(code)\"} \(count)")
        }
        begin("modelfleet_outputs_total", "counter", "Rows answered, by what the answer was.")
        for (category, count) in state.outputs.counts.sorted(by: { $0.key < $1.key }) {
            lines.append("modelfleet_outputs_total{\(labels),class=\"\(PrometheusNumber.escaped(category))\"} \(count)")
        }
        begin("modelfleet_batch_size", "histogram", "Rows in a batch that was run.")
        lines += state.batchSize.lines(name: "modelfleet_batch_size", labels: labels)
        if let loaded = state.loadDuration {
            begin("modelfleet_model_load_duration_seconds", "gauge", "Time to fetch, load and warm up the model.")
            lines.append(
                "modelfleet_model_load_duration_seconds{\(labels)} \(PrometheusNumber.text(loaded / .seconds(1)))"
            )
        }
        return lines.joined(separator: "\n") + "\n"
    }
}
