/* SPDX-License-Identifier: MIT */
/*
 * test_numbers.c - the pure functions of src/base: checked arithmetic, draws, hashes, checksums.
 *
 * Arithmetic is compared with the compiler's 128-bit integers, hash and checksum with their
 * definitions written out again in the plainest form. Fixed values come from the sources named
 * beside them, or freeze what a recording depends on: to change one is to change the trace version.
 */
#include "test.h"

#include "../src/base/checked.h"
#include "../src/base/crc32.h"
#include "../src/base/hash.h"
#include "../src/base/random.h"

/* A number near an edge more often than not: overflows live there. */
static uint64_t edgy(void) {
    static const uint64_t edges[] = {0,
                                     1,
                                     2,
                                     UINT32_MAX - 1,
                                     UINT32_MAX,
                                     (uint64_t)UINT32_MAX + 1,
                                     (uint64_t)1 << 63,
                                     UINT64_MAX - 1,
                                     UINT64_MAX};

    switch (test_below(4)) {
    case 0:
        return edges[test_below(sizeof edges / sizeof edges[0])];
    case 1:
        return test_random();
    case 2:
        return test_random() >> test_below(64);
    default:
        return edges[test_below(sizeof edges / sizeof edges[0])] + test_below(5) - 2;
    }
}

/* ---- checked.h ------------------------------------------------------------------------------- */

#if defined(__SIZEOF_INT128__)
__extension__ typedef unsigned __int128 u128;

TEST(checked_agrees_with_128_bits) {
    for (int i = 0; i < 200000 && !test_failed(); i++) {
        uint64_t a = edgy(), b = edgy(), c = edgy(), out = 77, high, portable;
        u128 sum = (u128)a + b, product = (u128)a * b;

        CHECK_EQ(checked_add64(a, b, &out), sum <= UINT64_MAX);
        CHECK_EQ(out, sum <= UINT64_MAX ? (uint64_t)sum : 77);
        CHECK_EQ(saturating_add64(a, b), sum <= UINT64_MAX ? (uint64_t)sum : UINT64_MAX);
        out = 77;
        CHECK_EQ(checked_sub64(a, b, &out), a >= b);
        CHECK_EQ(out, a >= b ? a - b : 77);
        out = 77;
        CHECK_EQ(checked_mul64(a, b, &out), product <= UINT64_MAX);
        CHECK_EQ(out, product <= UINT64_MAX ? (uint64_t)product : 77);
        CHECK_EQ(wide_multiply(a, b, &high), (uint64_t)product);
        CHECK_EQ(high, (uint64_t)(product >> 64));
        CHECK_EQ(wide_multiply_limbs(a, b, &portable), (uint64_t)product);
        CHECK_EQ(portable, high);
        out = 77;
        CHECK_EQ(checked_mul_div(a, b, c, &out), c != 0 && product / c <= UINT64_MAX);
        CHECK_EQ(out, c != 0 && product / c <= UINT64_MAX ? (uint64_t)(product / c) : 77);
    }
}
#else
TEST(checked_agrees_with_128_bits) {
    SKIP("this compiler has no 128-bit integer to compare with");
}
#endif

TEST(checked_32_agrees_with_64_bits) {
    for (int i = 0; i < 100000 && !test_failed(); i++) {
        uint32_t a = (uint32_t)edgy(), b = (uint32_t)edgy(), out = 77;
        uint64_t sum = (uint64_t)a + b, product = (uint64_t)a * b;

        CHECK_EQ(checked_add32(a, b, &out), sum <= UINT32_MAX);
        CHECK_EQ(out, sum <= UINT32_MAX ? sum : 77);
        out = 77;
        CHECK_EQ(checked_sub32(a, b, &out), a >= b);
        CHECK_EQ(out, a >= b ? a - b : 77);
        out = 77;
        CHECK_EQ(checked_mul32(a, b, &out), product <= UINT32_MAX);
        CHECK_EQ(out, product <= UINT32_MAX ? product : 77);
    }
}

