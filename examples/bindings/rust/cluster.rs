//! cluster.h for Rust: a small safe layer over the generated declarations in ffi.rs. A handle and what it lends live on one thread,
//! and an event borrows the handle, so that it cannot outlive the step that it came from.
#[path = "ffi.rs"]
pub mod ffi;

use std::ffi::{CStr, CString};
use std::fmt;
use std::marker::PhantomData;
use std::mem::{size_of, zeroed};
use std::os::raw::{c_char, c_int};
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};

/// `code` is one of ffi::CLUSTER_E_...; the text says what to change.
#[derive(Debug)]
pub struct Error {
    pub code: c_int,
    pub text: String,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Error {}

fn invalid(text: &str) -> Error {
    Error { code: ffi::CLUSTER_E_INVALID, text: text.to_string() }
}

fn c_string(text: &str) -> Result<CString, Error> {
    CString::new(text).map_err(|_| invalid("a text has a NUL byte in it"))
}

unsafe fn text<'a>(pointer: *const c_char) -> &'a str {
    if pointer.is_null() {
        return "";
    }
    CStr::from_ptr(pointer).to_str().unwrap_or("?")
}

/// What happened. It borrows the handle until the next event or step.
pub struct Event<'a> {
    raw: &'a ffi::cluster_event,
}

impl<'a> Event<'a> {
    pub fn kind(&self) -> i32 {
        self.raw.r#type as i32
    }
    pub fn kind_name(&self) -> &'static str {
        unsafe { text(ffi::cluster_event_name(self.raw.r#type)) }
    }
    pub fn error(&self) -> i32 {
        self.raw.error
    }
    pub fn text(&self) -> &'a str {
        unsafe { text(self.raw.text) }
    }
    /// The member's name, of membership events.
    pub fn member(&self) -> Option<&'a str> {
        unsafe { self.raw.member.as_ref().map(|m| text(m.name)) }
    }
    /// Of replies, calls and LEFT: which request.
    pub fn request(&self) -> u64 {
        self.raw.request
    }
    /// Of messages, calls and replies: the term, in the external format.
    pub fn term(&self) -> Option<&'a [u8]> {
        if self.raw.term.is_null() {
            return None;
        }
        Some(unsafe { std::slice::from_raw_parts(self.raw.term as *const u8, self.raw.term_size as usize) })
    }
    /// The URL of the source that it is about, secrets shown as ***.
    pub fn url(&self) -> Option<&'a str> {
        if self.raw.source.is_null() {
            return None;
        }
        Some(unsafe { text(ffi::cluster_source_url(self.raw.source)) })
    }
}

/// A source of a handle, to publish to. It knows whose it is: another handle refuses it.
pub struct Source {
    raw: *mut ffi::cluster_source,
    owner: u64,
}

/// A handle. The raw pointer keeps it on its thread.
pub struct Cluster {
    raw: *mut ffi::cluster,
    id: u64,
}

static HANDLES: AtomicU64 = AtomicU64::new(0);

impl Cluster {
    pub fn new() -> Result<Cluster, Error> {
        Cluster::named("", 0)
    }

    /// With an own name ("" for none) and a quorum (0: 1).
    pub fn named(node: &str, quorum: u32) -> Result<Cluster, Error> {
        Cluster::with(node, "", quorum)
    }

    /// An Erlang node: its name, and the cookie that the others have.
    pub fn erlang(node: &str, cookie: &str) -> Result<Cluster, Error> {
        Cluster::with(node, cookie, 0)
    }

    fn with(node: &str, cookie: &str, quorum: u32) -> Result<Cluster, Error> {
        let mut sentence = [0 as c_char; 256];
        let mut raw = ptr::null_mut();
        let (node, cookie) = (c_string(node)?, c_string(cookie)?);
        let given = |text: &CString| if text.as_bytes().is_empty() { ptr::null() } else { text.as_ptr() };
        let result = unsafe {
            let mut options: ffi::cluster_options = zeroed();
            options.size = size_of::<ffi::cluster_options>() as u32;
            options.quorum = quorum;
            options.node = given(&node);
            options.cookie = given(&cookie);
            options.error = sentence.as_mut_ptr();
            options.error_size = sentence.len() as u64;
            ffi::cluster_create(&mut raw, &options)
        };
        if result < 0 {
            return Err(Error { code: result, text: unsafe { text(sentence.as_ptr()) }.to_string() });
        }
        Ok(Cluster { raw, id: HANDLES.fetch_add(1, Ordering::Relaxed) })
    }

