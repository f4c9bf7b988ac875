/*
 * Signatures of requests. Whatever keys, session, region, host, body and time are, the lines are of one form, the same each
 * time, within their room; another body has another signature.
 */
#include "../../src/wire/sigv4.h"

#include "target.h"

/* The next text of the input, up to a NUL, at most `most` bytes of it. */
static const char *next(const uint8_t **data, size_t *size, char *out, size_t most)
{
    size_t length = 0;
    while (length < *size && (*data)[length])
        length++;
    memcpy(out, *data, length < most ? length : most);
    out[length < most ? length : most] = '\0';
    *data += length + (length < *size);
    *size -= length + (length < *size);
    return out;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char host[256], body[4097], out[8192], again[8192];
    static struct clu_sigv4 k;
    struct clu_text t = clu_text_on(out, sizeof out), u = clu_text_on(again, sizeof again);
    const char *head;
    size_t i, lines = 0;
    uint64_t seconds = 0;
    for (i = 0; i < 8 && size; i++, data++, size--)
        seconds = seconds << 8 | *data;
    clu_sigv4_time(&k, seconds % UINT64_C(18446744074));
    (void)next(&data, &size, k.id, 128);
    (void)next(&data, &size, k.secret, 128);
    (void)next(&data, &size, k.session, 4095);
    (void)next(&data, &size, k.region, 32);
    (void)next(&data, &size, host, 255);
    (void)next(&data, &size, body, 4095);
    head = clu_sigv4_post(&t, &k, "ec2", host, body);
    CHECK(strcmp(clu_sigv4_post(&u, &k, "ec2", host, body), head) == 0);
    CHECK(!t.cut && t.length == strlen(out) && strcmp(out, again) == 0);
    CHECK(strncmp(head, "x-amz-date:", 11) == 0 && head[19] == 'T' && head[26] == 'Z' && head[27] == '\n');
    for (i = 0; head[i]; i++)
        lines += head[i] == '\n';
    for (i = 0; k.id[i]; i++)
        lines -= k.id[i] == '\n';
    for (i = 0; k.session[i]; i++)
        lines -= k.session[i] == '\n';
    for (i = 0; k.region[i]; i++)
        lines -= k.region[i] == '\n';
    CHECK(lines == (*k.session ? 3u : 2u));
    CHECK(t.length > 76 && memcmp(out + t.length - 76, " Signature=", 11) == 0);
    for (i = t.length - 65; i < t.length - 1; i++)
        CHECK((out[i] >= '0' && out[i] <= '9') || (out[i] >= 'a' && out[i] <= 'f'));
    strcat(body, "x");
    u = clu_text_on(again, sizeof again);
    (void)clu_sigv4_post(&u, &k, "ec2", host, body);
    CHECK(strcmp(out, again) != 0);
    for (i = 1; i < 200; i += 61) {
        u = clu_text_on(again, i);
        (void)clu_sigv4_post(&u, &k, "ec2", host, body);
        CHECK(u.cut && strlen(again) == i - 1);
    }
    return 0;
}
