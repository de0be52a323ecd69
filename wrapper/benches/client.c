/* The least that a gate can be: records a decision at the sidecar, runs /bin/true, records its outcome. It judges nothing, checks
   nothing, and starts without a C library. For Linux on x86-64.

     client SOCKET DECISION OUTCOME

   Both are the JSON of a request, with IDENTIFIER's 36 characters where the event's id belongs. */

typedef long word;

static const char IDENTIFIER[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";

static word call(word number, word a, word b, word c, word d) {
  register word fourth __asm__("r10") = d;
  word result;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(fourth)
                   : "rcx", "r11", "memory");
  return result;
}

enum { READ = 0, WRITE = 1, SOCKET = 41, CONNECT = 42, VFORK = 58, EXECVE = 59, EXIT = 60, WAIT4 = 61, GETRANDOM = 318 };

static word length_of(const char *text) {
  word length = 0;
  while (text[length]) length++;
  return length;
}

static char frame[8192];

/* Sends a request with this id, and takes the answer in. */
static int ask(word peer, const char *request, const char *id) {
  word length = length_of(request);
  if (length + 4 > (word)sizeof frame) return 0;
  for (int i = 0; i < 4; i++) frame[i] = (char)(length >> (24 - 8 * i));
  for (word i = 0; i < length; i++) frame[4 + i] = request[i];
  for (word i = 0; i + 36 <= length; i++) {
    word same = 0;
    while (same < 36 && request[i + same] == IDENTIFIER[same]) same++;
    if (same == 36) {
      for (word j = 0; j < 36; j++) frame[4 + i + j] = id[j];
    }
  }
  if (call(WRITE, peer, (word)frame, length + 4, 0) != length + 4) return 0;
  word got = call(READ, peer, (word)frame, sizeof frame, 0);
  static const char RECORDED[] = "{\"v\":1,\"type\":\"recorded\"";
  for (word i = 0; RECORDED[i]; i++) {
    if (4 + i >= got || frame[4 + i] != RECORDED[i]) return 0;
  }
  return 1;
}

/* A UUID of version 7, but for its time. */
static void make(char *id) {
  unsigned char bytes[16];
  call(GETRANDOM, (word)bytes, sizeof bytes, 0, 0);
  bytes[0] = 1;
  bytes[6] = 0x70 | (bytes[6] & 0x0f);
  bytes[8] = 0x80 | (bytes[8] & 0x3f);
  for (int i = 0, at = 0; i < 16; i++) {
    if (i == 4 || i == 6 || i == 8 || i == 10) id[at++] = '-';
    id[at++] = "0123456789abcdef"[bytes[i] >> 4];
    id[at++] = "0123456789abcdef"[bytes[i] & 15];
  }
}

__attribute__((used)) static int client(word *stack) {
  char **words = (char **)(stack + 1);
  char **environment = words + stack[0] + 1;
  struct {
    unsigned short family;
    char path[108];
  } address = {1, {0}};
  char id[36];
  if (stack[0] != 4 || length_of(words[1]) > 107) return 2;
  for (word i = 0; words[1][i]; i++) address.path[i] = words[1][i];
  word peer = call(SOCKET, 1, 1 | 02000000, 0, 0);
  if (call(CONNECT, peer, (word)&address, 2 + length_of(words[1]) + 1, 0) < 0) return 3;
  make(id);
  if (!ask(peer, words[2], id)) return 4;
  char *tool[] = {"/bin/true", 0};
  word child;
  /* The child comes back on the parent's stack, so nothing may lie between here and its exec. */
  __asm__ volatile("syscall" : "=a"(child) : "a"(VFORK) : "rcx", "r11", "memory");
  if (child == 0) {
    call(EXECVE, (word)tool[0], (word)tool, (word)environment, 0);
    call(EXIT, 127, 0, 0, 0);
  }
  int status = 0;
  call(WAIT4, child, (word)&status, 0, 0);
  if (!ask(peer, words[3], id)) return 5;
  return status >> 8;
}

__attribute__((naked, used)) void _start(void) {
  __asm__("mov %rsp, %rdi; and $-16, %rsp; call client; mov %eax, %edi; mov $60, %eax; syscall");
}
