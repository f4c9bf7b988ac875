/*
 * The checks of doctor: one table of them, and how what was found is printed.
 */
#ifndef CLUSTERCTL_DOCTOR_CHECKS_H
#define CLUSTERCTL_DOCTOR_CHECKS_H

#include "json.h"
#include "options.h"

/* Name, what is asked, what one sees elsewhere when the answer is no, and what to do about it. */
/* clang-format off */
#define DOCTOR_CHECKS(X)                                                                                                     \
    X(URL, "url", "is the URL understood?",                                                                                  \
      "the program does not start, or adds no source",                                                                       \
      "change what the sentence names; `clusterctl urls` prints every scheme and option")                                    \
    X(NAME_FORM, "name-form", "is the own name a node's name?",                                                              \
      "`minotaur` is no node: there is nothing after its '@'",                                                               \
      "write NAME@HOST, as web@10.0.0.5; NAME@auto takes the address of this host")                                          \
    X(NAME_CHOICE, "name-choice", "has the own name that address of this host where the others look for it?",                \
      "others list this host by another address, or dial themselves; links come up from one side only",                      \
      "put the address that the others use after the '@' of the own name")                                                   \
    X(NAME_RESOLVES, "name-resolves", "has the own host an address?",                                                        \
      "`Can't set long node name`; others cannot find this host",                                                            \
      "put the host into DNS or /etc/hosts, or name the own node by its address")                                            \
    X(NAME_ADDRESS, "name-address", "is that address one of this host?",                                                     \
      "others dial another machine, or nobody",                                                                              \
      "put an address of this host after the '@', or mend what DNS and /etc/hosts say of it")                                \
    X(NAME_TAKEN, "name-taken", "is no other node called so?",                                                               \
      "`the name web@host seems to be in use by another Erlang node`; nodes that replace each other",                        \
      "give each node a name of its own; if that is your own node, call the doctor another name with --node")                \
    X(NAME_LISTED, "name-listed", "do the sources list the own node?",                                                       \
      "this node sees the others, and they do not see it",                                                                   \
      "if the others are to find it, have it listed there under this very name")                                             \
    X(NAME_KIND, "name-kind", "are all names long, or all short?",                                                           \
      "`node not running with longnames`; `System NOT running to use fully qualified hostnames`",                            \
      "start all nodes alike: with -name (long: a full host name or an address), or all with -sname (short)")                \
    X(NAME_LEGAL, "name-legal", "may the own node link to names on addresses?",                                              \
      "`Hostname 10.0.1.6 is illegal`",                                                                                      \
      "discovery yields addresses, which only long names can have: name the own node NAME@ADDRESS and start it with -name")  \
    X(DNS_SERVER, "dns-server", "does each DNS server answer?",                                                              \
      "discovery is slow, or every round of it fails",                                                                       \
      "name a server that answers, in /etc/resolv.conf or with server=, and open port 53 to it")                             \
    X(DNS_QUERY, "dns-query", "was each question to DNS answered?",                                                          \
      "a source fails with SERVFAIL, REFUSED or a timeout, and its members stay as they were",                               \
      "see the log of the server that the sentence names, or ask another with server=")                                      \
    X(DNS_NAME, "dns-name", "is there such a name in DNS?",                                                                  \
      "`nxdomain`; no node, and no error but this",                                                                          \
      "write the full name of the service: web.NAMESPACE.svc.cluster.local, tasks.web, web.internal; is the namespace right?") \
    X(DNS_RECORDS, "dns-records", "has the name records of the type that is asked for?",                                     \
      "an empty list, and no error",                                                                                         \
      "start the nodes (only those that are ready are listed), or ask for what there is with type=a, aaaa or srv")           \
    X(HEADLESS, "headless", "does the name give the nodes, not one virtual address?",                                        \
      "each node sees one other at most, and the link to it fails or ends",                                                  \
      "make the Service headless (clusterIP: None), so that DNS lists every pod")                                            \
    X(GOSSIP_INTERFACE, "gossip-interface", "is there an interface for multicast?",                                          \
      "gossip hears nobody",                                                                                                 \
      "name one that is up with if=; where the network has no multicast use broadcast=on, or dns:")                          \
    X(GOSSIP_ROUTE, "gossip-route", "is there a route to the group?",                                                        \
      "`enetunreach`; nothing is sent",                                                                                      \
      "choose the interface with if=, or add a route to 224.0.0.0/4")                                                        \
    X(GOSSIP_PORT, "gossip-port", "is the port free to share?",                                                              \
      "`eaddrinuse`",                                                                                                        \
      "end the program that holds the port, or have it share it (SO_REUSEADDR), or take another port on all nodes")          \
    X(GOSSIP_ECHO, "gossip-echo", "does an own packet come back?",                                                           \
      "gossip hears nobody; the source fails",                                                                               \
      "a firewall on this host takes UDP away, or the interface is the wrong one: see if=")                                  \
    X(GOSSIP_TTL, "gossip-ttl", "may packets leave this host?",                                                              \
      "nodes of this host see each other, and none of another host",                                                         \
      "take ttl= out: 1 is the default, and reaches the own network")                                                        \
    X(GOSSIP_SECRET, "gossip-secret", "can what comes in be read?",                                                          \
      "packets arrive, and no node appears",                                                                                 \
      "give all nodes the same secret= (and wire=), or none of them")                                                        \
    X(GOSSIP_HEARD, "gossip-heard", "is anybody else heard?",                                                                \
      "each node is alone; no error anywhere",                                                                               \
      "do the others announce themselves (options.port, announce=on)? Most clouds carry no multicast: take dns: or kubernetes: there") \
    X(SOURCE, "source", "does each source answer?",                                                                          \
      "the list of nodes stays as it was, or empty",                                                                         \
      "do what the sentence says; until then the members of this source stay")                                               \
    X(ANSWER, "answer", "does the answer name a node?",                                                                      \
      "no node, and no error",                                                                                               \
      "start the nodes, or see what only=, except= and allow= leave out")                                                    \
    X(COOKIE_HERE, "cookie-here", "is there a cookie to try links with?",                                                    \
      "",                                                                                                                    \
      "say it with --cookie-file or --cookie; else links are not tried")                                                     \
    X(HOST, "host", "has the node's host an address?",                                                                       \
      "`nxdomain`; a node that is listed and never up",                                                                      \
      "put its host into DNS or /etc/hosts, or list the node by its address")                                                \
    X(EPMD, "epmd", "does epmd run on its host?",                                                                            \
      "`pang` at once; `econnrefused`",                                                                                      \
      "start the node (which starts epmd), or say its port with port= if it runs without epmd")                              \
    X(EPMD_PORT, "epmd-port", "do all use the same port for epmd?",                                                          \
      "`pang`, though both nodes run; `epmd -names` shows one of them only",                                                 \
      "set ERL_EPMD_PORT alike for all nodes and for the tools")                                                             \
    X(REGISTERED, "registered", "does epmd know the node?",                                                                  \
      "`pang` at once, though epmd runs",                                                                                    \
      "start the node, or correct the name before its '@' (node=)")                                                          \
    X(PORT, "port", "is its port for links open?",                                                                           \
      "`pang`, though epmd lists the node",                                                                                  \
      "is the node ending or starting? Is port= or the SRV record's the right one? In a container fix it with inet_dist_listen_min and _max") \
    X(FIREWALL, "firewall", "is a closed port refused, and not met with silence?",                                           \
      "`pang` after 7 seconds; a node that blocks for as long",                                                              \
      "open the ports of epmd (4369) and of links between the hosts; is the host up?")                                       \
    X(ROUTE, "route", "is there a way to its host?",                                                                         \
      "`ehostunreach`, `enetunreach`",                                                                                       \
      "the address is of another network, or the host is down: is it the right one?")                                        \
    X(COOKIE, "cookie", "is its cookie the same?",                                                                           \
      "`pang`; `Connection attempt from node ... rejected. Invalid challenge reply`",                                        \
      "start both with the same cookie: -setcookie, RELEASE_COOKIE, ~/.erlang.cookie")                                       \
    X(CERTIFICATE, "certificate", "is its certificate to be trusted?",                                                       \
      "`pang`; `TLS server: ... Unknown CA`",                                                                                \
      "name the file with the authority of the nodes' certificates with --ca; they are for the host in the node's name")     \
    X(FLAGS, "flags", "does it speak the distribution of OTP 23 or later?",                                                  \
      "`pang` at once",                                                                                                      \
      "update it to OTP 23 or later")                                                                                        \
    X(NAME_OTHER, "name-other", "has the node that answers there this name?",                                                \
      "`pang`, though a node runs there",                                                                                    \
      "list the node by its own name, which node() says there; an address in front of several nodes stands for none of them") \
    X(SILENT, "silent", "does it speak?",                                                                                    \
      "`pang` after 7 seconds",                                                                                              \
      "the node hangs, or the port is another program's: look at its log and its load; SRV records may name it (ports=off)") \
    X(HANDSHAKE, "handshake", "does it take the link?",                                                                      \
      "`pang`",                                                                                                              \
      "its log says why it refuses: net_kernel:allow/1, TLS on one side only (--tls), a proxy between")                      \
    X(TICK, "tick", "does the link carry answers?",                                                                          \
      "links that go down after a minute",                                                                                   \
      "is the node overloaded, is a proxy between that drops what is quiet? net_ticktime must be the same on all")           \
    X(MESH, "mesh", "can a full mesh of so many nodes hold?",                                                                \
      "nodes that are busy with ticks, `global` that takes minutes, links that drop in waves",                               \
      "do not link all to all: hidden nodes as gateways between groups, or connect_all false")                               \
    X(QUORUM, "quorum", "are enough nodes there?",                                                                           \
      "the status stays `forming`",                                                                                          \
      "mend what is said above, start more nodes, or ask for fewer")                                                         \
    X(TIME, "time", "was there time for all of it?",                                                                         \
      "",                                                                                                                    \
      "ask again with a URL that lists fewer nodes, as with only=")
