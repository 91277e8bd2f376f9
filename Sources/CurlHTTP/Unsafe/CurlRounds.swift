// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import CCurl

/// The transfers of a loop and what its thread does with them, round after round.
///
/// A round: carry out the commands, let libcurl work, hand over what arrived, finish what is done, end what took too
/// long. Then wait for a socket, a timer or a wakeup; with nothing to do the thread sleeps.
@safe final class CurlRounds {
    /// The longest sleep; only a safety net, commands and sockets end it.
    private static let longestWait = Duration.seconds(60)

    /// How often transfers that wait for a head are looked after; see `EasyHandle.nudge()`.
    private static let nudgeInterval = Duration.milliseconds(250)

    /// A connection on which nothing arrives for this long, while a request waits, is given up with that request.
    private static let silenceLimit = Duration.seconds(5)

    private let multi: MultiHandle
    private let configuration: CurlConfiguration
    private let time: any TimeSource
    private let touched = TouchedTransfers()
    private let sockets = ConnectionSockets()
    private var transfers: [UInt64: Transfer] = [:]
    private var ids: [UnsafeMutableRawPointer: UInt64] = unsafe [:]
    private var nextCheck: WallTime?
    private var nextNudge: WallTime?
    /// Connections on which a transfer was given up, by their local ports.
    private var connectionsToSee: Set<Int> = []
    private var gates: [String: StreamGate] = [:]
    /// The readers that were far behind when their streams were last handed on.
    private var readersBehind: [Transfer] = []

    /// Rounds on `multi`.
    init(multi: consuming MultiHandle, configuration: CurlConfiguration, time: any TimeSource) {
        self.multi = multi
        self.configuration = configuration
        self.time = time
    }

    /// One round.
    func run(_ commands: [CurlCommand]) {
        for command in commands {
            switch command {
            case .start(let request, let feed): start(request, feed)
            case .cancel(let id): remove(id, isDone: false)
            case .resume(let id):
                // The reader asks for more when half of its buffer is free; what we knew of it is older.
                transfers[id]?.unread = configuration.responseBufferBytes / 2
                transfers[id]?.unpause(now: time.now())
            }
        }
        nudge()
        multi.perform()
        finishDone()
        flush()
        checkDeadlines()
    }

    /// Sleeps until there is something to do.
    func wait() {
        waitForReaders()
        var wait = Self.longestWait
        if let next = [nextCheck, nextNudge].compactMap({ $0 }).min() {
            wait = min(wait, max(.zero, next - time.now()))
        }
        if !connectionsToSee.isEmpty { wait = .zero }
        let milliseconds = Int32(clamping: (wait.wholeNanoseconds + 999_999) / 1_000_000)
        if !multi.poll(milliseconds: touched.list.isEmpty ? milliseconds : 0) { LoopThread.pause(milliseconds: 10) }
    }

    /// Ends every transfer because the loop ends.
    func failAll() {
        for transfer in transfers.values { end(transfer, CurlError.shutDown(transfer.request.address)) }
    }

    private func start(_ request: TransferRequest, _ feed: ResponseFeed) {
        do throws(CurlError) {
            let transfer = try Transfer(
                request: request,
                feed: feed,
                configuration: configuration,
                touched: touched,
                sockets: sockets,
                now: time.now()
            )
            transfers[transfer.id] = transfer
            unsafe ids[transfer.easy.raw] = transfer.id
            plan(transfer)
            guard request.usesHTTP2 else { return add(transfer) }
            gates[request.address, default: StreamGate()]
                .arrived(transfer.id, request.deadline == nil ? .stream : .request)
            letBegin(request.address)
        } catch {
            _ = feed.deliver(head: nil, bytes: [], ending: .failed(error), isPaused: false)
        }
    }

    /// Hands over to libcurl what may begin at `address`.
    private func letBegin(_ address: String) {
        while let id = gates[address]?.next() {
            if let transfer = transfers[id] { add(transfer) } else { gates[address]?.ended(id) }
        }
        if gates[address]?.isEmpty ?? false { gates[address] = nil }
    }

    private func add(_ transfer: Transfer) {
        transfer.isAdded = unsafe multi.add(transfer.easy.raw)
        if transfer.isAdded {
            // From now on, not from when it came: it may have waited at the gate for longer.
            if transfer.request.usesHTTP2, nextNudge == nil { nextNudge = time.now() + Self.nudgeInterval }
            return
        }
        end(
            transfer,
            CurlError(
                code: .other,
                message: "libcurl took no more requests",
                address: transfer.request.address
            )
        )
    }

    private func finishDone() {
        while let done = unsafe multi.nextDone() {
            guard let id = unsafe ids[done.easy], let transfer = transfers[id] else { continue }
            let code = unsafe done.result
            if code == CURLE_OK {
                end(transfer, nil)
            } else {
                end(transfer, transfer.refusal ?? transfer.error(for: code, configuration: configuration))
            }
        }
    }

    private func end(_ transfer: Transfer, _ error: CurlError?) {
        let rest = transfer.takeArrived()
        remove(transfer.id, isDone: error == nil)
        _ = transfer.feed.deliver(
            head: rest.head,
            bytes: rest.bytes,
            ending: error.map { .failed($0) } ?? .finished,
            isPaused: false
        )
    }

