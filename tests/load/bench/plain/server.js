// POST /v1/reservations as a reader of the guide would write it: Fastify, a pool of `pg` connections, and the statements
// of guide.sql, one by one in a transaction. `cargo dev bench edge` compares the whole path with it.
//
// What makes it quick without making it another service is used: statements are prepared once a connection, responses
// are serialised by their schema, connections are kept, and requests are not logged.

import { hash } from "node:crypto";
import { readFileSync } from "node:fs";

import { createVerifier } from "fast-jwt";
import Fastify from "fastify";
import pg from "pg";
import { v7 as uuidv7 } from "uuid";

const { DATABASE_URL, SESSION_SECRET, PORT, POOL } = process.env;

/** The parameters $1 to $7 of guide.sql, in order. */
const TYPES = ["text", "text", "text", "bytea", "text", "integer", "uuid"];
/** Why a reservation is refused whose statement touches no row. The statements after these always touch one. */
const REFUSALS = ["key_used", "hold_exists", "not_open_or_limit_reached", "sold_out"];

const STATEMENTS = readFileSync(new URL("../guide.sql", import.meta.url), "utf8")
  .replace(/^--.*$/gm, "")
  .split(";")
  .map((sql) => sql.trim())
  .filter(Boolean)
  .map(numbered);
// The event has what the buyer is told, too.
STATEMENTS.at(-1).text += "\nreturning data";

/** A statement with its own parameters only, from $1 on: one that is sent has to be used. */
function numbered(sql, at) {
  const used = [...new Set(sql.match(/\$\d/g))].sort();
  const text = sql.replace(/\$\d/g, (name) => `$${used.indexOf(name) + 1}::${TYPES[name[1] - 1]}`);
  return { name: `guide_${at}`, text, used: used.map((name) => name[1] - 1) };
}

const pool = new pg.Pool({ connectionString: DATABASE_URL, max: Number(POOL), idleTimeoutMillis: 0 });
pool.on("error", (error) => console.error("an idle connection was lost:", error.message));

/** The hold, or why there is none. */
async function reserve(params) {
  const client = await pool.connect();
  let failure;
  try {
    await client.query("begin");
    let touched;
    for (const [at, { name, text, used }] of STATEMENTS.entries()) {
      touched = await client.query({ name, text, values: used.map((param) => params[param]) });
      if (touched.rowCount === 0) {
        await client.query("rollback");
        return { refusal: REFUSALS[at] };
      }
    }
    await client.query("commit");
    return { hold: touched.rows[0].data };
  } catch (error) {
    failure = error;
    throw error;
  } finally {
    // After a failure the connection is closed, and its transaction with it.
    client.release(failure);
  }
}

const verify = createVerifier({ key: SESSION_SECRET, algorithms: ["HS256"], requiredClaims: ["sub", "exp"] });

async function authenticate(request, reply) {
  const [scheme, token] = (request.headers.authorization ?? "").split(" ");
  try {
    if (scheme !== "Bearer") throw new Error("no bearer token");
    request.user = verify(token).sub;
  } catch {
    return reply.code(401).send({ code: "unauthenticated" });
  }
}

const string = { type: "string" };
const integer = { type: "integer" };
const line = { sku_id: string, qty: { type: "integer", minimum: 1, maximum: 100 } };
const problem = { type: "object", properties: { code: string } };

const schema = {
  headers: {
    type: "object",
    required: ["idempotency-key"],
    properties: { "idempotency-key": { type: "string", minLength: 1, maxLength: 255 } },
  },
  body: {
    type: "object",
    required: ["sale_id", "items"],
    additionalProperties: false,
    properties: {
      sale_id: string,
      // The guide's statements are of one SKU.
      items: {
        type: "array",
        minItems: 1,
        maxItems: 1,
        items: { type: "object", required: ["sku_id", "qty"], additionalProperties: false, properties: line },
      },
    },
  },
  response: {
    201: {
      type: "object",
      properties: {
        hold_id: string,
        sale_id: string,
        status: string,
        items: { type: "array", items: { type: "object", properties: { ...line, unit_price: integer } } },
        total_amount: integer,
        currency: string,
        expire_at: string,
      },
    },
    401: problem,
    409: problem,
  },
};

const app = Fastify({ logger: false });
app.decorateRequest("user", null);

app.post("/v1/reservations", { schema, onRequest: authenticate }, async (request, reply) => {
  const { sale_id, items } = request.body;
  const [{ sku_id, qty }] = items;
  const fingerprint = hash("sha256", JSON.stringify(request.body), "buffer");
  const key = request.headers["idempotency-key"];
  const { hold, refusal } = await reserve([sale_id, request.user, key, fingerprint, sku_id, qty, uuidv7()]);
  if (refusal) return reply.code(409).send({ code: refusal });
  return reply.code(201).header("location", `/v1/reservations/${hold.hold_id}`).send(hold);
});

app.get("/healthz", async () => {
  await pool.query("select 1");
  return `Node ${process.versions.node}, Fastify ${app.version}, a pool of ${POOL} connections`;
});

await app.listen({ host: "127.0.0.1", port: Number(PORT) });
