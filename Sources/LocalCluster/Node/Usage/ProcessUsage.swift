// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Foundation

/// What a group of processes has used since its start, and uses now.
struct ProcessUsage: Sendable, Hashable {
    /// Processor time of its processes, and of their children that have ended.
    var processorSeconds = 0.0
    /// Memory that it has in RAM, in bytes; what several processes share counts for each.
    var memoryBytes: Int64 = 0

    /// All groups of this machine, from `/proc` (proc_pid_stat(5)); empty on a system without it.
    static func byGroup() -> [Int32: ProcessUsage] {
        var groups: [Int32: ProcessUsage] = [:]
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        for name in names where name.utf8.first.map({ (0x30...0x39).contains($0) }) == true {
            guard let text = try? String(contentsOfFile: "/proc/\(name)/stat", encoding: .utf8),
                let (group, usage) = parse(text)
            else { continue }
            groups[group, default: ProcessUsage()].processorSeconds += usage.processorSeconds
            groups[group, default: ProcessUsage()].memoryBytes += usage.memoryBytes
        }
        return groups
    }

    /// Reads a line of `/proc/PID/stat`; `nil` for a process that has ended, and for another form.
    static func parse(_ line: String) -> (group: Int32, usage: ProcessUsage)? {
        // The program's name is in brackets and may hold anything, brackets included.
        guard let end = line.lastIndex(of: ")") else { return nil }
        let fields = line[line.index(after: end)...].split(separator: " ")
        guard fields.count > 21, fields[0] != "Z", fields[0] != "X", let group = Int32(fields[2]) else { return nil }
        // utime, stime, cutime and cstime: fields 14 to 17, of which the first three come before the bracket's end.
        let ticks = fields[11...14].compactMap { Int64($0) }
        guard ticks.count == 4, let pages = Int64(fields[21]) else { return nil }
        let usage = ProcessUsage(
            processorSeconds: Double(ticks.reduce(0) { $0 &+ max(0, $1) }) / ticksPerSecond,
            memoryBytes: max(0, pages) &* pageSize
        )
        return (group, usage)
    }

    /// `USER_HZ`: 100 on every Linux that a program sees.
    private static let ticksPerSecond = 100.0
    private static let pageSize = Int64(NSPageSize())
}
