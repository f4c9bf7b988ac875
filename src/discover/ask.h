/*
 * The questions of a strategy to DNS: a slot has a question, which is made when it is asked first and kept with its memory.
 */
#ifndef CLU_DISCOVER_ASK_H
#define CLU_DISCOVER_ASK_H

#include "../net/resolver.h"
#include "source.h"

CLU_FN void clu_source_answered(struct clu_question *q)
{
    clu_source_tell((struct cluster_source *)q->owner, CLUSTER_ANSWERED, (int)q->slot);
}

/* The question of a slot, made where there is none yet; NULL: no memory. */
CLU_FN struct clu_question *clu_source_question(struct cluster_source *s, uint32_t slot)
{
    size_t count = s->question_count;
    struct clu_question *q;
    if (!clu_reserve(&s->loop->memory, &s->questions, &s->question_count, slot + (size_t)1, sizeof q))
        return NULL;
    while (count < s->question_count)
        s->questions[count++] = NULL;
    q = s->questions[slot] ? s->questions[slot] : clu_question_new(&s->home->resolver);
    if (!q)
        return NULL;
    q->answered = clu_source_answered;
    q->owner = s;
    q->slot = slot;
    return s->questions[slot] = q;
}

CLU_FN void clu_source_forget_questions(struct cluster_source *s)
{
    size_t i;
    for (i = 0; i < s->question_count; i++)
        if (s->questions[i])
            clu_question_free(s->questions[i]);
    clu_free(&s->loop->memory, s->questions, s->question_count * sizeof *s->questions);
}

/* The place of an option's value among its words; 0 also where it is not given. */
CLU_FN int clu_source_choice(const struct cluster_source *s, const char *key, const char *words)
{
    int place = clu_word_or(words, cluster_source_option(s, key), 0);
    return place > 0 ? place : 0;
}

CLUSTER_DEF int cluster_source_resolve(struct cluster_source *s, uint32_t slot, const char *name, uint32_t type)
{
    struct clu_question *q;
    if (!s || !name || slot >= CLUSTER_DNS_SLOTS)
        return CLUSTER_E_INVALID;
    q = clu_source_question(s, slot);
    if (!q)
        return CLUSTER_E_MEMORY;
    if (s->strategy.options && clu_word_find(s->strategy.options, clu_slice_str("search")) >= 0) {
        q->servers = cluster_source_option(s, "server");
        q->search = clu_source_choice(s, "search", "off on") != 0;
        q->hosts = clu_source_choice(s, "hosts", "off on") != 0;
        q->tcp = clu_source_choice(s, "tcp", "off on keep");
    }
    return clu_question_ask(q, clu_slice_str(name), type, clu_source_span(s));
}

/* The question of a slot that has ended. */
CLU_FN int clu_source_asked(const struct cluster_source *s, uint32_t slot, struct clu_question **out)
{
    *out = s && slot < s->question_count ? s->questions[slot] : NULL;
    return !*out || !(*out)->base ? CLUSTER_E_NOT_FOUND : (*out)->state != CLU_DNS_REST ? CLUSTER_E_AGAIN : 0;
}

CLUSTER_DEF int cluster_source_answer(struct cluster_source *s, uint32_t slot, struct cluster_dns_answer *out)
{
    struct clu_question *q;
    struct cluster_dns_answer answer;
    int result = clu_source_asked(s, slot, &q);
    if (result)
        return result;
    clu_question_answer(q, &answer);
    return clu_write_struct(out, &answer, sizeof answer);
}

CLUSTER_DEF int cluster_source_record(struct cluster_source *s, uint32_t slot, struct cluster_record *out)
{
    struct clu_question *q;
    struct cluster_record older;
    int result = clu_source_asked(s, slot, &q);
    bool whole = out && out->size >= sizeof older;
    if (!result)
        result = clu_question_record(q, whole ? out : &older);
    return result > 0 && !whole && clu_write_struct(out, &older, sizeof older) ? CLUSTER_E_INVALID : result;
}

#endif
