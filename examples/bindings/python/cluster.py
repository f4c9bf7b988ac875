"""cluster.h for Python, with nothing but ctypes: handles, sources, events, Erlang nodes, placement, and asyncio.

The declarations are in cluster_h.py, which is generated; here they become Python. Strings are str, events are values that outlive the
step they came from, errors are exceptions with the library's own sentence. The library is libcluster.so: `make lib` builds it,
CLUSTER_LIBRARY names another place.
"""
import collections
import ctypes
import ctypes.util
import os
import select

import cluster_h as h

_HERE = os.path.dirname(os.path.abspath(__file__))
_BUILT = os.path.join(_HERE, "..", "..", "..", "build", "libcluster.so")


def _load():
    path = os.environ.get("CLUSTER_LIBRARY") or (_BUILT if os.path.exists(_BUILT) else ctypes.util.find_library("cluster"))
    try:
        library = ctypes.CDLL(path or "libcluster.so")
    except OSError as error:
        raise ImportError("there is no libcluster.so (%s): run `make lib`, or name it in CLUSTER_LIBRARY" % error) from None
    h.declare(library)
    if library.cluster_version() >> 8 != h.CLUSTER_VERSION >> 8:
        raise ImportError("%s is version %s; these declarations are of %s"
                          % (path, library.cluster_version_string().decode(), h.CLUSTER_VERSION_STRING))
    return library


lib = _load()
now = lib.cluster_now
Member = collections.namedtuple("Member", "name host address port weight zone role flags id state sources")
Event = collections.namedtuple("Event", "type error changed state count quorum time revision request fingerprint source member text term")
Move = collections.namedtuple("Move", "shard replica origin target")


class Error(Exception):
    """code is one of cluster_h.CLUSTER_E_...; the text says what to change."""

    def __init__(self, code, text=""):
        super().__init__(text or lib.cluster_strerror(code).decode())
        self.code = code


def _struct(kind, **values):
    """A struct that the caller fills: zeroed, its size set. Strings are copied by the library, so bytes may go after the call."""
    made = kind(size=ctypes.sizeof(kind))
    for name, value in values.items():
        if name not in (field[0] for field in kind._fields_):
            raise TypeError("struct %s has no field %s" % (kind.__name__, name))
        setattr(made, name, value.encode() if isinstance(value, str) else value)
    return made


def _member(pointer):
    if not pointer:
        return None
    m = pointer.contents
    return Member(m.name.decode(), m.host.decode(), m.address.decode(), m.port, m.weight, m.zone.decode(), m.role.decode(), m.flags,
                  m.id, m.state, m.sources)


def term(text):
    """A term in Erlang's syntax, as bytes of the external format."""
    at, size = ctypes.c_size_t(), ctypes.c_size_t()
    lib.cluster_term_parse(text.encode(), None, 0, ctypes.byref(size))
    out = ctypes.create_string_buffer(max(size.value, 1))
    result = lib.cluster_term_parse(text.encode(), out, size.value, ctypes.byref(size))
    if result < 0:
        why = lib.cluster_term_why(text.encode(), ctypes.byref(at)).decode()
        raise Error(result, "%s, at byte %d of %r" % (why, at.value, text) if why else "")
    return out.raw[:size.value]


def term_text(data):
    """A term of the external format in Erlang's syntax; None where it is no term."""
    size = lib.cluster_term_print(data, len(data), None, 0)
    out = ctypes.create_string_buffer(size + 1)
    lib.cluster_term_print(data, len(data), out, size + 1)
    return out.value.decode() if size else None


