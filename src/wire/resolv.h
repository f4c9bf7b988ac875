/*
 * The text of /etc/resolv.conf as resolv.conf(5) and the resolvers of today's systems read it. Pure: the slices stand in the
 * caller's text. A line or option that is not understood is passed over, as every resolver does. Two options change nothing
 * here: edns0 always holds, and single-request mends what A and AAAA on one socket break, while each has its own.
 */
#ifndef CLU_WIRE_RESOLV_H
#define CLU_WIRE_RESOLV_H

#include "hosts.h"

#define CLU_RESOLV_SERVERS 3
#define CLU_RESOLV_SEARCH 6

/* The options; the first three have a number. */
enum { CLU_RESOLV_TIMEOUT, CLU_RESOLV_ATTEMPTS, CLU_RESOLV_NDOTS, CLU_RESOLV_ROTATE, CLU_RESOLV_USE_VC, CLU_RESOLV_TRUST_AD };

struct clu_resolv {
    struct clu_slice
        servers[CLU_RESOLV_SERVERS]; /* addresses; an IPv6 one with its zone, %3 or %eth0, which is not looked up */
    struct clu_slice search[CLU_RESOLV_SEARCH];
    uint32_t server_count, search_count;
    uint32_t options[6]; /* s; rounds over the servers; dots with which a name is tried as it is first; 1: it is on */
};

/* A word `name:N`, at most the cap, or an option without number. */
CLU_FN void clu_resolv_option(struct clu_resolv *out, struct clu_slice word)
{
    static const uint8_t caps[] = {30, 5, 15};
    struct clu_slice digits = word, name = clu_cut(&digits, ':');
    int which = clu_word_find("timeout attempts ndots rotate use-vc trust-ad", name);
    uint64_t value = 1;
    if (which < 0 || (which <= CLU_RESOLV_NDOTS && !clu_number(digits, UINT32_MAX, &value)))
        return;
    if (which <= CLU_RESOLV_NDOTS)
        value = clu_min_u64(value, caps[which]);
    out->options[which] = value || which == CLU_RESOLV_NDOTS ? (uint32_t)value : 1;
}

/* It cannot fail: without a server it is 127.0.0.1. */
CLU_FN void clu_resolv_parse(struct clu_resolv *out, struct clu_slice text)
{
    memset(out, 0, sizeof *out);
    out->options[CLU_RESOLV_TIMEOUT] = 5;
    out->options[CLU_RESOLV_ATTEMPTS] = 2;
    out->options[CLU_RESOLV_NDOTS] = 1;
    while (text.at) {
        struct clu_slice line = clu_line(&text), key = clu_word(&line), word = clu_word(&line), zone;
        int which = clu_word_find("nameserver options search domain", key);
        struct cluster_address address;
        if (which > 1 && word.length) /* the last line of these two holds */
            out->search_count = 0;
        if (which == 0) {
            zone = word;
            if (out->server_count < CLU_RESOLV_SERVERS && clu_address_parse(clu_cut(&zone, '%'), &address) &&
                (!zone.at || (zone.length && address.family == 6)))
                out->servers[out->server_count++] = word;
        }
        for (; which > 0 && word.length; word = clu_word(&line)) {
            if (which == 1)
                clu_resolv_option(out, word);
            else if (out->search_count < (which == 2 ? (uint32_t)CLU_RESOLV_SEARCH : 1))
                out->search[out->search_count++] = word;
        }
    }
    if (!out->server_count)
        out->servers[out->server_count++] = clu_slice_str("127.0.0.1");
}

#endif
