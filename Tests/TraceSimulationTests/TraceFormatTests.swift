// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel
import Simulation
import Testing

@Suite("What a trace's columns mean")
struct TraceFormatTests {
    static func read(_ text: String, name: String = "x.csv", interval: Double? = nil) throws(TraceError) -> ArrivalTrace
    {
        try ArrivalTrace(name: name, csv: Array(text.utf8), interval: interval)
    }

    @Test("counts are found in any column, and times beside them give the interval")
    func countsWithTimes() throws {
        for text in [
            "timestamp,count\n1700000000,600\n1700000060,0\n1700000120,7\n",
            "Count,Time\n600,0\n0,60\n7,120\n",
            "id,shard,zone,t_s,count\na,1,x,0,600\nb,1,x,60,0\nc,1,x,120,7\n",
            "time,count\n2026-01-01T00:00:00Z,600\n2026-01-01T00:01:00Z,0\n2026-01-01 00:02:00Z,7\n",
        ] {
            let trace = try Self.read(text)
            #expect(trace.rows == .counts([600, 0, 7]) && trace.binSeconds == 60, "\(text)")
        }
        // What the file says itself counts more than its name.
        let named = try Self.read("t_s,count\n0,1\n10,2\n", name: "x.count60s.csv")
        #expect(named.binSeconds == 10)
        #expect(try Self.read("t_s,count\n0,1\n", interval: 5).binSeconds == 5)
    }

    @Test("a byte order mark, quotes and the line ends of Windows change nothing")
    func dressing() throws {
        let plain = try Self.read("t_s,count\n0,10\n5,6\n")
        #expect(try Self.read("\u{feff}t_s,count\r\n0,10\r\n5,6\r\n") == plain)
        #expect(try Self.read("\"t_s\",\"count\"\n\"0\",\"10\"\n\n\"5\",\"6\"") == plain)
        #expect(try Self.read("\u{feff}3\n4\n").rows == .times([0, 1]))
        let prompts = try Self.read("time,prompt\n0,\"well, then\"\n2,x\n")
        #expect(prompts.rows == .times([0, 2]))
    }

    @Test("a line break between quotes belongs to its field, and the lines are counted on")
    func quotedLineBreaks() throws {
        let text = "time,prompt\n0,\"one\ntwo, \"\"three\"\"\r\n\"\n2, \"x\"\n"
        #expect(try Self.read(text).rows == .times([0, 2]))
        let wrong = #expect(throws: TraceError.self) { try Self.read(text + "y,z\n") }
        #expect(wrong?.description.contains("line 6, column 1: 'y'") == true, "\(wrong?.description ?? "")")
        for (text, line) in [
            ("time,prompt\n0,x\n1,\"one\ntwo\n2,x\n", 3), ("\"time\n0\n", 1), ("time,prompt\n0,\"x", 2),
        ] {
            let error = #expect(throws: TraceError.self) { try Self.read(text) }
            let part = "x.csv, line \(line): a quote is opened and never closed"
            #expect(error?.description.contains(part) == true, "\(error?.description ?? "")")
        }
        // A quote inside a field opens nothing.
        #expect(try Self.read("time,size\n0,5\" wide\n2,6\n").rows == .times([0, 2]))
    }

    @Test("a time without an offset is one of UTC, with a header and without")
    func timesWithoutOffset() throws {
        let rows = "2014-04-10 00:04:00,a\n2014-04-10 00:09:00.5,b\n2014-04-10T01:10:00+01:00,c\n"
        #expect(try Self.read(rows).rows == .times([0, 300.5, 360]))
        #expect(try Self.read("timestamp,x\n" + rows).rows == .times([0, 300.5, 360]))
        let counts = try Self.read("timestamp,count\n2014-04-10 00:04:00,94\n2014-04-10 00:09:00,56\n")
        #expect(counts.rows == .counts([94, 56]) && counts.binSeconds == 300)
        #expect(throws: TraceError.self) { try Self.read("time\n2014-04-10\n") }
    }

