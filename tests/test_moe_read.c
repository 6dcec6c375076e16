/* SPDX-License-Identifier: MIT */
/*
 * config.json and safetensors: what is read, what is refused and with which name, and that no
 * damaged bytes lead outside the buffer (the sanitizers watch; each buffer is exactly as long as it
 * says).
 */
#include "test_moe.h"

static const char config_text[] =
    "{\"rms_norm_eps\": 1e-05, \"routed_scaling_factor\": 2.827, \"max_position_embeddings\": 4096,"
    "\"vocab_size\": 160, \"hidden_size\": 128.0, \"num_hidden_layers\": 3,"
    "\"first_k_dense_replace\": 1, \"intermediate_size\": 192, \"num_attention_heads\": 4,"
    "\"q_lora_rank\": 48, \"kv_lora_rank\": 32, \"qk_nope_head_dim\": 16,"
    "\"qk_rope_head_dim\": 16, \"v_head_dim\": 16, \"n_routed_experts\": 16,"
    "\"num_experts_per_tok\": 4, \"moe_intermediate_size\": 64, \"rope_theta\": 50000,"
    "\"eos_token_id\": [7, 8], \"rope_scaling\": null}";

static swarm_status read_config(const char *text, swarm_moe_model *out_model,
                                swarm_moe_error *out_error) {
    size_t size = strlen(text);
    char *copy = malloc(size == 0 ? 1 : size);
    swarm_status status;

    memcpy(copy, text, size);
    memset(out_error, 0, sizeof *out_error);
    status = swarm_moe_config_read(copy, size, out_model, out_error);
    free(copy);
    return status;
}

/* The text above with the first `from` replaced. */
static const char *replaced(const char *from, const char *to) {
    static char text[4096];
    const char *at = strstr(config_text, from);

    CHECK(at != NULL);
    snprintf(text, sizeof text, "%.*s%s%s", (int)(at - config_text), config_text, to,
             at + strlen(from));
    return text;
}

TEST(a_flat_config) {
    swarm_moe_model model;
    swarm_moe_error error;

    CHECK_EQ(read_config(config_text, &model, &error), SWARM_OK);
    CHECK_EQ(model.hidden, 128);
    CHECK_EQ(model.vocabulary, 160);
    CHECK_EQ(model.groups, 1);
    CHECK_EQ(model.end_token, 7);
    CHECK_EQ(model.begin_token, SWARM_NONE);
    CHECK(model.norm_epsilon == 1e-05);
    CHECK(model.router_scale == 2.827);
    CHECK(model.rope_theta == 50000);
    CHECK(model.rope_factor == 0);
    CHECK_EQ(model.weights_as_given, 0);
}

TEST(the_published_forms) {
    for (uint32_t i = 0; i < 3; i++) {
        static const uint32_t hidden[] = {128, 192, 96};
        static const double theta[] = {50000, 50000, 10000}, factor[] = {64, 32, 40};
        struct moe_model model;

        if (!moe_load(&model, moe_names[i])) {
            SKIP(MOE_NO_DATA);
        }
        CHECK_EQ(model.config.hidden, hidden[i]);
        CHECK(model.config.rope_theta == theta[i]);
        CHECK(model.config.rope_factor == factor[i]);
        CHECK(model.config.rope_mscale_all == 1);
        CHECK_EQ(model.config.end_token, 1);
        moe_unload(&model);
    }
}

TEST(nested_values_win) {
    static char text[8192];
    swarm_moe_model model;
    swarm_moe_error error;

    snprintf(text, sizeof text, "{\"hidden_size\": 64, \"text_config\": %s, \"vision\": [{}, []]}",
             config_text);
    CHECK_EQ(read_config(text, &model, &error), SWARM_OK);
    CHECK_EQ(model.hidden, 128);
}

TEST(rope_parameters) {
    swarm_moe_model model;
    swarm_moe_error error;
    const char *text =
        replaced("\"rope_scaling\": null",
                 "\"rope_parameters\": {\"rope_type\": \"yarn\", \"rope_theta\": 7, \"factor\": 4,"
                 "\"original_max_position_embeddings\": 1024}");

    CHECK_EQ(read_config(text, &model, &error), SWARM_OK);
    CHECK(model.rope_theta == 7);
    CHECK(model.rope_factor == 4);
    CHECK_EQ(model.rope_original, 1024);
    CHECK_EQ(read_config(replaced("\"rope_scaling\": null",
                                  "\"rope_scaling\": {\"type\": \"default\", \"factor\": 3}"),
                         &model, &error),
             SWARM_OK);
    CHECK(model.rope_factor == 0);
}

