// Preloaded into user-mode Linux, so that it boots on processors with more registers than it knows.
//
// Its kernel, 6.1, keeps 2,696 bytes of each process's vector registers, and writes them back with PTRACE_SETREGSET. The machine's kernel
// takes all of its processor's state or nothing (xstateregs_set in arch/x86/kernel/fpu/regset.c). Where there is more, as AMX's tiles are
// on Intel's servers, that is EFAULT, and the guest panics at its first process, in put_fp_registers. Here, such a call is repeated with
// what it lacks; elsewhere it succeeds at once, and nothing is different.

#define _GNU_SOURCE
#include <cpuid.h>
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

// Bit N of the word at XSTATE_BV says that component N is there; else, it is as after a reset (Intel's manual, volume 1, 13.4.2).
enum { XSTATE_BV = 512, HEADER_END = 576, FIRST_EXTENDED = 2, COMPONENTS = 63, XSAVE_LEAF = 0xd };

static long (*next)(enum __ptrace_request, ...);
static uint64_t end[COMPONENTS];
// More than any processor has: the kernel reads only what it wants. Not on the stack, which is one of the guest's kernel, of a few pages;
// there is one thread that traces.
static unsigned char whole[64 * 1024] __attribute__((aligned(64)));

// Ahead of time, as a look-up needs stack, too, and CPUID is slow in a virtual machine.
__attribute__((constructor)) static void prepare(void) {
  next = (long (*)(enum __ptrace_request, ...))dlsym(RTLD_NEXT, "ptrace");
  if (__get_cpuid_max(0, NULL) < XSAVE_LEAF) return;
  for (unsigned component = FIRST_EXTENDED; component < COMPONENTS; component++) {
    unsigned size, offset, flags, unused;
    __cpuid_count(XSAVE_LEAF, component, size, offset, flags, unused);
    end[component] = (uint64_t)offset + size;
  }
}

// Fills `whole`. A component that is not all in `part` is reset: nobody has kept it, and what the tracee has may be of another thread of
// the guest. Its programs do without AMX, for which they would have to ask their kernel.
static void complete(const struct iovec *part) {
  uint64_t present;
  memset(whole, 0, sizeof whole);
  memcpy(whole, part->iov_base, part->iov_len);
  memcpy(&present, whole + XSTATE_BV, sizeof present);
  for (unsigned component = FIRST_EXTENDED; component < COMPONENTS; component++) {
    if (end[component] > part->iov_len) present &= ~(UINT64_C(1) << component);
  }
  memcpy(whole + XSTATE_BV, &present, sizeof present);
}

long ptrace(enum __ptrace_request request, ...) {
  va_list rest;
  va_start(rest, request);
  pid_t pid = va_arg(rest, pid_t);
  void *address = va_arg(rest, void *);
  void *data = va_arg(rest, void *);
  va_end(rest);

  long result = next(request, pid, address, data);
  if (result != -1 || request != PTRACE_SETREGSET || (uintptr_t)address != NT_X86_XSTATE) return result;
  const struct iovec *part = data;
  if ((errno != EFAULT && errno != EINVAL) || part->iov_len < HEADER_END || part->iov_len >= sizeof whole) return result;
  complete(part);
  struct iovec all = {.iov_base = whole, .iov_len = sizeof whole};
  return next(request, pid, address, &all);
}
