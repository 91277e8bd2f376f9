// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import KubeAPI
import KubeModel
import Testing

@Suite("Requests")
struct RequestTests {
    private let key = ObjectKey(namespace: "shop", name: "churn")

    @Test("paths follow group, version, namespace and subresource")
    func paths() {
        #expect(KubeRequest.get(.pods, key).target == "/api/v1/namespaces/shop/pods/churn")
        #expect(KubeRequest.get(.deployments, key).target == "/apis/apps/v1/namespaces/shop/deployments/churn")
        #expect(
            KubeRequest.get(.deployments, key, subresource: "scale").target
                == "/apis/apps/v1/namespaces/shop/deployments/churn/scale"
        )
        #expect(KubeRequest.get(.nodes, ObjectKey(namespace: nil, name: "a")).target == "/api/v1/nodes/a")
        #expect(
            KubeRequest.get(.pods, ObjectKey(namespace: "a b", name: "c?d")).target
                == "/api/v1/namespaces/a%20b/pods/c%3Fd"
        )
    }

    @Test("a list names selectors, limit and versions, and a further page its token alone")
    func list() throws {
        let options = ListOptions(
            labelSelector: try LabelSelector(parsing: "a=b,c in (d,e)"),
            fieldSelector: FieldSelector(name: "x"),
            limit: 10,
            resourceVersion: "7",
            resourceVersionMatch: .exact
        )
        #expect(
            KubeRequest.list(.pods, namespace: nil, options: options).target
                == "/api/v1/pods?labelSelector=a%3Db%2Cc%20in%20%28d%2Ce%29&fieldSelector=metadata.name%3Dx&limit=10"
                + "&resourceVersion=7&resourceVersionMatch=Exact"
        )
        let page = ListOptions(limit: 10, resourceVersion: "7", resourceVersionMatch: .exact)
        #expect(
            KubeRequest.list(.pods, namespace: "n", options: page, continueToken: "a+/=").target
                == "/api/v1/namespaces/n/pods?limit=10&continue=a%2B%2F%3D"
        )
        #expect(KubeRequest.list(.pods, namespace: nil, options: ListOptions(limit: nil)).target == "/api/v1/pods")
    }

    @Test("a watch names bookmarks, initial events and its time-out")
    func watch() {
        #expect(
            KubeRequest.watch(.pods, namespace: nil, options: WatchOptions(resourceVersion: "5")).target
                == "/api/v1/pods?watch=true&resourceVersion=5&allowWatchBookmarks=true"
        )
        let streaming = WatchOptions(sendsInitialEvents: true, timeout: .seconds(300))
        #expect(
            KubeRequest.watch(.pods, namespace: nil, options: streaming).target
                == "/api/v1/pods?watch=true&allowWatchBookmarks=true&sendInitialEvents=true"
                + "&resourceVersionMatch=NotOlderThan&timeoutSeconds=300"
        )
    }

    @Test("writes name the field manager, validation, dry run and force")
    func writes() {
        let object = KubeObject(.configMaps, namespace: "shop", name: "churn")
        let path = "/api/v1/namespaces/shop/configmaps"
        let options = WriteOptions(fieldManager: "me", fieldValidation: .strict, isDryRun: true)
        let query = "fieldManager=me&fieldValidation=Strict"
        let create = KubeRequest.create(.configMaps, object, fieldManager: "m", options: options)
        #expect(create.method == .post && create.target == "\(path)?\(query)&dryRun=All")
        let replace = KubeRequest.replace(.configMaps, object, subresource: "status", fieldManager: "m")
        #expect(replace.method == .put && replace.target == "\(path)/churn/status?fieldManager=m")
        let apply = KubeRequest.apply(.configMaps, object, force: true, fieldManager: "m", options: options)
        #expect(apply.method == .patch && apply.target == "\(path)/churn?\(query)&force=true&dryRun=All")
        #expect(apply.contentType == "application/apply-patch+yaml")
        #expect(apply.body == object.json)
    }

    @Test(
        "a patch's kind is its content type",
        arguments: [
            (PatchBody.json([["op": "remove", "path": "/a"]]), "application/json-patch+json"),
            (.merge(["a": .null]), "application/merge-patch+json"),
            (.strategicMerge(["a": 1]), "application/strategic-merge-patch+json"),
        ]
    )
    func patches(patch: PatchBody, contentType: String) {
        let request = KubeRequest.patch(.pods, key, patch, fieldManager: "m")
        #expect(request.method == .patch && request.contentType == contentType && request.body == patch.json)
    }

    @Test("a deletion says its options in the body")
    func deletion() {
        #expect(DeleteOptions().json == ["apiVersion": "v1", "kind": "DeleteOptions"])
        let options = DeleteOptions(
            propagation: .foreground,
            gracePeriodSeconds: 0,
            uid: "u",
            resourceVersion: "3",
            isDryRun: true
        )
        #expect(
            KubeRequest.delete(.pods, key, options: options).body == [
                "apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Foreground", "gracePeriodSeconds": 0,
                "preconditions": ["uid": "u", "resourceVersion": "3"], "dryRun": ["All"],
            ]
        )
    }
}

