// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// The life of a loop's thread and the commands that wait for it.
///
/// ```
/// idle --submit(start)--> running --stop--> stopping --loopEnded--> stopped
///   \-------------------------stop-----------------------------------^
/// ```
/// A wakeup is asked for only while the thread (and with it the multi handle) exists, at most one until the thread has
/// taken the commands. The machine keeps no ids, so a cancel after the end leaves nothing behind.
struct CurlLoopStateMachine<Command: Sendable>: Sendable {
    /// Where the thread is in its life.
    enum State: Sendable, Equatable { case idle, running, stopping, stopped }

    /// What the caller has to do, before it lets go of the lock.
    enum OnSubmit: Sendable, Equatable {
        /// Start the thread.
        case startThread
        /// Wake the thread.
        case wake
        /// Nothing: a wakeup is on its way.
        case nothing
        /// Nothing: the loop is ending or gone, and the command was not kept.
        case refused
    }

    /// The present state.
    private(set) var state = State.idle
    private var commands: [Command] = []
    private var isWakePending = false

    /// A command arrived; `beginsWork` when it may start the thread (a cancel or a resume of nothing doesn't).
    mutating func submitted(_ command: Command, beginsWork: Bool) -> OnSubmit {
        switch state {
        case .idle:
            guard beginsWork else { return .refused }
            commands.append(command)
            state = .running
            isWakePending = true
            return .startThread
        case .running:
            commands.append(command)
            return wake()
        case .stopping, .stopped:
            return .refused
        }
    }

    /// The owner asked for the end.
    mutating func stopRequested() -> OnSubmit {
        switch state {
        case .idle:
            state = .stopped
            return .nothing
        case .running:
            state = .stopping
            return wake()
        case .stopping, .stopped:
            return .nothing
        }
    }

    /// The thread could not be started: what to refuse now.
    mutating func threadFailed() -> [Command] {
        state = .stopped
        return takeAll()
    }

    /// The thread takes its commands, and learns whether to end.
    mutating func commandsTaken() -> (commands: [Command], isStopping: Bool) {
        (takeAll(), state == .stopping)
    }

    /// The thread ends and will free the multi handle: from here on nobody wakes it.
    mutating func loopEnded() -> [Command] {
        state = .stopped
        return takeAll()
    }

    private mutating func wake() -> OnSubmit {
        if isWakePending { return .nothing }
        isWakePending = true
        return .wake
    }

    private mutating func takeAll() -> [Command] {
        defer { commands = [] }
        isWakePending = false
        return commands
    }
}
