/* On GLib's main loop (GTK, GStreamer, systemd's friends): one GSource with all descriptors and the deadline.
 *
 *     cc -std=c99 -DCLUSTER_IMPLEMENTATION -o watch examples/loops/glib.c $(pkg-config --cflags --libs glib-2.0)
 *     ./watch epmd:localhost
 */
#define _DEFAULT_SOURCE
#include "set.h"
#include <glib-unix.h>
#include <signal.h>

struct glib_watch {
    struct watch w;
    GSource *source;
    GMainLoop *loop;
};

struct cluster_gsource { /* GLib allocates it; the GSource comes first */
    GSource source;
    struct glib_watch *loop;
};

static GIOCondition condition(int events)
{
    int result = (events & POLLIN ? G_IO_IN | G_IO_HUP | G_IO_ERR : 0) | (events & POLLOUT ? G_IO_OUT | G_IO_ERR : 0);
    return (GIOCondition)result;
}

static void change(struct watch *w, int fd, int was, int is)
{
    struct glib_watch *loop = (struct glib_watch *)w;
    void **slot = watch_slot(w, fd);
    if (!slot)
        return;
    if (!was)
        *slot = g_source_add_unix_fd(loop->source, fd, condition(is));
    else if (is)
        g_source_modify_unix_fd(loop->source, *slot, condition(is));
    else {
        g_source_remove_unix_fd(loop->source, *slot);
        *slot = NULL;
    }
}

/* After each step: print, bring the set up to date, and say when to come back, in microseconds, rounded up. */
static void proceed(struct glib_watch *loop)
{
    uint64_t deadline;
    watch_print(&loop->w);
    watch_update(&loop->w, change);
    deadline = cluster_deadline(loop->w.cluster);
    g_source_set_ready_time(loop->source, deadline == CLUSTER_NEVER ? -1 : (gint64)(deadline / 1000 + (deadline % 1000 != 0)));
    if (loop->w.done)
        g_main_loop_quit(loop->loop);
}

static gboolean dispatch(GSource *source, GSourceFunc callback, gpointer data)
{
    struct glib_watch *loop = ((struct cluster_gsource *)source)->loop;
    uint64_t now = (uint64_t)g_source_get_time(source) * 1000;
    size_t i;
    (void)callback, (void)data;
    for (i = 0; i < loop->w.count; i++) {
        GIOCondition fired = g_source_query_unix_fd(source, loop->w.slots[loop->w.set[i].fd]);
        loop->w.set[i].revents =
            (short)((fired & (G_IO_IN | G_IO_HUP | G_IO_ERR) ? POLLIN : 0) | (fired & (G_IO_OUT | G_IO_ERR) ? POLLOUT : 0));
    }
    cluster_step(loop->w.cluster, now, loop->w.set, loop->w.count);
    proceed(loop);
    return G_SOURCE_CONTINUE;
}

static gboolean on_signal(gpointer data)
{
    struct glib_watch *loop = (struct glib_watch *)data;
    loop->w.done = 1;
    g_main_loop_quit(loop->loop);
    return G_SOURCE_CONTINUE;
}

int main(int argc, char **argv)
{
    static GSourceFuncs functions;
    struct glib_watch loop;
    guint interrupt, terminate;
    int status = watch_open(&loop.w, argc, argv);
    if (status)
        return status;
    functions.dispatch = dispatch; /* descriptors and the ready time need no prepare and no check */
    loop.loop = g_main_loop_new(NULL, FALSE);
    loop.source = g_source_new(&functions, sizeof(struct cluster_gsource));
    ((struct cluster_gsource *)loop.source)->loop = &loop;
    g_source_attach(loop.source, NULL);
    interrupt = g_unix_signal_add(SIGINT, on_signal, &loop);
    terminate = g_unix_signal_add(SIGTERM, on_signal, &loop);
    proceed(&loop);
    if (!loop.w.done)
        g_main_loop_run(loop.loop);
    g_source_remove(interrupt);
    g_source_remove(terminate);
    g_source_destroy(loop.source);
    g_source_unref(loop.source);
    g_main_loop_unref(loop.loop);
    return watch_close(&loop.w);
}
