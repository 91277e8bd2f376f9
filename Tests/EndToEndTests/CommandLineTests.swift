// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import KubeAPI
import KubeModel
import Testing

extension EndToEnd {
    @Suite("The command line", .serialized)
    struct CommandLineTests {
        /// Every command, and a word that its abstract holds.
        static let commands = [
            ("local", "Kubernetes"), ("operator", "operator"), ("get", "models"), ("validate", "Checks"),
            ("render", "objects"), ("crds", "definitions"), ("load", "requests"), ("demo", "loop"),
            ("rollout", "rollout"),
        ]

        private func run(_ arguments: [String], standard: [String: String] = [:]) async throws -> (
            status: Int32, output: String
        ) {
            let folder = try TestFolder()
            return try await ProgramRun.result(
                Programs.modelfleet(),
                arguments,
                folder: folder.path,
                environment: standard
            )
        }

        /// The options of a help text without a word of explanation.
        private func unexplained(_ help: String) -> [String] {
            let lines = help.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
            return lines.indices.filter { index in
                let line = lines[index]
                guard line.hasPrefix("  -") else { return false }
                if line.dropFirst(2).contains("  ") { return false }
                let next = index + 1 < lines.count ? lines[index + 1] : ""
                return !(next.hasPrefix("     ") && next.contains { !$0.isWhitespace })
            }.map { lines[$0] }
        }

        @Test("every command has an abstract, and every option a help", arguments: commands)
        func help(_ command: String, _ word: String) async throws {
            let result = try await run([command, "--help"])
            #expect(result.status == 0)
            #expect(result.output.hasPrefix("OVERVIEW: "))
            let overview = result.output.prefix { $0 != "." }
            #expect(overview.contains(word), "\(overview)")
            #expect(result.output.contains("USAGE: modelfleet \(command)"))
            #expect(unexplained(result.output) == [])
            #expect(!result.output.contains("stop-with-parent"))
            let outline = try await run(["--help"]).output
            #expect(outline.contains("  \(command)  "), "listed with its abstract")
        }

        @Test("the server's help explains every option")
        func serverHelp() async throws {
            let folder = try TestFolder()
            let result = try await ProgramRun.result(Programs.server(), ["--help"], folder: folder.path)
            #expect(result.status == 0)
            #expect(result.output.hasPrefix("OVERVIEW: "))
            #expect(result.output.contains("--model-uri"))
            #expect(unexplained(result.output) == [])
        }

        @Test("the check of help texts finds an option without help")
        func unexplainedOptions() {
            let help =
                "OPTIONS:\n  --good <x>              Words.\n  --long-one <long-one>\n                          W.\n  --bad <y>\n"
            #expect(unexplained(help) == ["  --bad <y>"])
        }

        @Test("a wrong command line ends with 64 and says how it is used")
        func usage() async throws {
            for arguments in [["nonsense"], ["load"], ["local", "--port", "70000"], ["demo", "--load-seconds", "1"]] {
                let result = try await run(arguments)
                #expect(result.status == 64, "\(arguments)")
                #expect(result.output.contains("Error: "), "\(arguments)")
            }
        }

        @Test(
            "a misspelled command or option is answered with the one that was meant",
            arguments: [
                (
                    ["explian", "iris"], "there is no command 'explian'; did you mean 'explain'?",
                    "modelfleet <subcommand>"
                ),
                (["rollout", "promot"], "did you mean 'rollout promote'?", "modelfleet <subcommand>"),
                (["loc"], "did you mean 'local'?", "modelfleet <subcommand>"),
                (["nonsense"], "there is no command 'nonsense'", "modelfleet <subcommand>"),
                (["local", "--operater"], "Did you mean '--operator'?", "modelfleet local"),
            ]
        )
        func suggestions(_ arguments: [String], _ words: String, _ usage: String) async throws {
            let result = try await run(arguments)
            #expect(result.status == 64)
            #expect(result.output.contains(words), "\(result.output)")
            #expect(result.output.contains("Usage: " + usage), "\(result.output)")
        }

