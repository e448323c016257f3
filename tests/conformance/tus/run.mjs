// Drives tus-js-client against a server: `node run.mjs ENDPOINT PICTURE…`, with a bearer token in TOKEN. Prints one line a
// case, "ok" or "FAILED", the case and a detail, set apart by tabs; exits 1 when one failed. Each case takes a picture of its
// own, and is good when the image that the server made of it has the picture's bytes.

import { createHash } from "node:crypto";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { Readable } from "node:stream";
import * as tus from "tus-js-client";

const [endpoint, folder, ...pictures] = process.argv.slice(2);
const headers = { Authorization: `Bearer ${process.env.TOKEN}` };
const CHUNK = 16 * 1024;
const PATIENT = [200, 500, 1000, 3000]; // as the client has it by default: what was stopped may still come in, which is 409

class Failure extends Error {}

function expect(condition, otherwise) {
  if (!condition) throw new Failure(otherwise);
}

// An upload that has begun: `done` is settled with the last answer's header once it is over, `offsets` are those of its PATCHes.
function upload(source, options, hooks = {}) {
  const offsets = [];
  const methods = [];
  let client;
  const done = new Promise((resolve, reject) => {
    client = new tus.Upload(source, {
      endpoint,
      headers,
      retryDelays: null,
      metadata: { filename: "from tus-js-client.jpg", filetype: "image/jpeg" },
      onBeforeRequest(request) {
        methods.push(request.getMethod());
        if (request.getMethod() === "PATCH") offsets.push(Number(request.getHeader("Upload-Offset")));
      },
      onSuccess: ({ lastResponse }) => resolve(lastResponse.getHeader("Heliograph-Image")),
      onError: reject,
      onChunkComplete: (size, accepted) => hooks.chunk?.(client, accepted),
      ...options,
    });
  });
  client.start();
  return { client, done, offsets, methods };
}

async function sameAs(content, image) {
  expect(image, "the last answer names no image");
  const answer = await fetch(new URL(image, endpoint), { headers });
  const made = await answer.json();
  expect(made.sha256 === createHash("sha256").update(content).digest("hex"), "the image has other bytes");
  expect(made.name === "from tus-js-client.jpg", `the image is named ${made.name}`);
}

async function head(url) {
  return fetch(url, { method: "HEAD", headers: { ...headers, "Tus-Resumable": "1.0.0" } });
}

// Uploads until the first chunk is there, and what `ready` waits for, as a page does that is closed then.
async function begun(content, options = {}, ready = async () => true) {
  const running = await new Promise((resolve, reject) => {
    const begun = upload(content, { chunkSize: CHUNK, ...options }, {
      chunk: async (client) => (await ready()) && client.abort().then(() => resolve(begun)),
    });
    begun.done.then(() => reject(new Failure("it was done before it was stopped")), reject);
  });
  return running;
}

