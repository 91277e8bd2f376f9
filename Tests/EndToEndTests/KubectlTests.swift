// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import KubeAPI
import KubeModel
import Testing

extension EndToEnd {
    @Suite("What kubectl does with the local cluster", .serialized, .enabled(if: Programs.kubectl != nil))
    struct Kubectl {
        /// Runs kubectl; the output of a command that must succeed.
        private struct Shell {
            let local: LocalRun

            func callAsFunction(_ line: String) async throws -> String {
                let result = try await local.kubectl(line.split(separator: " ").map(String.init))
                guard result.status == 0 else { throw TestFailure("kubectl \(line): \(result.output)") }
                return result.output
            }

            /// The output of a command that must fail.
            func refused(_ line: String) async throws -> String {
                let result = try await local.kubectl(line.split(separator: " ").map(String.init))
                guard result.status != 0 else { throw TestFailure("kubectl \(line) succeeded: \(result.output)") }
                return result.output
            }

            func apply(_ object: KubeObject) async throws {
                try await local.client.create(ResourceType(object), object)
            }
        }

        private static func run(_ arguments: [String] = [], _ body: (Shell) async throws -> Void) async throws {
            try await LocalRun.run(["--image", "shell=/bin/sh"] + arguments) { try await body(Shell(local: $0)) }
        }

        private static let loop = "trap 'exit 0' TERM; echo first; while :; do echo tick; sleep 0.1; done"

        private static func deployment(_ name: String, replicas: Int, script: String = loop) -> KubeObject {
            var deployment = KubeObject(.deployments, namespace: "default", name: name)
            let labels: JSONValue = ["app": .string(name)]
            deployment["spec"] = [
                "replicas": JSONValue(replicas), "selector": ["matchLabels": labels], "progressDeadlineSeconds": 3,
                "template": [
                    "metadata": ["labels": labels],
                    "spec": [
                        "terminationGracePeriodSeconds": 2,
                        "containers": [
                            ["name": "main", "image": "shell:1", "command": ["/bin/sh", "-c", .string(script)]]
                        ],
                    ],
                ],
            ]
            return deployment
        }

        @Test("rollout status, history, undo, restart, pause and resume", .timeLimit(.minutes(2)))
        func rollout() async throws {
            try await Self.run { kubectl in
                try await kubectl.apply(Self.deployment("web", replicas: 2))
                let status = "rollout status deployment/web --timeout=30s"
                #expect(try await kubectl(status).hasSuffix("deployment \"web\" successfully rolled out\n"))
                _ = try await kubectl("annotate deployment/web kubernetes.io/change-cause=one")
                _ = try await kubectl("set image deployment/web main=shell:2")
                _ = try await kubectl("annotate deployment/web kubernetes.io/change-cause=two --overwrite")
                _ = try await kubectl(status)
                #expect(
                    try await kubectl("rollout history deployment/web")
                        == "deployment.apps/web \nREVISION  CHANGE-CAUSE\n1         one\n2         two\n\n"
                )
                let details = try await kubectl("rollout history deployment/web --revision=1")
                #expect(details.contains("deployment.apps/web with revision #1") && details.contains("shell:1"))
                #expect(try await kubectl("rollout undo deployment/web") == "deployment.apps/web rolled back\n")
                _ = try await kubectl(status)
                #expect(try await kubectl("get deployment web -o jsonpath={..image}") == "shell:1")
                _ = try await kubectl("rollout undo deployment/web --to-revision=2")
                _ = try await kubectl(status)
                #expect(try await kubectl("get deployment web -o jsonpath={..image}") == "shell:2")
                let missing = try await kubectl.refused("rollout undo deployment/web --to-revision=9")
                #expect(missing == "error: unable to find specified revision 9 in history\n")
                #expect(try await kubectl("rollout restart deployment/web") == "deployment.apps/web restarted\n")
                _ = try await kubectl(status)
                _ = try await kubectl("rollout pause deployment/web")
                _ = try await kubectl("set env deployment/web A=B")
                #expect(try await kubectl.refused("rollout restart deployment/web").contains("can't restart paused"))
                #expect(try await kubectl("rollout history deployment/web").split(separator: "\n").count == 5)
                _ = try await kubectl("rollout resume deployment/web")
                _ = try await kubectl(status)
                _ = try await kubectl("set image deployment/web main=none:1")
                let late = try await kubectl.refused("rollout status deployment/web --timeout=30s")
                #expect(late.hasSuffix("error: deployment \"web\" exceeded its progress deadline\n"), "\(late)")
                #expect(try await kubectl("get deployment web -o jsonpath={.status.availableReplicas}") == "2")
            }
        }

