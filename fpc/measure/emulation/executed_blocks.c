/* A plugin of QEMU's user mode: counts how often an arm64 guest executes every piece of its code.
 *
 *     qemu-aarch64 -plugin executed_blocks.so,blocks=FILE program
 *
 * Whenever the guest asks for the group of a process that cannot be, getpgid(MARK), what it executed
 * since the last such call is added to FILE: a line for every block of instructions that are executed
 * one after the other, the number of times in decimal, its address and its code in hexadecimal, and
 * an empty line at the end. A program that marks where its parts begin is counted part by part, without what
 * starting it takes. The declarations are those of version 1 of the plugin interface (QEMU 6 to 8,
 * docs/devel/tcg-plugins.rst), written out because distributions do not ship its header.
 */
#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GETPGID 155 /* arm64, include/uapi/asm-generic/unistd.h of Linux */
#define MARK 0x66706373
#define INSTRUCTION_BYTES 4
#define EXPORT __attribute__((visibility("default")))

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum qemu_plugin_op { QEMU_PLUGIN_INLINE_ADD_U64 };

typedef void (*translated_t)(qemu_plugin_id_t, struct qemu_plugin_tb *);
typedef void (*called_t)(qemu_plugin_id_t, unsigned int, int64_t, uint64_t, uint64_t, uint64_t,
                         uint64_t, uint64_t, uint64_t, uint64_t, uint64_t);
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t, translated_t);
void qemu_plugin_register_vcpu_syscall_cb(qemu_plugin_id_t, called_t);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *);
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *, enum qemu_plugin_op, void *,
                                              uint64_t);

EXPORT int qemu_plugin_version = 1;

struct block {
    struct block *next;
    uint64_t address, executed, written;
    size_t bytes;
    unsigned char code[];
};

static struct block *blocks;
static char path[4096];

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *translation) {
    (void)id;
    size_t count = qemu_plugin_tb_n_insns(translation);
    struct block *block = calloc(1, sizeof *block + count * INSTRUCTION_BYTES);
    if (block == NULL) {
        abort();
    }
    block->address = qemu_plugin_tb_vaddr(translation);
    block->bytes = count * INSTRUCTION_BYTES;
    for (size_t at = 0; at < count; at++) {
        struct qemu_plugin_insn *instruction = qemu_plugin_tb_get_insn(translation, at);
        memcpy(block->code + at * INSTRUCTION_BYTES, qemu_plugin_insn_data(instruction),
               INSTRUCTION_BYTES);
    }
    block->next = blocks;
    blocks = block;
    qemu_plugin_register_vcpu_tb_exec_inline(translation, QEMU_PLUGIN_INLINE_ADD_U64,
                                             &block->executed, 1);
}

static void write_block(FILE *file, struct block *block) {
    fprintf(file, "%" PRIu64 " %" PRIx64 " ", block->executed - block->written, block->address);
    for (size_t at = 0; at < block->bytes; at++) {
        fprintf(file, "%02x", block->code[at]);
    }
    fputc('\n', file);
    block->written = block->executed;
}

static void called(qemu_plugin_id_t id, unsigned int cpu, int64_t number, uint64_t first,
                   uint64_t second, uint64_t third, uint64_t fourth, uint64_t fifth, uint64_t sixth,
                   uint64_t seventh, uint64_t eighth) {
    (void)id, (void)cpu, (void)second, (void)third, (void)fourth, (void)fifth, (void)sixth;
    (void)seventh, (void)eighth;
    if (number != GETPGID || first != MARK) {
        return;
    }
    FILE *file = fopen(path, "a");
    if (file == NULL) {
        return;
    }
    for (struct block *block = blocks; block != NULL; block = block->next) {
        if (block->executed != block->written) {
            write_block(file, block);
        }
    }
    fputc('\n', file);
    fclose(file);
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv) {
    (void)info;
    if (argc != 1 || strncmp(argv[0], "blocks=", 7) != 0 || strlen(argv[0] + 7) >= sizeof path) {
        return 1;
    }
    strcpy(path, argv[0] + 7);
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_vcpu_syscall_cb(id, called);
    return 0;
}
