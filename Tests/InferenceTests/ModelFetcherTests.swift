// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import HTTPMessages
import HTTPTypes
import Testing
import TransportSecurity

@testable import Inference

@Suite(.timeLimit(.minutes(5))) struct ModelFetcherTests {
    static func exchange(_ answers: [String: (Int, String)]) -> ClosureExchange {
        ClosureExchange { request in
            let address = "\(request.head.scheme ?? "")://\(request.head.authority ?? "")\(request.head.path ?? "")"
            guard let (code, text) = answers[address] else { return HTTPResponseMessage(status: .notFound, text: "no") }
            var response = HTTPResponseMessage(status: .init(code: code), text: text)
            if code == 302 { response.head.headerFields[.location] = text }
            return response
        }
    }

    static func inFolder(_ body: (String) async throws -> Void) async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("fetch-\(UUID())").path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try await body(folder)
    }

    @Test("downloads, follows a redirect, checks the hash") func download() async throws {
        let hash = try SHA256Digest.hex(of: Array("model".utf8))
        let exchange = Self.exchange(["https://a/m": (302, "/n"), "https://a/n": (200, "model")])
        try await Self.inFolder { folder in
            let file = try await ModelFetcher(exchange: exchange, directory: folder).fetch("https://a/m", sha256: hash)
            #expect(try String(contentsOfFile: file, encoding: .utf8) == "model")
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["model.onnx"])
        }
    }

    @Test("a wrong hash names both, and leaves no file") func wrongHash() async throws {
        let exchange = Self.exchange(["https://a/m": (200, "model")])
        let wanted = String(repeating: "0", count: 64)
        try await Self.inFolder { folder in
            let fetcher = ModelFetcher(exchange: exchange, directory: folder)
            let error = await #expect(throws: InferenceError.self) {
                try await fetcher.fetch("https://a/m", sha256: wanted)
            }
            let actual = try SHA256Digest.hex(of: Array("model".utf8))
            #expect(error?.message.contains("its sha256 is \(actual), expected \(wanted)") == true)
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder).isEmpty)
            let local = "file://\(TestModels.examples.path)/iris.onnx"
            let second = await #expect(throws: InferenceError.self) { try await fetcher.fetch(local, sha256: wanted) }
            #expect(second?.message.contains("expected \(wanted)") == true)
        }
    }

    @Test(
        "a redirect leads where RFC 3986 says",
        arguments: [
            ("v2.onnx", "/models/v2.onnx"), ("./v2.onnx", "/models/v2.onnx"), ("../other/m", "/other/m"),
            ("../../../m", "/m"), ("sub/./x/../m?a=b/../c", "/models/sub/m?a=b/../c"), ("?v=2", "/models/m.onnx?v=2"),
            ("/m", "/m"), ("//b/m", "//b/m"), ("https://b/m", "//b/m"), ("..", "/"), (".", "/models/"),
            ("a/b:c", "/models/a/b:c"),
        ]
    )
    func redirect(target: String, leads: String) throws {
        let start = try ModelLocation("https://a/models/m.onnx?v=1")
        let expected = try ModelLocation(leads.hasPrefix("//") ? "https:" + leads : "https://a" + leads)
        #expect(try start.following(target) == expected)
    }

    @Test(
        "refuses with the reason",
        arguments: [
            ("model.onnx", "it has no scheme"), ("s3://b/k", "the scheme s3:// isn't supported"),
            ("http://example.com/m", "http:// is allowed for this machine only"),
            ("http://127.0.0.1.evil.com/m", "http:// is allowed for this machine only"),
            ("https://user:pw@host/m", "without credentials"), ("file://relative", "absolute path"),
            ("file:///no/such/file", "there is no such file"), ("file:///tmp", "it is a directory"),
            ("https://a/none", "answered 404"), ("https://a/loop", "more than 5 redirects"),
            ("https://a/down", "a redirect from https to http"), ("https://a/big", "larger than the limit of 3 bytes"),
        ]
    )
    func refuses(uri: String, reason: String) async throws {
        let exchange = Self.exchange([
            "https://a/loop": (302, "https://a/loop"), "https://a/down": (302, "http://127.0.0.1/x"),
            "https://a/big": (200, "1234"),
        ])
        try await Self.inFolder { folder in
            let fetcher = ModelFetcher(exchange: exchange, directory: folder, maximumBytes: 3)
            let error = await #expect(throws: InferenceError.self) { try await fetcher.fetch(uri, sha256: nil) }
            #expect(error?.code == .loadFailed)
            #expect(error?.message.contains(reason) == true, "\(error?.message ?? "")")
        }
    }

    @Test("a folder that can't be written to is named, with the system's reason and what to do")
    func unwritable() async throws {
        try await Self.inFolder { folder in
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            try "text".write(toFile: folder + "/file", atomically: true, encoding: .utf8)
            let directory = folder + "/file/models"
            let fetcher = ModelFetcher(exchange: Self.exchange(["https://a/m": (200, "1")]), directory: directory)
            let error = await #expect(throws: InferenceError.self) {
                try await fetcher.fetch("https://a/m", sha256: nil)
            }
            #expect(
                error?.message == "model https://a/m: the folder \(directory) can't be written to: not a directory; "
                    + "choose another with --model-directory"
            )
        }
    }
}
