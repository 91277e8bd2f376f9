// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0
//
// Our own declarations of the part of ONNX Runtime's C ABI that we call. The library is opened at run time; nothing
// is linked.
//
// The ABI is one exported function, `OrtGetApiBase`, which answers with a function that hands out tables by version.
// A table's slots never move or change meaning; a later version only appends slots. So the order below is the whole
// contract. Slots that we don't call are untyped pointers under the name of their function, which keeps the order
// readable; slots after the last one that we call are left out.
//
// How the order was checked:
// - against the list of functions of the public header (API version 29): names and positions;
// - against the positions that the library's own source asserts for the end of each early API version: the last slot
//   of version 1 is 101, of version 2 118, of version 3 124, of version 4 126 (`_Static_assert`s in `onnxruntime.c`);
// - by behaviour: the tests run every typed slot against the library of the PyPI wheel.
#pragma once

#include <stddef.h>
#include <stdint.h>

/// The API version that we ask for: the one of ONNX Runtime 1.17. Every later library has it too.
#define MODELFLEET_ORT_API_VERSION 17

/// The first library version that has it.
#define MODELFLEET_ORT_MINIMUM_VERSION "1.17"

typedef struct OrtAllocator OrtAllocator;
typedef struct OrtEnv OrtEnv;
typedef struct OrtMapTypeInfo OrtMapTypeInfo;
typedef struct OrtRunOptions OrtRunOptions;
typedef struct OrtSequenceTypeInfo OrtSequenceTypeInfo;
typedef struct OrtSession OrtSession;
typedef struct OrtSessionOptions OrtSessionOptions;
typedef struct OrtStatus OrtStatus;
typedef struct OrtTensorTypeAndShapeInfo OrtTensorTypeAndShapeInfo;
typedef struct OrtTypeInfo OrtTypeInfo;
typedef struct OrtValue OrtValue;

/// Element types of tensors (`ONNXTensorElementDataType`).
enum {
    ORT_ELEMENT_FLOAT = 1,
    ORT_ELEMENT_UINT8 = 2,
    ORT_ELEMENT_INT8 = 3,
    ORT_ELEMENT_UINT16 = 4,
    ORT_ELEMENT_INT16 = 5,
    ORT_ELEMENT_INT32 = 6,
    ORT_ELEMENT_INT64 = 7,
    ORT_ELEMENT_STRING = 8,
    ORT_ELEMENT_BOOL = 9,
    ORT_ELEMENT_FLOAT16 = 10,
    ORT_ELEMENT_DOUBLE = 11,
    ORT_ELEMENT_UINT32 = 12,
    ORT_ELEMENT_UINT64 = 13,
};

/// Kinds of values (`ONNXType`).
enum {
    ORT_KIND_TENSOR = 1,
    ORT_KIND_SEQUENCE = 2,
    ORT_KIND_MAP = 3,
};

/// Log levels (`OrtLoggingLevel`): 3 is error, 4 is fatal.
enum { ORT_LOG_ERROR = 3, ORT_LOG_FATAL = 4 };

/// Graph optimisation: everything (`ORT_ENABLE_ALL`).
enum { ORT_OPTIMIZE_ALL = 99 };

