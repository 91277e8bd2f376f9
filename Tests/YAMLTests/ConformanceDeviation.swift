// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// Cases of the YAML test suite (YAML 1.2) that we knowingly read differently, with the reason.
struct ConformanceDeviation {
    /// How we differ.
    let difference: ConformanceCase.Difference
    /// The cases, separated by spaces.
    let ids: String
    /// Why that is accepted.
    let reason: String

    /// The list; every case is on it once. go-yaml 2, which kubectl uses, comes from the same parser as libyaml and
    /// shares most of these.
    static let all: [ConformanceDeviation] = [
        .init(
            difference: .accepts,
            ids: "9JBA CVW2 SU5Z X4QW",
            reason: "libyaml takes # for a comment without a space before it where no plain scalar can go on"
        ),
        .init(
            difference: .accepts,
            ids: "9HCY EB22 RHX7 MUS6-00 MUS6-01",
            reason: "libyaml reads directives after a document without ..., and lets text follow a directive"
        ),
        .init(
            difference: .accepts,
            ids: "9C9N QB6E DK95-01 Y79Y-003",
            reason: "libyaml doesn't check the indentation of lines within flow collections and quotes"
        ),
        .init(difference: .accepts, ids: "G5U8 YJV2", reason: "YAML 1.1: a dash in a flow sequence is a plain scalar"),
        .init(
            difference: .accepts,
            ids: "S98Z",
            reason: "libyaml lets leading empty lines of a block scalar have more spaces than its text"
        ),
        .init(
            difference: .events,
            ids: "652Z HM87-01",
            reason: "YAML 1.1: ? in a flow collection begins a key, with or without a space after it"
        ),
        .init(
            difference: .events,
            ids: "Y2GN",
            reason: "libyaml's anchors are letters, digits, _ and - only; : ends one"
        ),
        .init(
            difference: .events,
            ids: "JEF9-02 L24T-01",
            reason: "libyaml doesn't count a last line of spaces without a line break"
        ),
        .init(
            difference: .json,
            ids: "565N",
            reason: "!!binary is decoded, as kubectl does; the suite keeps its text"
        ),
        .init(
            difference: .json,
            ids: "C4HZ",
            reason: "YAML 1.1: y without quotes is a boolean, and the key true as JSON; the suite has y"
        ),
        .init(
            difference: .refuses,
            ids: "2JQS CFD4 FRK4 M2N8-00 NHX8 NKF9 S3PD SM9W-01 UKK6-00",
            reason: "a key can't be empty: libyaml wants one, and JSON has none"
        ),
        .init(
            difference: .refuses,
            ids: "2SXE 8XYN W5VH",
            reason: "libyaml's anchors are letters, digits, _ and - only"
        ),
        .init(
            difference: .refuses,
            ids: "6M2F",
            reason: "libyaml doesn't read an anchored empty value before an alias as a key"
        ),
        .init(
            difference: .refuses,
            ids: "4ABK 4MUZ-00 4MUZ-01 4MUZ-02 5MUD 9SA2 K3WX NJ66 VJP3-01",
            reason: "YAML 1.1: a key without ? in a flow mapping is on one line, with its colon"
        ),
        .init(
            difference: .refuses,
            ids: "58MP 5T43 DBG4 HM87-00",
            reason: "YAML 1.1: a colon can't begin a plain scalar in a flow collection"
        ),
        .init(
            difference: .refuses,
            ids: "6BCT 6CA3 96NN-00 96NN-01 A2M4 DK95-00 DK95-03 DK95-04 Q5MG R4YG Y79Y-001 Y79Y-010",
            reason: "libyaml refuses tabs before and within indentation, which YAML 1.2 allows in a few places"
        ),
        .init(
            difference: .refuses,
            ids: "DK3J FP8R",
            reason: "libyaml wants the text of a block scalar at the top level to be indented"
        ),
        .init(
            difference: .refuses,
            ids: "2LFX 6LVF BEC7 MUS6-05 MUS6-06",
            reason: "libyaml refuses directives that it doesn't know, and versions other than 1.1 and 1.2"
        ),
        .init(
            difference: .refuses,
            ids: "7Z25 HWV9 M7A3 QT73 UT92 W4TN",
            reason: "libyaml wants --- after ..., and a document before it"
        ),
    ]
}
