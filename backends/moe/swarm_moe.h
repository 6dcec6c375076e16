/* SPDX-License-Identifier: MIT */
/*
 * swarm_moe.h - a mixture-of-experts model, in process: one tick for the whole fleet.
 *
 * WHAT IT IS
 *
 * Runs models of the DeepSeek-V3 / Kimi-K2 family (multi-head latent attention, sigmoid router with
 * bias-corrected choice, shared experts) on the CPU or on one CUDA GPU. Token ids in, token ids
 * out: the tokenizer, the files and the memory are yours. It links nothing, opens nothing,
 * allocates nothing and keeps no global state.
 *
 *     swarm_moe_model model;
 *     swarm_moe_config_read(config_bytes, config_size, &model, NULL);
 *     swarm_moe_spec spec = {.size = sizeof spec, .model = &model,
 *                            .lookup = my_lookup, .lookup_context = my_files};
 *     size_t bytes;
 *     swarm_moe_size(&spec, &bytes, NULL);
 *     swarm_moe *moe;
 *     swarm_moe_open(&spec, memory_of(bytes), bytes, &moe, NULL);
 *     swarm_backend_id backend = swarm_backend_add(sw, swarm_moe_backend(moe));
 *
 * From then on an agent step whose payload is a swarm_moe_prompt is a generation.
 *
 * WHY ONE TICK
 *
 * Decoding reads weights, and a sparse model reads few of them for one token: 8 experts for one
 * agent, nearly all of them for 300. Read once for everybody, they cost each agent a ninth. So all
 * sequences that can go on do so together: a TICK computes the next token of each, and beside it a
 * bounded number of prompt tokens (a chunk of prefill), which cost little extra there.
 *
 * SEQUENCES AND PAGES
 *
 * A SEQUENCE is one generation: prompt, new tokens, a way to choose them. What attention remembers
 * of a token (kv_rank + rope numbers a layer) stands in PAGES of page_tokens tokens. A full page
 * is named by a hash chain over all tokens up to its end, and found again by any sequence that
 * begins alike: the tokens are compared, not only their hashes. So sub-agents share the prefix of
 * their coordinator without saying so, and pay for it once: `cached_tokens` says how much. Pages
 * that nobody uses any more stay findable until room is needed, least recently used first.
 * Only full pages are shared; the last token of a prompt is always computed.
 *
 * A sequence waits until the pages of its prompt and all its new tokens could be had from what is
 * free or unused and not wanted for the prompts of those that run; one that could never fit is
 * refused at once with TOO_BIG. Should pages run out later, the youngest sequence is PREEMPTED: its
 * pages are dropped and it waits again; its tokens
 * are kept and computed again, with the same bits.
 *
 * BITS
 *
 * The tokens and logits of a sequence depend on its own tokens and options, and on nothing else:
 * not on what else is in a tick, how the prompt was cut into chunks, whether a prefix was shared or
 * computed, how many workers took part, or which instruction set is used. Every sum has one order,
 * given by the shapes alone.
 *
 * Hidden values or router scores that are not finite end that sequence alone (TERMINAL); the others
 * keep their bits. The router masks groups that lose with minus infinity, so a negative biased
 * score inside a group that won still counts (some implementations mask with 0).
 *
 * Numbers: F32 and BF16 weights are multiplied with float32 activations. INT4 weights (groups of
 * 32, symmetric, compressed-tensors) meet activations of 15 bits with a scale for each group of 32:
 * an error of some 1e-5. The cache is float32. On a GPU, products and the cache are BF16, sums and
 * the router float32: up to 2.5e-2 from float64, and the bits above hold for a kind of GPU each.
 *
 * A GPU is never waited for: a tick is launched with an event behind it, and the event is asked. A
 * call of the driver that fails ends the sequences of its tick TRANSIENT; one that loses the
 * context (illegal address, launch failure) ends all of them LOST, and from then on swarm_moe_add
 * says UNSUPPORTED and the backend holds itself off for ever, so that a scheduler goes elsewhere.
 * A GPU reads expert weights of one type a layer, and keeps router, embedding and the latent
 * projections of attention as floats. It takes what fits its memory: members of the family that
 * fit one GPU, not Kimi-K2 itself.
 *
 * MEMORY AND THREADS
 *
 * One block of yours holds everything; swarm_moe_size tells how much. Weights are read in place
 * and must stay as they are until swarm_moe_close, but INT4 weights are copied into the block in
 * the order in which they are read; a GPU has copies of all of them. All calls on one swarm_moe
 * come from one thread at a time, which is the owner's when a swarm drives it. With a `crew`, the
 * work of a tick is done by call steps of that swarm, on its workers.
 */
