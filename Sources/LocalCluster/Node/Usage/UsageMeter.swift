// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeModel
import KubeRuntime
import ServiceLifecycle

/// A running container: its process leads a group of its own.
struct ContainerProcess: Sendable, Hashable {
    /// The pod.
    var pod: KubeObject
    /// The container's name.
    var container: String
    /// The number of the process group.
    var group: Int32
}

/// Measures what the nodes' pods use, as a kubelet does for metrics-server: processor time over an interval, and memory.
struct UsageMeter: Service {
    /// The interval; metrics-server's `--metric-resolution` is 15 s.
    static let interval = Duration.seconds(10)

    /// The nodes.
    let nodes: [NodeAgent]
    /// Where the result goes.
    let board: UsageBoard
    /// The clock.
    let time: any TimeSource

    /// Measures until cancelled or shut down.
    func run() async throws {
        do {
            try await cancelOnShutdown { [self] in
                var last = UsageSample(groups: [:], time: time.now())
                while true {
                    try await time.sleep(for: Self.interval)
                    let sample = UsageSample(groups: ProcessUsage.byGroup(), time: time.now())
                    let running = nodes.map { ($0.name, $0.containerProcesses) }
                    board.replace(
                        running.flatMap { node, processes in
                            Self.usage(of: processes, node: node, from: last, to: sample)
                        },
                        nodes: Dictionary(
                            uniqueKeysWithValues: nodes.filter { !$0.power.isOff }.map { ($0.name, sample.time) }
                        )
                    )
                    last = sample
                }
            }
        } catch is CancellationError {}
    }

    /// What each pod used between two samples. A pod with a container that isn't in both has no usage yet: nothing is
    /// known of a part of it.
    static func usage(
        of processes: [ContainerProcess],
        node: String,
        from first: UsageSample,
        to last: UsageSample
    ) -> [PodUsage] {
        let window = last.time - first.time
        guard window > .zero else { return [] }
        return Dictionary(grouping: processes) { $0.pod.key }.compactMap { key, processes in
            var containers: [PodUsage.Container] = []
            for process in processes.sorted(by: { $0.container < $1.container }) {
                guard let before = first.groups[process.group], let after = last.groups[process.group] else {
                    return nil
                }
                containers.append(
                    PodUsage.Container(
                        name: process.container,
                        processors: max(0, after.processorSeconds - before.processorSeconds) / window.inSeconds,
                        memoryBytes: after.memoryBytes
                    )
                )
            }
            return PodUsage(
                pod: key,
                labels: processes[0].pod.labels,
                node: node,
                time: last.time,
                window: window,
                containers: containers
            )
        }
    }
}

/// What all process groups had used at one moment.
struct UsageSample: Sendable {
    /// By the group's number.
    var groups: [Int32: ProcessUsage]
    /// The moment.
    var time: WallTime
}