    private func remove(_ id: UInt64, isDone: Bool) {
        guard let transfer = transfers.removeValue(forKey: id) else { return }
        let left = isDone || !transfer.mayBeStuck ? nil : transfer.connection
        unsafe ids[transfer.easy.raw] = nil
        if transfer.isAdded { unsafe multi.remove(transfer.easy.raw) }
        if let left { connectionsToSee.insert(left) }
        guard transfer.request.usesHTTP2 else { return }
        gates[transfer.request.address]?.ended(id)
        letBegin(transfer.request.address)
    }

    /// Hands over what arrived, and lets go on what was paused while its reader was faster than we.
    private func flush() {
        let now = time.now()
        let list = touched.list
        touched.list = []
        for transfer in list where transfers[transfer.id] != nil {
            transfer.lastActivity = now
            if transfer.request.usesHTTP2 { gates[transfer.request.address]?.begun(transfer.id) }
            let arrived = transfer.takeArrived()
            let receipt = transfer.feed.deliver(
                head: arrived.head,
                bytes: arrived.bytes,
                ending: nil,
                isPaused: transfer.isPaused
            )
            transfer.unread = receipt.progress.unread
            if transfer.unread > transfer.paceBytes, transfer.stoodStillAt != receipt.progress.taken {
                readersBehind.append(transfer)
            }
            // This may call the callbacks, which touch the transfer again; `wait` then doesn't sleep.
            if receipt.mayResume { transfer.unpause(now: now) }
        }
    }

    /// Sees to it that nothing stays in libcurl that should be sent or handed out; see `EasyHandle.nudge()`.
    ///
    /// On a connection on which a transfer was given up, its reset waits to be sent until another transfer sends; so the
    /// others are nudged, and with no other the connection is closed. Besides, transfers that wait for a head are nudged
    /// now and then.
    private func nudge() {
        let now = time.now()
        let isDue = nextNudge.map { $0 <= now } ?? false
        guard isDue || !connectionsToSee.isEmpty else { return }
        var waits = false
        var lonely = connectionsToSee
        for transfer in transfers.values where transfer.mayBeStuck {
            let isAffected = transfer.connection.map { connectionsToSee.contains($0) } ?? false
            if isAffected, let connection = transfer.connection { lonely.remove(connection) }
            if !transfer.hasBegun { waits = true }
            if isAffected || (isDue && !transfer.hasBegun) { transfer.easy.nudge() }
        }
        for connection in lonely { sockets.end(localPort: connection) }
        connectionsToSee = []
        if isDue { nextNudge = waits ? now + Self.nudgeInterval : nil }
    }

    /// Takes nothing from any connection while a reader catches up: a stream of its own can't be held back, and what isn't
    /// taken stays with the server.
    ///
    /// A reader that stands still is waited for once, until it reads again, since the others wait with it.
    private func waitForReaders() {
        guard !readersBehind.isEmpty else { return }
        var pace = ReaderPace(now: time.now())
        while pace.waits(for: readersBehind.map(\.feed.progress.unread), now: time.now()) {
            LoopThread.pause(milliseconds: 1)
        }
        if pace.stoodStill { for transfer in readersBehind { transfer.stoodStillAt = transfer.feed.progress.taken } }
        readersBehind = []
    }

    // MARK: Time-outs

    private func plan(_ transfer: Transfer) {
        guard let due = dueTime(transfer) else { return }
        nextCheck = min(nextCheck ?? due, due)
    }

    private func dueTime(_ transfer: Transfer) -> WallTime? {
        let idle = transfer.isPaused ? nil : transfer.request.idleTimeout.map { transfer.lastActivity + $0 }
        guard let deadline = transfer.request.deadline else { return idle }
        return min(deadline, idle ?? deadline)
    }

    /// Linear in the number of transfers, but only when the earliest known time has come.
    private func checkDeadlines() {
        let now = time.now()
        guard let check = nextCheck, check <= now else { return }
        nextCheck = nil
        for transfer in Array(transfers.values) {
            guard let due = dueTime(transfer) else {
                // A paused transfer has no idle time now, but may have one when it goes on.
                if let idle = transfer.request.idleTimeout { nextCheck = min(nextCheck ?? now + idle, now + idle) }
                continue
            }
            if due > now {
                nextCheck = min(nextCheck ?? due, due)
            } else {
                let isTotal = transfer.request.deadline.map { $0 <= now } ?? false
                let error = isTotal ? transfer.timeoutError() : transfer.idleTimeoutError()
                giveUpSilentConnection(of: transfer, now: now)
                end(transfer, error)
            }
        }
    }

    /// A request got no byte in its time: if its connection got none either, what comes later takes another one.
    private func giveUpSilentConnection(of transfer: Transfer, now: WallTime) {
        let waited = now - transfer.started
        guard transfer.mayBeStuck, !transfer.hasBegun, waited >= Self.silenceLimit else { return }
        guard let connection = transfer.connection, let silence = sockets.silence(localPort: connection),
            silence >= min(waited, Self.silenceLimit)
        else { return }
        sockets.end(localPort: connection)
    }
}

@available(*, unavailable)
extension CurlRounds: Sendable {}
