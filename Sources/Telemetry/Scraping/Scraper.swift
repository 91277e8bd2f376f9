// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import Ambient
public import HTTPMessages
import HTTPTypes

/// Where one replica's metrics are.
public struct ScrapeTarget: Sendable, Hashable {
    /// The pod's name.
    public var pod: String
    /// The host and port: `10.1.2.3:8080`.
    public var authority: String
    /// The path: `/metrics`.
    public var path: String

    /// A target.
    public init(pod: String, authority: String, path: String = "/metrics") {
        self.pod = pod
        self.authority = authority
        self.path = path
    }
}

/// What a scrape came to.
public enum ScrapeResult: Sendable, Hashable {
    /// The replica's numbers.
    case scraped(ReplicaScrape)
    /// Why there are none, as a clause.
    case failed(String)

    /// Whether there are none.
    var isFailure: Bool { if case .failed = self { true } else { false } }
}

/// Reads the metrics pages of replicas, several at a time.
public struct Scraper: Sendable {
    /// The exchange that the pages come from.
    private let exchange: any HTTPExchange
    private let time: any TimeSource
    private let concurrency: Int
    private let timeout: Duration
    private let limits: ExpositionLimits

    /// A scraper.
    /// - Parameters:
    ///   - concurrency: the most scrapes at one time of one call.
    ///   - timeout: the longest time for one page.
    ///   - limits: the largest page.
    public init(
        exchange: any HTTPExchange,
        time: any TimeSource,
        concurrency: Int = 16,
        timeout: Duration = .seconds(1),
        limits: ExpositionLimits = ExpositionLimits()
    ) {
        self.exchange = exchange
        self.time = time
        self.concurrency = max(1, concurrency)
        self.timeout = timeout
        self.limits = limits
    }

    /// Scrapes all targets; every one has a result, keyed by pod. Takes at most `timeout` per round of `concurrency`.
    public func scrape(_ targets: [ScrapeTarget], mapping: MetricsMapping) async -> [String: ScrapeResult] {
        await withTaskGroup(of: (String, ScrapeResult).self) { group in
            var rest = targets[...]
            var results: [String: ScrapeResult] = [:]
            for target in rest.prefix(concurrency) {
                group.addTask { (target.pod, await scrape(target, mapping: mapping)) }
            }
            rest = rest.dropFirst(concurrency)
            while let (pod, result) = await group.next() {
                results[pod] = result
                if let target = rest.popFirst() {
                    group.addTask { (target.pod, await scrape(target, mapping: mapping)) }
                }
            }
            return results
        }
    }

    /// Scrapes one target within the time limit, also where the exchange doesn't keep to it.
    public func scrape(_ target: ScrapeTarget, mapping: MetricsMapping) async -> ScrapeResult {
        await withTaskGroup(of: ScrapeResult?.self) { group in
            group.addTask { await fetch(target, mapping: mapping) }
            group.addTask {
                try? await time.sleep(for: timeout)
                return Task.isCancelled ? nil : .failed("no answer within \(timeout.inSeconds) s")
            }
            defer { group.cancelAll() }
            for await result in group { if let result { return result } }
            return .failed("the scrape was cancelled")
        }
    }

    /// Reads one page, and parses it while it arrives; the exchange keeps to the request's time limit.
    func fetch(_ target: ScrapeTarget, mapping: MetricsMapping) async -> ScrapeResult {
        do {
            let response = try await exchange.exchange(request(target))
            guard response.head.status.code == 200 else {
                return .failed("\(target.path) answered status \(response.head.status.code)")
            }
            let type = response.head.headerFields[.contentType]
            guard let format = ExpositionFormat(contentType: type) else {
                return .failed("\(target.path) is no metrics page: its content type is \(type ?? "")")
            }
            var parser = ExpositionParser(format: format, limits: limits, selection: mapping.selection)
            for try await chunk in response.body { try parser.feed(chunk) }
            return .scraped(ReplicaScrape(page: try parser.finish(), mapping: mapping, time: time.now()))
        } catch let error as ExpositionError {
            return .failed("the metrics page is malformed: \(error)")
        } catch is CancellationError {
            return .failed("the scrape was cancelled")
        } catch {
            return .failed("the metrics can't be read: \(error)")
        }
    }

    private func request(_ target: ScrapeTarget) -> HTTPRequestMessage {
        var head = HTTPRequest(method: .get, scheme: "http", authority: target.authority, path: target.path)
        head.headerFields[.accept] = ExpositionFormat.accept
        head.headerFields[.userAgent] = "modelfleet"
        if let name = HTTPField.Name("X-Prometheus-Scrape-Timeout-Seconds") {
            head.headerFields[name] = PrometheusTextWriter.number(timeout.inSeconds)
        }
        return HTTPRequestMessage(head: head, timeout: timeout, maximumResponseBytes: limits.bytes)
    }
}