#ifndef SWARM_MOE_H
#define SWARM_MOE_H

#include "swarm.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The model with its sequences, in memory of the caller's. */
typedef struct swarm_moe swarm_moe;

/* A sequence; 0 is none. A handle that outlived its sequence gives SWARM_E_STALE. */
typedef struct swarm_moe_sequence {
    uint64_t id; /* slot and generation */
} swarm_moe_sequence;

/* Where and why something was refused. */
typedef struct swarm_moe_error {
    char name[128];       /* tensor, key of config.json or field concerned; cut if longer */
    const char *text;     /* what is wrong with it; static */
    uint64_t expected[2]; /* shape that the config demands, where that is the point; else 0 */
    uint64_t found[2];    /* shape that was found */
    swarm_status status;  /* the code that the call returned */
    uint32_t reserved;    /* 0 */
} swarm_moe_error;

/* ----------------------------------------------------------------------------------- the model */

/* What config.json says of a model. Filled by swarm_moe_config_read, or by hand. */
typedef struct swarm_moe_model {
    double norm_epsilon;       /* rms_norm_eps */
    double router_scale;       /* routed_scaling_factor */
    double rope_theta;         /* base of the rotary frequencies */
    double rope_factor;        /* YaRN: how much longer the context is; 0: no YaRN */
    double rope_beta_fast;     /* YaRN: rotations above which a frequency is kept */
    double rope_beta_slow;     /* YaRN: rotations below which it is divided by rope_factor */
    double rope_mscale;        /* YaRN: of cosine and sine */
    double rope_mscale_all;    /* YaRN: mscale_all_dim, of the attention scale */
    uint32_t rope_original;    /* YaRN: original_max_position_embeddings */
    uint32_t context;          /* max_position_embeddings: tokens of a sequence at most */
    uint32_t vocabulary;       /* vocab_size */
    uint32_t hidden;           /* hidden_size */
    uint32_t layers;           /* num_hidden_layers */
    uint32_t dense_layers;     /* first_k_dense_replace: layers without experts, at the beginning */
    uint32_t dense_inner;      /* intermediate_size, of these */
    uint32_t heads;            /* num_attention_heads */
    uint32_t query_rank;       /* q_lora_rank */
    uint32_t latent_rank;      /* kv_lora_rank */
    uint32_t nope;             /* qk_nope_head_dim: part of a head without position */
    uint32_t rope;             /* qk_rope_head_dim: part with position; even */
    uint32_t value;            /* v_head_dim */
    uint32_t experts;          /* n_routed_experts */
    uint32_t experts_chosen;   /* num_experts_per_tok */
    uint32_t experts_shared;   /* n_shared_experts: they widen one shared expert */
    uint32_t expert_inner;     /* moe_intermediate_size */
    uint32_t groups;           /* n_group */
    uint32_t groups_chosen;    /* topk_group */
    uint32_t weights_as_given; /* 1: norm_topk_prob is false, weights are not made to sum to 1 */
    uint32_t begin_token;      /* bos_token_id, or SWARM_NONE */
    uint32_t end_token;        /* eos_token_id, the first if there are several, or SWARM_NONE */
} swarm_moe_model;

/* Reads config.json: keys as published, flat or under `text_config`, rotary values in
 * `rope_scaling` and `rope_theta` or in `rope_parameters`. Never reads outside `size`, never
 * recurses. CORRUPT: not JSON; MISSING, INVALID: the named key is absent or no value for it;
 * UNSUPPORTED: the named key asks for what is not here (another scoring function, attention with
 * biases, tied embeddings, another quantization than 4 bits in symmetric groups of 32 ...).
 * *out_error may be null. [pure] */
SWARM_API swarm_status swarm_moe_config_read(const void *bytes, size_t size,
                                             swarm_moe_model *out_model,
                                             swarm_moe_error *out_error);

/* Types of a tensor's elements. */
enum {
    SWARM_MOE_F32 = 1,  /* IEEE 754 float32 */
    SWARM_MOE_BF16 = 2, /* the upper half of a float32 */
    SWARM_MOE_I32 = 3,  /* packed INT4: value k of a row is nibble k mod 8 of word k / 8, least
                           significant first, plus 8 */
    SWARM_MOE_OTHER = 4 /* anything else: refused where it is needed */
};

