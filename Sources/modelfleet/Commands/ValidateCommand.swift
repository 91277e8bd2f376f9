// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Controllers
import FleetAPI
import KubeModel

/// `modelfleet validate`
struct ValidateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "validate",
        abstract: "Checks ModelDeployments and ServingRuntimes in files, without a cluster.",
        discussion: """
            Prints what is wrong with the field's path and what is allowed, and warns about fields without an effect.
            Exits with 1 when something is wrong, or on warnings too with --strict.
            """
    )

    @OptionGroup var input: InputFiles

    @Flag(help: "Treat warnings as errors.")
    var strict = false

    mutating func run() throws {
        var wrong = 0
        let documents = try input.documents()
        for document in documents {
            let findings = Findings(of: document.json)
            let name = "\(document.file): \(findings.subject)"
            for error in findings.errors { print("\(name): error: \(error)") }
            for warning in findings.warnings { print("\(name): warning: \(warning)") }
            let isWrong = !findings.errors.isEmpty || strict && !findings.warnings.isEmpty
            if isWrong { wrong += 1 } else { print("\(name): \(findings.isKnown ? "valid" : "not ours, not checked")") }
        }
        if documents.isEmpty { throw CommandFailure("no document found in \(input.names)") }
        if wrong > 0 { throw ExitCode(1) }
    }
}

/// What validation says of one document.
struct Findings {
    /// `ModelDeployment iris`
    var subject: String
    /// What is wrong, each with its field.
    var errors: [String] = []
    /// What has no effect.
    var warnings: [String] = []
    /// Whether the kind is one of ours.
    var isKnown = true

    /// Checks `json`.
    init(of json: JSONValue) {
        let object = KubeObject(json)
        subject = [object.kind.isEmpty ? "document without a kind" : object.kind, object.name]
            .filter { !$0.isEmpty }.joined(separator: " ")
        let schema: StructuralSchema
        let found: ValidationFindings
        switch (object.apiVersion, object.kind) {
        case (ResourceType.modelDeployments.apiVersion, ResourceType.modelDeployments.kind):
            schema = ModelDeployment.schema
            found = ModelDeploymentValidation.validate(json)
        case (ResourceType.servingRuntimes.apiVersion, ResourceType.servingRuntimes.kind):
            schema = ServingRuntime.schema
            found = ServingRuntimeValidation.validate(json)
        default:
            errors = Self.unknownKind(json, object)
            isKnown = !errors.isEmpty
            return
        }
        if object.name.isEmpty { errors.append("metadata.name: Required value") }
        errors += schema.pruning(json).unknownFields.filter { !$0.hasPrefix("metadata.") }
            .map { "\($0): unknown field; `kubectl explain` lists the known ones" }
        errors += found.errors.map { "\($0.field): \($0.message)" }
        warnings = found.warnings
        if object.kind == ResourceType.modelDeployments.kind { warnings += ModelDeployment(object).zoneWarnings }
    }

    /// What is wrong with a document that is none of our kinds: nothing, where it is of another group. What is meant for
    /// us and misspelled would pass unchecked otherwise.
    private static func unknownKind(_ json: JSONValue, _ object: KubeObject) -> [String] {
        guard json.object != nil else { return ["expected an object, found \(json.typeName)"] }
        let missing = ["apiVersion", "kind"].filter { (json[$0]?.string ?? "").isEmpty }
        guard missing.isEmpty else { return missing.map { "\($0): Required value" } }
        let ours = [ResourceType.modelDeployments, .servingRuntimes]
        let version = ResourceType.modelDeployments.apiVersion
        let isOurGroup =
            object.apiVersion.split(separator: "/").first.map(String.init) == ResourceType.modelDeployments.group
        if object.apiVersion != version, isOurGroup || ours.contains(where: { $0.kind == object.kind }) {
            return ["apiVersion: Unsupported value: \"\(object.apiVersion)\": supported values: \"\(version)\""]
        }
        guard isOurGroup else { return [] }
        let kinds = ours.map { "\"\($0.kind)\"" }.joined(separator: ", ")
        return ["kind: Unsupported value: \"\(object.kind)\": supported values: \(kinds)"]
    }
}
