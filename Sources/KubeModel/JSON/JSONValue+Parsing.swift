// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

extension JSONValue {
    /// Parses one JSON text (RFC 8259).
    ///
    /// Of members with one name the last wins; `duplicates` receives their paths (`spec.replicas`), as the API server's
    /// field validation reports them: at most 100, with long names cut.
    /// - Throws: `JSONError` with the offset.
    public init(
        parsing bytes: [UInt8],
        limits: JSONLimits = JSONLimits(),
        duplicates: inout [String]
    ) throws(JSONError) {
        (self, duplicates) = try JSONReader.readNotingDuplicates(bytes, limits: limits)
    }

    /// Parses one JSON text (RFC 8259); of members with one name the last wins.
    ///
    /// What `projection` drops is passed over without being built, or checked for more than its brackets and strings.
    /// - Throws: `JSONError` with the offset.
    public init(
        parsing bytes: [UInt8],
        limits: JSONLimits = JSONLimits(),
        projection: JSONProjection = .everything
    ) throws(JSONError) {
        self = try JSONReader.read(bytes, limits: limits, projection: projection)
    }

    /// Parses one JSON text (RFC 8259); of members with one name the last wins.
    /// - Throws: `JSONError` with the offset.
    public init(parsing text: String, limits: JSONLimits = JSONLimits()) throws(JSONError) {
        try self.init(parsing: Array(text.utf8), limits: limits)
    }

    /// Parses an object and hands over the texts of the elements of its array `member`, unread, one by one; answers the object without them.
    /// - Throws: `JSONError` with the offset; the elements before it have been handed over.
    public static func parse(
        _ bytes: [UInt8],
        handingOverTextsOf member: String,
        limits: JSONLimits = JSONLimits(),
        to body: ([UInt8]) -> Void
    ) throws(JSONError) -> JSONValue {
        try JSONReader.read(bytes, limits: limits, handingOverTextsOf: member, to: body)
    }
}
