// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import HTTPMessages
public import HTTPTypes
public import KubeModel
import Synchronization

/// Answers requests from a script, in order, and keeps what was asked. For details of the wire only: behaviour is tested
/// against the embedded API server.
public final class ScriptedExchange: HTTPExchange {
    /// One request as it was sent.
    public struct Sent: Sendable, Hashable {
        /// `GET`
        public var method: String
        /// Path with query.
        public var target: String
        /// The body.
        public var body: JSONValue?
        /// The header fields.
        public var fields: HTTPFields
    }

    /// One answer.
    public enum Answer: Sendable {
        /// A status with a JSON body.
        case json(Int, JSONValue)
        /// Any response.
        case response(HTTPResponseMessage)
        /// No response.
        case failure(any Error & Sendable)
        /// Never answers, until the task is cancelled.
        case silence
    }

    private struct State {
        var answers: [Answer]
        var sent: [Sent] = []
    }

    private let state: Mutex<State>

    /// An exchange that gives `answers` in order, and fails when there is none left.
    public init(_ answers: [Answer]) { state = Mutex(State(answers: answers)) }

    /// What was asked so far.
    public var sent: [Sent] { state.withLock { $0.sent } }

    /// Gives the next answer.
    public func exchange(_ request: HTTPRequestMessage) async throws -> HTTPResponseMessage {
        let body = try await request.body.collect(upTo: 1 << 20)
        let sent = Sent(
            method: request.head.method.rawValue,
            target: request.head.path ?? "",
            body: body.isEmpty ? nil : try JSONValue(parsing: body),
            fields: request.head.headerFields
        )
        let answer = state.withLock { state -> Answer? in
            state.sent.append(sent)
            return state.answers.isEmpty ? nil : state.answers.removeFirst()
        }
        switch answer {
        case .json(let status, let json):
            return HTTPResponseMessage(
                status: HTTPResponse.Status(code: status),
                contentType: "application/json",
                bytes: json.encoded()
            )
        case .response(let response): return response
        case .failure(let error): throw error
        case .silence:
            try await Task.sleep(for: .seconds(3600))
            throw CancellationError()
        case nil: throw ScriptEnded(target: sent.target)
        }
    }
}

/// A request came after the last scripted answer.
public struct ScriptEnded: Error, CustomStringConvertible {
    /// What was asked.
    public var target: String

    /// Says what was asked.
    public var description: String { "the script has no answer to \(target)" }
}
