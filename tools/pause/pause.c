/* The process that holds a pod's namespaces: it sleeps, ends on SIGTERM or SIGINT, and reaps what its pod orphans.
 *
 * Built without a C library (gcc -static -nostdlib -ffreestanding), so that the image is a few kilobytes and can be made
 * on a machine that has a compiler and nothing else. Signals are taken synchronously, which needs no handlers and no
 * signal trampoline. */

#if defined(__x86_64__)
enum { SYS_rt_sigprocmask = 14, SYS_wait4 = 61, SYS_rt_sigtimedwait = 128, SYS_exit_group = 231 };

static long call(long number, long a, long b, long c, long d) {
  long result;
  register long r10 __asm__("r10") = d;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10)
                   : "rcx", "r11", "memory");
  return result;
}

/* The kernel enters with a 16-byte aligned stack and no return address; C code expects the alignment of a call. */
__asm__(".globl _start\n_start:\n  xor %ebp, %ebp\n  and $-16, %rsp\n  call pause_main\n  hlt\n");

#elif defined(__aarch64__)
enum { SYS_exit_group = 94, SYS_rt_sigprocmask = 135, SYS_rt_sigtimedwait = 137, SYS_wait4 = 260 };

static long call(long number, long a, long b, long c, long d) {
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
  return x0;
}

__asm__(".globl _start\n_start:\n  mov x29, #0\n  bl pause_main\n");

#else
#error "pause.c: unknown processor; add its system call numbers and entry"
#endif

enum { SIGINT = 2, SIGTERM = 15, SIGCHLD = 17, SIG_BLOCK = 0, WNOHANG = 1, SIGSET_BYTES = 8 };

static unsigned long bit(int signal) { return 1UL << (signal - 1); }

__attribute__((used, noreturn)) void pause_main(void) {
  const unsigned long waited = bit(SIGINT) | bit(SIGTERM) | bit(SIGCHLD);
  call(SYS_rt_sigprocmask, SIG_BLOCK, (long)&waited, 0, SIGSET_BYTES);
  for (;;) {
    const long signal = call(SYS_rt_sigtimedwait, (long)&waited, 0, 0, SIGSET_BYTES);
    if (signal == SIGINT || signal == SIGTERM) break;
    while (call(SYS_wait4, -1, 0, WNOHANG, 0) > 0) {
    }
  }
  for (;;) call(SYS_exit_group, 0, 0, 0, 0);
}
