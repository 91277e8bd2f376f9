// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import KubeModel
import Testing

extension EndToEnd {
    @Suite("modelfleet simulate", .serialized)
    struct SimulateCommandTests {
        /// A model, and a load of a request a second for ten minutes, in a folder of their own.
        private func run(
            _ arguments: [String],
            scaling: String = "{maxReplicas: 5, objective: {latency: {milliseconds: 3000}}}",
            models: [String] = ["iris"],
            trace: String = "time,count\n0,60\n60,60\n120,60\n",
            page: String = ""
        ) async throws -> (status: Int32, output: String) {
            let folder = try TestFolder()
            let documents = models.map { name in
                """
                apiVersion: modelfleet.dev/v1alpha1
                kind: ModelDeployment
                metadata: {name: \(name), namespace: shop}
                spec:
                  model: {format: {name: onnx}, uri: "file:///m/model.onnx"}
                  scaling: \(scaling)
                """
            }
            let files = [
                ("model.yaml", documents.joined(separator: "\n---\n")), ("load.csv", trace), ("page.txt", page),
            ]
            for (name, text) in files {
                try text.write(toFile: "\(folder.path)/\(name)", atomically: true, encoding: .utf8)
            }
            let own = ["-f", "\(folder.path)/model.yaml", "--trace", "\(folder.path)/load.csv"]
            return try await ProgramRun.result(
                Programs.modelfleet(),
                ["simulate"] + own + arguments.map { $0.replacing("FOLDER", with: folder.path) },
                folder: folder.path
            )
        }

        @Test("a model that validate refuses isn't simulated, and the message is validate's")
        func invalidModels() async throws {
            for (scaling, part) in [
                ("{maxReplicas: 0, objective: {latency: {milliseconds: 3000}}}", "spec.scaling.maxReplicas"),
                ("{maxReplicas: fifty, objective: {latency: {milliseconds: 3000}}}", "spec.scaling.maxReplicas"),
                ("{minReplicas: 9, maxReplicas: 5, objective: {latency: {milliseconds: 3000}}}", "minReplicas"),
                ("{objective: {latency: {milliseconds: -5}}}", "milliseconds"),
                ("{objective: {latency: {milliseconds: 500, percentile: 150}}}", "percentile"),
                ("{maxReplicas: 5}", "ModelDeployment iris: no spec.scaling.objective.latency"),
            ] {
                let result = try await run([], scaling: scaling)
                #expect(result.status != 0 && result.output.contains("model.yaml: ModelDeployment iris"), "\(scaling)")
                #expect(result.output.contains(part), "\(result.output)")
            }
        }

        @Test("one of several models has to be named")
        func severalModels() async throws {
            let both = try await run(["--compare", "slo"], models: ["iris", "churn"])
            #expect(both.status != 0 && both.output.contains("2 models, iris, churn; say which one with --name"))
            let one = try await run(["--compare", "slo", "--name", "churn"], models: ["iris", "churn"])
            #expect(one.status == 0 && one.output.contains("load.csv on churn: "), "\(one.output)")
            let none = try await run(["--name", "other"], models: ["iris", "churn"])
            #expect(none.status != 0 && none.output.contains("named other; there are iris, churn"))
        }

        @Test("what can't be compared or written is refused before anything runs")
        func badArguments() async throws {
            for (arguments, part) in [
                (["--compare", ""], "--compare names no policy"),
                (["--compare", "hpa, nonsense"], "no policy \"nonsense\""),
                (["--json", "-", "--html", "-"], "can't both"), (["--html", "FOLDER"], "is a directory"),
                (["--json", "FOLDER/none/x.json"], "there is no folder"),
                (["--scale", "0.0001"], "no request is left"),
                (["--metric", "x"], "--metrics-page and --metric need each other"),
                (["--trace", "FOLDER"], "is a directory"),
            ] {
                let result = try await run(arguments)
                #expect(result.status != 0 && result.output.contains(part), "\(arguments): \(result.output)")
            }
        }

        @Test("with scaleToZero the fewest replicas in use are still those of the spec")
        func scaleToZero() async throws {
            let scaling = """
                {minReplicas: 2, maxReplicas: 5, scaleToZero: {idleSeconds: 60}, objective: {latency: {milliseconds: 3000}}}
                """

            let result = try await run(["--compare", "hpa", "--json", "-"], scaling: scaling)
            #expect(result.status == 0, "\(result.output)")
            let fleet = try JSONValue(parsing: Array(result.output.utf8))["fleet"]
            #expect(fleet?["minReplicas"] == 2 && fleet?["scalesToZero"] == true, "\(result.output)")
        }

        @Test("one thing goes to the standard output, and a seed of any size is written")
        func standardOutput() async throws {
            let json = try await run(["--compare", "hpa, slo", "--json", "-", "--seed", "18446744073709551615"])
            #expect(json.status == 0, "\(json.output)")
            let value = try JSONValue(parsing: Array(json.output.utf8))
            #expect(value["policies"]?.array?.count == 2 && value["seed"] == "18446744073709551615")
            let page = try await run(["--compare", "slo", "--html", "-"])
            #expect(page.output.hasPrefix("<!DOCTYPE html>"))
        }

        @Test("the work in a request is fitted from a histogram of a recorded page")
        func metricsPage() async throws {
            let page = """
                # TYPE work_ms histogram
                work_ms_bucket{kind="a",le="100"} 0
                work_ms_bucket{kind="a",le="300"} 50
                work_ms_bucket{kind="a",le="+Inf"} 50
                work_ms_bucket{kind="b",le="100"} 0
                work_ms_bucket{kind="b",le="300"} 30
                work_ms_bucket{kind="b",le="+Inf"} 30

                """
            let arguments = ["--compare", "slo", "--json", "-", "--metrics-page", "FOLDER/page.txt", "--metric"]
            let fitted = try await run(arguments + ["work_ms"], page: page)
            let value = try JSONValue(parsing: Array(fitted.output.utf8))
            #expect(abs((value.at("fleet", "serviceSeconds")?.double ?? 0) - 0.2) < 0.001, "\(fitted.output)")
            #expect((value.at("fleet", "serviceVariation")?.double ?? 0) > 0.2)
            let other = try await run(arguments + ["works"], page: page)
            #expect(other.status != 0 && other.output.contains("no histogram works on the page; there are work_ms"))
        }

        @Test("where no setting can meet the objective, --tune says why")
        func tuneOutOfReach() async throws {
            let result = try await run(
                ["--tune"],
                scaling: "{maxReplicas: 5, objective: {latency: {milliseconds: 500}}}"
            )
            #expect(result.status != 0 && result.output.contains("settings meets the objective on this load"))
            #expect(result.output.contains("can't be met with any number of replicas"), "\(result.output)")
            #expect(!result.output.contains("a looser objective"))
        }

        @Test("what a spec has beyond the simulation is said below the table")
        func notSimulated() async throws {
            let scaling = """
                {maxReplicas: 5, paused: true, fallback: {replicas: 2}, objective: {latency: {milliseconds: 3000}}}
                """
            let result = try await run(["--compare", "slo"], scaling: scaling)
            #expect(result.output.contains("not simulated: fallback, paused"), "\(result.output)")
        }
    }
}
