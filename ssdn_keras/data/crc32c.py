"""CRC-32C (Castagnoli), the checksum of TFRecord files, which Python's library does not have."""

import functools

import numpy as np

_POLYNOMIAL = 0x82F63B78  # bits reversed
_BLOCK_BITS = 8  # a long text is cut into blocks of 2⁸ bytes, which are taken through the same steps at once
_SHORT = 512  # bytes up to which a plain loop is faster


def _make_table(bits):
    table = np.arange(1 << bits, dtype=np.uint32)
    for _ in range(bits):
        table = np.where(table & 1, (table >> 1) ^ np.uint32(_POLYNOMIAL), table >> 1)
    return table


_BYTES = _make_table(8).tolist()
_PAIRS = _make_table(16)


def _apply(matrix, values):
    """A 32×32 matrix over GF(2), given as its columns, times each of `values` (uint32)."""
    product = np.zeros_like(values)
    for bit, column in enumerate(matrix):
        product ^= np.where((values >> np.uint32(bit)) & np.uint32(1), column, np.uint32(0))
    return product


@functools.cache
def _zeros(bits):
    """The matrix that takes a register past 2**bits bytes of zeros, at least two."""
    if bits == 1:
        units = np.uint32(1) << np.arange(32, dtype=np.uint32)
        return _PAIRS[units & 0xFFFF] ^ (units >> np.uint32(16))
    return _apply(_zeros(bits - 1), _zeros(bits - 1))


def _plain(data):
    register = 0xFFFFFFFF
    for byte in data:
        register = _BYTES[(register ^ byte) & 255] ^ (register >> 8)
    return register ^ 0xFFFFFFFF


def crc32c(data):
    """The checksum of bytes, an integer of 32 bits.

    It is linear: the registers of two neighbouring blocks, each begun at 0, join to zeros(length) · left ^ right.

    Examples:
        >>> hex(crc32c(b"123456789"))  # the check value of the CRC catalogue
        '0xe3069283'
    """
    if len(data) <= _SHORT:
        return _plain(data)
    # Zeros before the text leave a register of 0 as it is; the usual start, all ones, flips the first four bytes.
    padded = np.zeros(-(-len(data) >> _BLOCK_BITS) << _BLOCK_BITS, np.uint8)
    text = padded[padded.size - len(data) :]
    text[:] = np.frombuffer(data, np.uint8)
    text[:4] ^= 255
    columns = np.ascontiguousarray(padded.view("<u2").reshape(-1, 1 << (_BLOCK_BITS - 1)).T)
    registers = np.zeros(columns.shape[1], np.uint32)
    for column in columns:
        registers = _PAIRS.take(registers.astype(np.uint16) ^ column) ^ (registers >> np.uint32(16))
    bits = _BLOCK_BITS
    while registers.size > 1:
        if registers.size % 2:
            registers = np.concatenate([np.zeros(1, np.uint32), registers])
        registers = _apply(_zeros(bits), registers[::2]) ^ registers[1::2]
        bits += 1
    return int(registers[0]) ^ 0xFFFFFFFF


def masked(data):
    """The checksum as TFRecord stores it: turned by 15 bits and moved, so that checksums of checksums stay good."""
    checksum = crc32c(data)
    return ((checksum >> 15 | checksum << 17) + 0xA282EAD8) & 0xFFFFFFFF
