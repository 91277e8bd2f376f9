// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// The bytes of request bodies that may be in memory at one time while they are read and decoded.
///
/// JSON costs many times its size while it is being decoded, so this bounds the server's memory, where a limit for each body
/// doesn't.
final class BodyBudget: Sendable {
    /// All of it.
    let total: Int
    private let used = Mutex(0)

    /// A budget of `total` bytes.
    init(total: Int) { self.total = total }

    /// What one request takes of it; given back with it.
    func lease() -> Lease { Lease(budget: self) }

    private func take(_ bytes: Int) -> Bool {
        used.withLock { used in
            guard bytes <= total - used else { return false }
            used += bytes
            return true
        }
    }

    private func giveBack(_ bytes: Int) { used.withLock { $0 -= bytes } }

    /// A part of the budget.
    final class Lease: Sendable {
        private let budget: BodyBudget
        private let taken = Mutex(0)

        fileprivate init(budget: BodyBudget) { self.budget = budget }

        deinit { end() }

        /// Takes more.
        /// - Throws: `BudgetSpent` when there isn't as much left.
        func take(_ bytes: Int) throws(BudgetSpent) {
            guard budget.take(bytes) else { throw BudgetSpent(total: budget.total) }
            taken.withLock { $0 += bytes }
        }

        /// Gives all back.
        func end() {
            budget.giveBack(
                taken.withLock { taken in
                    defer { taken = 0 }
                    return taken
                }
            )
        }
    }
}

/// Other requests' bodies leave no room for this one's.
struct BudgetSpent: Error, CustomStringConvertible {
    /// What all may hold together in bytes.
    var total: Int

    var description: String {
        "the bodies of all requests together are larger than \(total) bytes; try again later, or raise --max-pending-mebibytes"
    }
}
