/*
 * Signature Version 4 of AWS: what goes into the head of a request by POST so that the service knows whose it is. Pure: the keys and
 * the time are the caller's.
 */
#ifndef CLU_WIRE_SIGV4_H
#define CLU_WIRE_SIGV4_H

#include "../base/sha256.h"
#include "../base/text.h"

#define CLU_SIGV4_FORM "application/x-www-form-urlencoded"
#define CLU_SIGV4_TEXT 320 /* bytes of the longest text in between */

struct clu_sigv4 {
    const char *id, *secret; /* at most 128 bytes each */
    const char *session;     /* the token of temporary keys; "": there is none */
    const char *region, *service;
    uint64_t seconds; /* since 1970 */
};

/* 20150830T123600Z */
CLU_FN void clu_sigv4_time(struct clu_text *t, uint64_t seconds)
{
    static const char more[] = "303232332323"; /* days of the months, beyond 28 */
    uint64_t days = seconds / 86400, year = 1970, month = 0, length;
    size_t at = t->length + 8;
    bool leap;
    for (;; year++) {
        leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        length = 365 + (uint64_t)leap;
        if (days < length)
            break;
        days -= length;
    }
    for (;; month++) {
        length = (uint64_t)(28 + more[month] - '0') + (uint64_t)(leap && month == 1);
        if (days < length)
            break;
        days -= length;
    }
    clu_text_u64(t, year * 10000 + (month + 1) * 100 + days + 1);
    clu_text_u64(t, 1000000 + seconds / 3600 % 24 * 10000 + seconds / 60 % 60 * 100 + seconds % 60);
    if (at < t->length)
        t->data[at] = 'T'; /* over the 1 that kept the zeros */
    clu_text_add(t, "Z");
}

CLU_FN void clu_sigv4_hex(struct clu_text *t, const uint8_t digest[CLU_SHA256_SIZE])
{
    size_t i;
    for (i = 0; i < CLU_SHA256_SIZE; i++)
        clu_text_hex(t, digest[i]);
}

/* The value of the field Authorization, for a canonical request whose digest this is. `fields`: the names of those that are signed. */
CLU_FN void clu_sigv4_authorize(struct clu_text *t, const struct clu_sigv4 *k, const uint8_t request[CLU_SHA256_SIZE],
                                const char *fields)
{
    const char *words[4];
    char scope[CLU_SIGV4_TEXT], text[CLU_SIGV4_TEXT];
    uint8_t key[CLU_SHA256_SIZE];
    struct clu_text s = clu_text_on(scope, sizeof scope), w = clu_text_on(text, sizeof text);
    size_t i;
    clu_sigv4_time(&s, k->seconds);
    s.length = 8; /* the day */
    scope[8] = '\0';
    clu_text_add(&w, "AWS4");
    clu_text_add(&w, k->secret);
    clu_hmac_sha256(text, w.length, scope, s.length, key);
    words[0] = k->region;
    words[1] = k->service;
    words[2] = "aws4_request";
    for (i = 0; i < 3; i++) {
        clu_hmac_sha256(key, sizeof key, words[i], strlen(words[i]), key);
        clu_text_add(&s, "/");
        clu_text_add(&s, words[i]);
    }
    clu_wipe(text, sizeof text);
    w = clu_text_on(text, sizeof text);
    clu_text_add(&w, "AWS4-HMAC-SHA256\n");
    clu_sigv4_time(&w, k->seconds);
    clu_text_add(&w, "\n");
    clu_text_add(&w, scope);
    clu_text_add(&w, "\n");
    clu_sigv4_hex(&w, request);
    clu_hmac_sha256(key, sizeof key, text, w.length, key);
    clu_text_add(t, "AWS4-HMAC-SHA256 Credential=");
    clu_text_add(t, k->id);
    clu_text_add(t, "/");
    clu_text_add(t, scope);
    clu_text_add(t, ", SignedHeaders=");
    clu_text_add(t, fields);
    clu_text_add(t, ", Signature=");
    clu_sigv4_hex(t, key);
}

/* Lines for the head of a request that posts a form to the root of a host: when, the session, and the signature, each ended by LF. */
CLU_FN void clu_sigv4_post(struct clu_text *t, const struct clu_sigv4 *k, struct clu_slice host, const char *body)
{
    static const char fields[] = "content-type;host;x-amz-date;x-amz-security-token",
                      head[] = "POST\n/\n\ncontent-type:" CLU_SIGV4_FORM "\nhost:";
    char time[24], hex[2 * CLU_SHA256_SIZE + 1], names[sizeof fields];
    const char *parts[8];
    struct clu_text text = clu_text_on(time, sizeof time);
    struct clu_digest d;
    uint8_t digest[CLU_SHA256_SIZE];
    bool session = *k->session != '\0';
    size_t i;
    clu_sigv4_time(&text, k->seconds);
    text = clu_text_on(names, sizeof names);
    clu_text_bytes(&text, fields, sizeof fields - (session ? 1 : sizeof ";x-amz-security-token"));
    clu_sha256_of(body, strlen(body), digest);
    text = clu_text_on(hex, sizeof hex);
    clu_sigv4_hex(&text, digest);
    clu_sha256_begin(&d);
    clu_digest_add(&d, head, sizeof head - 1);
    clu_digest_add(&d, host.at, host.length);
    parts[0] = "\nx-amz-date:";
    parts[1] = time;
    parts[2] = session ? "\nx-amz-security-token:" : "";
    parts[3] = k->session;
    parts[4] = "\n\n";
    parts[5] = names;
    parts[6] = "\n";
    parts[7] = hex;
    for (i = 0; i < CLU_COUNT(parts); i++)
        clu_digest_add(&d, parts[i], strlen(parts[i]));
    clu_sha256_end(&d, digest);
    clu_text_add(t, "X-Amz-Date: ");
    clu_text_add(t, time);
    clu_text_add(t, session ? "\nX-Amz-Security-Token: " : "");
    clu_text_add(t, k->session);
    clu_text_add(t, "\nAuthorization: ");
    clu_sigv4_authorize(t, k, digest, names);
    clu_text_add(t, "\n");
}

#endif
