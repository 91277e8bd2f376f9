// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// The replicas of one model and the requests in them: arrivals, starts and ends go in, time never goes back.
///
/// All times are microseconds since the start of the trace. Replicas live in numbered slots that are used again; a
/// generation tells a slot's tenants apart. List 0 of `waiting` is the queue before the fleet, list n + 1 that of slot n.
struct Fleet: Sendable {
    private enum State: UInt8 { case free, loading, ready, draining }

    /// A replica's start that ends at a time.
    struct Start: Sendable {
        /// When the replica gets ready.
        var readyAt: Int64
        /// Its slot and the slot's generation.
        var slot: Int
        /// Which tenant of the slot it is.
        var generation: Int32
    }

    private static let gateway = 0
    private let settings: FleetSettings
    private let slots: Int32
    private var states: [State] = []
    private var generations: [Int32] = []
    private var runningIn: [Int32] = []
    private var startedAt: [Int64] = []
    /// The slots of the ready replicas, oldest first.
    private var readySlots: [Int] = []
    /// The slots of the starting replicas, oldest first.
    private var loadingSlots: [Int] = []
    private var freeSlots: [Int] = []
    private var waitingLists = WaitingLists()
    private var next = 0
    private var random: FastRandom
    private var lastTime: Int64 = 0
    private var runningOnReady = 0
    /// What runs, by when it ends.
    private(set) var completions = CompletionHeap()
    /// What has been counted.
    var tally: FleetTally
    /// The replicas that are asked for.
    private(set) var desired = 0
    private var drainingCount = 0
    private var running = 0
    private var waiting = 0

    /// A fleet with its initial replicas ready.
    init(_ settings: FleetSettings, tally: FleetTally) {
        self.settings = settings
        self.tally = tally
        slots = Int32(max(1, settings.concurrency))
        random = FastRandom(seed: settings.seed, stream: 3)
        _ = waitingLists.addList()
        desired = min(settings.maxReplicas, max(settings.leastReplicas, settings.initialReplicas))
        for _ in 0..<desired {
            let slot = takeSlot(at: 0)
            states[slot] = .ready
            readySlots.append(slot)
        }
    }

    /// Running and waiting requests.
    var outstanding: Int { running + waiting }

    /// Moves the integrals on to `now`.
    mutating func advance(to now: Int64) {
        let step = now - lastTime
        guard step > 0 else { return }
        lastTime = now
        let billed = readySlots.count + loadingSlots.count + drainingCount
        tally.advance(
            by: step,
            outstanding: running + waiting,
            waiting: waiting,
            ready: readySlots.count,
            billed: billed
        )
    }

    /// A request arrives.
    mutating func arrive(_ now: Int64, service: Int64) {
        tally.arrived(at: now)
        guard settings.balancing != .sharedQueue, let slot = pick() else {
            let free = readySlots.count * Int(slots) - runningOnReady
            if waiting == 0 || settings.balancing != .sharedQueue, free > 0, let slot = leastLoaded() {
                start(slot, now: now, arrival: now, service: service)
            } else if let limit = settings.queueLimit, waiting / max(1, readySlots.count) >= limit {
                tally.rejected()
            } else {
                waitingLists.append(Self.gateway, arrival: now, service: service)
                waiting += 1
            }
            return
        }
        if runningIn[slot] < slots {
            start(slot, now: now, arrival: now, service: service)
        } else if let limit = settings.queueLimit, waitingLists.length(slot + 1) >= limit {
            tally.rejected()
        } else {
            waitingLists.append(slot + 1, arrival: now, service: service)
            waiting += 1
        }
    }

    /// The earliest running request ends.
    mutating func complete() {
        let now = completions.earliest
        let payload = completions.pop()
        let slot = Int(payload >> 40)
        let latency = Int64(payload & 0xff_ffff_ffff)
        runningIn[slot] -= 1
        running -= 1
        let isReady = states[slot] == .ready
        if isReady { runningOnReady -= 1 }
        tally.completed(at: now, latency: latency)
        if let request = waitingLists.removeFirst(slot + 1) {
            waiting -= 1
            start(slot, now: now, arrival: request.arrival, service: request.service)
        } else if isReady, let request = waitingLists.removeFirst(Self.gateway) {
            waiting -= 1
            start(slot, now: now, arrival: request.arrival, service: request.service)
        } else if states[slot] == .draining, runningIn[slot] == 0 {
            drainingCount -= 1
            release(slot)
        }
    }

