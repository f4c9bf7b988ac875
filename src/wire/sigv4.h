/*
 * Signature Version 4 of AWS: what goes into the head of a request by POST so that the service knows whose it is. Pure: the keys and
 * the time are the caller's.
 */
#ifndef CLU_WIRE_SIGV4_H
#define CLU_WIRE_SIGV4_H

#include "../base/sha256.h"
#include "compose.h"

#define CLU_SIGV4_FORM "application/x-www-form-urlencoded"
#define CLU_SIGV4_HEX (2 * CLU_SHA256_SIZE + 1)
#define CLU_SIGV4_TEXT 320 /* bytes of the longest text in between */

struct clu_sigv4 {
    char id[129], secret[129];
    char session[4096]; /* the token of temporary keys; "": there is none */
    char region[64];    /* without a '/', as the service */
    char time[17];      /* clu_sigv4_time */
    const char *service;
};

/* 20150830T123600Z */
CLU_FN void clu_sigv4_time(char out[17], uint64_t seconds)
{
    struct clu_text t = clu_text_on(out, 17);
    uint32_t days = (uint32_t)(seconds / 86400), clock = (uint32_t)(seconds % 86400), year = 1970, month = 1, length;
    for (;; days -= length) {
        length = 28 + (0x3bbeecc >> 2 * month & 3); /* two bits of each month, beyond 28 */
        length += month == 2 && year % (year % 100 ? 4 : 400) == 0;
        if (days < length)
            break;
        month = month % 12 + 1;
        year += month == 1;
    }
    clu_text_u64(&t, year * 10000 + month * 100 + days + 1);
    clu_text_u64(&t, 1000000 + clock / 3600 * 10000 + clock / 60 % 60 * 100 + clock % 60);
    clu_text_add(&t, "Z");
    out[8] = 'T'; /* over the 1 that kept the zeros */
}

CLU_FN void clu_sigv4_hex(char out[CLU_SIGV4_HEX], const uint8_t digest[CLU_SHA256_SIZE])
{
    struct clu_text t = clu_text_on(out, CLU_SIGV4_HEX);
    size_t i;
    for (i = 0; i < CLU_SHA256_SIZE; i++)
        clu_text_hex(&t, digest[i]);
}

/* The value of the field Authorization, for a canonical request whose digest this is. `fields`: the names of those that are signed. */
CLU_FN void clu_sigv4_authorize(struct clu_text *t, const struct clu_sigv4 *k, const uint8_t request[CLU_SHA256_SIZE],
                                const char *fields)
{
    char scope[CLU_SIGV4_TEXT], text[CLU_SIGV4_TEXT], hex[CLU_SIGV4_HEX];
    uint8_t key[CLU_SHA256_SIZE];
    struct clu_text s, w;
    struct clu_slice rest;
    const void *by = text;
    size_t size;
    clu_text_bytes(clu_text_in(&s, scope, sizeof scope), k->time, 8); /* the day */
    clu_compose(&s, "/$s/$s/aws4_request", k->region, k->service);
    clu_compose(clu_text_in(&w, text, sizeof text), "AWS4$s", k->secret);
    size = w.length;
    rest = clu_slice_str(scope);
    do { /* the key of each part is what came of the one before */
        struct clu_slice part = clu_cut(&rest, '/');
        clu_hmac_sha256(by, size, part.at, part.length, key);
        by = key;
        size = sizeof key;
    } while (rest.at);
    clu_wipe(text, sizeof text);
    clu_sigv4_hex(hex, request);
    clu_compose(clu_text_in(&w, text, sizeof text), "AWS4-HMAC-SHA256\n$s\n$s\n$s", k->time, scope, hex);
    clu_hmac_sha256(key, sizeof key, text, w.length, key);
    clu_sigv4_hex(hex, key);
    clu_compose(t, "AWS4-HMAC-SHA256 Credential=$s/$s, SignedHeaders=$s, Signature=$s", k->id, scope, fields, hex);
}

/* Lines for the head of a request that posts a form to the root of a host: when, the session, and the signature, each ended by LF.
 * On the way the text holds the canonical request. */
CLU_FN void clu_sigv4_post(struct clu_text *t, const struct clu_sigv4 *k, struct clu_slice host, const char *body)
{
    char hex[CLU_SIGV4_HEX];
    uint8_t digest[CLU_SHA256_SIZE];
    bool session = *k->session != '\0';
    const char *fields = session ? "content-type;host;x-amz-date;x-amz-security-token" : "content-type;host;x-amz-date";
    size_t begin = t->length;
    clu_sha256_of(body, strlen(body), digest);
    clu_sigv4_hex(hex, digest);
    clu_text_add(t, "POST\n/\n\ncontent-type:" CLU_SIGV4_FORM "\nhost:");
    clu_text_bytes(t, host.at, host.length);
    clu_compose(t, session ? "\nx-amz-date:$s\nx-amz-security-token:$s" : "\nx-amz-date:$s", k->time, k->session);
    clu_compose(t, "\n\n$s\n$s", fields, hex);
    clu_sha256_of(t->data + begin, t->length - begin, digest);
    t->length = begin;
    clu_compose(t, session ? "X-Amz-Date: $s\nX-Amz-Security-Token: $s\n" : "X-Amz-Date: $s\n", k->time, k->session);
    clu_text_add(t, "Authorization: ");
    clu_sigv4_authorize(t, k, digest, fields);
    clu_text_add(t, "\n");
}

#endif
