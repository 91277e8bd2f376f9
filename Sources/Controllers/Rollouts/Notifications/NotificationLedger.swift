// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeModel

/// What is to be told to whom, and when it is tried next. A value: it knows no clock and sends nothing.
///
/// Each target of a model is a lane of its own: in order, one at a time, so that a target that is away delays no other. A model is
/// remembered only while something is open; what is open follows from its status, also after a restart, so that each
/// transition is told at least once, or given up:
///
/// | a transition | is |
/// | --- | --- |
/// | answered with 2xx | told |
/// | answered with 410 | given up: the target says that it is gone |
/// | older than a day | given up |
/// | pushed out of status by twenty later ones | given up |
/// | anything else | tried again, later and later, up to five minutes apart |
struct NotificationLedger: Sendable {
    /// One thing to tell.
    struct Delivery: Sendable, Hashable {
        /// The model.
        var model: ObjectKey
        /// Its UID.
        var uid: String
        /// Who is told.
        var target: NotificationTarget
        /// What.
        var transition: RolloutTransition
        /// The attempt, from 1.
        var attempt: Int

        /// The same for each attempt, so that the receiver can tell repeats.
        var id: String { "\(uid)/\(transition.number)" }
    }

    /// What came of an attempt.
    enum Result: Sendable, Hashable {
        /// The target has it.
        case told
        /// It never will.
        case givenUp
        /// It is tried again after this time.
        case failed(retryAfter: Duration)
    }

    private struct Lane {
        var cursor: Int
        var attempt = 0
        var due: WallTime
        var isRunning = false
    }

    private struct Entry {
        var uid: String
        var transitions: [RolloutTransition]
        var lanes: [NotificationTarget: Lane]
    }

    /// The most models with something open that are remembered; the rest come with their next reconcile.
    static let mostModels = 4096
    /// How long a transition is worth telling.
    static let longest = Duration.seconds(86_400)

    private var entries: [ObjectKey: Entry] = [:]
    /// How many were given up.
    private(set) var givenUp = 0

    /// Nothing open.
    init() {}

    /// Whether nothing is open.
    var isEmpty: Bool { entries.isEmpty }

    /// Takes in what a model's status says.
    /// - Parameter notified: the number up to which everybody was told, by the status.
    mutating func note(
        _ model: ObjectKey,
        uid: String,
        targets: [NotificationTarget],
        transitions: [RolloutTransition],
        notified: Int,
        now: WallTime
    ) {
        guard !targets.isEmpty, let last = transitions.last?.number, last > notified else {
            entries[model] = nil
            return
        }
        let known = entries[model].flatMap { $0.uid == uid ? $0 : nil }
        guard known != nil || entries.count < Self.mostModels else { return }
        var lanes: [NotificationTarget: Lane] = [:]
        for target in targets {
            var lane = known?.lanes[target] ?? Lane(cursor: notified, due: now)
            lane.cursor = max(lane.cursor, notified)
            lanes[target] = lane
        }
        entries[model] = Entry(uid: uid, transitions: transitions, lanes: lanes)
        for target in targets { skip(model, target, now: now) }
    }

    /// Forgets a model.
    mutating func forget(_ model: ObjectKey) { entries[model] = nil }

    /// The number up to which everybody was told or nothing is to be told; `nil` where nothing is open.
    func told(_ model: ObjectKey) -> Int? { entries[model]?.lanes.values.map(\.cursor).min() }

    /// What is due, the longest due first; it counts as being sent until `finish`.
    mutating func take(_ room: Int, now: WallTime) -> [Delivery] {
        var due: [(at: WallTime, delivery: Delivery)] = []
        for (model, entry) in entries {
            for (target, lane) in entry.lanes where !lane.isRunning && lane.due <= now {
                guard let next = entry.transitions.first(where: { $0.number > lane.cursor }) else { continue }
                let delivery = Delivery(
                    model: model,
                    uid: entry.uid,
                    target: target,
                    transition: next,
                    attempt: lane.attempt + 1
                )
                due.append((lane.due, delivery))
            }
        }
        func order(_ left: (at: WallTime, delivery: Delivery), _ right: (at: WallTime, delivery: Delivery)) -> Bool {
            let (first, second) = (left.delivery.target.address, right.delivery.target.address)
            return (left.at, left.delivery.id, first.authority, first.path)
                < (right.at, right.delivery.id, second.authority, second.path)
        }
        let taken = due.sorted(by: order).prefix(max(0, room)).map(\.delivery)
        for delivery in taken { entries[delivery.model]?.lanes[delivery.target]?.isRunning = true }
        return taken
    }

    /// Notes what came of an attempt.
    mutating func finish(_ delivery: Delivery, _ result: Result, now: WallTime) {
        guard entries[delivery.model]?.uid == delivery.uid,
            var lane = entries[delivery.model]?.lanes[delivery.target]
        else { return }
        lane.isRunning = false
        switch result {
        case .told, .givenUp:
            if result == .givenUp { givenUp += 1 }
            lane.cursor = max(lane.cursor, delivery.transition.number)
            lane.attempt = 0
            lane.due = now
        case .failed(let wait):
            lane.attempt += 1
            lane.due = now + wait
        }
        entries[delivery.model]?.lanes[delivery.target] = lane
        skip(delivery.model, delivery.target, now: now)
    }

    /// Moves a lane past what it isn't told.
    private mutating func skip(_ model: ObjectKey, _ target: NotificationTarget, now: WallTime) {
        guard let entry = entries[model], var lane = entry.lanes[target], !lane.isRunning else { return }
        for transition in entry.transitions where transition.number > lane.cursor {
            if transition.number > lane.cursor + 1 { givenUp += transition.number - lane.cursor - 1 }
            if target.wants(transition.event) {
                guard now - transition.time > Self.longest else {
                    lane.cursor = max(lane.cursor, transition.number - 1)
                    break
                }
                givenUp += 1
            }
            lane.cursor = transition.number
            lane.attempt = 0
        }
        entries[model]?.lanes[target] = lane
    }
}
