/* What the kernel's compressors ask of its headers, for user space. Each of those headers is this one (build.py). */
#pragma once
#include <assert.h>
#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef uint8_t u8;
typedef uint16_t u16, __le16;
typedef uint32_t u32, __le32;
typedef uint64_t u64, __le64;
typedef int32_t s32;

#define CONFIG_64BIT 1
#define CONFIG_X86_64 1
#define CONFIG_HAVE_EFFICIENT_UNALIGNED_ACCESS 1
#undef __LITTLE_ENDIAN
#define __LITTLE_ENDIAN 1234

#define EXPORT_SYMBOL(x)
#define EXPORT_SYMBOL_GPL(x)
#define MODULE_LICENSE(x)
#define MODULE_DESCRIPTION(x)
#define BUILD_BUG_ON(x)
#define WARN_ON(x) (x)
#define printk(...)
#define pr_debug(...)
#define U8_MAX 255

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define noinline __attribute__((noinline))
#undef __always_inline
#define __always_inline inline __attribute__((always_inline))
#define __maybe_unused __attribute__((unused))
#define fallthrough __attribute__((fallthrough))

#define min(a, b) ((a) < (b) ? (a) : (b))
#define max(a, b) ((a) > (b) ? (a) : (b))
#define min_t(type, a, b) min((type)(a), (type)(b))
#define PTR_ALIGN(p, to) ((__typeof__(p))(((uintptr_t)(p) + (to) - 1) & ~((uintptr_t)(to) - 1)))
#define ALIGN(x, to) (((x) + (to) - 1) & ~((__typeof__(x))(to) - 1))
#define __ffs(x) ((unsigned long)__builtin_ctzl(x))
#define div_u64(a, b) ((u64)(a) / (u32)(b))
#define swab32 __builtin_bswap32
#define swab64 __builtin_bswap64
#define cpu_to_le16(x) (x)
#define cpu_to_le32(x) (x)
#define le32_to_cpu(x) (x)

#define UNALIGNED(type, p) (((struct { type value; } __attribute__((packed)) *)(p))->value)
#define get_unaligned(p) UNALIGNED(__typeof__(*(p)), p)
#define put_unaligned(x, p) ((void)(UNALIGNED(__typeof__(*(p)), p) = (x)))
#define get_unaligned_le16(p) UNALIGNED(u16, p)
#define get_unaligned_le32(p) UNALIGNED(u32, p)
#define get_unaligned_le64(p) UNALIGNED(u64, p)
#define get_unaligned_be32(p) swab32(UNALIGNED(u32, p))
#define get_unaligned_be64(p) swab64(UNALIGNED(u64, p))
#define put_unaligned_le16(x, p) ((void)(UNALIGNED(u16, p) = (x)))
#define put_unaligned_le32(x, p) ((void)(UNALIGNED(u32, p) = (x)))
#define put_unaligned_le64(x, p) ((void)(UNALIGNED(u64, p) = (x)))
#define put_unaligned_be32(x, p) ((void)(UNALIGNED(u32, p) = swab32(x)))
#define put_unaligned_be64(x, p) ((void)(UNALIGNED(u64, p) = swab64(x)))