/* A tensor as the caller has it: little-endian, rows one after the other, any alignment. */
typedef struct swarm_moe_tensor {
    const void *data;  /* stays until swarm_moe_close */
    uint64_t size;     /* bytes at `data` */
    uint64_t shape[2]; /* rows, columns; a vector has its length in shape[0] and 1 in shape[1] */
    uint32_t type;     /* SWARM_MOE_F32 and following */
    uint32_t rank;     /* 1 or 2 */
} swarm_moe_tensor;

/* Finds a tensor by its name in the checkpoint; false when there is none. Names come without the
 * prefix `language_model.` and, if that is not found, with it. */
typedef bool swarm_moe_lookup(void *context, const char *name, swarm_moe_tensor *out_tensor);

/* Bytes of memory that swarm_moe_file_open needs, in *out_bytes. CORRUPT as there. [pure] */
SWARM_API swarm_status swarm_moe_file_size(const void *bytes, uint64_t size, size_t *out_bytes);

/* Reads the header of a safetensors file that lies at `bytes` and makes an index of its tensors in
 * `memory`. Every offset, shape and length is checked; nothing outside `size` is ever read. Both
 * blocks are borrowed while the file is used. CORRUPT: the header is damaged, two tensors overlap
 * or have one name, or a tensor lies outside or has another size than its shape; *out_error (may be
 * null) names it. FULL: the memory is too small. [pure] */
SWARM_API swarm_status swarm_moe_file_open(const void *bytes, uint64_t size, void *memory,
                                           size_t memory_size, swarm_moe_error *out_error);

/* A swarm_moe_lookup for such a file: `context` is the memory given to swarm_moe_file_open.
 * Tensors with more than two dimensions are not found. [pure] */
SWARM_API bool swarm_moe_file_find(void *context, const char *name, swarm_moe_tensor *out_tensor);

/* ------------------------------------------------------------------------------------- the GPU */

/* What a kernel is launched with; laid out like CUlaunchConfig on 64-bit machines. */
typedef struct swarm_moe_launch {
    uint32_t grid[3];          /* blocks */
    uint32_t block[3];         /* threads of a block */
    uint32_t shared_bytes;     /* of shared memory for each block */
    uint32_t reserved;         /* 0 */
    void *stream;              /* in which order */
    void *attributes;          /* none */
    uint32_t attributes_count; /* 0 */
    uint32_t reserved_too;     /* 0 */
} swarm_moe_launch;

/*
 * The CUDA driver as a table: the functions of libcuda with their own signatures, each returning
 * CUresult (0 is success). Fill it by swarm_moe_driver_resolve, by swarm_moe_driver_load, or from
 * swarm_moe_emulated.h. Nothing of CUDA is included or linked.
 */
typedef struct swarm_moe_driver {
    size_t size;       /* sizeof(swarm_moe_driver) */
    const void *image; /* the kernels: moe_gpu.cu as a fatbin, cubin or PTX; null: none, and
                          swarm_moe_open says UNSUPPORTED */
    int32_t (*init)(uint32_t flags);                                /* cuInit */
    int32_t (*driver_version)(int32_t *out_version);                /* cuDriverGetVersion */
    int32_t (*device_count)(int32_t *out_count);                    /* cuDeviceGetCount */
    int32_t (*device_get)(int32_t *out_device, int32_t index);      /* cuDeviceGet */
    int32_t (*context_retain)(void **out_context, int32_t device);  /* cuDevicePrimaryCtxRetain */
    int32_t (*context_release)(int32_t device);                     /* cuDevicePrimaryCtxRelease */
    int32_t (*context_push)(void *context);                         /* cuCtxPushCurrent */
    int32_t (*context_pop)(void **out_context);                     /* cuCtxPopCurrent */
    int32_t (*memory_allocate)(uint64_t *out_address, size_t size); /* cuMemAlloc */
    int32_t (*memory_free)(uint64_t address);                       /* cuMemFree */
    int32_t (*copy_in)(uint64_t to, const void *from, size_t size,
                       void *stream);                                        /* cuMemcpyHtoDAsync */
    int32_t (*copy_out)(void *to, uint64_t from, size_t size, void *stream); /* cuMemcpyDtoHAsync */
    int32_t (*clear)(uint64_t at, unsigned char value, size_t size,
                     void *stream);                               /* cuMemsetD8Async */
    int32_t (*stream_create)(void **out_stream, uint32_t flags);  /* cuStreamCreate */
    int32_t (*stream_destroy)(void *stream);                      /* cuStreamDestroy */
    int32_t (*stream_wait)(void *stream);                         /* cuStreamSynchronize */
    int32_t (*event_create)(void **out_event, uint32_t flags);    /* cuEventCreate */
    int32_t (*event_destroy)(void *event);                        /* cuEventDestroy */
    int32_t (*event_record)(void *event, void *stream);           /* cuEventRecord */
    int32_t (*event_query)(void *event);                          /* cuEventQuery */
    int32_t (*module_load)(void **out_module, const void *image); /* cuModuleLoadData */
    int32_t (*module_unload)(void *module);                       /* cuModuleUnload */
    int32_t (*module_function)(void **out_function, void *module,
                               const char *name); /* cuModuleGetFunction */
    int32_t (*launch)(const swarm_moe_launch *shape, void *function, void **arguments,
                      void **extra); /* cuLaunchKernelEx */
} swarm_moe_driver;

