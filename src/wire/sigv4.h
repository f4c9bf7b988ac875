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
#define CLU_SIGV4_SECRET (4 + 128 + 1) /* bytes of the first key */
#define CLU_SIGV4_TEXT 320             /* bytes of the longest text in between */

struct clu_sigv4 {
    const char *id, *secret; /* at most 128 bytes each */
    const char *session;     /* the token of temporary keys; "": there is none */
    const char *region, *service;
    uint64_t seconds; /* since 1970 */
};

/* 20150830T123600Z. Years begin in March, so that leap days end them; 400 of them have 146097 days. */
CLU_FN void clu_sigv4_time(char out[17], uint64_t seconds)
{
    struct clu_text t = clu_text_on(out, 17);
    uint32_t days = (uint32_t)(seconds / 86400) + 719468,
             clock = (uint32_t)(seconds % 86400); /* days since March of the year 0 */
    uint32_t century = (4 * days + 3) / 146097, year, month;
    days -= 146097 * century / 4;
    year = (4 * days + 3) / 1461;
    days -= 1461 * year / 4;
    month = (5 * days + 2) / 153;
    days -= (153 * month + 2) / 5;
    year += 100 * century + month / 10;
    month = (month + 2) % 12 + 1;
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
    char time[17], day[9], hex[CLU_SIGV4_HEX], secret[CLU_SIGV4_SECRET], text[CLU_SIGV4_TEXT];
    uint8_t key[CLU_SHA256_SIZE];
    const char *signs[5];
    struct clu_text first = clu_text_on(secret, sizeof secret), last = clu_text_on(text, sizeof text);
    size_t i;
    clu_sigv4_time(time, k->seconds);
    memcpy(day, time, 8);
    day[8] = '\0';
    clu_sigv4_hex(hex, request);
    clu_compose(&first, "AWS4$s", k->secret);
    clu_compose(&last, "AWS4-HMAC-SHA256\n$s\n$s/$s/$s/aws4_request\n$s", time, day, k->region, k->service, hex);
    signs[0] = day;
    signs[1] = k->region;
    signs[2] = k->service;
    signs[3] = "aws4_request";
    signs[4] = text;
    for (i = 0; i < CLU_COUNT(signs); i++) /* the key of each is what came of the one before */
        clu_hmac_sha256(i ? (const char *)key : secret, i ? sizeof key : first.length, signs[i], strlen(signs[i]), key);
    clu_wipe(secret, sizeof secret);
    clu_sigv4_hex(hex, key);
    clu_compose(t, "AWS4-HMAC-SHA256 Credential=$s/$s/$s/$s/aws4_request, SignedHeaders=$s, Signature=$s", k->id, day,
                k->region, k->service, fields, hex);
}

/* Lines for the head of a request that posts a form to the root of a host: when, the session, and the signature, each ended by LF.
 * On the way the text holds the canonical request. */
CLU_FN void clu_sigv4_post(struct clu_text *t, const struct clu_sigv4 *k, struct clu_slice host, const char *body)
{
    char time[17], hex[CLU_SIGV4_HEX];
    uint8_t digest[CLU_SHA256_SIZE];
    bool session = *k->session != '\0';
    const char *fields = session ? "content-type;host;x-amz-date;x-amz-security-token" : "content-type;host;x-amz-date";
    size_t begin = t->length;
    clu_sigv4_time(time, k->seconds);
    clu_sha256_of(body, strlen(body), digest);
    clu_sigv4_hex(hex, digest);
    clu_text_add(t, "POST\n/\n\ncontent-type:" CLU_SIGV4_FORM "\nhost:");
    clu_text_bytes(t, host.at, host.length);
    clu_compose(t, session ? "\nx-amz-date:$s\nx-amz-security-token:$s" : "\nx-amz-date:$s", time, k->session);
    clu_compose(t, "\n\n$s\n$s", fields, hex);
    clu_sha256_of(t->data + begin, t->length - begin, digest);
    t->length = begin;
    clu_compose(t, session ? "X-Amz-Date: $s\nX-Amz-Security-Token: $s\n" : "X-Amz-Date: $s\n", time, k->session);
    clu_text_add(t, "Authorization: ");
    clu_sigv4_authorize(t, k, digest, fields);
    clu_text_add(t, "\n");
}

#endif
