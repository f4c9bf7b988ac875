/*
 * clusterctl: look at a cluster, wait for one, place keys on one, and see one form.
 *
 *     cc -std=c99 -o clusterctl examples/clusterctl.c
 *     ./clusterctl demo
 *     ./clusterctl help
 *
 * Written against the public header alone. Its parts are the files of clusterctl/, each of which builds on those before it:
 * what commands share, then a file for each command or family of them. The table of commands, help and main are here.
 *
 * Exit status: 0 done, 1 a negative answer, 2 usage, 3 could not do it. Errors are one sentence on stderr.
 */
#define CLUSTER_IMPLEMENTATION
#include "../cluster.h"

#ifdef CLUSTERCTL_OPENSSL /* make sets it where OpenSSL's headers are */
#include "tls_openssl.h"
#endif

#include "clusterctl/helpers.h"
#include "clusterctl/terminal.h"
#include "clusterctl/json.h"
#include "clusterctl/loop.h"
#include "clusterctl/options.h"
#include "clusterctl/record.h"
#include "clusterctl/sources.h"
#include "clusterctl/watch.h"
#include "clusterctl/queries.h"
#include "clusterctl/nodes.h"
#include "clusterctl/epmd_client.h"
#include "clusterctl/wait.h"
#include "clusterctl/list.h"
#include "clusterctl/urls.h"
#include "clusterctl/resolve.h"
#include "clusterctl/doctor.h"
#include "clusterctl/epmd.h"
#include "clusterctl/place.h"
#include "clusterctl/map.h"
#include "clusterctl/demo_node.h"
#include "clusterctl/demo_state.h"
#include "clusterctl/demo_picture.h"
#include "clusterctl/demo.h"

static int run_help(const struct arguments *a);