/* Fills a table by asking `resolve` for each symbol under the name that libcuda exports it by; the
 * image stays to be set. INVALID: a symbol is missing (*out_error, which may be null, names it).
 * [any] */
SWARM_API swarm_status swarm_moe_driver_resolve(void *(*resolve)(void *context, const char *symbol),
                                                void *context, swarm_moe_driver *out_driver,
                                                swarm_moe_error *out_error);

/* Fills a table from the libcuda of this machine, which it opens and leaves open: the one function
 * here that needs a dynamic linker. In a file of its own, moe_dl.c. MISSING: there is no libcuda;
 * INVALID as above. [any] */
SWARM_API swarm_status swarm_moe_driver_load(swarm_moe_driver *out_driver,
                                             swarm_moe_error *out_error);

/* --------------------------------------------------------------------------------- opening one */

/* Instruction sets of the CPU's kernels. All give the same bits. */
enum {
    SWARM_MOE_BEST = 0,     /* the best that this processor has */
    SWARM_MOE_PORTABLE = 1, /* plain C */
    SWARM_MOE_AVX2 = 2,     /* x86 with AVX2 */
    SWARM_MOE_AVX512 = 3    /* x86 with AVX-512 F, BW, VL and VNNI */
};

/* What a swarm_moe is made of. Zero means default. */
typedef struct swarm_moe_spec {
    size_t size;                    /* sizeof(swarm_moe_spec) */
    const swarm_moe_model *model;   /* read during the call */
    swarm_moe_lookup *lookup;       /* gives the weights; called by swarm_moe_size and _open only */
    void *lookup_context;           /* its first argument */
    const swarm_moe_driver *driver; /* a GPU, the first one: copied; null: the CPU */
    swarm *crew;            /* a swarm of its own whose call steps do the work of a tick, driven by
                               swarm_drive from inside the tick: with a host and without a log;
                               null: the calling thread does it. Borrowed until swarm_moe_close */
    uint64_t tick_ns;       /* least time between two ticks when a swarm drives; default 1 us */
    uint32_t crew_workers;  /* threads of the crew besides the caller; less than its workers_max */
    uint32_t sequences_max; /* sequences at once, waiting ones included; default 64 */
    uint32_t context_max;   /* tokens of one sequence; default: the model's, at most 4,096 */
    uint32_t page_tokens;   /* tokens of a page; default 64 */
    uint32_t pages_max;     /* default: what sequences_max of context_max need */
    uint32_t rows_max;      /* tokens of a tick; default sequences_max + 256, at least
                               sequences_max */
    uint32_t prefill_max;   /* prompt tokens of a tick; default: all that is left of rows_max */
    uint32_t instructions;  /* SWARM_MOE_BEST and following */
} swarm_moe_spec;

/* Bytes of memory that the spec needs, in *out_bytes. Looks at every tensor. Errors as of
 * swarm_moe_open. [pure] */
SWARM_API swarm_status swarm_moe_size(const swarm_moe_spec *spec, size_t *out_bytes,
                                      swarm_moe_error *out_error);

