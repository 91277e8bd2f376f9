// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// A helper process that outlives this one by a moment: when this process ends, however it ends, the pipe between them
/// closes, and the helper kills every process group that was entrusted to it and removes the cluster's folder.
///
/// A descendant that leaves its process group (`setsid`) escapes it.
final class ProcessGuardian: Sendable {
    private static let script = """
        trap '' INT TERM HUP QUIT
        groups=' '
        while read -r op id; do
          case $op in
            +) groups="$groups$id " ;;
            -) case $groups in *" $id "*) groups="${groups%% $id *} ${groups#* $id }" ;; esac ;;
          esac
        done
        for id in $groups; do kill -s KILL -- "-$id"; done 2>/dev/null
        if [ -n "$1" ]; then rm -rf -- "$1"; fi
        """

    private let pid: Int32
    private let pipe: Mutex<Int32>

    /// Starts the helper; `directory` is what it removes at the end (nothing when empty).
    /// - Throws: `LocalClusterError` when the shell can't be started.
    init(removing directory: String = "") throws(LocalClusterError) {
        var ends: [Int32] = [-1, -1]
        guard ProcessCalls.makePipe(&ends) == 0 else {
            throw LocalClusterError("can't make a pipe: too many open files; close some or raise the limit (ulimit -n)")
        }
        defer { ProcessCalls.closeDescriptor(ends[0]) }
        do {
            let started = try ProcessCalls.spawn(
                ProcessRequest(
                    executable: "/bin/sh",
                    arguments: ["-c", Self.script, "modelfleet-guardian", directory],
                    environment: ["PATH": "/usr/bin:/bin"],
                    directory: "/"
                ),
                input: ends[0]
            )
            ProcessCalls.closeDescriptor(started.output)
            pid = started.pid
            pipe = Mutex(ends[1])
        } catch {
            ProcessCalls.closeDescriptor(ends[1])
            throw error
        }
    }

    deinit { close() }

    /// Entrusts a process group.
    func entrust(_ group: Int32) { tell("+ \(group)\n") }

    /// Takes back a process group that has ended.
    func release(_ group: Int32) { tell("- \(group)\n") }

    /// Lets the helper do its work and end, and waits for it.
    func close() {
        let descriptor = pipe.withLock { pipe in
            defer { pipe = -1 }
            return pipe
        }
        guard descriptor >= 0 else { return }
        ProcessCalls.closeDescriptor(descriptor)
        _ = ProcessCalls.reap(pid)
    }

    private func tell(_ line: String) {
        pipe.withLock { pipe in
            if pipe >= 0 { _ = ProcessCalls.write(line, to: pipe) }
        }
    }
}
