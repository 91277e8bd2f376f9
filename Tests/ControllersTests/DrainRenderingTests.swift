// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import FleetAPI
import KubeModel
import Testing

@testable import Controllers

@Suite("How pods are told to end")
struct DrainRenderingTests {
    private func runtime(_ drain: JSONValue?) -> KubeObject {
        var runtime = ServingRuntime.builtIn
        if let drain { runtime["spec", "drain"] = drain }
        return runtime
    }

    private func pod(_ drain: JSONValue?) throws -> JSONValue {
        let runtime = runtime(drain)
        #expect(ServingRuntimeValidation.validate(runtime.json).errors.isEmpty)
        let objects = try RenderPreview.objects(for: OperatorHarness.model(), runtimes: [runtime])
        let deployment = try #require(objects.first { $0.kind == "Deployment" })
        return try #require(deployment["spec", "template", "spec"])
    }

    @Test("this package's server needs no hook, and five seconds beyond its limit of 25")
    func own() throws {
        let pod = try pod(nil)
        #expect(pod["terminationGracePeriodSeconds"] == 30)
        #expect(pod["containers"]?[0]?["lifecycle"] == nil)
    }

    @Test("a server that stops taking requests at SIGTERM gets a sleep before it, which the grace period has room for")
    func hook() throws {
        let pod = try pod(["preStopSeconds": 15, "limitSeconds": 120])
        #expect(pod["terminationGracePeriodSeconds"] == 140)
        #expect(pod["containers"]?[0]?["lifecycle"] == ["preStop": ["sleep": ["seconds": 15]]])
        #expect(try self.pod(["preStopSeconds": 5])["terminationGracePeriodSeconds"] == 35)
        #expect(try self.pod(["limitSeconds": 60])["containers"]?[0]?["lifecycle"] == nil)
    }

    @Test("a drain makes a new revision, and a runtime without one keeps its revisions")
    func revisions() {
        let model = ModelDeployment(OperatorHarness.model())
        func hash(_ drain: JSONValue?) -> String {
            RevisionInput(model: model, runtime: ServingRuntime(runtime(drain))).hash
        }
        #expect(hash(["preStopSeconds": 5]) != hash(nil))
        #expect(hash(["preStopSeconds": 5]) != hash(["preStopSeconds": 6]))
        // As it was before there was a drain: another one would replace the pods of every model.
        let plain = ServingRuntime(runtime(nil))
        let parts: JSONValue = [
            "model": model.object["spec", "model"] ?? .null, "resources": model.object["spec", "resources"] ?? .null,
            "template": .null, "container": plain.container, "port": 8080,
        ]
        #expect(hash(nil) == Fingerprint.of(parts))
    }

    @Test("a fingerprint is what it always was: another one would be applied to every model")
    func fingerprint() {
        // FNV-1a of {"a":[1,true,null],"b":"x"}, then of the same bytes from the back, by another program.
        #expect(Fingerprint.of(["b": "x", "a": [1, true, .null]]) == "cee5eab56a1f1498d545432053997b88")
    }

    @Test("what is no number of seconds is refused", arguments: ["preStopSeconds", "limitSeconds"])
    func refused(field: String) {
        for value in [-1, 100_000] as [JSONValue] {
            let errors = ServingRuntimeValidation.validate(runtime([field: value]).json).errors
            #expect(errors.contains { $0.field == "spec.drain.\(field)" }, "\(value)")
        }
    }
}
