/* SPDX-License-Identifier: MIT */
/*
 * moe_file.h - an index of a safetensors file that lies in the caller's bytes.
 *
 *     u64 little-endian: length of the header | header: a JSON object | data
 *     {"NAME": {"dtype": "BF16", "shape": [rows, columns], "data_offsets": [first, end]}, ...}
 *
 * Offsets count from the end of the header. The header is read twice, to count and to fill; the
 * entries are then sorted by offset (overlaps show) and at last by name (equal names show, and a
 * look-up is a binary search). Sorting is heapsort: no recursion, no bad case.
 *
 * Invariant: of an entry in the index, [first, end) lies in the data, end - first is the product of
 * shape and element size, and no two entries share a byte or a name. Names with escapes are kept as
 * they are written. Memory: the caller's, one block. Any thread once open.
 * Source: the format's description in huggingface/safetensors.
 */
#ifndef SWARM_MOE_FILE_H
#define SWARM_MOE_FILE_H

#include "moe_error.h"
#include "moe_json.h"
#include "swarm_moe.h"

#define HEADER_MAX UINT64_C(268435456)

struct file_entry {
    const unsigned char *name;
    uint64_t name_size;
    uint64_t first;
    uint64_t end;
    uint64_t shape[2];
    uint32_t type;
    uint32_t rank;
};

struct file {
    const unsigned char *data;
    uint64_t count;
    struct file_entry entries[];
};

struct file_header {
    const unsigned char *text;
    const unsigned char *data;
    uint64_t text_size;
    uint64_t data_size;
};

static bool file_header_read(const void *bytes, uint64_t size, struct file_header *out_header) {
    const unsigned char *file = bytes;
    uint64_t length = 0;

    if (file == NULL || size < 8) {
        return false;
    }
    for (uint32_t i = 8; i-- != 0;) {
        length = length << 8 | file[i];
    }
    if (length > size - 8 || length > HEADER_MAX) {
        return false;
    }
    *out_header = (struct file_header){file + 8, file + 8 + length, length, size - 8 - length};
    return true;
}

static uint32_t file_type(struct json_token token, uint64_t *out_bits) {
    static const struct {
        const char *name;
        uint32_t bits, type;
    } types[] = {
        {"F32", 32, SWARM_MOE_F32},      {"BF16", 16, SWARM_MOE_BF16},
        {"I32", 32, SWARM_MOE_I32},      {"I64", 64, SWARM_MOE_OTHER},
        {"F64", 64, SWARM_MOE_OTHER},    {"U64", 64, SWARM_MOE_OTHER},
        {"U32", 32, SWARM_MOE_OTHER},    {"F16", 16, SWARM_MOE_OTHER},
        {"I16", 16, SWARM_MOE_OTHER},    {"U16", 16, SWARM_MOE_OTHER},
        {"I8", 8, SWARM_MOE_OTHER},      {"U8", 8, SWARM_MOE_OTHER},
        {"BOOL", 8, SWARM_MOE_OTHER},    {"F8_E4M3", 8, SWARM_MOE_OTHER},
        {"F8_E5M2", 8, SWARM_MOE_OTHER}, {"F8_E8M0", 8, SWARM_MOE_OTHER},
    };

    for (uint32_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (token.kind == JSON_STRING && json_is(token, types[i].name)) {
            *out_bits = types[i].bits;
            return types[i].type;
        }
    }
    return 0;
}

/* A list of whole numbers: the first two in out_values, the product of all in *out_product. False
 * unless every one is a count and the product fits. */
static bool file_numbers(struct json *json, uint64_t out_values[2], uint32_t *out_count,
                         uint64_t *out_product) {
    struct json_token token = json_next(json);
    uint64_t value;

    *out_count = 0;
    *out_product = 1;
    if (token.kind != JSON_ARRAY) {
        return false;
    }
    for (token = json_next(json); token.kind != JSON_ARRAY_END; token = json_next(json)) {
        if (!json_integer(token, &value) || (value != 0 && *out_product > UINT64_MAX / value) ||
            *out_count == 16) {
            return false;
        }
        if (*out_count < 2) {
            out_values[*out_count] = value;
        }
        *out_product *= value;
        ++*out_count;
    }
    return true;
}

