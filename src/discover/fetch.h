/*
 * The requests of a strategy by HTTP: a slot has a request, which is made when it is asked first, and its host may be for DNS
 * to find.
 */
#ifndef CLU_DISCOVER_FETCH_H
#define CLU_DISCOVER_FETCH_H

#include "../net/http.h"
#include "source.h"

#ifndef CLUSTER_NO_DNS

CLU_FN void clu_source_looked_up(struct clu_question *q)
{
    struct clu_fetch *f = (struct clu_fetch *)q->owner;
    struct cluster_dns_answer answer;
    struct cluster_record record;
    clu_question_answer(q, &answer);
    while (f->address_count < CLU_HTTP_ADDRESSES && clu_question_record(q, &record) > 0)
        f->addresses[f->address_count++] = record.address;
    if (f->address_count)
        clu_fetch_connect(f, 0);
    else
        clu_fetch_fail(f, answer.error ? answer.error : CLUSTER_E_NOT_FOUND,
                       answer.error ? "cannot find host #: $" : "there is no host #: is the name right?", answer.why);
}

/* Ask DNS for the addresses of the host. */
CLU_FN int clu_source_look_up(struct clu_fetch *f)
{
    if (!f->question)
        f->question = clu_question_new(&((struct cluster_source *)f->source)->home->resolver);
    if (!f->question)
        return CLUSTER_E_MEMORY;
    f->question->answered = clu_source_looked_up;
    f->question->owner = f;
    f->question->search = true;
    return clu_question_ask(f->question, clu_slice_str(f->host), CLU_DNS_EITHER, f->deadline - f->loop->now);
}

CLU_FN void clu_source_look_up_end(struct clu_fetch *f)
{
    if (f->question)
        clu_question_rest(f->question, false);
}

#endif

CLU_FN void clu_source_fetched(struct clu_fetch *f)
{
    clu_source_tell((struct cluster_source *)f->source, CLUSTER_FETCHED, (int)f->slot);
}

CLU_FN void clu_source_forget_fetches(struct cluster_source *s)
{
    struct clu_fetch **f;
    for (f = s->fetches; f < s->fetches + CLUSTER_FETCH_SLOTS; f++)
        if (*f) {
#ifndef CLUSTER_NO_DNS
            if ((*f)->question)
                clu_question_free((*f)->question);
#endif
            clu_fetch_free(*f);
        }
}

/* The request of a slot; NULL: there is none. */
CLU_FN struct clu_fetch *clu_source_slot(const struct cluster_source *s, uint32_t slot)
{
    struct clu_fetch *f = slot < CLUSTER_FETCH_SLOTS ? s->fetches[slot] : NULL;
    return f && f->asked ? f : NULL;
}

static const struct clu_fetch_owner clu_source_fetches = {
    clu_source_fetched,
#ifndef CLUSTER_NO_DNS
    clu_source_look_up,
    clu_source_look_up_end,
#else
    NULL,
    NULL,
#endif
};

CLUSTER_DEF int cluster_source_fetch(struct cluster_source *s, uint32_t slot, const struct cluster_request *request)
{
    struct clu_fetch *f;
    if (slot >= CLUSTER_FETCH_SLOTS || (request && request->size < sizeof *request))
        return CLUSTER_E_INVALID;
    if (!request) {
        if (s->fetches[slot])
            clu_fetch_stop(s->fetches[slot]);
        return 0;
    }
    if (!s->fetches[slot])
        s->fetches[slot] = clu_fetch_new(s->loop, &clu_source_fetches);
    f = s->fetches[slot];
    if (!f)
        return CLUSTER_E_MEMORY;
    f->source = s;
    f->slot = slot;
    return clu_fetch_ask(f, request, request->timeout_ns ? request->timeout_ns : clu_source_span(s));
}

CLUSTER_DEF int cluster_source_fetched(const struct cluster_source *s, uint32_t slot, struct cluster_response *out)
{
    const struct clu_fetch *f = clu_source_slot(s, slot);
    struct cluster_response response;
    if (!f)
        return CLUSTER_E_NOT_FOUND;
    memset(&response, 0, sizeof response);
    response.error = f->error;
    response.status = f->http.status;
    response.whole = f->http.whole && !response.error;
    response.why = f->why;
    return clu_write_struct(out, &response, sizeof response);
}

CLUSTER_DEF int cluster_source_header(const struct cluster_source *s, uint32_t slot, const char *name, char *out,
                                      size_t capacity)
{
    const struct clu_fetch *f = clu_source_slot(s, slot);
    struct clu_slice value = clu_slice_of(NULL, 0);
    if (f && name && f->http.status)
        value = clu_fetch_header(f, name);
    if (!value.at)
        return CLUSTER_E_NOT_FOUND;
    if (value.length < capacity) {
        struct clu_text t = clu_text_on(out, capacity);
        clu_text_bytes(&t, value.at, value.length);
    }
    return (int)value.length;
}

CLUSTER_DEF int64_t cluster_source_body(struct cluster_source *s, uint32_t slot, const void **data)
{
    struct clu_fetch *f = clu_source_slot(s, slot);
    return f && data ? clu_fetch_body(f, data) : (int64_t)CLUSTER_E_NOT_FOUND;
}

#endif