@Suite("Watch lines")
struct WatchLineTests {
    private static let stream = """
        {"type":"ADDED","object":{"kind":"Pod","metadata":{"name":"a\u{e9}","resourceVersion":"1"}}}
        {"type":"MODIFIED","object":{"kind":"Pod","metadata":{"name":"b"}}}\r

        {"type":"DELETED","object":{"kind":"Pod","metadata":{"name":"c"}}}
        {"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"9","annotations":{"k8s.io/initial-events-end":"true"}}}}
        {"type":"NEWS","object":{}}
        {"type":"ERROR","object":{"kind":"Status","status":"Failure","code":410,"reason":"Expired","message":"old"}}

        """

    @Test("events are the same wherever the chunks are cut")
    func splits() throws {
        let bytes = Array(Self.stream.utf8)
        var whole = WatchLineDecoder()
        let expected = try whole.push(bytes)
        #expect(expected.count == 5)
        #expect(expected[3] == .bookmark(resourceVersion: "9", endsInitialList: true))
        #expect(expected[4] == .error(APIStatus(code: 410, reason: "Expired", message: "old")))
        for size in [1, 2, 3, 7, 64, 100] {
            var decoder = WatchLineDecoder()
            var events: [WatchEvent] = []
            for start in stride(from: 0, to: bytes.count, by: size) {
                events += try decoder.push(Array(bytes[start..<min(start + size, bytes.count)]))
            }
            #expect(events == expected, "chunks of \(size)")
            #expect(decoder.finish() == nil)
        }
    }

    @Test("a last line without a break counts when it is whole, and not when it is cut")
    func lastLine() throws {
        let line = Array(#"{"type":"ADDED","object":{"kind":"Pod"}}"#.utf8)
        var decoder = WatchLineDecoder()
        #expect(try decoder.push(line).isEmpty)
        #expect(decoder.finish() == .added(KubeObject(["kind": "Pod"])))
        #expect(try decoder.push(line.dropLast()).isEmpty)
        #expect(decoder.finish() == nil)
    }

    @Test(
        "an event whose object can't be read says which it is",
        arguments: [("ADDED", false), ("MODIFIED", false), ("DELETED", true)]
    )
    func unreadable(type: String, isDeleted: Bool) throws {
        let deep = String(repeating: "[", count: 600) + String(repeating: "]", count: 600)
        func line(_ metadata: String) -> [UInt8] {
            Array(#"{"type":"\#(type)","object":{"spec":\#(deep),"metadata":{\#(metadata)}}}"#.utf8) + [0x0a]
        }
        var decoder = WatchLineDecoder()
        let events = try decoder.push(line(#""name":"a","namespace":"n","resourceVersion":"7""#))
        guard case .unreadable(let object)? = events.first, events.count == 1 else {
            Issue.record("\(events)")
            return
        }
        #expect(object.key == ObjectKey(namespace: "n", name: "a") && object.resourceVersion == "7")
        #expect(object.isDeleted == isDeleted && object.reason.contains("nested more than 512 levels deep"))
        #expect(throws: WatchLineDecoder.Failure.self) { try decoder.push(line(#""uid":"u""#)) }
        #expect(throws: WatchLineDecoder.Failure.self) { try decoder.push(Array("<html>\n".utf8)) }
        #expect(try decoder.push(line(#""name":"a""#).dropLast(2)).isEmpty)
        #expect(decoder.finish() == nil, "what is cut off is no event")
    }

    @Test("lines are bounded, in one chunk and over many")
    func bounded() {
        var decoder = WatchLineDecoder(maximumLineBytes: 100)
        #expect(throws: WatchLineDecoder.Failure.lineTooLong(limit: 100)) {
            for _ in 0..<101 { _ = try decoder.push([0x20]) }
        }
        var other = WatchLineDecoder(maximumLineBytes: 10)
        #expect(throws: WatchLineDecoder.Failure.self) { try other.push(Array("           \n".utf8)) }
    }

    @Test("what is no event is an error", arguments: ["x", "{}", "[]", #"{"type":"ADDED"}"#, #"{"object":{}}"#])
    func unreadable(text: String) {
        var decoder = WatchLineDecoder()
        #expect(throws: WatchLineDecoder.Failure.self) { try decoder.push(Array("\(text)\n".utf8)) }
    }
}