/* The description of one tensor, from its opening brace on. */
static bool file_entry_read(struct json *json, uint64_t data_size, struct file_entry *entry) {
    uint64_t bits = 0, elements = 0, offsets[2] = {0, 0}, product;
    uint32_t seen = 0, count = 0;
    struct json_token token = json_next(json);

    if (token.kind != JSON_OBJECT) {
        return false;
    }
    entry->shape[0] = entry->shape[1] = 1;
    for (token = json_next(json); token.kind == JSON_KEY; token = json_next(json)) {
        bool is_good = true;

        if (json_is(token, "dtype")) {
            entry->type = file_type(json_next(json), &bits);
            is_good = entry->type != 0;
            seen |= 1;
        } else if (json_is(token, "shape")) {
            is_good = file_numbers(json, entry->shape, &entry->rank, &elements);
            seen |= 2;
        } else if (json_is(token, "data_offsets")) {
            is_good = file_numbers(json, offsets, &count, &product) && count == 2;
            seen |= 4;
        } else {
            is_good = json_skip(json, json_next(json));
        }
        if (!is_good) {
            return false;
        }
    }
    entry->first = offsets[0];
    entry->end = offsets[1];
    return token.kind == JSON_OBJECT_END && seen == 7 && offsets[0] <= offsets[1] &&
           offsets[1] <= data_size && elements <= UINT64_MAX / 64 &&
           elements * (bits / 8) == offsets[1] - offsets[0];
}

/* Reads the header: counts the tensors, and writes up to `room` of them. False when it is bad;
 * *out_bad is then the name at hand. */
static bool file_entries(const struct file_header *header, struct file_entry *entries,
                         uint64_t room, uint64_t *out_count, struct json_token *out_bad) {
    struct json json = json_begin(header->text, (size_t)header->text_size);
    struct json_token token = json_next(&json);

    *out_count = 0;
    *out_bad = (struct json_token){(const unsigned char *)"header", 6, JSON_KEY};
    if (token.kind != JSON_OBJECT) {
        return false;
    }
    for (token = json_next(&json); token.kind == JSON_KEY; token = json_next(&json)) {
        struct file_entry entry = {.name = token.text, .name_size = token.size};

        if (json_is(token, "__metadata__")) {
            if (!json_skip(&json, json_next(&json))) {
                return false;
            }
            continue;
        }
        *out_bad = token;
        if (!file_entry_read(&json, header->data_size, &entry)) {
            return false;
        }
        if (*out_count < room) {
            entries[*out_count] = entry;
        }
        ++*out_count;
    }
    return token.kind == JSON_OBJECT_END && json_next(&json).kind == JSON_END;
}

static int file_compare_names(const struct file_entry *a, const unsigned char *name,
                              uint64_t size) {
    uint64_t common = a->name_size < size ? a->name_size : size;
    int order = memcmp(a->name, name, (size_t)common);

    return order != 0 ? order : a->name_size < size ? -1 : a->name_size > size;
}

static bool file_is_before(const struct file_entry *a, const struct file_entry *b, bool by_name) {
    if (by_name) {
        return file_compare_names(a, b->name, b->name_size) < 0;
    }
    return a->first != b->first ? a->first < b->first : a->end < b->end;
}

static void file_sift(struct file_entry *entries, uint64_t at, uint64_t count, bool by_name) {
    struct file_entry moved = entries[at];

    for (uint64_t child = 2 * at + 1; child < count; child = 2 * at + 1) {
        child += child + 1 < count && file_is_before(&entries[child], &entries[child + 1], by_name);
        if (!file_is_before(&moved, &entries[child], by_name)) {
            break;
        }
        entries[at] = entries[child];
        at = child;
    }
    entries[at] = moved;
}