/// The table of functions. A function that can fail answers with a status, which the caller releases; null is success.
typedef struct OrtApi {
    // 0
    const void *_Nullable CreateStatus;
    int32_t (*_Nonnull GetErrorCode)(const OrtStatus *_Nonnull status);
    const char *_Nonnull (*_Nonnull GetErrorMessage)(const OrtStatus *_Nonnull status);
    OrtStatus *_Nullable (*_Nonnull CreateEnv)(
        int32_t logLevel, const char *_Nonnull logID, OrtEnv *_Nullable *_Nonnull result);
    const void *_Nullable CreateEnvWithCustomLogger;
    const void *_Nullable EnableTelemetryEvents;
    const void *_Nullable DisableTelemetryEvents;
    OrtStatus *_Nullable (*_Nonnull CreateSession)(
        const OrtEnv *_Nonnull environment, const char *_Nonnull path, const OrtSessionOptions *_Nonnull options,
        OrtSession *_Nullable *_Nonnull result);
    const void *_Nullable CreateSessionFromArray;
    OrtStatus *_Nullable (*_Nonnull Run)(
        OrtSession *_Nonnull session, const OrtRunOptions *_Nullable options, const char *_Nullable const *_Nonnull
        inputNames, const OrtValue *_Nullable const *_Nonnull inputs, size_t inputCount, const char *_Nullable const
        *_Nonnull outputNames, size_t outputCount, OrtValue *_Nullable *_Nonnull outputs);
    // 10
    OrtStatus *_Nullable (*_Nonnull CreateSessionOptions)(OrtSessionOptions *_Nullable *_Nonnull result);
    const void *_Nullable SetOptimizedModelFilePath;
    const void *_Nullable CloneSessionOptions;
    const void *_Nullable SetSessionExecutionMode;
    const void *_Nullable EnableProfiling;
    const void *_Nullable DisableProfiling;
    const void *_Nullable EnableMemPattern;
    const void *_Nullable DisableMemPattern;
    const void *_Nullable EnableCpuMemArena;
    const void *_Nullable DisableCpuMemArena;
    // 20
    const void *_Nullable SetSessionLogId;
    const void *_Nullable SetSessionLogVerbosityLevel;
    OrtStatus *_Nullable (*_Nonnull SetSessionLogSeverityLevel)(OrtSessionOptions *_Nonnull options, int level);
    OrtStatus *_Nullable (*_Nonnull SetSessionGraphOptimizationLevel)(
        OrtSessionOptions *_Nonnull options, int32_t level);
    OrtStatus *_Nullable (*_Nonnull SetIntraOpNumThreads)(OrtSessionOptions *_Nonnull options, int count);
    OrtStatus *_Nullable (*_Nonnull SetInterOpNumThreads)(OrtSessionOptions *_Nonnull options, int count);
    const void *_Nullable CreateCustomOpDomain;
    const void *_Nullable CustomOpDomain_Add;
    const void *_Nullable AddCustomOpDomain;
    const void *_Nullable RegisterCustomOpsLibrary;
    // 30
    OrtStatus *_Nullable (*_Nonnull SessionGetInputCount)(
        const OrtSession *_Nonnull session, size_t *_Nonnull result);
    OrtStatus *_Nullable (*_Nonnull SessionGetOutputCount)(
        const OrtSession *_Nonnull session, size_t *_Nonnull result);
    const void *_Nullable SessionGetOverridableInitializerCount;
    OrtStatus *_Nullable (*_Nonnull SessionGetInputTypeInfo)(
        const OrtSession *_Nonnull session, size_t index, OrtTypeInfo *_Nullable *_Nonnull result);
    OrtStatus *_Nullable (*_Nonnull SessionGetOutputTypeInfo)(
        const OrtSession *_Nonnull session, size_t index, OrtTypeInfo *_Nullable *_Nonnull result);
    const void *_Nullable SessionGetOverridableInitializerTypeInfo;
    OrtStatus *_Nullable (*_Nonnull SessionGetInputName)(
        const OrtSession *_Nonnull session, size_t index, OrtAllocator *_Nonnull allocator, char *_Nullable
        *_Nonnull result);
    OrtStatus *_Nullable (*_Nonnull SessionGetOutputName)(
        const OrtSession *_Nonnull session, size_t index, OrtAllocator *_Nonnull allocator, char *_Nullable
        *_Nonnull result);
    const void *_Nullable SessionGetOverridableInitializerName;
    const void *_Nullable CreateRunOptions;
    // 40
    const void *_Nullable RunOptionsSetRunLogVerbosityLevel;
    const void *_Nullable RunOptionsSetRunLogSeverityLevel;
    const void *_Nullable RunOptionsSetRunTag;
    const void *_Nullable RunOptionsGetRunLogVerbosityLevel;
    const void *_Nullable RunOptionsGetRunLogSeverityLevel;
    const void *_Nullable RunOptionsGetRunTag;
    const void *_Nullable RunOptionsSetTerminate;
    const void *_Nullable RunOptionsUnsetTerminate;
    OrtStatus *_Nullable (*_Nonnull CreateTensorAsOrtValue)(
        OrtAllocator *_Nonnull allocator, const int64_t *_Nullable shape, size_t dimensions, int32_t elementType,
        OrtValue *_Nullable *_Nonnull result);
    const void *_Nullable CreateTensorWithDataAsOrtValue;
    // 50
    const void *_Nullable IsTensor;
    OrtStatus *_Nullable (*_Nonnull GetTensorMutableData)(OrtValue *_Nonnull value, void *_Nullable *_Nonnull result);
    OrtStatus *_Nullable (*_Nonnull FillStringTensor)(
        OrtValue *_Nonnull value, const char *_Nullable const *_Nonnull strings, size_t count);
    OrtStatus *_Nullable (*_Nonnull GetStringTensorDataLength)(
        const OrtValue *_Nonnull value, size_t *_Nonnull result);
    OrtStatus *_Nullable (*_Nonnull GetStringTensorContent)(
        const OrtValue *_Nonnull value, void *_Nonnull bytes, size_t byteCount, size_t *_Nonnull offsets, size_t
        offsetCount);
    OrtStatus *_Nullable (*_Nonnull CastTypeInfoToTensorInfo)(
        const OrtTypeInfo *_Nonnull info, const OrtTensorTypeAndShapeInfo *_Nullable *_Nonnull result);
    OrtStatus *_Nullable (*_Nonnull GetOnnxTypeFromTypeInfo)(
        const OrtTypeInfo *_Nonnull info, int32_t *_Nonnull result);
    const void *_Nullable CreateTensorTypeAndShapeInfo;
    const void *_Nullable SetTensorElementType;
    const void *_Nullable SetDimensions;
    // 60
    OrtStatus *_Nullable (*_Nonnull GetTensorElementType)(
        const OrtTensorTypeAndShapeInfo *_Nonnull info, int32_t *_Nonnull result);
    OrtStatus *_Nullable (*_Nonnull GetDimensionsCount)(
        const OrtTensorTypeAndShapeInfo *_Nonnull info, size_t *_Nonnull result);
    OrtStatus *_Nullable (*_Nonnull GetDimensions)(
        const OrtTensorTypeAndShapeInfo *_Nonnull info, int64_t *_Nonnull values, size_t count);
    OrtStatus *_Nullable (*_Nonnull GetSymbolicDimensions)(
        const OrtTensorTypeAndShapeInfo *_Nonnull info, const char *_Nullable *_Nonnull names, size_t count);
    OrtStatus *_Nullable (*_Nonnull GetTensorShapeElementCount)(
        const OrtTensorTypeAndShapeInfo *_Nonnull info, size_t *_Nonnull result);
    OrtStatus *_Nullable (*_Nonnull GetTensorTypeAndShape)(
        const OrtValue *_Nonnull value, OrtTensorTypeAndShapeInfo *_Nullable *_Nonnull result);
    const void *_Nullable GetTypeInfo;
    OrtStatus *_Nullable (*_Nonnull GetValueType)(const OrtValue *_Nonnull value, int32_t *_Nonnull result);
    const void *_Nullable CreateMemoryInfo;
    const void *_Nullable CreateCpuMemoryInfo;
    // 70
    const void *_Nullable CompareMemoryInfo;
    const void *_Nullable MemoryInfoGetName;
    const void *_Nullable MemoryInfoGetId;
    const void *_Nullable MemoryInfoGetMemType;
    const void *_Nullable MemoryInfoGetType;
    const void *_Nullable AllocatorAlloc;
    OrtStatus *_Nullable (*_Nonnull AllocatorFree)(OrtAllocator *_Nonnull allocator, void *_Nullable memory);
    const void *_Nullable AllocatorGetInfo;
    OrtStatus *_Nullable (*_Nonnull GetAllocatorWithDefaultOptions)(OrtAllocator *_Nullable *_Nonnull result);
    const void *_Nullable AddFreeDimensionOverride;
    // 80
    OrtStatus *_Nullable (*_Nonnull GetValue)(
        const OrtValue *_Nonnull value, int index, OrtAllocator *_Nonnull allocator, OrtValue *_Nullable *_Nonnull
        result);
    OrtStatus *_Nullable (*_Nonnull GetValueCount)(const OrtValue *_Nonnull value, size_t *_Nonnull result);
    const void *_Nullable CreateValue;
    const void *_Nullable CreateOpaqueValue;
    const void *_Nullable GetOpaqueValue;
    const void *_Nullable KernelInfoGetAttribute_float;
    const void *_Nullable KernelInfoGetAttribute_int64;
    const void *_Nullable KernelInfoGetAttribute_string;
    const void *_Nullable KernelContext_GetInputCount;
    const void *_Nullable KernelContext_GetOutputCount;
    // 90
    const void *_Nullable KernelContext_GetInput;
    const void *_Nullable KernelContext_GetOutput;
    void (*_Nonnull ReleaseEnv)(OrtEnv *_Nullable object);
    void (*_Nonnull ReleaseStatus)(OrtStatus *_Nullable object);
    const void *_Nullable ReleaseMemoryInfo;
    void (*_Nonnull ReleaseSession)(OrtSession *_Nullable object);
    void (*_Nonnull ReleaseValue)(OrtValue *_Nullable object);
    void (*_Nonnull ReleaseRunOptions)(OrtRunOptions *_Nullable object);
    void (*_Nonnull ReleaseTypeInfo)(OrtTypeInfo *_Nullable object);
    void (*_Nonnull ReleaseTensorTypeAndShapeInfo)(OrtTensorTypeAndShapeInfo *_Nullable object);
    // 100
    void (*_Nonnull ReleaseSessionOptions)(OrtSessionOptions *_Nullable object);
    const void *_Nullable ReleaseCustomOpDomain;
    const void *_Nullable GetDenotationFromTypeInfo;
    OrtStatus *_Nullable (*_Nonnull CastTypeInfoToMapTypeInfo)(
        const OrtTypeInfo *_Nonnull info, const OrtMapTypeInfo *_Nullable *_Nonnull result);
    OrtStatus *_Nullable (*_Nonnull CastTypeInfoToSequenceTypeInfo)(
        const OrtTypeInfo *_Nonnull info, const OrtSequenceTypeInfo *_Nullable *_Nonnull result);
    OrtStatus *_Nullable (*_Nonnull GetMapKeyType)(const OrtMapTypeInfo *_Nonnull info, int32_t *_Nonnull result);
    OrtStatus *_Nullable (*_Nonnull GetMapValueType)(
        const OrtMapTypeInfo *_Nonnull info, OrtTypeInfo *_Nullable *_Nonnull result);
    OrtStatus *_Nullable (*_Nonnull GetSequenceElementType)(
        const OrtSequenceTypeInfo *_Nonnull info, OrtTypeInfo *_Nullable *_Nonnull result);
    const void *_Nullable ReleaseMapTypeInfo;
    const void *_Nullable ReleaseSequenceTypeInfo;
    // 110
    const void *_Nullable SessionEndProfiling;
    const void *_Nullable SessionGetModelMetadata;
    const void *_Nullable ModelMetadataGetProducerName;
    const void *_Nullable ModelMetadataGetGraphName;
    const void *_Nullable ModelMetadataGetDomain;
    const void *_Nullable ModelMetadataGetDescription;
    const void *_Nullable ModelMetadataLookupCustomMetadataMap;
    const void *_Nullable ModelMetadataGetVersion;
    const void *_Nullable ReleaseModelMetadata;
    const void *_Nullable CreateEnvWithGlobalThreadPools;
    // 120
    const void *_Nullable DisablePerSessionThreads;
    const void *_Nullable CreateThreadingOptions;
    const void *_Nullable ReleaseThreadingOptions;
    const void *_Nullable ModelMetadataGetCustomMetadataMapKeys;
    const void *_Nullable AddFreeDimensionOverrideByName;
    const void *_Nullable GetAvailableProviders;
    const void *_Nullable ReleaseAvailableProviders;
    const void *_Nullable GetStringTensorElementLength;
    const void *_Nullable GetStringTensorElement;
    const void *_Nullable FillStringTensorElement;
    // 130
    OrtStatus *_Nullable (*_Nonnull AddSessionConfigEntry)(
        OrtSessionOptions *_Nonnull options, const char *_Nonnull key, const char *_Nonnull value);
} OrtApi;

/// What `OrtGetApiBase` answers.
typedef struct OrtApiBase {
    /// The table of `version`; null when the library is older than that.
    const OrtApi *_Nullable (*_Nonnull GetApi)(uint32_t version);
    /// The library's version, such as `1.17.0`.
    const char *_Nonnull (*_Nonnull GetVersionString)(void);
} OrtApiBase;

/// The type of the library's one exported function, `OrtGetApiBase`.
typedef const OrtApiBase *_Nullable (*OrtGetApiBaseFunction)(void);