        @Test("a misspelled model is answered with those that there are")
        func modelSuggestions() async throws {
            try await LocalRun.run(["--only-api-server"]) { local in
                let settings = ["KUBECONFIG": local.kubeconfig]
                func answer(_ arguments: [String]) async throws -> String {
                    let result = try await run(arguments, standard: settings)
                    #expect(result.status == 1)
                    return result.output
                }
                #expect(try await answer(["get", "iris"]).contains("there are no models in namespace default"))
                for (name, namespace) in [("iris", "default"), ("iris-canary", "default"), ("churn", "kube-public")] {
                    var model = Samples.model(name)
                    model["metadata", "namespace"] = .string(namespace)
                    try await local.client.create(Samples.models, model)
                }
                #expect(try await answer(["explain", "irsi"]).contains("not found; did you mean 'iris'?"))
                #expect(try await answer(["get", "iris-"]).contains("did you mean 'iris' or 'iris-canary'?"))
                let elsewhere = try await answer(["rollout", "status", "churn"])
                #expect(elsewhere.contains("there is one in namespace kube-public: add -n kube-public"))
                #expect(try await answer(["get", "titanic"]).contains("modelfleet get -n default lists those"))
            }
        }

        @Test("local ends at once where its kubeconfig can't be written, with the reason and what to do")
        func unwritableKubeconfig() async throws {
            let folder = try TestFolder()
            let file = folder.path + "/notes"
            try "notes".write(toFile: file, atomically: true, encoding: .utf8)
            let result = try await run(["local", "--only-api-server", "--kubeconfig", file + "/config"])
            #expect(result.status == 1)
            #expect(
                result.output.contains(
                    "Error: can't write the kubeconfig \(file)/config: can't make its folder: not a directory; "
                        + "name another file with --kubeconfig"
                ),
                "\(result.output)"
            )
        }

        @Test("load refuses durations that no timer can keep")
        func loadDurations() async throws {
            for option in ["--seconds", "--ramp-seconds", "--timeout-seconds", "--connection-seconds"] {
                for value in ["inf", "1e30", "nan", "86401"] {
                    let result = try await run(["load", "http://127.0.0.1:9/", option, value])
                    #expect(result.status == 64 && result.output.contains("Error: \(option) "), "\(option) \(value)")
                }
            }
        }

        @Test("validate accepts the examples, and names the field of a mistake")
        func validate() async throws {
            let good = try await run(["validate", "-f", "manifests/examples/iris.yaml"])
            #expect(good.status == 0, "\(good.output)")

            let folder = try TestFolder()
            let file = folder.path + "/wrong.yaml"
            let text = try String(contentsOfFile: Programs.project + "/manifests/examples/iris.yaml", encoding: .utf8)
            let wrong = text.replacing("maxReplicas: 6", with: "maxReplicas: 0").replacing(
                "minReplicas",
                with: "minReplica"
            )
            try wrong.write(toFile: file, atomically: true, encoding: .utf8)
            let bad = try await run(["validate", "-f", file])
            #expect(bad.status == 1)
            #expect(bad.output.contains("wrong.yaml"))
            #expect(bad.output.contains("spec.scaling.maxReplicas"))
            #expect(bad.output.contains("spec.scaling.minReplica"))
            let missing = try await run(["validate", "-f", folder.path + "/none.yaml"])
            #expect(missing.status != 0)
            #expect(missing.output.contains("none.yaml"))
        }