/* clang-format on */

#define DOCTOR_ID(id, name, asks, symptom, mend) CHECK_##id,
enum doctor_check { DOCTOR_CHECKS(DOCTOR_ID) CHECK_COUNT };
#undef DOCTOR_ID

enum doctor_state { CHECK_OK, CHECK_WARN, CHECK_FAIL };

struct doctor_row {
    const char *name, *asks, *symptom, *mend;
};

#define DOCTOR_ROW(id, name, asks, symptom, mend) {name, asks, symptom, mend},
static const struct doctor_row doctor_rows[] = {DOCTOR_CHECKS(DOCTOR_ROW)};
#undef DOCTOR_ROW

static const char *const doctor_states[] = {"ok", "warn", "FAIL"};

#define DOCTOR_LINES 10 /* of one check and state that are printed; the rest is counted */

/* How the findings go out. */
struct doctor_report {
    bool json, colour, progress;
    bool drawn; /* a line of progress stands on the terminal */
    size_t said[CHECK_COUNT][3];
};

static size_t doctor_count(const struct doctor_report *r, enum doctor_state state)
{
    size_t i, sum = 0;
    for (i = 0; i < CHECK_COUNT; i++)
        sum += r->said[i][state];
    return sum;
}

static bool doctor_failed(const struct doctor_report *r, enum doctor_check check)
{
    return r->said[check][CHECK_FAIL] != 0;
}

