// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

extension ArrivalTrace {
    /// The part of a trace that the benchmark replays: all of it when it isn't much longer than `hours`, else that many
    /// hours around its busiest interval, which comes after a third of them.
    public func benchmarkWindow(hours: Double) -> ArrivalTrace {
        let length = hours * 3600
        guard seconds > length * 1.1 else { return self }
        let start = min(max(0, busiestTime - length / 3), seconds - length)
        let width = max(binSeconds, 1)
        return sliced(from: (start / width).rounded(.down) * width, length: length)
    }

    /// When the busiest interval begins; for request times, the busiest minute.
    var busiestTime: Double {
        let levels: [Double]
        var width = binSeconds
        switch rows {
        case .times(let times):
            width = 60
            var counts = Array(repeating: 0.0, count: Int(seconds / 60) + 1)
            for time in times { counts[min(counts.count - 1, max(0, Int(time / 60)))] += 1 }
            levels = counts
        case .counts(let counts): levels = counts
        case .rates(let rates, _): levels = rates
        }
        guard let peak = levels.indices.max(by: { levels[$0] < levels[$1] }) else { return 0 }
        return Double(peak) * width
    }
}