/* Opens a model in `memory`, aligned to 64. INVALID: a field of the spec or of the model is out of
 * range; MISSING: a tensor is not found; MISMATCH: it has another shape or type, or the driver is
 * older than 12.0; UNSUPPORTED: this processor lacks the instruction set, the number of columns of
 * an INT4 matrix is not a multiple of 32, or there are no kernels for the GPU; FULL: the memory, or
 * the GPU's, is too small; FAILED: there is no GPU, or its driver refused. Whatever the driver
 * gave is given back then. *out_error (may be null) has the name. [any] */
SWARM_API swarm_status swarm_moe_open(const swarm_moe_spec *spec, void *memory, size_t memory_size,
                                      swarm_moe **out_moe, swarm_moe_error *out_error);

/* Closes it. BUSY while attempts of a swarm are unanswered. Waits for a GPU's last tick. The memory
 * is the caller's again. Null is fine. [owner] */
SWARM_API swarm_status swarm_moe_close(swarm_moe *moe);

/* ----------------------------------------------------------------------------------- sequences */

/* Flags of swarm_moe_prompt. */
enum {
    SWARM_MOE_INPUTS =
        1,              /* the new tokens of the step's inputs follow `tokens`, in their order; for
                             steps with SWARM_STEP_INPUTS whose inputs are generations too */
    SWARM_MOE_GO_ON = 2 /* the end token is a token like any other */
};

/* What to generate, and how: the payload of a step, or the argument of swarm_moe_add. It and all
 * that it points to is borrowed until the step's RELEASE, or until swarm_moe_forget. */
typedef struct swarm_moe_prompt {
    size_t size;              /* sizeof(swarm_moe_prompt) */
    const int32_t *tokens;    /* the prompt's beginning */
    const int32_t *suffix;    /* and its end, after the inputs; may be null */
    int32_t *out_tokens;      /* room for `new_max` tokens: the answer */
    float *out_logits;        /* a row of `vocabulary` floats for each token but the last new one,
                                 those shared with a prefix excepted; null: none */
    uint64_t seed;            /* of the draws, with the position as their number */
    uint32_t tokens_count;    /* at `tokens` */
    uint32_t suffix_count;    /* at `suffix` */
    uint32_t new_max;         /* new tokens at most; at least 1 */
    uint32_t flags;           /* SWARM_MOE_INPUTS and following, or 0 */
    uint32_t temperature_ppm; /* 0: greedy, the largest logit, the lowest index among equals */
    uint32_t top_k;           /* draw among the k likeliest only; 0: all */
    uint32_t top_p_ppm;       /* and among the likeliest that sum to this; 0 or 1,000,000: all */
    uint32_t reserved;        /* 0 */
} swarm_moe_prompt;

/* States of a sequence. */
enum {
    SWARM_MOE_WAITING = 0, /* for pages */
    SWARM_MOE_PREFILL = 1, /* tokens of the prompt, or of what was preempted, are to be computed */
    SWARM_MOE_DECODE = 2,  /* a token a tick */
    SWARM_MOE_DONE = 3     /* ended, as `outcome` says */
};

/* What is known of a sequence. */
typedef struct swarm_moe_info {
    uint32_t state;         /* SWARM_MOE_WAITING and following */
    swarm_outcome outcome;  /* DONE: OK, CANCELLED, TERMINAL (a row that is not finite) or
                               TRANSIENT (the device failed) */
    uint32_t prompt_tokens; /* of the prompt, inputs included */
    uint32_t new_tokens;    /* so far, at out_tokens */
    uint32_t cached_tokens; /* of the prompt, taken from shared pages when it first began */
    uint32_t preempted;     /* how often */
} swarm_moe_info;

/* Adds a sequence without a swarm. Flag INPUTS is INVALID here. INVALID: an empty prompt, a token
 * id not in the vocabulary, no room for the answer; TOO_BIG: longer than the context, or than all
 * pages; AGAIN: sequences_max reached; UNSUPPORTED: the GPU's context is lost. [owner] */
SWARM_API swarm_status swarm_moe_add(swarm_moe *moe, const swarm_moe_prompt *prompt,
                                     swarm_moe_sequence *out_sequence);

/* Writes what is known of a sequence. STALE. [owner] */
SWARM_API swarm_status swarm_moe_sequence_get(swarm_moe *moe, swarm_moe_sequence sequence,
                                              swarm_moe_info *out_info);

/* Ends a sequence between two ticks: DONE with the outcome CANCELLED. One that is DONE stays as it
 * is. STALE. [owner] */
SWARM_API swarm_status swarm_moe_cancel(swarm_moe *moe, swarm_moe_sequence sequence);

