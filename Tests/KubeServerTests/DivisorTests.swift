// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import KubeModel
import Testing

@Suite("The units in which a pod may be told of its resources")
struct DivisorTests {
    private func problems(_ resource: String, _ divisor: String) async throws -> String {
        let reference: JSONValue = [
            "containerName": "main", "resource": .string(resource), "divisor": .string(divisor),
        ]
        let item: JSONValue = ["path": "a", "resourceFieldRef": reference]
        let pod: JSONValue = [
            "apiVersion": "v1", "kind": "Pod", "metadata": ["name": "p"],
            "spec": [
                "containers": [
                    [
                        "name": "main", "image": "i",
                        "env": [["name": "A", "valueFrom": ["resourceFieldRef": reference]]],
                    ]
                ],
                "volumes": [
                    ["name": "v", "downwardAPI": ["items": [item]]],
                    ["name": "w", "projected": ["sources": [["downwardAPI": ["items": [item]]]]]],
                ],
            ],
        ]
        let (code, body) = try await TestClient().json(.post, "/api/v1/namespaces/default/pods", pod)
        #expect(code == 201 || code == 422)
        return body["message"]?.string ?? ""
    }

    @Test(
        "A unit that makes sense is taken",
        arguments: [
            ("limits.cpu", "1m"), ("requests.cpu", "1"), ("limits.cpu", "1000m"), ("limits.memory", "1024Ki"),
            ("limits.memory", "0"), ("limits.hugepages-2Mi", "1Mi"), ("limits.ephemeral-storage", "1Gi"),
        ]
    )
    func taken(resource: String, divisor: String) async throws {
        #expect(try await problems(resource, divisor) == "")
    }

    @Test(
        "Any other is refused, in variables and in files",
        arguments: [
            ("limits.cpu", "1n", "cpu"), ("limits.memory", "1n", "memory"), ("requests.memory", "2", "memory"),
            ("requests.ephemeral-storage", "1m", "local ephemeral storage"),
            ("requests.hugepages-2Mi", "3", "hugepages"),
        ]
    )
    func refused(resource: String, divisor: String, word: String) async throws {
        let message = try await problems(resource, divisor)
        for place in [
            "spec.containers[0].env[0].valueFrom", "spec.volumes[0].downwardAPI.items[0]",
            "spec.volumes[1].projected.sources[0].downwardAPI.items[0]",
        ] {
            #expect(
                message.contains(
                    "\(place).resourceFieldRef.divisor: Invalid value: \"\(resource)\": only divisor's values 1"
                )
            )
        }
        #expect(message.contains("are supported with the \(word) resource"))
    }
}