static const struct command commands[] = {
    {"demo", ON_DEMO, 0, 0, "[--stay | --join] [--group ADDR:PORT] [--json]", "see a cluster form on this machine, live",
     "Starts three nodes, processes of this program on loopback. They find each other by gossip, share out 256 shards,\n"
     "one is killed and its shards move, it comes back and they move back. Ends by itself.\n"
     "With --stay it goes on; `clusterctl demo --join` in another terminal is one more node of it.\n",
     run_demo},
    {"watch", ON_WATCH, 1, SIZE_MAX,
     "URL... [--node NAME] [--connect erlang] [--quorum N] [--until N] [--for TIME] [--record DIR] [--json]",
     "print what happens to the members, an event a line",
     "Prints `+ NAME` when a node joins, `- NAME` when it leaves, `~ NAME what` when it changes, `status S N/Q` and\n"
     "`source URL state why`. The own node is neither printed nor counted by --until.\n"
     "With --connect erlang it links to every member, which needs --node, and prints `up NAME` and `down NAME reason`;\n"
     "--until then counts the members that are up.\n"
     "With --record it keeps what the sources answer: a file for each connection and each datagram, and note.txt with the\n"
     "URLs and what was asked. Secrets are stars there; look through them all the same before you send them to anyone.\n"
     "Ends with 0 once --until members are there, with 0 when --for is over, but 1 if --until was not reached by then.\n",
     run_watch},
    {"wait", ON_WAIT, 1, SIZE_MAX, "URL... --quorum N [--for TIME] [--node NAME] -- COMMAND [ARG...]",
     "run a command once the cluster is ready",
     "Waits until --quorum nodes are there, this program counted, then becomes COMMAND.\n"
     "Ends with 1, without running it, when --for is over before.\n",
     run_wait},
    {"list", ON_LIST, 1, SIZE_MAX, "URL... [--node NAME] [--for TIME] [--json]", "print the members, sorted, one a line",
     "Prints the members after each source's first round, or after --for (10s). The own node is left out.\n"
     "Ends with 1 when there is no member, with 3 when every source failed.\n",
     run_list},
    {"names", ON_NAMES, 0, 1, "[HOST[:PORT]] [--json]", "print the names registered at an epmd",
     "Prints `NAME PORT` a line. Without HOST it asks this host. ERL_EPMD_PORT changes the default port 4369.\n", run_names},
    {"port", ON_PORT, 1, 1, "NODE [--json]", "print the port where a node accepts links",
     "Asks the epmd of the node's host. Ends with 1 when the node is not registered there.\n", run_port},
    {"resolve", ON_RESOLVE, 1, 1, "NAME [--type TYPE] [--server ADDR[:PORT]] [--search] [--json]", "look a name up in DNS",
     "Prints a record a line: an address, `PRIORITY WEIGHT PORT TARGET`, a name, or a text in quotes.\n"
     "Ends with 1 when there is none, with 3 when no server gave an answer.\n",
     run_resolve},
    {"ping", ON_PING, 1, 1, "NODE [--cookie C | --cookie-file F] [--node NAME] [--json]",
     "say whether an Erlang node is there and knows the cookie",
     "Prints `pong`, or `pang: reason` and ends with 1. Without --cookie and --cookie-file the cookie is that of\n"
     "~/.erlang.cookie, if nobody else can read it.\n",
     run_ping},
    {"send", ON_SEND, 3, 3, "NODE PROCESS TERM [--cookie C | --cookie-file F] [--node NAME]",
     "send a message to a process of an Erlang node",
     "The term is in Erlang's syntax. Ends with 0 once it is sent, also if no process has this name, and with 1 when the\n"
     "node cannot be reached.\n",
     run_send},
    {"call", ON_CALL, 3, 4,
     "NODE MODULE FUNCTION [ARGUMENTS] [--cookie C | --cookie-file F] [--node NAME] [--for TIME] [--json]",
     "call a function of an Erlang node",
     "The arguments are a list in Erlang's syntax, [] if there are none; of Elixir a module is 'Elixir.Name', a string\n"
     "<<\"text\">>. Prints the result; ends with 1 when the call failed, or had no answer in the time of --for (5s).\n",
     run_call},
    {"node", ON_SERVE, 0, 0,
     "--node NAME [--cookie C | --cookie-file F] [--listen ADDR:PORT] [--register PROCESS] [--echo] [--json]",
     "be a node that others link to",
     "Prints `listen PORT`, `up NODE`, `down NODE reason`, `message NODE PROCESS TERM` and `call NODE M:F/N ARGUMENTS`,\n"
     "until interrupted. Others find it by the epmd of this host; where none runs, `clusterctl epmd` is one.\n",
     run_node},
    {"epmd", ON_EPMD, 0, 0, "[--port P] [--address A] [--json]", "serve epmd, until interrupted",
     "Tells the ports of this host's nodes, which register with it. Prints where it listens. Only programs of this host\n"
     "may register, whatever the address; nobody can stop it from outside.\n",
     run_epmd},
    {"owner", ON_OWNER, 1, SIZE_MAX, "--nodes A,B,C [--kind KIND] [--weights 1,1,2] [--zones a,a,b] [--replicas N] KEY... | -",
     "print which node owns a key",
     "Prints `KEY OWNER[,OWNER...]` a line. With `-` the keys are read from standard input, one a line.\n"
     "Kinds: map, rendezvous, jump; as other systems place them: libring, horde, ex_hash_ring, ketama, libmemcached,\n"
     "nginx, riak, modulo, nebulex, cachex, cachex-jump, phoenix-tracker. To these, give the nodes in their order.\n",
     run_owner},
    {"plan", ON_PLAN, 0, 0, "--from A,B,C --to A,B [--kind KIND] [--shards N] [--weights 1,1,2] [--zones a,a,b] [--replicas N]",
     "print which shards move when the nodes change",
     "Prints `SHARD FROM -> TO` a line, in an order that is safe to follow; with --replicas also which of the shard's owners\n"
     "it is. `-` stands for nobody, and an empty list for no nodes. Weights and zones are those of the nodes of --from, in\n"
     "their order, then of those that only --to names. For a kind without shards the keys are placed that are the\n"
     "numbers below N, in decimal.\n",
     run_plan},
    {"map", ON_MAP, 1, SIZE_MAX, "URL... [--svg FILE] [--shards N] [--replicas N] [--node NAME] [--for TIME] [--json]",
     "place shards on the members, and draw it",
     "Prints `NODE SHARDS` a line, by the members after each source's first round, or after --for (10s), with their weights\n"
     "and zones. With --svg it draws nodes, zones and shards in a file that a browser shows.\n"
     "Ends with 1 when there is no member, with 3 when every source failed.\n",
     run_map},
    {"hash", ON_HASH, 1, 2, "KIND KEY [--seed N | --key HEX | --range N | --etf HEX]", "print the hash of a key",
     "Prints it in decimal. Kinds: hash64 and siphash, of bytes; phash2, of a term in Erlang's syntax; and those of `owner`\n"
     "but map: what that system hashes a key to.\n",
     run_hash},
    {"doctor", ON_DOCTOR, 0, SIZE_MAX,
     "URL... [--node NAME] [--cookie C | --cookie-file F] [--tls HOW] [--quorum N] [--for TIME] [--json]",
     "say why nodes do not see each other",
     "Walks every step from the URL to links with the nodes that it names, and prints `ok`, `warn` or `FAIL`, the check and\n"
     "the cause, and below what to do about it. It ends within 15 seconds, and with 1 when anything is FAIL.\n"
     "--for says how long gossip is listened to (6s, and no more). Nothing is announced, and links are hidden ones that\n"
     "end with it: as --node, or, where that node runs here itself, under a passing name.\n",
     run_doctor},
    {"urls", ON_URLS, 0, 1, "[SCHEME] [--json]", "print every scheme and option of a URL",
     "As the parser has them: what the target is, what each option takes, and what holds where it is not given.\n", run_urls},
    {"help", ON_ALL, 0, 1, "[COMMAND]", "say how a command is used", "", run_help},
};