class Source:
    """One source of a handle. It lives as long as the handle, or until remove."""

    def __init__(self, owner, pointer):
        self._owner, self._as_parameter_ = owner, pointer

    @property
    def url(self):
        return lib.cluster_source_url(self).decode()

    @property
    def state(self):
        return lib.cluster_source_state(self)

    @property
    def why(self):
        return lib.cluster_source_why(self).decode()

    def publish(self, nodes):
        """For push: sources, the complete list: names, or dicts of the fields of struct cluster_node."""
        made = (h.cluster_node * max(len(nodes), 1))(*(_struct(h.cluster_node, **(n if isinstance(n, dict) else {"name": n}))
                                                       for n in nodes))
        self._owner._check(lib.cluster_source_publish(self, made, len(nodes)))

    def fail(self, code, why):
        self._owner._check(lib.cluster_source_fail(self, code, why.encode()))

    def refresh(self):
        self._owner._check(lib.cluster_source_refresh(self))

    def pause(self, on=True):
        self._owner._check(lib.cluster_source_pause(self, on))

    def remove(self):
        lib.cluster_source_remove(self)


class Cluster:
    """A handle. Keyword arguments are the fields of struct cluster_options; map is a dict of those of struct cluster_map_options."""

    def __init__(self, map=None, **options):
        sentence = ctypes.create_string_buffer(256)
        made = _struct(h.cluster_options, **options)
        made.error, made.error_size = ctypes.cast(sentence, ctypes.POINTER(ctypes.c_char)), len(sentence)
        if map is not None:
            made.map = ctypes.pointer(_struct(h.cluster_map_options, **map))
        self._as_parameter_ = ctypes.POINTER(h.cluster)()
        self._fds = (h.pollfd * 16)()
        self._check(lib.cluster_create(ctypes.byref(self._as_parameter_), ctypes.byref(made)), sentence.value)

    def _check(self, result, sentence=None):
        if result < 0:
            raise Error(result, (sentence if sentence is not None else lib.cluster_last_error(self)).decode())
        return result

    def close(self):
        if self._as_parameter_:
            lib.cluster_destroy(self)
            self._as_parameter_ = ctypes.POINTER(h.cluster)()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def __del__(self):
        if getattr(self, "_as_parameter_", None):
            self.close()

    def discover(self, url):
        """Add a source; None for the empty URL."""
        out = ctypes.POINTER(h.cluster_source)()
        self._check(lib.cluster_discover(self, url.encode(), ctypes.byref(out)))
        return Source(self, out) if out else None

    def members(self):
        return [_member(lib.cluster_member_at(self, i)) for i in range(lib.cluster_member_count(self))]

    @property
    def name(self):
        return lib.cluster_own_name(self).decode()

    @property
    def status(self):
        return lib.cluster_status(self)

    def map(self):
        """The map of the members as of now; None without the option."""
        pointer = lib.cluster_current_map(self)
        return Map(_pointer=pointer) if pointer else None

    # Erlang nodes; terms are text in Erlang's syntax. What returns a request is answered by a REPLY with it.

    def _request(self, function, *arguments):
        request = ctypes.c_uint64()
        self._check(function(self, *arguments, ctypes.byref(request)))
        return request.value

    def ping(self, node):
        return self._request(lib.cluster_ping, node.encode())

    def call(self, node, module, function, arguments="[]", timeout=5):
        """As rpc:call does; timeout in seconds. The REPLY has the result in term, or error and text."""
        data = term(arguments)
        return self._request(lib.cluster_call, node.encode(), module.encode(), function.encode(), data, len(data), int(timeout * 1e9))

    def monitor(self, node, process):
        return self._request(lib.cluster_monitor, node.encode(), process.encode())

    def send(self, node, process, message):
        data = term(message)
        self._check(lib.cluster_send(self, node.encode(), process.encode(), data, len(data)))

    def register(self, process):
        """Have a process of this name: what is sent to it comes as MESSAGE."""
        self._check(lib.cluster_register(self, process.encode()))

    def answer(self, request, result):
        """Answer a CALL; None: there is no such function."""
        data = term(result) if result is not None else None
        self._check(lib.cluster_answer(self, request, data, len(data) if data else 0))

    def resolve(self, name, kind="a"):
        return self._request(lib.cluster_resolve, name.encode(), kind.encode())

    def drain(self, on=True):
        self._check(lib.cluster_drain(self, on))

    def leave(self, timeout=5):
        """Withdraw what was announced of the own node; LEFT says when that is done."""
        request = ctypes.c_uint64()
        self._check(lib.cluster_leave(self, int(timeout * 1000), ctypes.byref(request)))
        return request.value

    # the loop

    def events(self):
        """What happened since the last time. Take them before each step."""
        while True:
            pointer = lib.cluster_next_event(self)
            if not pointer:
                return
            e = pointer.contents
            yield Event(e.type, e.error, e.changed, e.state, e.count, e.quorum, e.time, e.revision, e.request, e.fingerprint,
                        Source(self, e.source) if e.source else None, _member(e.member), e.text.decode(),
                        ctypes.string_at(e.term, e.term_size) if e.term else None)

    def watches(self):
        """[(fd, events)] to wait for, as select.poll takes them."""
        while True:
            count = lib.cluster_watches(self, self._fds, len(self._fds))
            if count <= len(self._fds):
                return [(self._fds[i].fd, self._fds[i].events) for i in range(count)]
            self._fds = (h.pollfd * count)()

    @property
    def generation(self):
        return lib.cluster_watch_generation(self)

    @property
    def deadline(self):
        """Absolute, in ns on the clock of now(); None: never."""
        deadline = lib.cluster_deadline(self)
        return None if deadline == h.CLUSTER_NEVER else deadline

    def step(self, ready=(), time=None):
        """ready: [(fd, revents)]."""
        ready = list(ready)
        fds = (h.pollfd * len(ready))(*((fd, 0, revents) for fd, revents in ready)) if ready else None
        self._check(lib.cluster_step(self, now() if time is None else time, fds, len(ready)))

    def poll(self, timeout=None):
        """poll(2) and one step, for programs without a loop. Seconds; None: until something is due."""
        self._check(lib.cluster_poll(self, -1 if timeout is None else int(timeout * 1000)))

    def wait(self, timeout=None):
        """Until the status is READY."""
        self._check(lib.cluster_wait(self, -1 if timeout is None else int(timeout * 1000)))

    async def watch(self):
        """`async for event in c.watch()`: on asyncio's loop, as long as the loop over it goes on."""
        adapter = _Asyncio(self)
        try:
            while True:
                for event in self.events():
                    yield event
                adapter.update()
                await adapter.woken.wait()
                adapter.woken.clear()
        finally:
            adapter.close()