TEST(refusals_name_the_key) {
    static const struct {
        const char *from, *to, *name;
        swarm_status status;
    } cases[] = {
        {"\"eos_token_id\": [7, 8]", "\"scoring_func\": \"softmax\"", "scoring_func",
         SWARM_E_UNSUPPORTED},
        {"\"eos_token_id\": [7, 8]", "\"topk_method\": \"greedy\"", "topk_method",
         SWARM_E_UNSUPPORTED},
        {"\"eos_token_id\": [7, 8]", "\"hidden_act\": \"gelu\"", "hidden_act", SWARM_E_UNSUPPORTED},
        {"\"eos_token_id\": [7, 8]", "\"attention_bias\": true", "attention_bias",
         SWARM_E_UNSUPPORTED},
        {"\"eos_token_id\": [7, 8]", "\"tie_word_embeddings\": true", "tie_word_embeddings",
         SWARM_E_UNSUPPORTED},
        {"\"eos_token_id\": [7, 8]", "\"moe_layer_freq\": 2", "moe_layer_freq",
         SWARM_E_UNSUPPORTED},
        {"\"q_lora_rank\": 48", "\"q_lora_rank\": null", "q_lora_rank", SWARM_E_UNSUPPORTED},
        {"\"rope_scaling\": null", "\"rope_scaling\": {\"type\": \"linear\"}", "rope_scaling.type",
         SWARM_E_UNSUPPORTED},
        {"\"rope_scaling\": null", "\"rope_scaling\": {\"type\": \"yarn\"}", "rope_scaling.factor",
         SWARM_E_MISSING},
        {"\"rope_scaling\": null", "\"quantization_config\": {\"quant_method\": \"fp8\"}",
         "quantization_config.quant_method", SWARM_E_UNSUPPORTED},
        {"\"rope_scaling\": null",
         "\"quantization_config\": {\"config_groups\": {\"group_0\": {\"weights\": {\"num_bits\": "
         "8}}}}",
         "quantization_config.config_groups.*.weights.num_bits", SWARM_E_UNSUPPORTED},
        {"\"vocab_size\": 160, ", "", "vocab_size", SWARM_E_MISSING},
        {"\"vocab_size\": 160", "\"vocab_size\": \"many\"", "vocab_size", SWARM_E_INVALID},
        {"\"vocab_size\": 160", "\"vocab_size\": 160.5", "vocab_size", SWARM_E_INVALID},
        {"\"vocab_size\": 160", "\"vocab_size\": -160", "vocab_size", SWARM_E_INVALID},
        {"\"qk_rope_head_dim\": 16", "\"qk_rope_head_dim\": 15", "hidden_size, layers and heads",
         SWARM_E_INVALID},
        {"\"rope_scaling\": null", "\"n_group\": 3", "n_group", SWARM_E_INVALID},
        {"\"rope_scaling\": null", "\"n_group\": 16", "n_group", SWARM_E_INVALID},
        {"\"rope_scaling\": null", "\"n_group\": 8, \"topk_group\": 1", "num_experts_per_tok",
         SWARM_E_INVALID},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        swarm_moe_model model;
        swarm_moe_error error;

        CHECK_EQ(read_config(replaced(cases[i].from, cases[i].to), &model, &error),
                 cases[i].status);
        CHECK_EQ(error.status, cases[i].status);
        CHECK(error.text != NULL);
        if (strcmp(error.name, cases[i].name) != 0) {
            printf("# %s instead of %s\n", error.name, cases[i].name);
            CHECK(false);
        }
    }
}