        @Test("logs of one container, of many, of the instance before, from a time on", .timeLimit(.minutes(2)))
        func logs() async throws {
            try await Self.run { kubectl in
                try await kubectl.apply(Self.deployment("web", replicas: 2))
                _ = try await kubectl("rollout status deployment/web --timeout=30s")
                let names = try await kubectl("get pods -l app=web -o name").split(separator: "\n").map(String.init)
                let pod = try #require(names.first)
                _ = try await eventually(within: .seconds(20), "some ticks") {
                    try await kubectl("logs \(pod)").split(separator: "\n").count > 5 ? true : nil
                }
                #expect(try await kubectl("logs \(pod)").hasPrefix("first\ntick\n"))
                #expect(try await kubectl("logs \(pod) --tail=2") == "tick\ntick\n")
                #expect(try await kubectl("logs \(pod) --limit-bytes=5") == "first")
                #expect(try await kubectl("logs \(pod) --since-time=2100-01-01T00:00:00Z") == "")
                #expect(try await kubectl("logs \(pod) --since=1h --timestamps --tail=1").contains("Z tick"))
                let all = try await kubectl("logs -l app=web --prefix --all-containers --tail=1").split(separator: "\n")
                #expect(Set(all.map(String.init)) == Set(names.map { "[\($0)/main] tick" }))
                #expect(try await kubectl.refused("logs \(pod) -c none").contains("container none is not valid"))
                #expect(try await kubectl.refused("logs \(pod) --previous").contains("previous terminated container"))

                try await kubectl.apply(Self.deployment("crash", replicas: 1, script: "echo gone; exit 7"))
                let states = "get pods -l app=crash -o jsonpath={..containerStatuses[0]"
                _ = try await eventually(within: .seconds(30), "a crash loop") {
                    try await kubectl("\(states).state.waiting.reason}") == "CrashLoopBackOff" ? true : nil
                }
                #expect(try await kubectl("\(states).lastState.terminated.exitCode}") == "7")
                #expect(try await kubectl("logs -l app=crash --previous") == "gone\n")
                let message = try await kubectl("\(states).state.waiting.message}")
                #expect(message.hasPrefix("back-off 10s restarting failed container=main pod=crash-"))
            }
        }

        @Test("cordon, drain, uncordon and taint; what fits nowhere says why", .timeLimit(.minutes(2)))
        func nodes() async throws {
            try await Self.run(["--nodes", "2", "--node-cpus", "2"]) { kubectl in
                _ = try await eventually(within: .seconds(20), "two nodes") {
                    try await kubectl("get nodes --no-headers").split(separator: "\n").count == 2 ? true : nil
                }
                try await kubectl.apply(Self.deployment("web", replicas: 4))
                _ = try await kubectl("rollout status deployment/web --timeout=30s")
                let places = "get pods -l app=web -o jsonpath={.items[*].spec.nodeName}"
                #expect(Set(try await kubectl(places).split(separator: " ")) == ["local-1", "local-2"])
                #expect(try await kubectl("cordon local-2") == "node/local-2 cordoned\n")
                #expect(try await kubectl("get nodes").contains("Ready,SchedulingDisabled"))
                let drained = try await kubectl("drain local-2 --ignore-daemonsets --timeout=30s")
                #expect(drained.hasSuffix("node/local-2 drained\n"), "\(drained)")
                _ = try await kubectl("rollout status deployment/web --timeout=30s")
                _ = try await eventually(within: .seconds(20), "all pods on the other node") {
                    Set(try await kubectl(places).split(separator: " ")) == ["local-1"] ? true : nil
                }
                _ = try await kubectl("uncordon local-2")
                #expect(try await kubectl("taint nodes local-2 dedicated=x:NoSchedule") == "node/local-2 tainted\n")
                _ = try await kubectl("set resources deployment/web --requests=cpu=1")
                let wanted = "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint(s)."
                _ = try await eventually(within: .seconds(30), "a pod that fits nowhere") {
                    let events = try await kubectl("get events --field-selector reason=FailedScheduling")
                    return events.contains(wanted) ? true : nil
                }
                let condition = "{..conditions[?(@.type==\"PodScheduled\")].reason}"
                let pending = "get pods --field-selector status.phase=Pending -o jsonpath="
                #expect(try await kubectl(pending + condition).hasPrefix("Unschedulable"))
                #expect(try await kubectl("taint nodes local-2 dedicated-") == "node/local-2 untainted\n")
                _ = try await kubectl("scale deployment/web --replicas=3")
                _ = try await kubectl("rollout status deployment/web --timeout=30s")
                #expect(try await kubectl("describe node local-1").contains("Allocated resources"))
            }
        }