    fn check(&self, result: c_int) -> Result<(), Error> {
        if result < 0 {
            return Err(Error { code: result, text: unsafe { text(ffi::cluster_last_error(self.raw)) }.to_string() });
        }
        Ok(())
    }

    pub fn discover(&mut self, url: &str) -> Result<Source, Error> {
        let url = c_string(url)?;
        let mut source = ptr::null_mut();
        let result = unsafe { ffi::cluster_discover(self.raw, url.as_ptr(), &mut source) };
        self.check(result).map(|_| Source { raw: source, owner: self.id })
    }

    /// For push: sources, the complete list.
    pub fn publish(&mut self, source: &Source, names: &[&str]) -> Result<(), Error> {
        if source.owner != self.id || source.raw.is_null() {
            return Err(invalid("this source is not one of this handle's"));
        }
        let names = names.iter().map(|n| c_string(n)).collect::<Result<Vec<_>, _>>()?;
        let nodes: Vec<_> = names.iter().map(node).collect();
        let result = unsafe { ffi::cluster_source_publish(source.raw, nodes.as_ptr(), nodes.len()) };
        self.check(result)
    }

    pub fn next_event(&mut self) -> Option<Event<'_>> {
        unsafe { ffi::cluster_next_event(self.raw).as_ref().map(|raw| Event { raw }) }
    }

    /// What to wait for. The same array is handed to step after poll(2) has filled it.
    pub fn watches(&mut self) -> Vec<ffi::pollfd> {
        let mut fds = Vec::new();
        loop {
            let count = unsafe { ffi::cluster_watches(self.raw, fds.as_mut_ptr(), fds.len()) };
            if count <= fds.len() {
                fds.truncate(count);
                return fds;
            }
            fds.resize(count, ffi::pollfd { fd: -1, events: 0, revents: 0 });
        }
    }

    /// Absolute, in ns on the clock of now(); None: never.
    pub fn deadline(&self) -> Option<u64> {
        Some(unsafe { ffi::cluster_deadline(self.raw) }).filter(|d| *d != ffi::CLUSTER_NEVER)
    }

    pub fn step(&mut self, now: u64, ready: &[ffi::pollfd]) -> Result<(), Error> {
        let result = unsafe { ffi::cluster_step(self.raw, now, if ready.is_empty() { ptr::null() } else { ready.as_ptr() }, ready.len()) };
        self.check(result)
    }

    /// poll(2) and one step, for programs without a loop; -1: until something is due.
    pub fn poll(&mut self, timeout_ms: i32) -> Result<(), Error> {
        let result = unsafe { ffi::cluster_poll(self.raw, timeout_ms) };
        self.check(result)
    }

    fn requested(&self, result: c_int, request: u64) -> Result<u64, Error> {
        self.check(result).map(|_| request)
    }

    /// Is the node there? A reply with this request says it.
    pub fn ping(&mut self, node: &str) -> Result<u64, Error> {
        let (node, mut request) = (c_string(node)?, 0);
        let result = unsafe { ffi::cluster_ping(self.raw, node.as_ptr(), &mut request) };
        self.requested(result, request)
    }

    /// As rpc:call does; arguments: a list in the external format. A reply with this request has the result, or says why there is none.
    pub fn call(&mut self, node: &str, module: &str, function: &str, arguments: &[u8]) -> Result<u64, Error> {
        let (node, module, function, mut request) = (c_string(node)?, c_string(module)?, c_string(function)?, 0);
        let result = unsafe {
            ffi::cluster_call(self.raw, node.as_ptr(), module.as_ptr(), function.as_ptr(), arguments.as_ptr() as *const _,
                              arguments.len(), 0, &mut request)
        };
        self.requested(result, request)
    }

    /// A reply with this request says when the process has ended.
    pub fn monitor(&mut self, node: &str, process: &str) -> Result<u64, Error> {
        let (node, process, mut request) = (c_string(node)?, c_string(process)?, 0);
        let result = unsafe { ffi::cluster_monitor(self.raw, node.as_ptr(), process.as_ptr(), &mut request) };
        self.requested(result, request)
    }

    pub fn send(&mut self, node: &str, process: &str, message: &[u8]) -> Result<(), Error> {
        let (node, process) = (c_string(node)?, c_string(process)?);
        let result = unsafe {
            ffi::cluster_send(self.raw, node.as_ptr(), process.as_ptr(), message.as_ptr() as *const _, message.len())
        };
        self.check(result)
    }

    /// Have a process of this name: what is sent to it comes as CLUSTER_MESSAGE.
    pub fn register(&mut self, process: &str) -> Result<(), Error> {
        let process = c_string(process)?;
        let result = unsafe { ffi::cluster_register(self.raw, process.as_ptr()) };
        self.check(result)
    }

    pub fn answer(&mut self, request: u64, result: &[u8]) -> Result<(), Error> {
        let result = unsafe { ffi::cluster_answer(self.raw, request, result.as_ptr() as *const _, result.len()) };
        self.check(result)
    }

    pub fn drain(&mut self, on: bool) -> Result<(), Error> {
        let result = unsafe { ffi::cluster_drain(self.raw, on as c_int) };
        self.check(result)
    }

    /// Withdraw what was announced of the own node; CLUSTER_LEFT says when that is done.
    pub fn leave(&mut self, timeout_ms: i32) -> Result<u64, Error> {
        let mut request = 0;
        let result = unsafe { ffi::cluster_leave(self.raw, timeout_ms, &mut request) };
        self.requested(result, request)
    }

    pub fn members(&self) -> Vec<String> {
        unsafe {
            (0..ffi::cluster_member_count(self.raw))
                .map(|i| text((*ffi::cluster_member_at(self.raw, i)).name).to_string())
                .collect()
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        unsafe { ffi::cluster_destroy(self.raw) }
    }
}