static void file_sort(struct file_entry *entries, uint64_t count, bool by_name) {
    for (uint64_t i = count / 2; i-- != 0;) {
        file_sift(entries, i, count, by_name);
    }
    for (uint64_t i = count; i-- > 1;) {
        struct file_entry last = entries[i];

        entries[i] = entries[0];
        entries[0] = last;
        file_sift(entries, 0, i, by_name);
    }
}

static swarm_status file_refuse(swarm_moe_error *error, struct json_token name, const char *text) {
    size_t size = name.size < 127 ? name.size : 127;

    if (error != NULL) {
        *error = (swarm_moe_error){.text = text, .status = SWARM_E_CORRUPT};
        memcpy(error->name, name.text, size);
    }
    return SWARM_E_CORRUPT;
}

/* An entry that the one before it excludes, or null. */
static const struct file_entry *file_conflict(struct file *file, bool by_name) {
    file_sort(file->entries, file->count, by_name);
    for (uint64_t i = 1; i < file->count; i++) {
        const struct file_entry *a = &file->entries[i - 1], *b = a + 1;

        if (by_name ? file_compare_names(a, b->name, b->name_size) == 0 : b->first < a->end) {
            return b;
        }
    }
    return NULL;
}

swarm_status swarm_moe_file_size(const void *bytes, uint64_t size, size_t *out_bytes) {
    struct file_header header;
    struct json_token bad;
    uint64_t count;

    if (out_bytes == NULL || !file_header_read(bytes, size, &header) ||
        !file_entries(&header, NULL, 0, &count, &bad)) {
        return SWARM_E_CORRUPT;
    }
    *out_bytes = sizeof(struct file) + (size_t)count * sizeof(struct file_entry);
    return SWARM_OK;
}

swarm_status swarm_moe_file_open(const void *bytes, uint64_t size, void *memory, size_t memory_size,
                                 swarm_moe_error *out_error) {
    struct json_token bad = {(const unsigned char *)"header", 6, JSON_KEY};
    struct file *file = memory;
    struct file_header header;
    const struct file_entry *conflict;
    uint64_t room;

    if (memory == NULL || memory_size < sizeof *file) {
        return refuse(out_error, SWARM_E_FULL, "memory", "is less than swarm_moe_file_size says");
    }
    room = (memory_size - sizeof *file) / sizeof(struct file_entry);
    if (!file_header_read(bytes, size, &header)) {
        return file_refuse(out_error, bad, "the file is shorter than its header");
    }
    if (!file_entries(&header, file->entries, room, &file->count, &bad)) {
        return file_refuse(out_error, bad, "is badly described, or lies outside the file");
    }
    if (file->count > room) {
        return refuse(out_error, SWARM_E_FULL, "memory", "is less than swarm_moe_file_size says");
    }
    file->data = header.data;
    conflict = file_conflict(file, false);
    if (conflict == NULL) {
        conflict = file_conflict(file, true);
    }
    if (conflict != NULL) {
        bad = (struct json_token){conflict->name, (size_t)conflict->name_size, JSON_KEY};
        return file_refuse(out_error, bad, "shares bytes or its name with another tensor");
    }
    return SWARM_OK;
}

bool swarm_moe_file_find(void *context, const char *name, swarm_moe_tensor *out_tensor) {
    const struct file *file = context;
    uint64_t low = 0, high = file->count;

    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        const struct file_entry *entry = &file->entries[middle];
        int order = file_compare_names(entry, (const unsigned char *)name, strlen(name));

        if (order == 0) {
            *out_tensor = (swarm_moe_tensor){
                .data = file->data + entry->first,
                .size = entry->end - entry->first,
                .shape = {entry->shape[0], entry->shape[1]},
                .type = entry->type,
                .rank = entry->rank,
            };
            return entry->rank == 1 || entry->rank == 2;
        }
        low = order < 0 ? middle + 1 : low;
        high = order < 0 ? high : middle;
    }
    return false;
}

#endif