        @Test(
            "edit, label, annotate, diff, expose, run, wait, scale, auth can-i and get --raw",
            .timeLimit(.minutes(2))
        )
        func verbs() async throws {
            try await Self.run { kubectl in
                try await kubectl.apply(Self.deployment("web", replicas: 1))
                let editor = kubectl.local.folder + "/editor"
                try "#!/bin/sh\nsed -i 's/replicas: 1$/replicas: 2/' \"$1\"\n".write(
                    toFile: editor,
                    atomically: true,
                    encoding: .utf8
                )
                try FileManager.default.setAttributes([.posixPermissions: 0o700], ofItemAtPath: editor)
                let edited = try await ProgramRun.result(
                    try #require(Programs.kubectl),
                    ["--kubeconfig", kubectl.local.kubeconfig, "edit", "deployment", "web"],
                    folder: kubectl.local.folder,
                    environment: ["KUBE_EDITOR": editor]
                )
                #expect(edited.output.contains("deployment.apps/web edited"), "\(edited.output)")
                #expect(try await kubectl("get deployment web -o jsonpath={.spec.replicas}") == "2")
                #expect(try await kubectl("label deployment web tier=front") == "deployment.apps/web labeled\n")
                #expect(try await kubectl("annotate deployment web note=x") == "deployment.apps/web annotated\n")
                #expect(
                    try await kubectl("wait --for=condition=Available deployment/web --timeout=30s").contains("met")
                )
                let file = kubectl.local.folder + "/web.yaml"
                try await kubectl("get deployment web -o yaml").replacing("replicas: 2", with: "replicas: 3").write(
                    toFile: file,
                    atomically: true,
                    encoding: .utf8
                )
                let difference = try await kubectl.refused("diff -f \(file)")
                #expect(difference.contains("-  replicas: 2\n+  replicas: 3"), "\(difference)")
                #expect(try await kubectl("expose deployment web --port=80") == "service/web exposed\n")
                _ = try await kubectl("run once --image=shell:1 --restart=Never --command -- true")
                let phase = "--for=jsonpath={.status.phase}=Succeeded"
                #expect(try await kubectl("wait \(phase) pod/once --timeout=20s") == "pod/once condition met\n")
                #expect(try await kubectl("scale deployment/web --replicas=1") == "deployment.apps/web scaled\n")
                #expect(try await kubectl("auth can-i create pods") == "yes\n")
                #expect(try await kubectl("get --raw /readyz") == "ok")
            }
        }

        @Test("what the local cluster doesn't do is refused in words", .timeLimit(.minutes(1)))
        func refusals() async throws {
            try await Self.run { kubectl in
                _ = try await kubectl("run p --image=shell:1 --command -- sleep 1000")
                _ = try await kubectl("wait --for=condition=Ready pod/p --timeout=20s")
                for line in ["exec p -- ls", "attach p", "port-forward p 8080:80", "cp p:/etc/hosts x"] {
                    let answer = try await kubectl.refused(line)
                    #expect(answer.contains("its pods are processes of this machine"), "\(answer)")
                }
                _ = try await kubectl("delete pod p --grace-period=1")
            }
        }
    }
}

extension ResourceType {
    /// The type of an object that these tests make.
    fileprivate init(_ object: KubeObject) { self = object.kind == "Deployment" ? .deployments : .pods }
}