class _Asyncio:
    """Readers, writers and one timer of asyncio's loop. A descriptor is taken out as soon as the library no longer lists it."""

    def __init__(self, cluster):
        import asyncio  # only those who use it pay for it
        self.cluster, self.loop, self.woken = cluster, asyncio.get_running_loop(), asyncio.Event()
        self.registered, self.generation, self.timer = {}, None, None

    def change(self, fd, was, is_):
        for bit, add, remove in ((select.POLLIN, self.loop.add_reader, self.loop.remove_reader),
                                 (select.POLLOUT, self.loop.add_writer, self.loop.remove_writer)):
            if is_ & bit and not was & bit:
                add(fd, self.step, fd, bit)
            elif was & bit and not is_ & bit:
                remove(fd)

    def update(self):
        if self.generation != self.cluster.generation:
            self.generation, wanted = self.cluster.generation, dict(self.cluster.watches())
            for fd in self.registered.keys() | wanted.keys():
                self.change(fd, self.registered.get(fd, 0), wanted.get(fd, 0))
            self.registered = wanted
        if self.timer:
            self.timer.cancel()
            self.timer = None
        deadline = self.cluster.deadline
        if deadline is not None:
            self.timer = self.loop.call_later(max(0, deadline - now()) / 1e9, self.step)

    def step(self, fd=-1, revents=0):
        self.cluster.step([(fd, revents)] if fd >= 0 else [])
        self.update()  # before another callback of this round: the next step may close what this one retired
        self.woken.set()

    def close(self):
        for fd, events in self.registered.items():
            self.change(fd, events, 0)
        if self.timer:
            self.timer.cancel()