    @Test("without a header each row is a request, and the names of times are known in many spellings")
    func times() throws {
        #expect(try Self.read("0.5,4\n1.5,9\n").rows == .times([0, 1]))
        for name in ["t", "TIMESTAMP", "arrival_time", "ts", "Datetime"] {
            #expect(try Self.read("\(name),tokens\n0.5,4\n1.5,9\n").rows == .times([0, 1]), "\(name)")
        }
        #expect(try Self.read("user,time\na,0.5\nb,1.5\n").rows == .times([0, 1]))
    }

    @Test("a row may have as many columns as its header, however many these are")
    func wideTables() throws {
        let header = (["time"] + (1..<300).map { "shard\($0)" }).joined(separator: ",")
        let rest = String(repeating: ",7", count: 299)
        #expect(try Self.read("\(header)\n0\(rest)\n2\(rest)\n").rows == .times([0, 2]))
        let error = #expect(throws: TraceError.self) { try Self.read("\(header)\n0\(rest),7\n") }
        #expect(error?.description.contains("301 columns where the header has 300") == true)
        #expect(try Self.read("time,note,\n0,a,b\n2,c,\n").rows == .times([0, 2]))
    }

    @Test("any other column is refused by its name, and nothing is guessed")
    func unknownColumns() {
        for (text, part) in [
            ("requests\n10\n20\n", "line 1: unknown column 'requests'; use time, count, or t_s,rate_rps"),
            ("\n\nrps\n10\n", "line 3: unknown column 'rps'"), ("count,rate_rps\n1,2\n", "both count and rate_rps"),
            ("time;count\n0;5\n", "line 1: unknown column 'time;count'; commas divide columns"),
            ("time\tcount\n0\t5\n", "commas divide columns"),
            ("arrivals\n12\n8\n", "unknown column 'arrivals'"), ("rate_rps\n5\n", "needs a column t_s"),
            ("a\u{1b}[2Jb\n5\n", "unknown column 'a?[2Jb'"),
            ("a\u{9b}2J\u{202e}b\u{200b}\u{2028}é\u{7f}\n5\n", "unknown column 'a?2J?b??é?'"),
        ] {
            let error = #expect(throws: TraceError.self) { try Self.read(text) }
            #expect(error?.description.contains(part) == true, "\(error?.description ?? "")")
        }
    }

    @Test(
        "a column beside times that may be counts is no request a row",
        arguments: ["timestamp,requests", "time,value", "t,rps", "Timestamp,Arrivals", "requests_per_second,date"]
    )
    func doubtfulColumns(header: String) throws {
        let error = #expect(throws: TraceError.self) { try Self.read("\(header)\n0,12\n1,8\n") }
        #expect(error?.description.contains("rename it to count or rate_rps") == true, "\(error?.description ?? "")")
        // Beside one that is known it is one more column.
        #expect(try Self.read("\(header),count\n0,1,12\n1,2,8\n").requests == 20)
    }

    @Test(
        "what would be misread is refused, with the line as an editor counts it",
        arguments: [
            ("timestamp\n1700000000034\n1700000000132\n", "line 2, column 1", "milliseconds?"),
            ("t_s,rate_rps\n0,5\n60,6\n90,6\n", "line 4", "by 30.000 s where it goes on by 60.000 s before"),
            ("t_s,rate_rps\n0,5\n60,6\n30,6\n", "line 4", "ascending"),
            ("t_s,rate_rps\n120,5\n60,6\n0,6\n", "line 3", "ascending"),
            ("t_s,count\n0,5\n60,6\n180,6\n", "line 4", "a row where nothing came"),
            ("t_s,count\n0,5\n", "x.csv", "at least two rows"),
            ("count\n\n\n5\n\nx\n", "line 6", "'x' isn't a number of 0 or more"),
            ("count\n3,000\n", "line 2", "2 columns where the header has 1"),
            ("count\n2026-01-01T00:00:00Z\n", "line 2", "isn't a number"), ("count\n3\ninf\n", "line 3", "'inf'"),
        ]
    )
    func misreadings(text: String, place: String, part: String) {
        let error = #expect(throws: TraceError.self) { try Self.read(text) }
        let message = error?.description ?? ""
        #expect(message.contains(place) && message.contains(part), "\(message)")
    }