/* Lets go of a sequence that was added by swarm_moe_add, cancelling it first if need be. Full pages
 * stay findable. STALE. [owner] */
SWARM_API swarm_status swarm_moe_forget(swarm_moe *moe, swarm_moe_sequence sequence);

/* What one tick did. */
typedef struct swarm_moe_tick_info {
    uint32_t decode;    /* tokens computed for sequences that generate */
    uint32_t prefill;   /* tokens computed of prompts */
    uint32_t cached;    /* tokens that sequences which began found in shared pages */
    uint32_t began;     /* sequences that got their pages */
    uint32_t ended;     /* sequences that are DONE now */
    uint32_t preempted; /* sequences that lost their pages */
    uint32_t waiting;   /* sequences without pages after the tick */
    uint32_t running;   /* sequences with pages after the tick */
} swarm_moe_tick_info;

/* Computes one tick. MISSING when there is nothing to do; else OK, also when sequences failed, each
 * of which says so itself. An error of the crew is returned, and leaves the sequences as they
 * were. With a GPU: AGAIN after a tick was launched and while it is not done, OK when it was
 * settled. *out_info may be null. [owner] */
SWARM_API swarm_status swarm_moe_tick(swarm_moe *moe, swarm_moe_tick_info *out_info);

/* --------------------------------------------------------------------------------- the backend */

/* The table for swarm_backend_add. A step's payload is a swarm_moe_prompt, its result the new
 * tokens: `bytes` are int32 at out_tokens, `value` is their number, `digest` a hash of them; usage
 * counts prompt, cached and new tokens. submit never blocks: prompts wait for pages inside, AGAIN
 * is answered when sequences_max is reached. poll computes at most one tick. Outcomes: OK;
 * CANCELLED, with what was computed billed; TERMINAL for a prompt that swarm_moe_add would refuse
 * or values that are not finite. Serves one swarm; valid until swarm_moe_close. [pure] */
SWARM_API const swarm_backend *swarm_moe_backend(swarm_moe *moe);

/* Counters since swarm_moe_open. Grows at the end. */
typedef struct swarm_moe_stats {
    uint64_t ticks;           /* computed */
    uint64_t decode_tokens;   /* rows of sequences that generate */
    uint64_t prefill_tokens;  /* rows of prompts */
    uint64_t rebuilt_tokens;  /* of these, rows computed again after a preemption */
    uint64_t cached_tokens;   /* rows spared by shared pages */
    uint64_t preempted;       /* sequences that lost their pages */
    uint64_t sequences;       /* added */
    uint64_t failed;          /* ended TERMINAL or TRANSIENT */
    uint64_t rows_largest;    /* of a tick */
    uint64_t pages_used;      /* pages that a sequence holds, now */
    uint64_t pages_kept;      /* pages that nobody holds and that can be found, now */
    uint64_t pages_most_used; /* most pages held at once */
    uint64_t device_bytes;    /* of GPU memory, taken when it was opened */
} swarm_moe_stats;

/* Writes the counters. [owner] */
SWARM_API swarm_status swarm_moe_stats_get(const swarm_moe *moe, swarm_moe_stats *out_stats);

/* How evenly a layer's experts were chosen. Chance alone makes it uneven: the largest share of 384
 * experts, top 8, is 4.3 times the mean over 64 tokens and 1.34 times over 4,096. Look at windows
 * of 10,000 tokens and more. */
typedef struct swarm_moe_load {
    uint64_t tokens;      /* rows that chose, since the last reset */
    uint64_t chosen_most; /* how often the most chosen expert was */
    uint32_t expert_most; /* which one that is; the lowest among equals */
    uint32_t dead;        /* experts that nobody chose */
    uint32_t entropy_ppm; /* entropy of the shares, over the logarithm of the number of experts */
    uint32_t most_ppm;    /* chosen_most over the mean, in millionths; at most 2^32 - 1 */
} swarm_moe_load;

/* Writes the load of a layer's experts, and how often each was chosen to `out_chosen` (`experts`
 * numbers; may be null). With `reset`, counting begins anew
 * in all layers. INVALID: no layer with experts.
 * [owner] */
SWARM_API swarm_status swarm_moe_load_get(swarm_moe *moe, uint32_t layer, bool reset,
                                          swarm_moe_load *out_load, uint64_t *out_chosen);

#ifdef __cplusplus
}
#endif
#endif