TEST(checked_fixed_values) {
    uint64_t out = 77, high;

    CHECK_EQ(wide_multiply_limbs(UINT64_MAX, UINT64_MAX, &high), 1);
    CHECK_EQ(high, UINT64_MAX - 1);
    CHECK(checked_mul_div(UINT64_MAX, UINT64_MAX, UINT64_MAX, &out));
    CHECK_EQ(out, UINT64_MAX);
    CHECK(checked_mul_div(3, 1000000007, 1000000, &out)); /* rounds down */
    CHECK_EQ(out, 3000);
    out = 77;
    CHECK(!checked_mul_div(UINT64_MAX, 2, 1, &out));
    CHECK(!checked_mul_div(0, 0, 0, &out));
    CHECK(!checked_mul_div(5, 5, 0, &out));
    CHECK_EQ(out, 77); /* a refusal leaves the result alone */
    CHECK_EQ(saturating_add64(UINT64_MAX, UINT64_MAX), UINT64_MAX);
    CHECK_EQ(saturating_add64(UINT64_MAX - 1, 1), UINT64_MAX);
    CHECK_EQ(saturating_add64(1, 2), 3);
}

TEST(checked_align_up_is_the_next_multiple) {
    for (uint64_t align = 1; align != 0; align <<= 1) {
        for (int i = 0; i < 200; i++) {
            uint64_t value = edgy(), out = 77;
            uint64_t missing = (align - value % align) % align;

            CHECK_EQ(checked_align_up(value, align, &out), value <= UINT64_MAX - missing);
            CHECK_EQ(out, value <= UINT64_MAX - missing ? value + missing : 77);
        }
    }
}

/* ---- random.h -------------------------------------------------------------------------------- */

TEST(random_fixed_values) {
    /* SplitMix64 from seed 0, as published with the generator: 1st and 2nd output. */
    CHECK_EQ(mix64(HASH_GOLDEN), 0xE220A8397B1DCDAF);
    CHECK_EQ(mix64(2 * HASH_GOLDEN), 0x6E789E6AA1B965F4);
    /* Frozen: recordings depend on them. */
    CHECK_EQ(random_draw(0, 0, 0), 0xffe1c2f567f947a2);
    CHECK_EQ(random_draw(1, 2, 3), 0xa9a5aa54d0c34a99);
    CHECK_EQ(random_draw(UINT64_MAX, 7, UINT64_MAX), 0x53029be621fe3c81);
}

TEST(random_below_stays_below) {
    static const uint64_t bounds[] = {1, 2, 3, 7, 1000000, UINT32_MAX, UINT64_MAX};

    for (size_t i = 0; i < sizeof bounds / sizeof bounds[0]; i++) {
        CHECK_EQ(random_below(0, bounds[i]), 0);
        CHECK_EQ(random_below(UINT64_MAX, bounds[i]), bounds[i] - 1);
        for (int k = 0; k < 1000; k++) {
            CHECK(random_below(test_random(), bounds[i]) < bounds[i]);
        }
    }
}

/* Pearson's sum for 16 classes: 15 degrees of freedom; 60 is passed once in two million times, and
 * the draws are fixed by constants. */
static void check_even(const uint32_t *hits, uint32_t draws) {
    uint64_t sum = 0, expected = draws / 16;

    for (int i = 0; i < 16; i++) {
        uint64_t off = hits[i] > expected ? hits[i] - expected : expected - hits[i];

        sum += off * off;
    }
    CHECK(sum < 60 * expected);
}

TEST(random_is_even_along_each_word) {
    /* n, stream, seed count up in turn: names and numbers in use are small and close together. */
    for (int word = 0; word < 3; word++) {
        uint32_t high[16] = {0}, low[16] = {0}, step[16] = {0};
        uint64_t last = 0;

        for (uint64_t i = 0; i < 160000; i++) {
            uint64_t draw = random_draw(word == 2 ? i : 1, word == 1 ? i : 1, word == 0 ? i : 1);

            high[random_below(draw, 16)]++;
            low[draw % 16]++;
            step[(draw - last) % 16]++;
            last = draw;
        }
        check_even(high, 160000);
        check_even(low, 160000);
        check_even(step, 160000);
    }
}

