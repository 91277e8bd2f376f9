// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

extension WallTime {
    /// As HTTP writes a date: `Sat, 21 Nov 2026 04:26:30 GMT` (RFC 9110, section 5.6.7).
    public var httpDate: String {
        let names = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        // The first of January 1970 was a Thursday.
        let weekdays = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
        let day = 86_400 * 1_000_000_000 as Int64
        let days = nanoseconds / day - (nanoseconds % day < 0 ? 1 : 0)
        let parts = rfc3339.split { "-T".contains($0) }
        guard parts.count == 4, let month = Int(parts[1]) else { return rfc3339 }
        let weekday = weekdays[Int((days % 7 + 7) % 7)]
        return "\(weekday), \(parts[2]) \(names[month - 1]) \(parts[0]) \(parts[3].dropLast()) GMT"
    }
}
