// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import Telemetry

/// Where the parser differs from a conformance case, and why.
enum Deviations {
    /// Cases of the text format's library that are read although the library refuses them.
    static let text: [String: String] = [
        "error-12": "a second help text: a Prometheus server reads the page, and no number is in doubt",
        "error-14": "a type behind its samples: a Prometheus server reads the page, and no number is in doubt",
        "error-32": "a bound that is no number: found when the histogram is read as a signal, which is then missing",
        "error-33": "a quantile that is no number: that line is left out when the summary is read",
        "error-44": "a bucket below zero: found when the histogram is read as a signal, which is then missing",
        "error-45": "a count below zero: found when the counter is read as a signal, which is then missing",
    ]

    /// A Prometheus server looks at lines, not at families, and so does this parser: one odd family must not cost the signals
    /// of all the others. What is wrong with a family's values is found when it is read as a signal.
    private static let families = "Prometheus checks lines, not families; a wrong value makes its signal missing"

    /// Cases of OpenMetrics that are read although the specification refuses them.
    static let openMetrics: [String: String] = Dictionary(
        uniqueKeysWithValues: [
            "bad_clashing_names_1", "bad_clashing_names_2", "bad_counter_values_1", "bad_counter_values_10",
            "bad_counter_values_11", "bad_counter_values_13", "bad_counter_values_14", "bad_counter_values_16",
            "bad_counter_values_17", "bad_counter_values_19", "bad_counter_values_2", "bad_counter_values_4",
            "bad_counter_values_5", "bad_counter_values_7", "bad_counter_values_8",
            "bad_exemplars_on_unallowed_metric_types_0", "bad_exemplars_on_unallowed_metric_types_1",
            "bad_exemplars_on_unallowed_samples_0", "bad_exemplars_on_unallowed_samples_1",
            "bad_exemplars_on_unallowed_samples_3", "bad_grouping_or_ordering_0", "bad_grouping_or_ordering_2",
            "bad_grouping_or_ordering_3", "bad_grouping_or_ordering_5", "bad_grouping_or_ordering_6",
            "bad_grouping_or_ordering_8", "bad_grouping_or_ordering_9", "bad_histograms_1", "bad_histograms_10",
            "bad_histograms_11", "bad_histograms_13", "bad_histograms_14", "bad_histograms_2", "bad_histograms_7",
            "bad_histograms_8", "bad_info_and_stateset_values_1", "bad_metadata_in_wrong_place_1",
            "bad_metadata_in_wrong_place_2", "bad_missing_or_invalid_labels_for_a_type_0",
            "bad_missing_or_invalid_labels_for_a_type_2", "bad_missing_or_invalid_labels_for_a_type_3",
            "bad_missing_or_invalid_labels_for_a_type_5", "bad_missing_or_invalid_labels_for_a_type_6",
            "bad_repeated_metadata_0", "bad_repeated_metadata_1", "bad_repeated_metadata_3",
            "bad_stateset_info_values_0", "bad_stateset_info_values_2", "bad_stateset_info_values_3", "bad_unit_6",
            "bad_unit_7",
        ].map { ($0, families) }
    ).merging([
        "bad_exemplar_complex_chars":
            "Prometheus drops a long exemplar and keeps the sample; no signal needs exemplars",
        "bad_missing_or_extra_commas_2": "Prometheus allows a comma behind the last label in OpenMetrics too",
    ]) { left, _ in left }
}

@Suite("Exposition formats against conformance cases", .enabled(if: ReferenceData.isPresent, "no reference data here"))
struct ExpositionConformanceTests {
    @Test("the Prometheus text format's cases, with the errors' lines and words")
    func text() throws {
        let cases = try ReferenceData.cases("prometheus-text-parser-cases.json")
        #expect(cases.count > 40)
        var deviating: Set<String> = []
        for entry in cases {
            let name = entry["name"] as? String ?? ""
            let expected = try #require(entry["utf8"] as? [String: Any])
            do throws(ExpositionError) {
                let page = try ExpositionParser.parse(ReferenceData.input(entry))
                guard expected["parses"] as? Bool == true else {
                    #expect(Deviations.text[name] != nil, "\(name) must be refused")
                    deviating.insert(name)
                    continue
                }
                check(page, families: entry["families"] as? [[String: Any]] ?? [], name)
            } catch {
                #expect(expected["parses"] as? Bool == false, "\(name): \(error)")
                let prefix = expected["errorPrefix"] as? String ?? ""
                #expect(error.description.hasPrefix(prefix), "\(name): \(error) is not \(prefix)")
            }
        }
        #expect(deviating == Set(Deviations.text.keys), "a listed deviation is none any more")
    }

