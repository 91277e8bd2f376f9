// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient

/// The string formats that the API server checks in custom resources; unknown names are not checked.
enum StringFormat {
    /// Whether `text` has the format `name`.
    static func accepts(_ text: String, as name: String) -> Bool {
        switch name.replacing("-", with: "") {
        case "datetime": WallTime.isRFC3339(text)
        case "date": WallTime.isRFC3339(text + "T00:00:00Z")
        case "byte": isBase64(text)
        case "duration": isDuration(text)
        case "uuid", "uuid3", "uuid4", "uuid5": isUUID(text)
        case "ipv4": IPv4Address(text) != nil
        case "hostname": isHostName(text)
        case "mac": matches(text, "^([0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}$")
        case "email": matches(text, "^[^@\\s]+@[^@\\s]+$")
        case "hexcolor": matches(text, "^#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$")
        default: true
        }
    }

    private static func matches(_ text: String, _ pattern: String) -> Bool {
        SearchPattern.compiled(pattern)?.matches(text) ?? true
    }

    /// Standard base64 with padding.
    static func isBase64(_ text: String) -> Bool {
        let bytes = Array(text.utf8).filter { $0 != 0x0a && $0 != 0x0d }
        guard bytes.count.isMultiple(of: 4) else { return false }
        let padding = bytes.reversed().prefix { $0 == UInt8(ascii: "=") }.count
        guard padding <= 2 else { return false }
        return bytes.dropLast(padding).allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "/"):
                true
            default: false
            }
        }
    }

    /// Go's `time.ParseDuration`, or a count with a unit in words.
    private static func isDuration(_ text: String) -> Bool {
        matches(text, "^[-+]?(0|(([0-9]+(\\.[0-9]*)?|\\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+)$")
            || matches(text, "^[0-9]+\\s*(ns|us|ms|s|m|h|d|w|seconds?|minutes?|hours?|days?|weeks?)$")
    }

    private static func isUUID(_ text: String) -> Bool {
        matches(text, "^[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}$")
    }

    private static func isHostName(_ text: String) -> Bool {
        text.utf8.count <= 255
            && matches(
                text,
                "^[a-zA-Z0-9]([-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?(\\.[a-zA-Z0-9]([-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?)*$"
            )
    }
}