    /// A replica's start ends; nothing happens when it was cancelled.
    mutating func becomeReady(_ start: Start, now: Int64) {
        guard generations[start.slot] == start.generation, states[start.slot] == .loading else { return }
        states[start.slot] = .ready
        loadingSlots.removeAll { $0 == start.slot }
        readySlots.append(start.slot)
        tally.started(seconds: Double(now - startedAt[start.slot]) / 1e6)
        while runningIn[start.slot] < slots || settings.balancing != .sharedQueue,
            let request = waitingLists.removeFirst(Self.gateway)
        {
            waiting -= 1
            if settings.balancing != .sharedQueue, let slot = pick(), runningIn[slot] >= slots {
                waitingLists.append(slot + 1, arrival: request.arrival, service: request.service)
                waiting += 1
            } else {
                let slot = settings.balancing == .sharedQueue ? start.slot : pick() ?? start.slot
                self.start(slot, now: now, arrival: request.arrival, service: request.service)
            }
        }
    }

    /// Asks for another count: answers the starts that this makes.
    mutating func scale(to count: Int, now: Int64, leastLoadedFirst: Bool) -> [Start] {
        let wanted = min(settings.maxReplicas, max(settings.leastReplicas, count))
        if wanted != desired { tally.scaled(up: wanted > desired) }
        desired = wanted
        var starts: [Start] = []
        while readySlots.count + loadingSlots.count < wanted {
            let slot = takeSlot(at: now)
            states[slot] = .loading
            loadingSlots.append(slot)
            starts.append(Start(readyAt: now + coldStart(), slot: slot, generation: generations[slot]))
        }
        while readySlots.count + loadingSlots.count > wanted {
            if let slot = loadingSlots.popLast() { release(slot) } else { drainOne(leastLoadedFirst: leastLoadedFirst) }
        }
        return starts
    }

    /// Fills in the counts of a view.
    func fill(_ view: inout FleetView) {
        view.seconds = Double(lastTime) / 1e6
        view.desired = desired
        view.ready = readySlots.count
        view.loading = loadingSlots.count
        view.running = running
        view.waiting = waiting
        tally.fill(&view)
    }

    private mutating func start(_ slot: Int, now: Int64, arrival: Int64, service: Int64) {
        let stretch = 1 + settings.occupancySlope * Double(runningIn[slot])
        let work = stretch == 1 ? service : Int64(Double(service) * stretch)
        runningIn[slot] += 1
        running += 1
        if states[slot] == .ready { runningOnReady += 1 }
        let latency = UInt64(min(now + work - arrival, 0xff_ffff_ffff))
        completions.push(now + work, UInt64(slot) << 40 | latency)
    }

    private func leastLoaded() -> Int? {
        var best = -1
        var load = Int32.max
        for slot in readySlots where runningIn[slot] < load {
            best = slot
            load = runningIn[slot]
            if load == 0 { break }
        }
        return best < 0 ? nil : best
    }

    private func outstandingIn(_ slot: Int) -> Int { Int(runningIn[slot]) + waitingLists.length(slot + 1) }

    /// The replica for the next request; `nil` when none is ready.
    private mutating func pick() -> Int? {
        guard let first = readySlots.first else { return nil }
        switch settings.balancing {
        case .roundRobin:
            next = next + 1 < readySlots.count ? next + 1 : 0
            return readySlots[next]
        case .randomOfTwo:
            let one = readySlots[random.below(readySlots.count)]
            let two = readySlots[random.below(readySlots.count)]
            return outstandingIn(two) < outstandingIn(one) ? two : one
        case .leastOutstanding, .sharedQueue:
            var best = first
            var load = Int.max
            for slot in readySlots {
                let candidate = outstandingIn(slot)
                if candidate < load {
                    best = slot
                    load = candidate
                    if load == 0 { break }
                }
            }
            return best
        }
    }

    private mutating func drainOne(leastLoadedFirst: Bool) {
        guard var index = readySlots.indices.last else { return }
        if leastLoadedFirst {
            for candidate in readySlots.indices
            where outstandingIn(readySlots[candidate]) < outstandingIn(readySlots[index]) { index = candidate }
        }
        let slot = readySlots.remove(at: index)
        runningOnReady -= Int(runningIn[slot])
        if runningIn[slot] == 0 {
            release(slot)
        } else {
            states[slot] = .draining
            drainingCount += 1
        }
    }

    private mutating func takeSlot(at now: Int64) -> Int {
        if let slot = freeSlots.popLast() {
            startedAt[slot] = now
            return slot
        }
        states.append(.free)
        generations.append(0)
        runningIn.append(0)
        startedAt.append(now)
        _ = waitingLists.addList()
        return states.count - 1
    }

    private mutating func release(_ slot: Int) {
        states[slot] = .free
        generations[slot] &+= 1
        freeSlots.append(slot)
    }

    private mutating func coldStart() -> Int64 {
        let time = ServiceTime(
            settings.coldStartVariation > 0 ? .lognormal(variation: settings.coldStartVariation) : .deterministic,
            meanSeconds: settings.coldStartSeconds
        )
        return time.draw(&random)
    }
}
