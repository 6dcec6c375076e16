/* SPDX-License-Identifier: MIT */
/*
 * fibre.h - stacks to switch between, in one thread.
 *
 * On x86-64 a switch saves the six registers that a call keeps, and the stack pointer. Elsewhere,
 * and with -DLOOM_UCONTEXT, it is the C library's swapcontext, which also makes two system calls.
 */
#ifndef SWARM_TESTS_LOOM_FIBRE_H
#define SWARM_TESTS_LOOM_FIBRE_H

#include <stddef.h>
#include <stdint.h>

#if defined(__x86_64__) && !defined(LOOM_UCONTEXT)

struct fibre {
    void *stack_pointer;
};

#define UNUSED __attribute__((unused)) /* but by the registers */
__attribute__((naked, noinline)) static void fibre_swap(UNUSED struct fibre *from,
                                                        UNUSED struct fibre *to) {
    __asm__ volatile("push %rbp\n push %rbx\n push %r12\n push %r13\n push %r14\n push %r15\n"
                     "mov %rsp, (%rdi)\n mov (%rsi), %rsp\n"
                     "pop %r15\n pop %r14\n pop %r13\n pop %r12\n pop %rbx\n pop %rbp\n"
                     "ret\n");
}

/* Makes a fibre that begins with entry(), which never returns. */
static inline void fibre_init(struct fibre *fibre, void *stack, size_t size, void (*entry)(void)) {
    uintptr_t *top = (uintptr_t *)(((uintptr_t)stack + size) & ~(uintptr_t)15);

    top[-1] = 0;
    top[-2] = (uintptr_t)entry;
    for (int i = 3; i <= 8; i++) {
        top[-i] = 0;
    }
    fibre->stack_pointer = top - 8;
}

#else

#include <ucontext.h>

struct fibre {
    ucontext_t context;
};

static inline void fibre_swap(struct fibre *from, struct fibre *to) {
    (void)swapcontext(&from->context, &to->context);
}

static inline void fibre_init(struct fibre *fibre, void *stack, size_t size, void (*entry)(void)) {
    (void)getcontext(&fibre->context);
    fibre->context.uc_stack.ss_sp = stack;
    fibre->context.uc_stack.ss_size = size;
    fibre->context.uc_link = NULL;
    makecontext(&fibre->context, entry, 0);
}

#endif

#endif
