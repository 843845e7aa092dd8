/* Baseline `floor`: the thinnest websocket echo there is, without a Python object for any frame.

       cc -O2 -o floor floor.c && ./floor PORT FRAMES SPOKEN

   One thread, epoll, one timer. Every session sends the newest frame that it got, as it got it, each 20 ms, for
   SPOKEN of every FRAMES frames, as benchmarks/bare.py does. GET /health is answered; anything else is upgraded.
   It serves a benchmark's own generator and nobody else: whatever is out of order closes the connection. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { ROOM = 16384, FRAME = 8192, EVENTS = 512 };
static const int64_t PTIME = 20000000; /* nanoseconds */
static const double GOLDEN = 0.6180339887498949;

struct session {
    int file, upgraded, gone, queued;
    size_t got, ready;         /* bytes in `in`; of the frame in `newest` */
    long place;                /* in the period */
    int64_t due;
    struct session *next;      /* whose frame is due after this one's */
    unsigned char in[ROOM], newest[FRAME];
};

static int poll_file, timer_file;
static long frames, spoken, sessions;
static struct session *first, *last; /* by what is due: all have the same period, so a queue stays in order */

static int64_t now(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec * 1000000000LL + at.tv_nsec;
}

/* --- SHA-1 (RFC 3174) and base64 (RFC 4648), for the handshake alone ------------------------------------ */

static uint32_t turned(uint32_t word, int by) { return word << by | word >> (32 - by); }

static void sha1(const unsigned char *text, size_t size, unsigned char digest[20]) {
    uint32_t sum[5] = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0};
    unsigned char padded[128] = {0};
    size_t whole = size + 9 <= 64 ? 64 : 128;
    memcpy(padded, text, size);
    padded[size] = 0x80;
    for (int n = 0; n < 8; n++) padded[whole - 1 - n] = (unsigned char)((uint64_t)size * 8 >> 8 * n);
    for (size_t block = 0; block < whole; block += 64) {
        uint32_t w[80], a = sum[0], b = sum[1], c = sum[2], d = sum[3], e = sum[4];
        for (int n = 0; n < 16; n++) {
            const unsigned char *at = padded + block + 4 * n;
            w[n] = (uint32_t)at[0] << 24 | at[1] << 16 | at[2] << 8 | at[3];
        }
        for (int n = 16; n < 80; n++) w[n] = turned(w[n - 3] ^ w[n - 8] ^ w[n - 14] ^ w[n - 16], 1);
        for (int n = 0; n < 80; n++) {
            uint32_t f = n < 20 ? (b & c) | (~b & d) : n < 40 ? b ^ c ^ d
                       : n < 60 ? (b & c) | (b & d) | (c & d) : b ^ c ^ d;
            uint32_t k = n < 20 ? 0x5A827999 : n < 40 ? 0x6ED9EBA1 : n < 60 ? 0x8F1BBCDC : 0xCA62C1D6;
            uint32_t more = turned(a, 5) + f + e + k + w[n];
            e = d, d = c, c = turned(b, 30), b = a, a = more;
        }
        sum[0] += a, sum[1] += b, sum[2] += c, sum[3] += d, sum[4] += e;
    }
    for (int n = 0; n < 20; n++) digest[n] = (unsigned char)(sum[n / 4] >> (24 - 8 * (n % 4)));
}

static void base64(const unsigned char digest[20], char text[29]) {
    static const char *letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    unsigned char padded[21] = {0};
    memcpy(padded, digest, 20);
    for (int n = 0; n < 7; n++) {
        uint32_t three = (uint32_t)padded[3 * n] << 16 | padded[3 * n + 1] << 8 | padded[3 * n + 2];
        for (int k = 0; k < 4; k++) text[4 * n + k] = letters[three >> (18 - 6 * k) & 63];
    }
    text[27] = '=', text[28] = 0;
}

/* --- the connection -------------------------------------------------------------------------------------- */

static void hang_up(struct session *one) {
    if (!one->gone) close(one->file);
    one->gone = 1;
    if (!one->queued) free(one);
}

static int say(struct session *one, const void *text, size_t size) {
    return send(one->file, text, size, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)size;
}

