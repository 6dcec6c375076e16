/* SPDX-License-Identifier: MIT */
/*
 * hash.h - one 128-bit streaming hash, and digests and mixes of 64 bits.
 *
 * The 128-bit hash stands for a whole event log: two runs are the same run if it is equal. It is
 * not cryptographic: it detects difference, not forgery.
 *
 * Invariant: the result is a function of (seed, byte stream) alone. How the stream was cut into
 * hash128_add calls, byte order, alignment and compiler do not matter; only integers are used.
 *
 * Construction: blocks of 32 bytes feed two independent pairs of lanes, so that the processor works
 * on both at once. A pair takes 16 bytes by xor and then does two Feistel rounds (Luby and Rackoff,
 * SIAM J. Comput. 17(2), 1988) whose round function is the folded 64x64 -> 128 multiplication (high
 * xor low half; Wang Yi, wyhash). A Feistel round is a permutation of the 128 bits whatever the
 * round function loses, so two streams that differ in one block can never collide there, and a
 * factor of zero loses nothing. The end adds the size, which tells padding from data, and eight
 * more rounds.
 *
 * mix64 is the finaliser of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014, figure 13: Stafford's
 * variant 13 of MurmurHash3's finaliser): a bijection of 64 bits with full avalanche.
 *
 * Memory: the struct is the whole state, without padding. Threads: one owner a struct.
 */
#ifndef SWARM_BASE_HASH_H
#define SWARM_BASE_HASH_H

#include <string.h>

#include "check.h"
#include "checked.h"

#define HASH_BLOCK 32
#define HASH_GOLDEN 0x9E3779B97F4A7C15u   /* 2^64 / golden ratio, odd */
#define HASH_FACTOR_A 0xA0761D6478BD642Fu /* both factors: wyhash's, odd, 32 bits set */
#define HASH_FACTOR_B 0xE7037ED1A0B428DBu

/* A hash that is being computed. It may be copied, kept in a log ring and gone on with later. */
struct hash128 {
    uint64_t lane[4];
    /* Bytes so far; size % HASH_BLOCK of them wait in tail. */
    uint64_t size;
    /* The block that is not full yet. What stands behind its bytes is left over and means nothing:
     * hash128_end copies what counts. */
    unsigned char tail[HASH_BLOCK];
};

static_assert(sizeof(struct hash128) == 72, "hash128 has padding");

