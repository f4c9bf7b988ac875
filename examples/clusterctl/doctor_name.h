/*
 * What doctor finds out about the own name: its form and kind, its address, who else has it, and whether the others would look for
 * it where it is.
 */
#ifndef CLUSTERCTL_DOCTOR_NAME_H
#define CLUSTERCTL_DOCTOR_NAME_H

#include "doctor_nodes.h"

static bool host_is_long(const char *host)
{
    return strpbrk(host, ".:") != NULL;
}

/* Is it NAME@HOST? Where there is no host, the rest goes on with the local one. */
static void check_form(struct doctor *d)
{
    const char *name = d->own, *at = name ? strchr(name, '@') : NULL, *byte;
    bool clean = name != NULL;
    for (byte = name; byte && *byte; byte++)
        clean = clean && (unsigned char)*byte > 0x20 && *byte != 0x7f;
    if (!name)
        return;
    if (!at) {
        finding(&d->report, CHECK_NAME_FORM, CHECK_FAIL, name, "it has no host: a node is NAME@HOST");
        snprintf(d->name, sizeof d->name, "%.200s@localhost", *name && clean ? name : "doctor");
        return;
    }
    snprintf(d->name, sizeof d->name, "%.255s", name);
    if (at == name || !at[1] || strchr(at + 1, '@') || !clean || strlen(name) > 255) {
        finding(&d->report, CHECK_NAME_FORM, CHECK_FAIL, name,
                "it has to be one '@' with something on both sides, no spaces, and 255 bytes at most");
        snprintf(d->name, sizeof d->name, "doctor@localhost");
        return;
    }
    d->formed = true;
    d->nameless = strncmp(name, "undefined@", 10) == 0;
    if (d->nameless)
        finding(&d->report, CHECK_NAME_FORM, CHECK_OK, name, "it asks for a name, which the node gives that is linked first");
    else if (strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != (size_t)(at - name))
        finding(&d->report, CHECK_NAME_FORM, CHECK_WARN, name,
                "Erlang nodes take letters, digits, _ and - before the '@' only");
    else
        finding(&d->report, CHECK_NAME_FORM, CHECK_OK, name, "%s",
                strcmp(at + 1, "auto") == 0 ? "its address is that of this host"
                : host_is_long(at + 1)      ? "a long name"
                                            : "a short name");
}

/* The kind of names. Members on addresses are told apart, as Erlang's own sentence on them is another one. */
static void check_kinds(struct doctor *d)
{
    size_t kinds[3] = {0, 0, 0}; /* short, long, address */
    const char *first[3] = {NULL, NULL, NULL};
    const char *own = strchr(d->name, '@');
    union address address;
    size_t i;
    int kind, mine = own && host_is_long(own + 1);
    for (i = 0; i < d->count; i++) {
        const char *host = strchr(d->nodes[i].name, '@') + 1;
        kind = address_parse(host, &address) ? 2 : host_is_long(host);
        first[kind] = kinds[kind]++ ? first[kind] : d->nodes[i].name;
    }
    if (!d->count)
        return;
    if (!d->formed) {
        if (kinds[0] && kinds[1] + kinds[2])
            finding(&d->report, CHECK_NAME_KIND, CHECK_WARN, NULL, "%s is short and %s is long: they cannot link to each other",
                    first[0], first[first[2] ? 2 : 1]);
        return;
    }
    if (!mine && kinds[2])
        finding(&d->report, CHECK_NAME_LEGAL, CHECK_FAIL, d->name,
                "it is short, and to a node with a short name the host of %s is illegal%s", first[2],
                kinds[2] > 1 ? ", as of others" : "");
    if (!mine && kinds[1])
        finding(&d->report, CHECK_NAME_KIND, CHECK_FAIL, d->name, "it is short, and %s is long", first[1]);
    else if (mine && kinds[0])
        finding(&d->report, CHECK_NAME_KIND, CHECK_FAIL, d->name, "it is long, and %s is short", first[0]);
    else if (mine || !kinds[2])
        finding(&d->report, CHECK_NAME_KIND, CHECK_OK, d->name, "it is %s, as the others are", mine ? "long" : "short");
}