/* Whether the connection goes on. */
static int answer(struct session *one, size_t head) {
    static const char *guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    char text[256], key[128], *found;
    unsigned char digest[20];
    one->in[head - 1] = 0;
    if (!strncmp((char *)one->in, "GET /health", 11)) {
        const char *well = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
        say(one, well, strlen(well));
        return 0;
    }
    found = strcasestr((char *)one->in, "\r\nSec-WebSocket-Key: ");
    if (!found || sscanf(found + 21, "%60s", key) != 1) return 0;
    strcat(key, guid);
    sha1((unsigned char *)key, strlen(key), digest);
    base64(digest, key);
    snprintf(text, sizeof text,
             "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             "Sec-WebSocket-Accept: %s\r\n\r\n", key);
    one->upgraded = 1;
    return say(one, text, strlen(text));
}

static void arm(void) {
    struct itimerspec when = {{0, 0}, {first->due / 1000000000, first->due % 1000000000}};
    timerfd_settime(timer_file, TFD_TIMER_ABSTIME, &when, NULL);
}

static void queue(struct session *one) {
    one->next = NULL;
    one->queued = 1;
    if (last) last->next = one; else first = one;
    last = one;
    if (first == one) arm();
}

/* The newest frame, unmasked, behind a server's header. */
static int keep(struct session *one, int kind, const unsigned char *mask, const unsigned char *from, size_t size) {
    size_t head = size < 126 ? 2 : 4;
    if (size > FRAME - 4) return 0;
    one->newest[0] = (unsigned char)(0x80 | kind);
    one->newest[1] = size < 126 ? (unsigned char)size : 126;
    if (head == 4) one->newest[2] = (unsigned char)(size >> 8), one->newest[3] = (unsigned char)size;
    for (size_t n = 0; n < size; n++) one->newest[head + n] = from[n] ^ mask[n & 3];
    if (!one->ready) {
        one->place = (long)((double)sessions * GOLDEN * (double)frames) % frames;
        sessions++;
        one->due = now() + PTIME; /* later than everybody's, so the queue stays in order */
        queue(one);
    }
    one->ready = head + size;
    return 1;
}

/* Whether the connection goes on. */
static int heard(struct session *one) {
    size_t at = 0;
    while (one->got - at >= 6) {
        const unsigned char *in = one->in + at;
        size_t size = in[1] & 127, head = 2;
        if (size == 126) {
            if (one->got - at < 8) break;
            size = (size_t)in[2] << 8 | in[3], head = 4;
        }
        if (size == 127 || !(in[1] & 128) || head + 4 + size > ROOM) return 0;
        if (one->got - at < head + 4 + size) break;
        int kind = in[0] & 15;
        if (kind == 8) return 0;
        if (kind < 3 && !keep(one, kind, in + head, in + head + 4, size)) return 0;
        at += head + 4 + size;
    }
    memmove(one->in, one->in + at, one->got -= at);
    return 1;
}

static void read_from(struct session *one) {
    ssize_t more = recv(one->file, one->in + one->got, ROOM - one->got, MSG_DONTWAIT);
    if (more < 0 && errno == EAGAIN) return;
    if (more <= 0) { hang_up(one); return; }
    one->got += (size_t)more;
    if (!one->upgraded) {
        unsigned char *end = memmem(one->in, one->got, "\r\n\r\n", 4);
        if (!end) { if (one->got == ROOM) hang_up(one); return; }
        size_t head = (size_t)(end - one->in) + 4;
        if (!answer(one, head)) { hang_up(one); return; }
        memmove(one->in, one->in + head, one->got -= head);
    }
    if (!heard(one)) hang_up(one);
}

static void send_due(void) {
    while (first && first->due <= now()) {
        struct session *one = first;
        first = one->next;
        if (!first) last = NULL;
        one->queued = 0;
        if (one->gone) { free(one); continue; }
        if (one->place < spoken && !say(one, one->newest, one->ready)) { hang_up(one); continue; }
        one->place = (one->place + 1) % frames;
        one->due += PTIME;
        queue(one);
    }
    if (first) arm();
}

static void let_in(int listening) {
    int file, on = 1;
    while ((file = accept4(listening, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        struct session *one = calloc(1, sizeof *one);
        struct epoll_event what = {EPOLLIN, {.ptr = one}};
        one->file = file;
        setsockopt(file, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        epoll_ctl(poll_file, EPOLL_CTL_ADD, file, &what);
    }
}

int main(int count, char **words) {
    struct sockaddr_in where = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct epoll_event found[EVENTS], listens = {EPOLLIN, {.ptr = &where}}, rings = {EPOLLIN, {.ptr = &timer_file}};
    struct rlimit files;
    int on = 1, listening = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (count != 4) return fprintf(stderr, "usage: floor PORT FRAMES SPOKEN\n"), 2;
    where.sin_port = htons((uint16_t)atoi(words[1]));
    frames = atol(words[2]), spoken = atol(words[3]);
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listening, (struct sockaddr *)&where, sizeof where) || listen(listening, 1024))
        return perror("floor"), 1;
    poll_file = epoll_create1(0);
    timer_file = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    epoll_ctl(poll_file, EPOLL_CTL_ADD, listening, &listens);
    epoll_ctl(poll_file, EPOLL_CTL_ADD, timer_file, &rings);
    for (;;) {
        int ready = epoll_wait(poll_file, found, EVENTS, -1);
        int due = 0;
        for (int n = 0; n < ready; n++) {
            if (found[n].data.ptr == &where) let_in(listening);
            else if (found[n].data.ptr == &timer_file) due = 1;
            else read_from(found[n].data.ptr);
        }
        if (due) {
            uint64_t rung;
            (void)!read(timer_file, &rung, sizeof rung);
            send_due();
        }
    }
}