        @Test("a pipe is read as a file is: a model to validate, a kubeconfig")
        func pipes() async throws {
            let folder = try TestFolder()
            func shell(_ command: String) async throws -> (status: Int32, output: String) {
                try await ProgramRun.result(
                    "/bin/sh",
                    ["-c", command],
                    folder: folder.path,
                    environment: ["MODELFLEET": Programs.modelfleet()]
                )
            }
            let model = try await shell("cat manifests/examples/iris.yaml | \"$MODELFLEET\" validate -f /dev/stdin")
            #expect(
                model.status == 0 && model.output.contains("/dev/stdin: ModelDeployment iris: valid"),
                "\(model.output)"
            )
            let kubeconfig = try await shell("echo '{kind: Config}' | \"$MODELFLEET\" get --kubeconfig /dev/stdin")
            #expect(kubeconfig.output.contains("/dev/stdin has no context; check"), "\(kubeconfig.output)")
        }

        @Test(
            "a file or folder that can't be used is named, with the reason in plain words",
            arguments: [
                (["validate", "-f", "FOLDER"], "FOLDER: holds no .yaml, .yml or .json file"),
                (["validate", "-f", "FOLDER/none"], "FOLDER/none: there is no such file"),
                (
                    ["get", "--kubeconfig", "FOLDER"],
                    "the kubeconfig FOLDER: is a directory; check the path and its permissions"
                ),
                (
                    ["load", "http://127.0.0.1:9/", "--body", "@FOLDER"],
                    "--body @FOLDER: is a directory; name a file in it"
                ),
                (
                    ["render", "-f", "manifests/examples/iris.yaml", "--templates", "FOLDER/none"],
                    "there is no such folder"
                ),
                (
                    ["render", "-f", "manifests/examples/iris.yaml", "--templates", "FOLDER/file"],
                    "can't be read: not a directory"
                ),
                (["crds", "--output", "FOLDER/file"], "FOLDER/file: can't be made: there is a file of that name"),
                (["bench-scaling", "--traces", "FOLDER/none"], "FOLDER/none: there is no such folder"),
            ]
        )
        func unusableFiles(_ arguments: [String], _ words: String) async throws {
            let folder = try TestFolder()
            let inner = folder.path + "/inner"
            try FileManager.default.createDirectory(atPath: inner, withIntermediateDirectories: true)
            if arguments.contains("FOLDER/file") {
                try "text".write(toFile: inner + "/file", atomically: true, encoding: .utf8)
            }
            let result = try await run(arguments.map { $0.replacing("FOLDER", with: inner) })
            #expect(result.status == 1)
            #expect(result.output.contains(words.replacing("FOLDER", with: inner)), "\(result.output)")
        }

        @Test(
            "validate doesn't let a document pass that is meant for us and misspelled",
            arguments: [
                ("{apiVersion: modelfleet.dev/v1, kind: ModelDeployment}", "apiVersion: Unsupported value"),
                ("{apiVersion: apps/v1, kind: ModelDeployment}", "apiVersion: Unsupported value"),
                ("{apiVersion: modelfleet.dev/v1alpha1, kind: ModelDeployments}", "kind: Unsupported value"),
                ("{metadata: {name: a}}", "kind: Required value"), ("[1]", "expected an object, found array"),
                (
                    "{kind: List, items: [{apiVersion: modelfleet.dev/v1alpha1, kind: ModelDeployment}]}",
                    "metadata.name: Required value"
                ),
            ]
        )
        func misspelled(_ text: String, _ words: String) async throws {
            let folder = try TestFolder()
            let file = folder.path + "/model.yaml"
            try text.write(toFile: file, atomically: true, encoding: .utf8)
            let result = try await run(["validate", "-f", file])
            #expect(result.status == 1)
            #expect(result.output.contains(words), "\(result.output)")
        }

        @Test("validate passes over other groups' objects")
        func foreign() async throws {
            let result = try await run(["validate", "-f", "manifests/install"])
            #expect(result.status == 0)
            #expect(result.output.contains("Role modelfleet-operator: not ours, not checked"))
        }

        @Test("local leaves a kubeconfig alone that isn't a local cluster's")
        func foreignKubeconfig() async throws {
            let folder = try TestFolder()
            let file = folder.path + "/config"
            let text = "kind: Config\ncontexts: [{name: prod, context: {cluster: prod}}]\n"
            try text.write(toFile: file, atomically: true, encoding: .utf8)
            let result = try await run(["local", "--kubeconfig", file])
            #expect(result.status == 1)
            #expect(result.output.contains("name another file with --kubeconfig"), "\(result.output)")
            #expect(try String(contentsOfFile: file, encoding: .utf8) == text)
        }

        @Test("local leaves the kubeconfig of a running cluster alone, and takes that of one that is gone")
        func secondCluster() async throws {
            try await LocalRun.run(["--only-api-server"]) { local in
                let text = try String(contentsOfFile: local.kubeconfig, encoding: .utf8)
                let result = try await run(["local", "--kubeconfig", local.kubeconfig])
                #expect(result.status == 1)
                #expect(result.output.contains("that runs (https://127.0.0.1:"), "\(result.output)")
                #expect(try String(contentsOfFile: local.kubeconfig, encoding: .utf8) == text)
                local.program.send(SIGKILL)
                _ = try await local.program.end(within: .seconds(10))
                let next = try ProgramRun(
                    Programs.modelfleet(),
                    ["local", "--kubeconfig", local.kubeconfig, "--only-api-server", "--stop-with-parent"],
                    folder: local.folder
                )
                _ = try await eventually(within: .seconds(30), "a kubeconfig of its own", seen: { next.output }) {
                    try String(contentsOfFile: local.kubeconfig, encoding: .utf8) == text ? nil : true
                }
                await next.stop()
                #expect(!FileManager.default.fileExists(atPath: local.kubeconfig))
            }
        }

        @Test("load refuses other schemes at once, and says what was wrong with the first request")
        func loadTrouble() async throws {
            let scheme = try await run(["load", "ftp://127.0.0.1/"])
            #expect(scheme.status == 64 && scheme.output.contains("no http:// or https:// address"))
            let refused = try await run([
                "load", "http://127.0.0.1:1/", "--seconds", "0.5", "--rate", "10", "--uniform",
            ])
            #expect(refused.status == 1)
            #expect(refused.output.contains("connect: 5, the first: could not connect to 127.0.0.1:1"))
        }

        @Test("render prints the Deployment and the Service of a model, and leaves replicas to the scaler")
        func render() async throws {
            let result = try await run(["render", "-f", "manifests/examples/iris.yaml"])
            #expect(result.status == 0, "\(result.output)")
            let objects = try Samples.objects(result.output)
            #expect(Set(objects.map(\.kind)).isSuperset(of: ["Deployment", "Service"]))
            let deployment = try #require(objects.first { $0.kind == "Deployment" })
            let container = deployment["spec", "template", "spec", "containers"]?.array?.first
            #expect(container?["image"]?.string?.hasPrefix("modelfleet/server:") == true)
            #expect(container?["terminationMessagePolicy"] == "FallbackToLogsOnError")
        }

        @Test("render takes templates from a folder, as a mounted ConfigMap is one, and says what is wrong with one")
        func templates() async throws {
            let folder = FileManager.default.temporaryDirectory.appendingPathComponent("templates-\(UUID().uuidString)")
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            defer { try? FileManager.default.removeItem(at: folder) }
            func render() async throws -> (status: Int32, output: String) {
                let result = try await run([
                    "render", "--templates", folder.path, "-f", "manifests/examples/iris.yaml",
                ])
                return (result.status, result.output)
            }
            func write(_ name: String, _ text: String) throws {
                try text.write(toFile: folder.path + "/" + name, atomically: true, encoding: .utf8)
            }
            #expect(try await render().output.contains("has none of"))
            try write("..data", "not YAML: [")
            let service = """
                apiVersion: v1
                kind: Service
                metadata:
                  name: ${model.name}
                  namespace: ${model.namespace}
                  labels: ${labels}
                  annotations: {example.com/mine: "${model.name}"}

                """
            try write("service.yaml", service)
            let good = try await render()
            #expect(good.status == 0, "\(good.output)")
            let objects = try Samples.objects(good.output)
            #expect(objects.contains { $0.kind == "Service" && $0.annotations["example.com/mine"] == "iris" })
            #expect(objects.contains { $0.kind == "Deployment" })
            try write("service.yaml", service + "spec: ${modle.name}\n")
            let unknown = try await render()
            #expect(unknown.status == 1)
            #expect(unknown.output.contains("template service.yaml, line 8"), "\(unknown.output)")
            try write("service.yaml", service.replacing("name: ${model.name}", with: "name: other"))
            #expect(try await render().output.contains("metadata.name is \"other\" and must be \"iris\""))
            try write("deployments.yaml", "a: 1")
            #expect(try await render().output.contains("there is no template deployments.yaml"))
        }

        @Test("crds prints both definitions, the same as the project's files")
        func definitions() async throws {
            let result = try await run(["crds"])
            #expect(result.status == 0)
            let printed = try Samples.objects(result.output)
            #expect(
                printed.map(\.name).sorted() == ["modeldeployments.modelfleet.dev", "servingruntimes.modelfleet.dev"]
            )
            for definition in printed {
                #expect(definition.kind == "CustomResourceDefinition")
                let plural = definition.name.prefix { $0 != "." }
                let file = Programs.project + "/crds/modelfleet.dev_\(plural).yaml"
                let kept = try Samples.objects(String(contentsOfFile: file, encoding: .utf8))
                #expect(kept == [definition], "\(file)")
            }
        }

        @Test("get without a cluster says what it looked for")
        func withoutCluster() async throws {
            let result = try await run(["get", "--kubeconfig", "/nowhere/kubeconfig"])
            #expect(result.status == 1)
            #expect(result.output.contains("/nowhere/kubeconfig"))
        }
    }
}
