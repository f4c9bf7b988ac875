/*
 * Addresses, HOST:PORT and ranges. What is printed of an address is read again as the same one; every address lies in the range
 * of itself and of its own prefixes; and a pattern matches a text as its plain definition says.
 */
#include "../../src/wire/address.h"
#include "../../src/wire/glob.h"

#include "target.h"

static void check_address(const struct cluster_address *a)
{
    char text[CLU_ADDRESS_TEXT];
    struct clu_text t = clu_text_on(text, sizeof text);
    struct cluster_address again, range;
    clu_address_text(&t, a);
    CHECK(!t.cut && t.length);
    CHECK(clu_address_parse(clu_slice_of(text, t.length), &again));
    CHECK(again.family == a->family && again.scope == a->scope && memcmp(again.bytes, a->bytes, 16) == 0);
    CHECK(clu_address_compare(a, &again) == 0);
    for (range = again, range.prefix = 0; range.prefix <= (range.family == 6 ? 128 : 32); range.prefix++)
        CHECK(clu_address_in(a, &range));
    CHECK(!(clu_address_is_multicast(a) && clu_address_is_loopback(a)));
    again.port = 4369;
    t = clu_text_on(text, sizeof text);
    clu_address_port_text(&t, &again);
    CHECK(!t.cut && clu_address_port_parse(clu_slice_of(text, t.length), 1, &range));
    CHECK(clu_address_compare(&range, &again) == 0);
}

/* One row of the table of which beginnings of the pattern match which of the text. */
static bool plainly(struct clu_slice pattern, struct clu_slice text)
{
    bool row[65], above;
    size_t p, t;
    for (t = 0; t <= text.length; t++)
        row[t] = t == 0;
    for (p = 0; p < pattern.length; p++) {
        above = row[0];
        row[0] = above && pattern.at[p] == '*';
        for (t = 1; t <= text.length; t++) {
            bool here = row[t];
            if (pattern.at[p] == '*')
                row[t] = here || row[t - 1];
            else
                row[t] = above && (pattern.at[p] == '?' || pattern.at[p] == text.at[t - 1]);
            above = here;
        }
    }
    return row[text.length];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct clu_slice s = clu_slice_of((const char *)data, size), host, rest = s;
    struct cluster_address a;
    uint16_t port = 0, last;
    if (clu_address_parse(s, &a)) {
        CHECK(a.family == 4 || a.family == 6);
        CHECK(!a.port && !a.prefix && (a.family == 6 || !a.scope));
        check_address(&a);
    }
    if (clu_host_port(s, &host, &port)) {
        CHECK(host.length && host.at >= s.at && host.at + host.length <= s.at + s.length);
        CHECK(clu_address_parse(host, &a) || clu_name_half_valid(host.at, host.length));
        CHECK(clu_slice_find(s, ':') < s.length || !port);
    }
    if (clu_address_port_parse(s, 7, &a))
        CHECK(a.family && a.port);
    if (clu_port_range(s, &port, &last))
        CHECK(port && port <= last);
    if (clu_range_parse(s, &a)) {
        CHECK(a.prefix <= (a.family == 6 ? 128 : 32));
        CHECK(clu_address_in(&a, &a));
    }
    if (size && clu_ranges_valid(s))
        (void)clu_address_in_ranges(&a, s);
    host = clu_cut(&rest, '\n');
    if (rest.at && rest.length <= 64)
        CHECK(clu_glob(host, rest) == plainly(host, rest));
    return 0;
}
