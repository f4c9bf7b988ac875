/* cluster.h for C++11 and later: the same calls with owners that free what they have, exceptions with the library's own sentence, and
 * std::string where a name outlives an event. Nothing is hidden: get() gives the C handle for all that has no method here. */
#ifndef EXAMPLES_BINDINGS_CLUSTER_HPP
#define EXAMPLES_BINDINGS_CLUSTER_HPP

#include "cluster.h"
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace clusterxx
{

/* what() says what to change. */
class error : public std::runtime_error
{
  public:
    error(int result, const char *sentence)
        : std::runtime_error(sentence && *sentence ? sentence : cluster_strerror(result)), code(result)
    {
    }
    const int code; /* CLUSTER_E_... */
};

/* struct cluster_options and the like, zeroed, with size set. */
template <typename Struct> Struct sized()
{
    Struct s;
    std::memset(&s, 0, sizeof s);
    s.size = static_cast<uint32_t>(sizeof s);
    return s;
}

struct move {
    uint32_t shard;
    std::string from, to; /* empty: nobody */
};

/* An immutable placement; copies share it. Make and drop copies on the handle's thread. */
class map
{
  public:
    explicit map(const std::vector<std::string> &names, cluster_map_options options = sized<cluster_map_options>())
    {
        std::vector<cluster_node> nodes(names.size(), sized<cluster_node>());
        struct cluster_map *made = nullptr;
        for (size_t i = 0; i < names.size(); i++)
            nodes[i].name = names[i].c_str();
        int result = cluster_map_build(&made, nodes.data(), nodes.size(), &options);
        if (result < 0)
            throw error(result, "these nodes make no map: names must be unique, shards a power of two");
        own(made);
    }
    explicit map(struct cluster_map *taken)
    {
        own(taken);
    }
    struct cluster_map *get() const
    {
        return m.get();
    }
    size_t size() const
    {
        return cluster_map_nodes(get());
    }
    std::string node(uint32_t index) const
    {
        const char *name = cluster_map_node(get(), index);
        return name ? name : "";
    }
    uint32_t load(uint32_t index) const
    {
        return cluster_map_node_load(get(), index);
    }
    uint32_t shard(const std::string &key) const
    {
        return cluster_map_shard(get(), key.data(), key.size());
    }
    std::string owner(const std::string &key) const
    {
        return node(cluster_map_owner(get(), key.data(), key.size()));
    }
    uint64_t fingerprint() const
    {
        return cluster_map_fingerprint(get());
    }
    std::vector<move> plan(const map &after) const
    {
        std::vector<cluster_move> raw(cluster_map_plan(get(), after.get(), nullptr, 0));
        std::vector<move> moves;
        cluster_map_plan(get(), after.get(), raw.data(), raw.size());
        for (const cluster_move &one : raw)
            moves.push_back(move{one.shard, node(one.from), after.node(one.to)});
        return moves;
    }

  private:
    void own(struct cluster_map *made)
    {
        m = std::shared_ptr<struct cluster_map>(made, cluster_map_free);
    }
    std::shared_ptr<struct cluster_map> m;
};

/* A handle. It moves, and does not copy. */
class handle
{
  public:
    explicit handle(cluster_options options = sized<cluster_options>())
    {
        struct cluster *made = nullptr;
        char sentence[256] = "";
        options.error = sentence;
        options.error_size = sizeof sentence;
        int result = cluster_create(&made, &options);
        if (result < 0)
            throw error(result, sentence);
        c.reset(made);
    }
    struct cluster *get() const
    {
        return c.get();
    }
    struct cluster_source *discover(const std::string &url)
    {
        struct cluster_source *source = nullptr;
        check(cluster_discover(get(), url.c_str(), &source));
        return source;
    }
    /* For push: sources, the complete list. */
    void publish(struct cluster_source *source, const std::vector<std::string> &names)
    {
        std::vector<cluster_node> nodes(names.size(), sized<cluster_node>());
        for (size_t i = 0; i < names.size(); i++)
            nodes[i].name = names[i].c_str();
        check(cluster_source_publish(source, nodes.data(), nodes.size()));
    }
    /* nullptr when there is none. It lives until the next call of this, or of step or poll. */
    const cluster_event *next_event()
    {
        return cluster_next_event(get());
    }
    /* What to wait for. The vector may be handed to poll(2), and then to step. */
    const std::vector<pollfd> &watches()
    {
        size_t count = cluster_watches(get(), fds.data(), fds.size());
        while (count > fds.size()) {
            fds.resize(count);
            count = cluster_watches(get(), fds.data(), fds.size());
        }
        fds.resize(count);
        return fds;
    }
    int timeout_ms(uint64_t now) const
    {
        return cluster_timeout_ms(get(), now);
    }
    void step(uint64_t now, const std::vector<pollfd> &ready)
    {
        check(cluster_step(get(), now, ready.empty() ? nullptr : ready.data(), ready.size()));
    }
    void poll(int timeout_ms)
    {
        check(cluster_poll(get(), timeout_ms));
    }
    std::vector<std::string> members() const
    {
        std::vector<std::string> names;
        for (size_t i = 0; i < cluster_member_count(get()); i++)
            names.push_back(cluster_member_at(get(), i)->name);
        return names;
    }
    map current_map() const
    {
        return map(cluster_current_map(get()));
    }

  private:
    void check(int result) const
    {
        if (result < 0)
            throw error(result, cluster_last_error(get()));
    }
    struct destroyer {
        void operator()(struct cluster *dying) const
        {
            cluster_destroy(dying);
        }
    };
    std::unique_ptr<struct cluster, destroyer> c;
    std::vector<pollfd> fds;
};

} // namespace clusterxx

#endif
