// Package cluster is cluster.h for Go, by cgo. A Cluster belongs to one goroutine at a time; events are values that outlive the
// step they came from. `make lib` builds the library that it links.
package cluster

/*
#cgo CFLAGS: -I${SRCDIR}/../../..
#cgo LDFLAGS: ${SRCDIR}/../../../build/libcluster.a
#include <stdlib.h>
#include <cluster.h>

// Go may not keep Go pointers in C structs, so nodes are made here.
static struct cluster_node *nodes_new(size_t count)
{
    struct cluster_node *nodes = (struct cluster_node *)calloc(count + 1, sizeof *nodes);
    size_t i;
    for (i = 0; nodes && i <= count; i++)
        nodes[i].size = sizeof *nodes;
    return nodes;
}

static void node_name(struct cluster_node *nodes, size_t i, char *name)
{
    nodes[i].name = name;
}

static void nodes_free(struct cluster_node *nodes, size_t count)
{
    size_t i;
    for (i = 0; nodes && i < count; i++)
        free((void *)nodes[i].name);
    free(nodes);
}
*/
import "C"

import (
	"runtime"
	"time"
	"unsafe"
)

// Error has one of the E... codes and a sentence that says what to change.
type Error struct {
	Code int
	Text string
}

func (e *Error) Error() string { return e.Text }

// Event is what happened. Member and URL are empty where they do not apply.
type Event struct {
	Type, Error, State, Count int
	Member, URL, Text         string
}

// Cluster is a handle. Close it, or leave it to the garbage collector.
type Cluster struct{ c *C.struct_cluster }

// Source is a source of a handle, of use only while that is open.
type Source struct {
	owner *Cluster
	s     *C.struct_cluster_source
}

// New makes a handle; node is its own name, or "".
func New(node string, quorum int) (*Cluster, error) {
	var options C.struct_cluster_options
	var c *C.struct_cluster
	sentence := (*C.char)(C.calloc(1, 256))
	defer C.free(unsafe.Pointer(sentence))
	C.cluster_options_init(&options)
	options.quorum = C.uint32_t(quorum)
	options.error, options.error_size = sentence, 256
	if node != "" {
		options.node = C.CString(node)
		defer C.free(unsafe.Pointer(options.node))
	}
	if result := C.cluster_create(&c, &options); result < 0 {
		return nil, &Error{int(result), C.GoString(sentence)}
	}
	made := &Cluster{c}
	runtime.SetFinalizer(made, (*Cluster).Close)
	return made, nil
}

// Close closes every descriptor and frees everything.
func (c *Cluster) Close() {
	C.cluster_destroy(c.c)
	c.c = nil
}

func (c *Cluster) check(result C.int) error {
	if result < 0 {
		return &Error{int(result), C.GoString(C.cluster_last_error(c.c))}
	}
	return nil
}

// Discover adds a source.
func (c *Cluster) Discover(url string) (*Source, error) {
	var s *C.struct_cluster_source
	text := C.CString(url)
	defer C.free(unsafe.Pointer(text))
	if err := c.check(C.cluster_discover(c.c, text, &s)); err != nil {
		return nil, err
	}
	return &Source{c, s}, nil
}

func nodesOf(names []string) *C.struct_cluster_node {
	nodes := C.nodes_new(C.size_t(len(names)))
	for i, name := range names {
		C.node_name(nodes, C.size_t(i), C.CString(name))
	}
	return nodes
}

// Publish hands in the complete list of a push: source.
func (s *Source) Publish(names ...string) error {
	nodes := nodesOf(names)
	defer C.nodes_free(nodes, C.size_t(len(names)))
	return s.owner.check(C.cluster_source_publish(s.s, nodes, C.size_t(len(names))))
}

// Next returns the oldest event not yet seen.
func (c *Cluster) Next() (Event, bool) {
	e := C.cluster_next_event(c.c)
	if e == nil {
		return Event{}, false
	}
	event := Event{Type: int(e._type), Error: int(e.error), State: int(e.state), Count: int(e.count), Text: C.GoString(e.text)}
	if e.member != nil {
		event.Member = C.GoString(e.member.name)
	}
	if e.source != nil {
		event.URL = C.GoString(C.cluster_source_url(e.source))
	}
	return event, true
}

// Name is the event's type in a word.
func (e Event) Name() string { return C.GoString(C.cluster_event_name(C.uint32_t(e.Type))) }

// Poll waits for at most this long (less than 0: until something is due) and makes one step. It keeps a thread busy with waiting,
// which Go replaces.
func (c *Cluster) Poll(timeout time.Duration) error {
	return c.check(C.cluster_poll(c.c, C.int(timeout.Milliseconds())))
}

// Members are their names, sorted.
func (c *Cluster) Members() []string {
	names := make([]string, int(C.cluster_member_count(c.c)))
	for i := range names {
		names[i] = C.GoString(C.cluster_member_at(c.c, C.size_t(i)).name)
	}
	return names
}

// Map is an immutable placement of shards on nodes.
type Map struct{ m *C.struct_cluster_map }

// Move is one shard that another node owns afterwards; "" is nobody.
type Move struct {
	Shard    int
	From, To string
}

// NewMap places that many shards (a power of two; 0: 4096) on these nodes.
func NewMap(shards int, names ...string) (*Map, error) {
	var m *C.struct_cluster_map
	options := C.struct_cluster_map_options{shards: C.uint32_t(shards)}
	options.size = C.uint32_t(unsafe.Sizeof(options))
	nodes := nodesOf(names)
	defer C.nodes_free(nodes, C.size_t(len(names)))
	if result := C.cluster_map_build(&m, nodes, C.size_t(len(names)), &options); result < 0 {
		return nil, &Error{int(result), "these nodes make no map: names must be unique, shards a power of two"}
	}
	made := &Map{m}
	runtime.SetFinalizer(made, func(m *Map) { C.cluster_map_free(m.m) })
	return made, nil
}

func bytesOf(key string) (unsafe.Pointer, func()) {
	p := C.CBytes([]byte(key))
	return p, func() { C.free(p) }
}

func (m *Map) Len() int { return int(C.cluster_map_nodes(m.m)) }

func (m *Map) Node(i int) string { return C.GoString(C.cluster_map_node(m.m, C.uint32_t(i))) }

func (m *Map) Load(i int) int { return int(C.cluster_map_node_load(m.m, C.uint32_t(i))) }

func (m *Map) Shard(key string) int {
	p, free := bytesOf(key)
	defer free()
	return int(C.cluster_map_shard(m.m, p, C.size_t(len(key))))
}

// Owner is the name of the node that owns the key, "" where there is nobody.
func (m *Map) Owner(key string) string {
	p, free := bytesOf(key)
	defer free()
	return m.Node(int(C.cluster_map_owner(m.m, p, C.size_t(len(key)))))
}

// Plan lists what moves from this map to another one.
func (m *Map) Plan(after *Map) []Move {
	count := C.cluster_map_plan(m.m, after.m, nil, 0)
	raw := make([]C.struct_cluster_move, int(count)+1)
	C.cluster_map_plan(m.m, after.m, &raw[0], count)
	moves := make([]Move, int(count))
	for i := range moves {
		moves[i] = Move{int(raw[i].shard), m.Node(int(raw[i].from)), after.Node(int(raw[i].to))}
	}
	return moves
}
