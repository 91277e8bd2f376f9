// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import KubeAPI
import KubeModel

extension LocalRun {
    /// Installs what the operator needs, as a user does: the printed definitions and the built-in runtime.
    func install() async throws {
        let printed = try await ProgramRun.result(Programs.modelfleet(), ["crds"], folder: folder)
        for definition in try Samples.objects(printed.output) {
            try await client.apply(.customResourceDefinitions, definition)
        }
        let file = Programs.project + "/manifests/runtimes/modelfleet-onnx.yaml"
        for runtime in try Samples.objects(String(contentsOfFile: file, encoding: .utf8)) {
            _ = try await eventually(within: .seconds(10), "the kind ServingRuntime") {
                do throws(KubeError) {
                    return try await client.apply(Samples.runtimes, runtime)
                } catch {
                    if error.isNotFound { return nil }
                    throw error
                }
            }
        }
    }

    /// Starts an operator as a program of its own.
    func startOperator() throws -> ProgramRun {
        try ProgramRun(
            Programs.modelfleet(),
            ["operator", "--kubeconfig", kubeconfig, "--stop-with-parent", "--log-level", "warning"],
            folder: folder
        )
    }
}