// A way to the server that breaks the first connection which carries more than `bytes`.
async function brokenWay(bytes) {
  const target = new URL(endpoint);
  let left = 1;
  const server = createServer((client) => {
    const through = connect(Number(target.port), target.hostname);
    let carried = 0;
    client.on("data", (data) => {
      carried += data.length;
      through.write(data);
      if (carried <= bytes || left-- <= 0) return;
      client.pause();
      setTimeout(() => client.resetAndDestroy(), 500); // the server has taken in by then what was sent
    });
    through.on("data", (data) => client.write(data));
    for (const [one, other] of [[client, through], [through, client]]) {
      one.on("close", () => other.destroy());
      one.on("error", () => other.destroy());
    }
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return { server, endpoint: `http://127.0.0.1:${server.address().port}${target.pathname}`, broken: () => left <= 0 };
}

const cases = {
  async "tells what it can do"() {
    const answer = await fetch(endpoint, { method: "OPTIONS" });
    expect(answer.status === 204 && answer.headers.get("tus-version") === "1.0.0", `OPTIONS: ${answer.status}`);
    return answer.headers.get("tus-extension");
  },

  async "a file as a whole"(content) {
    const { done, offsets } = upload(content, {});
    await sameAs(content, await done);
    expect(offsets.length === 1, `${offsets.length} PATCHes`);
  },

  async "in chunks"(content) {
    const { done, offsets } = upload(content, { chunkSize: CHUNK });
    await sameAs(content, await done);
    expect(offsets.length === Math.ceil(content.length / CHUNK), `${offsets.length} PATCHes`);
    return `${offsets.length} chunks`;
  },

  async "data with the creation"(content) {
    const { done, methods } = upload(content, { uploadDataDuringCreation: true });
    await sameAs(content, await done);
    expect(methods.join() === "POST", methods.join());
  },

  async "data with the creation, then chunks"(content) {
    const { done, methods } = upload(content, { uploadDataDuringCreation: true, chunkSize: CHUNK });
    await sameAs(content, await done);
    expect(methods[0] === "POST" && methods.length === Math.ceil(content.length / CHUNK), methods.join());
  },

  async "a stream of unknown length"(content) {
    const stream = Readable.from((function* () {
      for (let at = 0; at < content.length; at += 10000) yield content.subarray(at, at + 10000);
    })(), { objectMode: false });
    await sameAs(content, await upload(stream, { uploadLengthDeferred: true, chunkSize: CHUNK }).done);
  },

  async "goes on after it was stopped"(content) {
    const { client } = await begun(content);
    const { done, offsets } = upload(content, { uploadUrl: client.url, retryDelays: PATIENT });
    await sameAs(content, await done);
    expect(offsets[0] > 0, "it began anew");
    return `from byte ${offsets[0]}`;
  },

  async "goes on from a stored address"(content) {
    const stored = { urlStorage: new tus.FileUrlStorage(join(folder, "urls.json")), fingerprint: async () => "the file" };
    const first = await begun(content, stored);
    const running = await new Promise((resolve, reject) => {
      const offsets = [];
      const again = new tus.Upload(content, {
        endpoint, headers, retryDelays: PATIENT, chunkSize: CHUNK, ...stored,
        onBeforeRequest: (request) => offsets.push(`${request.getMethod()} ${request.getHeader("Upload-Offset") ?? ""}`),
        onSuccess: ({ lastResponse }) => resolve({ image: lastResponse.getHeader("Heliograph-Image"), offsets, again }),
        onError: reject,
      });
      again.findPreviousUploads().then((found) => {
        again.resumeFromPreviousUpload(found[0]);
        again.start();
      }).catch(reject);
    });
    await sameAs(content, running.image);
    expect(running.again.url === first.client.url, "another upload");
    expect(running.offsets[0].startsWith("HEAD") && running.offsets[1] !== "PATCH 0", running.offsets.join());
  },

  async "goes on by itself after the connection broke"(content) {
    const way = await brokenWay(content.length / 2);
    try {
      const { done, methods, offsets } = upload(content, { endpoint: way.endpoint, retryDelays: PATIENT });
      await sameAs(content, await done);
      expect(way.broken(), "nothing broke");
      expect(methods.includes("HEAD") && offsets.at(-1) > 0, `${methods.join()} at ${offsets.join()}`);
      return `PATCH at ${offsets.join(", ")}`;
    } finally {
      way.server.close();
    }
  },

  async "parts side by side"(content) {
    const { done, methods } = upload(content, { parallelUploads: 3, chunkSize: CHUNK });
    await sameAs(content, await done);
    expect(methods.filter((method) => method === "POST").length === 4, methods.join());
  },

  async "parts side by side, stopped and gone on with"(content) {
    const stored = { urlStorage: new tus.FileUrlStorage(join(folder, "parts.json")), fingerprint: async () => "the parts" };
    const options = { parallelUploads: 2, chunkSize: CHUNK, ...stored };
    const find = () => stored.urlStorage.findUploadsByFingerprint("the parts");
    await begun(content, options, async () => (await find()).length > 0);
    const [previous] = await find();
    const image = await new Promise((resolve, reject) => {
      const again = new tus.Upload(content, {
        endpoint, headers, ...options, retryDelays: PATIENT, metadata: { filename: "from tus-js-client.jpg" },
        onSuccess: ({ lastResponse }) => resolve(lastResponse.getHeader("Heliograph-Image")),
        onError: reject,
      });
      again.resumeFromPreviousUpload(previous);
      again.start();
    });
    await sameAs(content, image);
  },

  async "ends an upload"(content) {
    const { client } = await begun(content);
    expect((await head(client.url)).status === 200, "it is not there");
    await tus.Upload.terminate(client.url, { headers, retryDelays: null });
    const { status } = await head(client.url);
    expect(status === 404 || status === 410, `HEAD: ${status}`);
    return `then HEAD says ${status}`;
  },

  async "POST in the place of PATCH"(content) {
    const { done, methods } = upload(content, { overridePatchMethod: true, chunkSize: CHUNK });
    await sameAs(content, await done);
    expect(!methods.includes("PATCH"), methods.join());
  },

  async "a file that is no picture, without a second try"() {
    const { client, done, methods } = upload(Buffer.from("%PDF-1.7 renamed"), { retryDelays: [100, 100] });
    const error = await done.then(() => null, (reason) => reason);
    expect(error?.originalResponse?.getStatus() === 415, String(error));
    expect(methods.join() === "POST,PATCH", methods.join());
    return `then HEAD says ${(await head(client.url)).status}`;
  },

  async "a file over the limit, before it is sent"() {
    const { done, methods } = upload(Buffer.alloc(1), { uploadSize: 10 ** 12, retryDelays: [100, 100] });
    const error = await done.then(() => null, (reason) => reason);
    expect(error?.originalResponse?.getStatus() === 413, String(error));
    expect(methods.join() === "POST", methods.join());
  },
};

let failed = false;
let next = 0;
for (const [name, run] of Object.entries(cases)) {
  let line;
  try {
    const content = await readFile(pictures[next++ % pictures.length]);
    line = `ok\t${name}\t${(await run(content)) ?? ""}`;
  } catch (error) {
    failed = true;
    line = `FAILED\t${name}\t${String(error.message ?? error).replaceAll(/\s+/g, " ").slice(0, 300)}`;
  }
  console.log(line);
}
process.exit(failed ? 1 : 0);
