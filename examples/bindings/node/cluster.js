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
    throw new Error(`the addon cannot be loaded (${error.message}): build it as addon.c says, or name it in CLUSTER_ADDON`);
  }
}

const addon = load();

// Emits "event" for each event, and it once more by its name: "join", "leave", "source" ...
class Cluster extends EventEmitter {
  #handle;
  #sources = new Set();

  constructor({ node = "", quorum = 0 } = {}) {
    super();
    this.#handle = addon.create(node, quorum, (event) => {
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

module.exports = { Cluster, Placement, h };
