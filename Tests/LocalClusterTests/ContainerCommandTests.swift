// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel
import Testing

@testable import LocalCluster

@Suite("The command line and environment of a container")
struct ContainerCommandTests {
    @Test("variables come from the node, then from the image, then from the container")
    func variables() throws {
        let image = LocalImages.Entry(
            image: "demo",
            executable: "/bin/demo",
            environment: ["LIBRARY": "/lib/demo.so", "LEVEL": "info", "PATH": "/demo"]
        )
        let container: JSONValue = [
            "name": "main",
            "env": [["name": "LEVEL", "value": "debug"], ["name": "COPY", "value": "$(LIBRARY)"]],
        ]
        let command = try ContainerCommand(
            pod: KubeObject(.pods, namespace: "shop", name: "web"),
            container: container,
            image: image,
            address: "127.64.0.1",
            searchPath: "/bin",
            sources: ContainerCommand.Sources()
        )
        #expect(
            command.environment == [
                "PATH": "/demo", "POD_IP": "127.64.0.1", "MODELFLEET_HOST": "127.64.0.1", "HOSTNAME": "web",
                "LIBRARY": "/lib/demo.so", "LEVEL": "debug", "COPY": "/lib/demo.so",
            ]
        )
    }
}
