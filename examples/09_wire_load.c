/* Teaches: what discovery costs on the wire. Three nodes announce themselves by multicast for some rounds; then each says what it sent
 * and heard. They are in one process here, and on one host, but the packets are real.
 *
 *     cc -std=c99 -DCLUSTER_IMPLEMENTATION -o 09_wire_load examples/09_wire_load.c && ./09_wire_load
 */
#include "../cluster.h"
#include <stdio.h>
#include <string.h>

#define ROUNDS 10
#define URL "gossip:233.252.1.32:45897?if=lo&announce=on&interval=20ms&jitter=0%" /* if=eth0: over a network */

static const char *const names[] = {"a@10.0.0.1", "b@10.0.0.2", "c@10.0.0.3"};

int main(int argc, char **argv)
{
    struct cluster *c[3] = {NULL, NULL, NULL};
    struct cluster_counts counts;
    const struct cluster_event *e;
    uint64_t end = cluster_now() + UINT64_C(10000000000);
    int i, done = 0, result = 0;
    for (i = 0; i < 3 && result == 0; i++) {
        struct cluster_options options;
        cluster_options_init(&options);
        options.node = names[i];
        if (cluster_create(&c[i], &options) < 0 || cluster_discover(c[i], argc > 1 ? argv[1] : URL, NULL) < 0) {
            fprintf(stderr, "09_wire_load: %s\n", c[i] ? cluster_last_error(c[i]) : "no memory");
            result = 2;
        }
    }
    while (done < 3 && result == 0) {
        for (i = done = 0; i < 3 && result == 0; i++) {
            cluster_poll(c[i], 5);
            while ((e = cluster_next_event(c[i])) != NULL) {
                if (e->type == CLUSTER_SOURCE && e->error) {
                    fprintf(stderr, "09_wire_load: %s\n", e->text);
                    result = 3;
                }
            }
            memset(&counts, 0, sizeof counts);
            counts.size = sizeof counts;
            cluster_stats(c[i], &counts);
            done += counts.sent >= ROUNDS && counts.members == 3;
        }
        if (cluster_now() > end && result == 0) {
            fprintf(stderr, "09_wire_load: they do not hear each other: does a firewall drop multicast on this interface?\n");
            result = 3;
        }
    }
    for (i = 0; i < 3 && result == 0; i++) {
        cluster_stats(c[i], &counts);
        printf("%s sees %d members; a packet has %d bytes\n", names[i], (int)counts.members,
               (int)(counts.sent_bytes / counts.sent));
    }
    if (result == 0)
        printf("n nodes and one packet each 5 s: every node hears n / 5 packets a second\n");
    for (i = 0; i < 3; i++)
        cluster_destroy(c[i]);
    return result;
}

/* Exercise: how many bytes a second does a node of 1000 hear with `interval=5s`, and how many are on the network where multicast goes
 * to every port? Compare with epmd: rounds over TCP (`clusterctl watch epmd:...` under tcpdump). */