TEST(what_is_not_json_is_corrupt) {
    static const char *const texts[] = {"",
                                        "{",
                                        "[]",
                                        "{\"a\" 1}",
                                        "{\"a\":1,}",
                                        "1",
                                        "{} {}",
                                        "{\"a}",
                                        "{\"a\":01}",
                                        "{\"a\":1.}",
                                        "nul",
                                        "{]",
                                        "{\"a\":tru}",
                                        "{\"a\":-}",
                                        "{1:2}",
                                        "{\"a\":\"\x01\"}"};
    static char deep[200];
    swarm_moe_model model;
    swarm_moe_error error;

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        CHECK_EQ(read_config(texts[i], &model, &error), SWARM_E_CORRUPT);
    }
    memset(deep, '[', sizeof deep - 1);
    memcpy(deep, "{\"a\":", 5);
    CHECK_EQ(read_config(deep, &model, &error), SWARM_E_CORRUPT);
    CHECK_EQ(swarm_moe_config_read(NULL, 3, &model, NULL), SWARM_E_INVALID);
    CHECK_EQ(swarm_moe_config_read("{}", 2, NULL, NULL), SWARM_E_INVALID);
}

/* Whatever is cut or changed, an answer comes, and nothing outside is read. */
TEST(damaged_configs_are_survived) {
    uint32_t rounds = test_long ? 200000 : 4000;

    for (uint32_t round = 0; round < rounds; round++) {
        static const char marks[] = "{}[]\",:0e-.n\\ \x7f";
        size_t size = test_below(sizeof config_text);
        char *copy = malloc(size == 0 ? 1 : size);
        swarm_moe_model model;

        memcpy(copy, config_text, size);
        for (uint64_t i = test_below(4); size != 0 && i != 0; i--) {
            copy[test_below(size)] = marks[test_below(sizeof marks - 1)];
        }
        CHECK(swarm_moe_config_read(copy, size, &model, NULL) <= SWARM_OK);
        free(copy);
    }
}

/* ---- safetensors */

/* A file with this header and `data` bytes behind it, exactly sized. */
static unsigned char *make_file(const char *header, size_t data, size_t *out_size) {
    size_t size = strlen(header);
    unsigned char *bytes = calloc(8 + size + data, 1);

    for (uint32_t i = 0; i < 8; i++) {
        bytes[i] = (unsigned char)((uint64_t)size >> 8 * i);
    }
    memcpy(bytes + 8, header, size);
    *out_size = 8 + size + data;
    return bytes;
}

static swarm_status open_file(const unsigned char *bytes, size_t size, void *memory, size_t room,
                              swarm_moe_error *out_error) {
    memset(out_error, 0, sizeof *out_error);
    return swarm_moe_file_open(bytes, size, memory, room, out_error);
}

TEST(a_file_with_two_tensors) {
    static uint64_t memory[64];
    size_t size, needed;
    swarm_moe_error error;
    swarm_moe_tensor tensor;
    unsigned char *bytes = make_file(
        "{\"__metadata__\": {\"format\": \"pt\"}, \"b\": {\"dtype\": \"BF16\", \"shape\": "
        "[2, 3], \"data_offsets\": [4, 16]}, \"a\": {\"data_offsets\": [0, 4], \"shape\": "
        "[1], \"dtype\": \"F32\", \"more\": [{}, 1]}}",
        16, &size);

    CHECK_EQ(swarm_moe_file_size(bytes, size, &needed), SWARM_OK);
    CHECK(needed <= sizeof memory);
    CHECK_EQ(open_file(bytes, size, memory, needed - 1, &error), SWARM_E_FULL);
    CHECK_EQ(open_file(bytes, size, memory, needed, &error), SWARM_OK);
    CHECK(swarm_moe_file_find(memory, "a", &tensor));
    CHECK_EQ(tensor.type, SWARM_MOE_F32);
    CHECK_EQ(tensor.size, 4);
    CHECK_EQ(tensor.rank, 1);
    CHECK_EQ(tensor.shape[0], 1);
    CHECK(tensor.data == bytes + size - 16);
    CHECK(swarm_moe_file_find(memory, "b", &tensor));
    CHECK_EQ(tensor.type, SWARM_MOE_BF16);
    CHECK_EQ(tensor.shape[0], 2);
    CHECK_EQ(tensor.shape[1], 3);
    CHECK(!swarm_moe_file_find(memory, "c", &tensor));
    CHECK(!swarm_moe_file_find(memory, "", &tensor));
    CHECK(!swarm_moe_file_find(memory, "ab", &tensor));
    free(bytes);
}

#define ONE(name, shape, offsets)                                                                  \
    "\"" name "\": {\"dtype\": \"F32\", \"shape\": " shape ", \"data_offsets\": " offsets "}"

