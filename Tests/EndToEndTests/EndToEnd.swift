// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Testing

/// The built programs, started as a user starts them; one suite at a time, since each keeps the machine busy.
@Suite("The built programs", .serialized)
struct EndToEnd {}