TEST(random_each_bit_of_each_word_counts) {
    for (int bit = 0; bit < 192 && !test_failed(); bit++) {
        uint32_t flips[64] = {0};

        for (int i = 0; i < 512; i++) {
            uint64_t words[3], other[3], difference;

            for (int k = 0; k < 3; k++) {
                words[k] = test_random();
                other[k] = words[k];
            }
            other[bit / 64] ^= (uint64_t)1 << bit % 64;
            difference = random_draw(words[0], words[1], words[2]) ^
                         random_draw(other[0], other[1], other[2]);
            for (int k = 0; k < 64; k++) {
                flips[k] += (uint32_t)(difference >> k & 1);
            }
        }
        for (int k = 0; k < 64; k++) { /* 256 +- 11.3: six and a half standard deviations */
            CHECK(flips[k] > 182);
            CHECK(flips[k] < 330);
        }
    }
}

TEST(random_streams_share_nothing) {
    /* The same increment everywhere: without the second round these would be shifted copies. */
    uint64_t key_distance = hash_mix64(5, 8) - hash_mix64(5, 9);
    uint32_t equal = 0;

    for (uint64_t n = 0; n < 2000; n++) {
        for (uint64_t shift = 0; shift < 4; shift++) {
            equal += random_draw(5, 8, n) == random_draw(5, 9, n + shift);
        }
    }
    CHECK(key_distance != 0);
    CHECK_EQ(equal, 0);
}

/* ---- hash.h ---------------------------------------------------------------------------------- */

static void hash_whole(uint64_t seed, const void *bytes, size_t size, uint64_t out[2]) {
    struct hash128 hash;

    hash128_init(&hash, seed);
    hash128_add(&hash, bytes, size);
    hash128_end(&hash, out);
}

TEST(hash_does_not_see_the_cuts) {
    unsigned char bytes[300];
    uint64_t whole[2], parts[2];

    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (unsigned char)test_random();
    }
    for (int round = 0; round < 3000; round++) {
        size_t size = (size_t)test_below(sizeof bytes + 1), at = 0;
        struct hash128 hash;

        hash_whole(9, bytes, size, whole);
        hash128_init(&hash, 9);
        while (at < size) {
            size_t part = (size_t)test_below(round % 2 == 0 ? 5 : 80);

            part = part < size - at ? part : size - at;
            hash128_add(&hash, bytes + at, part);
            at += part;
            hash128_end(&hash, parts); /* asking changes nothing */
        }
        hash128_add(&hash, NULL, 0);
        hash128_end(&hash, parts);
        CHECK_EQ(parts[0], whole[0]);
        CHECK_EQ(parts[1], whole[1]);
    }
}

/* The definition again, over one zero-padded buffer, by limbs only: no buffering to get wrong, and
 * the portable product against the compiler's. */
static void hash_model(uint64_t seed, const unsigned char *bytes, size_t size, uint64_t out[2]) {
    static const uint64_t factors[2] = {0xA0761D6478BD642F, 0xE7037ED1A0B428DB};
    uint64_t lane[4], words[80] = {0}, count = (size + 31) / 32 * 4, c, d;

    for (uint64_t i = 0; i < 4; i++) {
        lane[i] = hash_mix64(seed, i + 1);
    }
    for (size_t i = 0; i < size; i++) {
        words[i / 8] |= (uint64_t)bytes[i] << 8 * (i % 8);
    }
    for (uint64_t i = 0; i < count + 8; i += 2) {
        uint64_t *pair = i < count ? lane + i % 4 : lane;
        uint64_t tail[8] = {0}, high, low;

        c = lane[2];
        d = lane[3];
        tail[0] = c, tail[1] = d, tail[2] = size, tail[3] = HASH_GOLDEN;
        tail[4] = d, tail[5] = c, tail[6] = HASH_GOLDEN, tail[7] = size;
        pair[0] ^= i < count ? words[i] : tail[i - count];
        pair[1] ^= i < count ? words[i + 1] : tail[i - count + 1];
        low = wide_multiply_limbs(pair[1], factors[0], &high);
        pair[0] += low ^ high;
        low = wide_multiply_limbs(pair[0], factors[1], &high);
        pair[1] += low ^ high;
    }
    out[0] = mix64(lane[0]);
    out[1] = mix64(lane[1]);
}