TEST(hostile_headers_are_corrupt) {
    static const struct {
        const char *header, *name;
    } cases[] = {
        {"{" ONE("a", "[2]", "[0, 4]") "}", "a"},
        {"{" ONE("a", "[1]", "[4, 0]") "}", "a"},
        {"{" ONE("a", "[1]", "[16, 20]") "}", "a"},
        {"{" ONE("a", "[4294967296, 4294967296]", "[0, 0]") "}", "a"},
        {"{" ONE("a", "[4611686018427387905]", "[0, 4]") "}", "a"},
        {"{" ONE("a", "[1]", "[0, 18446744073709551620]") "}", "a"},
        {"{" ONE("a", "[-1]", "[0, 4]") "}", "a"},
        {"{" ONE("a", "[1]", "[0]") "}", "a"},
        {"{" ONE("a", "[1]", "[0, 4, 8]") "}", "a"},
        {"{" ONE("a", "1", "[0, 4]") "}", "a"},
        {"{\"a\": {\"dtype\": \"F99\", \"shape\": [1], \"data_offsets\": [0, 4]}}", "a"},
        {"{\"a\": {\"shape\": [1], \"data_offsets\": [0, 4]}}", "a"},
        {"{\"a\": 1}", "a"},
        {"{" ONE("a", "[1]", "[0, 4]") "," ONE("b", "[2]", "[0, 8]") "}", "b"},
        {"{" ONE("a", "[2]", "[0, 8]") "," ONE("b", "[1]", "[4, 8]") "}", "b"},
        {"{" ONE("a", "[1]", "[0, 4]") "," ONE("a", "[1]", "[4, 8]") "}", "a"},
        {"[]", "header"},
        {"", "header"},
        {"{} x", "header"},
    };
    static uint64_t memory[64];

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t size;
        swarm_moe_error error;
        unsigned char *bytes = make_file(cases[i].header, 16, &size);

        CHECK_EQ(open_file(bytes, size, memory, sizeof memory, &error), SWARM_E_CORRUPT);
        if (strcmp(error.name, cases[i].name) != 0) {
            printf("# case %zu names %s\n", i, error.name);
            CHECK(false);
        }
        free(bytes);
    }
}

TEST(a_length_beyond_the_file_is_corrupt) {
    static const uint64_t lengths[] = {9, 1000, UINT64_C(1) << 31, UINT64_MAX, UINT64_MAX - 7};
    static uint64_t memory[8];

    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        unsigned char bytes[16] = {0};
        swarm_moe_error error;

        for (uint32_t k = 0; k < 8; k++) {
            bytes[k] = (unsigned char)(lengths[i] >> 8 * k);
        }
        CHECK_EQ(open_file(bytes, sizeof bytes, memory, sizeof memory, &error), SWARM_E_CORRUPT);
    }
    CHECK_EQ(swarm_moe_file_open("", 0, memory, sizeof memory, NULL), SWARM_E_CORRUPT);
}

/* Damages the header of a real file; tensors that are still found lie inside it. */
TEST(damaged_files_are_survived) {
    static const char header[] = "{\"__metadata__\":{\"format\":\"pt\"}," ONE(
        "x", "[2,1]", "[0,8]") "," ONE("model.y", "[1]", "[8,12]") "}";
    uint32_t rounds = test_long ? 200000 : 4000;
    static uint64_t memory[64];

    for (uint32_t round = 0; round < rounds; round++) {
        static const char marks[] = "{}[]\",:0123456789e-.n\\ ";
        size_t size;
        unsigned char *bytes = make_file(header, 12, &size);
        swarm_moe_tensor tensor;
        swarm_moe_error error;

        for (uint64_t i = 1 + test_below(3); i != 0; i--) {
            bytes[8 + test_below(sizeof header - 1)] =
                (unsigned char)marks[test_below(sizeof marks - 1)];
        }
        bytes[0] = (unsigned char)(bytes[0] - (test_below(4) == 0 ? test_below(20) : 0));
        if (open_file(bytes, size, memory, sizeof memory, &error) == SWARM_OK &&
            swarm_moe_file_find(memory, "x", &tensor)) {
            const unsigned char *data = tensor.data;

            CHECK(data >= bytes && data + tensor.size <= bytes + size);
        }
        free(bytes);
    }
}

TEST_MAIN()
