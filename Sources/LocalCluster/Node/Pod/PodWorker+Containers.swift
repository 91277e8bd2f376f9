// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeModel
import Synchronization

/// What the node does for a pod's containers.
extension PodWorker {
    private func description(of container: String) -> JSONValue {
        let pod = state.withLock { $0.pod }
        let all = (pod["spec", "initContainers"]?.array ?? []) + (pod["spec", "containers"]?.array ?? [])
        return all.first { $0["name"]?.string == container } ?? .emptyObject
    }

    /// Asks a probe or runs a hook of a container.
    func ask(_ member: String, of container: String, _ address: String) async -> Prober.Answer {
        let spec = description(of: container)
        let isHook = member == "preStop" || member == "postStart"
        let handler = (isHook ? spec.at("lifecycle", member) : spec[member]) ?? .emptyObject
        let (grace, request) = state.withLock { state in
            (state.pod["spec", "terminationGracePeriodSeconds"]?.int ?? 30, state.processes[container]?.request)
        }
        return await surroundings.prober.perform(
            handler,
            container: spec,
            address: address,
            timeout: .seconds(isHook ? max(1, grace) : max(1, handler["timeoutSeconds"]?.int ?? 1)),
            command: request,
            isProbe: !isHook
        )
    }

    /// Starts a container and stays with it to its end.
    func start(_ container: String, _ instance: Int, _ address: String) async {
        let spec = description(of: container)
        do {
            let request = try await volumes.pass { () throws(StartFailure) -> ProcessRequest in
                try await self.request(for: spec, address)
            }
            let log = surroundings.logs.open(
                pod: uid,
                container: container,
                limit: surroundings.configuration.logLimit,
                time: time
            )
            let process: any PodProcess
            do {
                process = try await surroundings.configuration.processes.spawn(request) { log.append($0) }
            } catch {
                log.append(Array("\(error)\n".utf8))
                log.close()
                throw StartFailure(kind: .process, message: "\(error)")
            }
            let isAbandoned = state.withLock { state in
                state.processes[container] = Instance(number: instance, process: process, request: request)
                return state.isAbandoned
            }
            if Task.isCancelled || isAbandoned { process.send(.kill) }
            inputs.continuation.yield(.started(container: container, instance: instance))
            let exit = await process.waitForExit()
            log.close()
            state.withLock { state in
                if state.processes[container]?.number == instance { state.processes[container] = nil }
            }
            let message = folder.terminationMessage(of: spec) ?? Self.lastWords(log, exit, spec)
            inputs.continuation.yield(.exited(container: container, instance: instance, exit, message: message))
        } catch let failure as StartFailure {
            inputs.continuation.yield(.failed(container: container, instance: instance, failure))
        } catch {
            let failure = StartFailure(kind: .configuration, message: "\(error)")
            inputs.continuation.yield(.failed(container: container, instance: instance, failure))
        }
    }

    /// The end of the log of a failed container that asks for it (2048 bytes or 80 lines, as the kubelet).
    private static func lastWords(_ log: ContainerLog, _ exit: ProcessExit, _ spec: JSONValue) -> String {
        guard exit.exitCode != 0, spec["terminationMessagePolicy"]?.string == "FallbackToLogsOnError" else { return "" }
        let lines = log.lines(from: 0).lines.suffix(80).map { String(decoding: $0.bytes, as: UTF8.self) }
        return String(decoding: lines.joined(separator: "\n").utf8.suffix(2048), as: UTF8.self)
    }

    /// Brings the volumes that are made of config maps, secrets and the pod's own fields up to date.
    func refreshVolumes(_ address: String) async {
        await volumes.pass {
            let pod = state.withLock { $0.pod }
            guard !pod.isPodFinished, let sources = try? await PodSources(client: surroundings.client).load(for: pod)
            else { return }
            folder.refreshVolumes(pod: pod, address: address, sources: sources)
        }
    }

    private func request(for spec: JSONValue, _ address: String) async throws(StartFailure) -> ProcessRequest {
        let name = spec["image"]?.string ?? ""
        guard let image = surroundings.configuration.images.entry(for: name) else {
            throw StartFailure(
                kind: .image,
                message: "Failed to pull image \"\(name)\": the local cluster runs only the images in its table: "
                    + surroundings.configuration.images.summary
                    + "; add it with modelfleet local --image NAME=PATH"
            )
        }
        let pod = state.withLock { $0.pod }
        let sources = try await PodSources(client: surroundings.client).load(for: pod)
        try folder.prepareVolumes(pod: pod, address: address, sources: sources)
        let command = try ContainerCommand(
            pod: pod,
            container: spec,
            image: image,
            address: address,
            searchPath: surroundings.configuration.searchPath,
            root: folder.root(of: spec),
            sources: sources
        )
        var executable = command.executable
        if !executable.contains("/") {
            executable = ExecutableSearch.path(of: executable, in: command.environment["PATH"] ?? "") ?? executable
        }
        return ProcessRequest(
            executable: executable,
            arguments: command.arguments,
            environment: command.environment,
            directory: try folder.prepareRoot(of: spec)
        )
    }
}
