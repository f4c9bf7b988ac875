/*
 * Signature Version 4 of AWS: what goes into the head of a request by POST so that the service knows whose it is. Pure: the keys and
 * the time are the caller's.
 */
#ifndef CLU_WIRE_SIGV4_H
#define CLU_WIRE_SIGV4_H

#include "../base/sha256.h"
#include "compose.h"

#define CLU_SIGV4_FORM "content-type:application/x-www-form-urlencoded\n" /* a line of the head */
#define CLU_SIGV4_SCOPE 128                                               /* bytes of the longest scope */

struct clu_sigv4 {
    char day[9], time[17]; /* clu_sigv4_time */
    char region[64];       /* without a '/' */
    char id[129], secret[129];
    char session[4096]; /* the token of temporary keys; "": there is none */
};

/* 20150830 and 20150830T123600Z */
CLU_FN void clu_sigv4_time(struct clu_sigv4 *k, uint64_t seconds)
{
    struct clu_text t;
    uint32_t days = (uint32_t)(seconds / 86400), clock = (uint32_t)(seconds % 86400), year = 1970, month = 1, length;
    for (;; days -= length) {
        length = 28 + (0x3bbeecc >> 2 * month & 3); /* two bits of each month, beyond 28 */
        length += month == 2 && year % (year % 100 ? 4 : 400) == 0;
        if (days < length)
            break;
        month = month % 12 + 1;
        year += month == 1;
    }
    clu_compose(clu_text_in(&t, k->time, sizeof k->time), "$u$uZ", year * 10000 + month * 100 + days + 1,
                1000000 + clock + 40 * (clock / 60) + 4000 * (clock / 3600)); /* numbers that no minute and no hour has */
    memcpy(k->day, k->time, 8);
    k->day[8] = '\0';
    k->time[8] = 'T'; /* over the 1 that kept the zeros */
}

/* The field Authorization, for a canonical request whose digest this is. `fields`: the names of those that are signed. On the way the
 * text holds what is signed. */
CLU_FN void clu_sigv4_authorize(struct clu_text *t, const struct clu_sigv4 *k, const uint8_t request[CLU_SHA256_SIZE],
                                const char *service, const char *fields)
{
    char scope[CLU_SIGV4_SCOPE];
    uint8_t key[CLU_SHA256_SIZE];
    struct clu_text s;
    const char *part = scope, *by = t->data + t->length;
    size_t begin = t->length, size;
    clu_compose(clu_text_in(&s, scope, sizeof scope), "$s/$s/$s/aws4_request", k->day, k->region, service);
    clu_compose(t, "AWS4$s", k->secret);
    size = t->length - begin;
    do { /* the key of each part is what came of the one before */
        size_t length = strcspn(part, "/");
        clu_hmac_sha256(by, size, part, length, key);
        by = (const char *)key;
        size = sizeof key;
        part += length;
    } while (*part++);
    t->length = begin;
    clu_compose(t, "AWS4-HMAC-SHA256\n$s\n$s\n$x", k->time, scope, (const char *)request);
    clu_hmac_sha256(key, sizeof key, t->data + begin, t->length - begin, key);
    t->length = begin;
    clu_compose(t, "Authorization: AWS4-HMAC-SHA256 Credential=$s/$s, SignedHeaders=$s, Signature=$x\n", k->id, scope, fields,
                (const char *)key);
}

/* Lines for the head of a request that posts a form to a host, or to a path there: when, the session, and the signature, each ended by LF.
 * They are the end of the text, which is empty at first, and before them has what else is signed. */
CLU_FN const char *clu_sigv4_post(struct clu_text *t, const struct clu_sigv4 *k, const char *service, const char *server,
                                  const char *body)
{
    uint8_t digest[CLU_SHA256_SIZE];
    const char *session = *k->session ? "\nx-amz-security-token:" : "";
    const char *fields = *k->session ? "content-type;host;x-amz-date;x-amz-security-token" : "content-type;host;x-amz-date";
    size_t begin, end, host = strcspn(server, "/");
    clu_sha256_of(body, strlen(body), digest);
    clu_compose(t, "POST\n$s\n\n$shost:", server[host] ? server + host : "/", CLU_SIGV4_FORM);
    clu_text_bytes(t, server, host);
    begin = t->length + 1;
    clu_compose(t, "\nx-amz-date:$s$s$s\n", k->time, session, k->session);
    end = t->length;
    clu_compose(t, "\n$s\n$x", fields, (const char *)digest);
    clu_sha256_of(t->data, t->length, digest);
    t->length = end;
    clu_sigv4_authorize(t, k, digest, service, fields);
    return t->data + begin;
}

#endif
