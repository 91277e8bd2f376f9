// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

internal import Foundation

extension SystemError {
    /// The system's error behind one of Foundation's file calls; `nil` where there is none.
    public init?(_ error: any Error) {
        guard let number = ((error as? CocoaError)?.underlying as? POSIXError)?.code.rawValue else { return nil }
        self.init(code: number)
    }
}
