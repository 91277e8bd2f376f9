// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel
import Synchronization

/// Hands out IPv4 addresses of a range; one that was given back is reused as late as possible.
final class AddressPool: Sendable {
    private struct State {
        var next: UInt32
        var taken: Set<UInt32> = []
    }

    private let first: UInt32
    private let last: UInt32
    private let state: Mutex<State>

    /// The addresses of `range` (`127.64.0.0/12`) without its first and last.
    /// - Throws: `LocalClusterError` when it isn't an IPv4 range with room for a pod.
    init(range: String) throws(LocalClusterError) {
        let parts = range.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let address = IPv4Address(parts[0])?.number, let bits = UInt32(parts[1]),
            (1...30).contains(bits)
        else { throw LocalClusterError("\"\(range)\" is no range of IPv4 addresses: write it like 127.64.0.0/12") }
        let mask = UInt32.max << (32 - bits)
        first = (address & mask) + 1
        last = (address | ~mask) - 1
        state = Mutex(State(next: first))
    }

    /// A free address; `nil` when all are taken.
    func take() -> String? {
        state.withLock { state in
            guard state.taken.count < Int(last - first) + 1 else { return nil }
            while state.taken.contains(state.next) { state.next = state.next == last ? first : state.next + 1 }
            let address = state.next
            state.taken.insert(address)
            state.next = address == last ? first : address + 1
            return "\(IPv4Address(number: address))"
        }
    }

    /// Gives an address back.
    func release(_ address: String) {
        guard let number = IPv4Address(address)?.number else { return }
        _ = state.withLock { $0.taken.remove(number) }
    }
}
