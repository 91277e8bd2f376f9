// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import NIOPosix
import Synchronization

/// Starts real processes, each in a process group of its own that doesn't outlive this process.
public final class SystemProcessSpawner: PodProcessSpawner {
    private let guardian = Mutex<ProcessGuardian?>(nil)
    private let directory: String

    /// A spawner; `directory` is removed when this process ends without having done so itself (nothing when empty).
    public init(removing directory: String = "") { self.directory = directory }

    /// Starts a process whose output goes to `output` as it comes.
    public func spawn(
        _ request: ProcessRequest,
        output: @escaping @Sendable ([UInt8]) -> Void
    ) async throws -> any PodProcess {
        let guardian = try watched()
        let started = try ProcessCalls.spawn(request)
        guardian.entrust(started.pid)
        let process = SystemProcess(pid: started.pid, guardian: guardian)
        do {
            let channel = try await NIOPipeBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(OutputHandler(output))
                    }
                }
                .takingOwnershipOfDescriptor(input: started.output).get()
            process.begin(output: channel)
            return process
        } catch {
            // Whoever fails to take the descriptor over leaves it to us.
            ProcessCalls.closeDescriptor(started.output)
            ProcessCalls.signal(group: started.pid, .kill)
            process.begin(output: nil)
            throw LocalClusterError("can't read the output of \"\(request.executable)\": \(error)")
        }
    }

    /// Starts the helper that watches over the processes and the folder, if it isn't there yet.
    /// - Throws: `LocalClusterError` when it can't be started.
    public func start() throws(LocalClusterError) { _ = try watched() }

    private func watched() throws(LocalClusterError) -> ProcessGuardian {
        try guardian.withLock { present throws(LocalClusterError) in
            if let present { return present }
            let made = try ProcessGuardian(removing: directory)
            present = made
            return made
        }
    }

    /// Ends the helper that watches over the processes; they must have ended.
    public func shutDown() { guardian.withLock { $0 = nil } }
}

/// Hands a process's output on.
private final class OutputHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let output: @Sendable ([UInt8]) -> Void

    init(_ output: @escaping @Sendable ([UInt8]) -> Void) { self.output = output }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        output(Array(unwrapInboundIn(data).readableBytesView))
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}

/// A process of the system. A thread of its own waits for its end, so that children of others are never taken in.
final class SystemProcess: PodProcess {
    private struct State {
        var exit: ProcessExit?
        var isReaped = false
        var waiters: [CheckedContinuation<ProcessExit, Never>] = []
    }

    /// The process's number, which is its group's too.
    let pid: Int32
    var group: Int32? { pid }
    private let guardian: ProcessGuardian
    private let state = Mutex(State())

    init(pid: Int32, guardian: ProcessGuardian) {
        self.pid = pid
        self.guardian = guardian
    }

    /// How long the output of an ended process is waited for, where a descendant that left the group holds it open.
    private static let outputLimit = TimeAmount.seconds(3)

    /// Starts to wait for the end of the process, and then of its output.
    func begin(output: (any Channel)?) {
        let thread = Thread { [self] in
            ProcessCalls.awaitEnd(of: pid)
            ProcessCalls.signal(group: pid, .kill)
            let exit = state.withLock { state in
                state.isReaped = true
                return ProcessCalls.reap(pid)
            }
            guardian.release(pid)
            guard let output else { return finish(exit) }
            let limit = output.eventLoop.scheduleTask(in: Self.outputLimit) { output.close(promise: nil) }
            output.closeFuture.whenComplete { _ in
                limit.cancel()
                self.finish(exit)
            }
        }
        thread.stackSize = 256 << 10
        thread.start()
    }

    func send(_ signal: ProcessSignal) {
        state.withLock { state in
            if !state.isReaped { ProcessCalls.signal(group: pid, signal) }
        }
    }

    func waitForExit() async -> ProcessExit {
        await withCheckedContinuation { continuation in
            let exit = state.withLock { state in
                if state.exit == nil { state.waiters.append(continuation) }
                return state.exit
            }
            if let exit { continuation.resume(returning: exit) }
        }
    }

    private func finish(_ exit: ProcessExit) {
        let waiters = state.withLock { state in
            state.exit = exit
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.resume(returning: exit) }
    }
}
