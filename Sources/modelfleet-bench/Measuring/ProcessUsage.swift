// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Foundation

/// What a process has used so far, from `/proc` (Linux).
struct ProcessUsage {
    /// Processor time of all its threads, in seconds; the kernel counts hundredths.
    var processorSeconds: Double
    /// Resident memory in MiB.
    var residentMiB: Double
    /// The most resident memory there was, in MiB.
    var peakMiB: Double
    /// The number of threads.
    var threads: Int

    /// The clock ticks of `/proc/PID/stat` in a second: 100 on every Linux that this runs on (`getconf CLK_TCK`).
    static let ticksPerSecond = 100.0

    /// Reads the usage of the process `id`.
    /// - Throws: `BenchError` where there is no such process or no `/proc`.
    init(of id: Int32) throws {
        guard let status = try? String(contentsOfFile: "/proc/\(id)/status", encoding: .utf8),
            let stat = try? String(contentsOfFile: "/proc/\(id)/stat", encoding: .utf8)
        else { throw BenchError("there is no process \(id) to measure (this needs Linux)") }
        func number(_ name: String) -> Double {
            let line = status.split(separator: "\n").first { $0.hasPrefix(name + ":") }
            return line?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Double($0) } ?? 0
        }
        residentMiB = number("VmRSS") / 1024
        peakMiB = number("VmHWM") / 1024
        threads = Int(number("Threads"))
        // After the name, which may hold anything: state is field 3, utime 14, stime 15 (proc_pid_stat(5)).
        let fields = stat.split(separator: ")").last?.split(separator: " ") ?? []
        guard fields.count > 12, let user = Double(fields[11]), let system = Double(fields[12]) else {
            throw BenchError("/proc/\(id)/stat can't be read")
        }
        processorSeconds = (user + system) / Self.ticksPerSecond
    }
}

/// Why a measurement isn't possible.
struct BenchError: Error, CustomStringConvertible {
    /// One sentence with the next step.
    var description: String

    /// An error with its sentence.
    init(_ description: String) { self.description = description }
}
