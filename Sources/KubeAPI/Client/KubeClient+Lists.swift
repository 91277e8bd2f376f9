// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

internal import HTTPMessages
public import KubeModel

/// What reading a long list hands over.
public enum ListPart: Sendable {
    /// An object.
    case item(KubeObject)
    /// The list begins anew: what was handed over so far is to be forgotten.
    case restarted
}

extension KubeClient {
    /// Reads a whole list page by page, as one consistent state, and hands its objects over one by one: no more than one
    /// page's bytes and one object are held. Answers the list's resource version.
    ///
    /// Should the pages' token expire on the way (410), the list is read again, once, in one piece, after `restarted`.
    /// - Parameters:
    ///   - projection: what isn't kept of the objects, such as `["metadata", "managedFields"]`; it isn't even built.
    ///   - body: takes the parts, in order.
    public func readList(
        _ type: ResourceType,
        namespace: String? = nil,
        options: ListOptions = ListOptions(),
        projection: JSONProjection = .everything,
        to body: (ListPart) -> Void
    ) async throws(KubeError) -> String {
        var options = options
        var token: String?
        let rules = projection.below(["items"])
        while true {
            let request = KubeRequest.list(type, namespace: namespace, options: options, continueToken: token)
            let bytes: [UInt8]
            do {
                bytes = try await sendForBytes(request)
            } catch {
                guard error.isExpired, token != nil else { throw error }
                body(.restarted)
                options.limit = nil
                token = nil
                continue
            }
            let list: JSONValue
            do {
                list = try JSONValue.parse(bytes, handingOver: "items", projection: rules) { item in
                    body(.item(KubeObject(item.completed(as: type))))
                }
            } catch {
                throw KubeError(.unreadable, request, "the answer of \(baseURL) isn't JSON: \(error)", cause: error)
            }
            token = list.at("metadata", "continue")?.string.flatMap { $0.isEmpty ? nil : $0 }
            if token == nil { return list.at("metadata", "resourceVersion")?.string ?? "" }
        }
    }
}

extension JSONValue {
    /// The item of a list with the version and kind that the server leaves out.
    func completed(as type: ResourceType) -> JSONValue {
        var item = self
        if item["apiVersion"] == nil { item["apiVersion"] = .string(type.apiVersion) }
        if item["kind"] == nil { item["kind"] = .string(type.kind) }
        return item
    }
}
