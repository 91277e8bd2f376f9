// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// First-in, first-out lists of waiting requests, all in one pool of nodes that are used again.
struct WaitingLists: Sendable {
    private static let none: Int32 = -1
    private var arrivals: [Int64] = []
    private var services: [Int64] = []
    private var successors: [Int32] = []
    private var free: Int32 = none
    private var heads: [Int32] = []
    private var tails: [Int32] = []
    private var lengths: [Int32] = []

    /// The number of lists.
    var lists: Int { heads.count }

    /// Adds an empty list and answers its number.
    mutating func addList() -> Int {
        heads.append(Self.none)
        tails.append(Self.none)
        lengths.append(0)
        return heads.count - 1
    }

    /// How many requests wait in a list.
    func length(_ list: Int) -> Int { Int(lengths[list]) }

    /// Appends a request to a list: when it arrived and how long it will be worked on, in microseconds.
    mutating func append(_ list: Int, arrival: Int64, service: Int64) {
        let node: Int32
        if free == Self.none {
            node = Int32(arrivals.count)
            arrivals.append(arrival)
            services.append(service)
            successors.append(Self.none)
        } else {
            node = free
            free = successors[Int(node)]
            arrivals[Int(node)] = arrival
            services[Int(node)] = service
            successors[Int(node)] = Self.none
        }
        if tails[list] == Self.none { heads[list] = node } else { successors[Int(tails[list])] = node }
        tails[list] = node
        lengths[list] += 1
    }

    /// Takes the request that waits longest; `nil` when none waits.
    mutating func removeFirst(_ list: Int) -> (arrival: Int64, service: Int64)? {
        let node = heads[list]
        guard node != Self.none else { return nil }
        let index = Int(node)
        heads[list] = successors[index]
        if heads[list] == Self.none { tails[list] = Self.none }
        successors[index] = free
        free = node
        lengths[list] -= 1
        return (arrivals[index], services[index])
    }
}
