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

// Event is what happened. Member, URL and Term, a term in Erlang's syntax, are empty where they do not apply.
type Event struct {
	Type, Error, State, Count int
	Member, URL, Text, Term   string
	Request                   uint64
}

// Cluster is a handle. Close it, or leave it to the garbage collector.
type Cluster struct{ c *C.struct_cluster }

// Source is a source of a handle, of use only while that is open.
type Source struct {
	owner *Cluster
	s     *C.struct_cluster_source
}

// New makes a handle; node is its own name, or "".
func New(node string, quorum int) (*Cluster, error) { return create(node, "", quorum) }

// NewErlang makes a handle that is an Erlang node: its name, and the cookie that the others have.
func NewErlang(node, cookie string) (*Cluster, error) { return create(node, cookie, 0) }

func create(node, cookie string, quorum int) (*Cluster, error) {
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
	if cookie != "" {
		options.cookie = C.CString(cookie)
		defer C.free(unsafe.Pointer(options.cookie))
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
	event := Event{Type: int(e._type), Error: int(e.error), State: int(e.state), Count: int(e.count), Text: C.GoString(e.text),
		Request: uint64(e.request)}
	if e.term != nil {
		event.Term = termText(e.term, C.size_t(e.term_size))
	}
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
	milliseconds := C.int(-1)
	if timeout >= 0 {
		milliseconds = C.int(timeout.Milliseconds())
	}
	return c.check(C.cluster_poll(c.c, milliseconds))
}

// Members are their names, sorted.
func (c *Cluster) Members() []string {
	names := make([]string, int(C.cluster_member_count(c.c)))
	for i := range names {
		names[i] = C.GoString(C.cluster_member_at(c.c, C.size_t(i)).name)
	}
	return names
}

// termOf turns Erlang's syntax into the external format, in C's memory, which the function frees.
func termOf(text string) (unsafe.Pointer, C.size_t, func(), error) {
	source := C.CString(text)
	defer C.free(unsafe.Pointer(source))
	var size C.size_t
	C.cluster_term_parse(source, nil, 0, &size)
	out := C.calloc(size+1, 1)
	if result := C.cluster_term_parse(source, out, size, &size); result < 0 {
		C.free(out)
		return nil, 0, nil, &Error{int(result), C.GoString(C.cluster_term_why(source, nil))}
	}
	return out, size, func() { C.free(out) }, nil
}

func termText(term unsafe.Pointer, size C.size_t) string {
	length := C.cluster_term_print(term, size, nil, 0)
	out := (*C.char)(C.calloc(length+1, 1))
	defer C.free(unsafe.Pointer(out))
	C.cluster_term_print(term, size, out, length+1)
	return C.GoString(out)
}

// cStrings are of use until the function is called.
func cStrings(texts ...string) ([]*C.char, func()) {
	out := make([]*C.char, len(texts))
	for i, text := range texts {
		out[i] = C.CString(text)
	}
	return out, func() {
		for _, text := range out {
			C.free(unsafe.Pointer(text))
		}
	}
}

// Ping asks whether a node is there. An event of type Reply with the request says it.
func (c *Cluster) Ping(node string) (uint64, error) {
	var request C.uint64_t
	text, free := cStrings(node)
	defer free()
	err := c.check(C.cluster_ping(c.c, text[0], &request))
	return uint64(request), err
}

// Call calls a function as rpc:call does; arguments is a list in Erlang's syntax. The Reply with the request has the result in Term,
// or Error and Text.
func (c *Cluster) Call(node, module, function, arguments string) (uint64, error) {
	var request C.uint64_t
	term, size, freeTerm, err := termOf(arguments)
	if err != nil {
		return 0, err
	}
	defer freeTerm()
	text, free := cStrings(node, module, function)
	defer free()
	err = c.check(C.cluster_call(c.c, text[0], text[1], text[2], term, size, 0, &request))
	return uint64(request), err
}

// Monitor watches a registered process: the Reply with the request says when it has ended.
func (c *Cluster) Monitor(node, process string) (uint64, error) {
	var request C.uint64_t
	text, free := cStrings(node, process)
	defer free()
	err := c.check(C.cluster_monitor(c.c, text[0], text[1], &request))
	return uint64(request), err
}

// Send sends a message, a term in Erlang's syntax, to a registered process of a node that is linked.
func (c *Cluster) Send(node, process, message string) error {
	term, size, freeTerm, err := termOf(message)
	if err != nil {
		return err
	}
	defer freeTerm()
	text, free := cStrings(node, process)
	defer free()
	return c.check(C.cluster_send(c.c, text[0], text[1], term, size))
}

// Register makes a process of this name: what is sent to it comes as Message.
func (c *Cluster) Register(process string) error {
	text, free := cStrings(process)
	defer free()
	return c.check(C.cluster_register(c.c, text[0]))
}

// Answer answers an event of type Call.
func (c *Cluster) Answer(request uint64, result string) error {
	term, size, freeTerm, err := termOf(result)
	if err != nil {
		return err
	}
	defer freeTerm()
	return c.check(C.cluster_answer(c.c, C.uint64_t(request), term, size))
}

// Drain says that the own node is about to go.
func (c *Cluster) Drain(on bool) error {
	var value C.int
	if on {
		value = 1
	}
	return c.check(C.cluster_drain(c.c, value))
}

// Leave withdraws what was announced of the own node; an event of type Left says when that is done.
func (c *Cluster) Leave(timeout time.Duration) (uint64, error) {
	var request C.uint64_t
	err := c.check(C.cluster_leave(c.c, C.int(timeout.Milliseconds()), &request))
	return uint64(request), err
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

// Ring is a ring or router as another system has it.
type Ring struct{ r *C.struct_cluster_ring }

// NewRing takes a kind (libring, ketama, nginx ...) and the nodes in the order in which that system got them.
func NewRing(kind string, names ...string) (*Ring, error) {
	var r *C.struct_cluster_ring
	text, free := cStrings(kind)
	defer free()
	nodes := nodesOf(names)
	defer C.nodes_free(nodes, C.size_t(len(names)))
	if result := C.cluster_ring_build(&r, text[0], nodes, C.size_t(len(names)), nil); result == C.CLUSTER_E_UNSUPPORTED {
		return nil, &Error{int(result), "there is no such kind of ring"}
	} else if result < 0 {
		return nil, &Error{int(result), "these nodes make no such ring"}
	}
	made := &Ring{r}
	runtime.SetFinalizer(made, func(r *Ring) { C.cluster_ring_free(r.r) })
	return made, nil
}

// Owner is the name of the node that owns the key, "" where there is nobody.
func (r *Ring) Owner(key string) string {
	p, free := bytesOf(key)
	defer free()
	return C.GoString(C.cluster_ring_node(r.r, C.cluster_ring_owner(r.r, p, C.size_t(len(key)))))
}

// Owners are the first distinct owners, at most count.
func (r *Ring) Owners(key string, count int) []string {
	p, free := bytesOf(key)
	defer free()
	found := make([]C.uint32_t, count+1)
	names := make([]string, int(C.cluster_ring_owners(r.r, p, C.size_t(len(key)), &found[0], C.size_t(count))))
	for i := range names {
		names[i] = C.GoString(C.cluster_ring_node(r.r, found[i]))
	}
	return names
}