/// A term in Erlang's syntax, as bytes of the external format.
pub fn term(source: &str) -> Result<Vec<u8>, Error> {
    let source = c_string(source)?;
    let mut size = 0;
    unsafe { ffi::cluster_term_parse(source.as_ptr(), ptr::null_mut(), 0, &mut size) };
    let mut bytes = vec![0u8; size];
    let result = unsafe { ffi::cluster_term_parse(source.as_ptr(), bytes.as_mut_ptr() as *mut _, bytes.len(), &mut size) };
    if result < 0 {
        let why = unsafe { text(ffi::cluster_term_why(source.as_ptr(), ptr::null_mut())) };
        return Err(Error { code: result, text: why.to_string() });
    }
    Ok(bytes)
}

/// A term of the external format in Erlang's syntax; None where it is none.
pub fn term_text(term: &[u8]) -> Option<String> {
    let print = |out: *mut c_char, size| unsafe { ffi::cluster_term_print(term.as_ptr() as *const _, term.len(), out, size) };
    let mut bytes = vec![0u8; print(ptr::null_mut(), 0) + 1];
    print(bytes.as_mut_ptr() as *mut c_char, bytes.len());
    bytes.pop();
    if bytes.is_empty() {
        return None;
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

pub fn now() -> u64 {
    unsafe { ffi::cluster_now() }
}

fn node(name: &CString) -> ffi::cluster_node {
    let mut made: ffi::cluster_node = unsafe { zeroed() };
    made.size = size_of::<ffi::cluster_node>() as u32;
    made.name = name.as_ptr();
    made
}

/// An immutable placement of shards on nodes.
pub struct Map {
    raw: *mut ffi::cluster_map,
    _on_this_thread: PhantomData<*mut ()>,
}

pub struct Move {
    pub shard: u32,
    pub from: Option<String>,
    pub to: Option<String>,
}

impl Map {
    /// shards: a power of two; 0: 4096.
    pub fn new(names: &[&str], shards: u32) -> Result<Map, Error> {
        let names = names.iter().map(|n| c_string(n)).collect::<Result<Vec<_>, _>>()?;
        let nodes: Vec<_> = names.iter().map(node).collect();
        let mut raw = ptr::null_mut();
        let result = unsafe {
            let mut options: ffi::cluster_map_options = zeroed();
            options.size = size_of::<ffi::cluster_map_options>() as u32;
            options.shards = shards;
            ffi::cluster_map_build(&mut raw, nodes.as_ptr(), nodes.len(), &options)
        };
        if result < 0 {
            return Err(invalid("these nodes make no map: names must be unique, shards a power of two"));
        }
        Ok(Map { raw, _on_this_thread: PhantomData })
    }

    pub fn len(&self) -> u32 {
        unsafe { ffi::cluster_map_nodes(self.raw) }
    }

    pub fn node(&self, index: u32) -> Option<&str> {
        let name = unsafe { ffi::cluster_map_node(self.raw, index) };
        if name.is_null() {
            return None;
        }
        Some(unsafe { text(name) })
    }

    pub fn load(&self, index: u32) -> u32 {
        unsafe { ffi::cluster_map_node_load(self.raw, index) }
    }

    pub fn shard(&self, key: &[u8]) -> u32 {
        unsafe { ffi::cluster_map_shard(self.raw, key.as_ptr() as *const _, key.len()) }
    }

    pub fn owner(&self, key: &[u8]) -> Option<&str> {
        self.node(unsafe { ffi::cluster_map_owner(self.raw, key.as_ptr() as *const _, key.len()) })
    }

    /// What moves from this map to another one.
    pub fn plan(&self, after: &Map) -> Vec<Move> {
        let nothing: ffi::cluster_move = unsafe { zeroed() };
        let mut moves = vec![nothing; unsafe { ffi::cluster_map_plan(self.raw, after.raw, ptr::null_mut(), 0) }];
        unsafe { ffi::cluster_map_plan(self.raw, after.raw, moves.as_mut_ptr(), moves.len()) };
        let name = |map: &Map, index| map.node(index).map(str::to_string);
        moves.iter().map(|m| Move { shard: m.shard, from: name(self, m.from), to: name(after, m.to) }).collect()
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        unsafe { ffi::cluster_map_free(self.raw) }
    }
}

/// A ring or router as another system has it.
pub struct Ring {
    raw: *mut ffi::cluster_ring,
}

impl Ring {
    /// kind: libring, ketama, nginx ...; names in the order in which that system got them.
    pub fn new(kind: &str, names: &[&str]) -> Result<Ring, Error> {
        let kind = c_string(kind)?;
        let names = names.iter().map(|n| c_string(n)).collect::<Result<Vec<_>, _>>()?;
        let nodes: Vec<_> = names.iter().map(node).collect();
        let mut raw = ptr::null_mut();
        let result = unsafe { ffi::cluster_ring_build(&mut raw, kind.as_ptr(), nodes.as_ptr(), nodes.len(), ptr::null()) };
        if result < 0 {
            let text = if result == ffi::CLUSTER_E_UNSUPPORTED { "there is no such kind of ring" } else { "these nodes make no such ring" };
            return Err(Error { code: result, text: text.to_string() });
        }
        Ok(Ring { raw })
    }

    fn name(&self, index: u32) -> Option<&str> {
        let name = unsafe { ffi::cluster_ring_node(self.raw, index) };
        if name.is_null() {
            return None;
        }
        Some(unsafe { text(name) })
    }

    pub fn owner(&self, key: &[u8]) -> Option<&str> {
        self.name(unsafe { ffi::cluster_ring_owner(self.raw, key.as_ptr() as *const _, key.len()) })
    }

    /// The first distinct owners, at most that many.
    pub fn owners(&self, key: &[u8], count: usize) -> Vec<&str> {
        let mut found = vec![0u32; count];
        let found_count =
            unsafe { ffi::cluster_ring_owners(self.raw, key.as_ptr() as *const _, key.len(), found.as_mut_ptr(), count) };
        found.iter().take(found_count).filter_map(|index| self.name(*index)).collect()
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        unsafe { ffi::cluster_ring_free(self.raw) }
    }
}
