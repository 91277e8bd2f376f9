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

    private let multi: MultiHandle
    private let configuration: CurlConfiguration
    private let time: any TimeSource
    private let touched = TouchedTransfers()
    private var transfers: [UInt64: Transfer] = [:]
    private var ids: [UnsafeMutableRawPointer: UInt64] = unsafe [:]
    private var nextCheck: WallTime?

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
            case .cancel(let id): remove(id)
            case .resume(let id):
                // The reader asks for more when half of its buffer is free; what we knew of it is older.
                transfers[id]?.unread = configuration.responseBufferBytes / 2
                transfers[id]?.unpause(now: time.now())
            }
        }
        multi.perform()
        finishDone()
        flush()
        checkDeadlines()
    }

    /// Sleeps until there is something to do.
    func wait() {
        var wait = Self.longestWait
        if let nextCheck { wait = min(wait, max(.zero, nextCheck - time.now())) }
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
                now: time.now()
            )
            guard unsafe multi.add(transfer.easy.raw) else {
                throw CurlError(code: .other, message: "libcurl took no more requests", address: request.address)
            }
            transfers[transfer.id] = transfer
            unsafe ids[transfer.easy.raw] = transfer.id
            plan(transfer)
        } catch {
            _ = feed.deliver(head: nil, bytes: [], ending: .failed(error), isPaused: false)
        }
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
        remove(transfer.id)
        _ = transfer.feed.deliver(
            head: rest.head,
            bytes: rest.bytes,
            ending: error.map { .failed($0) } ?? .finished,
            isPaused: false
        )
    }

    private func remove(_ id: UInt64) {
        guard let transfer = transfers.removeValue(forKey: id) else { return }
        unsafe ids[transfer.easy.raw] = nil
        unsafe multi.remove(transfer.easy.raw)
    }

    /// Hands over what arrived, and lets go on what was paused while its reader was faster than we.
    private func flush() {
        let now = time.now()
        let list = touched.list
        touched.list = []
        for transfer in list where transfers[transfer.id] != nil {
            transfer.lastActivity = now
            let arrived = transfer.takeArrived()
            let receipt = transfer.feed.deliver(
                head: arrived.head,
                bytes: arrived.bytes,
                ending: nil,
                isPaused: transfer.isPaused
            )
            transfer.unread = receipt.unread
            // This may call the callbacks, which touch the transfer again; `wait` then doesn't sleep.
            if receipt.mayResume { transfer.unpause(now: now) }
        }
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
                end(transfer, isTotal ? transfer.timeoutError() : transfer.idleTimeoutError())
            }
        }
    }
}

@available(*, unavailable)
extension CurlRounds: Sendable {}
