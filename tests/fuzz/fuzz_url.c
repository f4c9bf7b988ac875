/*
 * URLs of sources. A good one fills no more than its promised buffer, and its parts can be written down and parsed again to the
 * same; a bad one has a sentence; what is shown of either has no secret in it.
 */
#include "../../src/wire/url.h"

#include "target.h"

static const char gossip_keys[] = "secret secret-file auth if ttl broadcast announce wire";

/* Every byte but letters and digits escaped, so that nothing in it separates. */
static void write_text(struct clu_text *t, const char *text, bool escape)
{
    for (; *text; text++) {
        uint8_t byte = (uint8_t)*text;
        if (!escape || (byte < 0x80 && (clu_hex_digit(*text) < 16 || (unsigned)((byte | 0x20) - 'a') < 26))) {
            clu_text_bytes(t, text, 1);
        } else {
            clu_text_add(t, "%");
            clu_text_hex(t, byte);
        }
    }
}

static bool is_as_written(const char *key)
{
    return clu_option_at(clu_word_find(CLU_URL_ALL_KEYS, clu_slice_str(key)))->type >= CLU_OPTION_DURATION;
}

static int parse(const char *url, struct clu_url *u, struct clu_common *common, char *buffer, struct clu_text *error)
{
    struct clu_url_parser p;
    int result;
    memset(&p, 0, sizeof p);
    memset(u, 0, sizeof *u);
    memset(common, 0, sizeof *common);
    p.error = error;
    p.out = u;
    p.common = common;
    p.at = buffer;
    result = clu_url_scheme(&p, url);
    if (result)
        return result;
    p.own_keys = clu_slice_is(p.scheme, "gossip") ? gossip_keys : clu_slice_is(p.scheme, "epmd") ? "name" : "";
    return clu_url_parse(&p);
}

static void write_and_parse_again(const struct clu_url *u, const char *url, size_t length)
{
    char *text = (char *)malloc(3 * length + 8), *buffer = (char *)malloc(3 * length + 8), sentence[256];
    struct clu_text t = clu_text_on(text, 3 * length + 8), error = clu_text_on(sentence, sizeof sentence);
    struct clu_url again;
    struct clu_common common;
    const char *at = u->target, *other;
    size_t i;
    CHECK(text && buffer);
    clu_text_bytes(&t, url, (size_t)(strchr(url, ':') - url));
    clu_text_add(&t, ":");
    for (i = 0; i < u->items; i++, at = clu_url_next(at)) {
        CHECK(*at);
        clu_text_add(&t, i ? "," : "");
        write_text(&t, at, true);
    }
    CHECK(!*at);
    at = u->options;
    for (i = 0; i < u->option_count; i++) {
        clu_text_add(&t, i ? "&" : "?");
        clu_text_add(&t, at);
        clu_text_add(&t, "=");
        write_text(&t, clu_url_next(at), !is_as_written(at));
        at = clu_url_next(clu_url_next(at));
    }
    CHECK(!t.cut);
    if (t.length <= CLU_URL_MAX) {
        CHECK(parse(text, &again, &common, buffer, &error) == 0);
        CHECK(again.items == u->items && again.option_count == u->option_count);
        for (i = 0, at = u->target, other = again.target; i < u->items; i++) {
            CHECK(strcmp(at, other) == 0);
            at = clu_url_next(at);
            other = clu_url_next(other);
        }
        for (i = 0, at = u->options; i < u->option_count; i++) {
            other = clu_url_option(&again, at);
            at = clu_url_next(at);
            CHECK(other && strcmp(at, other) == 0);
            at = clu_url_next(at);
        }
    }
    free(text);
    free(buffer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *url, *buffer, *shown, sentence[1024];
    struct clu_text error = clu_text_on(sentence, sizeof sentence), t;
    struct clu_url u;
    struct clu_common common;
    const char *secret;
    int result;
    if (size > 70000)
        return 0;
    url = (char *)malloc(size + 1);
    CHECK(url);
    memcpy(url, data, size);
    url[size] = '\0';
    size = strlen(url);
    buffer = (char *)malloc(size + 1);
    shown = (char *)malloc(2 * size + 8);
    CHECK(buffer && shown);

    t = clu_text_on(shown, 2 * size + 8);
    clu_url_redact(url, &t);
    CHECK(!t.cut);
    result = parse(url, &u, &common, buffer, &error);
    CHECK(result == 0 ? !error.length : result == CLUSTER_E_INVALID && error.length);
    if (result == 0) {
        CHECK(common.jitter_percent <= 100);
        CHECK(!common.node || clu_name_half_valid(common.node, strlen(common.node)));
        CHECK(common.port <= 65535);
        CHECK(common.prune <= 1);
        write_and_parse_again(&u, url, size);
        secret = clu_url_option(&u, "secret");
        if (secret) {
            CHECK(*secret);
            secret = strstr(shown, "?secret=");
            secret = secret ? secret : strstr(shown, "&secret=");
            CHECK(secret && strncmp(secret + 8, "***", 3) == 0 && (!secret[11] || secret[11] == '&'));
        }
    } else {
        error = clu_text_on(sentence, sizeof sentence);
        CHECK(clu_url_unknown(&error, "scheme", clu_slice_of(url, size < 300 ? size : 300), CLU_URL_SCHEMES, "mine") ==
              CLUSTER_E_INVALID);
        CHECK(error.length);
    }
    free(url);
    free(buffer);
    free(shown);
    return 0;
}
