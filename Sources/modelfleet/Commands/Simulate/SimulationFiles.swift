// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Simulation

/// The load that a simulation reads, and the lines that it says.
enum SimulationFiles {
    /// The trace in a CSV file.
    static func trace(_ file: String, interval: Double?) throws -> ArrivalTrace {
        let name = URL(fileURLWithPath: file).lastPathComponent
        do { return try ArrivalTrace(name: name, csv: CommandFiles.read(file), interval: interval) } catch let error
            as TraceError
        {
            throw CommandFailure("\(error)")
        }
    }

    /// A line on the standard error.
    static func say(_ line: String) { FileHandle.standardError.write(Data((line + "\n").utf8)) }
}
