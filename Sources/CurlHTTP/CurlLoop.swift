// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import Synchronization

/// The thread that drives libcurl, and the queue of commands for it.
final class CurlLoop: Sendable {
    private struct State {
        var machine = CurlLoopStateMachine<CurlCommand>()
        var wakeHandle: WakeHandle?
        var nextID: UInt64 = 0
    }

    /// What every transfer has in common.
    let configuration: CurlConfiguration
    /// Where time-outs are measured.
    let time: any TimeSource
    private let state = Mutex(State())

    /// A loop without a thread; the first `start` gives it one.
    init(configuration: CurlConfiguration, time: any TimeSource) {
        self.configuration = configuration
        self.time = time
    }

    /// A number for a transfer, never given twice.
    func makeID() -> UInt64 {
        state.withLock { state in
            state.nextID += 1
            return state.nextID
        }
    }

    /// Begins a transfer; `false` when the loop is ending or gone. Otherwise the feed gets an ending, whatever happens.
    func start(_ request: TransferRequest, feed: ResponseFeed) -> Bool {
        submit(.start(request, feed), beginsWork: true)
    }

    /// Ends a transfer.
    func cancel(_ id: UInt64) { _ = submit(.cancel(id), beginsWork: false) }

    /// Lets a paused transfer go on.
    func resume(_ id: UInt64) { _ = submit(.resume(id), beginsWork: false) }

    /// Ends every transfer and the thread.
    func stop() {
        state.withLock { state in
            if state.machine.stopRequested() == .wake { state.wakeHandle?.wake() }
        }
    }

    private func submit(_ command: CurlCommand, beginsWork: Bool) -> Bool {
        let action = state.withLock { state in
            let action = state.machine.submitted(command, beginsWork: beginsWork)
            // Under the lock: the thread marks itself as gone under it before it frees the handle.
            if action == .wake { state.wakeHandle?.wake() }
            return action
        }
        switch action {
        case .wake, .nothing: return true
        case .refused: return false
        case .startThread:
            if !LoopThread.start({ self.runThread() }) {
                refuse(
                    state.withLock { $0.machine.threadFailed() },
                    CurlError(code: .other, message: "the system has no thread left for the HTTP client")
                )
            }
            return true
        }
    }

    private func runThread() {
        guard let multi = MultiHandle(maximumConnections: configuration.maximumConnections) else {
            let error = CurlError(code: .other, message: "libcurl could not be set up")
            return refuse(state.withLock { $0.machine.loopEnded() }, error)
        }
        let handle = multi.wakeHandle
        state.withLock { $0.wakeHandle = handle }
        let rounds = CurlRounds(multi: multi, configuration: configuration, time: time)
        var isStopping = false
        while !isStopping {
            let taken = state.withLock { $0.machine.commandsTaken() }
            isStopping = taken.isStopping
            rounds.run(taken.commands)
            if !isStopping { rounds.wait() }
        }
        rounds.failAll()
        let left = state.withLock { state in
            state.wakeHandle = nil
            return state.machine.loopEnded()
        }
        refuse(left, nil)
    }

    private func refuse(_ commands: [CurlCommand], _ error: CurlError?) {
        for case .start(let request, let feed) in commands {
            let reason = error ?? CurlError.shutDown(request.address)
            _ = feed.deliver(head: nil, bytes: [], ending: .failed(reason), isPaused: false)
        }
    }
}
