// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// When something happens again and again, as crontab(5) writes it: minute, hour, day of month, month, day of week.
///
/// Each field is `*`, a number, a name (`mon`, `jan`), a range `a-b`, a step `*/n` or `a-b/n`, or a list of these. Sunday is 0 and
/// 7. As in cron, when both days are given (neither begins with `*`), either of them will do.
public struct CronSchedule: Sendable, Hashable {
    /// A minute of a calendar without time zones: days since 1970-01-01, and the minute of the day.
    public struct Minute: Sendable, Hashable, Comparable {
        /// Days since 1970-01-01.
        public var day: Int
        /// The minute of the day, 0 to 1439.
        public var minute: Int

        /// The minute in which `secondsSinceEpoch` of local time lies.
        public init(localSeconds: Int64) {
            let minutes = Int(localSeconds >= 0 ? localSeconds / 60 : (localSeconds - 59) / 60)
            let day = minutes >= 0 ? minutes / 1440 : (minutes - 1439) / 1440
            self.init(day: day, minute: minutes - day * 1440)
        }

        /// A minute.
        init(day: Int, minute: Int) {
            self.day = day
            self.minute = minute
        }

        /// Earlier is smaller.
        public static func < (left: Minute, right: Minute) -> Bool {
            (left.day, left.minute) < (right.day, right.minute)
        }
    }

    /// How many days to look back: from one 29 February to the next there may be eight years.
    private static let longestLook = 8 * 366

    private var minutes: UInt64
    private var hours: UInt64
    private var days: UInt64
    private var months: UInt64
    private var weekdays: UInt64
    private var isEitherDay: Bool

    /// Reads five fields; `nil` when they are none.
    public init?(_ text: String) {
        let fields = text.lowercased().split(whereSeparator: { $0 == " " || $0 == "\t" }).map(String.init)
        guard fields.count == 5, let minutes = Self.set(fields[0], 0...59), let hours = Self.set(fields[1], 0...23),
            let days = Self.set(fields[2], 1...31), let months = Self.set(fields[3], 1...12, names: Self.monthNames),
            var weekdays = Self.set(fields[4], 0...7, names: Self.weekdayNames)
        else { return nil }
        if weekdays & (1 << 7) != 0 { weekdays |= 1 }
        self.minutes = minutes
        self.hours = hours
        self.days = days
        self.months = months
        self.weekdays = weekdays
        isEitherDay = !fields[2].hasPrefix("*") && !fields[4].hasPrefix("*")
    }

    /// The last minute at or before `now` at which it happened; `nil` when there was none in eight years.
    public func last(before now: Minute) -> Minute? {
        for day in stride(from: now.day, through: now.day - Self.longestLook, by: -1) where includes(day: day) {
            if let minute = lastMinute(upTo: day == now.day ? now.minute : 1439) {
                return Minute(day: day, minute: minute)
            }
        }
        return nil
    }

    private func includes(day: Int) -> Bool {
        let date = Self.civil(day)
        guard months & (1 << UInt64(date.month)) != 0 else { return false }
        // 1970-01-01 was a Thursday.
        let weekday = ((day + 4) % 7 + 7) % 7
        let isDay = days & (1 << UInt64(date.day)) != 0
        let isWeekday = weekdays & (1 << UInt64(weekday)) != 0
        return isEitherDay ? isDay || isWeekday : isDay && isWeekday
    }

    private func lastMinute(upTo limit: Int) -> Int? {
        for hour in stride(from: limit / 60, through: 0, by: -1) where hours & (1 << UInt64(hour)) != 0 {
            let last = hour == limit / 60 ? limit % 60 : 59
            for minute in stride(from: last, through: 0, by: -1) where minutes & (1 << UInt64(minute)) != 0 {
                return hour * 60 + minute
            }
        }
        return nil
    }

    /// Month and day of a day number (Howard Hinnant, `civil_from_days`).
    private static func civil(_ day: Int) -> (month: Int, day: Int) {
        let shifted = day + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthIndex = (5 * dayOfYear + 2) / 153
        return (monthIndex < 10 ? monthIndex + 3 : monthIndex - 9, dayOfYear - (153 * monthIndex + 2) / 5 + 1)
    }

    private static let monthNames = [
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ]
    private static let weekdayNames = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]

    /// A field as a set of bits; names count from the range's first number.
    private static func set(_ field: String, _ range: ClosedRange<Int>, names: [String] = []) -> UInt64? {
        var bits: UInt64 = 0
        for part in field.split(separator: ",", omittingEmptySubsequences: false) {
            let pieces = part.split(separator: "/", omittingEmptySubsequences: false)
            guard let base = pieces.first, pieces.count <= 2 else { return nil }
            let step = pieces.count == 2 ? number(pieces[1]) : 1
            guard let step, step > 0 else { return nil }
            let ends: ClosedRange<Int>
            if base == "*" {
                ends = range
            } else {
                let bounds = base.split(separator: "-", omittingEmptySubsequences: false).map { piece in
                    number(piece) ?? names.firstIndex(of: String(piece)).map { $0 + range.lowerBound }
                }
                guard bounds.count <= 2, let low = bounds[0], let high = bounds.count == 2 ? bounds[1] : low,
                    low <= high,
                    range.contains(low), range.contains(high)
                else { return nil }
                // `5/15` is every 15 from 5 on.
                ends = pieces.count == 2 && bounds.count == 1 ? low...range.upperBound : low...high
            }
            for value in stride(from: ends.lowerBound, through: ends.upperBound, by: step) {
                bits |= 1 << UInt64(value)
            }
        }
        return bits == 0 ? nil : bits
    }

    private static func number(_ text: Substring) -> Int? {
        guard !text.isEmpty, text.utf8.count <= 4, text.utf8.allSatisfy({ (48...57).contains($0) }) else { return nil }
        return Int(text)
    }
}
