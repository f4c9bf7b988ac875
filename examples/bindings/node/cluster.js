// cluster.h for Node.js: a handle is an EventEmitter on Node's own loop, and keeps the process alive until it is closed. addon.c says how
// the addon is built; CLUSTER_ADDON names another place.
"use strict";
const { EventEmitter } = require("node:events");
const path = require("node:path");
const h = require("./cluster_h.js");

function load() {
  const file = process.env.CLUSTER_ADDON || path.join(__dirname, "../../../build/cluster.node");
  try {
    return require(file);
  } catch (error) {
    throw new Error(`the addon cannot be loaded (${error.message}): build it as the first comment of addon.c says, or name it in CLUSTER_ADDON`);
  }
}

const addon = load();

// Emits "event" for each event, and it once more by its name: "join", "leave", "source" ...
class Cluster extends EventEmitter {
  #handle;
  #sources = new Set();

  constructor({ node = "", cookie = "", quorum = 0 } = {}) {
    super();
    this.#handle = addon.create(node, cookie, quorum, (event) => {
      this.emit("event", event);
      this.emit(event.name, event);
    });
  }

  // Add a source; what it gives can be published to, if it is a push: source. Throws with the library's sentence.
  discover(url) {
    const source = addon.discover(this.#handle, url);
    this.#sources.add(source);
    return source;
  }

  // The complete list of a push: source.
  publish(source, names) {
    if (!source || !this.#sources.has(source)) throw new Error("this source is not one of this handle's");
    addon.publish(this.#handle, source, names);
  }

  // Erlang nodes: terms are text in Erlang's syntax. What returns a request is answered by a "reply" with it.
  ping(node) {
    return addon.ask(this.#handle, "ping", node);
  }

  // As rpc:call does. The reply has the result in term, or error and text.
  call(node, module, func, list = "[]") {
    return addon.ask(this.#handle, "call", node, module, func, list);
  }

  monitor(node, process) {
    return addon.ask(this.#handle, "monitor", node, process);
  }

  send(node, process, message) {
    addon.ask(this.#handle, "send", node, process, message);
  }

  // Have a process of this name: what is sent to it comes as "message".
  register(process) {
    addon.ask(this.#handle, "register", process);
  }

  answer(request, result) {
    addon.answer(this.#handle, request, result);
  }

  drain(on = true) {
    addon.drain(this.#handle, on ? 1 : 0);
  }

  // Withdraw what was announced of the own node; "left" says when that is done.
  leave(milliseconds = 5000) {
    return addon.leave(this.#handle, milliseconds);
  }

  get members() {
    return addon.members(this.#handle);
  }

  close() {
    addon.close(this.#handle);
  }
}

// An immutable placement of shards on nodes.
class Placement {
  #map;

  constructor(names, { shards = 0 } = {}) {
    this.#map = addon.mapBuild(names, shards);
  }

  get nodes() {
    return addon.mapNodes(this.#map);
  }

  shard(key) {
    return addon.mapPlace(this.#map, key).shard;
  }

  owner(key) {
    return addon.mapPlace(this.#map, key).owner;
  }

  // What moves from this map to another one.
  plan(after) {
    return addon.mapPlan(this.#map, after.#map);
  }
}

// A ring or router as another system has it: "libring", "ketama" ... Give the names in the order in which that one got them.
class Ring {
  #ring;

  constructor(kind, names) {
    this.#ring = addon.ringBuild(kind, names);
  }

  // null: there is nobody.
  owner(key) {
    return this.owners(key, 1)[0] ?? null;
  }

  // The first distinct owners, at most that many.
  owners(key, count) {
    return addon.ringOwners(this.#ring, key, count);
  }
}

module.exports = { Cluster, Placement, Ring, h };
