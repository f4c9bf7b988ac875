/*
 * dns: the nodes behind names in DNS. A round asks for every name's records; with type=srv, for the addresses of those targets
 * too that came without. If one question fails the round has failed. When the answers hold the same records as those that were
 * published last, in whatever order, they are not read any further.
 *
 *   round -> a question a name and type -> (SRV: sort the addresses that came, ask for those that lack) -> publish, or the same
 *
 * A one-off query is the same round for one name, with the lines of its records in place of nodes.
 */
#ifndef CLU_DISCOVER_DNS_H
#define CLU_DISCOVER_DNS_H

#include "../base/hash.h"
#include "../base/sort.h"
#include "../net/resolver.h"
#include "list.h"

#define CLU_DNS_NAMES_MAX 1000  /* of a source */
#define CLU_DNS_ASKED_MAX 16    /* questions of a source under way */
#define CLU_DNS_NODES_MAX 65536 /* nodes, and addresses of SRV targets, of a round */
#define CLU_DNS_TYPES "a+aaaa a aaaa srv cname ptr txt"
#define CLU_DNS_TTL_LEAST 1 /* interval=ttl: s */
#define CLU_DNS_TTL_MOST 300
#define CLU_DNS_LINE_MAX (CLU_DNS_TEXT_MAX + 24) /* of a record but TXT: the longest name, and three numbers */

/* An address of an SRV target, whose name is known by its hash alone. */
struct clu_dns_host {
    uint64_t key;
    struct cluster_address address;
};

struct clu_dns {
    struct cluster_source *source;
    const char *type;              /* of a query, else NULL */
    bool active;                   /* a round is under way */
    bool asks_hosts;               /* the names have answered, their targets are asked for */
    bool known;                    /* `published` is */
    uint8_t types[2], families[2]; /* what is asked of a name, of a target; 0: no second one */
    uint32_t slots, next, asked;   /* of names: how many questions, the next one; how many of any kind are under way */
    uint32_t busy;                 /* a bit for each slot after those, for targets */
    uint32_t ttl, rcode;
    uint64_t digest, published;
    uint64_t keys[CLU_DNS_ASKED_MAX];
    struct clu_dns_host *hosts;
    void **order; /* the first `sorted` of them, sorted */
    size_t host_count, host_capacity, order_capacity, sorted;
};

/* A list of lines or of names in the making, and their texts one after another. */
struct clu_dns_list {
    struct clu_nodes nodes;
    char *text;
    size_t size, capacity;
};

CLU_FN uint64_t clu_dns_key(const char *name)
{
    char lower[CLU_DNS_TEXT_MAX];
    size_t i;
    for (i = 0; i < sizeof lower && name[i]; i++)
        lower[i] = clu_lower(name[i]);
    return clu_hash64(lower, i, 0);
}

/* Is there room for one more? */
CLU_FN int clu_dns_limit(struct cluster_source *s, size_t count)
{
    return count < CLU_DNS_NODES_MAX
               ? 0
               : clu_round_fail(s, CLUSTER_E_LIMIT, "more than 65536 nodes or addresses: ask for fewer", clu_slice_str(""), "");
}

/* The name of an item, after its own base name if it has one. */
CLU_FN const char *clu_dns_item_name(const char *item)
{
    const char *at = strchr(item, '@');
    return at ? at + 1 : item;
}

/* ---- beginning and end ------------------------------------------------ */

CLU_FN void clu_dns_close(void *state)
{
    struct clu_dns *d = (struct clu_dns *)state;
    const struct cluster_allocator *memory = cluster_source_allocator(d->source);
    clu_free(memory, d->hosts, d->host_capacity * sizeof *d->hosts);
    clu_free(memory, d->order, d->order_capacity * sizeof *d->order);
    clu_free(memory, d, sizeof *d);
}

CLU_FN bool clu_dns_is(const struct cluster_source *s, const char *key, const char *value)
{
    const char *given = cluster_source_option(s, key);
    return given && strcmp(given, value) == 0;
}

/* What is wrong with an item; NULL: nothing. */
CLU_FN const char *clu_dns_wrong_item(struct cluster_source *s, const char *item, bool query)
{
    const char *name = query ? item : clu_dns_item_name(item);
    struct clu_slice text = clu_slice_str(name);
    uint8_t wire[CLU_DNS_NAME_MAX];
    struct cluster_address address;
    if (clu_address_parse(text, &address))
        return "'#' is an address and no name: a node there is static:NODE@ADDRESS";
    if (strpbrk(name, "/:") || !clu_dns_name(wire, text))
        return "'#' is no DNS name: no '//', no port (a server goes into server=), labels of 1 to 63 bytes between dots";
    if (!query && name == item && !cluster_source_option(s, "node") && !cluster_source_own(s)->name)
        return "no base name for the nodes of '#': write it before the name, as in dns:app@NAME, or as node=";
    if (!query && name != item && !clu_name_half_valid(item, (size_t)(name - item - 1)))
        return "'#' has no base name before its '@', or a bad one";
    return NULL;
}

