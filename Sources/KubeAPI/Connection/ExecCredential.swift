// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

internal import Ambient
internal import KubeModel

/// What a credential plugin answered: the `status` of an `ExecCredential`.
struct ExecCredential: Hashable, Sendable {
    /// A bearer token.
    var token: String?
    /// A client certificate in PEM.
    var certificate: String?
    /// Its key in PEM.
    var privateKey: String?
    /// When it ends; `nil` for never.
    var expires: WallTime?

    /// Whether it can be used.
    func isGood(at now: WallTime) -> Bool { expires.map { now < $0 } ?? true }
}

extension ExecPlugin {
    /// The longest time that a plugin may take; some open a browser.
    static var timeout: Duration { .seconds(60) }

    /// Runs the program and reads its answer.
    func run(on system: HostSystem, time: any TimeSource) async throws -> ExecCredential {
        var variables = environment
        variables["KUBERNETES_EXEC_INFO"] = execInfo.jsonText
        let environment = variables
        let result: HostSystem.ProgramResult
        do {
            result = try await time.withDeadline(Self.timeout) {
                try await system.runProgram(command, arguments, environment)
            }
        } catch is HostSystem.ProgramNotFound {
            let hint =
                installHint.map { ": \($0.trimmingWhitespace)" } ?? "; install it or correct the kubeconfig's user"
            throw ConfigurationError("the credential plugin \(command) isn't installed\(hint)")
        } catch is DeadlinePassed {
            throw ConfigurationError("the credential plugin \(command) didn't answer within 60 seconds; run it by hand")
        }
        guard result.status == 0 else {
            let said = result.errors.split(whereSeparator: \.isNewline).last.map { ": \($0)" } ?? ""
            throw ConfigurationError("the credential plugin \(command) failed with status \(result.status)\(said)")
        }
        return try read(result.output)
    }

    private func read(_ output: [UInt8]) throws -> ExecCredential {
        let json: JSONValue
        do { json = try JSONValue(parsing: output) } catch {
            throw ConfigurationError("the credential plugin \(command) printed no ExecCredential: \(error)")
        }
        let version = json["apiVersion"]?.string ?? ""
        guard json["kind"]?.string == "ExecCredential", version == apiVersion else {
            throw ConfigurationError(
                "the credential plugin \(command) answered \"\(version)\", the kubeconfig asks for \(apiVersion)"
            )
        }
        let status = json["status"]
        let credential = ExecCredential(
            token: status?["token"]?.string,
            certificate: status?["clientCertificateData"]?.string,
            privateKey: status?["clientKeyData"]?.string,
            expires: status?["expirationTimestamp"]?.string.flatMap(WallTime.init(rfc3339:))
        )
        guard credential.token != nil || (credential.certificate != nil && credential.privateKey != nil) else {
            throw ConfigurationError(
                "the credential plugin \(command) gave neither a token nor a certificate with a key"
            )
        }
        return credential
    }
}

extension StringProtocol {
    /// The text without white space at its ends.
    var trimmingWhitespace: String {
        var rest = self[...]
        while rest.first?.isWhitespace == true { rest = rest.dropFirst() }
        while rest.last?.isWhitespace == true { rest = rest.dropLast() }
        return String(rest)
    }
}
