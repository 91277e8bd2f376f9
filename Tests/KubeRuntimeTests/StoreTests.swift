// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeModel
import KubeTesting
import Synchronization
import Testing

@testable import KubeRuntime

@Suite("Stores")
struct StoreTests {
    /// A Deployment as a fleet has thousands of: alike but for names, times and numbers.
    static func deployment(_ number: Int, version: Int = 1, ready: Int = 1) -> KubeObject {
        let name = "model-\(number)-r1"
        var object = Make.object(
            .deployments,
            name,
            uid: "9a5f3c1e-0000-4000-8000-\(100_000_000_000 + number)",
            version: "\(number * 10 + version)",
            labels: ["modelfleet.dev/model": "model-\(number)", "modelfleet.dev/revision": "1"],
            owner: Make.object(.services, "model-\(number)", uid: "owner-\(number)")
        )
        let container: JSONValue = [
            "name": "server", "image": "modelfleet/server:0.1.0", "terminationMessagePolicy": "FallbackToLogsOnError",
            "args": ["--model-name", .string(name), "--model-uri", .string("file:///models/\(number).onnx")],
            "ports": [["name": "http", "containerPort": 8080, "protocol": "TCP"]],
            "readinessProbe": ["httpGet": ["path": "/v2/health/ready", "port": "http"], "periodSeconds": 1],
            "resources": ["requests": ["cpu": "500m", "memory": "512Mi"]],
        ]
        object["spec"] = [
            "replicas": 1, "selector": ["matchLabels": ["modelfleet.dev/model": .string("model-\(number)")]],
            "template": ["spec": ["containers": [container], "terminationGracePeriodSeconds": 30]],
        ]
        object["status"] = ["replicas": 1, "readyReplicas": JSONValue(ready), "ratio": 0.25, "paused": false]
        object["metadata", "managedFields"] = [
            ["manager": "modelfleet", "operation": "Apply", "fieldsV1": ["f:a": [:]]]
        ]
        return object
    }

    private static func withoutManagedFields(_ object: KubeObject) -> KubeObject {
        var object = object
        object["metadata", "managedFields"] = nil
        return object
    }

    @Test("what is read is what was put, in both forms", arguments: [false, true])
    func roundTrip(packed: Bool) {
        let store = ObjectStore(packed ? .packed : .whole)
        for number in 0..<200 { store.put(Self.deployment(number)) }
        for number in 0..<200 {
            let object = Self.deployment(number)
            #expect(store.object(object.key) == Self.withoutManagedFields(object))
        }
        #expect(store.count == 200)
        #expect(store.all().map(\.key) == store.keys())
    }

    @Test("objects of a kind shrink to what they don't have in common")
    func shrinks() throws {
        let store = ObjectStore(.packed)
        var (plain, packed) = (0, 0)
        for number in 0..<500 {
            let object = Self.deployment(number)
            store.put(object)
            plain += Self.withoutManagedFields(object).json.encoded().count
            if case .packed(let bytes, _)? = store.stored(object.key)?.content { packed += bytes.count }
        }
        #expect(packed > 0 && packed * 5 < plain, "\(packed) of \(plain) bytes")
        #expect(store.state.withLock { $0.dictionary.bytes.count } <= CompactDictionary.limit)
    }