CLU_FN int clu_dns_open(void *ctx, struct cluster_source *s, const char *target, void **state)
{
    const char *servers = cluster_source_option(s, "server"), *query = cluster_source_option(s, "question");
    const char *item = NULL, *why = NULL;
    size_t count = 0;
    struct clu_dns *d;
    (void)ctx;
    (void)target;
    while (!why && (item = cluster_source_item(s, item)) != NULL) {
        why = clu_dns_wrong_item(s, item, query != NULL);
        count++;
        if (why)
            break;
    }
    if (!why && (!count || count > (query ? 1 : CLU_DNS_NAMES_MAX)))
        why = query ? "one name is looked up at a time" : "dns: needs a name after its ':', and takes at most 1000 of them";
    if (!why && servers && !clu_servers_valid(clu_slice_str(servers)))
        why = "server= takes ADDRESS or ADDRESS:PORT, IPv6 with a port as [::1]:53, several with ',' between them";
    if (!why && (clu_dns_is(s, "host", "name") || clu_dns_is(s, "ports", "off")) && !clu_dns_is(s, "type", "srv"))
        why = "host=name and ports=off need type=srv: only SRV records have names of hosts and ports, the others are addresses";
    if (why)
        return clu_round_fail(s, CLUSTER_E_INVALID, why, clu_slice_str(item ? item : ""), "");
    if (clu_state_new(s, sizeof *d, state))
        return CLUSTER_E_MEMORY;
    d = (struct clu_dns *)*state;
    d->type = query;
    return 0;
}

/* ---- publishing ------------------------------------------------------- */

/* Room for a text of at most so many bytes, its NUL counted, and a clu_text there. */
CLU_FN bool clu_dns_room(struct clu_dns_list *list, size_t most, struct clu_text *out)
{
    if (!clu_reserve(cluster_source_allocator(list->nodes.source), &list->text, &list->capacity, list->size + most, 1))
        return false;
    *out = clu_text_on(list->text + list->size, most);
    return true;
}

/* One more, whose text was written: the names come when all texts have their place. */
CLU_FN int clu_dns_add(struct clu_dns_list *list, const struct clu_text *text, uint32_t weight, uint32_t port)
{
    struct cluster_node node;
    int result = clu_dns_limit(list->nodes.source, list->nodes.count);
    memset(&node, 0, sizeof node);
    node.weight = weight;
    node.port = port;
    list->size += text->length + 1;
    return result ? result : clu_nodes_add(&list->nodes, &node);
}

/* A node on an address or, without one, on the record's target. */
CLU_FN int clu_dns_add_node(struct clu_dns_list *list, const char *item, const struct cluster_record *r,
                            const struct cluster_address *address)
{
    size_t base = (size_t)(clu_dns_item_name(item) - item);
    struct clu_text t;
    if (!clu_dns_room(list, base + CLU_DNS_TEXT_MAX, &t))
        return CLUSTER_E_MEMORY;
    clu_text_bytes(&t, item, base); /* with its '@' */
    if (address)
        clu_address_text(&t, address);
    else
        clu_text_add(&t, r->text);
    return clu_dns_add(list, &t, r->weight, clu_dns_is(list->nodes.source, "ports", "off") ? 0 : r->port);
}

/* A record as the line of a reply, with its time to live in place of a weight. */
CLU_FN int clu_dns_add_line(struct clu_dns_list *list, const struct cluster_record *r)
{
    struct clu_text t;
    if (!clu_dns_room(list, CLU_DNS_LINE_MAX + (r->type == CLUSTER_DNS_TXT ? 4 * (size_t)r->text_size : 0), &t))
        return CLUSTER_E_MEMORY;
    if (r->type == CLUSTER_DNS_SRV) {
        clu_text_u64(&t, r->priority);
        clu_text_add(&t, " ");
        clu_text_u64(&t, r->weight);
        clu_text_add(&t, " ");
        clu_text_u64(&t, r->port);
        clu_text_add(&t, " ");
    }
    clu_text_add(&t, r->type == CLUSTER_DNS_TXT ? "\"" : "");
    if (r->type == CLUSTER_DNS_TXT)
        clu_text_escaped(&t, r->text, r->text_size);
    else
        clu_text_add(&t, r->text);
    clu_text_add(&t, r->type == CLUSTER_DNS_TXT ? "\"" : "");
    clu_address_text(&t, &r->address);
    return clu_dns_add(list, &t, r->ttl, 0);
}

