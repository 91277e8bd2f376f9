// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import HTTPMessages
import HTTPTypes
import KubeModel

/// `/openapi/v2`: a document that describes nothing.
///
/// `kubectl` asks for it where it finds a kind nowhere else, for example one that is misspelled, and only then goes on to
/// say that there is no such kind. Without the document it would complain about that instead.
enum OpenAPIVersion2 {
    private static let protobuf = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"

    /// The document: in Protobuf, where every field has its default, it is empty.
    static func answer(_ request: ServerRequest, version: String) -> ServerAnswer {
        guard request.head.headerFields[.accept]?.contains("spec.v2") == true else {
            return ServerAnswer([
                "swagger": "2.0", "info": ["title": "Kubernetes", "version": .string(version)], "paths": [:],
            ])
        }
        return ServerAnswer(stream: StreamingBody([]), contentType: protobuf)
    }
}
