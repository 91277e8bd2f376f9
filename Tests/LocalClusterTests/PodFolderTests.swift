// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import Foundation
import KubeModel
import Testing

@testable import LocalCluster

@Suite("The folder that stands for a container's file system")
struct PodFolderTests {
    /// A place for one test, and a folder of a user that a pod mounts.
    private struct Bench {
        let place: String
        let folder: PodFolder
        var home: String { place + "/home" }

        init() throws {
            place = NSTemporaryDirectory() + "modelfleet-folder-" + SystemRandom().uuid()
            folder = PodFolder(path: place + "/pod")
            try VolumeWriter.makeFolder(home + "/cache")
            try Data("mine".utf8).write(to: URL(fileURLWithPath: home + "/cache/x"))
        }

        func prepare(_ volumes: JSONValue, _ mounts: JSONValue, maps: [String: KubeObject] = [:]) throws -> String {
            var pod = KubeObject(.pods, namespace: "default", name: "p")
            let container: JSONValue = ["name": "main", "volumeMounts": mounts]
            pod["spec"] = ["volumes": volumes, "containers": [container]]
            try folder.prepareVolumes(pod: pod, address: "", sources: ContainerCommand.Sources(configMaps: maps))
            return try folder.prepareRoot(of: container)
        }

        func refusal(_ volumes: JSONValue, _ mounts: JSONValue) -> StartFailure? {
            do {
                _ = try prepare(volumes, mounts)
                return nil
            } catch {
                return error as? StartFailure
            }
        }

        func text(_ path: String) -> String? {
            FileManager.default.contents(atPath: path).map { String(decoding: $0, as: UTF8.self) }
        }

        func remove() { try? FileManager.default.removeItem(atPath: place) }
    }

    @Test("A folder that can't be made is named with the system's reason")
    func unwritable() throws {
        let bench = try Bench()
        defer { bench.remove() }
        try Data("a file".utf8).write(to: URL(fileURLWithPath: bench.place + "/pod"))
        let failure = bench.refusal([["name": "cache", "emptyDir": [:]]], [])
        let folder = bench.place + "/pod/volumes/cache"
        #expect(failure?.message == "can't set up the volume cache at \(folder): not a directory")
    }

    @Test("A mount inside a folder of the user is refused, and nothing there is touched", arguments: [false, true])
    func nestedInHostPath(isInnerFirst: Bool) throws {
        let bench = try Bench()
        defer { bench.remove() }
        let volumes: JSONValue = [
            ["name": "src", "hostPath": ["path": .string(bench.home)]], ["name": "cache", "emptyDir": [:]],
        ]
        let outer: JSONValue = ["name": "src", "mountPath": "/app"]
        for inner in ["/app/cache", "/app/new/deep"] {
            let mount: JSONValue = ["name": "cache", "mountPath": .string(inner)]
            let failure = bench.refusal(volumes, .array(isInnerFirst ? [mount, outer] : [outer, mount]))
            #expect(failure?.kind == .mount)
            #expect(
                failure?.message.contains("the mount of cache at \(inner), inside the mount of src at /app,") ?? false
            )
        }
        #expect(bench.text(bench.home + "/cache/x") == "mine")
        #expect(try FileManager.default.contentsOfDirectory(atPath: bench.home) == ["cache"])
    }

    @Test("A mount inside a volume of the pod is there, and stays when the outer one's files change")
    func nestedInVolume() throws {
        let bench = try Bench()
        defer { bench.remove() }
        func map(_ name: String, _ data: JSONValue) -> KubeObject {
            var map = KubeObject(.configMaps, namespace: "default", name: name)
            map.json["data"] = data
            return map
        }
        let volumes: JSONValue = [
            ["name": "outer", "configMap": ["name": "outer"]], ["name": "inner", "configMap": ["name": "inner"]],
        ]
        let mounts: JSONValue = [
            ["name": "inner", "mountPath": "/etc/app/more"], ["name": "outer", "mountPath": "/etc/app"],
        ]
        for word in ["one", "two"] {
            let maps = ["outer": map("outer", ["a": .string(word)]), "inner": map("inner", ["b": "inside"])]
            let root = try bench.prepare(volumes, mounts, maps: maps)
            #expect(bench.text(root + "/etc/app/a") == word)
            #expect(bench.text(root + "/etc/app/more/b") == "inside")
        }
        let changed = ["outer": map("outer", ["a": "three"]), "inner": map("inner", ["b": "inside"])]
        var pod = KubeObject(.pods, namespace: "default", name: "p")
        pod["spec"] = ["volumes": volumes]
        bench.folder.refreshVolumes(pod: pod, address: "", sources: ContainerCommand.Sources(configMaps: changed))
        let root = bench.folder.root(of: ["name": "main"])
        #expect(bench.text(root + "/etc/app/a") == "three" && bench.text(root + "/etc/app/more/b") == "inside")
    }

    @Test("A mount doesn't hide files that a volume holds already")
    func occupied() throws {
        let bench = try Bench()
        defer { bench.remove() }
        let volumes: JSONValue = [["name": "data", "emptyDir": [:]], ["name": "cache", "emptyDir": [:]]]
        let outer: JSONValue = ["name": "data", "mountPath": "/data"]
        let root = try bench.prepare(volumes, [outer])
        try VolumeWriter.makeFolder(root + "/data/cache")
        try Data("kept".utf8).write(to: URL(fileURLWithPath: root + "/data/cache/x"))
        let failure = bench.refusal(volumes, [outer, ["name": "cache", "mountPath": "/data/cache"]])
        #expect(failure?.kind == .mount && failure?.message.contains("something is there") ?? false)
        #expect(bench.text(bench.folder.path + "/volumes/data/cache/x") == "kept")
    }

    @Test("A volume whose object is gone doesn't keep the others from being brought up to date")
    func refresh() throws {
        let bench = try Bench()
        defer { bench.remove() }
        var map = KubeObject(.configMaps, namespace: "default", name: "there")
        map.json["data"] = ["a": "1"]
        var pod = KubeObject(.pods, namespace: "default", name: "p")
        pod["spec"] = [
            "volumes": [
                ["name": "gone", "configMap": ["name": "gone"]], ["name": "there", "configMap": ["name": "there"]],
            ]
        ]
        let sources = ContainerCommand.Sources(configMaps: ["there": map])
        #expect(throws: StartFailure.self) {
            try bench.folder.prepareVolumes(pod: pod, address: "", sources: sources)
        }
        bench.folder.refreshVolumes(pod: pod, address: "", sources: sources)
        #expect(bench.text(bench.folder.path + "/volumes/there/a") == "1")
    }

    @Test("One task at a time passes a turnstile, in the order in which they came")
    func turnstile() async {
        let turnstile = Turnstile()
        let (gate, open) = AsyncStream<Void>.makeStream()
        let (said, say) = AsyncStream<String>.makeStream()
        await withDiscardingTaskGroup { group in
            group.addTask {
                await turnstile.pass {
                    say.yield("first in")
                    for await _ in gate { break }
                    say.yield("first out")
                }
            }
            var words = said.makeAsyncIterator()
            #expect(await words.next() == "first in")
            group.addTask { await turnstile.pass { () async -> Void in say.yield("second") } }
            await Task.yield()
            open.yield()
            #expect(await words.next() == "first out")
            #expect(await words.next() == "second")
        }
    }
}
