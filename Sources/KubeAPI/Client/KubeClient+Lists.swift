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

extension KubeClient {
    /// Reads one page of a list as `page` does, and doesn't let an object that can't be read keep it from the others.
    /// - Throws: `KubeError`, also where of such an object not even the name can be read: then nobody knows what the list lacks.
    public func readablePage(
        _ type: ResourceType,
        namespace: String? = nil,
        options: ListOptions,
        continueToken: String? = nil
    ) async throws(KubeError) -> KubeList {
        let request = KubeRequest.list(type, namespace: namespace, options: options, continueToken: continueToken)
        let bytes = try await sendForBytes(request)
        do {
            return KubeList(try JSONValue(parsing: bytes), of: type)
        } catch {
            guard let list = Self.readableItems(of: bytes, type) else {
                throw KubeError(.unreadable, request, "the answer of \(baseURL) isn't JSON: \(error)", cause: error)
            }
            return list
        }
    }

    /// The items that can be read of a list's text that can't be read as a whole; `nil` where it isn't a list with named items.
    private static func readableItems(of bytes: [UInt8], _ type: ResourceType) -> KubeList? {
        var items: [JSONValue] = []
        var unreadable: [UnreadableObject] = []
        var isKnown = true
        let list = try? JSONValue.parse(bytes, handingOverTextsOf: "items") { text in
            do throws(JSONError) {
                items.append(try JSONValue(parsing: text))
            } catch {
                let item = UnreadableObject(text: text, reason: error.description)
                if let item { unreadable.append(item) } else { isKnown = false }
            }
        }
        guard isKnown, var list else { return nil }
        list["items"] = .array(items)
        var answer = KubeList(list, of: type)
        answer.unreadable = unreadable
        return answer
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
