// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// The natural logarithm of a positive number.
func naturalLogarithm(_ value: Double) -> Double { log(value) }

/// e to the power of `value`.
func exponential(_ value: Double) -> Double { exp(value) }

/// How long requests wait before a number of servers: Erlang's formula with a correction for variability.
///
/// The chance to wait at all is Erlang's C for `m` servers and `a = rate * serviceSeconds` of load; the wait of those who
/// do decays with `(m - a) / (serviceSeconds * K)`, where `K = (Ca² + Cs²) / 2` from the squared coefficients of variation of
/// the gaps between arrivals and of the service times (Allen and Cunneen; exact for K = 1, the memoryless case).
public struct QueueModel: Sendable, Hashable {
    /// Requests a second.
    public var rate: Double
    /// The mean seconds of work in a request.
    public var serviceSeconds: Double
    /// `K`: 1 is memoryless, 0.5 has constant service times.
    public var variability: Double

    /// A model; a variability under 0.05 counts as that.
    public init(rate: Double, serviceSeconds: Double, variability: Double) {
        self.rate = max(0, rate)
        self.serviceSeconds = max(1e-9, serviceSeconds)
        self.variability = max(0.05, variability)
    }

    /// The load in servers.
    public var load: Double { rate * serviceSeconds }

    /// The chance that a request waits, with `servers` servers (Erlang's C); 1 when they can't keep up.
    public func waitingChance(servers: Int) -> Double {
        let load = load
        guard load > 0 else { return 0 }
        guard Double(servers) > load else { return 1 }
        let blocking = Self.blocking(servers: servers, load: load)
        let usage = load / Double(servers)
        return blocking / (1 - usage * (1 - blocking))
    }

    /// The share that finds all servers taken and goes (Erlang's B): 1 over the sum of m (m - 1) ... (m - j + 1) / a^j for j = 0...m.
    ///
    /// The terms grow as long as m - j is above a, and then fall quickly. What counts of them are some tens of √a at most, since a sum
    /// of 1e300 before that is a chance of nothing: 10,000,000 servers take tens of thousands of steps and not all ten million.
    private static func blocking(servers: Int, load: Double) -> Double {
        var (term, sum) = (1.0, 1.0)
        var factor = Double(servers)
        while factor > 0, term >= 1e-17 * sum {
            term *= factor / load
            sum += term
            guard sum < 1e300 else { return 0 }
            factor -= 1
        }
        return 1 / sum
    }

    /// The chance that a request waits longer than `seconds`.
    public func waitingTail(servers: Int, seconds: Double) -> Double {
        let spare = Double(servers) - load
        guard spare > 0 else { return load > 0 ? 1 : 0 }
        return waitingChance(servers: servers) * exponential(-spare * max(0, seconds) / (serviceSeconds * variability))
    }

    /// The fewest replicas of `concurrency` servers each for which at most the share `late` waits longer than `seconds`.
    ///
    /// Bounded: at most 10,000,000 servers, found by doubling and bisection.
    public func replicas(concurrency: Double, waitSeconds seconds: Double, late: Double) -> Int {
        guard load > 0 else { return 0 }
        let concurrency = max(concurrency, 1e-6)
        let servers = { (replicas: Int) in Int(min(1e9, Double(replicas) * concurrency).rounded(.down)) }
        var low = max(0, Int(min(1e7, load / concurrency).rounded(.down)) - 1)
        var step = 1
        while servers(low + step) < 10_000_000, waitingTail(servers: servers(low + step), seconds: seconds) > late {
            step *= 2
        }
        var high = low + step
        low += step / 2
        while low < high {
            let middle = (low + high) / 2
            if waitingTail(servers: servers(middle), seconds: seconds) <= late {
                high = middle
            } else {
                low = middle + 1
            }
        }
        return high
    }
}
