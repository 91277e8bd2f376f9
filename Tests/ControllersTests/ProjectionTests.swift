// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import FleetAPI
import KubeModel
import KubeRuntime
import KubeTesting
import Templates
import Testing

@testable import Controllers

@Suite("What the operator keeps of objects")
struct ProjectionTests {
    @Test("a projected object covers whatever it covered whole")
    func coverage() throws {
        var model = OperatorHarness.model()
        model.json.set("uid-1", at: "metadata", "uid")
        for body in try RenderPreview.objects(for: model, runtimes: [ServingRuntime.builtIn]) {
            let type: ResourceType = body.kind == "Deployment" ? .deployments : .services
            var live = AppliedBody.make(type, body, live: nil)
            live["metadata", "managedFields"] = [["manager": "modelfleet"]]
            let wanted = AppliedBody.make(type, body, live: live)
            let projection: ObjectProjection = body.kind == "Deployment" ? .deployments : .applied
            #expect(Coverage.covers(projection.apply(to: live).json, wanted.json))
        }
    }

    @Test("annotations that a template may set stay, those of other programs go")
    func annotations() {
        var object = Make.object(.deployments, "d")
        object.annotations = [
            "example.com/from-a-template": "1", "kubectl.kubernetes.io/last-applied-configuration": "{}",
            "deployment.kubernetes.io/revision": "3", FleetAPI.revisionHashAnnotation: "h",
        ]
        let kept = ObjectProjection.deployments.apply(to: object).annotations
        #expect(kept == ["example.com/from-a-template": "1", FleetAPI.revisionHashAnnotation: "h"])
        #expect(ObjectProjection.models.apply(to: object).annotations == [FleetAPI.revisionHashAnnotation: "h"])
    }

    @Test("a pod's failure, lateness and readiness read the same from what is kept")
    func pods() {
        let now = WallTime(nanoseconds: 1_767_225_600_000_000_000)
        let probe: JSONValue = ["httpGet": ["path": "/v2/health/ready", "port": "http"]]
        let terminated: JSONValue = ["exitCode": 1, "message": "no model\n"]
        let statuses: [JSONValue] = [
            OperatorHarness.ready("10.0.0.1"),
            OperatorHarness.waiting("ImagePullBackOff", "no such image"),
            OperatorHarness.waiting("CrashLoopBackOff", "back-off", terminated: terminated),
            [
                "startTime": "2025-12-31T23:00:00Z",
                "conditions": [["type": "Ready", "status": "False", "reason": "ContainersNotReady"]],
                "containerStatuses": [["name": "server", "ready": false, "started": false, "restartCount": 0]],
            ],
            ["conditions": [["type": "PodScheduled", "status": "False", "message": "0/3 nodes"]]],
        ]
        for status in statuses {
            var pod = Make.pod("p", labels: [FleetAPI.modelLabel: "m", FleetAPI.revisionLabel: "2"])
            pod["spec"] = [
                "containers": [
                    ["name": "server", "image": "i:1", "readinessProbe": probe, "startupProbe": probe, "env": []]
                ],
                "volumes": [["name": "v", "emptyDir": [:]]],
            ]
            pod["status"] = status
            let kept = ObjectProjection.pods.apply(to: pod)
            #expect(kept["spec", "volumes"] == nil && kept["spec", "containers"]?[0]?["env"] == nil)
            #expect(PodDiagnosis.failure(of: [kept], now: now) == PodDiagnosis.failure(of: [pod], now: now))
            #expect(PodDiagnosis.nextLook([kept], now: now) == PodDiagnosis.nextLook([pod], now: now))
            #expect(PodDiagnosis.isReady(kept) == PodDiagnosis.isReady(pod))
            #expect(kept["status", "podIP"] == pod["status", "podIP"])
            #expect(ModelObservation.revision(of: kept) == 2)
        }
    }
}
