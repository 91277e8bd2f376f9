// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser

/// The program: every verb is a command of its own file.
@main
struct ModelFleet: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "modelfleet",
        abstract: "Runs machine-learning models on Kubernetes.",
        discussion: """
            Try it without a cluster:   modelfleet local --operator
            Check a file before use:    modelfleet validate -f model.yaml
            See what would be applied:  modelfleet render -f model.yaml
            """,
        version: Version.current,
        subcommands: [
            LocalCommand.self, OperatorCommand.self, GetCommand.self, ExplainCommand.self, ValidateCommand.self,
            RenderCommand.self, RolloutCommand.self,
            CRDsCommand.self, LoadCommand.self, DemoCommand.self, SimulateCommand.self, BenchScalingCommand.self,
        ]
    )

    /// Runs the command that the arguments name.
    static func main() async {
        if let unknown = Spelling.unknownCommand(in: Array(CommandLine.arguments.dropFirst()), of: Self.self) {
            exit(withError: ValidationError(unknown))
        }
        await main(nil)
    }
}

/// The version of the program.
enum Version {
    /// As in the chart and the images.
    static let current = "0.1.0"
}
