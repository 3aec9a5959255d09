// `node server.mjs FILE PORT`: Better Auth with anonymous users, for `make bench`.
// SQLite syncs as the product's does, and there are no limits.
import { createServer } from "node:http";
import { betterAuth } from "better-auth";
import { getMigrations } from "better-auth/db/migration";
import { toNodeHandler } from "better-auth/node";
import { anonymous } from "better-auth/plugins";
import Database from "better-sqlite3";

const [file, port] = process.argv.slice(2);
const database = new Database(file);
database.pragma("journal_mode = WAL");
database.pragma("synchronous = FULL");

const auth = betterAuth({
  database,
  baseURL: `http://localhost:${port}`,
  secret: "only-for-the-benchmark-".repeat(2),
  plugins: [anonymous()],
  rateLimit: { enabled: false },
  telemetry: { enabled: false },
});
const { runMigrations } = await getMigrations(auth.options);
await runMigrations();
createServer(toNodeHandler(auth)).listen(Number(port), "127.0.0.1");
