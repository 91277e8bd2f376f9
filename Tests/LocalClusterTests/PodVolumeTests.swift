// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import Foundation
import KubeAPI
import KubeModel
import Testing

@testable import LocalCluster

@Suite("What pods find in variables and files", .serialized)
struct PodVolumeTests {
    private static func configMap(_ name: String, _ data: JSONValue) -> KubeObject {
        var map = KubeObject(.configMaps, namespace: "default", name: name)
        map.json["data"] = data
        return map
    }

    private func contents(_ volume: JSONValue, _ sources: ContainerCommand.Sources = .init()) throws(StartFailure)
        -> [String: String]?
    {
        var pod = KubeObject(.pods, namespace: "default", name: "web")
        pod.labels = ["b": "2", "a": "say \"x\"\n"]
        pod["spec"] = [
            "containers": [["name": "main", "resources": ["limits": ["memory": "1Gi"], "requests": ["cpu": "250m"]]]]
        ]
        var volume = volume
        volume["name"] = "v"
        let contents = try VolumeContents(volume, pod: pod, address: "127.64.0.9", sources: sources)
        return contents?.files.mapValues { String(decoding: $0.bytes, as: UTF8.self) }
    }

    @Test("A volume holds an object's entries, some of them under other names, a pod's own fields, or all together")
    func kinds() throws {
        var secret = KubeObject(.secrets, namespace: "default", name: "s")
        secret.json["data"] = ["word": "b3Blbg=="]
        let sources = ContainerCommand.Sources(
            configMaps: ["c": Self.configMap("c", ["one": "1", "two": "2"])],
            secrets: ["s": secret]
        )
        #expect(try contents(["configMap": ["name": "c"]], sources) == ["one": "1", "two": "2"])
        let items: JSONValue = [["key": "two", "path": "deep/../down/file"]]
        #expect(try contents(["configMap": ["name": "c", "items": items]], sources) == ["deep/down/file": "2"])
        #expect(try contents(["secret": ["secretName": "s"]], sources) == ["word": "open"])
        let downward: JSONValue = [
            "items": [
                ["path": "labels", "fieldRef": ["fieldPath": "metadata.labels"]],
                ["path": "ip", "fieldRef": ["fieldPath": "status.podIP"]],
                [
                    "path": "memory",
                    "resourceFieldRef": ["containerName": "main", "resource": "limits.memory", "divisor": "1Mi"],
                ],
                ["path": "cpu", "resourceFieldRef": ["containerName": "main", "resource": "requests.cpu"]],
            ]
        ]
        let fields = [
            "labels": "a=\"say \\\"x\\\"\\n\"\nb=\"2\"", "ip": "127.64.0.9", "memory": "1024", "cpu": "1",
        ]
        #expect(try contents(["downwardAPI": downward]) == fields)
        let all: JSONValue = [
            "projected": [
                "sources": [["configMap": ["name": "c"]], ["secret": ["name": "s"]], ["downwardAPI": downward]]
            ]
        ]
        #expect(
            try contents(all, sources)
                == fields.merging(["one": "1", "two": "2", "word": "open"]) { first, _ in first }
        )
        #expect(try contents(["emptyDir": [:]]) == nil)
        #expect(try contents(["configMap": ["name": "none", "optional": true]]) == [:])
    }

    @Test(
        "A resource is told in whole units, rounded up exactly",
        arguments: [
            ("16Gi", "1n", "9223372036854775807"), ("4001m", "1m", "4001"), ("4001m", "1", "5"), ("1Gi", "1Mi", "1024"),
            ("1Gi", "0", "1073741824"), ("9007199254740993", "1", "9007199254740993"), ("0", "1", "0"),
        ]
    )
    func resources(limit: String, divisor: String, text: String) throws {
        let container: JSONValue = ["name": "main", "resources": ["limits": ["memory": .string(limit)]]]
        let reference: JSONValue = ["resource": "limits.memory", "divisor": .string(divisor)]
        let pod = KubeObject(.pods, namespace: "default", name: "p")
        #expect(try DownwardFields.resource(reference, pod: pod, container: container) == text)
    }

    @Test("What is missing or unsupported is said in the kubelet's words")
    func refusals() {
        func message(_ volume: JSONValue, _ sources: ContainerCommand.Sources = .init()) -> String {
            do {
                _ = try contents(volume, sources)
                return ""
            } catch {
                return error.kind == .mount ? error.message : "another kind"
            }
        }
        #expect(
            message(["configMap": ["name": "c"]])
                == "MountVolume.SetUp failed for volume \"v\" : configmap \"c\" not found"
        )
        let some = ContainerCommand.Sources(configMaps: ["c": Self.configMap("c", [:])])
        #expect(
            message(["configMap": ["name": "c", "items": [["key": "k", "path": "p"]]]], some)
                == "MountVolume.SetUp failed for volume \"v\" : references non-existent config key: k"
        )
        #expect(message(["persistentVolumeClaim": ["claimName": "c"]]).contains("only emptyDir, configMap, secret"))
        #expect(
            message(["projected": ["sources": [["serviceAccountToken": ["path": "t"]]]]]).contains(
                "serviceAccountToken"
            )
        )
    }

    @Test("A reader never sees a mixture of an old and a new volume")
    func atomicWrites() throws {
        let folder = NSTemporaryDirectory() + "modelfleet-volume-" + SystemRandom().uuid()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let writer = VolumeWriter(folder: folder)
        func write(_ data: JSONValue) throws {
            let pod = KubeObject(.pods, namespace: "default", name: "p")
            let sources = ContainerCommand.Sources(configMaps: ["c": Self.configMap("c", data)])
            let volume: JSONValue = ["name": "v", "configMap": ["name": "c", "defaultMode": 0o400]]
            try writer.write(try #require(try VolumeContents(volume, pod: pod, address: "", sources: sources)))
        }
        func text(_ name: String) -> String? {
            FileManager.default.contents(atPath: folder + "/" + name).map { String(decoding: $0, as: UTF8.self) }
        }
        func version() throws -> String {
            try FileManager.default.destinationOfSymbolicLink(atPath: folder + "/..data")
        }
        try write(["a": "1", "b": "1"])
        let first = try version()
        let mode = try FileManager.default.attributesOfItem(atPath: "\(folder)/\(first)/a")[.posixPermissions] as? Int
        #expect(mode == 0o400)
        try write(["a": "1", "b": "1"])
        #expect(try version() == first, "nothing changed, nothing is written")
        try write(["a": "2", "c": "2"])
        #expect(text("a") == "2" && text("b") == nil && text("c") == "2")
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: folder).sorted() == ["..data", try version(), "a", "c"]
        )
    }

    @Test("Mounted files follow their config map; a missing one is waited for", .timeLimit(.minutes(5)))
    func updates() async throws {
        try await TestCluster().run { client in
            var pod = TestCluster.pod("p", ["main": "while :; do cat etc/app/text; echo; sleep 0.05; done"], grace: 1)
            pod["spec", "volumes"] = [["name": "app", "configMap": ["name": "app"]]]
            pod["spec", "containers"] = .array(
                (pod["spec", "containers"]?.array ?? []).map { container in
                    var container = container
                    container["volumeMounts"] = [["name": "app", "mountPath": "/etc/app"]]
                    container["env"] = [
                        ["name": "WORD", "valueFrom": ["configMapKeyRef": ["name": "words", "key": "one"]]]
                    ]
                    return container
                }
            )
            try await client.create(.pods, pod)
            func waiting() async throws -> (String?, String?) {
                let state = try await client.get(.pods, pod.key)["status", "containerStatuses"]?[0]?["state"]
                return (state?.at("waiting", "reason")?.string, state?.at("waiting", "message")?.string)
            }
            func events(_ reason: String) async throws -> [String?] {
                try await client.list(.events, namespace: "default").items.filter {
                    $0.json["reason"]?.string == reason
                }
                .map { $0.json["message"]?.string }
            }
            try await until("the volume is missed") { try await !events("FailedMount").isEmpty }
            #expect(try await waiting().0 == "ContainerCreating")
            #expect(
                try await events("FailedMount").first
                    == "MountVolume.SetUp failed for volume \"app\" : configmap \"app\" not found"
            )
            try await client.create(.configMaps, Self.configMap("app", ["text": "first"]))
            try await until("the variable is missed") { try await waiting().0 == "CreateContainerConfigError" }
            #expect(try await waiting().1 == "configmap \"words\" not found")
            try await until("it is told") {
                try await events("Failed").contains("Error: configmap \"words\" not found")
            }
            try await client.create(.configMaps, Self.configMap("words", ["two": "2"]))
            try await until("the key is missed") {
                try await waiting().1 == "couldn't find key one in ConfigMap default/words"
            }
            let words = ObjectKey(namespace: "default", name: "words")
            try await client.patch(.configMaps, words, .merge(["data": ["one": "1"]]))
            try await client.untilReady(pod)
            try await until("it reads the file") { try await client.log("p").hasPrefix("first\n") }
            let app = ObjectKey(namespace: "default", name: "app")
            try await client.patch(.configMaps, app, .merge(["data": ["text": "second"]]))
            try await until("it reads the new file") { try await client.log("p").hasSuffix("second\n") }
            #expect(try await !client.log("p").contains("\n\n"), "there is always a whole file")
        }
    }

    @Test("What a container writes to its termination message file is its message", .timeLimit(.minutes(5)))
    func terminationMessage() async throws {
        try await TestCluster().run { client in
            let script = "printf why > $MODELFLEET_ROOT/dev/termination-log; exit 3"
            let pod = try await client.create(.pods, TestCluster.pod("p", ["main": script], policy: "Never"))
            try await until("it failed") { try await client.get(.pods, pod.key).podPhase == "Failed" }
            let end = try await client.get(.pods, pod.key)["status", "containerStatuses"]?[0]?.at("state", "terminated")
            #expect(end?["message"] == "why" && end?["exitCode"] == 3)
        }
    }

    @Test("What isn't a regular file, or is a large one, holds nothing up", .timeLimit(.minutes(2)))
    func strangeTerminationMessages() async throws {
        let scripts = [
            "fifo": "mkfifo $F", "device": "ln -s /dev/zero $F", "folder": "mkdir $F",
            "large": "head -c 100000 /dev/zero | tr '\\0' x > $F; printf end >> $F",
        ]
        try await TestCluster().run { client in
            for (name, script) in scripts.sorted(by: { $0.key < $1.key }) {
                let script = "F=$MODELFLEET_ROOT/dev/termination-log; rm -f $F; \(script); exit 3"
                let pod = try await client.create(.pods, TestCluster.pod(name, ["main": script], policy: "Never"))
                try await until("\(name) failed") { try await client.get(.pods, pod.key).podPhase == "Failed" }
                let end = try await client.get(.pods, pod.key)["status", "containerStatuses"]?[0]?
                    .at("state", "terminated")
                let message = end?["message"]?.string ?? ""
                #expect(end?["exitCode"] == 3)
                if name == "large" {
                    #expect(message == String(repeating: "x", count: 4093) + "end")
                } else {
                    #expect(message.isEmpty)
                }
            }
        }
    }
}
