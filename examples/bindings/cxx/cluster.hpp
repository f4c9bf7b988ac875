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

/* A ring or router as another system has it: "libring", "ketama" ... Give the nodes in the order in which that one got them. */
class ring
{
  public:
    ring(const std::string &kind, const std::vector<std::string> &names,
         cluster_ring_options options = sized<cluster_ring_options>())
    {
        std::vector<cluster_node> nodes(names.size(), sized<cluster_node>());
        struct cluster_ring *made = nullptr;
        for (size_t i = 0; i < names.size(); i++)
            nodes[i].name = names[i].c_str();
        int result = cluster_ring_build(&made, kind.c_str(), nodes.data(), nodes.size(), &options);
        if (result < 0)
            throw error(result,
                        result == CLUSTER_E_UNSUPPORTED ? "there is no such kind of ring" : "these nodes make no such ring");
        r = std::shared_ptr<struct cluster_ring>(made, cluster_ring_free);
    }
    struct cluster_ring *get() const
    {
        return r.get();
    }
    std::string owner(const std::string &key) const
    {
        const char *name = cluster_ring_node(get(), cluster_ring_owner(get(), key.data(), key.size()));
        return name ? name : "";
    }
    std::vector<std::string> owners(const std::string &key, size_t count) const
    {
        std::vector<uint32_t> found(count);
        std::vector<std::string> names;
        found.resize(cluster_ring_owners(get(), key.data(), key.size(), found.data(), count));
        for (uint32_t index : found)
            names.push_back(cluster_ring_node(get(), index));
        return names;
    }

  private:
    std::shared_ptr<struct cluster_ring> r;
};

/* A term in Erlang's syntax, as bytes of the external format. */
inline std::string term(const std::string &text)
{
    size_t size = 0;
    cluster_term_parse(text.c_str(), nullptr, 0, &size);
    std::string bytes(size, '\0');
    int result = cluster_term_parse(text.c_str(), &bytes[0], size, &size);
    if (result < 0)
        throw error(result, cluster_term_why(text.c_str(), nullptr));
    return bytes;
}

/* A term of the external format in Erlang's syntax; empty where it is none. */
inline std::string term_text(const void *data, size_t size)
{
    std::string text(cluster_term_print(data, size, nullptr, 0) + 1, '\0');
    cluster_term_print(data, size, &text[0], text.size());
    text.pop_back();
    return text;
}

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
    /* Erlang nodes; terms are text. What returns a request is answered by a CLUSTER_REPLY with it. */
    uint64_t ping(const std::string &node)
    {
        uint64_t request = 0;
        check(cluster_ping(get(), node.c_str(), &request));
        return request;
    }
    uint64_t call(const std::string &node, const std::string &module, const std::string &function,
                  const std::string &arguments = "[]", uint64_t timeout_ns = 0)
    {
        uint64_t request = 0;
        const std::string bytes = term(arguments);
        check(cluster_call(get(), node.c_str(), module.c_str(), function.c_str(), bytes.data(), bytes.size(), timeout_ns,
                           &request));
        return request;
    }
    uint64_t monitor(const std::string &node, const std::string &process)
    {
        uint64_t request = 0;
        check(cluster_monitor(get(), node.c_str(), process.c_str(), &request));
        return request;
    }
    void send(const std::string &node, const std::string &process, const std::string &message)
    {
        const std::string bytes = term(message);
        check(cluster_send(get(), node.c_str(), process.c_str(), bytes.data(), bytes.size()));
    }
    /* Have a process of this name: what is sent to it comes as CLUSTER_MESSAGE. */
    void register_process(const std::string &process)
    {
        check(cluster_register(get(), process.c_str()));
    }
    void answer(uint64_t request, const std::string &result)
    {
        const std::string bytes = term(result);
        check(cluster_answer(get(), request, bytes.data(), bytes.size()));
    }
    void drain(bool on)
    {
        check(cluster_drain(get(), on));
    }
    /* Withdraw what was announced of the own node; CLUSTER_LEFT says when that is done. */
    uint64_t leave(int timeout_ms)
    {
        uint64_t request = 0;
        check(cluster_leave(get(), timeout_ms, &request));
        return request;
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
