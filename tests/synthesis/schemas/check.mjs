// Checks Kubernetes objects of Istio's and GKE's own kinds, and of the Gateway API's, against the schemas of
// their CRDs, as @kubernetes-models compiles them.
//
// Reads a JSON list of objects from standard input and writes a JSON list with one
// entry for each: null if it is right, else a list of what is wrong. The compiled
// schemas let unknown keys pass, as an API server does by pruning them: a slip in
// a name would never be seen. So the object is handed over inside a proxy that
// notes which keys the schema asked for; one that it never asked for is unknown.

import { readFileSync } from "node:fs";

const KINDS = {
  "gateway.networking.k8s.io/v1": "@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1",
  "networking.istio.io/v1beta1": "@kubernetes-models/istio/networking.istio.io/v1beta1",
  "security.istio.io/v1beta1": "@kubernetes-models/istio/security.istio.io/v1beta1",
  "cloud.google.com/v1": "@kubernetes-models/gke/cloud.google.com/v1",
  "networking.gke.io/v1": "@kubernetes-models/gke/networking.gke.io/v1",
  "networking.gke.io/v1beta1": "@kubernetes-models/gke/networking.gke.io/v1beta1",
};

function watched(value, path, unknown) {
  if (value === null || typeof value !== "object") {
    return value;
  }
  const asked = new Set();
  for (const key of Object.keys(value)) {
    unknown.set(`${path}/${key}`, () => !asked.has(key));
    value[key] = watched(value[key], `${path}/${key}`, unknown);
  }
  return new Proxy(value, {
    get(target, key, receiver) {
      asked.add(key);
      return Reflect.get(target, key, receiver);
    },
    // A schema that goes through all keys, as of a map of labels, knows them all.
    ownKeys(target) {
      Reflect.ownKeys(target).forEach((key) => asked.add(key));
      return Reflect.ownKeys(target);
    },
  });
}

async function check(object) {
  const module = KINDS[object.apiVersion];
  if (module === undefined) {
    return [`no schema for ${object.apiVersion}`];
  }
  const Kind = (await import(module))[object.kind];
  if (Kind === undefined) {
    return [`${object.apiVersion} has no kind ${object.kind}`];
  }
  const unknown = new Map();
  const proxied = Object.create(Kind.prototype);
  for (const [key, value] of Object.entries(object)) {
    proxied[key] = watched(value, `/${key}`, unknown);
  }
  try {
    proxied.validate();
  } catch (error) {
    return (error.errors ?? [error]).map((one) => `${one.instancePath ?? ""} ${one.message ?? one.keyword}`);
  }
  const never = [...unknown].filter(([path, isUnknown]) => !path.startsWith("/metadata/") && isUnknown());
  return never.length === 0 ? null : never.map(([path]) => `${path} is no field of ${object.kind}`);
}

const objects = JSON.parse(readFileSync(0, "utf8"));
const results = [];
for (const object of objects) {
  results.push(await check(object));
}
process.stdout.write(JSON.stringify(results));