/* Has the own name the address that the others look for? */
static void check_choice(struct doctor *d)
{
    size_t i, strangers = 0, base = (size_t)(strchr(d->name, '@') - d->name);
    bool listed = cluster_member_find(d->loop.c, d->name) != NULL, loop = address_is_loopback(&d->own_address);
    const struct node *twin = NULL, *far = NULL;
    union address from;
    char text[64], other[64];
    for (i = 0; i < d->count; i++) {
        const struct node *n = &d->nodes[i];
        if (!n->addressed)
            continue;
        if (!strncmp(n->name, d->name, base + 1) && !address_same(&n->address, &d->own_address) && address_is_here(&n->address))
            twin = n;
        else if (!address_is_here(&n->address) && address_towards(&n->address, &from) &&
                 !address_same(&from, &d->own_address) && (loop || !address_neighbours(&from, &d->own_address))) {
            far = n;
            strangers++;
        }
    }
    if (twin && !listed && d->lists)
        finding(&d->report, CHECK_NAME_CHOICE, CHECK_FAIL, d->name,
                "the sources list this host as %s: that is an address of it too, and %s is not listed", twin->name,
                address_text(&d->own_address, text));
    else if (far && strangers == d->count && address_towards(&far->address, &from))
        finding(&d->report, CHECK_NAME_CHOICE, CHECK_FAIL, d->name, "the way to %s leaves from %s, in another network than %s",
                far->name, address_text(&from, other), address_text(&d->own_address, text));
    else
        finding(&d->report, CHECK_NAME_CHOICE, CHECK_OK, d->name, "%s", address_text(&d->own_address, text));
    if (!d->lists || d->nameless)
        return;
    if (listed)
        finding(&d->report, CHECK_NAME_LISTED, CHECK_OK, d->name, "it is listed");
    else if (!doctor_failed(&d->report, CHECK_NAME_CHOICE))
        finding(&d->report, CHECK_NAME_LISTED, CHECK_WARN, d->name, "nodes that are listed: %lu, and this one is not",
                (unsigned long)d->count);
}

/* What DNS and /etc/hosts say of the own host. */
static void own_host_resolved(struct doctor *d, const struct cluster_event *reply)
{
    const char *host = strchr(d->name, '@') + 1;
    struct names lines = {NULL, 0};
    size_t i;
    bool here = false;
    d->own_request = 0;
    if (reply->error) {
        finding(&d->report, CHECK_NAME_RESOLVES, CHECK_FAIL, host, "%s", reply->text);
        return;
    }
    names_split(&lines, reply->text, '\n');
    for (i = 0; i < lines.count && !here; i++)
        here = address_parse(lines.at[i], &d->own_address) && address_is_here(&d->own_address);
    d->own_addressed = here;
    finding(&d->report, CHECK_NAME_RESOLVES, CHECK_OK, host, "%s", lines.count ? lines.at[0] : "");
    finding(&d->report, CHECK_NAME_ADDRESS, here ? CHECK_OK : CHECK_FAIL, host,
            here ? "%s is an address of this host" : "%s is no address of this host",
            lines.count ? lines.at[here ? i - 1 : 0] : "");
    names_clear(&lines);
}

/* Does the own node run here already? */
static void own_registry(struct doctor *d, const struct cluster_event *reply)
{
    char seen[120];
    uint32_t port = reply->error ? 0 : names_port(reply->text, d->name, seen, sizeof seen);
    d->registry_request = 0;
    if (!port) {
        finding(&d->report, CHECK_NAME_TAKEN, CHECK_OK, d->name, "no node of this name is registered at this host");
        return;
    }
    d->registered = true;
    finding(&d->report, CHECK_NAME_TAKEN, CHECK_WARN, d->name,
            "a node of this name runs here, on port %lu: if it is not yours, the name is taken", (unsigned long)port);
}

static void begin_own_host(struct doctor *d)
{
    const char *host;
    char question[300];
    if (!d->formed)
        return;
    host = strchr(d->name, '@') + 1;
    if (!d->nameless && cluster_epmd_names(d->loop.c, NULL, &d->registry_request) < 0)
        d->registry_request = 0;
    if (address_parse(host, &d->own_address)) {
        d->own_addressed = address_is_here(&d->own_address);
        finding(&d->report, CHECK_NAME_ADDRESS, d->own_addressed ? CHECK_OK : CHECK_FAIL, host,
                d->own_addressed ? "it is an address of this host" : "it is no address of this host");
        return;
    }
    snprintf(question, sizeof question, "%.255s?hosts=on&search=on", host);
    if (cluster_resolve(d->loop.c, question, NULL, &d->own_request) < 0) {
        d->own_request = 0;
        finding(&d->report, CHECK_NAME_RESOLVES, CHECK_FAIL, host, "%s", cluster_last_error(d->loop.c));
    }
}

#endif