static void doctor_erase(struct doctor_report *r)
{
    if (r->drawn)
        fputs("\r\033[K", stderr);
    r->drawn = false;
}

static void doctor_progress(struct doctor_report *r, const char *what, size_t done, size_t of, uint64_t since)
{
    if (!r->progress)
        return;
    fflush(stdout);
    fprintf(stderr, "\r\033[K%s", what);
    if (of)
        fprintf(stderr, " %lu of %lu", (unsigned long)done, (unsigned long)of);
    fprintf(stderr, " (%lu s)", (unsigned long)((cluster_now() - since) / SECOND));
    fflush(stderr);
    r->drawn = true;
}

static void doctor_say(struct doctor_report *r, enum doctor_state state, const char *name, const char *cause)
{
    static const char *const colours[] = {"\033[32m", "\033[33m", "\033[1;31m"};
    printf("%s%-4s%s  %-16s  ", r->colour ? colours[state] : "", doctor_states[state], r->colour ? "\033[0m" : "", name);
    print_safe(stdout, cause);
    putchar('\n');
}

static void finding(struct doctor_report *r, enum doctor_check check, enum doctor_state state, const char *about,
                    const char *format, ...) PRINTF_LIKE(5, 6);

/* A check is done: on what (NULL: nothing in particular), and what came of it. */
static void finding(struct doctor_report *r, enum doctor_check check, enum doctor_state state, const char *about,
                    const char *format, ...)
{
    const struct doctor_row *row = &doctor_rows[check];
    char cause[2048];
    int head = about && !r->json ? snprintf(cause, sizeof cause, "%.512s: ", about) : 0;
    va_list list;
    va_start(list, format);
    vsnprintf(cause + head, sizeof cause - (size_t)head, format, list);
    va_end(list);
    doctor_erase(r);
    if (r->json) {
        json_begin("check");
        json_text("check", row->name);
        json_text("state", doctor_states[state]);
        json_text("about", about);
        json_text("cause", cause);
        json_text("mend", state == CHECK_OK ? NULL : row->mend);
        json_end();
    } else if (r->said[check][state] < DOCTOR_LINES) {
        bool first = !r->said[check][state];
        doctor_say(r, state, row->name, cause);
        if (state != CHECK_OK && first)
            printf("%24s%s\n", "-> ", row->mend);
    }
    r->said[check][state]++;
    fflush(stdout);
}

