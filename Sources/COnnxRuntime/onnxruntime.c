// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

#include "onnxruntime.h"

// The positions of the last slots of the first API versions, and of two that we call late in the table.
#define POSITION(NAME, INDEX)                                                                                        \
    _Static_assert(offsetof(OrtApi, NAME) == (INDEX) * sizeof(void *), "slot " #NAME " has moved")

POSITION(Run, 9);
POSITION(ReleaseCustomOpDomain, 101);
POSITION(ReleaseModelMetadata, 118);
POSITION(AddFreeDimensionOverrideByName, 124);
POSITION(ReleaseAvailableProviders, 126);
POSITION(AddSessionConfigEntry, 130);