    @Test("OpenMetrics' cases")
    func openMetrics() throws {
        let cases = try ReferenceData.cases("openmetrics-parser-cases.json")
        #expect(cases.count > 100)
        var deviating: Set<String> = []
        for entry in cases {
            let name = entry["name"] as? String ?? ""
            let shouldParse = entry["shouldParse"] as? Bool ?? false
            do throws(ExpositionError) {
                _ = try ExpositionParser.parse(ReferenceData.input(entry), format: .openMetrics)
                guard !shouldParse else { continue }
                #expect(Deviations.openMetrics[name] != nil, "\(name) must be refused")
                deviating.insert(name)
            } catch {
                #expect(!shouldParse, "\(name): \(error)")
                #expect(error.line >= 1 && !error.message.isEmpty)
            }
        }
        let unused = Set(Deviations.openMetrics.keys).subtracting(deviating)
        #expect(unused.isEmpty, "listed deviations that are none any more")
    }

    @Test("what the parsed cases mean doesn't depend on where their chunks end")
    func chunks() throws {
        for file in ["prometheus-text-parser-cases.json", "openmetrics-parser-cases.json"] {
            let format: ExpositionFormat = file.hasPrefix("open") ? .openMetrics : .prometheusText
            for entry in try ReferenceData.cases(file) {
                let input = ReferenceData.input(entry)
                let whole = PageOutcome(input, format: format, chunk: input.count)
                for size in [1, 2, 3, 7, 31] where size < input.count {
                    let name = entry["name"] as? String ?? ""
                    #expect(PageOutcome(input, format: format, chunk: size) == whole, "\(name) in chunks of \(size)")
                }
            }
        }
    }

    /// Checks names, types and the values of all kinds of families.
    private func check(_ page: MetricsPage, families: [[String: Any]], _ name: String) {
        for family in families {
            let metric = family["Name"] as? String ?? ""
            let type = (family["Type"] as? String ?? "").lowercased()
            if type != "untyped" { #expect(page.families[metric]?.type != nil, "\(name): \(metric)") }
            if let help = family["Help"] as? String {
                #expect(page.families[metric]?.help == help, "\(name): \(metric)")
            }
            for expected in family["Metric"] as? [[String: Any]] ?? [] {
                let labels = (expected["Label"] as? [[String: String]] ?? []).map {
                    "\($0["Name"] ?? "")=\($0["Value"] ?? "")"
                }.sorted()
                for (sample, value) in Self.samples(metric, expected) {
                    let found = page.samples.first { found in
                        let own = found.labels.filter { !["le", "quantile"].contains($0.name) }
                        return found.name == sample.name && own.map { "\($0.name)=\($0.value)" }.sorted() == labels
                            && sample.label.map { Self.number(found[label: $0.name]) == $0.value } ?? true
                    }
                    let isSame = found.map { $0.value == value || ($0.value.isNaN && value.isNaN) } ?? false
                    #expect(isSame, "\(name): \(sample) is \(found?.value ?? -1), not \(value)")
                }
            }
        }
    }

    private static func number(_ any: Any?) -> Double? {
        if let number = any as? Double { return number }
        guard let text = any as? String else { return nil }
        return ExpositionNumber.parse(Array(text.utf8).span, 0, text.utf8.count)
    }

    private typealias Expected = (name: String, label: (name: String, value: Double)?)

    /// The samples that a metric of a family consists of.
    private static func samples(_ name: String, _ metric: [String: Any]) -> [(Expected, Double)] {
        var samples: [(Expected, Double)] = []
        for kind in ["Counter", "Gauge", "Untyped"] {
            if let value = number((metric[kind] as? [String: Any])?["Value"]) { samples.append(((name, nil), value)) }
        }
        if let summary = metric["Summary"] as? [String: Any] {
            for quantile in summary["Quantile"] as? [[String: Any]] ?? [] {
                guard let at = number(quantile["Quantile"]), let value = number(quantile["Value"]) else { continue }
                samples.append(((name, ("quantile", at)), value))
            }
        }
        if let histogram = metric["Histogram"] as? [String: Any] {
            for bucket in histogram["Bucket"] as? [[String: Any]] ?? [] {
                guard let bound = number(bucket["UpperBound"]), let count = number(bucket["CumulativeCount"]) else {
                    continue
                }
                samples.append(((name + "_bucket", ("le", bound)), count))
            }
        }
        return samples
    }
}