/* What was left out above, and the sums. */
static void doctor_sum(struct doctor_report *r)
{
    size_t i, state;
    doctor_erase(r);
    if (r->json) {
        json_begin("verdict");
        json_number("ok", doctor_count(r, CHECK_OK));
        json_number("warn", doctor_count(r, CHECK_WARN));
        json_number("FAIL", doctor_count(r, CHECK_FAIL));
        json_end();
        return;
    }
    for (i = 0; i < CHECK_COUNT; i++)
        for (state = 0; state < 3; state++)
            if (r->said[i][state] > DOCTOR_LINES) {
                char cause[64];
                snprintf(cause, sizeof cause, "and %lu more of the kind", (unsigned long)(r->said[i][state] - DOCTOR_LINES));
                doctor_say(r, (enum doctor_state)state, doctor_rows[i].name, cause);
            }
    printf("%lu ok, %lu warn, %lu FAIL\n", (unsigned long)doctor_count(r, CHECK_OK), (unsigned long)doctor_count(r, CHECK_WARN),
           (unsigned long)doctor_count(r, CHECK_FAIL));
}

/* The table itself: --checks. */
static int doctor_table(bool json)
{
    size_t i;
    for (i = 0; i < CHECK_COUNT; i++) {
        const struct doctor_row *row = &doctor_rows[i];
        if (json) {
            json_begin("check");
            json_text("check", row->name);
            json_text("asks", row->asks);
            json_text("symptom", *row->symptom ? row->symptom : NULL);
            json_text("mend", row->mend);
            json_end();
        } else {
            printf("%-16s  %s\n", row->name, row->asks);
        }
    }
    return DONE;
}

#endif