    @Test("without a header and with an interval each row is one count and nothing else")
    func bareCounts() throws {
        #expect(try Self.read("3\n4,\n", interval: 60).rows == .counts([3, 4]))
        for (text, line) in [("3,000\n4\n", 1), ("3\n4,000\n", 2)] {
            let error = #expect(throws: TraceError.self) { try Self.read(text, interval: 60) }
            let part = "line \(line): 2 columns where counts without a header have 1; is there a comma"
            #expect(error?.description.contains(part) == true, "\(error?.description ?? "")")
        }
    }

    @Test("counts of a second are replayed as they are, though their times jitter a little")
    func jitteringTimes() throws {
        let trace = try Self.read("t_s,count\n0.0003,12\n1,8\n2.0007,9\n")
        #expect(trace.plan() == .counts([12, 8, 9]))
        #expect(try Self.read("t_s,count\n0,12\n59.99,8\n119.97,9\n").binSeconds == 60)
        for step in [0.5, 0.998, 1.5, 90.5] {
            #expect(try Self.read("t_s,count\n0,12\n\(step),8\n").binSeconds == step)
        }
    }

    @Test("an interval that contradicts the times is refused")
    func contradictingInterval() {
        let error = #expect(throws: TraceError.self) { try Self.read("t_s,count\n0,5\n60,6\n", interval: 5) }
        #expect(error?.description.contains("but the times go on by 60.000 s") == true)
    }

    @Test("an interval shorter than the simulation's microsecond is refused: its rate would have no end")
    func tinyIntervals() throws {
        for (text, interval) in [("count\n5\n5\n", 1e-300), ("5\n", 1e-7), ("t_s,count\n0,5\n1e-310,5\n", nil)] {
            let error = #expect(throws: TraceError.self) { try Self.read(text, interval: interval) }
            let isSaid = ["isn't between 0.000001", "of a microsecond to a day"].contains {
                error?.description.contains($0) == true
            }
            #expect(isSaid, "\(error?.description ?? "")")
        }
        let least = try Self.read("count\n5\n5\n", interval: 1e-6)
        #expect(DemandProfile(least.plan(), seed: 1).requests < 100)
    }

    @Test("an interval that no file can have is refused where its name says it")
    func intervalsInNames() throws {
        for part in ["count-5s", "count0s", "countnans", "countinfs", "count86401s"] {
            let error = #expect(throws: TraceError.self) { try Self.read("count\n10\n6\n", name: "x.\(part).csv") }
            #expect(error?.description.contains("\(part), isn't between 0.000001 and 86400 s") == true)
            // Who says the interval needn't rename the file.
            #expect(try Self.read("count\n10\n6\n", name: "x.\(part).csv", interval: 60).binSeconds == 60)
        }
        #expect(try Self.read("count\n10\n", name: "countries.counts.count30s.csv").binSeconds == 30)
    }

    @Test("more requests than can be replayed are refused before they are drawn", arguments: ["1e300", "1e13", "1e9"])
    func tooManyRequests(count: String) throws {
        let trace = try Self.read("count\n3\n\(count)\n")
        for scale in [1, 0.5, 30] {
            let error = #expect(throws: TraceError.self) {
                try ComparisonCase(replaying: trace, scaledBy: scale, settings: FleetSettings())
            }
            #expect(error?.description.contains("more than 200 million requests") == true)
            // The plan alone must not crash either.
            if scale > 1 { #expect(trace.plan(scaledBy: scale).requests > 0) }
        }
    }

    @Test("a load of which the scale leaves no request is refused")
    func noRequestLeft() throws {
        let trace = try Self.read("count\n1\n0\n0\n")
        let error = #expect(throws: TraceError.self) {
            try ComparisonCase(replaying: trace, scaledBy: 1e-9, settings: FleetSettings())
        }
        #expect(error?.description.contains("no request is left of 1") == true)
    }

    @Test("every seed can be written down")
    func seeds() throws {
        for (seed, text) in [(UInt64.max, "\"18446744073709551615\""), (7, "7")] {
            var settings = FleetSettings()
            settings.seed = seed
            let load = try ComparisonCase(replaying: try Self.read("count\n3\n4\n"), scaledBy: 1, settings: settings)
            let json = ComparisonReport(load, results: []).json
            #expect(json["seed"].map { String(decoding: $0.encodedPretty(), as: UTF8.self) }?.contains(text) == true)
        }
    }
}