class Map:
    """A placement of shards on nodes: names, or dicts of the fields of struct cluster_node."""

    def __init__(self, nodes=(), _pointer=None, **options):
        self._as_parameter_ = _pointer or ctypes.POINTER(h.cluster_map)()
        if _pointer:
            return
        made = (h.cluster_node * max(len(nodes), 1))(*(_struct(h.cluster_node, **(n if isinstance(n, dict) else {"name": n}))
                                                       for n in nodes))
        result = lib.cluster_map_build(ctypes.byref(self._as_parameter_), made, len(nodes), ctypes.byref(_struct(h.cluster_map_options,
                                                                                                                **options)))
        if result < 0:
            raise Error(result, "these nodes make no map: names must be unique, shards a power of two")

    def __del__(self):
        if getattr(self, "_as_parameter_", None):
            lib.cluster_map_free(self)

    def node(self, index):
        name = lib.cluster_map_node(self, index)
        return name.decode() if name is not None else None

    def shard(self, key):
        return lib.cluster_map_shard(self, key, len(key))

    def owner(self, key):
        """The name of the node that owns a key (bytes); None: there is nobody."""
        return self.node(lib.cluster_map_owner(self, key, len(key)))

    def loads(self):
        """Shards by node."""
        return {self.node(i): lib.cluster_map_node_load(self, i) for i in range(lib.cluster_map_nodes(self))}

    def plan(self, after):
        """What moves from this map to another one; names of nodes, or None."""
        count = lib.cluster_map_plan(self, after, None, 0)
        moves = (h.cluster_move * max(count, 1))()
        lib.cluster_map_plan(self, after, moves, count)
        return [Move(m.shard, m.replica, self.node(getattr(m, "from")), after.node(m.to)) for m in moves[:count]]

    @property
    def fingerprint(self):
        return lib.cluster_map_fingerprint(self)


class Ring:
    """A ring or router as another system has it: kind is libring, ketama, nginx ...; nodes in the order in which that one got them:
    names, or dicts of the fields of struct cluster_node. Options: the fields of struct cluster_ring_options."""

    def __init__(self, kind, nodes, **options):
        self._as_parameter_ = ctypes.POINTER(h.cluster_ring)()
        made = (h.cluster_node * max(len(nodes), 1))(*(_struct(h.cluster_node, **(n if isinstance(n, dict) else {"name": n}))
                                                       for n in nodes))
        result = lib.cluster_ring_build(ctypes.byref(self._as_parameter_), kind.encode(), made, len(nodes),
                                        ctypes.byref(_struct(h.cluster_ring_options, **options)))
        if result < 0:
            raise Error(result, "there is no kind of ring %r" % kind if result == h.CLUSTER_E_UNSUPPORTED
                        else "these nodes and options make no ring of kind %s" % kind)

    def __del__(self):
        if getattr(self, "_as_parameter_", None):
            lib.cluster_ring_free(self)

    def owner(self, key):
        """The name of the node that owns a key (bytes); None: there is nobody."""
        name = lib.cluster_ring_node(self, lib.cluster_ring_owner(self, key, len(key)))
        return name.decode() if name is not None else None

    def owners(self, key, count):
        """The names of the first distinct owners, at most that many."""
        out = (ctypes.c_uint32 * max(count, 1))()
        found = lib.cluster_ring_owners(self, key, len(key), out, count)
        return [lib.cluster_ring_node(self, index).decode() for index in out[:found]]


def event_name(kind):
    return lib.cluster_event_name(kind).decode()


def hash64(data, seed=0):
    return lib.cluster_hash64(data, len(data), seed)