static inline uint64_t mix64(uint64_t x) {
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

/* Depends on the order of its arguments; for a fixed one it is a bijection of the other. */
static inline uint64_t hash_mix64(uint64_t a, uint64_t b) {
    return mix64(mix64(a + HASH_GOLDEN) ^ b);
}

/* Compilers make one load of this on a little-endian machine. */
static inline uint64_t hash_load64(const unsigned char *at) {
    return (uint64_t)at[0] | (uint64_t)at[1] << 8 | (uint64_t)at[2] << 16 | (uint64_t)at[3] << 24 |
           (uint64_t)at[4] << 32 | (uint64_t)at[5] << 40 | (uint64_t)at[6] << 48 |
           (uint64_t)at[7] << 56;
}

/* The round function: high xor low half of the product. It loses information (a factor of 0 gives
 * 0), which a Feistel round may. */
static inline uint64_t hash_fold(uint64_t a, uint64_t b) {
    uint64_t high;
    uint64_t low = wide_multiply(a, b, &high);

    return high ^ low;
}

/* Takes 16 bytes into a pair and does two rounds: a permutation of the pair for every (x, y). */
static inline void hash_pair(uint64_t *a, uint64_t *b, uint64_t x, uint64_t y) {
    *a ^= x;
    *b ^= y;
    *a += hash_fold(*b, HASH_FACTOR_A);
    *b += hash_fold(*a, HASH_FACTOR_B);
}

/* Lanes in locals, so that they stay in registers: through the pointer, each round would wait for a
 * store of the one before. */
static inline void hash_blocks(uint64_t lane[4], const unsigned char *at, size_t count) {
    SWARM_ASSERT(at != NULL || count == 0);
    uint64_t a = lane[0], b = lane[1], c = lane[2], d = lane[3];

    for (; count != 0; count--, at += HASH_BLOCK) {
        hash_pair(&a, &b, hash_load64(at), hash_load64(at + 8));
        hash_pair(&c, &d, hash_load64(at + 16), hash_load64(at + 24));
    }
    lane[0] = a;
    lane[1] = b;
    lane[2] = c;
    lane[3] = d;
}

/* Four lanes that differ from each other and with each seed. */
static inline void hash128_init(struct hash128 *hash, uint64_t seed) {
    for (uint64_t i = 0; i < 4; i++) {
        hash->lane[i] = hash_mix64(seed, i + 1);
    }
    hash->size = 0;
    memset(hash->tail, 0, sizeof hash->tail);
}

/* The next bytes of the stream. However the stream is cut, each block goes in whole and once. */
static inline void hash128_add(struct hash128 *hash, const void *bytes, size_t size) {
    const unsigned char *at = (const unsigned char *)bytes;
    size_t held = (size_t)(hash->size % HASH_BLOCK);

    if (size == 0) {
        return; /* bytes may be null then, which memcpy must not see */
    }
    SWARM_ASSERT(bytes != NULL);
    hash->size += size;
    if (held != 0) {
        size_t part = HASH_BLOCK - held < size ? HASH_BLOCK - held : size;

        memcpy(hash->tail + held, at, part);
        if (held + part < HASH_BLOCK) {
            return;
        }
        hash_blocks(hash->lane, hash->tail, 1);
        at += part;
        size -= part;
    }
    hash_blocks(hash->lane, at, size / HASH_BLOCK);
    memcpy(hash->tail, at + (size - size % HASH_BLOCK), size % HASH_BLOCK);
}

/* Leaves hash as it is: the hash of a log is asked for while the log goes on. */
static inline void hash128_end(const struct hash128 *hash, uint64_t out[2]) {
    uint64_t lane[4] = {hash->lane[0], hash->lane[1], hash->lane[2], hash->lane[3]};
    size_t held = (size_t)(hash->size % HASH_BLOCK);
    SWARM_ASSERT(out != NULL);

    if (held != 0) {
        unsigned char last[HASH_BLOCK] = {0};

        memcpy(last, hash->tail, held);
        hash_blocks(lane, last, 1);
    }
    /* The pairs have not met so far. Eight rounds with both, the size and a constant, and then the
     * finaliser: every bit of the stream reaches every bit of the result. */
    hash_pair(&lane[0], &lane[1], lane[2], lane[3]);
    hash_pair(&lane[0], &lane[1], hash->size, HASH_GOLDEN);
    hash_pair(&lane[0], &lane[1], lane[3], lane[2]);
    hash_pair(&lane[0], &lane[1], HASH_GOLDEN, hash->size);
    out[0] = mix64(lane[0]);
    out[1] = mix64(lane[1]);
}

/* The digest of some bytes: the first half of their hash with seed 0. May be 0. */
static inline uint64_t hash_bytes64(const void *bytes, size_t size) {
    struct hash128 hash;
    uint64_t out[2];

    hash128_init(&hash, 0);
    hash128_add(&hash, bytes, size);
    hash128_end(&hash, out);
    return out[0];
}

/* The digest of a name. 0 means "no name", so that a table of digests needs no flag beside it. */
static inline uint64_t hash_text64(const char *text) {
    uint64_t digest;
    size_t size = 0; /* counted here: the core asks nothing of the C library but memory moves */

    if (text == NULL) {
        return 0;
    }
    while (text[size] != '\0') {
        size++;
    }
    digest = hash_bytes64(text, size);
    return digest != 0 ? digest : 1;
}

#endif
