/*
 * Which strategy serves which scheme: the built-in ones, through the same vtable that a program's own ones use. Where it has no
 * options the table of URLs knows them.
 */
#ifndef CLU_DISCOVER_SCHEMES_H
#define CLU_DISCOVER_SCHEMES_H

#include "consul.h"
#include "dns.h"
#include "ec2.h"
#include "epmd.h"
#include "etcd.h"
#include "file.h"
#include "gossip.h"
#include "hosts.h"
#include "kubernetes.h"
#include "list.h"
#include "rancher.h"

struct clu_builtin {
    const char *scheme;
    struct cluster_strategy strategy;
    const void *ctx;
};

/* The strategy of a scheme; its context is written where `ctx` is not NULL. */
CLU_FN const struct cluster_strategy *clu_builtin_find(struct clu_slice scheme, void **ctx)
{
#define CLU_STRATEGY(open, round, ready, close, options, interval, max_age, misses, flags)                                     \
    {                                                                                                                          \
        (uint32_t)sizeof(struct cluster_strategy), open, round, ready, close, options, interval, max_age, misses, flags        \
    }
    static const struct clu_builtin table[] = {
        {"static",
         CLU_STRATEGY(clu_static_open, clu_static_round, clu_list_ready, clu_list_close, NULL, CLUSTER_NEVER, 0, 1, 0), NULL},
        {"push", CLU_STRATEGY(clu_list_open, NULL, clu_list_ready, clu_list_close, NULL, CLUSTER_NEVER, 0, 1, 0), NULL},
#ifndef CLUSTER_NO_FILE
        {"file", CLU_STRATEGY(clu_file_open, clu_file_round, clu_list_ready, clu_file_close, NULL, CLU_SECOND, 0, 1, 0), NULL},
#endif
#ifndef CLUSTER_NO_DNS
        {"dns",
         CLU_STRATEGY(clu_dns_open, clu_dns_round, clu_dns_ready, clu_dns_close,
                      "interval type host ports server search hosts tcp", 0, 0, 0, 0),
         NULL},
        /* of cluster_resolve: no URL can name it */
        {"?dns",
         CLU_STRATEGY(clu_dns_open, clu_dns_round, clu_dns_ready, clu_dns_close, "question server search hosts tcp",
                      CLUSTER_NEVER, 0, 0, 0),
         NULL},
#endif
#ifndef CLUSTER_NO_EPMD
        {"epmd", CLU_STRATEGY(clu_epmd_open, clu_epmd_round, clu_epmd_ready, clu_epmd_close, NULL, 0, 0, 0, 0), NULL},
#endif
#ifndef CLUSTER_NO_HOSTS
        {"hosts", CLU_STRATEGY(clu_hosts_open, clu_hosts_round, clu_epmd_ready, clu_epmd_close, NULL, 0, 0, 0, 0), NULL},
#endif
#ifndef CLUSTER_NO_GOSSIP
        {"gossip",
         CLU_STRATEGY(clu_gossip_open, clu_gossip_round, clu_gossip_ready, clu_gossip_close, NULL, 0, 15 * CLU_SECOND, 0,
                      CLUSTER_STRATEGY_HEARS | CLUSTER_STRATEGY_ANNOUNCES),
         NULL},
#endif
#ifndef CLUSTER_NO_CONSUL
        {"consul",
         CLU_STRATEGY(clu_web_open, clu_web_round, clu_web_ready, clu_web_close, NULL, 0, 0, 0, CLUSTER_STRATEGY_ANNOUNCES),
         &clu_consul_kind},
#endif
#ifndef CLUSTER_NO_ETCD
        {"etcd",
         CLU_STRATEGY(clu_web_open, clu_web_round, clu_web_ready, clu_web_close, NULL, 0, 0, 0, CLUSTER_STRATEGY_ANNOUNCES),
         &clu_etcd_kind},
#endif
#ifndef CLUSTER_NO_EC2
        {"ec2", CLU_STRATEGY(clu_web_open, clu_web_round, clu_web_ready, clu_web_close, NULL, 30 * CLU_SECOND, 0, 0, 0),
         &clu_ec2_kind},
#endif
#ifndef CLUSTER_NO_RANCHER
        {"rancher", CLU_STRATEGY(clu_web_open, clu_web_round, clu_web_ready, clu_web_close, NULL, 0, 0, 0, 0),
         &clu_rancher_kind},
#endif
#ifndef CLUSTER_NO_KUBERNETES
        {"kubernetes", CLU_STRATEGY(clu_web_open, clu_web_round, clu_web_ready, clu_web_close, NULL, 0, 0, 0, 0),
         &clu_kube_kind},
#endif
    };
#undef CLU_STRATEGY
    size_t i;
    for (i = 0; i < CLU_COUNT(table); i++)
        if (clu_slice_is(scheme, table[i].scheme)) {
            if (ctx) /* contexts of the host's strategies are not const */
                memcpy((void *)ctx, (const void *)&table[i].ctx, sizeof *ctx);
            return &table[i].strategy;
        }
    return NULL;
}

#endif
