/* The kernel's compressors as zswap and zram call them: a page in, its bytes out, or -1. */
#include "base.h"
#include <linux/lz4.h>
#include <linux/lzo.h>
#include <linux/zstd.h>

void *malloc(size_t);

enum { out_bytes = 1 << 18 };
static u8 out[out_bytes];
static char work[1 << 17];

int kernel_lz4(const u8 *page, int bytes) {
    return LZ4_compress_default((const char *)page, (char *)out, bytes, out_bytes, work);
}

int kernel_lzo(const u8 *page, int bytes) {
    size_t made = out_bytes;
    return lzo1x_1_compress(page, bytes, out, &made, work) == LZO_E_OK ? (int)made : -1;
}

int kernel_lzo_rle(const u8 *page, int bytes) {
    size_t made = out_bytes;
    return lzorle1x_1_compress(page, bytes, out, &made, work) == LZO_E_OK ? (int)made : -1;
}

/* Level 3 with the parameters for inputs of `source_bytes`; 0: of unknown length. */
int kernel_zstd(const u8 *page, int bytes, unsigned source_bytes) {
    static void *memory;
    static size_t memory_bytes;
    zstd_parameters parameters = zstd_get_params(3, source_bytes);
    const size_t needed = zstd_cctx_workspace_bound(&parameters.cParams);
    if (memory_bytes < needed) memory = malloc(memory_bytes = needed);
    zstd_cctx *context = zstd_init_cctx(memory, memory_bytes);
    const size_t made = zstd_compress_cctx(context, out, out_bytes, page, bytes, &parameters);
    return made <= out_bytes ? (int)made : -1; /* errors are beyond */
}
