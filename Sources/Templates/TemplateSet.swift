// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import KubeModel
import YAML

/// YAML templates by name, and how they become objects: spec in, desired objects out.
///
/// A template is one YAML document. Substitution happens on its node tree, so that a value can't change the structure:
///
/// - `${path}` alone is the value with its type; within longer text it is put in as text; `$${` stands for `${`.
/// - `${path | default(x)}` takes the YAML value `x` where the path is nothing.
/// - An entry or item whose value is nothing disappears, and so does a mapping or list all of whose parts disappeared.
/// - `$for: NAME in ${path}` repeats the mapping that it stands in, as items of the list around it or as a list of its
///   own; with `$value: x` each item is `x` instead.
/// - `$merge: ${path}`, or a list of such, lays mappings over the entries beside it; the later one wins, `null` removes,
///   a pod's keyed lists (`containers`, `env`, `volumes`, …) are merged item by item.
public struct TemplateSet: Sendable {
    private struct Template {
        var root: TemplateNode
        var mark: YAMLMark
    }

    private var templates: [String: Result<Template, TemplateError>]

    /// The templates that are built in: `deployment.yaml`, `service.yaml`, `canaryservice.yaml`, `horizontalpodautoscaler.yaml`.
    public static let builtIn = TemplateSet(texts: [
        "deployment.yaml": String(decoding: PackageResources.deployment_yaml, as: UTF8.self),
        "canaryservice.yaml": String(decoding: PackageResources.canaryservice_yaml, as: UTF8.self),
        "service.yaml": String(decoding: PackageResources.service_yaml, as: UTF8.self),
        "horizontalpodautoscaler.yaml": String(decoding: PackageResources.horizontalpodautoscaler_yaml, as: UTF8.self),
    ])

    private init(texts: [String: String]) {
        templates = [:]
        for (name, text) in texts { templates[name] = Self.parsed(text, name: name) }
    }

    /// The built-in templates, with those of `overrides` (name to YAML text) in their place or beside them.
    /// - Throws: when one can't be read.
    public init(overriding overrides: [String: String]) throws(TemplateError) {
        self = .builtIn
        for (name, text) in overrides.sorted(by: { $0.key < $1.key }) {
            let name = Self.fileName(name)
            templates[name] = .success(try Self.parsed(text, name: name).get())
        }
    }

    /// The names of the templates, sorted.
    public var names: [String] { templates.keys.sorted() }

    /// The object that a template makes of a context of the built-in shape (see `TemplateContext`).
    /// - Parameter name: `deployment` or `deployment.yaml`
    public func render(_ name: String, context: JSONValue) throws(TemplateError) -> JSONValue {
        try render(name, context: TemplateContext(context))
    }

    /// The object that a template makes of a context.
    /// - Parameter name: `deployment` or `deployment.yaml`
    public func render(_ name: String, context: TemplateContext) throws(TemplateError) -> JSONValue {
        let name = Self.fileName(name)
        guard let template = templates[name] else {
            let message = "there is no such template, only \(names.joined(separator: ", "))"
            throw TemplateError(message, in: name, at: YAMLMark(line: 1, column: 1))
        }
        let found = try template.get()
        var renderer = TemplateRenderer(template: name, context: context)
        return try renderer.render(found.root, found.mark) ?? .null
    }

    private static func fileName(_ name: String) -> String { name.hasSuffix(".yaml") ? name : name + ".yaml" }

    private static func parsed(_ text: String, name: String) -> Result<Template, TemplateError> {
        do throws(YAMLError) {
            let documents = try YAMLReader(limits: YAMLLimits(bytes: 1 << 20)).documents(in: text)
            guard let document = documents.first, documents.count == 1 else {
                let message = "a template has one document, not \(documents.count)"
                let mark = documents.dropFirst().first?.mark ?? YAMLMark(line: 1, column: 1)
                return .failure(TemplateError(message, in: name, at: mark))
            }
            let root = TemplateCompiler(template: name).compiled(document)
            return .success(Template(root: root, mark: document.mark))
        } catch {
            return .failure(TemplateError(error, in: name))
        }
    }
}
