/* A plugin of QEMU's user mode: counts the instructions that an arm64 guest executes.
 *
 *     qemu-aarch64 -plugin instruction_count.so,count=COUNT program
 *
 * Whenever the guest asks for the group of a process that cannot be, getpgid(MARK), the number of
 * instructions so far is added to the file COUNT as a line in decimal: a program that marks where
 * its parts begin is counted part by part, without what starting it takes. The declarations are those of
 * version 1 of the plugin interface (QEMU 6 to 8, docs/devel/tcg-plugins.rst), written out because
 * distributions do not ship its header.
 */
#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define GETPGID 155 /* arm64, include/uapi/asm-generic/unistd.h of Linux */
#define MARK 0x66706373
#define EXPORT __attribute__((visibility("default")))

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
enum qemu_plugin_op { QEMU_PLUGIN_INLINE_ADD_U64 };

typedef void (*translated_t)(qemu_plugin_id_t, struct qemu_plugin_tb *);
typedef void (*called_t)(qemu_plugin_id_t, unsigned int, int64_t, uint64_t, uint64_t, uint64_t,
                         uint64_t, uint64_t, uint64_t, uint64_t, uint64_t);
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t, translated_t);
void qemu_plugin_register_vcpu_syscall_cb(qemu_plugin_id_t, called_t);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *, enum qemu_plugin_op, void *,
                                              uint64_t);

EXPORT int qemu_plugin_version = 1;

static uint64_t executed;
static char path[4096];

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *block) {
    (void)id;
    qemu_plugin_register_vcpu_tb_exec_inline(block, QEMU_PLUGIN_INLINE_ADD_U64, &executed,
                                             qemu_plugin_tb_n_insns(block));
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
    if (file != NULL) {
        fprintf(file, "%" PRIu64 "\n", executed);
        fclose(file);
    }
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv) {
    (void)info;
    if (argc != 1 || strncmp(argv[0], "count=", 6) != 0 || strlen(argv[0] + 6) >= sizeof path) {
        return 1;
    }
    strcpy(path, argv[0] + 6);
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_vcpu_syscall_cb(id, called);
    return 0;
}
