// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

internal import Ambient
internal import Foundation
public import HTTPMessages
internal import HTTPTypes
internal import TransportSecurity

/// Brings a model file onto this machine and checks its SHA-256.
public struct ModelFetcher: Sendable {
    /// The most redirects that are followed.
    static let maximumRedirects = 5

    private let exchange: (any HTTPExchange)?
    private let directory: String
    private let maximumBytes: Int

    /// A fetcher that keeps downloads in `directory` (made when it's missing) and refuses files above `maximumBytes`.
    ///
    /// Without an exchange only `file://` works.
    public init(exchange: (any HTTPExchange)?, directory: String, maximumBytes: Int = 16 << 30) {
        self.exchange = exchange
        self.directory = directory
        self.maximumBytes = maximumBytes
    }

    /// The path of the model file behind `uri`.
    /// - Throws: `InferenceError.loadFailed` that names the URI, what was expected and found, and the next step.
    public func fetch(_ uri: String, sha256: String?) async throws -> String {
        let expected = sha256?.lowercased()
        if let expected, expected.utf8.count != 64 || !expected.allSatisfy({ $0.isHexDigit }) {
            throw failure(
                uri,
                "the given sha256 \"\(expected)\" isn't 64 hexadecimal digits; compute it with sha256sum"
            )
        }
        switch try ModelLocation(uri) {
        case .file(let path):
            let limit = maximumBytes
            return try await BlockingThread.run(named: "model-check") {
                try Self.check(file: path, uri: uri, sha256: expected, limit: limit)
                return path
            }
        case .web(let scheme, let authority, let path):
            return try await download(
                .web(scheme: scheme, authority: authority, path: path),
                uri: uri,
                sha256: expected
            )
        }
    }

    private func failure(_ uri: String, _ reason: String) -> InferenceError {
        Self.failure(uri, reason)
    }

    private func unwritable(_ uri: String, _ error: (any Error)?) -> InferenceError {
        let reason = error.map { ": \(SystemError($0)?.description ?? $0.localizedDescription)" } ?? ""
        return failure(
            uri,
            "the folder \(directory) can't be written to\(reason); choose another with --model-directory"
        )
    }

    private static func failure(_ uri: String, _ reason: String) -> InferenceError {
        InferenceError(.loadFailed, "model \(uri): \(reason)")
    }

    private static func mismatch(_ uri: String, expected: String, actual: String) -> InferenceError {
        failure(
            uri,
            "its sha256 is \(actual), expected \(expected); correct spec.model.sha256, or restore the file that was meant"
        )
    }

    private static func check(file path: String, uri: String, sha256: String?, limit: Int) throws {
        var isDirectory: ObjCBool = false
        guard unsafe FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) else {
            throw failure(uri, "there is no such file; check the path")
        }
        guard !isDirectory.boolValue else { throw failure(uri, "it is a directory; name the .onnx file in it") }
        guard let file = FileHandle(forReadingAtPath: path) else {
            throw failure(uri, "the file can't be read; check its permissions")
        }
        defer { try? file.close() }
        let size = try Int(file.seekToEnd())
        guard size <= limit else { throw failure(uri, "it has \(size) bytes, the limit is \(limit)") }
        guard let sha256 else { return }
        try file.seek(toOffset: 0)
        var digest = try SHA256Digest()
        while let chunk = try file.read(upToCount: 1 << 20), !chunk.isEmpty { digest.update([UInt8](chunk)) }
        let actual = digest.finish()
        guard actual == sha256 else { throw mismatch(uri, expected: sha256, actual: actual) }
    }

    private func download(_ start: ModelLocation, uri: String, sha256: String?) async throws -> String {
        let response = try await open(start, uri: uri)
        do { try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true) } catch {
            throw unwritable(uri, error)
        }
        let partial = directory + "/model.onnx.partial"
        let complete = directory + "/model.onnx"
        guard FileManager.default.createFile(atPath: partial, contents: nil),
            let file = FileHandle(forWritingAtPath: partial)
        else { throw unwritable(uri, nil) }
        do {
            var digest = try SHA256Digest()
            var size = 0
            for try await chunk in response.body {
                size += chunk.count
                guard size <= maximumBytes else {
                    throw failure(uri, "it is larger than the limit of \(maximumBytes) bytes")
                }
                digest.update(chunk)
                try file.write(contentsOf: Data(chunk))
            }
            let actual = digest.finish()
            if let sha256, actual != sha256 { throw Self.mismatch(uri, expected: sha256, actual: actual) }
            try file.synchronize()
            try file.close()
            try Self.rename(partial, to: complete)
            return complete
        } catch {
            try? file.close()
            try? FileManager.default.removeItem(atPath: partial)
            if error is InferenceError || error is CancellationError { throw error }
            if error is CocoaError { throw unwritable(uri, error) }
            throw failure(uri, "the download broke off: \(error)")
        }
    }

    private static func rename(_ source: String, to target: String) throws {
        _ = try? FileManager.default.removeItem(atPath: target)
        try FileManager.default.moveItem(atPath: source, toPath: target)
    }

    private func open(_ start: ModelLocation, uri: String) async throws -> HTTPResponseMessage {
        guard let exchange else { throw failure(uri, "this server has no network; use file://") }
        var location = start
        for _ in 0...Self.maximumRedirects {
            guard case .web(let scheme, let authority, let path) = location else { break }
            let request = HTTPRequestMessage(
                head: HTTPRequest(method: .get, scheme: scheme, authority: authority, path: path),
                timeout: .seconds(3600),
                idleTimeout: .seconds(60),
                maximumResponseBytes: maximumBytes
            )
            let response: HTTPResponseMessage
            do { response = try await exchange.exchange(request) } catch {
                if error is CancellationError { throw error }
                throw failure(uri, "the download failed: \(error)")
            }
            let status = response.head.status.code
            if [301, 302, 303, 307, 308].contains(status), let target = response.head.headerFields[.location] {
                location = try location.following(target)
                continue
            }
            guard status == 200 else {
                throw failure(uri, "\(authority) answered \(status); check the address and that it needs no sign-in")
            }
            return response
        }
        throw failure(uri, "more than \(Self.maximumRedirects) redirects; give the final address")
    }
}