TEST(hash_agrees_with_its_definition) {
    unsigned char bytes[200];
    uint64_t real[2], model[2];

    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (unsigned char)test_random();
    }
    for (size_t size = 0; size <= sizeof bytes; size++) {
        uint64_t seed = test_random();

        hash_whole(seed, bytes, size, real);
        hash_model(seed, bytes, size, model);
        CHECK_EQ(real[0], model[0]);
        CHECK_EQ(real[1], model[1]);
    }
}

TEST(hash_fixed_values) {
    uint64_t out[2];

    hash_whole(0, "", 0, out);
    CHECK_EQ(out[0], 0xe73319458e8583ab);
    CHECK_EQ(out[1], 0xe204298a40c93c8f);
    hash_whole(1, "the quick brown fox jumps over the lazy dog", 43, out);
    CHECK_EQ(out[0], 0x605c6f595e1e1ab1);
    CHECK_EQ(out[1], 0x0ae179862631851c);
    CHECK_EQ(hash_text64("expand"), 0x9af622e6980209ab);
    CHECK_EQ(hash_mix64(1, 2), 0x081a5c1377856b73);
}

TEST(hash_each_input_bit_counts) {
    static const size_t sizes[] = {1, 8, 9, 31, 32, 33, 64, 96};

    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0] && !test_failed(); s++) {
        for (size_t bit = 0; bit<sizes[s] * 8; bit += sizes[s]> 9 ? 7 : 1) {
            uint32_t total = 0, least = 128;

            for (int i = 0; i < 64; i++) {
                unsigned char bytes[96];
                uint64_t a[2], b[2];
                uint32_t flips = 0;

                for (size_t k = 0; k < sizes[s]; k++) {
                    bytes[k] = i == 0 ? 0 : (unsigned char)test_random(); /* zeros too */
                }
                hash_whole(3, bytes, sizes[s], a);
                bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
                hash_whole(3, bytes, sizes[s], b);
                for (int k = 0; k < 64; k++) {
                    flips += (uint32_t)((a[0] ^ b[0]) >> k & 1);
                    flips += (uint32_t)((a[1] ^ b[1]) >> k & 1);
                }
                total += flips;
                least = flips < least ? flips : least;
            }
            CHECK(least > 28);      /* 64 +- 5.7 a time: more than six deviations */
            CHECK(total > 64 * 59); /* 4096 +- 45: seven */
            CHECK(total < 64 * 69);
        }
    }
}

TEST(hash_sizes_seeds_and_zeros_differ) {
    static const unsigned char zeros[100];
    uint64_t seen[202], out[2];

    for (size_t size = 0; size <= 100; size++) {
        hash_whole(0, zeros, size, out);
        seen[2 * size] = out[0];
        hash_whole(size + 1, zeros, 32, out);
        seen[2 * size + 1] = out[0];
    }
    for (int i = 0; i < 202; i++) {
        for (int k = 0; k < i; k++) {
            CHECK(seen[i] != seen[k]);
        }
    }
}

