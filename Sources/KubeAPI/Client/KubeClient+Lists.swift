// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

internal import HTTPMessages
public import KubeModel

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
