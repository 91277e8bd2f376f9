// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Foundation
import Synchronization

/// Calls a closure for a signal instead of ending the process.
final class SignalTrap: Sendable {
    private let sources: Mutex<[any DispatchSourceSignal]>

    /// Traps `signals` until `end()`.
    init(_ signals: [Int32], action: @escaping @Sendable () -> Void) {
        sources = Mutex(
            signals.map { number in
                signal(number, SIG_IGN)
                let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
                source.setEventHandler(handler: action)
                source.resume()
                return source
            }
        )
    }

    /// Traps no more.
    func end() { sources.withLock { for source in $0 { source.cancel() } } }
}