TEST(hash_swapped_blocks_and_repeated_differences_differ) {
    unsigned char bytes[128], other[128];
    uint64_t a[2], b[2];

    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (unsigned char)test_random();
    }
    for (size_t piece = 8; piece <= 32; piece *= 2) { /* neighbours change places */
        for (size_t at = 0; at + 2 * piece <= sizeof bytes; at += piece) {
            memcpy(other, bytes, sizeof bytes);
            memcpy(other + at, bytes + at + piece, piece);
            memcpy(other + at + piece, bytes + at, piece);
            hash_whole(0, bytes, sizeof bytes, a);
            hash_whole(0, other, sizeof other, b);
            CHECK(a[0] != b[0]);
            CHECK(a[1] != b[1]);
        }
    }
    for (int bit = 0; bit < 512; bit++) { /* the same flip in two blocks must not cancel */
        for (int distance = 64; distance <= 256; distance *= 2) {
            memcpy(other, bytes, sizeof bytes);
            other[bit / 8] ^= (unsigned char)(1 << bit % 8);
            other[(bit + distance) / 8] ^= (unsigned char)(1 << bit % 8);
            hash_whole(0, bytes, sizeof bytes, a);
            hash_whole(0, other, sizeof other, b);
            CHECK(a[0] != b[0]);
            CHECK(a[1] != b[1]);
        }
    }
}

TEST(hash_text_tells_none_from_empty) {
    CHECK_EQ(hash_text64(NULL), 0);
    CHECK(hash_text64("") != 0);
    CHECK(hash_text64("a") != hash_text64("b"));
    CHECK_EQ(hash_text64("expand"), hash_bytes64("expand", 6));
    CHECK(hash_mix64(1, 2) != hash_mix64(2, 1));
    CHECK(hash_mix64(0, 0) != 0);
}

/* ---- crc32.h --------------------------------------------------------------------------------- */

static uint32_t crc_by_bits(const unsigned char *bytes, size_t size) {
    uint32_t crc = UINT32_MAX;

    for (size_t i = 0; i < size * 8; i++) {
        crc ^= (uint32_t)(bytes[i / 8] >> i % 8 & 1);
        crc = crc >> 1 ^ ((crc & 1) != 0 ? 0x82F63B78 : 0);
    }
    return ~crc;
}

TEST(crc_of_the_standard) {
    unsigned char bytes[32]; /* RFC 3720, appendix B.4; the first value: the catalogue's check */

    CHECK_EQ(crc32c(0, "123456789", 9), 0xE3069283);
    CHECK_EQ(crc32c(0, NULL, 0), 0);
    memset(bytes, 0, sizeof bytes);
    CHECK_EQ(crc32c(0, bytes, 32), 0x8A9136AA);
    memset(bytes, 255, sizeof bytes);
    CHECK_EQ(crc32c(0, bytes, 32), 0x62A8AB43);
    for (unsigned i = 0; i < 32; i++) {
        bytes[i] = (unsigned char)i;
    }
    CHECK_EQ(crc32c(0, bytes, 32), 0x46DD794E);
    for (unsigned i = 0; i < 32; i++) {
        bytes[i] = (unsigned char)(31 - i);
    }
    CHECK_EQ(crc32c(0, bytes, 32), 0x113FDB5C);
}

TEST(crc_agrees_bit_by_bit_and_goes_on) {
    unsigned char bytes[64];

    for (int round = 0; round < 2000; round++) {
        size_t size = (size_t)test_below(sizeof bytes + 1), cut = (size_t)test_below(size + 1);

        for (size_t i = 0; i < size; i++) {
            bytes[i] = (unsigned char)test_random();
        }
        CHECK_EQ(crc32c(0, bytes, size), crc_by_bits(bytes, size));
        CHECK_EQ(crc32c(crc32c(0, bytes, cut), bytes + cut, size - cut), crc32c(0, bytes, size));
    }
}

TEST(crc_by_the_processor_is_the_same) {
    unsigned char bytes[80];

    for (int round = 0; round < 2000 && crc32c_has_quick(); round++) {
        size_t size = (size_t)test_below(65), from = (size_t)test_below(sizeof bytes - 64);
        uint32_t before = (uint32_t)test_random();

        for (size_t i = 0; i < sizeof bytes; i++) {
            bytes[i] = (unsigned char)test_random();
        }
        CHECK_EQ(crc32c_quick(before, bytes + from, size), crc32c(before, bytes + from, size));
    }
}

TEST_MAIN()