static const struct command *command_find(const char *name)
{
    size_t i;
    for (i = 0; i < COUNT(commands); i++)
        if (!strcmp(commands[i].name, name))
            return &commands[i];
    return NULL;
}

static int command_unknown(const char *name)
{
    struct nearest near = {NULL, NULL, 0};
    size_t i;
    near.typed = name;
    for (i = 0; i < COUNT(commands); i++)
        nearest_try(&near, commands[i].name);
    if (near.best)
        return fail(USAGE, "there is no command %s: did you mean %s?", name, near.best);
    return fail(USAGE, "there is no command %s: see `clusterctl help`", name);
}

static void help_all(FILE *out)
{
    size_t i;
    fputs("clusterctl " CLUSTER_VERSION_STRING ": look at a cluster, wait for one, place keys on one\n\n", out);
    for (i = 0; i < COUNT(commands); i++)
        fprintf(out, "  %-8s %s\n", commands[i].name, commands[i].summary);
    fputs("\nA URL says where nodes are found, as in static:a@h1,b@h2, file:nodes.txt, dns:web@tasks.web, epmd:host "
          "or\ngossip:.\n"
          "`clusterctl help COMMAND` says more; --json prints one JSON object a line; --version the version.\n"
          "Exit status: 0 done, 1 a negative answer, 2 usage, 3 could not do it.\n"
          "Environment: ERL_EPMD_PORT is epmd's port, NO_COLOR turns colours off, which are for terminals alone.\n",
          out);
}

static void help_command(const struct command *c)
{
    size_t i;
    printf("clusterctl %s %s\n\n%s", c->name, c->synopsis, c->details);
    if (c->bit == ON_ALL)
        return;
    putchar('\n');
    for (i = 0; i < COUNT(option_table); i++) {
        char left[32];
        const struct option_row *row = &option_table[i];
        if (!(row->commands & c->bit))
            continue;
        snprintf(left, sizeof left, "--%s%s%s", row->name, row->argument ? " " : "", row->argument ? row->argument : "");
        printf("  %-18s %s\n", left, row->help);
    }
}

static void help_json(const struct command *c)
{
    json_begin("command");
    json_text("name", c->name);
    json_text("arguments", c->synopsis);
    json_text("summary", c->summary);
    json_end();
}

static int run_help(const struct arguments *a)
{
    const struct command *c = a->count ? command_find(a->operands[0]) : NULL;
    size_t i;
    if (a->count && !c)
        return command_unknown(a->operands[0]);
    if (!given(a, OPT_JSON)) {
        if (c)
            help_command(c);
        else
            help_all(stdout);
        return DONE;
    }
    for (i = 0; i < COUNT(commands); i++)
        if (!c || c == &commands[i])
            help_json(&commands[i]);
    return DONE;
}

static int print_version(bool json)
{
    if (json) {
        json_begin("version");
        json_text("version", cluster_version_string());
        json_end();
    } else {
        printf("clusterctl %s\n", cluster_version_string());
    }
    return DONE;
}

static int run(int argc, char **argv)
{
    struct arguments a;
    int status;
    bool json = argc > 2 && !strcmp(argv[2], "--json");
    memset(&a, 0, sizeof a);
    if (argc < 2) {
        help_all(stderr);
        return USAGE;
    }
    if (!strcmp(argv[1], "--version"))
        return print_version(json);
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))
        argv[1] = (char *)"help";
    a.command = command_find(argv[1]);
    if (!a.command)
        return argv[1][0] == '-' ? fail(USAGE, "begin with a command, not with %s: see `clusterctl help`", argv[1])
                                 : command_unknown(argv[1]);
    a.operands = (char **)grow(NULL, (size_t)argc * sizeof *a.operands);
    status = arguments_parse(&a, argc - 2, argv + 2);
    if (!status && given(&a, OPT_HELP))
        help_command(a.command);
    else if (!status && (status = arguments_check(&a)) == DONE)
        status = a.command->run(&a);
    free(a.operands);
    return status;
}

int main(int argc, char **argv)
{
    int status = run(argc, argv);
    if (fflush(stdout) || ferror(stdout))
        return status == DONE ? fail(FAILED, "cannot write to standard output: %s", strerror(errno)) : status;
    return status;
}
