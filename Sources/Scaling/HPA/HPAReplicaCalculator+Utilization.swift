// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// What one pod uses of a resource, and what it asks for; both in thousandths of the resource's unit.
public struct PodUtilization: Sendable, Hashable {
    /// What it uses.
    public var usage: Int64
    /// What it requests.
    public var request: Int64

    /// A pod's numbers.
    public init(usage: Int64, request: Int64) {
        self.usage = usage
        self.request = request
    }
}

/// What Resource metrics with `AverageUtilization` ask for.
public struct UtilizationAnswer: Sendable, Hashable {
    /// The replicas.
    public var replicas: Int
    /// The usage of the pods that count, in whole percent of their requests.
    public var utilization: Int
    /// Their mean usage, in thousandths.
    public var mean: Int64
}

extension HPAReplicaCalculator {
    /// Resource metrics with `AverageUtilization` (`GetResourceReplicas`).
    ///
    /// `missing` are the requests of the pods without a value: they count as using all of it, or the target where that is
    /// more, when the count would fall, and as using nothing when it would rise. `unready` are those of pods whose value
    /// doesn't count: they use nothing when the count would rise. The answer `nil` means that there is nothing to
    /// divide by.
    public func utilization(
        _ pods: [PodUtilization],
        missing: [Int64],
        unready: [Int64],
        target: Int,
        current: Int
    ) -> UtilizationAnswer? {
        guard target > 0, !pods.isEmpty, let first = Self.percent(pods) else { return nil }
        let usage = pods.reduce(Int64(0)) { Self.sum($0, $1.usage) }
        var answer = UtilizationAnswer(replicas: current, utilization: first, mean: usage / Int64(pods.count))
        let ratio = Double(first) / Double(target)
        let risesPastUnready = !unready.isEmpty && ratio > 1
        if !risesPastUnready, missing.isEmpty {
            if !isWithinTolerance(ratio) { answer.replicas = Self.ceiling(ratio * Double(pods.count)) }
            return answer
        }
        var filled = pods
        if ratio < 1 {
            let share = Int64(max(100, target))
            filled += missing.map { request in
                PodUtilization(
                    usage: request.multipliedReportingOverflow(by: share).partialValue / 100,
                    request: request
                )
            }
        } else if ratio > 1 {
            filled += missing.map { PodUtilization(usage: 0, request: $0) }
        }
        if risesPastUnready { filled += unready.map { PodUtilization(usage: 0, request: $0) } }
        guard let second = Self.percent(filled).map({ Double($0) / Double(target) }) else { return nil }
        if isWithinTolerance(second) || ratio < 1 && second > 1 || ratio > 1 && second < 1 { return answer }
        let replicas = Self.ceiling(second * Double(filled.count))
        if second < 1 && replicas > current || second > 1 && replicas < current { return answer }
        answer.replicas = replicas
        return answer
    }

    /// The usage in whole percent of the requests; `nil` where nothing is requested.
    private static func percent(_ pods: [PodUtilization]) -> Int? {
        let usage = pods.reduce(Int64(0)) { sum($0, max(0, $1.usage)) }
        let requests = pods.reduce(Int64(0)) { sum($0, max(0, $1.request)) }
        guard requests > 0 else { return nil }
        return Int(min(Int128(usage) * 100 / Int128(requests), 1_000_000_000))
    }
}
