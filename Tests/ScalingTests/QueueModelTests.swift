// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Scaling
import Testing

@Suite("The queue model")
struct QueueModelTests {
    /// Erlang's C by the recursion over all servers.
    private static func recursion(servers: Int, load: Double) -> Double {
        var blocking = 1.0
        for count in 1...servers { blocking = load * blocking / (Double(count) + load * blocking) }
        let usage = load / Double(servers)
        return blocking / (1 - usage * (1 - blocking))
    }

    @Test("the chance to wait is Erlang's, however many servers there are", arguments: [1, 2, 7, 100, 20_000, 300_000])
    func erlang(servers: Int) {
        for usage in [0.001, 0.3, 0.8, 0.99, 0.99999] {
            let load = usage * Double(servers)
            let chance = QueueModel(rate: load, serviceSeconds: 1, variability: 1).waitingChance(servers: servers)
            let known = Self.recursion(servers: servers, load: load)
            #expect(abs(chance - known) <= 1e-9 * known + 1e-250, "\(servers) at \(usage): \(chance), \(known)")
        }
    }

    @Test("ten million servers are sized for as quickly as ten", .timeLimit(.minutes(2)))
    func many() {
        var sum = 0
        for index in 0..<40 {
            let model = QueueModel(rate: 9.9e6 + Double(index), serviceSeconds: 1, variability: 1)
            sum += model.replicas(concurrency: 1, waitSeconds: 0, late: 0.05)
        }
        #expect((396_000_000...400_000_000).contains(sum), "\(sum)")
    }

    @Test("no concurrency is too much or too little to be sized for", arguments: [0, 1e-300, 1e15, 1e300])
    func absurdConcurrency(concurrency: Double) {
        let model = QueueModel(rate: 1e12, serviceSeconds: 1, variability: 1)
        #expect(model.replicas(concurrency: concurrency, waitSeconds: 1, late: 0.05) > 0)
    }
}
