/*
 * Responses of DNS servers. The input is a message, which is judged as the answer to its own question. What is called an answer
 * is read back record by record as it was counted, and the work is bounded whatever the message holds.
 */
#include "../../src/wire/dns.h"

#include "target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint16_t types[] = {1, 5, 12, 16, 28, 33};
    struct clu_dns_walk w;
    struct clu_dns_result result, again;
    struct clu_dns_known known, none;
    struct clu_dns_record rec;
    enum clu_dns_verdict verdict;
    uint16_t id = size < 2 ? 0 : clu_dns_u16(data), type;
    uint32_t count = 0, additional = 0, ttl = INT32_MAX;
    char name[CLU_DNS_TEXT_MAX];
    size_t i;
    memset(&w, 0, sizeof w);
    memset(&known, 0, sizeof known);
    none = known;
    w.message = data;
    w.tail = w.end = data + size;
    w.fuel = INT32_MAX;
    if (size < 16 || size > 65535 || !(w.at = clu_dns_read_name(&w, data + 12, w.end)) || w.end - w.at < 4 || clu_dns_odd(&w))
        return 0;
    memcpy(name, clu_dns_text(&w).at, clu_dns_text(&w).length + 1);
    type = clu_dns_u16(w.at);
    verdict = clu_dns_check(data, size, id, name, type, &result, &known);
    CHECK(result.work <= CLU_DNS_FUEL(size));
    CHECK(clu_dns_check(data, size, (uint16_t)(id + 1), name, type, &again, &known) == CLU_DNS_NOT_OURS);
    for (i = 0; i < CLU_COUNT(types); i++)
        if (types[i] != type && (size != 12))
            CHECK(clu_dns_check(data, size, id, name, types[i], &again, &none) == CLU_DNS_NOT_OURS);
    CHECK(clu_dns_check(data, size, id, name, type, &again, &known) == verdict);
    CHECK(again.count == result.count && again.digest == result.digest && again.owner_at == result.owner_at);
    CHECK((verdict == CLU_DNS_ANSWER) == (verdict != CLU_DNS_BAD && result.count > 0 && result.rcode == 0));
    if (verdict != CLU_DNS_ANSWER)
        return 0;
    clu_dns_begin(&w, data, size, &result);
    while (clu_dns_next(&w, &rec)) {
        CHECK(rec.data >= data && rec.size <= (size_t)(data + size - rec.data));
        if (rec.additional) {
            additional++;
            CHECK(type == CLUSTER_DNS_SRV && (rec.type == CLUSTER_DNS_A || rec.type == CLUSTER_DNS_AAAA));
        } else {
            count++;
            CHECK(rec.type == type && !additional);
            ttl = rec.ttl < ttl ? rec.ttl : ttl;
        }
        CHECK(rec.type != CLUSTER_DNS_A || rec.size == 4);
        CHECK(rec.type != CLUSTER_DNS_AAAA || rec.size == 16);
        CHECK(strlen(clu_dns_text(&w).at) == clu_dns_text(&w).length);
        if (rec.additional || rec.type == CLUSTER_DNS_SRV || rec.type == CLUSTER_DNS_CNAME || rec.type == CLUSTER_DNS_PTR)
            CHECK(rec.additional || clu_dns_text(&w).length > 0);
    }
    CHECK(count == result.count && additional == result.additional && result.ttl <= ttl);
    return 0;
}
