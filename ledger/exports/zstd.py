"""Zstandard, from wherever this Python has it: one interface in the standard library (3.14) and before."""

import sys

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

ZstdError = zstd.ZstdError
LEVEL = 3
"""Ten is a third smaller and takes ten times as long."""
WINDOW_LOG = 23
"""Bytes that a file may have a reader hold, as a power of two: level 3 has 21."""


def compressor() -> zstd.ZstdCompressor:
    return zstd.ZstdCompressor(options={zstd.CompressionParameter.compression_level: LEVEL,
                                        zstd.CompressionParameter.checksum_flag: 1})


def decompressor() -> zstd.ZstdDecompressor:
    return zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: WINDOW_LOG})