CLU_FN const struct clu_dns_host *clu_dns_at(const struct clu_dns *d, size_t index)
{
    return (const struct clu_dns_host *)d->order[index];
}

/* The first of the sorted addresses of a target, or where it would be. */
CLU_FN size_t clu_dns_find(const struct clu_dns *d, uint64_t key)
{
    size_t low = 0, high = d->sorted;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (clu_dns_at(d, middle)->key < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

CLU_FN bool clu_dns_by_name(const struct clu_dns *d)
{
    return clu_dns_is(d->source, "host", "name");
}

/* All records of a slot into the list. */
CLU_FN int clu_dns_list_slot(struct clu_dns *d, struct clu_dns_list *list, const char *item, uint32_t slot)
{
    struct cluster_record r;
    int result;
    r.size = (uint32_t)sizeof r;
    while ((result = cluster_source_record(d->source, slot, &r)) > 0 && !r.additional) {
        uint64_t key;
        size_t i;
        result = 0;
        if (d->type) {
            result = clu_dns_add_line(list, &r);
        } else if (r.type != CLUSTER_DNS_SRV) {
            result = clu_dns_add_node(list, item, &r, &r.address);
        } else if (clu_dns_by_name(d)) {
            result = clu_dns_add_node(list, item, &r, NULL);
        } else {
            key = clu_dns_key(r.text);
            for (i = clu_dns_find(d, key); !result && i < d->sorted && clu_dns_at(d, i)->key == key; i++)
                result = clu_dns_add_node(list, item, &r, &clu_dns_at(d, i)->address);
        }
        if (result)
            return result;
    }
    return result < 0 ? result : 0;
}

CLU_FN int clu_dns_publish(struct clu_dns *d)
{
    struct clu_dns_list list;
    const char *item = cluster_source_item(d->source, NULL), *text;
    struct cluster_dns_answer a;
    uint32_t slot, each = d->types[1] ? 2 : 1;
    size_t i;
    int result = 0;
    memset(&list, 0, sizeof list);
    list.nodes.source = d->source;
    d->known = false;
    for (slot = 0; slot < d->slots && !result; slot++) {
        a.size = (uint32_t)sizeof a;
        result = cluster_source_answer(d->source, slot, &a); /* its records begin anew */
        if (!result)
            result = clu_dns_list_slot(d, &list, item, slot);
        if (slot % each == each - 1)
            item = cluster_source_item(d->source, item);
    }
    for (i = 0, text = list.text; i < list.nodes.count; i++, text += strlen(text) + 1) {
        list.nodes.nodes[i].name = text;
        if (!d->type && !clu_dns_by_name(d))
            list.nodes.nodes[i].address = clu_dns_item_name(text);
    }
    if (!result && d->type && !i)
        return clu_round_fail(d->source, CLUSTER_E_NOT_FOUND,
                              d->rcode ? "there is no such name (NXDOMAIN)" : "the name is there, and has no record of type #",
                              clu_slice_str(d->type), "");
    result = clu_nodes_publish(&list.nodes, result);
    clu_free(cluster_source_allocator(d->source), list.text, list.capacity);
    d->known = result == 0;
    d->published = d->digest;
    return result;
}

/* ---- the addresses of SRV targets ------------------------------------- */

/* Addresses of the slot's answer: those of other names, or of the target with this key. */
CLU_FN int clu_dns_take_hosts(struct clu_dns *d, uint32_t slot, uint64_t key, bool additional)
{
    const struct cluster_allocator *memory = cluster_source_allocator(d->source);
    struct cluster_record r;
    int result;
    r.size = (uint32_t)sizeof r;
    while ((result = cluster_source_record(d->source, slot, &r)) > 0) {
        struct clu_dns_host *host;
        if ((additional && !r.additional) || !memchr(d->families, (int)r.type, 2))
            continue;
        result = clu_dns_limit(d->source, d->host_count);
        if (result)
            return result;
        if (!clu_reserve(memory, &d->hosts, &d->host_capacity, d->host_count + 1, sizeof *host))
            return CLUSTER_E_MEMORY;
        host = &d->hosts[d->host_count++];
        host->key = additional ? clu_dns_key(r.name) : key;
        host->address = r.address;
        if (!additional)
            d->digest += clu_hash64(r.address.bytes, sizeof r.address.bytes, key);
    }
    return result;
}

CLU_FN int clu_dns_compare(const void *a, const void *b)
{
    const struct clu_dns_host *x = (const struct clu_dns_host *)a, *y = (const struct clu_dns_host *)b;
    return x->key != y->key ? (x->key > y->key) - (x->key < y->key) : clu_address_compare(&x->address, &y->address);
}

/* Each address of a target once, however many records and answers have it. */
CLU_FN int clu_dns_sort(struct clu_dns *d)
{
    size_t i, kept = 0;
    if (!clu_reserve(cluster_source_allocator(d->source), &d->order, &d->order_capacity, d->host_count, sizeof *d->order))
        return CLUSTER_E_MEMORY;
    for (i = 0; i < d->host_count; i++)
        d->order[i] = &d->hosts[i];
    clu_sort(d->order, d->host_count, clu_dns_compare);
    for (i = 0; i < d->host_count; i++)
        if (!kept || clu_dns_compare(d->order[i], d->order[kept - 1]) != 0)
            d->order[kept++] = d->order[i];
    d->sorted = kept;
    return 0;
}

/* The names have answered: the addresses that came with their targets, and then the first target. */
CLU_FN int clu_dns_begin_hosts(struct clu_dns *d)
{
    struct cluster_dns_answer a;
    uint32_t slot;
    int result = 0;
    d->asks_hosts = true;
    d->host_count = d->next = 0;
    for (slot = 0; slot < d->slots && !result; slot++) {
        a.size = (uint32_t)sizeof a;
        result = cluster_source_answer(d->source, slot, &a);
        if (!result && (a.flags & CLUSTER_ANSWER_ADDITIONAL))
            result = clu_dns_take_hosts(d, slot, 0, true);
        if (!result)
            result = cluster_source_answer(d->source, slot, &a);
    }
    return result ? result : clu_dns_sort(d);
}

/* Ask for one family of a target, in a slot of its own. */
CLU_FN int clu_dns_ask_host(struct clu_dns *d, const char *name, uint32_t type)
{
    uint32_t at = 0;
    int result;
    while (d->busy >> at & 1)
        at++;
    result = cluster_source_resolve(d->source, d->slots + at, name, type);
    d->busy |= 1u << at;
    d->keys[at] = clu_dns_key(name);
    d->asked++;
    return result;
}

/* The targets that came without an address, as many at a time as there may be. */
CLU_FN int clu_dns_ask_hosts(struct clu_dns *d)
{
    int result = 0;
    while (!result && d->next < d->slots && d->asked + 2 <= CLU_DNS_ASKED_MAX) {
        struct cluster_record r;
        char name[CLU_DNS_TEXT_MAX];
        struct clu_text t = clu_text_on(name, sizeof name);
        size_t at;
        int more;
        memset(&r, 0, sizeof r);
        r.size = (uint32_t)sizeof r;
        more = cluster_source_record(d->source, d->next, &r);
        if (more < 0)
            return more;
        if (!more || r.additional || !r.text) {
            d->next++;
            continue;
        }
        at = clu_dns_find(d, clu_dns_key(r.text));
        if (at < d->sorted && clu_dns_at(d, at)->key == clu_dns_key(r.text))
            continue;
        clu_text_add(&t, r.text);
        result = clu_dns_ask_host(d, name, d->families[0]);
        if (!result && d->families[1])
            result = clu_dns_ask_host(d, name, d->families[1]);
    }
    return result;
}

/* ---- a round ---------------------------------------------------------- */

/* The round is over, well: when the next one is, if the answers say so. */
CLU_FN int clu_dns_end(struct clu_dns *d)
{
    uint32_t ttl = d->ttl < CLU_DNS_TTL_LEAST ? CLU_DNS_TTL_LEAST : d->ttl > CLU_DNS_TTL_MOST ? CLU_DNS_TTL_MOST : d->ttl;
    d->active = false;
    if (clu_dns_is(d->source, "interval", "ttl"))
        (void)cluster_source_timer(d->source, cluster_source_now(d->source) + ttl * CLU_SECOND);
    if (d->known && d->digest == d->published && cluster_source_same(d->source) == 0)
        return 0;
    return clu_dns_publish(d);
}

/* Go on: the next questions, or the end. */
CLU_FN int clu_dns_go(struct clu_dns *d)
{
    uint32_t each = d->types[1] ? 2 : 1, i;
    int result = 0;
    if (!d->asks_hosts) {
        const char *item = cluster_source_item(d->source, NULL);
        for (i = 0; i < d->next / each; i++)
            item = cluster_source_item(d->source, item);
        while (!result && item && d->asked < CLU_DNS_ASKED_MAX) {
            result =
                cluster_source_resolve(d->source, d->next, d->type ? item : clu_dns_item_name(item), d->types[d->next % each]);
            d->asked++;
            if (++d->next % each == 0)
                item = cluster_source_item(d->source, item);
        }
        if (result || d->asked)
            return result;
        if (d->types[0] != CLUSTER_DNS_SRV || d->type || clu_dns_by_name(d) || (d->known && d->digest == d->published))
            return clu_dns_end(d);
        result = clu_dns_begin_hosts(d);
    }
    if (!result)
        result = clu_dns_ask_hosts(d);
    if (result || d->asked)
        return result;
    result = clu_dns_sort(d);
    return result ? result : clu_dns_end(d);
}

/* What is asked for: the types of a=1, aaaa=2 and so on, by their place among the words. */
CLU_FN void clu_dns_choose(struct clu_dns *d)
{
    static const uint8_t types[] = {CLUSTER_DNS_A,     CLUSTER_DNS_A,   CLUSTER_DNS_AAAA, CLUSTER_DNS_SRV,
                                    CLUSTER_DNS_CNAME, CLUSTER_DNS_PTR, CLUSTER_DNS_TXT};
    const char *type = d->type ? d->type : cluster_source_option(d->source, "type");
    const char *own = cluster_source_own(d->source)->name;
    struct cluster_address address;
    int place = clu_word_or(CLU_DNS_TYPES, type, 0);
    d->families[0] = CLUSTER_DNS_A;
    d->families[1] = CLUSTER_DNS_AAAA;
    if (own && !d->type && clu_address_parse(clu_slice_str(clu_name_host(own)), &address)) {
        d->families[0] = address.family == 6 ? CLUSTER_DNS_AAAA : CLUSTER_DNS_A;
        d->families[1] = 0;
    }
    d->types[0] = types[place > 0 ? place : 0];
    d->types[1] = place ? 0 : CLUSTER_DNS_AAAA;
    if (!type)
        memcpy(d->types, d->families, sizeof d->types);
}

CLU_FN int clu_dns_round(void *state, uint64_t now)
{
    struct clu_dns *d = (struct clu_dns *)state;
    const char *item = NULL;
    (void)now;
    clu_dns_choose(d);
    d->active = true;
    d->asks_hosts = false;
    d->slots = d->next = d->asked = d->busy = d->rcode = 0;
    d->ttl = UINT32_MAX;
    d->digest = 0;
    while ((item = cluster_source_item(d->source, item)) != NULL)
        d->slots += d->types[1] ? 2 : 1;
    return clu_dns_go(d);
}

CLU_FN int clu_dns_answered(struct clu_dns *d, uint32_t slot)
{
    struct cluster_dns_answer a;
    int result;
    if (slot < d->slots ? slot >= d->next : !(d->busy >> (slot - d->slots) & 1))
        return 0; /* a round before asked for it, and failed */
    a.size = (uint32_t)sizeof a;
    result = cluster_source_answer(d->source, slot, &a);
    if (result)
        return result;
    if (a.error)
        return clu_round_fail(d->source, a.error, "#: $", clu_slice_str(a.name), a.why);
    d->asked--;
    d->rcode |= a.rcode;
    d->ttl = a.ttl < d->ttl ? a.ttl : d->ttl;
    if (slot < d->slots) {
        d->digest += clu_hash64(&a.digest, sizeof a.digest, slot + 1);
    } else {
        uint64_t key = d->keys[slot - d->slots];
        d->digest += clu_hash64(&key, sizeof key, 0); /* that it was asked for counts too */
        result = clu_dns_take_hosts(d, slot, key, false);
        d->busy &= ~(1u << (slot - d->slots));
    }
    return result ? result : clu_dns_go(d);
}

CLU_FN int clu_dns_ready(void *state, int fd, int revents, uint64_t now)
{
    struct clu_dns *d = (struct clu_dns *)state;
    int result;
    (void)now;
    if (fd == -1)
        return cluster_source_refresh(d->source);
    if (fd != CLUSTER_ANSWERED || !d->active)
        return 0;
    result = clu_dns_answered(d, (uint32_t)revents);
    d->active = d->active && result == 0;
    return result;
}

#endif
