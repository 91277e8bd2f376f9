// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import CurlHTTP
import Foundation
import HTTPMessages
import HTTPTypes
import KubeAPI
import KubeModel

extension LocalRun {
    /// A model of the namespace `default`, as it is.
    func model(_ name: String) async throws -> KubeObject {
        try await client.get(Samples.models, ObjectKey(namespace: "default", name: name))
    }

    /// A model's pods that aren't on their way out, by name.
    func pods(of name: String) async throws -> [KubeObject] {
        let options = ListOptions(labelSelector: LabelSelector(matching: ["modelfleet.dev/model": name]))
        return try await client.list(.pods, namespace: "default", options: options).items
            .filter { !$0.isBeingDeleted }.sorted { $0.name < $1.name }
    }

    /// How many replicas a model's first revision is asked to have.
    func replicas(of name: String) async throws -> Int {
        try await client.get(.deployments, ObjectKey(namespace: "default", name: "\(name)-r1"))["spec", "replicas"]?.int
            ?? 1
    }

    /// Waits until a model's first revision is asked for so many replicas, and has them, all ready.
    func settles(_ name: String, at wanted: ClosedRange<Int>, within limit: Duration = .seconds(45)) async throws {
        _ = try await eventually(
            within: limit,
            "\(wanted) replicas of \(name)",
            seen: { program.output },
            pause: .milliseconds(200)
        ) { () -> Bool? in
            let key = ObjectKey(namespace: "default", name: "\(name)-r1")
            guard let deployment = try await client.find(.deployments, key) else { return nil }
            let count = deployment["spec", "replicas"]?.int ?? 1
            let ready = deployment["status", "readyReplicas"]?.int ?? 0
            return wanted.contains(count) && ready == count ? true : nil
        }
    }

    /// Waits until a model's last decision says something, and answers the whole sentence.
    @discardableResult
    func decides(_ name: String, _ words: String, within limit: Duration = .seconds(30)) async throws -> String {
        var last = ""
        return try await eventually(
            within: limit,
            "a decision about \(name) that says \"\(words)\"",
            seen: { "The last one: \(last)" },
            pause: .milliseconds(200)
        ) {
            last = try await model(name)["status", "scaling", "lastDecision", "message"]?.string ?? ""
            return last.contains(words) ? last : nil
        }
    }

    /// Changes `spec.scaling` of a model.
    func patchScaling(_ name: String, _ scaling: JSONValue) async throws {
        let key = ObjectKey(namespace: "default", name: name)
        _ = try await client.patch(Samples.models, key, .merge(["spec": ["scaling": scaling]]))
    }

    /// The address and port at which a model's Service is reached from here.
    func address(of name: String) async throws -> (host: String, port: Int) {
        let service = try await client.get(.services, ObjectKey(namespace: "default", name: name))
        guard let host = service["spec", "clusterIP"]?.string, let port = service["spec", "ports"]?[0]?["port"]?.int
        else { throw TestFailure("the Service \(name) has no address: \(service.json.jsonText)") }
        return (host, port < 1024 && getuid() != 0 ? port + 8000 : port)
    }

    /// A client that asks a model for predictions.
    func strictClient(_ name: String, inHalves: Bool = false) async throws -> StrictClient {
        let (host, port) = try await address(of: name)
        let body = Array(#"{"instances":[[5.1,3.5,1.4,0.2]]}"#.utf8)
        return StrictClient(host, port: port, path: "/v1/models/\(name):predict", body: body, inHalves: inHalves)
    }

    /// Tells a fixture server what to do; see `FixtureServer`.
    func tell(_ pod: KubeObject, _ path: String, _ body: String = "") async throws {
        guard let address = pod["status", "podIP"]?.string else { throw TestFailure("\(pod.name) has no address") }
        let head = HTTPRequest(method: .post, scheme: "http", authority: "\(address):8080", path: path)
        let request = HTTPRequestMessage(head: head, body: StreamingBody(Array(body.utf8)), timeout: .seconds(5))
        let response = try await curl.exchange(request)
        guard response.head.status == .ok else { throw TestFailure("\(path) of \(pod.name): \(response.head.status)") }
    }

    /// Waits until a fixture server's page was read twice since it was set.
    func isRead(_ pod: KubeObject) async throws {
        let address = pod["status", "podIP"]?.string ?? ""
        let head = HTTPRequest(method: .get, scheme: "http", authority: "\(address):8080", path: "/reads")
        _ = try await eventually(within: .seconds(20), "the new page of \(pod.name) is read") { () -> Bool? in
            let response = try await curl.exchange(HTTPRequestMessage(head: head, timeout: .seconds(5)))
            let text = String(decoding: try await response.body.collect(upTo: 100), as: UTF8.self)
            return (Int(text) ?? 0) >= 2 ? true : nil
        }
    }
}

extension Samples {
    /// A real server whose requests each take some time, so that as many are in flight as clients ask at once.
    static func slowModel(_ name: String, milliseconds: Int, scaling: JSONValue = [:]) -> KubeObject {
        var model = model(name)
        let wait: JSONValue = [
            "name": "MODELFLEET_MAX_BATCH_WAIT_MILLISECONDS", "value": .string(String(milliseconds)),
        ]
        model["spec", "template"] = ["spec": ["containers": [["name": "server", "env": [wait]]]]]
        for (key, value) in scaling.object ?? JSONObject() { model["spec", "scaling", key] = value }
        return model
    }

    /// The runtime of the fixture server.
    static var fixtureRuntime: KubeObject {
        var object = runtime("fixture", image: "fixture/server:1", arguments: [])
        object["spec", "metrics"] = [
            "queueLength": ["name": "modelfleet_queue_length"], "inFlight": ["name": "modelfleet_requests_in_flight"],
        ]
        return object
    }

    /// A model on the fixture server.
    static func fixtureModel(_ name: String, scaling: JSONValue) -> KubeObject {
        var model = model(name, uri: "file:///dev/null", format: "fixture")
        for (key, value) in scaling.object ?? JSONObject() { model["spec", "scaling", key] = value }
        return model
    }
}
