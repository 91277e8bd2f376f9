// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// The built-in types in the notation that `BuiltInTypes` describes.
///
/// Names, types, list keys and patch strategies follow the OpenAPI v3 documents of Kubernetes; a test compares them.
enum TypeDefinitions {
    /// All definitions.
    static let all = [core1, core2, meta, workloads, cluster, extensions]
}