    @Test("objects unlike any other keep their content, whatever the dictionary has learned")
    func strangers() {
        let random = SeededRandom(seed: 5)
        let store = ObjectStore(.packed)
        var expected: [ObjectKey: KubeObject] = [:]
        for number in 0..<300 {
            var object = Make.object(.configMaps, "c\(number)", version: "1")
            let size = Int(random.next() % 2000)
            // Short alphabets give many repeats, long ones none.
            let alphabet = 1 + random.next() % 90
            let text = String(decoding: (0..<size).map { _ in UInt8(35 + random.next() % alphabet) }, as: UTF8.self)
            object["data"] = ["text": .string(text), "number": .integer(Int64(bitPattern: random.next())), "n": .null]
            store.put(object)
            expected[object.key] = object
        }
        for (key, object) in expected { #expect(store.object(key) == object) }
    }

    @Test("a resource version alone is no change in the packed form, and is kept")
    func versionAlone() throws {
        let store = ObjectStore(.packed)
        let first = Self.deployment(1)
        #expect(store.put(first)?.before == nil)
        let stored = try #require(store.stored(first.key))
        var second = first
        second.resourceVersion = "77"
        second["metadata", "managedFields"] = nil
        #expect(store.put(second) == nil)
        #expect(store.stored(first.key)?.resourceVersion == "77")
        #expect(store.stored(first.key)?.revision == stored.revision)
        #expect(store.object(first.key)?.resourceVersion == "77")
        second["status", "readyReplicas"] = 0
        let change = try #require(store.put(second))
        #expect(change.old?["status", "readyReplicas"] == 1 && change.new?["status", "readyReplicas"] == 0)
        #expect(try #require(change.after).revision > stored.revision)
    }

    @Test("finds by owner, namespace and label, also after these changed", arguments: [false, true])
    func indexes(packed: Bool) {
        let store = ObjectStore(packed ? .packed : .whole, indexing: ["app"])
        let owner = Make.object(.deployments, "d", uid: "u1")
        let other = Make.object(.deployments, "e", uid: "u2")
        for name in ["a", "b", "c"] { store.put(Make.pod(name, labels: ["app": "x", "tier": "1"], owner: owner)) }
        store.put(Make.pod("a", namespace: "far", labels: ["app": "x"]))
        let isX = LabelSelector(matching: ["app": "x"])
        #expect(store.owned(byUID: "u1").map(\.name) == ["a", "b", "c"])
        #expect(store.matching(isX, namespace: "default").map(\.name) == ["a", "b", "c"])
        #expect(store.matching(isX).count == 4)
        #expect(store.all(namespace: "far").map(\.name) == ["a"])
        store.put(Make.pod("b", labels: ["app": "y", "tier": "1"], owner: other))
        store.remove(ObjectKey(namespace: "default", name: "c"))
        #expect(store.owned(byUID: "u1").map(\.name) == ["a"])
        #expect(store.owned(byUID: "u2").map(\.name) == ["b"])
        #expect(store.matching(isX, namespace: "default").map(\.name) == ["a"])
        let either = LabelSelector(requirements: [.init("app", .isIn, ["x", "y"]), .init("tier", .exists)])
        #expect(store.matching(either).map(\.name) == ["a", "b"])
        #expect(store.matching(LabelSelector(matching: ["tier": "1"])).map(\.name) == ["a", "b"])
        #expect(store.matching(.nothing).isEmpty)
    }

    @Test("a list that comes in pieces drops only at its end what it didn't show")
    func lists() {
        let store = ObjectStore(.packed)
        store.replaceAll([Self.deployment(1), Self.deployment(2), Self.deployment(3)])
        store.beginList()
        store.put(Self.deployment(1))
        #expect(store.count == 3, "nothing goes while the list is read")
        store.beginList()
        store.put(Self.deployment(2))
        store.put(Self.deployment(4))
        #expect(store.finishList().map(\.key.name) == ["model-1-r1", "model-3-r1"])
        #expect(store.keys().map(\.name) == ["model-2-r1", "model-4-r1"])
    }

    @Test("what is packed unpacks, and cut bytes read as something without a crash")
    func cutBytes() {
        let plain = CompactJSON.encode(Self.deployment(7).json)
        let dictionary = CompactDictionary(CompactJSON.encode(Self.deployment(8).json))
        let packed = dictionary.pack(plain)
        #expect(dictionary.unpack(packed) == plain)
        for count in 0..<packed.count {
            _ = CompactJSON.decode(dictionary.unpack(Array(packed[..<count])), version: "")
        }
        for count in 0..<plain.count { _ = CompactJSON.decode(Array(plain[..<count]), version: "") }
        let random = SeededRandom(seed: 4)
        for _ in 0..<2000 {
            var bytes = plain
            bytes[Int(random.next() % UInt64(bytes.count))] = UInt8(truncatingIfNeeded: random.next())
            _ = CompactJSON.decode(bytes, version: "")
            _ = CompactJSON.decode(bytes, version: "", keeping: ObjectProjection.everything.dropping("spec").rule)
            var other = packed
            other[Int(random.next() % UInt64(other.count))] = UInt8(truncatingIfNeeded: random.next())
            _ = dictionary.unpack(other)
        }
    }

    @Test("a projection keeps and drops by path, through arrays")
    func projection() throws {
        let projection = ObjectProjection.withoutManagedFields
            .keepingOnly(["example.com/*", "exact"], at: "metadata", "annotations")
            .keepingOnly(["name"], at: "spec", "containers")
            .dropping("status", "conditions", "lastProbeTime")
        var object = Self.deployment(1)
        object.annotations = ["example.com/a": "1", "exact": "2", "exactly": "3", "other.com/a": "4"]
        object["spec"] = ["containers": [["name": "a", "image": "i"], ["image": "j"]], "nodeName": "n"]
        object["status"] = ["conditions": [["type": "Ready", "lastProbeTime": "t"]]]
        let kept = projection.apply(to: object)
        #expect(kept.annotations == ["example.com/a": "1", "exact": "2"])
        #expect(kept["spec"] == ["containers": [["name": "a"], [:]], "nodeName": "n"])
        #expect(kept["status"] == ["conditions": [["type": "Ready"]]])
        #expect(kept["metadata", "managedFields"] == nil)
        let store = ObjectStore(.packed, projection: projection)
        store.put(object)
        #expect(store.object(object.key) == kept)
        // Reading a part is as reading all and dropping the rest.
        let part = ObjectProjection.everything.dropping("spec", "containers", "name").dropping("status", "conditions")
            .keepingOnly(["ownerReferences", "resourceVersion"], at: "metadata")
        for form in [ObjectStore.Form.whole, .packed] {
            let store = ObjectStore(form, projection: .everything)
            store.put(object)
            #expect(store.stored(object.key)?.object(keeping: part) == part.apply(to: object))
            #expect(store.stored(object.key)?.object(keeping: .everything) == object)
            let uid = try #require(object.ownerReferences.first?.uid)
            #expect(store.owned(byUID: uid, keeping: part) == [part.apply(to: object)])
        }
        #expect(
            projection.dropping("spec").keepingOnly(["x"], at: "spec", "containers").apply(to: object)["spec"] == nil
        )
    }
}
